//! What to type in Gmail's "Add another email address": server, port, TLS or SSL.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::problem::shortened;
use crate::model::{Code, Hostname, Inspection, Level, Service, Verdict};
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
    let mut without: BTreeMap<String, Vec<String>> = BTreeMap::new();
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
    let usable = works(looks).filter(|look| PORTS.contains(&look.port) && takes_passwords(look));
    let best = usable.min_by_key(|look| rank(look))?;
    let secured = if best.service == Service::Submissions { "SSL" } else { "TLS" };
    let (host, port) = (&best.host, best.port);
    Some(format!("SMTP server {host}, port {port}, secured connection using {secured}"))
}

/// The ports that the dialog offers (Google's help page 1074635).
const PORTS: [u16; 3] = [25, 465, 587];

/// The endpoints that are accepted at each address of their host.
fn works<'a>(looks: &'a [&'a Inspection]) -> impl Iterator<Item = &'a Inspection> {
    let everywhere = |look: &&&Inspection| {
        let same = |other: &&&Inspection| other.host == look.host && other.port == look.port;
        looks.iter().filter(same).all(|other| other.verdict == Verdict::Accepted)
    };
    looks.iter().filter(everywhere).copied()
}

/// Whether Gmail can say who it is: an MX that offers no AUTH PLAIN or LOGIN inside TLS is not for
/// submission. Where nobody looked, the server has the benefit of the doubt.
fn takes_passwords(look: &Inspection) -> bool {
    let offers = look.details.as_ref().map_or(&[][..], |details| &details.offers);
    let has = |offer: &String| {
        let mut words = offer.split([' ', '=']);
        words.next().is_some_and(|word| word.eq_ignore_ascii_case("AUTH"))
            && words.any(|word| ["PLAIN", "LOGIN"].iter().any(|one| word.eq_ignore_ascii_case(one)))
    };
    offers.is_empty() || offers.iter().any(has)
}

/// Why there is nothing to type, and what there is instead.
fn why_none(looks: &[&Inspection]) -> String {
    let some_work = works(looks).next().is_some();
    if looks.iter().any(|look| look.verdict == Verdict::Refused) {
        let which = if some_work { "what takes passwords" } else { "each one" };
        let none = format!("no server can be entered yet: {which} is refused (see above)");
        return none + &names_instead(looks);
    }
    if let Some(other) = works(looks).find(|look| takes_passwords(look)) {
        let (host, port) = (&other.host, other.port);
        return format!(
            "no server can be entered: {host} works at port {port}, and Gmail's dialog has the \
             ports 25, 465 and 587 only"
        );
    }
    let why = match some_work {
        true => "can be entered: none that works takes a password (AUTH PLAIN or LOGIN)",
        false => "can be named: none could be tested from here (see above)",
    };
    format!("no server {why}")
}

/// The names on a certificate that lacks nothing but the host's: a user may type one of them.
fn names_instead(looks: &[&Inspection]) -> String {
    let only_the_name = |look: &&&Inspection| {
        let mut fails = look.problems.iter().filter(|problem| problem.level == Level::Fail);
        PORTS.contains(&look.port)
            && takes_passwords(look)
            && look.verdict == Verdict::Refused
            && fails.all(|problem| problem.code == Code::NameMismatch)
    };
    let seen = looks.iter().filter(only_the_name).min_by_key(|look| rank(look));
    let Some((look, seen)) = seen.and_then(|look| Some((look, look.certificate.as_ref()?))) else {
        return String::new();
    };
    let typed = |name: &&String| Hostname::parse(name).is_ok();
    let names: Vec<String> = seen.names.iter().filter(typed).cloned().collect();
    if names.is_empty() {
        return String::new();
    }
    format!(
        "; or enter a name that its certificate covers, if it leads to the same server: {} \
         (port {})",
        shortened(&names),
        look.port
    )
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::text;
    use crate::model::{
        CertificateSeen, Code, Details, Hostname, Inspection, Level, Problem, Service, Sha256,
        Stages, Timestamp, Verdict,
    };

    fn look(port: u16, verdict: Verdict, offers: &[&str]) -> Inspection {
        let offers = offers.iter().map(|offer| (*offer).to_owned()).collect();
        Inspection {
            host: Hostname::parse("mx.example.org").unwrap(),
            domain: None,
            origin: None,
            service: Service::at_port(port).unwrap_or(Service::Smtp),
            port,
            address: "192.0.2.7".parse().ok(),
            sni: None,
            ours: None,
            verdict,
            stages: Stages::default(),
            problems: Vec::new(),
            tls: None,
            certificate: None,
            proved_at: Timestamp::from_unix(0),
            millis: 1,
            details: Some(Box::new(Details { offers, ..Details::default() })),
        }
    }

    fn mismatched(names: &[&str]) -> Inspection {
        let problem = Problem {
            code: Code::NameMismatch,
            level: Level::Fail,
            expected: None,
            found: Vec::new(),
            sender_says: None,
            why: None,
        };
        let seen = CertificateSeen {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            issuer: String::new(),
            serial: String::new(),
            not_before: Timestamp::from_unix(0),
            not_after: Timestamp::from_unix(0),
            sha256: Sha256([0; 32]),
            spki_sha256: Sha256([0; 32]),
            chain_length: 1,
        };
        let look = look(587, Verdict::Refused, &["AUTH PLAIN"]);
        Inspection { problems: vec![problem], certificate: Some(Arc::new(seen)), ..look }
    }

    #[test]
    fn only_what_the_dialog_takes_and_what_takes_passwords_is_named() {
        let accepted = |port, offers: &[&str]| look(port, Verdict::Accepted, offers);
        for (looks, expected) in [
            (
                vec![accepted(25, &["SIZE 9"]), accepted(465, &["SIZE 9", "AUTH LOGIN"])],
                "SMTP server mx.example.org, port 465, secured connection using SSL",
            ),
            (
                vec![accepted(25, &["auth=plain"])],
                "SMTP server mx.example.org, port 25, secured connection using TLS",
            ),
            (
                vec![accepted(25, &[])],
                "SMTP server mx.example.org, port 25, secured connection using TLS",
            ),
            (
                vec![accepted(25, &["SIZE 9", "AUTH XOAUTH2"])],
                "no server can be entered: none that works takes a password (AUTH PLAIN or LOGIN)",
            ),
            (
                vec![accepted(2525, &["AUTH PLAIN"])],
                "no server can be entered: mx.example.org works at port 2525, and Gmail's dialog \
                 has the ports 25, 465 and 587 only",
            ),
            (
                vec![accepted(25, &["SIZE 9"]), look(587, Verdict::Refused, &[])],
                "no server can be entered yet: what takes passwords is refused (see above)",
            ),
            (
                vec![look(587, Verdict::Unknown, &[])],
                "no server can be named: none could be tested from here (see above)",
            ),
            (
                vec![mismatched(&["*.example.net", "www.example.net", "IP 192.0.2.7"])],
                "no server can be entered yet: each one is refused (see above); or enter a name \
                 that its certificate covers, if it leads to the same server: www.example.net \
                 (port 587)",
            ),
            (
                vec![mismatched(&["*.example.net"])],
                "no server can be entered yet: each one is refused (see above)",
            ),
        ] {
            let looks: Vec<_> = looks.into_iter().map(Arc::new).collect();
            let said = text(&looks, usize::MAX).split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(said, format!("In Gmail: {expected}"));
        }
    }
}
