//! Plans and outcomes as text and as JSON.

use std::collections::BTreeMap;

use expect_test::expect;

use super::{outcomes_json, outcomes_text, plan_json, plan_text};
use crate::model::{
    Because, CertName, Challenge, Code, DnsId, Finding, KeyType, Sha256, Timestamp, Ways,
};
use crate::plan::{Action, Fate, Instead, Outcome, Passed, Plan, Reason, Step};
use crate::servers::{Part, ServerId};

fn example() -> Plan {
    let hosts: Vec<DnsId> = ["mx1", "mx2", "imap", "smtp"]
        .map(|label| DnsId::parse(&format!("{label}.example.org")).unwrap())
        .to_vec();
    let name = CertName::parse("example.org").unwrap();
    let server = ServerId("postfix".to_owned());
    let step = |action, because, needs: &[usize]| Step { action, because, needs: needs.to_vec() };
    let ways = Ways {
        listed: BTreeMap::from([(hosts[2].domain().clone(), Challenge::Dns01)]),
        rest: (Challenge::Http01, Because::Rest),
    };
    let ways = hosts.iter().map(|host| ways.of(host)).collect();
    let (certificate, names) = (name.clone(), hosts.clone());
    let (reuse_key, next_key, ca) = (None, None, None);
    let key_type = KeyType::EcdsaP256;
    let issue = Action::Issue { certificate, names, ways, reuse_key, next_key, key_type, ca };
    let part = Part::Certificate(name.clone());
    let install = Action::Install { server: server.clone(), part, version: None };
    let index = Action::Install { server: server.clone(), part: Part::Index, version: None };
    let prove = Action::Prove { server: server.clone(), certificate: None };
    Plan {
        steps: vec![
            step(issue, Reason::Missing(hosts), &[]),
            step(install, Reason::Follows, &[0]),
            step(index, Reason::NotInstalled, &[1]),
            step(Action::Check { server: server.clone() }, Reason::Follows, &[1, 2]),
            step(Action::Reload { server }, Reason::ReloadOwed, &[3]),
            step(prove, Reason::Unproved, &[4]),
        ],
        wake: Timestamp::parse("2026-01-02T03:04:05Z"),
        findings: vec![Finding::new(
            Code::HookMissing,
            "exim",
            "exim does not use the files mailcert writes; mailcert setup shows the lines",
        )],
        exposed: Vec::new(),
        schedule: None,
    }
}

#[test]
fn a_plan_is_told_in_numbered_steps_with_their_reasons() {
    expect![[r#"
        6 steps:
         1. issue example.org for mx1.example.org, mx2.example.org, imap.example.org and
            1 more
            because no certificate covers mx1.example.org, mx2.example.org,
            imap.example.org and 1 more
            by http-01 for mx1.example.org, mx2.example.org and smtp.example.org, since
            no other [challenge] names it
            by dns-01 for imap.example.org, since hosts of [challenge.dns-01] name it
         2. install example.org on postfix
            because it follows from step 1
         3. install index on postfix
            because it is not there
         4. check the configuration of postfix
            because it follows from steps 2 and 3
         5. reload postfix
            because files changed since the server last read them
         6. prove what postfix shows without SNI
            because nobody has looked since it changed
        The next look is due at 2026-01-02T03:04:05Z.
        FAIL    exim does not use the files mailcert writes; mailcert setup shows the
                lines (hook-missing)
    "#]]
    .assert_eq(&plan_text(&example(), &[]));
}

#[test]
fn an_order_at_a_further_ca_says_why_the_first_is_not_asked() {
    let until = Timestamp::parse("2026-01-02T03:04:05Z").unwrap();
    for (because, why) in [
        (Passed::Down(until), "the first CA gave no answer and is left alone until 2026-01-02"),
        (Passed::Declined(until), "the first CA refused it and is not asked for it until 2026-"),
        (Passed::UnderWay, "the order is under way there"),
    ] {
        let mut plan = example();
        let Action::Issue { ca, .. } = &mut plan.steps[0].action else { panic!("no order") };
        *ca = Some(Instead { directory: "https://further.test/dir".to_owned(), because });
        let value = plan_json(&plan);
        assert_eq!(value["steps"][0]["ca"], "https://further.test/dir");
        assert_eq!(value["steps"][1].get("ca"), None);
        let text = plan_text(&plan, &[]).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains("and 1 more at https://further.test/dir because"), "{text}");
        assert!(text.contains(why), "{text}");
    }
}

#[test]
fn an_empty_plan_says_until_when() {
    let wake = Timestamp::parse("2026-01-02T03:04:05Z");
    let plan = Plan { wake, ..Plan::default() };
    expect![[r#"
        Nothing to do until 2026-01-02T03:04:05Z.
    "#]]
    .assert_eq(&plan_text(&plan, &[]));
    expect![[r#"
        Nothing to do.
    "#]]
    .assert_eq(&plan_text(&Plan::default(), &[]));
    expect![[r#"
        There is no step to take, but not all is well:
    "#]]
    .assert_eq(&plan_text(&Plan::default(), &example().findings));
}

#[test]
fn the_json_of_a_plan_is_that_of_the_contract() {
    let mut plan = example();
    plan.steps.truncate(2);
    expect![[r#"
        {
          "steps": [
            {
              "action": "issue",
              "because": "no certificate covers mx1.example.org, mx2.example.org, imap.example.org and 1 more",
              "challenges": [
                {
                  "because": "no other [challenge] names it",
                  "challenge": "http-01",
                  "name": "mx1.example.org"
                },
                {
                  "because": "no other [challenge] names it",
                  "challenge": "http-01",
                  "name": "mx2.example.org"
                },
                {
                  "because": "hosts of [challenge.dns-01] name it",
                  "challenge": "dns-01",
                  "name": "imap.example.org"
                },
                {
                  "because": "no other [challenge] names it",
                  "challenge": "http-01",
                  "name": "smtp.example.org"
                }
              ],
              "needs": [],
              "subject": "example.org"
            },
            {
              "action": "install",
              "because": "it follows from step 1",
              "needs": [
                0
              ],
              "subject": "postfix example.org"
            }
          ],
          "wake": "2026-01-02T03:04:05Z"
        }"#]].assert_eq(&serde_json::to_string_pretty(&plan_json(&plan)).unwrap());
    let nothing = plan_json(&Plan::default()).to_string();
    expect![[r#"{"steps":[],"wake":null}"#]].assert_eq(&nothing);
}

#[test]
fn an_outcome_has_its_fate_and_its_error() {
    let mut steps = example().steps.into_iter();
    let mut outcome = |fate, error: Option<&str>| Outcome {
        step: steps.next().unwrap(),
        fate,
        error: error.map(str::to_owned),
    };
    let outcomes = [
        outcome(Fate::Failed, Some("the CA refused mx1.example.org: no such host")),
        outcome(Fate::Skipped, Some("it stands on a step that did not work")),
        outcome(Fate::Done, None),
    ];
    expect![[r#"
        failed  issue example.org for mx1.example.org, mx2.example.org, imap.example.org
                and 1 more
                the CA refused mx1.example.org: no such host
        skipped install example.org on postfix
                it stands on a step that did not work
        done    install index on postfix
    "#]]
    .assert_eq(&outcomes_text(&outcomes));
    expect![[r#"[{"action":"issue","because":"no certificate covers mx1.example.org, mx2.example.org, imap.example.org and 1 more","challenges":[{"because":"no other [challenge] names it","challenge":"http-01","name":"mx1.example.org"},{"because":"no other [challenge] names it","challenge":"http-01","name":"mx2.example.org"},{"because":"hosts of [challenge.dns-01] name it","challenge":"dns-01","name":"imap.example.org"},{"because":"no other [challenge] names it","challenge":"http-01","name":"smtp.example.org"}],"error":"the CA refused mx1.example.org: no such host","fate":"failed","needs":[],"subject":"example.org"}]"#]].assert_eq(&outcomes_json(&outcomes[..1]).to_string());
}

#[test]
fn records_to_publish_stand_in_lines_that_can_be_pasted() {
    let certificate = CertName::parse("example.org").unwrap();
    let key = |byte| Sha256([byte; 32]);
    let publish = |by_hand| Action::Publish {
        certificate: certificate.clone(),
        owner: "_25._tcp.mx.example.org".to_owned(),
        ttl: 3600,
        add: vec![key(1)],
        remove: if by_hand { Vec::new() } else { vec![key(2)] },
        by_hand,
    };
    let step = |action, because| Step { action, because, needs: Vec::new() };
    let key_type = KeyType::EcdsaP256;
    let make = Action::MakeKey { certificate: certificate.clone(), key_type };
    let steps = vec![
        step(make, Reason::KeyType),
        step(publish(true), Reason::NextKey),
        step(publish(false), Reason::NextKey),
    ];
    let plan = Plan { steps, ..Plan::default() };
    expect![[r#"
        3 steps:
         1. make the next key of example.org
            because the configuration asks for another kind of key
         2. publish TLSA records at _25._tcp.mx.example.org by hand
            because senders that look at TLSA must know the next key before it is shown
        _25._tcp.mx.example.org. 3600 IN TLSA 3 1 1 0101010101010101010101010101010101010101010101010101010101010101
         3. publish TLSA records at _25._tcp.mx.example.org and take old ones away
            because senders that look at TLSA must know the next key before it is shown
        _25._tcp.mx.example.org. 3600 IN TLSA 3 1 1 0101010101010101010101010101010101010101010101010101010101010101
        ; away: _25._tcp.mx.example.org. 3600 IN TLSA 3 1 1 0202020202020202020202020202020202020202020202020202020202020202
    "#]].assert_eq(&plan_text(&plan, &[]));
    expect![[r#"{"action":"publish","because":"senders that look at TLSA must know the next key before it is shown","by":"mailcert","needs":[],"records":["_25._tcp.mx.example.org. 3600 IN TLSA 3 1 1 0101010101010101010101010101010101010101010101010101010101010101"],"remove":["_25._tcp.mx.example.org. 3600 IN TLSA 3 1 1 0202020202020202020202020202020202020202020202020202020202020202"],"subject":"_25._tcp.mx.example.org"}"#]].assert_eq(&plan_json(&plan)["steps"][2].to_string());
}
