//! What to type in Gmail's "Add another email address": server, port, TLS or SSL.

use std::collections::BTreeMap;

use crate::model::{Hostname, Inspection, Service, Verdict};
use crate::report::wrapped;

/// One sentence for each domain (or host, where none was asked for) that has an SMTP server.
pub(super) fn text(endpoints: &[Inspection]) -> String {
    let mut domains: BTreeMap<&Hostname, Vec<&Inspection>> = BTreeMap::new();
    for look in endpoints.iter().filter(|look| look.service.is_smtp()) {
        domains.entry(look.domain.as_ref().unwrap_or(&look.host)).or_default().push(look);
    }
    let several = domains.len() > 1;
    let mut text = String::new();
    for (domain, looks) in domains {
        let of = if several { format!("In Gmail, for {domain}") } else { "In Gmail".to_owned() };
        text.push_str(&wrapped(&format!("{of}: {}", sentence(&looks)), ""));
    }
    text
}

fn sentence(looks: &[&Inspection]) -> String {
    let usable = looks.iter().filter(|look| {
        let same = |other: &&&Inspection| other.host == look.host && other.port == look.port;
        looks.iter().filter(same).all(|other| other.verdict == Verdict::Accepted)
    });
    if let Some(best) = usable.min_by_key(|look| rank(look)) {
        let secured = if best.service == Service::Submissions { "SSL" } else { "TLS" };
        let (host, port) = (&best.host, best.port);
        return format!("SMTP server {host}, port {port}, secured connection using {secured}");
    }
    let refused = looks.iter().any(|look| look.verdict == Verdict::Refused);
    if refused {
        "no server can be entered yet: each one is refused (see above)".to_owned()
    } else {
        "no server can be named: none could be tested from here (see above)".to_owned()
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
