//! What programs read: JSON, JSON lines, Prometheus, Nagios. No server can break one of them.

use std::collections::BTreeMap;

use expect_test::expect;
use serde_json::Value;

use crate::case::{Case, Ran};
use crate::exposition;
use crate::mail::{Ca, greets};

/// A server that is right, one whose certificate ends soon, one that is full, and one that says
/// what it likes.
fn several() -> Case {
    let ca = Ca::new();
    Case::new()
        .server("good", ca.server(&["good.example.org"]))
        .server("soon", ca.expiring(&["soon.example.org"]))
        .server("busy", greets("421 4.3.2 too many"))
        .server("evil", greets(EVIL))
        .file("ca.pem", &ca.pem())
        .file("list", LIST)
}

const LIST: &str = "good.example.org:{good} 127.0.0.1
soon.example.org:{soon} 127.0.0.1
busy.example.org:{busy} 127.0.0.1
evil.example.org:{evil} 127.0.0.1
";

/// A refusal that would clear the screen, leave its quotes, end the line and begin another metric.
const EVIL: &str = "554 \x1b[2J\x07\"} 1|days=9;\\\" \u{202e}\u{9b}2J \u{2028}{\"schema\":2}\t#";

const CALL: &str = "verify --roots {dir}/ca.pem --dns {dns}";

fn lines(ran: &Ran) -> Vec<Value> {
    let read = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    ran.stdout.lines().map(read).collect()
}

#[test]
fn json_lines_are_the_endpoints_and_a_sum() {
    let ran = several().run(&format!("{CALL} --targets {{dir}}/list --format jsonl"));
    assert_eq!((ran.code, ran.stderr.as_str()), (1, ""), "{ran:?}");
    let mut lines = lines(&ran);
    assert!(lines.iter().all(|line| line["schema"] == 1 && line["command"] == "verify"));
    let mut summary = lines.pop().unwrap()["summary"].take();
    assert!(summary["millis"].is_u64() && summary["first_end"].is_string());
    summary["millis"] = 0.into();
    expect![[r#"
        {
          "accepted": 2,
          "clean": 1,
          "complete": true,
          "endpoints": 4,
          "findings": [],
          "first_end": "TIME",
          "millis": 0,
          "policies": [],
          "profile": "gmail",
          "proved_at": "TIME",
          "refused": 1,
          "unknown": 1,
          "verdict": "refused",
          "warned": 1
        }
    "#]]
    .assert_eq(&format!("{summary:#}\n"));
    let mut verdicts: Vec<String> =
        lines.iter().map(|line| format!("{} {}", line["host"], line["verdict"])).collect();
    verdicts.sort();
    expect![[r#"
        "busy.example.org" "unknown"
        "evil.example.org" "refused"
        "good.example.org" "accepted"
        "soon.example.org" "accepted""#]]
    .assert_eq(&verdicts.join("\n"));
}

#[test]
fn json_lines_say_of_an_endpoint_what_json_says() {
    let case = several();
    let call = format!("{CALL} good.example.org:{{good}} --connect 127.0.0.1");
    let line = &mut lines(&case.run(&format!("{call} --format jsonl")))[0];
    let whole = case.run(&format!("{call} --json")).json();
    let mut endpoint = whole["endpoints"][0].clone();
    let both = endpoint.as_object_mut().unwrap();
    both.insert("schema".into(), 1.into());
    both.insert("command".into(), "verify".into());
    for other in ["millis", "proved_at"] {
        line[other] = 0.into();
        endpoint[other] = 0.into();
    }
    assert_eq!(*line, endpoint);
}

#[test]
fn prometheus_gets_every_endpoint_below_its_metrics() {
    let ran = several().run(&format!("{CALL} --targets {{dir}}/list --format prometheus"));
    assert_eq!((ran.code, ran.stderr.as_str()), (1, ""), "{ran:?}");
    let metrics = exposition::read(&ran.stdout);
    let mut all = String::new();
    for (name, metric) in &metrics {
        all += &format!("{name} {}\n", metric.samples.len());
    }
    expect![[r#"
        mailcert_certificate_not_after_timestamp_seconds 2
        mailcert_certificate_not_before_timestamp_seconds 2
        mailcert_endpoints 3
        mailcert_endpoints_warned 1
        mailcert_look_duration_seconds 4
        mailcert_look_timestamp_seconds 4
        mailcert_problem 3
        mailcert_verdict 12
        mailcert_verify_complete 1
        mailcert_verify_duration_seconds 1
        mailcert_verify_timestamp_seconds 1
    "#]]
    .assert_eq(&all);
    let ends = &metrics["mailcert_certificate_not_after_timestamp_seconds"].samples;
    let of = |labels: &BTreeMap<String, String>| labels["host"].clone();
    assert_eq!(ends.keys().map(of).collect::<Vec<_>>(), ["good.example.org", "soon.example.org"]);
    assert!(ends.values().all(|end| *end > 1.7e9), "{ends:?}");
    let verdicts = &metrics["mailcert_verdict"].samples;
    let so: Vec<String> = verdicts
        .iter()
        .filter(|(_, is)| **is == 1.0)
        .map(|(labels, _)| format!("{} {}", labels["host"], labels["verdict"]))
        .collect();
    let expected = [
        "busy.example.org unknown",
        "evil.example.org refused",
        "good.example.org accepted",
        "soon.example.org accepted",
    ];
    assert_eq!(so, expected);
    let codes: Vec<String> = metrics["mailcert_problem"]
        .samples
        .keys()
        .map(|labels| format!("{} {} {}", labels["host"], labels["code"], labels["level"]))
        .collect();
    // By the first label: the code.
    let expected = [
        "soon.example.org expires-soon warn",
        "evil.example.org greeting-refused fail",
        "busy.example.org temporary-refusal unknown",
    ];
    assert_eq!(codes, expected);
}

#[test]
fn nagios_gets_one_line_and_its_own_codes() {
    let case = several();
    let mut all = String::new();
    for hosts in [
        "good.example.org:{good}",
        "good.example.org:{good} soon.example.org:{soon}",
        "good.example.org:{good} busy.example.org:{busy}",
        "soon.example.org:{soon} busy.example.org:{busy} evil.example.org:{evil}",
    ] {
        let ran = case.run(&format!("{CALL} {hosts} --connect 127.0.0.1 --format nagios"));
        assert_eq!(ran.stderr, "");
        let (line, time) = ran.stdout.rsplit_once(" time=").unwrap();
        assert!(time.trim_end().ends_with("s;;;0"), "{time}");
        // One more or less as the second turns.
        let (before, after) = line.split_once("|days=").unwrap();
        let (days, after) = after.split_once(' ').unwrap();
        let expected: &[u8] = if hosts.contains("soon") { &[4, 5] } else { &[79, 80] };
        assert!(expected.contains(&days.parse().unwrap()), "{line}");
        all += &format!("{} {before}|days=DAYS {after}\n", ran.code);
    }
    expect![[r#"
        0 OK - good.example.org: its endpoint accepted|days=DAYS endpoints=1;;;0 accepted=1;;;0 warned=0;;;0 refused=0;;;0 unknown=0;;;0
        1 WARNING - 2 domains and hosts: 1 of 2 endpoints accepted with a warning (expires-soon at soon.example.org [127.0.0.1]:10002)|days=DAYS endpoints=2;;;0 accepted=2;;;0 warned=1;;;0 refused=0;;;0 unknown=0;;;0
        3 UNKNOWN - 2 domains and hosts: 1 of 2 endpoints could not be tested (temporary-refusal at busy.example.org [127.0.0.1]:10003)|days=DAYS endpoints=2;;;0 accepted=1;;;0 warned=0;;;0 refused=0;;;0 unknown=1;;;0
        2 CRITICAL - 3 domains and hosts: 1 of 3 endpoints refused (greeting-refused at evil.example.org [127.0.0.1]:10004)|days=DAYS endpoints=3;;;0 accepted=1;;;0 warned=1;;;0 refused=1;;;0 unknown=1;;;0
    "#]].assert_eq(&all);
}

#[test]
fn no_server_can_break_a_format() {
    let case = several();
    for format in ["json", "jsonl", "prometheus", "nagios", "human"] {
        let call = format!("{CALL} evil.example.org:{{evil}} --connect 127.0.0.1");
        let ran = case.run(&format!("{call} --format {format}"));
        let text = ran.stdout.replace('\n', "");
        let moves = |c: char| c.is_control() || ('\u{2028}'..='\u{202e}').contains(&c);
        assert!(!text.contains(moves), "{format}: {text:?}");
        match format {
            "json" => assert_eq!(ran.json()["verdict"], "refused"),
            "jsonl" => assert_eq!(lines(&ran).len(), 2),
            "prometheus" => {
                assert_eq!(exposition::read(&ran.stdout)["mailcert_problem"].samples.len(), 1)
            }
            "nagios" => assert_eq!(text.matches('|').count(), 1, "{text}"),
            _ => assert!(text.contains("greeting-refused"), "{text}"),
        }
    }
}
