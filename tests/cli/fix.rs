//! `fix`: what is wrong, what is to be done, consent, the verdict.

use std::fs;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use expect_test::expect;

use crate::case::Case;
use crate::mail::Ca;
use crate::plan::{world, world_with};

#[test]
fn a_dry_run_says_what_is_wrong_and_what_would_be_done() {
    let case = world();
    case.run("fix --dry-run").is(expect![[r#"
        --- stdout
        What is wrong:
          FAIL connection-refused: Nothing listens on the port
              at mx1.example.org:25, mx2.example.org:25
          FAIL server-not-running: exim
              exim is set up here but does not run; start it, then run mailcert again

        4 steps:
         1. issue example.org for mx1.example.org and mx2.example.org
            because no certificate covers mx1.example.org and mx2.example.org
            by http-01, since no [challenge] is configured
         2. install example.org on exim
            because it follows from step 1
         3. install default on exim
            because it follows from step 2
         4. hook our files into the configuration of exim
            because the server does not use our files yet
        --- exit 3
    "#]]);
    assert!(!case.path("state").exists());
    let answer = case.run("fix --dry-run --json").json();
    assert_eq!(answer["verify"]["verdict"], "refused", "{answer}");
    assert_eq!(answer["steps"][0]["action"], "issue", "{answer}");
}

#[test]
fn fix_says_the_same_before_it_begins_and_the_verdict_at_the_end() {
    world().run("fix").is(expect![[r#"
        --- stdout
        What is wrong:
          FAIL connection-refused: Nothing listens on the port
              at mx1.example.org:25, mx2.example.org:25
          FAIL server-not-running: exim
              exim is set up here but does not run; start it, then run mailcert again

        4 steps:
         1. issue example.org for mx1.example.org and mx2.example.org
            because no certificate covers mx1.example.org and mx2.example.org
            by http-01, since no [challenge] is configured
         2. install example.org on exim
            because it follows from step 1
         3. install default on exim
            because it follows from step 2
         4. hook our files into the configuration of exim
            because the server does not use our files yet

        0 of 4 steps worked.
        failed  issue example.org for mx1.example.org and mx2.example.org
                the CA at https://127.0.0.1:1/directory cannot be asked: cannot connect
                to 127.0.0.1:1: Connection refused (os error 111): either its operator
                has to bring it back, or whoever keeps the firewall has to let this
                machine reach it; `mailcert run` tries again by itself
        skipped install example.org on exim
                step 1 did not work
        skipped install default on exim
                step 2 did not work
        skipped hook our files into the configuration of exim
                step 2 did not work
        Not everything is as it should be.
        The next look is due at TIME.

        FAIL  example.org: Gmail would refuse all 2 mail servers

        server                      connect greeting STARTTLS handshake chain name dates
        mx1.example.org
          127.0.33.7:25             FAIL    -        -        -         -     -    -
        mx2.example.org
          127.0.33.7:25             FAIL    -        -        -         -     -    -

        FAIL connection-refused: Nothing listens on the port
          where     mx1.example.org 127.0.33.7:25 STARTTLS (MX 10 of example.org)
          also      mx2.example.org 127.0.33.7:25
          expected  a server that listens on port 25
          found     Connection refused (os error 111)
          fix       start the mail server, or open port 25 in its firewall
          more      mailcert explain connection-refused

        0 of 2 endpoints without a fault

        In Gmail: no server can be entered yet: each one is refused (see above)

        FAIL held-back: orders
          1 order waits until a CA can be asked: the next try is at TIME
          (mailcert fix tries at once)

        FAIL hook-missing: exim
          exim does not use the files mailcert writes; mailcert setup shows the lines

        FAIL server-not-running: exim
          exim is set up here but does not run; start it, then run mailcert again

        For somebody else to cure:

        FAIL ca-unreachable: https://127.0.0.1:1/directory
          the CA at https://127.0.0.1:1/directory cannot be asked: cannot connect to
          127.0.0.1:1: Connection refused (os error 111): either its operator has to
          bring it back, or whoever keeps the firewall has to let this machine reach it;
          `mailcert run` tries again by itself
        --- stderr
        4 steps
        FAILED   issue example.org for mx1.example.org and mx2.example.org: the CA at https://127.0.0.1:1/directory cannot be asked: cannot connect to 127.0.0.1:1: Connection refused (os error 111): either its operator has to bring it back, or whoever keeps the firewall has to let this machine reach it; `mailcert run` tries again by itself
        skipped  install example.org on exim: step 1 did not work
        skipped  install default on exim: step 2 did not work
        skipped  hook our files into the configuration of exim: step 2 did not work
        --- exit 1
    "#]]);
}

#[test]
fn the_json_of_fix_has_what_was_served_before() {
    let ran = world().run("fix --yes --json");
    let answer = ran.json();
    assert_eq!((ran.code, &answer["before"]["verdict"]), (1, &"refused".into()), "{answer}");
    assert!(world().run("run --json").json().get("before").is_none());
}

#[test]
fn a_person_on_a_terminal_is_asked_before_the_configuration_is_touched() {
    for (typed, touched) in [("n\n", false), ("\n", false), ("y\n", true)] {
        let case = ready();
        let before = fs::read_to_string(case.path("exim.conf")).unwrap();
        let said = on_a_terminal(&case, "fix", &[typed]);
        let question = said.find("Apply these lines? [y/N]").unwrap_or_else(|| panic!("{said}"));
        for earlier in ["What is wrong:", "steps:", "+tls_certificate = ${if match"] {
            assert!(said[..question].contains(earlier), "{earlier} is not before it: {said}");
        }
        let after = fs::read_to_string(case.path("exim.conf")).unwrap();
        assert_eq!(after != before, touched, "{typed:?}: {said}");
    }
}

#[test]
fn with_yes_nobody_is_asked() {
    let said = on_a_terminal(&ready(), "fix --yes", &[]);
    assert!(!said.contains("[y/N]"), "{said}");
}

#[test]
fn an_edit_that_a_reload_would_publish_is_shown_and_asked_for() {
    let case = ready();
    let _exim = case.daemon("exim", "exim.pid");
    let plain = fs::read_to_string(case.path("exim.conf")).unwrap();
    case.run("fix --yes");
    let reloads = || case.called().matches("reload ").count();
    assert_eq!(reloads(), 1, "{}", case.called());
    // Somebody takes the lines out again and begins an edit.
    let edit = || {
        fs::write(case.path("exim.conf"), &plain).unwrap();
        let file = fs::File::options().append(true).open(case.path("exim.conf")).unwrap();
        file.set_modified(SystemTime::now() + Duration::from_secs(5)).unwrap();
    };
    edit();
    let dry = case.run("fix --yes --dry-run").stdout;
    let dry = dry.split_whitespace().collect::<Vec<_>>().join(" ");
    let told = "/exim.conf (edited TIME): newer than the last reload of exim; the reload puts that \
                edit into effect, too";
    assert!(dry.contains(told), "{dry}");
    for (second, expected) in [("n\n", 1), ("y\n", 2)] {
        edit();
        let said = on_a_terminal(&case, "fix", &["y\n", second]);
        let question = said.find("Reload, and put that edit into effect? [y/N]");
        let question = question.unwrap_or_else(|| panic!("{said}"));
        assert!(said[..question].contains("newer than"), "{said}");
        assert_eq!(reloads(), expected, "{second:?}: {said}");
    }
    edit();
    let said = on_a_terminal(&case, "fix", &["n\n"]);
    assert_eq!((said.matches("[y/N]").count(), reloads()), (1, 2), "{said}");
    let log = case.run("fix --yes").stderr;
    let warning = "WARN {dir}/exim.conf (edited TIME): newer than the last reload of exim";
    assert!(reloads() == 3 && log.contains(warning), "{log}");
}

#[test]
fn orders_are_told_as_they_are_answered_in_a_log_and_in_one_moving_line_on_a_terminal() {
    let case = world_with("[[domain]]\nname = \"example.net\"\n").zone(
        "example.org MX 10 mx.example.org\nexample.net MX 10 mx.example.net\n\
               mx.example.org A 127.0.33.7\nmx.example.net A 127.0.33.7",
    );
    let log = case.run("fix --yes").stderr;
    let told: Vec<&str> = log.lines().filter(|line| line.starts_with("order ")).collect();
    assert_eq!(told, ["order 1 of 2 answered: example.net", "order 2 of 2 answered: example.org"]);
    assert!(!log.contains('\r'), "{log}");
    let screen = on_a_terminal(&world(), "fix --yes", &[]);
    assert!(screen.contains("\r\x1b[K0 of 1 order answered"), "{screen}");
}

/// The world with a certificate of its own beside the server, and an Exim that reads its
/// configuration.
fn ready() -> Case {
    let ca = Ca::new();
    let (chain, key) = ca.issue(&["mx1.example.org", "mx2.example.org"], 80);
    let pem = pem_of(&chain[0]) + &key.serialize_pem();
    world_with("[verify]\nroots = \"{dir}/ca.pem\"\n")
        .file("ca.pem", &ca.pem())
        .file("tls/example.org.pem", &pem)
        .mode("tls/example.org.pem", 0o600)
        .fake(
            "exim4",
            "case \"$*\" in
             *-bV*) echo 'Exim version 4.96 #2 built 21-Feb-2024 10:00:00'
                    echo 'Configuration file is {dir}/exim.conf';;
             *-bP*) echo 'exim_group = root'
                    echo 'local_interfaces = <; 127.0.33.7'
                    echo 'daemon_smtp_ports = 25'
                    echo 'pid_file_path = {dir}/exim.pid'
                    /bin/grep '^tls_' {dir}/exim.conf;;
             esac",
        )
}

pub(crate) fn pem_of(der: &[u8]) -> String {
    let line = |part: &[u8]| format!("{}\n", std::str::from_utf8(part).unwrap());
    let text = BASE64_STANDARD.encode(der);
    let lines: String = text.as_bytes().chunks(64).map(line).collect();
    format!("-----BEGIN CERTIFICATE-----\n{lines}-----END CERTIFICATE-----\n")
}

/// What is said on a terminal of its own when a person calls `mailcert ARGUMENTS` and types an
/// answer to each question. `script` of util-linux has the terminal.
pub(crate) fn on_a_terminal(case: &Case, arguments: &str, answers: &[&str]) -> String {
    let call = case.command(arguments);
    let mut line = call.get_program().to_str().unwrap().to_owned();
    call.get_args().for_each(|word| line += &format!(" {}", word.to_str().unwrap()));
    let mut script = Command::new("/usr/bin/script");
    script.args(["-qefc", &line, "/dev/null"]).current_dir(case.path("."));
    script.env_clear().env("PATH", case.path("bin"));
    script.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = script.spawn().expect("script of util-linux is there");
    let (mut keyboard, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let (mut said, mut answers) = (Vec::new(), answers.iter());
    let mut asked = 0;
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = screen.read(&mut bytes) {
        said.extend(&bytes[..count]);
        let questions = String::from_utf8_lossy(&said).matches("[y/N] ").count();
        while asked < questions {
            let answer = answers.next().expect("no question without an answer");
            keyboard.write_all(answer.as_bytes()).unwrap();
            asked += 1;
        }
    }
    drop(keyboard);
    child.wait().unwrap();
    String::from_utf8(said).unwrap()
}
