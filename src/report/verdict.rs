//! `verify` for a person: the verdict, the stages as a matrix, each distinct problem once, and
//! what to type in Gmail.

mod file;
mod gmail;
pub(super) mod problem;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Detail, Verified, wrapped};
use crate::model::{Code, Hostname, Inspection, StageMark, TlsMode, Verdict};

/// The whole report.
pub(super) fn text(verified: &Verified, detail: Detail) -> String {
    if let Some(text) = file::text(verified, detail) {
        return text;
    }
    let mut text = headline(verified);
    if let Some(stopped) = &verified.stopped {
        text.push_str(&format!("      {}; this is what is known\n", stopped.words()));
    }
    if detail == Detail::Quiet || verified.endpoints.is_empty() {
        return text;
    }
    if verified.left_out() == 0 {
        text.push_str(&blocked(&verified.endpoints));
    }
    text.push('\n');
    text.push_str(&matrix(&verified.endpoints, detail));
    text.push_str(&problem::all(verified, detail));
    text.push_str(&super::policies::text(&verified.policies, detail));
    let counts = &verified.counts;
    text.push_str(&format!("\n{} of {} without a fault\n", counts.clean, count(counts.endpoints)));
    if verified.left_out() > 0 {
        let kept = count(verified.endpoints.len());
        text.push_str(&wrapped(&format!("Only the worst {kept} are told of here; {EACH}"), ""));
        return text;
    }
    if detail == Detail::Verbose {
        text.push_str(&sessions(&verified.endpoints));
    }
    text.push('\n');
    text.push_str(&gmail::text(&verified.endpoints, usize::MAX));
    text
}

/// What is served here at the end of a run: where all is accepted, and nobody wants more, the
/// verdict, what is warned of, and what to type in Gmail. A journal needs no matrix of 30,000 rows.
pub(super) fn served(verified: &Verified, detail: Detail) -> String {
    if detail != Detail::Usual || verified.verdict != Verdict::Accepted {
        return text(verified, detail);
    }
    let problems = problem::all(verified, detail);
    let gap = if problems.is_empty() { "" } else { "\n" };
    headline(verified) + &problems + gap + &gmail::text(&verified.endpoints, DOMAINS)
}

/// Where a batch says more.
const EACH: &str =
    "`--format jsonl` tells of each, and `mailcert verify DOMAIN` what to type in Gmail.";

/// For how many domains the end of a run says what to type in Gmail.
const DOMAINS: usize = 3;

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
    let (mut refused, mut unknown) = (number(Verdict::Refused), number(Verdict::Unknown));
    let (mut all, mut what) = (hosts.len(), "mail servers");
    if verified.left_out() > 0 {
        // Of very many, not even the hosts are held.
        let counts = &verified.counts;
        (refused, unknown, all) = (counts.refused, counts.unknown, counts.endpoints);
        what = "endpoints";
    }
    let of_all = |some: usize| match (some, all) {
        (1, 1) => "its mail server".to_owned(),
        (some, all) if some == all => format!("all {all} {what}"),
        (some, all) => format!("{some} of {all} {what}"),
    };
    let (subject, sender) = (super::subject(verified), sender(verified.profile));
    let line = match verified.verdict {
        Verdict::Refused => format!("FAIL  {subject}{sender} would refuse {}\n", of_all(refused)),
        Verdict::Accepted => format!("ok    {subject}{sender} would accept {}\n", of_all(all)),
        Verdict::Unknown if all == 0 => "unknown  no mail server was tested\n".to_owned(),
        Verdict::Unknown if unknown == 0 => {
            format!("unknown  {subject}not everything was tested, nothing is refused so far\n")
        }
        Verdict::Unknown => {
            let what = of_all(unknown);
            format!("unknown  {subject}{what} could not be tested, nothing is refused\n")
        }
    };
    wrapped(&line, "")
}

/// Port 25 that answers nowhere is mostly blocked on the way out, which says nothing of the
/// servers: that comes before anything else.
fn blocked(endpoints: &[Arc<Inspection>]) -> String {
    let mut at_25 = endpoints.iter().filter(|look| look.port == 25 && look.address.is_some());
    let silent = |look: &Arc<Inspection>| {
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

/// More endpoints than this, and only those with a fault have a row.
const ROWS: usize = 50;

/// One row for each endpoint below its host, in 80 columns.
fn matrix(endpoints: &[Arc<Inspection>], detail: Detail) -> String {
    let every = endpoints.len() <= ROWS || detail == Detail::Verbose;
    let rows: Vec<&Arc<Inspection>> =
        endpoints.iter().filter(|look| every || !is_ok(look)).collect();
    let mut text = String::new();
    if !rows.is_empty() {
        text.push_str(&format!("{:LABEL$} {}\n", "server", COLUMNS.join(" ")));
    }
    let mut last = None;
    for look in &rows {
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
    match endpoints.len() - rows.len() {
        0 => {}
        all if rows.is_empty() => text.push_str(&format!("all {all} endpoints: ok throughout\n")),
        rest => text.push_str(&format!("{rest} more: ok throughout (-v lists them)\n")),
    }
    text
}

/// Whether every stage there is was passed.
fn is_ok(look: &Inspection) -> bool {
    look.stages.in_order().iter().flatten().all(|mark| *mark == StageMark::Ok)
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

/// What was agreed on, shown, offered and said, for those who ask for more.
fn sessions(endpoints: &[Arc<Inspection>]) -> String {
    let mut text = String::new();
    for look in endpoints {
        let details = look.details.as_deref();
        if look.tls.is_none() && look.certificate.is_none() && details.is_none() {
            continue;
        }
        text.push_str(&format!("\n{} {}\n", look.host, place(look)));
        let mut line = |words: String| text.push_str(&wrapped(&words, "  "));
        if let Some(tls) = &look.tls {
            line(format!("{} {}, {} ms", tls.version, tls.cipher, look.millis));
        }
        if let Some(seen) = &look.certificate {
            line(format!("for {}", problem::shortened(&seen.names)));
            line(format!("issued by {}, ends {}", seen.issuer, seen.not_after));
        }
        let Some(details) = details else { continue };
        if let Some(old) = &details.second_look {
            line(format!("second look: {} {}", old.version, old.cipher));
        }
        if !details.offers.is_empty() {
            line(format!("offers {}", details.offers.join(", ")));
        }
        details.transcript.iter().for_each(|said| text.push_str(&wrapped(said, "    ")));
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
