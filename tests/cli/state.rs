//! `status`, `check`, `rollback`, and the lock.

use std::fs::{File, OpenOptions, create_dir};
use std::time::Duration;

use expect_test::expect;
use rustix::fs::{FlockOperation, flock};

use crate::case::Case;
use crate::exposition;
use crate::plan::world;

#[test]
fn status_of_an_empty_store_is_work_to_do_and_asks_nobody() {
    let case = world();
    case.run("status").is(expect![[r#"
        --- stdout
        no certificate is held yet: `mailcert plan` shows what would be done
        --- exit 3
    "#]]);
    expect![[r#"{"schema":1,"command":"status","certificates":[],"findings":[]}
"#]]
    .assert_eq(&case.run("status --json").stdout);
    let held = exposition::read(&case.run("status --format prometheus").stdout);
    assert!(held["mailcert_held_certificates"].samples.values().eq([&0.0]));
    assert_eq!(case.asked(), [""; 0]);
    assert_eq!(case.called(), "");
    assert!(!case.path("state").exists());
}

#[test]
fn check_tells_what_each_server_lacks() {
    let case = world();
    case.run("check").is(expect![[r#"
        --- stdout
        the configuration can be read
        exim: does not run, does not use our files yet: mailcert setup
          files    {dir}/tls
          listens  127.0.33.7:25 (smtp)

        FAIL server-not-running: exim
          exim is set up here but does not run; start it, then run mailcert again
        --- exit 1
    "#]]);
    let ran = case.run("check --json");
    assert_eq!(ran.code, 1);
    expect![[r#"
        {
          "command": "check",
          "findings": [
            {
              "code": "server-not-running",
              "level": "fail",
              "message": "exim is set up here but does not run; start it, then run mailcert again",
              "subject": "exim"
            }
          ],
          "schema": 1,
          "servers": [
            {
              "directory": "{dir}/tls",
              "hook": "missing",
              "listeners": [
                {
                  "address": "127.0.33.7",
                  "port": 25,
                  "proxy": false,
                  "service": "smtp"
                }
              ],
              "running": false,
              "server": "exim",
              "why": null
            }
          ]
        }
    "#]]
    .assert_eq(&ran.pretty());
}

#[test]
fn check_of_a_server_elsewhere_is_right() {
    let case = Case::new().config(
        "[[domain]]\nname = \"example.org\"\n[[exim]]\nfiles-only = true\n\
         directory = \"{dir}/tls\"\n",
    );
    let case = case.file("tls/.keep", "");
    case.run("check").is(expect![[r#"
        --- stdout
        the configuration can be read
        exim: runs elsewhere, so it is not asked (files-only)
          files    {dir}/tls
        --- exit 0
    "#]]);
}

#[test]
fn check_says_of_another_program_what_is_known_and_plan_misses_a_certificate_nobody_has() {
    let config = "[[domain]]\nname = \"example.org\"\n[[files]]\n\
                  name = \"haproxy\"\ncombined = \"{dir}/haproxy/{name}.pem\"\n\
                  certificate = \"example.net\"\nlisten = [\"imaps\", \"192.0.2.7:25\"]\n";
    let case = Case::new().config(config);
    case.run("check").is(expect![[r#"
        --- stdout
        the configuration can be read
        files:haproxy: is not asked, that it reads the files is up to you
          files    {dir}/haproxy
          listens  *:993 (imaps), 192.0.2.7:25 (smtp)
        --- exit 0
    "#]]);
    let ran = case.run("plan --json");
    let findings = ran.json()["findings"].to_string();
    assert!(findings.contains("no certificate is called example.net"), "{ran:?}");
}

#[test]
fn check_names_a_program_that_is_missing() {
    let case = Case::new().config("[[exim]]\nbinary = \"{dir}/bin/exim4\"\n");
    case.run("check").is(expect![[r#"
        --- stdout
        the configuration can be read

        FAIL program-missing: exim
          {dir}/bin/exim4: no such program; install it, or correct what names
          it in the table
        --- stderr
        warning: {dir}/mailcert.toml:1:1: there is no `[[domain]]`: nothing is looked after
          |
          = help: add `[[domain]]` and below it `name = "example.org"`
        --- exit 1
    "#]]);
}

#[test]
fn a_name_that_is_not_held_cannot_be_rolled_back_and_nothing_is_written() {
    let case = world();
    case.run("rollback example.org").is(expect![[r#"
        --- stderr
        error: example.org is not held; no other is either
          = help: `mailcert fix` brings the first ones
        --- exit 2
    "#]]);
    assert!(!case.path("state").exists());
}

#[test]
fn another_mailcert_at_work_is_code_5() {
    let (case, lock) = held();
    case.run("run").is(expect![[r#"
        --- stderr
        error: another mailcert is at work (pid unknown)
          = help: wait until it has ended, as `--wait` does, and call again
        --- exit 5
    "#]]);
    let ran = case.run("fix --yes --json");
    assert_eq!((ran.code, ran.stdout.as_str()), (5, ""), "{ran:?}");
    assert_eq!(case.run("plan").code, 3, "a plan takes no lock");
    assert_eq!(case.run("status").code, 3);
    drop(lock);
    assert_ne!(case.run("run").code, 5);
}

#[test]
fn another_mailcert_is_waited_for_as_long_as_was_said() {
    let (case, lock) = held();
    case.run("run --wait 1").is(expect![[r#"
        --- stderr
        another mailcert is at work (pid unknown): waiting until it has ended
        error: another mailcert is at work (pid unknown)
          = help: wait until it has ended, as `--wait` does, and call again
        --- exit 5
    "#]]);
    for command in ["fix --yes --wait 1", "run -q --wait=1"] {
        let ran = case.run(command);
        assert_eq!((ran.code, ran.stdout.as_str()), (5, ""), "{command}: {ran:?}");
        assert_eq!(ran.stderr.contains("waiting"), !command.contains("-q"), "{ran:?}");
    }
    case.run("run --wait soon").is(expect![[r#"
        --- stderr
        error: invalid value 'soon' for '--wait [<SECONDS>]': expected a whole number
        from 1 to 86400

        For more information, try '--help'.
        --- exit 2
    "#]]);

    let ends = std::thread::spawn(|| {
        std::thread::sleep(Duration::from_millis(500));
        drop(lock);
    });
    let ran = case.run("run --wait");
    assert!(ends.is_finished(), "it did not wait: {ran:?}");
    assert!(ran.code != 5 && !ran.stdout.is_empty(), "{ran:?}");
}

/// A case whose lock is held until the file is dropped.
fn held() -> (Case, File) {
    let case = world();
    create_dir(case.path("state")).unwrap();
    let case = case.mode("state", 0o700);
    let path = case.path("state/lock");
    let lock = OpenOptions::new().create(true).append(true).open(path).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    (case, lock)
}
