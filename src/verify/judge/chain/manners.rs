//! What senders put up with: order, doubles, strangers, the root, size.

use crate::model::{Code, Stage};
use crate::verify::Fault;
use crate::verify::judge::cert::Cert;

/// More certificates than this are more than any sender needs.
const LONG_CHAIN: usize = 10;
/// More bytes than this in one certificate, or in all together, are too many.
const LARGE: usize = 16 * 1024;

/// Everything senders put up with; strangers are only told of where the chain has an end.
pub(super) fn faults(certificates: &[Cert], sent: &[Vec<u8>], has_end: bool) -> Vec<Fault> {
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
    if has_end {
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
