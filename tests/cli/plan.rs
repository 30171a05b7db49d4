//! `plan` and `run --dry-run`: what would be done, and nothing is.

use expect_test::expect;

use crate::case::Case;

/// A machine with an Exim that does not use our files yet, for two MX hosts.
pub(crate) fn world() -> Case {
    Case::new()
        .zone(
            "example.org MX 10 mx1.example.org
             example.org MX 20 mx2.example.org
             mx1.example.org A 192.0.2.7
             mx2.example.org A 192.0.2.7",
        )
        .config(
            "[machine]
             addresses = [\"192.0.2.7\"]
             [[domain]]
             name = \"example.org\"
             [[exim]]
             binary = \"{dir}/bin/exim4\"
             directory = \"{dir}/tls\"
             reload = [\"{dir}/bin/reload\"]",
        )
        .file("tls/.keep", "")
        .fake("reload", "")
        .fake(
            "exim4",
            "case \"$*\" in
             *-bV*) echo 'Exim version 4.96 #2 built 21-Feb-2024 10:00:00'
                    echo 'Configuration file is {dir}/exim.conf';;
             *-bP*) echo 'exim_group = root'
                    echo 'local_interfaces = <; 192.0.2.7'
                    echo 'daemon_smtp_ports = 25'
                    echo 'tls_certificate = /etc/ssl/snakeoil.pem';;
             esac",
        )
        .file("exim.conf", "tls_certificate = /etc/ssl/snakeoil.pem\n")
}

#[test]
fn a_plan_is_told_with_its_reasons_and_nothing_is_written() {
    let case = world();
    let before = case.tree();
    let ran = case.run("plan");
    std::fs::remove_file(case.path("called")).unwrap();
    let same = |lines: Vec<String>| {
        // The scripts write down that they were called; the directory itself shows it.
        lines.into_iter().filter(|line| !line.contains("/called ")).collect::<Vec<_>>()
    };
    assert_eq!(same(case.tree()), same(before));
    ran.is(expect![[r#"
        --- stdout
        4 steps:
         1. issue example.org for mx1.example.org and mx2.example.org
            because no certificate covers mx1.example.org and mx2.example.org
         2. install example.org on exim
            because it follows from step 1
         3. install default on exim
            because it follows from step 2
         4. hook our files into the configuration of exim
            because the server does not use our files yet

        FAIL server-not-running: exim
          exim is set up here but does not run; start it, then run mailcert again
        --- exit 3
    "#]]);
}

#[test]
fn the_servers_are_only_asked() {
    let case = world();
    assert_eq!(case.run("plan").code, 3);
    expect![[r#"
        exim4 -bV
        exim4 -bP tls_certificate tls_privatekey tls_advertise_hosts tls_on_connect_ports daemon_smtp_ports local_interfaces primary_hostname exim_user exim_group pid_file_path spool_directory
    "#]].assert_eq(&case.called());
}

#[test]
fn the_json_has_steps_that_name_what_they_need() {
    let case = world();
    let ran = case.run("plan --json --fresh");
    assert_eq!((ran.code, ran.stderr.as_str()), (3, ""), "{ran:?}");
    expect![[r#"
        {
          "command": "plan",
          "findings": [
            {
              "code": "server-not-running",
              "level": "fail",
              "message": "exim is set up here but does not run; start it, then run mailcert again",
              "subject": "exim"
            }
          ],
          "schema": 1,
          "steps": [
            {
              "action": "issue",
              "because": "no certificate covers mx1.example.org and mx2.example.org",
              "needs": [],
              "subject": "example.org"
            },
            {
              "action": "install",
              "because": "it follows from step 1",
              "needs": [
                0
              ],
              "subject": "exim example.org"
            },
            {
              "action": "install",
              "because": "it follows from step 2",
              "needs": [
                1
              ],
              "subject": "exim default"
            },
            {
              "action": "hook",
              "because": "the server does not use our files yet",
              "needs": [
                1,
                2
              ],
              "subject": "exim"
            }
          ],
          "wake": null
        }
    "#]]
    .assert_eq(&ran.pretty());
}

#[test]
fn a_dry_run_is_a_plan() {
    let case = world();
    assert_eq!(case.run("run --dry-run").stdout, case.run("plan").stdout);
    let ran = case.run("run --dry-run --json");
    assert_eq!((ran.code, &ran.json()["steps"]), (3, &case.run("plan --json").json()["steps"]));
    let ran = case.run("fix --dry-run --json");
    assert!(ran.code == 3 && !case.path("state").exists(), "{ran:?}");
}

#[test]
fn a_missing_program_is_a_finding_and_not_nothing_to_do() {
    let case = Case::new().zone("example.org MX 10 mx.example.org\nmx.example.org A 192.0.2.7");
    let case = case.config(
        "[machine]\naddresses = [\"192.0.2.7\"]\n[[domain]]\nname = \"example.org\"\n\
         [[exim]]\nbinary = \"{dir}/bin/exim4\"\ndirectory = \"{dir}/tls\"\n",
    );
    case.run("plan").is(expect![[r#"
        --- stdout
        1 step:
         1. issue example.org for mx.example.org
            because no certificate covers mx.example.org

        FAIL program-missing: exim
          {dir}/bin/exim4: no such program
        --- exit 3
    "#]]);
}

#[test]
fn without_any_domain_there_is_nothing_to_do_and_it_says_why() {
    let case = Case::new().config("[[exim]]\nfiles-only = true\ndirectory = \"{dir}/tls\"\n");
    case.run("plan").is(expect![[r#"
        --- stdout
        Nothing to do.
        --- stderr
        warning: {dir}/mailcert.toml:1:1: there is no `[[domain]]`: nothing is looked after
          |
          = help: add `[[domain]]` and below it `name = "example.org"`
        --- exit 0
    "#]]);
}

#[test]
fn names_of_no_domain_are_not_fixed() {
    world().run("fix other.example").is(expect![[r#"
        --- stderr
        error: other.example belongs to no domain of the configuration
          = help: add `[[domain]]` with `name = "other.example"`, or
                  `hosts = ["other.example"]` to a domain
        --- exit 2
    "#]]);
}
