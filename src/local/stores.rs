//! Trust stores as they were read, and which of them accept the chain that a server shows. Pure.

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Serialize;
use x509_parser::asn1_rs::Any;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::X509Name;

use crate::model::{Hostname, Level, Stage, Timestamp};
use crate::trust::Roots;
use crate::verify::{judge, visible};

/// Whose store it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The roots that decide for `verify`: Mozilla's, or those of `--roots`.
    Reference,
    /// Mozilla's, where others decide.
    Mozilla,
    /// The system's own.
    System,
    /// A JVM's.
    Java,
}

/// A trust store as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// Whose it is.
    pub kind: Kind,
    /// How reports call it: `this system`, `Java 17.0.15`.
    pub name: String,
    /// Where it came from, with the version of its package where that is known.
    pub path: Option<String>,
    /// The certificates, or why there are none. `Err` of what nobody could read is not a refusal
    /// where only our way of reading it failed.
    pub held: Result<Vec<CertificateDer<'static>>, Unread>,
}

/// Why a store could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// Programs find nothing there, either.
    Empty(String),
    /// We could not look.
    Unknown(String),
}

/// What one store says of the chain. Field names are the JSON interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoreRow {
    /// Whose it is.
    pub kind: Kind,
    /// How reports call it.
    pub name: String,
    /// Where it came from.
    pub path: Option<String>,
    /// Whether it accepts the chain; `None` where that could not be told.
    pub accepts: Option<bool>,
    /// By which root, or what is missing.
    pub why: Option<String>,
}

/// One certificate of the way upwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// The subject, short.
    pub(super) subject: String,
    /// The issuer, raw: the content of its SEQUENCE.
    pub(super) issuer_raw: Vec<u8>,
    /// The issuer, short.
    pub(super) issuer: String,
    /// The key in words, and its strength in bits as SP 800-57 counts them.
    pub(super) key: String,
    pub(super) strength: u16,
}

/// The leaf and its issuers as far as they were sent, at most sixteen.
pub(super) fn links(chain: &[Vec<u8>]) -> Vec<Link> {
    let parsed = chain.iter().take(MOST).filter_map(|der| X509Certificate::from_der(der).ok());
    let mut left: Vec<X509Certificate<'_>> = parsed.map(|(_, certificate)| certificate).collect();
    let mut links = Vec::new();
    while !left.is_empty() {
        let next = match links.last() {
            None => Some(0),
            Some(Link { issuer_raw, .. }) => {
                left.iter().position(|other| content(other.subject().as_raw()) == *issuer_raw)
            }
        };
        let Some(next) = next else { break };
        links.push(link(&left.remove(next)));
    }
    links
}

/// The most certificates of a chain that are looked at.
const MOST: usize = 16;

fn link(certificate: &X509Certificate<'_>) -> Link {
    let (key, strength) = strength(certificate);
    Link {
        subject: short(certificate.subject()),
        issuer_raw: content(certificate.issuer().as_raw()).to_vec(),
        issuer: short(certificate.issuer()),
        key,
        strength,
    }
}

fn strength(certificate: &X509Certificate<'_>) -> (String, u16) {
    match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(rsa)) => {
            let bits = rsa.key_size();
            let strength = match bits {
                15360.. => 256,
                7680.. => 192,
                3072.. => 128,
                2048.. => 112,
                1024.. => 80,
                _ => 0,
            };
            (format!("RSA-{bits}"), strength)
        }
        Ok(PublicKey::EC(point)) => {
            // The point is two coordinates, or one and a sign.
            let curve = match point.key_size() {
                bits @ 500..=544 => bits.min(521),
                bits => bits,
            };
            (format!("EC-{curve}"), u16::try_from(curve / 2).unwrap_or(u16::MAX))
        }
        // Ed25519 and what else there may be one day.
        _ => ("another key".to_owned(), 128),
    }
}

/// A root that would make the chain hold: its name, and the raw content of its subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Root {
    pub(super) name: String,
    subject: Vec<u8>,
}

impl Root {
    /// Whether these roots have one of this name.
    pub(super) fn is_in(&self, roots: &Roots) -> bool {
        roots.has_subject(&self.subject)
    }
}

/// The roots by which the reference could accept the chain, the nearest to the leaf first; where
/// it has none of them, the one at which the chain ends.
pub(super) fn needed(links: &[Link], reference: &Roots) -> Vec<Root> {
    let root = |link: &Link| Root { name: link.issuer.clone(), subject: link.issuer_raw.clone() };
    let known = links.iter().filter(|link| reference.has_subject(&link.issuer_raw));
    let known: Vec<Root> = known.map(root).collect();
    if known.is_empty() { links.last().map(root).into_iter().collect() } else { known }
}

/// A chain and for whom it is judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case<'a> {
    pub(super) chain: &'a [Vec<u8>],
    pub(super) host: &'a Hostname,
    pub(super) needed: &'a [Root],
    pub(super) now: Timestamp,
    /// Whether the roots that decide accept the chain, so that a store without its root lacks one.
    pub(super) accepted: bool,
}

/// What the roots that decide say, or Mozilla's beside them.
pub(super) fn compiled_in(kind: Kind, roots: &Roots, case: Case<'_>) -> StoreRow {
    let accepts = accepts(roots, case);
    let by = case.needed.iter().find(|root| root.is_in(roots));
    let why = match by {
        Some(root) if accepts => Some(format!("by {}", root.name)),
        _ => case.needed.first().map(|root| format!("{} is none of them", root.name)),
    };
    let name = roots.name.clone();
    StoreRow { kind, name, path: None, accepts: Some(accepts), why }
}

/// What a store of this machine says. OpenSSL and GnuTLS look at the dates of a root, Java does
/// not.
pub(super) fn row(store: &Store, case: Case<'_>) -> StoreRow {
    let said = |accepts, why: String| StoreRow {
        kind: store.kind,
        name: store.name.clone(),
        path: store.path.clone(),
        accepts,
        why: Some(why),
    };
    let held = match &store.held {
        Ok(held) => held,
        Err(Unread::Empty(why)) => return said(Some(false), why.clone()),
        Err(Unread::Unknown(why)) => return said(None, why.clone()),
    };
    let (mut anchors, mut ended) = (RootCertStore::empty(), Vec::new());
    for der in held {
        let Ok((_, certificate)) = X509Certificate::from_der(der) else { continue };
        let end = Timestamp::from_unix(certificate.validity().not_after.timestamp());
        if end < case.now && store.kind != Kind::Java {
            ended.push((content(certificate.subject().as_raw()).to_vec(), end));
        } else {
            anchors.add_parsable_certificates([der.clone()]);
        }
    }
    let roots = Roots { name: store.name.clone(), anchors };
    if accepts(&roots, case) {
        let by = case.needed.iter().find(|root| root.is_in(&roots));
        return said(Some(true), by.map_or_else(String::new, |root| format!("by {}", root.name)));
    }
    let Some(first) = case.needed.first() else {
        return said(Some(false), "the chain cannot be read".to_owned());
    };
    let old = ended.iter().find(|(subject, _)| case.needed.iter().any(|r| r.subject == *subject));
    let why = match old {
        Some((subject, end)) => {
            let name = case.needed.iter().find(|root| root.subject == *subject);
            format!("{} in it ended {end}", name.map_or("the root", |root| &root.name))
        }
        None if first.is_in(&roots) => {
            format!("{} is in it with another key", first.name)
        }
        None if case.accepted => format!("{} is missing", first.name),
        None => format!("{} is not in it", first.name),
    };
    said(Some(false), why)
}

/// Whether the chain holds by these roots; names and dates of the leaf are another matter.
fn accepts(roots: &Roots, case: Case<'_>) -> bool {
    let judgement = judge::judge(case.chain, case.host, judge::Known::only(roots), case.now);
    let refuses = |fault: &crate::verify::Fault| {
        fault.stage == Stage::Chain && fault.code.level() == Level::Fail
    };
    judgement.certificate.is_some() && !judgement.faults.iter().any(refuses)
}

/// The certificates in a text, `keytool -list -rfc` among others; what is damaged is passed over,
/// as programs do.
pub(super) fn certificates(text: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(text.as_bytes()).flatten().collect()
}

/// What people call it: its CN, else its OU, else its O, else the whole.
fn short(name: &X509Name<'_>) -> String {
    let common = name.iter_common_name().find_map(|found| found.as_str().ok());
    let unit = || name.iter_organizational_unit().find_map(|found| found.as_str().ok());
    let organization = || name.iter_organization().find_map(|found| found.as_str().ok());
    let short = common.or_else(unit).or_else(organization);
    visible(&short.map_or_else(|| name.to_string(), str::to_owned))
}

/// The content of a DER element.
fn content(der: &[u8]) -> &[u8] {
    Any::from_der(der).map_or(der, |(_, any)| any.data)
}
