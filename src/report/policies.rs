//! What the domains publish about TLS (MTA-STS, TLS-RPT, DANE), in a line each; what is wrong with
//! it stands among the problems and findings.

use super::{Detail, wrapped};
use crate::model::{Dane, MtaSts, Policies, StsMode, TlsRpt};

/// More domains than this are counted, unless more is asked for.
const DOMAINS: usize = 10;

/// The section; empty where nothing is published and nobody asks for more.
pub(super) fn text(all: &[Policies], detail: Detail) -> String {
    let verbose = detail == Detail::Verbose;
    let most = if verbose { usize::MAX } else { DOMAINS };
    let blocks =
        all.iter().map(|of| (of, lines(of, verbose))).filter(|(_, lines)| !lines.is_empty());
    let blocks: Vec<_> = blocks.collect();
    let mut text = String::new();
    for (of, lines) in blocks.iter().take(most) {
        text.push('\n');
        if all.len() > 1 {
            text.push_str(&format!("{}\n", of.domain));
        }
        text.push_str(lines);
    }
    if let rest @ 1.. = blocks.len().saturating_sub(most) {
        text.push_str(&format!("\n{rest} more domains publish policies (-v shows them)\n"));
    }
    text
}

fn lines(of: &Policies, verbose: bool) -> String {
    let mut text = String::new();
    match &of.mta_sts {
        Some(sts) => line(&mut text, "MTA-STS", &mta_sts(sts)),
        None if verbose => line(&mut text, "MTA-STS", "not published"),
        None => {}
    }
    match &of.tls_rpt {
        Some(record) => line(&mut text, "TLS-RPT", &tls_rpt(record)),
        None if verbose => line(&mut text, "TLS-RPT", "not published"),
        None => {}
    }
    let most = if verbose { usize::MAX } else { DOMAINS };
    for host in of.dane.iter().take(most) {
        line(&mut text, "DANE", &dane(host));
    }
    match of.dane.len().saturating_sub(most) {
        0 if of.dane.is_empty() && verbose => line(&mut text, "DANE", "no TLSA records"),
        0 => {}
        rest => line(&mut text, "DANE", &format!("{rest} hosts more (-v shows them)")),
    }
    text
}

fn line(text: &mut String, label: &str, value: &str) {
    let value = wrapped(value, "          ");
    text.push_str(&format!("{label:10}{}", value.trim_start()));
}

fn mta_sts(sts: &MtaSts) -> String {
    let mode = match sts.mode {
        None => return "cannot be used (mta-sts-broken)".to_owned(),
        Some(StsMode::None) => return "none: the domain has no policy any more".to_owned(),
        Some(mode) => mode,
    };
    let listed = sts.hosts.iter().filter(|host| host.listed);
    let (refused, untested) =
        listed.clone().fold((0, 0), |(refused, untested), host| match host.accepted {
            Some(true) => (refused, untested),
            Some(false) => (refused + 1, untested),
            None => (refused, untested + 1),
        });
    let (listed, all) = (listed.count(), sts.hosts.len());
    let mut text = format!("{}, {listed} of {all} MX hosts listed", mode.as_str());
    if refused > 0 {
        text.push_str(&format!(", {refused} of them refused"));
    }
    if untested > 0 {
        text.push_str(&format!(", {untested} of them not tested"));
    }
    let wrong = refused > 0 || listed < all;
    text.push_str(match (wrong, mode) {
        (true, StsMode::Enforce) => ": FAIL",
        (true, _) => ": warn",
        (false, _) if untested > 0 || all == 0 => "",
        (false, _) => ": ok",
    });
    if sts.problem.is_some() {
        text.push_str(" (mta-sts-broken)");
    }
    text
}

fn tls_rpt(record: &TlsRpt) -> String {
    match &record.problem {
        Some(_) => "cannot be used (tls-rpt-broken)".to_owned(),
        None => super::verdict::problem::shortened(&record.rua),
    }
}

fn dane(of: &Dane) -> String {
    let records = match of.records.len() {
        0 => return format!("{}: cannot be read (dane-broken)", of.host),
        1 => "1 record".to_owned(),
        many => format!("{many} records"),
    };
    let state = match (of.authenticated, of.holds) {
        (Some(true), _) if of.problem.is_some() => "of no use (dane-unusable)",
        (Some(true), Some(true)) => "as is shown: ok",
        (Some(true), Some(false)) => "not what is shown (dane-mismatch)",
        (Some(true), None) => "not compared, since nothing was shown",
        (Some(false), _) => "not signed, so of no use (dane-unusable)",
        (None, _) => "of use or not: cannot be told (dane-unusable)",
    };
    format!("{}: {records}, {state}", of.host)
}
