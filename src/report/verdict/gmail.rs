//! What to type in Gmail's "Add another email address": server, port, TLS or SSL.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::problem::shortened;
use crate::model::{Hostname, Inspection, Service, Verdict};
use crate::report::wrapped;

/// One sentence for each domain (or host, where none was asked for) that has an SMTP server, at
/// most so many, and one for all of those for which there is nothing to type.
pub(super) fn text(endpoints: &[Arc<Inspection>], most: usize) -> String {
    let mut domains: BTreeMap<&Hostname, Vec<&Inspection>> = BTreeMap::new();
    for look in endpoints.iter().filter(|look| look.service.is_smtp()) {
        domains.entry(look.domain.as_ref().unwrap_or(&look.host)).or_default().push(look);
    }
    let several = domains.len() > 1;
    let mut text = String::new();
    let mut without: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    let rest = domains.len().saturating_sub(most);
    for (domain, looks) in domains.into_iter().take(most) {
        match best(&looks) {
            Some(best) if several => {
                text.push_str(&wrapped(&format!("In Gmail, for {domain}: {best}"), ""));
            }
            Some(best) => text.push_str(&wrapped(&format!("In Gmail: {best}"), "")),
            None => without.entry(why_none(&looks)).or_default().push(domain.to_string()),
        }
    }
    for (why, domains) in without {
        let of = if several { format!(", for {}", shortened(&domains)) } else { String::new() };
        text.push_str(&wrapped(&format!("In Gmail{of}: {why}"), ""));
    }
    if rest > 0 {
        let more = format!("In Gmail, for {rest} more: `mailcert verify DOMAIN` says it");
        text.push_str(&wrapped(&more, ""));
    }
    text
}

/// What to type, if there is a server that works at each of its addresses.
fn best(looks: &[&Inspection]) -> Option<String> {
    let usable = looks.iter().filter(|look| {
        let same = |other: &&&Inspection| other.host == look.host && other.port == look.port;
        looks.iter().filter(same).all(|other| other.verdict == Verdict::Accepted)
    });
    let best = usable.min_by_key(|look| rank(look))?;
    let secured = if best.service == Service::Submissions { "SSL" } else { "TLS" };
    let (host, port) = (&best.host, best.port);
    Some(format!("SMTP server {host}, port {port}, secured connection using {secured}"))
}

fn why_none(looks: &[&Inspection]) -> &'static str {
    if looks.iter().any(|look| look.verdict == Verdict::Refused) {
        "no server can be entered yet: each one is refused (see above)"
    } else {
        "no server can be named: none could be tested from here (see above)"
    }
}

/// Submission first; port 25 only where nothing else is there.
fn rank(look: &Inspection) -> (u8, &Hostname) {
    let rank = match look.service {
        Service::Submission => 0,
        Service::Submissions => 1,
        _ => 2,
    };
    (rank, &look.host)
}
