//! Whether the issuer has revoked the server's own certificate, by the list it publishes.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::{CertificateError, Error};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, ServerName, UnixTime};
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::{CertificateRevocationList, RevokedCertificate};

use super::cert::{Cert, serial};
use super::{Known, chain, is_pem};
use crate::model::{Code, Stage, Timestamp};
use crate::trust::Roots;
use crate::verify::Fault;

/// A list of revoked certificates (RFC 5280 section 5). Its signature counts only with the
/// certificate it is asked for.
#[derive(Debug)]
pub struct Crl {
    der: CertificateRevocationListDer<'static>,
    verifier: Arc<WebPkiServerVerifier>,
}

impl Crl {
    /// Reads a list as it is published: DER, or PEM.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(bytes: &[u8], roots: &Roots) -> Result<Self, String> {
        let der = match is_pem(bytes) {
            true => CertificateRevocationListDer::from_pem_slice(bytes)
                .map_err(|_| "what is there is damaged PEM".to_owned())?,
            false => CertificateRevocationListDer::from(bytes.to_vec()),
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots.anchors.clone()), provider)
                .with_crls([der.clone()])
                .only_check_end_entity_revocation()
                .enforce_revocation_expiration()
                .build()
                .map_err(|_| "what is there is no list of revoked certificates".to_owned())?;
        Ok(Self { der, verifier })
    }
}

/// What the list that was found at `url` says of the certificate that was sent first.
#[must_use]
pub fn revocation(
    sent: &[Vec<u8>],
    known: Known<'_>,
    (crl, url): (&Crl, &str),
    now: Timestamp,
) -> Option<Fault> {
    let leaf = Cert::parse(sent.first()?).ok()?;
    if now > leaf.not_after {
        // What has expired is on no list any more.
        return None;
    }
    let mut others: Vec<CertificateDer<'_>> = Vec::new();
    for der in sent[1..].iter().chain(known.intermediates) {
        others.push(CertificateDer::from(der.as_slice()));
    }
    for der in chain::bundled_der() {
        others.push(CertificateDer::from(der));
    }
    let seconds = Duration::from_secs(u64::try_from(now.unix()).unwrap_or(0));
    // Names are asked for last and judged elsewhere: any name will do.
    let name = ServerName::try_from("revocation.invalid").ok()?;
    let asked = crl.verifier.verify_server_cert(
        &CertificateDer::from(leaf.der.as_slice()),
        &others,
        &name,
        &[],
        UnixTime::since_unix_epoch(seconds),
    );
    let unknown = |why: &str| Some(revocation_unknown(&format!("the list at {url}: {why}")));
    match asked {
        Ok(_) => None,
        Err(Error::InvalidCertificate(kind)) => match kind {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                None
            }
            CertificateError::Revoked => Some(revoked(&leaf, crl, url)),
            CertificateError::ExpiredRevocationList
            | CertificateError::ExpiredRevocationListContext { .. } => {
                unknown("it is stale, its next update is overdue")
            }
            CertificateError::UnknownRevocationStatus => {
                unknown("it is not one for this certificate")
            }
            _ => unknown("the chain does not hold, so that nothing proves whose list it is"),
        },
        Err(Error::InvalidCertRevocationList(_)) => unknown("its signature is not its issuer's"),
        Err(_) => unknown("the chain does not hold, so that nothing proves whose list it is"),
    }
}

/// It could not be told whether the certificate is revoked.
#[must_use]
pub fn revocation_unknown(why: &str) -> Fault {
    Fault {
        expected: Some("a list of revoked certificates that can be checked".to_owned()),
        found: vec![crate::verify::visible(why)],
        ..Fault::new(Code::RevocationUnknown, Stage::Chain)
    }
}

fn revoked(leaf: &Cert, crl: &Crl, url: &str) -> Fault {
    let mut found = format!("serial {}", leaf.serial);
    if let Ok((_, list)) = CertificateRevocationList::from_der(&crl.der) {
        let mut all = list.iter_revoked_certificates();
        if let Some(entry) = all.find(|entry| serial(entry.raw_serial()) == leaf.serial) {
            let when = Timestamp::from_unix(entry.revocation_date.timestamp());
            found = format!("{found}, revoked {when}{}", reason(entry));
        }
    }
    Fault {
        expected: Some("a certificate that its issuer stands by".to_owned()),
        found: vec![found],
        why: Some(format!("{} says so in its list at {url}", leaf.issuer_short)),
        ..Fault::new(Code::Revoked, Stage::Chain)
    }
}

/// Why (RFC 5280 section 5.3.1), where the list says it.
fn reason(entry: &RevokedCertificate<'_>) -> &'static str {
    match entry.reason_code().map_or(0, |(_, code)| code.0) {
        1 => " (keyCompromise: others may have the key)",
        2 => " (cACompromise)",
        3 => " (affiliationChanged)",
        4 => " (superseded: another one replaced it)",
        5 => " (cessationOfOperation)",
        6 => " (certificateHold)",
        9 => " (privilegeWithdrawn)",
        _ => "",
    }
}
