//! Whole zones in, whole answers out. The machine is 192.0.2.7 and 2001:db8::7.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Mutex;

use async_trait::async_trait;
use expect_test::{Expect, expect};

use super::{Discovered, Rules, discover};
use crate::config::Domain;
use crate::dns::{Answer, Dns, Kind, Zone};
use crate::model::Hostname;

const MACHINE: [&str; 2] = ["192.0.2.7", "2001:db8::7"];

fn domain(line: &str) -> Domain {
    let mut domain: Option<Domain> = None;
    for word in line.split_whitespace() {
        let host = |name: &str| Hostname::parse(name).unwrap();
        match (&mut domain, word.strip_prefix('-')) {
            (None, _) => {
                domain = Some(Domain {
                    name: host(word),
                    hosts: vec![],
                    wildcards: vec![],
                    exclude: vec![],
                });
            }
            (Some(domain), Some(out)) => domain.exclude.push(host(out)),
            (Some(domain), None) => domain.hosts.push(host(word)),
        }
    }
    domain.unwrap()
}

fn show(answers: &[Discovered]) -> String {
    let mut text = String::new();
    for answer in answers {
        let complete = if answer.complete { "" } else { " (incomplete)" };
        writeln!(text, "{}{complete}", answer.domain).unwrap();
        for host in &answer.hosts {
            let reasons: Vec<String> = host.reasons.iter().map(ToString::to_string).collect();
            let addresses: Vec<String> = host.addresses.iter().map(ToString::to_string).collect();
            write!(
                text,
                "  {} <{}> [{}] {}",
                host.host,
                reasons.join(", "),
                addresses.join(" "),
                format!("{:?}", host.points).to_lowercase(),
            )
            .unwrap();
            match &host.why_not {
                None => writeln!(text, " included"),
                Some(why) => writeln!(text, " out: {why}"),
            }
            .unwrap();
            assert_eq!(host.included, host.why_not.is_none());
            assert_eq!(host.domain, answer.domain);
        }
        for service in &answer.not_offered {
            writeln!(text, "  not offered: {service}").unwrap();
        }
        for host in &answer.undecided {
            writeln!(text, "  undecided: {host}").unwrap();
        }
        for finding in &answer.findings {
            writeln!(text, "  {}: {}: {}", finding.code, finding.subject, finding.message).unwrap();
        }
    }
    text
}

async fn ask(domains: &[Domain], dns: &dyn Dns, guesses: bool) -> Vec<Discovered> {
    let machine = MACHINE.map(|address| address.parse::<IpAddr>().unwrap());
    let rules = Rules { machine: &machine, guesses, concurrency: 64, per_second: 0 };
    discover(domains, dns, &rules).await
}

/// `domains`: one a line, `example.org further.example.org -excluded.example.org`.
async fn check(domains: &str, zone: &str, expected: Expect) {
    let domains: Vec<Domain> = domains.lines().map(domain).collect();
    let zone = Zone::parse(zone).unwrap();
    expected.assert_eq(&show(&ask(&domains, &zone, true).await));
}

/// A table of cases: each is a test with its domains, its zone and its whole answer.
macro_rules! cases {
    ($($name:ident: $domains:literal, $zone:literal, $expected:expr;)+) => {
        $(#[tokio::test]
        async fn $name() {
            check($domains, $zone, $expected).await;
        })+
    };
}

mod broken;
mod ordinary;

#[tokio::test]
async fn guesses_can_be_switched_off() {
    let zone = Zone::parse("example.org MX 0 .\nmail.example.org A 192.0.2.7").unwrap();
    let domains = [domain("example.org")];
    assert_eq!(ask(&domains, &zone, false).await[0].hosts, []);
    assert_eq!(ask(&domains, &zone, true).await[0].hosts.len(), 1);
}

#[tokio::test]
async fn an_empty_answer_that_does_not_last_is_not_believed() {
    for (ttl, complete) in [(0, false), (60, true)] {
        let zone = Zone::parse(&format!("example.org {ttl} CAA 0 issue ca.example")).unwrap();
        assert_eq!(ask(&[domain("example.org")], &zone, true).await[0].complete, complete);
    }
}

#[tokio::test]
async fn of_a_thousand_mx_records_the_best_hundred_are_read() {
    let mut text = String::new();
    for n in (0..1000).rev() {
        writeln!(text, "example.org MX {n} mx{n}.example.org").unwrap();
        writeln!(text, "mx{n}.example.org A 192.0.2.7").unwrap();
    }
    let zone = Zone::parse(&text).unwrap();
    let answers = ask(&[domain("example.org")], &zone, false).await;
    let hosts: Vec<&str> = answers[0].hosts.iter().map(|host| host.host.as_str()).collect();
    assert_eq!(hosts.len(), 100);
    assert_eq!((hosts[0], hosts[99]), ("mx0.example.org", "mx99.example.org"));
    expect!["example.org has 1000 MX records, at most 100 are read, the best first; remove those that are not used"].assert_eq(&answers[0].findings[0].message);
}

/// Answers from a zone and writes down what was asked.
struct Listener {
    zone: Zone,
    asked: Mutex<Vec<(String, Kind)>>,
}

#[async_trait]
impl Dns for Listener {
    async fn ask(&self, name: &str, kind: Kind) -> Answer {
        self.asked.lock().unwrap().push((name.to_owned(), kind));
        self.zone.ask(name, kind).await
    }
}

#[tokio::test]
async fn who_does_not_exist_or_is_silent_is_not_asked_further() {
    for (zone, questions) in [("", 1), ("example.org TIMEOUT", 1), ("example.org SERVFAIL", 18)] {
        let dns = Listener { zone: Zone::parse(zone).unwrap(), asked: Mutex::default() };
        ask(&[domain("example.org")], &dns, true).await;
        assert_eq!(dns.asked.into_inner().unwrap().len(), questions, "{zone:?}");
    }
}

#[tokio::test]
async fn ten_thousand_domains_share_the_questions_about_their_host() {
    let mut text = "mx.example.net A 192.0.2.7\n".to_owned();
    let mut domains = Vec::new();
    for n in 0..10_000 {
        writeln!(text, "d{n}.example MX 10 mx.example.net").unwrap();
        domains.push(domain(&format!("d{n}.example")));
    }
    let dns = Listener { zone: Zone::parse(&text).unwrap(), asked: Mutex::default() };
    let answers = ask(&domains, &dns, true).await;
    assert!(answers.iter().zip(&domains).all(|(answer, domain)| answer.domain == domain.name));
    assert!(answers.iter().all(|answer| answer.hosts.len() == 1 && answer.hosts[0].included));
    let asked = dns.asked.into_inner().unwrap();
    let shared = asked.iter().filter(|(name, _)| name == "mx.example.net").count();
    // MX, seven SRV and five guesses of two kinds a domain; the host is remembered for a while.
    assert!((2..40).contains(&shared), "{shared}");
    assert_eq!(asked.len() - shared, 10_000 * (1 + 7 + 10));
}

#[test]
fn discovery_can_move_between_threads() {
    fn is_send<T: Send>(_: T) {}
    let zone = Zone::default();
    let rules = Rules { machine: &[], guesses: true, concurrency: 1, per_second: 1 };
    is_send(discover(&[], &zone, &rules));
}
