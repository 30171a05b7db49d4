//! The names and the dates of the server's own certificate.

use rustls::client::verify_server_name;
use rustls::server::ParsedCertificate;
use rustls_pki_types::{CertificateDer, ServerName};

use super::cert::Cert;
use crate::model::{Code, DnsId, Hostname, Stage, Timestamp};
use crate::verify::Fault;

const DAY: u64 = 24 * 60 * 60;

/// Whether the certificate is one for the host: subjectAltName only, a wildcard is one whole
/// leftmost label (RFC 9525 section 6.3). webpki is asked as well, since senders are as strict.
pub(super) fn names(leaf: &Cert, host: &Hostname) -> Option<Fault> {
    let cn_matches = leaf.common_names.iter().any(|cn| cn.eq_ignore_ascii_case(host.as_str()));
    if !leaf.has_san {
        return Some(Fault {
            expected: Some(format!("{host} in subjectAltName")),
            found: leaf
                .common_names
                .iter()
                .map(|cn| format!("CN {cn}, no subjectAltName"))
                .collect(),
            why: Some(if cn_matches {
                "the CN matches, but there is no subjectAltName, and nothing else counts".to_owned()
            } else {
                "there is no subjectAltName, and nothing else counts".to_owned()
            }),
            ..Fault::new(Code::NoSan, Stage::Name)
        });
    }
    if leaf.covers(host) && webpki_agrees(leaf, host) {
        return None;
    }
    Some(Fault {
        expected: Some(host.to_string()),
        found: leaf.alt_names.clone(),
        why: why_not(leaf, host, cn_matches),
        ..Fault::new(Code::NameMismatch, Stage::Name)
    })
}

fn webpki_agrees(leaf: &Cert, host: &Hostname) -> bool {
    let der = CertificateDer::from(leaf.der.as_slice());
    let Ok(name) = ServerName::try_from(host.as_str()) else { return false };
    ParsedCertificate::try_from(&der)
        .is_ok_and(|certificate| verify_server_name(&certificate, &name).is_ok())
}

fn why_not(leaf: &Cert, host: &Hostname, cn_matches: bool) -> Option<String> {
    if cn_matches {
        return Some("the CN matches, but the subjectAltName alone counts".to_owned());
    }
    for id in &leaf.dns_ids {
        match id {
            DnsId::Wildcard(domain) if domain == host => {
                return Some(format!("*.{domain} does not stand for {domain} itself"));
            }
            DnsId::Wildcard(domain) if host.is_within(domain) => {
                return Some(format!("*.{domain} stands for one label, not for two"));
            }
            DnsId::Host(name) if host.is_within(name) => {
                return Some(format!("it is for {name}; a sender asks for {host}"));
            }
            _ => {}
        }
    }
    let partial = leaf.alt_names.iter().find(|name| name.contains('*') && !name.starts_with("*."));
    partial.map(|name| format!("{name}: a wildcard is one whole label"))
}

/// Whether now is within its dates, and how much is left.
pub(super) fn dates(leaf: &Cert, now: Timestamp) -> Option<Fault> {
    if now > leaf.not_after {
        return Some(Fault {
            expected: Some("a certificate that is valid now".to_owned()),
            found: vec![format!(
                "it ended {}, {} ago",
                leaf.not_after,
                days(now.since(leaf.not_after).as_secs())
            )],
            ..Fault::new(Code::Expired, Stage::Dates)
        });
    }
    if now < leaf.not_before {
        return Some(Fault {
            expected: Some("a certificate that is valid now".to_owned()),
            found: vec![format!(
                "it begins {}, in {}",
                leaf.not_before,
                days(leaf.not_before.since(now).as_secs())
            )],
            why: Some("the clock of the server or of the one who issued it is wrong".to_owned()),
            ..Fault::new(Code::NotYetValid, Stage::Dates)
        });
    }
    let left = leaf.not_after.since(now).as_secs();
    (left < soon(leaf.not_after.since(leaf.not_before).as_secs())).then(|| Fault {
        expected: Some("a certificate that is renewed in time".to_owned()),
        found: vec![format!("it ends {}, in {}", leaf.not_after, days(left))],
        ..Fault::new(Code::ExpiresSoon, Stage::Dates)
    })
}

/// From how many seconds before its end a certificate of this lifetime ends soon. Renewal is due
/// at a third of the lifetime, so at a sixth it is failing: at most 15 days, at least 7 (people
/// need time to act). A lifetime of at most 10 days is renewed by machines: its third.
fn soon(lifetime: u64) -> u64 {
    if lifetime <= 10 * DAY { lifetime / 3 } else { (lifetime / 6).clamp(7 * DAY, 15 * DAY) }
}

/// Seconds in the unit people think in.
fn days(seconds: u64) -> String {
    match seconds {
        0..7200 => format!("{} minutes", seconds / 60),
        7200..172_800 => format!("{} hours", seconds / 3600),
        _ => format!("{} days", seconds / DAY),
    }
}
