//! The certificates between the leaf and the root: dates, and what each may sign.
//!
//! webpki stops at its first complaint, so each is looked at here by itself.

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, GeneralSubtree};
use x509_parser::prelude::FromDer;

use crate::model::{Code, Stage, Timestamp};
use crate::verify::judge::cert::Cert;
use crate::verify::{Fault, visible};

/// Everything wrong with the issuers of a path (the leaf first); roots are not asked.
pub(super) fn faults(path: &[&Cert], now: Timestamp) -> Vec<Fault> {
    let mut faults = Vec::new();
    let issuers = path.iter().enumerate().skip(1);
    for (place, issuer) in issuers.filter(|(_, issuer)| !issuer.names_itself()) {
        faults.extend(dates(issuer, now));
        faults.extend(not_a_ca(issuer));
        faults.extend(too_deep(issuer, place - 1));
        faults.extend(purpose(issuer));
        faults.extend(constrained(path[0], issuer));
    }
    faults
}

fn fault(code: Code, expected: &str, found: String) -> Fault {
    Fault {
        expected: Some(expected.to_owned()),
        found: vec![found],
        ..Fault::new(code, Stage::Chain)
    }
}

fn dates(issuer: &Cert, now: Timestamp) -> Option<Fault> {
    let expected = "an issuer's certificate that is valid now";
    let subject = &issuer.subject;
    if now > issuer.not_after {
        let ended = format!("{subject} ended {}", issuer.not_after);
        return Some(fault(Code::IntermediateExpired, expected, ended));
    }
    let begins = format!("{subject} begins {}", issuer.not_before);
    (now < issuer.not_before).then(|| fault(Code::NotYetValid, expected, begins))
}

/// Whether a certificate may sign others at all (RFC 5280 sections 4.2.1.3 and 4.2.1.9). webpki
/// does not ask the keyUsage; OpenSSL and what is made of it do.
pub(super) fn not_a_ca(issuer: &Cert) -> Option<Fault> {
    if !issuer.is_ca {
        let expected = "an issuer that may sign certificates (CA:TRUE)";
        return Some(fault(Code::NotACa, expected, issuer.subject.clone()));
    }
    (!issuer.may_sign).then(|| {
        let expected = "an issuer that may sign certificates (keyUsage keyCertSign)";
        fault(Code::NotACa, expected, format!("{}, whose keyUsage lacks it", issuer.subject))
    })
}

/// Whether more CAs stand below it than it may have.
fn too_deep(issuer: &Cert, below: usize) -> Option<Fault> {
    let most = issuer.path_length?;
    let allowed = usize::try_from(most).is_ok_and(|most| below <= most);
    (!allowed).then(|| {
        let expected = format!("at most {most} CAs below {} (pathlen)", issuer.subject);
        fault(Code::NotACa, &expected, format!("{below} of them"))
    })
}

fn purpose(issuer: &Cert) -> Option<Fault> {
    let purposes = issuer.wrong_purposes.as_ref()?.join(", ");
    let expected = "an issuer for TLS servers (serverAuth)";
    Some(fault(Code::WrongPurpose, expected, format!("{} is only for {purposes}", issuer.subject)))
}

/// The names of the leaf that an issuer may not sign for (RFC 5280 section 4.2.1.10): dNSNames
/// and addresses. Of other kinds only webpki is asked.
fn constrained(leaf: &Cert, issuer: &Cert) -> Option<Fault> {
    let (_, issuing) = X509Certificate::from_der(&issuer.der).ok()?;
    let constraints = issuing.name_constraints().ok()??.value;
    let (_, signed) = X509Certificate::from_der(&leaf.der).ok()?;
    let names = &signed.subject_alternative_name().ok()??.value.general_names;
    let permitted = constraints.permitted_subtrees.as_deref().unwrap_or_default();
    let excluded = constraints.excluded_subtrees.as_deref().unwrap_or_default();
    let bad = names.iter().filter(|name| !may(name, permitted, excluded));
    let found: Vec<String> = bad.map(shown).collect();
    (!found.is_empty()).then(|| Fault {
        expected: Some(format!("names that {} may sign for", issuer.subject)),
        found,
        why: (!permitted.is_empty()).then(|| {
            let all: Vec<String> = permitted.iter().map(|tree| shown(&tree.base)).collect();
            format!("it may sign for {}", all.join(", "))
        }),
        ..Fault::new(Code::NameConstraint, Stage::Chain)
    })
}

fn may(
    name: &GeneralName<'_>,
    permitted: &[GeneralSubtree<'_>],
    excluded: &[GeneralSubtree<'_>],
) -> bool {
    let of_kind = |tree: &&GeneralSubtree<'_>| {
        matches!(
            (&tree.base, name),
            (GeneralName::DNSName(_), GeneralName::DNSName(_))
                | (GeneralName::IPAddress(_), GeneralName::IPAddress(_))
        )
    };
    let mut kind = permitted.iter().filter(of_kind).peekable();
    let allowed = kind.peek().is_none() || kind.any(|tree| within(name, &tree.base));
    allowed && !excluded.iter().filter(of_kind).any(|tree| within(name, &tree.base))
}

/// Whether a name lies in a subtree; a beginning dot leaves the domain itself out, as webpki and
/// OpenSSL have it.
fn within(name: &GeneralName<'_>, tree: &GeneralName<'_>) -> bool {
    match (name, tree) {
        (GeneralName::DNSName(name), GeneralName::DNSName(tree)) => {
            let (name, tree) = (name.to_ascii_lowercase(), tree.to_ascii_lowercase());
            let name = name.strip_prefix("*.").unwrap_or(&name);
            let below =
                |domain: &str| name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
            match tree.strip_prefix('.') {
                Some(domain) => below(domain),
                None => tree.is_empty() || name == tree || below(&tree),
            }
        }
        (GeneralName::IPAddress(address), GeneralName::IPAddress(tree)) => {
            let (base, mask) = tree.split_at(tree.len() / 2);
            base.len() == address.len()
                && address.iter().zip(base).zip(mask).all(|((a, b), mask)| a & mask == b & mask)
        }
        _ => false,
    }
}

fn shown(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::DNSName(name) => visible(name),
        other => visible(&other.to_string()),
    }
}
