//! Servers that speak well, and servers with a trap, on 127.0.81.0/24.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::TcpListener;

use super::scripted::{Script, smtp};
use super::{Ca, ask, ca, certified, how, inspect_all, told};
use crate::config::Profile;
use crate::model::{Code, Inspection, Service, Verdict};
use crate::verify::{Ask, Extras, How, compare_addresses};

const AT: &str = "127.0.81.1:0";
const STARTTLS: [Service; 5] =
    [Service::Smtp, Service::Submission, Service::Imap, Service::Pop3, Service::Sieve];

/// As `verify` looks.
fn verify(ca: &Ca) -> How {
    let extras = Extras { thorough: true, second_look: true, ..Extras::default() };
    How { tries: 1, without_sni: false, extras, ..how(ca) }
}

async fn look(asks: &[Ask], how: &How) -> Vec<Inspection> {
    inspect_all(asks, how, &|_| {}).await
}

fn codes(inspection: &Inspection) -> Vec<&'static str> {
    told(inspection).1
}

#[tokio::test]
async fn what_is_offered_inside_tls_is_kept_and_the_lines_if_they_are_wanted() {
    let ca = ca();
    let kept = Extras { thorough: true, transcript: true, ..Extras::default() };
    let kept = How { extras: kept, ..verify(&ca) };
    for (service, offers, lines) in [
        (Service::Smtp, "SIZE 1000|AUTH PLAIN", "S: 220 mx ESMTP|C: EHLO mailcert.invalid"),
        (Service::Imap, "IMAP4rev1|IDLE", "S: * OK ready|C: a CAPABILITY"),
        (Service::Pop3, "TOP", "S: +OK|C: CAPA"),
        (Service::Sieve, "\"SASL\" \"PLAIN\"", "S: \"STARTTLS\"|S: OK \"ready\""),
    ] {
        let (to, _) = Script::new(service).run(&ca, AT).await;
        let asks = [ask(to, service)];
        let seen = look(&asks, &kept).await.remove(0);
        assert_eq!(codes(&seen), [""; 0], "{service}");
        let details = seen.details.unwrap();
        assert_eq!(details.offers.join("|"), offers);
        assert!(details.transcript.join("|").starts_with(lines), "{:?}", details.transcript);
        let last = details.transcript.last().unwrap();
        assert!(last.starts_with("S: ") && !last.contains("go"), "{last}: the reply to goodbye");
        // `run` keeps nothing of it.
        assert_eq!(look(&asks, &how(&ca)).await[0].details, None);
    }
}

#[tokio::test]
async fn a_submission_port_without_a_usable_login_is_refused_when_it_is_verified() {
    fn no_login(command: &str, inside: bool) -> &'static str {
        match (command, inside) {
            ("EHLO mailcert.invalid", true) => "250-mx\r\n250 AUTH XOAUTH2\r\n",
            ("EHLO mailcert.invalid", false) => "250-mx\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n",
            _ => smtp(command, inside),
        }
    }
    let ca = ca();
    for (service, at_once, expected, stages) in [
        (
            Service::Submission,
            false,
            &["no-auth-offered", "auth-before-tls"][..],
            "ok fail warn ok ok ok ok",
        ),
        (Service::Submissions, true, &["no-auth-offered"], "ok fail - ok ok ok ok"),
        (Service::Smtp, false, &["auth-before-tls"], "ok ok warn ok ok ok ok"),
    ] {
        let script = Script { replies: no_login, at_once, ..Script::new(service) };
        let (to, _) = script.run(&ca, AT).await;
        let asks = [ask(to, service)];
        let found = look(&asks, &verify(&ca)).await;
        assert_eq!(told(&found[0]), (stages.to_owned(), expected.to_vec()), "{service}");
        assert!(found[0].certificate.is_some());
        assert_eq!(look(&asks, &how(&ca)).await[0].verdict, Verdict::Accepted, "run: {service}");
    }
}

#[tokio::test]
async fn a_server_that_is_busy_inside_tls_is_unknown_and_its_certificate_is_judged() {
    fn busy(command: &str, inside: bool) -> &'static str {
        if inside { "421 4.3.2 later\r\n" } else { smtp(command, inside) }
    }
    let ca = ca();
    let script = Script { replies: busy, ..Script::new(Service::Smtp) };
    let (to, count) = script.run(&ca, AT).await;
    let found = look(&[ask(to, Service::Smtp)], &verify(&ca)).await;
    assert_eq!(
        told(&found[0]),
        ("ok ok ok unknown ok ok ok".to_owned(), vec!["temporary-refusal"])
    );
    assert_eq!(found[0].problems[0].found, ["421 4.3.2 later"]);
    assert_eq!(count.load(Ordering::SeqCst), 1, "it is not asked again");
}

#[tokio::test]
async fn a_command_that_is_obeyed_inside_tls_is_told_and_nothing_else_is_taken_for_it() {
    let ca = ca();
    for service in STARTTLS {
        let good = Script::new(service);
        let greets = Script { again: (good.replies)("", true), ..good };
        for (script, expected) in [
            (good, &[][..]),
            (greets, &[]),
            (Script { obeys: true, ..good }, &["starttls-injection"]),
            (Script { obeys: true, ..greets }, &["starttls-injection"]),
        ] {
            let (to, count) = script.run(&ca, AT).await;
            let asks = [ask(to, service)];
            // What is greeted again stands before the reply that is waited for.
            let found = look(&asks, &verify(&ca)).await;
            assert_eq!(codes(&found[0]), expected, "{service} {:?}", found[0].problems);
            let before = count.load(Ordering::SeqCst);
            let quick = Extras { thorough: true, ..Extras::default() };
            let found = look(&asks, &How { extras: quick, ..verify(&ca) }).await;
            assert_eq!(codes(&found[0]), [""; 0], "{service}");
            assert_eq!(count.load(Ordering::SeqCst), before + 1);
        }
    }
}

#[tokio::test]
async fn a_slow_greeting_is_waited_for() {
    let ca = ca();
    let delay = Duration::from_millis(300);
    let (to, _) = Script { delay, ..Script::new(Service::Smtp) }.run(&ca, AT).await;
    assert_eq!(codes(&look(&[ask(to, Service::Smtp)], &verify(&ca)).await[0]), [""; 0]);
}

#[tokio::test]
async fn an_unknown_name_is_tried_under_strict_and_nowhere_else() {
    let ca = ca();
    let script = Script { only_mx: true, ..Script::new(Service::Smtp) };
    let (to, _) = script.run(&ca, AT).await;
    let asks = [ask(to, Service::Smtp)];
    let strict = How { profile: Profile::Strict, ..verify(&ca) };
    let found = look(&asks, &strict).await;
    assert_eq!(told(&found[0]), ("ok ok ok ok ok ok ok".to_owned(), vec!["unknown-sni-fails"]));
    assert_eq!(codes(&look(&asks, &verify(&ca)).await[0]), [""; 0]);
    let (to, _) = Script::new(Service::Smtp).run(&ca, AT).await;
    assert_eq!(codes(&look(&[ask(to, Service::Smtp)], &strict).await[0]), [""; 0]);
}

#[tokio::test]
async fn addresses_that_differ_are_told_once_they_are_all_known() {
    let ca = ca();
    let script = Script::new(Service::Smtp);
    let (good, _) = script.run(&ca, "127.0.81.11:0").await;
    let place = |last: u8| format!("127.0.81.{last}:{}", good.port());
    let (same, _) = script.run(&ca, &place(12)).await;
    let (other, _) = script.run_with(certified(&ca, "b.example.org", true), &place(13)).await;
    let asks = [good, same, other].map(|to| ask(to, Service::Smtp));
    let mut found = look(&asks, &verify(&ca)).await;
    let seen = found.clone();
    compare_addresses(&mut found, Profile::Gmail);
    let all: Vec<_> = found.iter().map(codes).collect();
    assert_eq!(
        all,
        [&["addresses-differ"][..], &["addresses-differ"], &["name-mismatch", "addresses-differ"]]
    );
    assert_eq!(
        found[2].problems[1].found,
        ["127.0.81.11: accepted", "127.0.81.12: accepted", "127.0.81.13: name-mismatch"]
    );
    assert_eq!(found[0].verdict, Verdict::Accepted);
    let mut workspace = seen.clone();
    compare_addresses(&mut workspace, Profile::Workspace);
    assert_eq!(workspace[0].verdict, Verdict::Refused);
    // Two good certificates are no difference, nor is what clients without SNI get.
    let mut good = seen[..2].to_vec();
    compare_addresses(&mut good, Profile::Gmail);
    assert_eq!(good, seen[..2]);
    let mut without = seen;
    without[2].sni = None;
    let before = without.clone();
    compare_addresses(&mut without, Profile::Gmail);
    assert_eq!(without, before);
}

#[tokio::test]
async fn a_header_is_sent_to_a_listener_that_wants_it_and_its_absence_is_guessed() {
    fn exim(command: &str, inside: bool) -> &'static str {
        match command {
            "" => smtp(command, inside),
            _ => "503 Command refused, required Proxy negotiation failed\r\n",
        }
    }
    let ca = ca();
    for (service, at_once) in [(Service::Smtp, false), (Service::Submissions, true)] {
        let script = Script { proxy: true, at_once, ..Script::new(service) };
        let (to, _) = script.run(&ca, AT).await;
        let wanted = Ask { proxy_header: true, ..ask(to, service) };
        assert_eq!(codes(&look(&[wanted], &verify(&ca)).await[0]), [""; 0], "{service}");
    }
    let (to, _) = Script { proxy: true, ..Script::new(Service::Smtp) }.run(&ca, AT).await;
    let found = look(&[ask(to, Service::Smtp)], &verify(&ca)).await.remove(0);
    assert_eq!(codes(&found), ["timeout"]);
    assert!(found.problems[0].why.as_ref().unwrap().contains("PROXY"), "{:?}", found.problems);
    let (to, _) = Script { replies: exim, ..Script::new(Service::Smtp) }.run(&ca, AT).await;
    let found = look(&[ask(to, Service::Smtp)], &verify(&ca)).await.remove(0);
    assert_eq!(found.problems[0].code, Code::ProxyProtocolExpected);
    assert_eq!(found.verdict, Verdict::Unknown);
}

/// What Postfix says to a client without a header, after 5 s, and Dovecot, after 3 s, does.
#[tokio::test]
async fn a_server_that_waited_for_the_header_is_known_by_what_it_says_in_the_end() {
    fn postfix(command: &str, _: bool) -> &'static str {
        if command.is_empty() { "421 4.3.0 mx Server local error\r\n" } else { "" }
    }
    let ca = ca();
    let replies = postfix;
    let delay = Duration::from_secs(5);
    let slow = Script { replies, delay, ..Script::new(Service::Smtp) };
    let at_once = Script { replies, ..Script::new(Service::Smtp) };
    let (slow, _) = slow.run(&ca, AT).await;
    let (busy, _) = at_once.run(&ca, AT).await;
    let listener = TcpListener::bind(AT).await.unwrap();
    let dovecot = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let stream = listener.accept().await.unwrap();
        tokio::time::sleep(Duration::from_secs(3)).await;
        drop(stream);
    });
    let asks = [ask(slow, Service::Smtp), ask(busy, Service::Smtp), ask(dovecot, Service::Imap)];
    let how = How { timeout: Duration::from_secs(12), ..verify(&ca) };
    let found = look(&asks, &how).await;
    let all: Vec<_> = found.iter().flat_map(codes).collect();
    assert_eq!(all, ["proxy-protocol-expected", "temporary-refusal", "connection-closed"]);
    assert_eq!(found[0].problems[0].found, ["421 4.3.0 mx Server local error"]);
    let why = found[2].problems[0].why.as_deref();
    let expected = "it hung up after 3 s without a word: it may wait for a load balancer's PROXY \
                    header";
    assert_eq!(why, Some(expected));
}
