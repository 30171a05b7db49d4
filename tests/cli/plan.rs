//! `plan` and `run --dry-run`: what would be done, and nothing is.

use expect_test::expect;

use crate::case::Case;

/// A machine with an Exim that does not use our files yet, for two MX hosts.
pub(crate) fn world() -> Case {
    world_with("")
}

/// The same with more of a configuration in front.
pub(crate) fn world_with(config: &str) -> Case {
    Case::new()
        .zone(
            "example.org MX 10 mx1.example.org
             example.org MX 20 mx2.example.org
             mx1.example.org A 127.0.33.7
             mx2.example.org A 127.0.33.7",
        )
        .config(&format!("{config}{CONFIG}"))
        .file("tls/.keep", "")
        .fake("reload", "")
        .fake(
            "exim4",
            "case \"$*\" in
             *-bV*) echo 'Exim version 4.96 #2 built 21-Feb-2024 10:00:00'
                    echo 'Configuration file is {dir}/exim.conf';;
             *-bP*) echo 'exim_group = root'
                    echo 'local_interfaces = <; 127.0.33.7'
                    echo 'daemon_smtp_ports = 25'
                    echo 'tls_certificate = /etc/ssl/snakeoil.pem';;
             esac",
        )
        .file("exim.conf", "tls_certificate = /etc/ssl/snakeoil.pem\n")
}

const CONFIG: &str = "[machine]
    addresses = [\"127.0.33.7\"]
    [[domain]]
    name = \"example.org\"
    [[exim]]
    binary = \"{dir}/bin/exim4\"
    directory = \"{dir}/tls\"
    reload = [\"{dir}/bin/reload\"]";

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
            by http-01, since no [challenge] is configured
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
              "challenges": [
                {
                  "because": "no [challenge] is configured",
                  "challenge": "http-01",
                  "name": "mx1.example.org"
                },
                {
                  "because": "no [challenge] is configured",
                  "challenge": "http-01",
                  "name": "mx2.example.org"
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
    let case = Case::new().zone("example.org MX 10 mx.example.org\nmx.example.org A 127.0.33.7");
    let case = case.config(
        "[machine]\naddresses = [\"127.0.33.7\"]\n[[domain]]\nname = \"example.org\"\n\
         [[exim]]\nbinary = \"{dir}/bin/exim4\"\ndirectory = \"{dir}/tls\"\n",
    );
    case.run("plan").is(expect![[r#"
        --- stdout
        1 step:
         1. issue example.org for mx.example.org
            because no certificate covers mx.example.org
            by http-01, since no [challenge] is configured

        FAIL program-missing: exim
          {dir}/bin/exim4: no such program; install it, or correct what names
          it in the table
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

#[test]
fn a_run_tells_each_step_on_stderr_and_what_failed_in_its_answer() {
    let case = world();
    case.run("run").is(expect![[r#"
        --- stdout
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
    let ran = case.run("run -q --json");
    assert_eq!((ran.code, ran.stderr.as_str()), (1, ""), "{ran:?}");
    let answer = ran.json();
    assert_eq!((&answer["ok"], &answer["verify"]["command"]), (&false.into(), &"verify".into()));
}

#[test]
fn without_consent_fix_does_not_touch_the_admins_configuration() {
    let case = world();
    let before = std::fs::read_to_string(case.path("exim.conf")).unwrap();
    let ran = case.run("fix --json");
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(std::fs::read_to_string(case.path("exim.conf")).unwrap(), before);
}

/// Let's Encrypt takes 300 new orders in three hours.
#[test]
fn the_first_certificates_of_many_domains_are_spread_and_the_plan_says_until_when() {
    let domains: Vec<String> = (0..310).map(|number| format!("d{number}.test")).collect();
    let zone = domains.iter().map(|name| format!("{name} MX 10 mx.{name}\nmx.{name} A 127.0.33.7"));
    let tables = domains.iter().map(|name| format!("\n[[domain]]\nname = \"{name}\""));
    let case = Case::new().zone(&zone.collect::<Vec<_>>().join("\n")).config(&format!(
        "[machine]\naddresses = [\"127.0.33.7\"]{}\n\
         [[exim]]\nfiles-only = true\ndirectory = \"{{dir}}/tls\"\n",
        tables.collect::<String>()
    ));
    let config = std::fs::read_to_string(case.path("mailcert.toml")).unwrap();
    let config = config.replace("https://127.0.0.1:1/directory", "letsencrypt");
    std::fs::write(case.path("mailcert.toml"), config).unwrap();
    let said = case.run("plan --json").json();
    let schedule = &said["schedule"];
    assert_eq!((&schedule["placed"], &schedule["waiting"]), (&300.into(), &10.into()), "{said}");
    let steps = said["steps"].as_array().unwrap();
    assert_eq!(steps.iter().filter(|step| step["action"] == "issue").count(), 300);
    let told = said["findings"][0]["message"].as_str().unwrap();
    let expected = "10 orders wait for the CA's limits (300 new orders in 3 hours)";
    assert!(told.starts_with(expected) && told.contains("the last at TIME"), "{told}");
}

/// The CA asks by IPv6 first, and a sender may, too.
#[test]
fn a_name_whose_aaaa_record_leads_elsewhere_is_named() {
    let case = world().zone(
        "example.org MX 10 mx1.example.org
         mx1.example.org A 127.0.33.7
         mx1.example.org AAAA 2001:db8::7",
    );
    let ran = case.run("plan");
    ran.is(expect![[r#"
        --- stdout
        4 steps:
         1. issue example.org for mx1.example.org
            because no certificate covers mx1.example.org
            by http-01, since no [challenge] is configured
         2. install example.org on exim
            because it follows from step 1
         3. install default on exim
            because it follows from step 2
         4. hook our files into the configuration of exim
            because the server does not use our files yet

        FAIL server-not-running: exim
          exim is set up here but does not run; start it, then run mailcert again

        warn points-partly: mx1.example.org
          mx1.example.org points to this machine (127.0.33.7) and to 2001:db8::7, which
          is not this machine's: the certificate is shown here only; CAs ask IPv6 first,
          so that machine has to answer them for mx1.example.org, too: take care of it
          there, or state the address in [machine] addresses if it is this machine's
        --- exit 3
    "#]]);
    let run = case.run("run --json").json();
    let found = run["findings"].as_array().unwrap().iter();
    let codes: Vec<_> = found.filter(|one| one["subject"] == "mx1.example.org").collect();
    assert_eq!(codes.iter().filter(|one| one["code"] == "points-partly").count(), 1, "{codes:?}");
}
