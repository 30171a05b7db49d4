//! Targets as typed, and the endpoints of literal domains.

use super::{BadTarget, Target, asks_of};
use crate::model::{Host, Hostname, Points, Service, Why};

fn written(target: &Target) -> String {
    match target {
        Target::Domain(domain) => format!("domain {domain}"),
        Target::Server { host, service, port } => format!("{service} {host} {port}"),
    }
}

#[test]
fn a_target_is_understood_or_says_how_to_write_it() {
    for (text, expected) in [
        ("example.org", "domain example.org"),
        ("Example.ORG.", "domain example.org"),
        ("me@example.org", "domain example.org"),
        ("müller.example", "domain xn--mller-kva.example"),
        ("mx.example.org:25", "smtp mx.example.org 25"),
        ("mx.example.org:587", "submission mx.example.org 587"),
        ("mx.example.org:465", "submissions mx.example.org 465"),
        ("mx.example.org:993", "imaps mx.example.org 993"),
        ("mx.example.org:4190", "sieve mx.example.org 4190"),
        ("mx.example.org:2525", "smtp mx.example.org 2525"),
        ("smtp://mx.example.org", "smtp mx.example.org 25"),
        ("SMTPS://mx.example.org/", "submissions mx.example.org 465"),
        ("imap://mx.example.org:1143", "imap mx.example.org 1143"),
        ("localhost", "localhost: a host name needs at least two labels, found \"localhost\""),
        ("", ": a host name is expected, found nothing"),
        (
            "mx.example.org:0",
            "mx.example.org:0: \"0\" is no port; expected a number from 1 to 65535",
        ),
        (
            "mx.example.org:smtp",
            "mx.example.org:smtp: \"smtp\" is no port; expected a number from 1 to 65535",
        ),
        (
            "http://example.org",
            "http://example.org: unknown scheme \"http\"; expected one of smtp:// \
             submission:// submissions:// smtps:// imap:// imaps:// pop3:// pop3s:// sieve://",
        ),
        (
            "imap://example.org/INBOX",
            "imap://example.org/INBOX: \"/INBOX\" after the host; expected SCHEME://HOST or \
             SCHEME://HOST:PORT",
        ),
        (
            "[2001:db8::7]:25",
            "[2001:db8::7]:25: a certificate is checked against a name, not an address; give \
             the name and the address to connect to: HOST:PORT --connect 2001:db8::7",
        ),
        (
            "192.0.2.7:25",
            "192.0.2.7:25: a certificate is checked against a name, not an address; give the \
             name and the address to connect to: HOST:PORT --connect 192.0.2.7",
        ),
    ] {
        let said = match Target::parse(text) {
            Ok(target) => written(&target),
            Err(error) => error.to_string(),
        };
        assert_eq!(said, expected, "{text}");
    }
    for text in ["2001:db8::7", "smtp://[2001:db8::7]:25", "smtp://192.0.2.7"] {
        let error = Target::parse(text).unwrap_err();
        assert!(matches!(error, BadTarget::Address { .. }), "{text}: {error}");
    }
}

#[test]
fn a_line_may_name_addresses() {
    for (line, expected) in [
        ("", "nothing"),
        ("  # a comment", "nothing"),
        ("mx.example.org:25", "smtp mx.example.org 25 []"),
        (
            "mx.example.org:25 192.0.2.7 [2001:db8::7]  # two",
            "smtp mx.example.org 25 [192.0.2.7, 2001:db8::7]",
        ),
        (
            "mx.example.org:25 here",
            "mx.example.org:25: \"here\" is no address; expected TARGET [ADDR]..., one a line",
        ),
    ] {
        let said = match Target::parse_line(line) {
            Ok(None) => "nothing".to_owned(),
            Ok(Some((target, addresses))) => format!("{} {addresses:?}", written(&target)),
            Err(error) => error.to_string(),
        };
        assert_eq!(said, expected, "{line}");
    }
}

fn host(name: &str, reasons: Vec<Why>, addresses: &[&str]) -> Host {
    Host {
        host: Hostname::parse(name).unwrap(),
        domain: Hostname::parse("example.org").unwrap(),
        reasons,
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        points: Points::All,
        included: true,
        undecided: false,
        why_not: None,
    }
}

fn listed(hosts: &[Host], not_offered: &[Service]) -> Vec<String> {
    let domain = Hostname::parse("example.org").unwrap();
    let machine = ["192.0.2.7".parse().unwrap()];
    asks_of(&domain, hosts, not_offered, Some(&machine))
        .iter()
        .map(|ask| {
            let origin = ask.origin.clone().unwrap_or_default();
            format!("{} {:?} {} {origin}", ask.endpoint, ask.ours, ask.optional)
        })
        .collect()
}

#[test]
fn a_domain_without_submission_records_has_its_ports_tried() {
    let hosts = [
        host("mx.example.org", vec![Why::Mx(10)], &["2001:db8::7", "192.0.2.7"]),
        host("mail.example.org", vec![Why::Config], &["192.0.2.8"]),
        host("gone.example.org", vec![Why::Mx(20)], &[]),
    ];
    assert_eq!(
        listed(&hosts, &[]),
        [
            "mx.example.org [2001:db8::7]:25 Some(false) false MX 10 of example.org",
            "mx.example.org [192.0.2.7]:25 Some(true) false MX 10 of example.org",
            "mx.example.org [2001:db8::7]:465 Some(false) true ",
            "mx.example.org [192.0.2.7]:465 Some(true) true ",
            "mx.example.org [2001:db8::7]:587 Some(false) true ",
            "mx.example.org [192.0.2.7]:587 Some(true) true ",
            "mail.example.org [192.0.2.8]:465 Some(false) true ",
            "mail.example.org [192.0.2.8]:587 Some(false) true ",
            "gone.example.org:25 None false MX 20 of example.org",
        ]
    );
}

#[test]
fn a_host_without_records_is_looked_at_though_another_publishes_submission() {
    let hosts = [
        host("mail.example.org", vec![Why::Srv(Service::Submission, 587)], &["192.0.2.7"]),
        host("old.example.org", vec![Why::Config], &["192.0.2.7"]),
        host("smtp.example.org", vec![Why::Guess("smtp".to_owned())], &["192.0.2.7"]),
        host("mx.example.org", vec![Why::Mx(10), Why::Config], &["192.0.2.7"]),
    ];
    assert_eq!(
        listed(&hosts, &[Service::Submissions]),
        [
            "mail.example.org [192.0.2.7]:587 Some(true) false SRV _submission of example.org",
            "old.example.org [192.0.2.7]:587 Some(true) true ",
            "smtp.example.org [192.0.2.7]:587 Some(true) true ",
            "mx.example.org [192.0.2.7]:25 Some(true) false MX 10 of example.org",
            "mx.example.org [192.0.2.7]:587 Some(true) true ",
        ]
    );
}

#[test]
fn published_services_are_asked_at_their_ports_and_no_others() {
    let reasons = vec![Why::Srv(Service::Submission, 1587), Why::Srv(Service::Imaps, 993)];
    let hosts = [
        host("mx.example.org", vec![Why::Mx(10)], &["192.0.2.7"]),
        host("mail.example.org", [reasons, vec![Why::Config]].concat(), &["192.0.2.7"]),
    ];
    assert_eq!(
        listed(&hosts, &[Service::Pop3]),
        [
            "mx.example.org [192.0.2.7]:25 Some(true) false MX 10 of example.org",
            "mail.example.org [192.0.2.7]:1587 Some(true) false SRV _submission of example.org",
            "mail.example.org [192.0.2.7]:993 Some(true) false SRV _imaps of example.org",
        ]
    );
}
