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
        None => {
            let cut = |address: &String| address.chars().take(60).collect();
            super::verdict::problem::shortened(&record.rua.iter().map(cut).collect::<Vec<_>>())
        }
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
        (None, _) => "the resolver validates nothing (dane-unusable)",
    };
    format!("{}: {records}, {state}", of.host)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::text;
    use crate::model::{Dane, Hostname, MtaSts, Policies, StsHost, StsMode, TlsRpt, TlsaSeen};
    use crate::report::Detail;

    fn host(name: &str) -> Hostname {
        Hostname::parse(name).unwrap()
    }

    /// A domain with a policy in this mode and hosts that are listed, and accepted, or not.
    fn sts(domain: &str, mode: StsMode, hosts: &[(bool, Option<bool>)]) -> Policies {
        let of = |(listed, accepted): &(bool, Option<bool>)| StsHost {
            host: host("mx.example.org"),
            listed: *listed,
            accepted: *accepted,
        };
        let hosts = hosts.iter().map(of).collect();
        let mta_sts = Some(MtaSts { mode: Some(mode), hosts, ..MtaSts::default() });
        Policies { mta_sts, ..Policies::none(host(domain)) }
    }

    fn dane(authenticated: Option<bool>, holds: Option<bool>, records: usize) -> Dane {
        let data = "00".to_owned();
        let record = TlsaSeen { usage: 3, selector: 1, matching: 1, data, matches: holds };
        let records = vec![record; records];
        Dane {
            host: host("mx.example.org"),
            port: 25,
            authenticated,
            holds,
            records,
            problem: None,
        }
    }

    #[test]
    fn each_domain_has_its_lines() {
        let mut broken = Policies::none(host("broken.example"));
        broken.mta_sts = Some(MtaSts { problem: Some("why".to_owned()), ..MtaSts::default() });
        broken.tls_rpt = Some(TlsRpt { rua: Vec::new(), problem: Some("why".to_owned()) });
        broken.dane = vec![
            dane(Some(true), None, 0),
            dane(Some(true), Some(true), 1),
            dane(Some(true), Some(false), 2),
            dane(Some(true), None, 2),
            dane(Some(false), Some(false), 2),
            dane(None, Some(true), 2),
        ];
        let all = [
            Policies::none(host("nothing.example")),
            sts("good.example", StsMode::Enforce, &[(true, Some(true)), (true, Some(true))]),
            sts("bad.example", StsMode::Enforce, &[(false, Some(true)), (true, Some(false))]),
            sts("test.example", StsMode::Testing, &[(false, Some(true)), (true, None)]),
            sts("silent.example", StsMode::Enforce, &[(true, Some(true)), (true, None)]),
            sts("gone.example", StsMode::None, &[]),
            broken,
        ];
        expect![[r#"

            good.example
            MTA-STS   enforce, 2 of 2 MX hosts listed: ok

            bad.example
            MTA-STS   enforce, 1 of 2 MX hosts listed, 1 of them refused: FAIL

            test.example
            MTA-STS   testing, 1 of 2 MX hosts listed, 1 of them not tested: warn

            silent.example
            MTA-STS   enforce, 2 of 2 MX hosts listed, 1 of them not tested

            gone.example
            MTA-STS   none: the domain has no policy any more

            broken.example
            MTA-STS   cannot be used (mta-sts-broken)
            TLS-RPT   cannot be used (tls-rpt-broken)
            DANE      mx.example.org: cannot be read (dane-broken)
            DANE      mx.example.org: 1 record, as is shown: ok
            DANE      mx.example.org: 2 records, not what is shown (dane-mismatch)
            DANE      mx.example.org: 2 records, not compared, since nothing was shown
            DANE      mx.example.org: 2 records, not signed, so of no use (dane-unusable)
            DANE      mx.example.org: 2 records, the resolver validates nothing
                      (dane-unusable)
        "#]]
        .assert_eq(&text(&all, Detail::Usual));
        let absent = text(&all[..1], Detail::Verbose);
        expect![[r#"

            MTA-STS   not published
            TLS-RPT   not published
            DANE      no TLSA records
        "#]]
        .assert_eq(&absent);
        assert_eq!(text(&all[..1], Detail::Usual), "");
        let many: Vec<Policies> = (0..12).map(|_| all[1].clone()).collect();
        let text = text(&many, Detail::Usual);
        assert!(text.ends_with("\n2 more domains publish policies (-v shows them)\n"), "{text}");
    }
}
