//! The chain from the server's own certificate to a root: whether it holds, and what is wrong.

mod between;
mod known;
mod manners;
mod path;
#[cfg(test)]
mod tests;
mod untrusted;

use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::Known;
use super::cert::{ALGORITHMS, Cert};
use crate::model::{Code, KeyType, Stage, Timestamp};
use crate::trust::Roots;
use crate::verify::Fault;
use path::{End, Path};

/// What is wrong with a chain.
pub(super) struct Found {
    pub(super) faults: Vec<Fault>,
    /// Where a certificate that may tell more is published.
    pub(super) issuer_url: Option<String>,
}

/// Everything wrong with the chain of `certificates` (the leaf first, then as `sent`).
pub(super) fn faults(
    certificates: &[Cert],
    sent: &[Vec<u8>],
    known: Known<'_>,
    now: Timestamp,
) -> Found {
    let leaf = &certificates[0];
    let verdict = webpki(certificates, known.roots, now);
    let in_time = leaf.not_before <= now && now <= leaf.not_after;
    if verdict.is_ok() && in_time {
        // It holds, and no signature needs to be checked twice.
        let mut faults = no_signers(certificates);
        // webpki checks what the issuers' keys have signed, and the leaf's signs nothing here.
        faults.extend(weak_key(leaf));
        faults.extend(unusual_key(leaf));
        faults.extend(manners::faults(certificates, sent, true));
        return Found { faults, issuer_url: None };
    }
    let path = Path::find(certificates, &[], known.roots, now);
    let story = untrusted::story(certificates, &path, known, now);
    let mut faults = story.faults;
    faults.extend(between::faults(&path.certificates, now));
    faults.extend(purpose(leaf));
    faults.extend(path.certificates.iter().filter_map(|certificate| weak_key(certificate)));
    faults.extend(path.certificates.iter().filter_map(|certificate| weak_signature(certificate)));
    if let (Err(error), true) = (&verdict, faults.is_empty()) {
        faults.push(of_webpki(error, leaf));
    }
    faults.extend(unusual_key(leaf));
    let has_end = !matches!(path.end, End::Open) || path.certificates.len() > 1;
    faults.extend(manners::faults(certificates, sent, has_end));
    Found { faults, issuer_url: story.issuer_url }
}

/// The intermediates (DER) that are compiled in.
pub(super) fn bundled_der() -> impl Iterator<Item = &'static [u8]> {
    known::bundled().iter().map(|one| one.der.as_slice())
}

/// What webpki says of chain, purpose and signatures, at a moment within the leaf's dates: that
/// the leaf is out of date is told elsewhere and must not hide the rest.
fn webpki(certificates: &[Cert], roots: &Roots, now: Timestamp) -> Result<(), Error> {
    let leaf = &certificates[0];
    let moment = now.min(leaf.not_after).max(leaf.not_before);
    let seconds = u64::try_from(moment.unix()).unwrap_or(0);
    let der = CertificateDer::from(leaf.der.as_slice());
    let others: Vec<_> = certificates[1..]
        .iter()
        .map(|certificate| CertificateDer::from(certificate.der.as_slice()))
        .collect();
    verify_server_cert_signed_by_trust_anchor(
        &ParsedCertificate::try_from(&der)?,
        &roots.anchors,
        &others,
        UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)),
        ALGORITHMS.all,
    )
}

/// Issuers by name that may not sign by their keyUsage, which webpki does not ask. Where two have
/// one name, the other may be the one that counts.
fn no_signers(certificates: &[Cert]) -> Vec<Fault> {
    let twin = |one: &&Cert| {
        certificates.iter().filter(|other| other.subject_raw == one.subject_raw).count() > 1
    };
    let issues = |one: &&Cert| certificates.iter().any(|other| other.fits_under(one));
    let issuers = certificates[1..].iter().filter(|one| !one.may_sign && !one.names_itself());
    issuers.filter(|one| issues(one) && !twin(one)).filter_map(between::not_a_ca).collect()
}

fn purpose(leaf: &Cert) -> Option<Fault> {
    if leaf.is_ca && !leaf.names_itself() {
        return Some(Fault {
            expected: Some("a certificate for TLS servers, not a CA's".to_owned()),
            found: vec![format!("{} is a CA (CA:TRUE)", leaf.subject)],
            ..Fault::new(Code::WrongPurpose, Stage::Chain)
        });
    }
    let purposes = leaf.wrong_purposes.clone()?;
    Some(Fault {
        expected: Some("a certificate for TLS servers (serverAuth)".to_owned()),
        found: purposes.iter().map(|purpose| format!("only for {purpose}")).collect(),
        ..Fault::new(Code::WrongPurpose, Stage::Chain)
    })
}

fn weak_key(certificate: &Cert) -> Option<Fault> {
    let bits = certificate.rsa_bits.filter(|bits| *bits < 2048)?;
    Some(Fault {
        expected: Some("RSA of at least 2048 bits, or ECDSA on P-256 or P-384".to_owned()),
        found: vec![format!("RSA of {bits} bits ({})", certificate.subject)],
        ..Fault::new(Code::WeakKey, Stage::Chain)
    })
}

/// A root's signature is never checked by anybody, so it may be as old as it is.
fn weak_signature(certificate: &Cert) -> Option<Fault> {
    let algorithm = certificate.broken_signature.filter(|_| !certificate.names_itself())?;
    Some(Fault {
        expected: Some("a signature with SHA-256 or better".to_owned()),
        found: vec![format!("{algorithm} ({})", certificate.subject)],
        ..Fault::new(Code::WeakSignature, Stage::Chain)
    })
}

fn unusual_key(leaf: &Cert) -> Option<Fault> {
    let unusual = leaf.key_type == KeyType::Other && leaf.rsa_bits.is_none_or(|bits| bits > 4096);
    unusual.then(|| Fault {
        expected: Some("ECDSA on P-256 or P-384, or RSA of 2048 to 4096 bits".to_owned()),
        found: vec![leaf.key_words.clone()],
        ..Fault::new(Code::UnusualKey, Stage::Chain)
    })
}

/// webpki has a complaint that nothing above explains.
fn of_webpki(error: &Error, leaf: &Cert) -> Fault {
    let Error::InvalidCertificate(kind) = error else {
        return complaint(Code::UntrustedRoot, error);
    };
    match kind {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            complaint(Code::IntermediateExpired, error)
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            complaint(Code::WrongPurpose, error)
        }
        CertificateError::Revoked => complaint(Code::Revoked, error),
        CertificateError::Other(other) => {
            let text = format!("{other:?}");
            if text.contains("NameConstraint") {
                complaint(Code::NameConstraint, error)
            } else if text.contains("EndEntityUsedAsCa") || text.contains("PathLenConstraint") {
                complaint(Code::NotACa, error)
            } else if text.contains("CaUsedAsEndEntity") && leaf.names_itself() {
                complaint(Code::SelfSigned, error)
            } else {
                complaint(Code::UntrustedRoot, error)
            }
        }
        CertificateError::UnknownIssuer => Fault {
            expected: Some("a chain that holds".to_owned()),
            found: vec!["no way from it to a root that a TLS library can follow".to_owned()],
            ..Fault::new(Code::UntrustedRoot, Stage::Chain)
        },
        _ => complaint(Code::WrongIntermediate, error),
    }
}

fn complaint(code: Code, error: &Error) -> Fault {
    Fault {
        expected: Some("a chain that holds".to_owned()),
        found: vec![crate::verify::visible(&error.to_string())],
        ..Fault::new(code, Stage::Chain)
    }
}
