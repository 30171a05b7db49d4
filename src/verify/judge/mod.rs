//! Judges what a server showed: pure, on the recorded chain. Every fault is told, not the first.
//!
//! webpki decides whether the chain holds; it stops at its first complaint and calls four
//! different things an unknown issuer, so `chain` finds out which it is, and names, dates,
//! purpose, key and signature are looked at one by one.

mod cert;
mod chain;
mod der;
mod facts;
mod hints;
mod key;
mod leaf;
mod revoked;

#[cfg(test)]
mod tests;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::model::{CertificateSeen, Code, Hostname, Sha256, Stage, Timestamp};
use crate::trust::Roots;
use crate::verify::Fault;
use cert::Cert;
pub use facts::{BadBundle, chain_of_pem, facts, facts_of_chain, pair_matches, top_issuer};
pub use hints::{Hints, hints};
pub use revoked::{Crl, revocation, revocation_unknown};

/// The most certificates that are looked at; the rest are only counted.
const MOST_CERTIFICATES: usize = 16;

/// What one recorded chain is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Everything wrong with it, in the order of the stages.
    pub faults: Vec<Fault>,
    /// The server's own certificate, if one can be read.
    pub certificate: Option<CertificateSeen>,
    /// Where the certificate of an issuer that is neither sent nor known is published (http), by
    /// the certificate that it signed.
    pub issuer_url: Option<String>,
    /// Where the issuer publishes what it has revoked (http), by the server's own certificate.
    pub crl_url: Option<String>,
}

/// By what a chain is judged.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The roots that decide.
    pub roots: &'a Roots,
    /// Intermediates (DER) that prove nothing to a sender, but say which one is missing.
    pub intermediates: &'a [Vec<u8>],
}

impl<'a> Known<'a> {
    /// Only these roots are known.
    #[must_use]
    pub fn only(roots: &'a Roots) -> Self {
        Self { roots, intermediates: &[] }
    }
}

/// Judges a chain (DER, as the server sent it) for a host at a moment.
#[must_use]
pub fn judge(sent: &[Vec<u8>], host: &Hostname, known: Known<'_>, now: Timestamp) -> Judgement {
    let mut certificates = Vec::new();
    for (index, der) in sent.iter().take(MOST_CERTIFICATES).enumerate() {
        match Cert::parse(der) {
            Ok(certificate) => certificates.push(certificate),
            Err(why) if index == 0 => return unreadable(&why),
            Err(_) => {}
        }
    }
    if certificates.is_empty() {
        return unreadable("the server sent none");
    }
    let mut faults = Vec::new();
    if let Some(position) = real_leaf(&certificates, host) {
        faults.push(leaf_not_first(&certificates, position));
        let leaf = certificates.remove(position);
        certificates.insert(0, leaf);
    }
    let leaf = &certificates[0];
    let found = chain::faults(&certificates, sent, known, now);
    faults.extend(found.faults);
    faults.extend(leaf::names(leaf, host));
    faults.extend(leaf::dates(leaf, now));
    Judgement {
        faults,
        certificate: Some(seen(leaf, sent.len())),
        issuer_url: found.issuer_url,
        crl_url: leaf.crl_url.clone(),
    }
}

/// The certificate (DER) that a CA publishes as DER or PEM.
///
/// # Errors
/// What is wrong, in words.
pub fn certificate_of(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let der = match is_pem(bytes) {
        true => {
            CertificateDer::from_pem_slice(bytes).map_err(|_| "damaged PEM".to_owned())?.to_vec()
        }
        false => bytes.to_vec(),
    };
    Cert::parse(&der).map_err(|_| "what is there is no certificate in DER or PEM".to_owned())?;
    Ok(der)
}

/// Whether it is PEM; DER begins with no such letter.
fn is_pem(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"-----BEGIN")
}

/// Whether the key is too short for TLS libraries to check its signatures, or cannot be read.
pub(super) fn has_weak_key(der: &[u8]) -> bool {
    Cert::parse(der).map_or(true, |leaf| leaf.rsa_bits.is_some_and(|bits| bits < 2048))
}

fn unreadable(why: &str) -> Judgement {
    let fault = Fault {
        expected: Some("an X.509 certificate".to_owned()),
        found: vec![crate::verify::visible(why)],
        ..Fault::new(Code::ProtocolViolation, Stage::Chain)
    };
    Judgement { faults: vec![fault], certificate: None, issuer_url: None, crl_url: None }
}

/// Where the server's own certificate stands, if a CA's is in front of it.
fn real_leaf(certificates: &[Cert], host: &Hostname) -> Option<usize> {
    let first = &certificates[0];
    if !first.is_ca || first.covers(host) {
        return None;
    }
    let covering = certificates.iter().position(|certificate| certificate.covers(host));
    covering.or_else(|| {
        let ours = |certificate: &Cert| !certificate.is_ca && certificate.has_san;
        certificates.iter().position(ours)
    })
}

fn leaf_not_first(certificates: &[Cert], position: usize) -> Fault {
    Fault {
        expected: Some("the server's own certificate first".to_owned()),
        found: vec![format!("{}, which is a CA", certificates[0].subject)],
        why: Some(format!("the server's own is certificate {}: put it first", position + 1)),
        ..Fault::new(Code::LeafNotFirst, Stage::Chain)
    }
}

fn seen(leaf: &Cert, chain_length: usize) -> CertificateSeen {
    CertificateSeen {
        names: leaf.alt_names.clone(),
        issuer: leaf.issuer.clone(),
        serial: leaf.serial.clone(),
        not_before: leaf.not_before,
        not_after: leaf.not_after,
        sha256: leaf.sha256(),
        spki_sha256: Sha256::of(&leaf.spki),
        chain_length,
    }
}
