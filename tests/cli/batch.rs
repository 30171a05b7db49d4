//! `verify` of many targets: lazily, side by side, and ended by a signal with what is known.

use std::fmt::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use expect_test::expect;
use serde_json::Value;

use crate::case::{Case, Ran};
use crate::mail::{Ca, Mail, greets, greets_late, silent};

/// So many hosts at a port where nobody listens, behind a server that takes its time.
fn many(count: usize) -> Case {
    let case = Case::new()
        .server("late", greets_late(Duration::from_millis(700), "421 later"))
        .server("none", Mail::nobody());
    let mut list = String::from("late.example.org:{late} 127.0.0.1\n");
    for number in 1..count {
        writeln!(list, "h{number}.example.org:{{none}} 127.0.0.1").unwrap();
    }
    case.file("list", &list)
}

fn hosts(lines: &[Value]) -> Vec<String> {
    lines.iter().filter_map(|line| Some(line["host"].as_str()?.to_owned())).collect()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn json_is_in_the_order_of_the_targets_and_json_lines_as_they_are_done() {
    let case = many(300);
    let answer = case.run("verify --targets {dir}/list --json").json();
    let in_order = hosts(answer["endpoints"].as_array().unwrap());
    let expected: Vec<String> = std::iter::once("late.example.org".to_owned())
        .chain((1..300).map(|number| format!("h{number}.example.org")))
        .collect();
    assert_eq!(in_order, expected);
    let as_done = hosts(&lines(&case.run("verify --targets {dir}/list --format jsonl").stdout));
    assert_eq!(as_done.len(), 300);
    assert_eq!(as_done.last().unwrap(), "late.example.org");
}

#[test]
fn a_bad_line_far_down_is_blamed_before_anything_is_looked_at() {
    let case = many(300);
    let mut list = std::fs::read_to_string(case.path("list")).unwrap();
    list.push_str("mx.example.org:25 nowhere\n");
    std::fs::write(case.path("list"), list).unwrap();
    for format in ["human", "json", "jsonl", "prometheus"] {
        let ran = case.run(&format!("verify --targets {{dir}}/list --format {format}"));
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{format}: {ran:?}");
        assert!(ran.stderr.contains("list:301: mx.example.org:25: \"nowhere\""), "{ran:?}");
    }
}

#[test]
fn an_endpoint_that_several_targets_name_belongs_to_the_first() {
    let case = Case::new().server("none", Mail::nobody()).zone(
        "one.example MX 10 mx.example.org
         two.example MX 10 mx.example.org
         mx.example.org A 127.0.0.1",
    );
    let call = "verify two.example one.example mx.example.org:25 two.example --dns {dns} --json";
    for _ in 0..3 {
        let answer = case.run(call).json();
        let of = |port| {
            let all = answer["endpoints"].as_array().unwrap();
            let at: Vec<&Value> = all.iter().filter(|look| look["port"] == port).collect();
            at.iter().map(|look| look["domain"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(of(25), ["two.example"], "{answer}");
    }
}

#[test]
fn of_very_many_the_worst_are_told_of_and_all_are_counted() {
    let case = many(1_200);
    let ran = case.run("verify --targets {dir}/list");
    assert_eq!((ran.code, ran.stderr.as_str()), (1, ""));
    let told: Vec<&str> = ran.stdout.lines().filter(|line| !line.starts_with([' ', 'h'])).collect();
    expect![[r#"
        FAIL  Gmail would refuse 1199 of 1200 endpoints

        server                      connect greeting STARTTLS handshake chain name dates

        FAIL connection-refused: Nothing listens on the port

        0 of 1200 endpoints without a fault
        Only the worst 1000 endpoints are told of here; `--format jsonl` tells of each,
        and `mailcert verify DOMAIN` what to type in Gmail."#]]
    .assert_eq(&told.join("\n"));
    assert!(ran.stdout.lines().count() < 2_100, "{}", ran.stdout.lines().count());
    assert!(!ran.stdout.contains("late.example.org"), "refused is worse than unknown");
}

/// Calls, waits until the endpoints beside the silent one are done, and sends the signal.
fn stopped(case: &Case, arguments: &str, signal: rustix::process::Signal) -> Ran {
    let mut command = case.command(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let pid = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
    std::thread::sleep(Duration::from_millis(1_500));
    rustix::process::kill_process(pid, signal).unwrap();
    let sent = Instant::now();
    let ran = case.ran(child.wait_with_output().unwrap());
    assert!(sent.elapsed() < Duration::from_secs(5), "it went on: {ran:?}");
    ran
}

#[test]
fn a_signal_ends_it_with_what_is_known_and_never_with_0() {
    use rustix::process::Signal;
    let ca = Ca::new();
    let case = Case::new()
        .server("good", ca.server(&["good.example.org"]))
        .server("mute", silent())
        .server("bad", greets("554 no"))
        .file("ca.pem", &ca.pem())
        .zone(
            "example.org MX 0 .\n_submission._tcp.example.org SRV 0 1 {good} good.example.org\n\
               _imap._tcp.example.org SRV 0 1 {mute} good.example.org\n\
               good.example.org A 127.0.0.1",
        );
    let call = "verify --roots {dir}/ca.pem --dns {dns}";
    let two = "good.example.org:{good} mute.example.org:{mute} --connect 127.0.0.1";
    stopped(&case, &format!("{call} {two}"), Signal::INT).is(expect![[r#"
        --- stdout
        unknown  good.example.org: not everything was tested, nothing is refused so far
              stopped after 1 of 2 targets; this is what is known

        server                      connect greeting STARTTLS handshake chain name dates
        good.example.org
          127.0.0.1:10001           ok      ok       ok       ok        ok    ok   ok

        1 of 1 endpoint without a fault

        In Gmail: no server can be entered: good.example.org works at port 10001, and
        Gmail's dialog has the ports 25, 465 and 587 only
        --- exit 4
    "#]]);
    let all = format!("{call} {two} bad.example.org:{{bad}}");
    let ran = stopped(&case, &format!("{all} --json"), Signal::TERM);
    let answer = ran.json();
    assert_eq!(
        (ran.code, &answer["complete"], &answer["verdict"]),
        (1, &false.into(), &"refused".into())
    );
    assert_eq!(
        hosts(answer["endpoints"].as_array().unwrap()),
        ["good.example.org", "bad.example.org"]
    );
    let ran = stopped(&case, &format!("{all} --format nagios"), Signal::INT);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stdout.contains(", stopped after 2 of 3 targets|"), "{ran:?}");
    // Of one domain, what it is known of.
    let ran = stopped(&case, &format!("{call} example.org"), Signal::INT);
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(
        ran.stdout.contains("stopped after 1 of 2 endpoints; this is what is known"),
        "{ran:?}"
    );
}

#[test]
fn a_reader_that_went_away_ends_it() {
    let ca = Ca::new();
    let case = Case::new()
        .server("good", ca.server(&["good.example.org"]))
        .server("mute", silent())
        .file("ca.pem", &ca.pem());
    let call = "verify --roots {dir}/ca.pem --connect 127.0.0.1 --format jsonl \
                good.example.org:{good} mute.example.org:{mute}";
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let begun = Instant::now();
    let mut command = case.command(call);
    let ran = case.ran(command.stdout(writer).stderr(Stdio::piped()).output().unwrap());
    assert_eq!((ran.code, ran.stderr.as_str()), (4, ""), "not everything was looked at");
    assert!(begun.elapsed() < Duration::from_secs(10));
}
