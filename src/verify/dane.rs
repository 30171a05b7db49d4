//! DANE for SMTP (RFC 6698, 7671, 7672) as far as it is bytes: one TLSA record is read and
//! compared with a chain. Pure; `policy` asks for records and chains.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, SHA512, digest};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::dns::Record;
use crate::model::{Hostname, Timestamp};
use crate::verify::visible;

/// The most certificates of a chain that are compared.
const MOST_CERTIFICATES: usize = 16;

/// One TLSA record (RFC 6698 section 2.1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tlsa {
    /// Which certificate it speaks of: 2 a CA's in the chain, 3 the server's own; 0 and 1 do not
    /// count between mail servers.
    pub usage: u8,
    /// Of it the whole (0) or the key (1).
    pub selector: u8,
    /// As it is (0), its SHA-256 (1) or its SHA-512 (2).
    pub matching: u8,
    /// What it is compared with.
    pub data: Vec<u8>,
}

/// Why a record says nothing to a mail server (RFC 7672 section 3.1, RFC 7671 section 4).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unusable {
    /// Usage 0 or 1, or one nobody knows.
    #[error("usage {0} does not count between mail servers; expected 3 or 2")]
    Usage(u8),
    /// Neither certificate nor key.
    #[error("selector {0} is unknown; expected 1 or 0")]
    Selector(u8),
    /// No known way to compare.
    #[error("matching type {0} is unknown; expected 1, 2 or 0")]
    Matching(u8),
    /// Data that no certificate can match.
    #[error("{found} bytes of data for matching type {matching}; expected {expected}")]
    Length {
        /// The matching type.
        matching: u8,
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: &'static str,
    },
}

/// What a record says of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// This server is the one that is meant.
    Matches,
    /// The certificate of a CA is in the chain, and still the chain does not hold: why.
    Broken(String),
    /// It means another certificate, or it is unusable.
    Differs,
}

impl Tlsa {
    /// Reads the data of a record as it comes over the wire; `None` if it is cut.
    #[must_use]
    pub fn parse(rdata: &[u8]) -> Option<Self> {
        let [usage, selector, matching, data @ ..] = rdata else { return None };
        Some(Self { usage: *usage, selector: *selector, matching: *matching, data: data.to_vec() })
    }

    /// The record among those of the DNS; `None` if it is of another kind.
    #[must_use]
    pub fn of(record: &Record) -> Option<Self> {
        match record {
            Record::Tlsa { usage, selector, matching, data } => Some(Self {
                usage: *usage,
                selector: *selector,
                matching: *matching,
                data: data.clone(),
            }),
            _ => None,
        }
    }

    /// Why it says nothing to a mail server, if so.
    #[must_use]
    pub fn unusable(&self) -> Option<Unusable> {
        if !matches!(self.usage, 2 | 3) {
            return Some(Unusable::Usage(self.usage));
        }
        if self.selector > 1 {
            return Some(Unusable::Selector(self.selector));
        }
        let expected = match (self.matching, self.data.len()) {
            (0, 1..) | (1, 32) | (2, 64) => return None,
            (0, _) => "a certificate or a key",
            (1, _) => "32",
            (2, _) => "64",
            (other, _) => return Some(Unusable::Matching(other)),
        };
        Some(Unusable::Length { matching: self.matching, found: self.data.len(), expected })
    }

    /// Whether a certificate (DER) is what the record means, its usage left aside.
    #[must_use]
    pub fn names(&self, certificate: &[u8]) -> bool {
        self.of_certificate(certificate).is_some_and(|own| own.data == self.data)
    }

    /// The record that a certificate (DER) would need, of the same kind as this one.
    #[must_use]
    pub fn of_certificate(&self, certificate: &[u8]) -> Option<Self> {
        let parsed;
        let selected = match self.selector {
            0 => certificate,
            1 => {
                parsed = X509Certificate::from_der(certificate).ok()?.1;
                parsed.public_key().raw
            }
            _ => return None,
        };
        let data = match self.matching {
            0 => selected.to_vec(),
            1 => digest(&SHA256, selected).as_ref().to_vec(),
            2 => digest(&SHA512, selected).as_ref().to_vec(),
            _ => return None,
        };
        Some(Self { data, ..self.clone() })
    }

    /// Compares with the chain a server sent (DER, the server's own first). Usage 3 asks for
    /// nothing but the certificate; usage 2 for a chain from it to the CA's, its dates, and one
    /// of the `hosts` on it (RFC 7671 sections 5.1 and 5.2).
    #[must_use]
    pub fn compare(&self, chain: &[Vec<u8>], hosts: &[&Hostname], now: Timestamp) -> Outcome {
        let Some(leaf) = chain.first().filter(|_| self.unusable().is_none()) else {
            return Outcome::Differs;
        };
        if self.usage == 3 {
            return if self.names(leaf) { Outcome::Matches } else { Outcome::Differs };
        }
        let others = &chain[1..chain.len().min(MOST_CERTIFICATES)];
        let mut outcome = Outcome::Differs;
        for anchor in others.iter().filter(|certificate| self.names(certificate)) {
            match holds(leaf, others, anchor, hosts, now) {
                Ok(()) => return Outcome::Matches,
                Err(error) => outcome = Outcome::Broken(words(&error, hosts)),
            }
        }
        outcome
    }
}

/// Whether the chain leads to this anchor and the certificate is for one of the hosts.
fn holds(
    leaf: &[u8],
    others: &[Vec<u8>],
    anchor: &[u8],
    hosts: &[&Hostname],
    now: Timestamp,
) -> Result<(), Error> {
    let leaf = CertificateDer::from(leaf);
    let certificate = ParsedCertificate::try_from(&leaf)?;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(anchor))?;
    let others: Vec<_> = others.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(now.unix().try_into().unwrap_or(0)));
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let algorithms = provider.signature_verification_algorithms.all;
    verify_server_cert_signed_by_trust_anchor(&certificate, &roots, &others, now, algorithms)?;
    let mut named = Err(Error::General("there is no name to compare".to_owned()));
    for host in hosts {
        let Ok(name) = ServerName::try_from(host.as_str()) else { continue };
        named = verify_server_name(&certificate, &name);
        if named.is_ok() {
            break;
        }
    }
    named
}

/// Why a chain does not hold, shortly: the look itself tells each fault in full.
fn words(error: &Error, hosts: &[&Hostname]) -> String {
    match error {
        Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "a certificate of the chain has ended".to_owned(),
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => {
            let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
            format!("the certificate is not for {}", hosts.join(" or "))
        }
        Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => "the certificates sent do not lead to it".to_owned(),
        other => visible(&other.to_string()),
    }
}

/// The intermediate of Let's Encrypt whose key a record pins although nothing is signed with it any
/// more, if it is one (`2 1 1`; RFC 7671 section 5.2 tells not to pin what changes).
#[must_use]
pub fn retired(record: &Tlsa) -> Option<&'static str> {
    let Tlsa { usage: 2, selector: 1, matching: 1, data } = record else { return None };
    let hash = hex(data);
    RETIRED.iter().find(|(_, retired)| *retired == hash).map(|(name, _)| *name)
}

/// As in a zone file; data longer than a SHA-256 is cut.
impl fmt::Display for Tlsa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shown, more) = match self.data.split_at_checked(32) {
            Some((shown, [_, ..])) => (shown, "..."),
            _ => (self.data.as_slice(), ""),
        };
        write!(f, "{} {} {} {}{more}", self.usage, self.selector, self.matching, hex(shown))
    }
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 of the keys (SubjectPublicKeyInfo) of the intermediates that letsencrypt.org/certificates
/// lists as retired (2026-08-21), made of its PEM files by `openssl x509 -pubkey`.
const RETIRED: [(&str, &str); 16] = [
    ("X1 and X3", "60b87575447dcba2a36b7d11ac09fb24a9db406fee12d2cc90180517616e8a18"),
    ("X2 and X4", "b111dd8a1c2091a89bd4fd60c57f0716cce50feeff8137cdbee0326e02cf362b"),
    ("R3", "8d02536c887482bc34ff54e41d2ba659bf85b341a0a20afadb5813dcfbcf286d"),
    ("R4", "e5545e211347241891c554a03934cde9b749664a59d26d615fe58f77990f2d03"),
    ("E1", "276fe8a8c4ec7611565bf9fce6dcace9be320c1b5bea27596b2204071ed04f10"),
    ("E2", "bd936e72b212ef6f773102c6b77d38f94297322efc25396bc3279422e0c89270"),
    ("E5", "3586d4ecf070578cbd27aedce20b964e48bc149faeb9dad72f46b857869172b8"),
    ("E6", "d016e1fe311948aca64f2de44ce86c9a51ca041df6103bb52a88eb3f761f57d7"),
    ("E7", "cbbc559b44d524d6a132bdac672744da3407f12aae5d5f722c5f6c7913871c75"),
    ("E8", "885bf0572252c6741dc9a52f5044487fef2a93b811cdedfad7624cc283b7cdd5"),
    ("E9", "f1440a9b76e1e41e53a4cb461329bf6337b419726be513e42e19f1c691c5d4b2"),
    ("R10", "2bbad93ab5c79279ec121507f272cbe0c6647a3aae52e22f388afab426b4adba"),
    ("R11", "6ddac18698f7f1f7e1c69b9bce420d974ac6f94ca8b2c761701623f99c767dc7"),
    ("R12", "919c0df7a787b597ed056ace654b1de9c0387acf349f73734a4fd7b58cf612a4"),
    ("R13", "025490860b498ab73c6a12f27a49ad5fe230fafe3ac8f6112c9b7d0aad46941d"),
    ("R14", "f1647a5ee3efac54c892e930584fe47979b7acd1c76c1271bca1c5076d869888"),
];

#[cfg(test)]
mod tests;
