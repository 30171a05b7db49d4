//! The resolver against a server that is as bad as servers are. Loopback only.

#![allow(clippy::unwrap_used, reason = "a test may")]

#[path = "support/dns_server.rs"]
mod dns_server;

use std::time::Duration;

use dns_server::{DnsServer, Manners};
use mailcert::dns::{Absence, Answer, Dns, Failure, Kind, Record, Reply, Resolver, Zone};
use tokio::time::Instant;

const ZONE: &str = r#"
    example.org MX 10 mx1.example.org
    example.org MX 20 mx2.example.org
    example.org CAA 128 issue "ca.example; policy=x"
    mx1.example.org 60 A 192.0.2.7
    mx1.example.org AAAA 2001:db8::7
    www.example.org CNAME alias.example.org
    alias.example.org CNAME mx1.example.org
    _imaps._tcp.example.org SRV 0 1 993 .
    _mta-sts.example.org CNAME policy.example.org
    policy.example.org TXT "v=STSv1; " "id=1"
    policy.example.org TXT "of another kind"
    null.example MX 0 .
    signed.example secure
    mx.signed.example A 192.0.2.9
    alias.signed.example CNAME mx1.example.org
    _25._tcp.mx.signed.example TLSA 3 1 1 00ff10
    bogus.example BOGUS
    bad.example SERVFAIL
    refused.example REFUSED
    odd.example OTHER what
    loop.example CNAME pool.example
    pool.example CNAME loop.example
    hostile.example MX 1 a\.b\032\000\255\"\\/.example
"#;

const QUESTIONS: [(&str, Kind); 25] = [
    ("example.org", Kind::Mx),
    ("EXAMPLE.org", Kind::Caa),
    ("example.org", Kind::A),
    ("mx1.example.org", Kind::A),
    ("mx1.example.org", Kind::Aaaa),
    ("mx1.example.org", Kind::Mx),
    ("mx2.example.org", Kind::A),
    ("www.example.org", Kind::A),
    ("www.example.org", Kind::Tlsa),
    ("_imaps._tcp.example.org", Kind::Srv),
    ("_tcp.example.org", Kind::Srv),
    ("_imap._tcp.example.org", Kind::Srv),
    ("_mta-sts.example.org", Kind::Txt),
    (".", Kind::Txt),
    ("null.example", Kind::Mx),
    ("mx.signed.example", Kind::A),
    ("no.signed.example", Kind::A),
    ("alias.signed.example", Kind::A),
    ("_25._tcp.mx.signed.example", Kind::Tlsa),
    ("bogus.example", Kind::Mx),
    ("bad.example", Kind::Mx),
    ("refused.example", Kind::Mx),
    ("nowhere.example", Kind::Mx),
    ("hostile.example", Kind::Mx),
    ("mx1.example.org.", Kind::A),
];

fn resolver(servers: &[&DnsServer]) -> Resolver {
    let servers: Vec<_> = servers.iter().map(|server| server.address()).collect();
    Resolver::new(&servers).unwrap()
}

fn addresses(answer: &Answer) -> Vec<String> {
    answer
        .records()
        .iter()
        .map(|record| match record {
            Record::A(address) => address.to_string(),
            Record::Aaaa(address) => address.to_string(),
            other => format!("{other:?}"),
        })
        .collect()
}

async fn says_what_the_zone_says(manners: Manners) {
    let server = DnsServer::with_manners("127.0.22.10:0", ZONE, manners);
    let zone = Zone::parse(ZONE).unwrap();
    let resolver = resolver(&[&server]);
    for (name, kind) in QUESTIONS {
        let expected = zone.ask(name, kind).await;
        assert_eq!(resolver.ask(name, kind).await, expected, "{name} {kind}, {manners:?}");
    }
}

#[tokio::test]
async fn the_resolver_says_what_the_zone_says() {
    says_what_the_zone_says(Manners::default()).await;
}

#[tokio::test]
async fn reasons_change_no_answer() {
    says_what_the_zone_says(Manners { reasons: true, ..Manners::default() }).await;
}

#[tokio::test]
async fn a_server_older_than_edns_is_asked_without() {
    says_what_the_zone_says(Manners { no_edns: true, ..Manners::default() }).await;
}

#[tokio::test]
async fn forgeries_are_ignored() {
    says_what_the_zone_says(Manners { forged: true, ..Manners::default() }).await;
}

#[tokio::test]
async fn aliases_that_are_left_open_are_asked_further() {
    says_what_the_zone_says(Manners { short: true, ..Manners::default() }).await;
}

#[tokio::test]
async fn a_server_that_fails_once_is_not_called_bogus() {
    let server = DnsServer::with_manners(
        "127.0.22.10:0",
        ZONE,
        Manners { slow: true, ..Manners::default() },
    );
    let answer = resolver(&[&server]).ask("mx1.example.org", Kind::A).await;
    assert_eq!(addresses(&answer), ["192.0.2.7"]);
    assert_eq!(
        server.heard(),
        ["udp mx1.example.org A", "udp mx1.example.org A cd", "udp mx1.example.org A"]
    );
}

#[tokio::test]
async fn a_reason_spares_the_second_question() {
    for (reasons, name, failure, questions) in [
        (false, "bogus.example", Failure::Bogus, 3),
        (true, "bogus.example", Failure::Bogus, 1),
        (false, "bad.example", Failure::ServFail, 2),
        (true, "bad.example", Failure::ServFail, 1),
    ] {
        let manners = Manners { reasons, ..Manners::default() };
        let server = DnsServer::with_manners("127.0.22.10:0", ZONE, manners);
        let answer = resolver(&[&server]).ask(name, Kind::A).await;
        assert_eq!(answer, Answer::failed(failure), "{name} {reasons}");
        assert_eq!(server.heard().len(), questions, "{name} {reasons}");
    }
}

#[tokio::test]
async fn an_answer_too_large_for_udp_comes_over_tcp() {
    let lines: Vec<String> =
        (0..1000).map(|n| format!("big.example MX {n} mx{n}.big.example")).collect();
    let server = DnsServer::start("127.0.22.10:0", &lines.join("\n"));
    let answer = resolver(&[&server]).ask("big.example", Kind::Mx).await;
    assert_eq!(answer.records().len(), 1000);
    assert_eq!(server.heard(), ["udp big.example MX", "tcp big.example MX"]);
}

#[tokio::test]
async fn a_lost_question_is_asked_over_tcp() {
    let server = DnsServer::with_manners(
        "127.0.22.10:0",
        ZONE,
        Manners { deaf_udp: true, ..Manners::default() },
    );
    let answer = resolver(&[&server]).ask("mx1.example.org", Kind::A).await;
    assert_eq!(addresses(&answer), ["192.0.2.7"]);
    assert_eq!(server.heard(), ["udp mx1.example.org A", "tcp mx1.example.org A"]);
}

#[tokio::test]
async fn a_lost_question_is_asked_over_udp_again_where_there_is_no_tcp() {
    let manners = Manners { hard_of_hearing: true, no_tcp: true, ..Manners::default() };
    let server = DnsServer::with_manners("127.0.22.10:0", ZONE, manners);
    let answer = resolver(&[&server]).ask("mx1.example.org", Kind::A).await;
    assert_eq!(addresses(&answer), ["192.0.2.7"]);
    assert_eq!(server.heard(), ["udp mx1.example.org A", "udp mx1.example.org A"]);
}

#[tokio::test]
async fn one_silent_server_is_asked_over_both_ways() {
    let server = DnsServer::start("127.0.22.10:0", "example TIMEOUT");
    let answer = resolver(&[&server]).ask("a.example", Kind::A).await;
    assert_eq!(answer, Answer::failed(Failure::Timeout));
    assert_eq!(server.heard(), ["udp a.example A", "tcp a.example A"]);
}

#[tokio::test]
async fn the_next_server_is_asked_when_one_has_nothing_to_say() {
    for (first, asked_again) in [("SERVFAIL", false), ("REFUSED", false), ("TIMEOUT", false)] {
        let bad = DnsServer::start("127.0.22.10:0", &format!("example {first}"));
        let good = DnsServer::start("127.0.22.11:0", "a.example A 192.0.2.7");
        let answer = resolver(&[&bad, &good]).ask("a.example", Kind::A).await;
        assert_eq!(addresses(&answer), ["192.0.2.7"], "{first}");
        assert_eq!(bad.heard().iter().any(|line| line.starts_with("tcp")), asked_again, "{first}");
    }
}

#[tokio::test]
async fn a_bogus_answer_is_not_taken_from_the_next_server() {
    let validating = DnsServer::start("127.0.22.10:0", "example BOGUS");
    let trusting = DnsServer::start("127.0.22.11:0", "a.example A 192.0.2.66");
    let answer = resolver(&[&validating, &trusting]).ask("a.example", Kind::A).await;
    assert_eq!(answer, Answer::failed(Failure::Bogus));
    assert_eq!(trusting.heard(), [""; 0]);
}

#[tokio::test]
async fn a_silent_server_costs_its_time_out_once() {
    let silent = DnsServer::start("127.0.22.10:0", "example TIMEOUT");
    let good = DnsServer::start("127.0.22.11:0", "a.example A 192.0.2.7\nb.example A 192.0.2.8");
    let resolver = resolver(&[&silent, &good]);
    resolver.ask("a.example", Kind::A).await;
    let start = Instant::now();
    assert_eq!(addresses(&resolver.ask("b.example", Kind::A).await), ["192.0.2.8"]);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!(silent.heard(), ["udp a.example A"]);
}

#[tokio::test]
async fn silence_ends_within_six_seconds() {
    let servers: Vec<DnsServer> =
        (0..4).map(|_| DnsServer::start("127.0.22.10:0", "example TIMEOUT")).collect();
    let start = Instant::now();
    let answer = resolver(&servers.iter().collect::<Vec<_>>()).ask("a.example", Kind::A).await;
    assert_eq!(answer, Answer::failed(Failure::Timeout));
    let took = start.elapsed();
    assert!(took > Duration::from_secs(5) && took < Duration::from_secs(7), "{took:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_at_once() {
    let gone = DnsServer::start("127.0.22.10:0", "");
    let resolver = resolver(&[&gone]);
    let address = gone.address();
    drop(gone);
    let start = Instant::now();
    let answer = resolver.ask("a.example", Kind::A).await;
    let text = format!("{address}: connection refused");
    assert_eq!(answer, Answer::failed(Failure::Other(text)));
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[tokio::test]
async fn aliases_in_a_circle_end() {
    for short in [false, true] {
        let manners = Manners { short, ..Manners::default() };
        let server = DnsServer::with_manners("127.0.22.10:0", ZONE, manners);
        let answer = resolver(&[&server]).ask("loop.example", Kind::A).await;
        assert_eq!(answer.reply, Reply::Failed(Failure::AliasLoop), "{short}");
        assert!(server.heard().len() < 20);
    }
}

#[tokio::test]
async fn a_server_that_is_no_resolver_is_told_apart_from_an_empty_answer() {
    for (refers, expected) in [
        (true, "Failed(Other(\"the server answers with a referral: it is no resolver\")) 0s"),
        (false, "Absent(NoData) 0s"),
    ] {
        let manners = Manners { refers, no_soa: true, ..Manners::default() };
        let server = DnsServer::with_manners("127.0.22.10:0", ZONE, manners);
        let answer = resolver(&[&server]).ask("mx1.example.org", Kind::Mx).await;
        assert_eq!(format!("{:?} {}s", answer.reply, answer.ttl.as_secs()), expected);
    }
}

#[tokio::test]
async fn an_odd_code_and_an_impossible_name_are_failures() {
    let server = DnsServer::start("127.0.22.10:0", ZONE);
    let resolver = resolver(&[&server]);
    let answer = resolver.ask("odd.example", Kind::A).await;
    assert!(matches!(answer.reply, Reply::Failed(Failure::Other(_))), "{answer:?}");
    for name in ["", "a..b", "a\\"] {
        let answer = resolver.ask(name, Kind::A).await;
        assert!(matches!(answer.reply, Reply::Failed(Failure::Other(_))), "{name:?}");
    }
    let absent = resolver.ask("mx2.example.org", Kind::A).await.reply;
    assert_eq!(absent, Reply::Absent(Absence::NxDomain));
}
