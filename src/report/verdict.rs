//! `verify` for a person: the verdict, the stages as a matrix, each distinct problem once, and
//! what to type in Gmail.

mod gmail;
mod problem;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::{Detail, Verified, wrapped};
use crate::model::{Code, Hostname, Inspection, StageMark, TlsMode, Verdict};

/// The whole report.
pub(super) fn text(verified: &Verified, detail: Detail) -> String {
    let mut text = headline(verified);
    if detail == Detail::Quiet || verified.endpoints.is_empty() {
        return text;
    }
    text.push_str(&blocked(&verified.endpoints));
    text.push('\n');
    text.push_str(&matrix(&verified.endpoints));
    text.push_str(&problem::all(verified));
    let clean = verified.endpoints.iter().filter(|look| look.problems.is_empty()).count();
    text.push_str(&format!("\n{clean} of {} without a fault\n", count(verified.endpoints.len())));
    if detail == Detail::Verbose {
        text.push_str(&sessions(&verified.endpoints));
    }
    text.push('\n');
    text.push_str(&gmail::text(&verified.endpoints));
    text
}

fn count(endpoints: usize) -> String {
    if endpoints == 1 { "1 endpoint".to_owned() } else { format!("{endpoints} endpoints") }
}

/// Whose answer this is.
fn sender(profile: &str) -> &'static str {
    match profile {
        "workspace" => "Google Workspace",
        "strict" => "a strict sender",
        _ => "Gmail",
    }
}

/// The first line: the verdict, of what, and who says so.
fn headline(verified: &Verified) -> String {
    let mut hosts: BTreeMap<&Hostname, Verdict> = BTreeMap::new();
    for look in &verified.endpoints {
        let verdict = hosts.entry(&look.host).or_insert(look.verdict);
        *verdict = (*verdict).max(look.verdict);
    }
    let number = |verdict| hosts.values().filter(|found| **found == verdict).count();
    let (refused, unknown, all) = (number(Verdict::Refused), number(Verdict::Unknown), hosts.len());
    let of_all = |some: usize| match (some, all) {
        (1, 1) => "its mail server".to_owned(),
        (some, all) if some == all => format!("all {all} mail servers"),
        (some, all) => format!("{some} of {all} mail servers"),
    };
    let (subject, sender) = (subject(&verified.endpoints), sender(verified.profile));
    let line = match verified.verdict {
        Verdict::Refused => format!("FAIL  {subject}: {sender} would refuse {}\n", of_all(refused)),
        Verdict::Accepted => format!("ok    {subject}: {sender} would accept {}\n", of_all(all)),
        Verdict::Unknown if all == 0 => "unknown  no mail server was tested\n".to_owned(),
        Verdict::Unknown => {
            let what = of_all(unknown);
            format!("unknown  {subject}: {what} could not be tested, nothing is refused\n")
        }
    };
    wrapped(&line, "")
}

/// What was verified: a domain, a host, or how many.
fn subject(endpoints: &[Inspection]) -> String {
    let domains: BTreeSet<&Hostname> =
        endpoints.iter().map(|look| look.domain.as_ref().unwrap_or(&look.host)).collect();
    match domains.len() {
        1 => domains.iter().map(|domain| domain.to_string()).collect(),
        many => format!("{many} domains and hosts"),
    }
}

/// Port 25 that answers nowhere is mostly blocked on the way out, which says nothing of the
/// servers: that comes before anything else.
fn blocked(endpoints: &[Inspection]) -> String {
    let mut at_25 = endpoints.iter().filter(|look| look.port == 25 && look.address.is_some());
    let silent = |look: &Inspection| {
        look.stages.connect == Some(StageMark::Unknown)
            && look.problems.iter().any(|problem| problem.code == Code::Timeout)
    };
    if at_25.clone().next().is_none() || !at_25.all(silent) {
        return String::new();
    }
    wrapped(
        "Port 25 answers nowhere: this network probably blocks it on the way out, which says \
         nothing of the servers. On the server itself: mailcert verify --connect 127.0.0.1",
        "      ",
    )
}

/// How wide the first column is; seven columns of marks follow.
const LABEL: usize = 27;
const COLUMNS: [&str; 7] =
    ["connect", "greeting", "STARTTLS", "handshake", "chain", "name", "dates"];

/// One row for each endpoint below its host, in 80 columns.
fn matrix(endpoints: &[Inspection]) -> String {
    let mut text = format!("{:LABEL$} {}\n", "server", COLUMNS.join(" "));
    let mut last = None;
    for look in endpoints {
        if last != Some(&look.host) {
            text.push_str(&format!("{}\n", look.host));
            last = Some(&look.host);
        }
        let label = format!("  {}", place(look));
        if label.chars().count() > LABEL {
            text.push_str(&format!("{label}\n{:LABEL$}", ""));
        } else {
            text.push_str(&format!("{label:LABEL$}"));
        }
        for (column, mark) in COLUMNS.iter().zip(look.stages.in_order()) {
            text.push_str(&format!(" {:width$}", word(mark), width = column.len()));
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

/// The address and the port of an endpoint.
fn place(look: &Inspection) -> String {
    match look.address {
        Some(std::net::IpAddr::V6(address)) => format!("[{address}]:{}", look.port),
        Some(address) => format!("{address}:{}", look.port),
        None => format!("no address, port {}", look.port),
    }
}

fn word(mark: Option<StageMark>) -> &'static str {
    match mark {
        Some(StageMark::Ok) => "ok",
        Some(StageMark::Warn) => "warn",
        Some(StageMark::Fail) => "FAIL",
        Some(StageMark::Unknown) => "?",
        None => "-",
    }
}

/// What was agreed on and shown, for those who ask for more.
fn sessions(endpoints: &[Inspection]) -> String {
    let mut text = String::new();
    for look in endpoints {
        let (Some(tls), Some(seen)) = (&look.tls, &look.certificate) else { continue };
        text.push_str(&format!("{} {}\n", look.host, place(look)));
        let names = problem::shortened(&seen.names);
        let (version, cipher) = (&tls.version, &tls.cipher);
        text.push_str(&wrapped(&format!("{version} {cipher}, {} ms", look.millis), "  "));
        text.push_str(&wrapped(&format!("for {names}"), "  "));
        let (issuer, end) = (&seen.issuer, seen.not_after);
        text.push_str(&wrapped(&format!("issued by {issuer}, ends {end}"), "  "));
    }
    text
}

/// How TLS begins there, as reports say it.
fn mode(look: &Inspection) -> &'static str {
    match look.service.tls_mode() {
        TlsMode::Starttls => "STARTTLS",
        TlsMode::Implicit => "TLS",
    }
}
