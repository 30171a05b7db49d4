//! The chain from the server's own certificate to a root: whether it holds, and what is wrong.

use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::cert::Cert;
use crate::model::{Code, KeyType, Stage, Timestamp};
use crate::trust::Roots;
use crate::verify::Fault;

/// More certificates than this are more than any sender needs.
const LONG_CHAIN: usize = 10;
/// More bytes than this in one certificate, or in all together, are too many.
const LARGE: usize = 16 * 1024;

/// Everything wrong with the chain of `certificates` (the leaf first, then as sent).
pub(super) fn faults(
    certificates: &[Cert],
    sent: &[Vec<u8>],
    roots: &Roots,
    now: Timestamp,
) -> Vec<Fault> {
    let leaf = &certificates[0];
    let path = path(certificates, roots);
    let verdict = webpki(certificates, roots, now);
    let mut faults = Vec::new();
    if verdict.is_err() {
        faults.extend(why_untrusted(certificates, &path, roots));
        faults.extend(in_between(&path.certificates[1..], now));
    }
    faults.extend(purpose(leaf));
    faults.extend(path.certificates.iter().filter_map(|certificate| weak_key(certificate)));
    faults.extend(path.certificates.iter().filter_map(|certificate| weak_signature(certificate)));
    if let (Err(error), true) = (&verdict, faults.is_empty()) {
        faults.push(of_webpki(error, leaf));
    }
    faults.extend(unusual_key(leaf));
    faults.extend(manners(certificates, sent, &path));
    faults
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
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    verify_server_cert_signed_by_trust_anchor(
        &ParsedCertificate::try_from(&der)?,
        &roots.anchors,
        &others,
        UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)),
        provider.signature_verification_algorithms.all,
    )
}

/// The way from the leaf upwards among what was sent.
struct Path<'a> {
    /// The leaf and its issuers, in order.
    certificates: Vec<&'a Cert>,
    /// How it ends.
    end: End,
}

#[derive(PartialEq, Eq)]
enum End {
    /// At a root that is trusted.
    Trusted,
    /// At a certificate that signed itself.
    Itself,
    /// At a certificate whose issuer is neither sent nor a root.
    Open,
    /// Under a name that was sent or is a root, but with another key.
    Wrong,
}

fn path<'a>(certificates: &'a [Cert], roots: &Roots) -> Path<'a> {
    let mut way = vec![&certificates[0]];
    loop {
        let top = way[way.len() - 1];
        let signed = |spki: &[u8]| top.is_signed_with(spki) != Some(false);
        let anchors = roots.anchors.roots.iter();
        let mut named = anchors.filter(|anchor| anchor.subject.as_ref() == top.issuer_raw);
        if named.any(|anchor| signed(anchor.subject_public_key_info.as_ref())) {
            return Path { certificates: way, end: End::Trusted };
        }
        if top.names_itself() && signed(&top.spki_raw) {
            return Path { certificates: way, end: End::Itself };
        }
        let unused = |other: &&Cert| !way.iter().any(|used| used.der == other.der);
        let mut fitting = certificates.iter().filter(unused).filter(|other| top.fits_under(other));
        match fitting.find(|other| signed(&other.spki_raw)) {
            Some(issuer) => way.push(issuer),
            None => {
                let named =
                    |other: &Cert| other.subject_raw == top.issuer_raw && other.der != top.der;
                let known = roots.has_subject(&top.issuer_raw) || certificates.iter().any(named);
                return Path { certificates: way, end: if known { End::Wrong } else { End::Open } };
            }
        }
    }
}

/// Splits what webpki calls an unknown issuer into its four stories.
fn why_untrusted(certificates: &[Cert], path: &Path<'_>, roots: &Roots) -> Option<Fault> {
    let leaf = &certificates[0];
    let top = path.certificates[path.certificates.len() - 1];
    let alone = path.certificates.len() == 1;
    let strangers =
        || certificates[1..].iter().filter(|other| other.is_ca && !other.names_itself());
    let fault = |code, expected: String, found: String, why: Option<String>| Fault {
        expected: Some(expected),
        found: vec![found],
        why,
        ..Fault::new(code, Stage::Chain)
    };
    match path.end {
        End::Trusted => None,
        End::Itself if alone => Some(fault(
            Code::SelfSigned,
            format!("a certificate of a CA among {}", roots.name),
            format!("{}, signed with its own key", leaf.subject),
            None,
        )),
        End::Itself => Some(fault(
            Code::UntrustedRoot,
            format!("a root among {}", roots.name),
            top.subject.clone(),
            Some("the chain is complete, but public senders do not know its root".to_owned()),
        )),
        End::Open | End::Wrong if alone && strangers().next().is_some() => Some(Fault {
            expected: Some(format!("the certificate of {} that signed it", leaf.issuer)),
            found: strangers().map(|other| other.subject.clone()).collect(),
            why: Some("the certificate sent after the leaf did not sign it".to_owned()),
            ..Fault::new(Code::WrongIntermediate, Stage::Chain)
        }),
        End::Open if alone => Some(fault(
            Code::MissingIntermediate,
            format!("the certificate of {} sent along", leaf.issuer),
            only(certificates.len()),
            Some(format!("{} signed it and is no root that senders know", leaf.issuer_short)),
        )),
        End::Open => Some(fault(
            Code::UntrustedRoot,
            format!("a root among {}", roots.name),
            top.issuer.clone(),
            Some(format!("{} is issued by {}, which senders do not know", top.subject, top.issuer)),
        )),
        End::Wrong => Some(fault(
            Code::WrongIntermediate,
            format!("a signature of {}", top.issuer),
            "a signature made with another key".to_owned(),
            Some("a certificate of the same name with another key is sent or trusted".to_owned()),
        )),
    }
}

fn only(count: usize) -> String {
    match count {
        1 => "only the server's own certificate".to_owned(),
        more => format!("the server's own certificate and {} that did not sign it", more - 1),
    }
}

/// What is wrong with the certificates between the leaf and the root.
fn in_between(path: &[&Cert], now: Timestamp) -> Vec<Fault> {
    let mut faults = Vec::new();
    for certificate in path.iter().filter(|certificate| !certificate.names_itself()) {
        let found = |code, expected: &str, found: String| Fault {
            expected: Some(expected.to_owned()),
            found: vec![found],
            ..Fault::new(code, Stage::Chain)
        };
        if now > certificate.not_after {
            let ended = format!("{} ended {}", certificate.subject, certificate.not_after);
            let expected = "an issuer's certificate that is valid now";
            faults.push(found(Code::IntermediateExpired, expected, ended));
        }
        if !certificate.is_ca {
            let expected = "an issuer that may sign certificates (CA:TRUE)";
            faults.push(found(Code::NotACa, expected, certificate.subject.clone()));
        }
    }
    faults
}

fn purpose(leaf: &Cert) -> Option<Fault> {
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
            } else if text.contains("CaUsedAsEndEntity") {
                Fault {
                    expected: Some("a certificate for TLS servers, not a CA's".to_owned()),
                    found: vec![format!("{} is a CA (CA:TRUE)", leaf.subject)],
                    ..Fault::new(Code::WrongPurpose, Stage::Chain)
                }
            } else {
                complaint(Code::UntrustedRoot, error)
            }
        }
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

/// What senders put up with: order, doubles, strangers, the root, size.
fn manners(certificates: &[Cert], sent: &[Vec<u8>], path: &Path<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut told = |code, expected: &str, found: Vec<String>| {
        if !found.is_empty() {
            let expected = Some(expected.to_owned());
            faults.push(Fault { expected, found, ..Fault::new(code, Stage::Chain) });
        }
    };
    let mut unique: Vec<&Cert> = Vec::new();
    let mut doubles = Vec::new();
    for certificate in certificates {
        if unique.iter().any(|other| other.der == certificate.der) {
            doubles.push(certificate.subject.clone());
        } else {
            unique.push(certificate);
        }
    }
    told(Code::ChainDuplicate, "each certificate once", doubles);
    let related = related(&unique);
    let is_root = |certificate: &&Cert| certificate.names_itself();
    let unrelated: Vec<String> = unique[1..]
        .iter()
        .zip(&related[1..])
        .filter(|(_, related)| !**related)
        .map(|(certificate, _)| certificate.subject.clone())
        .collect();
    let roots =
        unique[1..].iter().zip(&related[1..]).filter(|(c, related)| **related && is_root(c));
    let roots = roots.map(|(certificate, _)| certificate.subject.clone()).collect();
    told(Code::RootSent, "the chain without its root", roots);
    if path.end == End::Trusted || path.end == End::Itself {
        told(Code::ChainExtra, "only the leaf and its issuers", unrelated);
    }
    let kin: Vec<&Cert> =
        unique.iter().zip(&related).filter(|(_, related)| **related).map(|(c, _)| *c).collect();
    if kin.windows(2).any(|pair| !pair[0].fits_under(pair[1])) && !crossed(&kin) {
        let order = kin.iter().map(|certificate| certificate.subject.clone()).collect();
        told(Code::ChainOrder, "each certificate before its issuer", order);
    }
    let bytes: usize = sent.iter().map(Vec::len).sum();
    let largest = sent.iter().map(Vec::len).max().unwrap_or(0);
    if largest > LARGE {
        let found = vec![format!("a certificate of {largest} bytes")];
        told(Code::LargeCertificate, "a certificate of at most 16 KiB", found);
    }
    if sent.len() > LONG_CHAIN || (bytes > LARGE && largest <= LARGE) {
        let found = vec![format!("{} certificates, {bytes} bytes", sent.len())];
        told(Code::ChainTooLong, "at most 10 certificates and 16 KiB", found);
    }
    faults
}

/// Which of these the leaf's issuers are, by name and key identifier, however far up.
fn related(unique: &[&Cert]) -> Vec<bool> {
    let mut related = vec![false; unique.len()];
    let mut open = vec![0];
    while let Some(index) = open.pop() {
        if !std::mem::replace(&mut related[index], true) {
            open.extend((0..unique.len()).filter(|other| unique[index].fits_under(unique[*other])));
        }
    }
    related
}

/// Whether two of these have one subject: a cross-signed issuer is sent in both forms, for which
/// there is no single order.
fn crossed(kin: &[&Cert]) -> bool {
    kin.iter().enumerate().any(|(index, certificate)| {
        kin[..index].iter().any(|other| other.subject_raw == certificate.subject_raw)
    })
}
