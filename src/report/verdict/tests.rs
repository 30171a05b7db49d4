//! Whole reports as text.

use expect_test::expect;

use crate::model::{
    Code, Hostname, Inspection, Level, Problem, Service, StageMark, Stages, Timestamp, Verdict,
};
use crate::report::{Detail, Verified};

fn look(host: &str, service: Service, address: &str, problems: Vec<Problem>) -> Inspection {
    let mut stages = Stages::default();
    for mark in [&mut stages.connect, &mut stages.greeting, &mut stages.starttls] {
        *mark = Some(StageMark::Ok);
    }
    for mark in [&mut stages.handshake, &mut stages.chain, &mut stages.name, &mut stages.dates] {
        *mark = Some(StageMark::Ok);
    }
    for problem in &problems {
        match problem.code {
            Code::NameMismatch => stages.name = Some(StageMark::Fail),
            Code::Timeout => {
                stages = Stages { connect: Some(StageMark::Unknown), ..Stages::default() };
            }
            _ => {}
        }
    }
    Inspection {
        host: Hostname::parse(host).unwrap(),
        domain: Some(Hostname::parse("example.org").unwrap()),
        origin: (service == Service::Smtp).then(|| "MX 10 of example.org".to_owned()),
        service,
        port: service.port(),
        address: address.parse().ok(),
        sni: Some(Hostname::parse(host).unwrap()),
        ours: Some(true),
        verdict: match problems.iter().map(|problem| problem.level).max() {
            Some(Level::Fail) => Verdict::Refused,
            Some(Level::Unknown) => Verdict::Unknown,
            _ => Verdict::Accepted,
        },
        stages,
        problems,
        tls: None,
        certificate: None,
        proved_at: Timestamp::from_unix(1_800_000_000),
        millis: 41,
        details: None,
    }
}

fn mismatch() -> Problem {
    Problem {
        code: Code::NameMismatch,
        level: Level::Fail,
        expected: Some("mx2.example.org".to_owned()),
        found: (1..6).map(|number| format!("www{number}.example.org")).collect(),
        sender_says: Some(
            "TLS Negotiation failed, the certificate doesn't match the host.".to_owned(),
        ),
        why: Some("the CN matches, but the subjectAltName alone counts".to_owned()),
    }
}

fn timeout() -> Problem {
    Problem {
        code: Code::Timeout,
        level: Level::Unknown,
        expected: Some("a connection within 10 seconds".to_owned()),
        found: vec!["no answer, or one that did not end".to_owned()],
        sender_says: None,
        why: None,
    }
}

fn written(looks: Vec<Inspection>, detail: Detail) -> String {
    let text = super::text(&Verified::of("gmail", looks), detail);
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "too wide: {line}");
    }
    text
}

#[test]
fn a_refusal_names_each_problem_once_with_its_cure() {
    let looks = vec![
        look("mx1.example.org", Service::Smtp, "192.0.2.7", vec![]),
        look("mx1.example.org", Service::Submission, "192.0.2.7", vec![]),
        look("mx2.example.org", Service::Smtp, "192.0.2.8", vec![mismatch()]),
        look("mx2.example.org", Service::Smtp, "2001:db8:1:2:3:4:5:6", vec![mismatch()]),
    ];
    expect![[r#"
        FAIL  example.org: Gmail would refuse 1 of 2 mail servers

        server                      connect greeting STARTTLS handshake chain name dates
        mx1.example.org
          192.0.2.7:25              ok      ok       ok       ok        ok    ok   ok
          192.0.2.7:587             ok      ok       ok       ok        ok    ok   ok
        mx2.example.org
          192.0.2.8:25              ok      ok       ok       ok        ok    FAIL ok
          [2001:db8:1:2:3:4:5:6]:25 ok      ok       ok       ok        ok    FAIL ok

        FAIL name-mismatch: The certificate lacks the name senders use
          where     mx2.example.org 192.0.2.8:25 STARTTLS (MX 10 of example.org)
          also      [2001:db8:1:2:3:4:5:6]:25
          expected  mx2.example.org
          found     www1.example.org, www2.example.org, www3.example.org and 2 more
          sender    Gmail says: "TLS Negotiation failed, the certificate doesn't match
                    the host."
          why       the CN matches, but the subjectAltName alone counts
          fix       mailcert fix mx2.example.org
          more      mailcert explain name-mismatch

        On port 25 these refuse: Gmail's "Send mail as", senders that obey an MTA-STS
        policy, Google Workspace's TLS rules. Gmail's delivery to an MX does not verify.

        2 of 4 endpoints without a fault

        In Gmail: SMTP server mx1.example.org, port 587, secured connection using TLS
    "#]]
    .assert_eq(&written(looks, Detail::Usual));
}

#[test]
fn words_of_a_server_fit_the_width_and_sentences_nobody_saw_are_not_made_up() {
    let expired = Problem { code: Code::Expired, sender_says: None, ..mismatch() };
    let refused = Problem {
        code: Code::StarttlsRefused,
        found: vec![format!("454 {}", "x".repeat(150))],
        sender_says: Some(format!("454 {}", "x".repeat(150))),
        ..expired.clone()
    };
    let looks = vec![
        look("mx1.example.org", Service::Submission, "192.0.2.7", vec![expired]),
        look("mx2.example.org", Service::Submission, "192.0.2.7", vec![refused]),
    ];
    let text = written(looks, Detail::Usual);
    for expected in [
        "  sender    Gmail refuses it; its exact words are not known\n",
        "  sender    the mail is not delivered; Gmail quotes the server's words\n",
    ] {
        assert!(text.contains(expected), "{text}");
    }
    assert!(text.contains(&"x".repeat(68)) && !text.contains(&"x".repeat(69)), "{text}");
    assert!(!text.contains("On port 25"), "{text}");
}

#[test]
fn hosts_that_show_the_same_certificate_are_one_problem() {
    let named =
        |number: usize| Problem { expected: Some(format!("mx{number}.example.org")), ..mismatch() };
    let looks = |hosts: usize| -> Vec<Inspection> {
        let look = |number: usize| {
            let host = format!("mx{number}.example.org");
            look(&host, Service::Submission, "192.0.2.7", vec![named(number)])
        };
        (1..=hosts).map(look).collect()
    };
    let text = written(looks(6), Detail::Usual);
    let (_, block) = text.split_once("\n\nFAIL").unwrap();
    expect![[r#"
         name-mismatch: The certificate lacks the name senders use
          where     mx1.example.org 192.0.2.7:587 STARTTLS (example.org)
          also      mx2.example.org 192.0.2.7:587, mx3.example.org 192.0.2.7:587,
                    mx4.example.org 192.0.2.7:587 and 2 more
          expected  the name the sender uses: mx1.example.org and 5 more
          found     www1.example.org, www2.example.org, www3.example.org and 2 more
          sender    Gmail says: "TLS Negotiation failed, the certificate doesn't match
                    the host."
          why       the CN matches, but the subjectAltName alone counts
          fix       mailcert fix
          more      mailcert explain name-mismatch

        0 of 6 endpoints without a fault

        In Gmail: no server can be entered yet: each one is refused (see above)
    "#]]
    .assert_eq(block);
    let text = written(looks(2), Detail::Usual);
    assert!(text.contains("fix       mailcert fix mx1.example.org mx2.example.org\n"), "{text}");
}

#[test]
fn ten_problems_are_shown_and_the_rest_is_counted() {
    let looks = |count: u8| -> Vec<Inspection> {
        let odd = |number: u8| Problem { found: vec![number.to_string()], ..mismatch() };
        let look = |n| look("mx2.example.org", Service::Submission, "192.0.2.7", vec![odd(n)]);
        (0..count).map(look).collect()
    };
    for (count, detail, shown, said) in [
        (10, Detail::Usual, 10, false),
        (13, Detail::Usual, 10, true),
        (13, Detail::Verbose, 13, false),
    ] {
        let text = written(looks(count), detail);
        assert_eq!(text.matches("FAIL name-mismatch").count(), shown, "{text}");
        assert_eq!(text.contains("\n3 more, none worse (-v shows them)\n"), said, "{text}");
    }
}

#[test]
fn of_many_endpoints_only_those_with_a_fault_have_a_row() {
    let mut looks: Vec<Inspection> = (1..=50)
        .map(|number| look(&format!("mx{number}.example.org"), Service::Smtp, "192.0.2.7", vec![]))
        .collect();
    let rows =
        |looks: &[Inspection], detail| written(looks.to_vec(), detail).matches("192.0.2.").count();
    assert_eq!(rows(&looks, Detail::Usual), 50);
    looks.push(look("mx0.example.org", Service::Smtp, "192.0.2.7", vec![]));
    let text = written(looks.clone(), Detail::Usual);
    assert!(text.contains("\nall 51 endpoints: ok throughout\n"), "{text}");
    assert!(!text.contains("192.0.2."), "{text}");
    assert_eq!(rows(&looks, Detail::Verbose), 51);
    looks.push(look("mx2.example.org", Service::Imap, "192.0.2.8", vec![mismatch()]));
    let text = written(looks.clone(), Detail::Usual);
    let row = "mx2.example.org\n  192.0.2.8:143             ok      ok       ok       ok        \
               ok    FAIL ok\n51 more: ok throughout (-v lists them)\n";
    assert!(text.contains(row), "{text}");
}

#[test]
fn the_end_of_a_run_where_all_is_accepted_is_short() {
    let served = |looks, detail| super::served(&Verified::of("gmail", looks), detail);
    let looks = |domains: u8, problems: Vec<Problem>| -> Vec<Inspection> {
        let look = |number| {
            let host = format!("mx.d{number}.test");
            let domain = Hostname::parse(&format!("d{number}.test")).ok();
            let look = look(&host, Service::Submission, "192.0.2.7", problems.clone());
            Inspection { domain, ..look }
        };
        (0..domains).map(look).collect()
    };
    expect![[r#"
        ok    9 domains and hosts: Gmail would accept all 9 mail servers
        In Gmail, for d0.test: SMTP server mx.d0.test, port 587, secured connection
        using TLS
        In Gmail, for d1.test: SMTP server mx.d1.test, port 587, secured connection
        using TLS
        In Gmail, for d2.test: SMTP server mx.d2.test, port 587, secured connection
        using TLS
        In Gmail, for 6 more: `mailcert verify DOMAIN` says it
    "#]]
    .assert_eq(&served(looks(9, vec![]), Detail::Usual));
    let warned =
        Problem { code: Code::NoForwardSecrecy, level: Level::Warn, expected: None, ..timeout() };
    expect![[r#"
        ok    2 domains and hosts: Gmail would accept all 2 mail servers

        warn no-forward-secrecy: Only key exchanges without forward secrecy
          where     mx.d0.test 192.0.2.7:587 STARTTLS (d0.test)
          also      mx.d1.test 192.0.2.7:587
          found     no answer, or one that did not end
          fix       let the mail server offer ECDHE with AES-GCM or ChaCha20
          more      mailcert explain no-forward-secrecy

        In Gmail, for d0.test: SMTP server mx.d0.test, port 587, secured connection
        using TLS
        In Gmail, for d1.test: SMTP server mx.d1.test, port 587, secured connection
        using TLS
    "#]]
    .assert_eq(&served(looks(2, vec![warned]), Detail::Usual));
    for (looks, detail) in [
        (looks(2, vec![]), Detail::Verbose),
        (looks(2, vec![]), Detail::Quiet),
        (looks(2, vec![mismatch()]), Detail::Usual),
    ] {
        assert_eq!(served(looks.clone(), detail), written(looks, detail));
    }
}

#[test]
fn many_domains_without_a_server_to_type_are_one_sentence() {
    let looks = (1..6).map(|number| {
        let host = format!("mx{number}.example.net");
        let domain = Hostname::parse(&format!("d{number}.example.net")).ok();
        Inspection { domain, ..look(&host, Service::Submission, "192.0.2.7", vec![mismatch()]) }
    });
    let text = written(looks.collect(), Detail::Usual);
    let expected = "In Gmail, for d1.example.net, d2.example.net, d3.example.net and 2 more: no\n\
                    server can be entered yet: each one is refused (see above)\n";
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn all_accepted_is_short_and_says_what_to_type() {
    let looks = vec![
        look("mx1.example.org", Service::Smtp, "192.0.2.7", vec![]),
        look("mx1.example.org", Service::Submissions, "192.0.2.7", vec![]),
        look("mx2.example.org", Service::Smtp, "192.0.2.8", vec![]),
    ];
    expect![[r#"
        ok    example.org: Gmail would accept all 2 mail servers

        server                      connect greeting STARTTLS handshake chain name dates
        mx1.example.org
          192.0.2.7:25              ok      ok       ok       ok        ok    ok   ok
          192.0.2.7:465             ok      ok       ok       ok        ok    ok   ok
        mx2.example.org
          192.0.2.8:25              ok      ok       ok       ok        ok    ok   ok

        3 of 3 endpoints without a fault

        In Gmail: SMTP server mx1.example.org, port 465, secured connection using SSL
    "#]]
    .assert_eq(&written(looks, Detail::Usual));
}

#[test]
fn a_blocked_port_25_is_said_first() {
    let looks = vec![look("mx1.example.org", Service::Smtp, "192.0.2.7", vec![timeout()])];
    expect![[r#"
        unknown  example.org: its mail server could not be tested, nothing is refused
              Port 25 answers nowhere: this network probably blocks it on the way out,
              which says nothing of the servers. On the server itself: mailcert verify
              --connect 127.0.0.1

        server                      connect greeting STARTTLS handshake chain name dates
        mx1.example.org
          192.0.2.7:25              ?       -        -        -         -     -    -

        unknown timeout: No answer in time
          where     mx1.example.org 192.0.2.7:25 STARTTLS (MX 10 of example.org)
          expected  a connection within 10 seconds
          found     no answer, or one that did not end
          fix       try from another network: port 25 is often blocked on the way out
          more      mailcert explain timeout

        0 of 1 endpoint without a fault

        In Gmail: no server can be named: none could be tested from here (see above)
    "#]]
    .assert_eq(&written(looks, Detail::Usual));
}

#[test]
fn quiet_is_one_line_and_nothing_at_all_is_unknown() {
    let looks = vec![look("mx1.example.org", Service::Smtp, "192.0.2.7", vec![])];
    assert_eq!(
        written(looks, Detail::Quiet),
        "ok    example.org: Gmail would accept its mail server\n"
    );
    assert_eq!(written(vec![], Detail::Usual), "unknown  no mail server was tested\n");
    assert_eq!(Verified::of::<Inspection>("gmail", vec![]).verdict, Verdict::Unknown);
}
