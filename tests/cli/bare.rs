//! `fix` without a configuration: a machine whose /etc is the test's own, in a mount namespace.

use std::process::{Command, Stdio};

use expect_test::expect;

use crate::case::{Case, Ran};

const TERMS: &str = "--agree-to-terms --acme-directory https://127.0.0.1:1/directory --state \
                     {dir}/state --dns {dns} --address 127.0.33.8";

/// A machine with a Postfix for `example.org`, `example.net` (whose mail goes elsewhere) and what
/// a database names; its /etc is `etc` in the case.
fn machine() -> Case {
    Case::new()
        .zone(
            "example.org MX 10 mx.example.org
             mx.example.org A 127.0.33.8
             example.net MX 10 mx.example.net
             mx.example.net A 198.51.100.9
             list.example A 127.0.33.8
             list.example MX 5 mx.example.org",
        )
        .file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
        .file("etc/group", "root:x:0:\n")
        .file("etc/postfix/main.cf", "myhostname = mx.example.org\n")
        .file("etc/postfix/virtual", "# more\nlist.example OK\nuser@list.example x\n")
        .fake("postmap", "")
        .fake("postfix", "")
        .fake(
            "postconf",
            "case \"$*\" in
             *' -M') echo 'smtp inet n - y - - smtpd';;
             *' -P') ;;
             *' -m') echo lmdb;;
             *' -x mydestination '*)
                echo 'mydestination = mx.example.org, example.org, localhost'
                echo 'virtual_mailbox_domains = mysql:/etc/postfix/domains.cf'
                echo 'virtual_alias_domains = hash:/etc/postfix/virtual'
                echo 'relay_domains = example.net'
                echo 'mydomain = example.org'
                echo 'myhostname = mx.example.org';;
             *) echo 'mail_version = 3.7.11'
                echo 'default_database_type = lmdb'
                echo 'myhostname = mx.example.org'
                echo 'inet_interfaces = all'
                echo 'queue_directory = {dir}/queue'
                echo 'smtpd_tls_security_level = may';;
             esac",
        )
}

#[test]
fn without_agreement_nothing_is_asked_of_anybody() {
    let case = machine();
    inside(&case, "fix --yes").is(expect![[r#"
        --- stderr
        error: /etc/mailcert/mailcert.toml is not there, and nobody agreed to the terms
        of a CA
          = help: read https://letsencrypt.org/repository/ and call
                  `mailcert fix --agree-to-terms`, or write a configuration by
                  `mailcert init`; `mailcert fix --dry-run` shows what would be done
        --- exit 2
    "#]]);
    assert_eq!((case.called().as_str(), case.asked().len()), ("", 0));
}

#[test]
fn the_domains_are_those_of_the_servers_whose_mail_comes_here_and_it_says_why() {
    let case = machine();
    let _postfix = case.daemon("master", "queue/pid/master.pid");
    let ran = inside(&case, &format!("fix --dry-run {TERMS}"));
    ran.is(expect![[r#"
        --- stdout
        /etc/mailcert/mailcert.toml is not there: taken are the domains whose mail comes
        here.
          -  example.net  left out: mx.example.net points to 198.51.100.9, and none of
             these is this machine's: if its mail is to come here, whoever keeps its
             zone has to publish `mx.example.net. A 127.0.33.8`, else the certificate is
             that machine's affair; if it is this one behind NAT, state it in [machine]
             addresses (postfix relay_domains)
          ok example.org  mx 10: mx.example.org is here (postfix mydestination, postfix
             mydomain)
          ok list.example  mx 5: mx.example.org is here (postfix virtual_alias_domains
             /etc/postfix/virtual)
          ok mx.example.org  a host of example.org (postfix mydestination, postfix
             myhostname)
          ?  postfix virtual_mailbox_domains: mysql:/etc/postfix/domains.cf cannot be
             read here; name its domains yourself
        Nothing renews them by itself yet: `mailcert init` writes a configuration for
        `mailcert run`, the timer's job.

        What is wrong:
          FAIL connection-refused: Nothing listens on the port
              at mx.example.org:25

        5 steps:
         1. issue example.org for mx.example.org
            because no certificate covers mx.example.org
            by http-01, since no [challenge] is configured
         2. install example.org on postfix
            because it follows from step 1
         3. install index on postfix
            because it is not there
         4. install default on postfix
            because it follows from step 2
         5. hook our files into the configuration of postfix
            because the server does not use our files yet
        --- exit 3
    "#]]);
    assert!(!case.path("state").exists());
}

#[test]
fn named_domains_are_taken_instead() {
    let case = machine();
    let ran = inside(&case, &format!("fix --dry-run {TERMS} list.example"));
    assert!(ran.stdout.contains("ok list.example  mx 5: mx.example.org is here"), "{ran:?}");
    assert!(!ran.stdout.contains("example.net"), "{ran:?}");
    inside(&case, &format!("fix --dry-run {TERMS} example.net")).is(expect![[r#"
        --- stderr
        /etc/mailcert/mailcert.toml is not there: taken are the domains whose mail comes
        here.
          -  example.net  left out: mx.example.net points to 198.51.100.9, and none of
             these is this machine's: if its mail is to come here, whoever keeps its
             zone has to publish `mx.example.net. A 127.0.33.8`, else the certificate is
             that machine's affair; if it is this one behind NAT, state it in [machine]
             addresses (you named it)

        error: the mail of example.net does not come to this machine (127.0.33.8)
          = help: `mailcert fix --agree-to-terms example.org` takes a domain you name;
                  `--address` states the public address of a machine behind NAT
        --- exit 2
    "#]]);
}

#[test]
fn the_program_gets_one_object_and_nothing_is_written_to_etc() {
    let case = machine();
    let _postfix = case.daemon("master", "queue/pid/master.pid");
    let ran = inside(&case, &format!("fix --json {TERMS}"));
    let answer = ran.json();
    assert_eq!((ran.code, &answer["command"]), (1, &"fix".into()), "{answer}");
    assert_eq!(answer["steps"][0]["subject"], "example.org", "{answer}");
    assert!(answer.to_string().contains("ca-unreachable"), "{answer}");
    assert!(case.path("state").exists() && !case.path("etc/mailcert").exists());
}

#[test]
fn options_for_a_machine_without_a_configuration_are_for_no_other() {
    let case = crate::plan::world();
    case.run("fix --state /tmp/x").is(expect![[r#"
        --- stderr
        error: --state is for a machine without a configuration, and here is one
          = help: say it there: directory in [state]
        --- exit 2
    "#]]);
    for (options, why) in [
        ("--acme-directory http://ca.test/dir", "--acme-directory: the CA's URL is not encrypted"),
        ("--contact nobody", "--contact: "),
        ("--ca-file {dir}/none.pem", "No such file"),
    ] {
        let ran = inside(&machine(), &format!("fix --agree-to-terms {options}"));
        assert!(ran.code == 2 && ran.stderr.contains(why), "{options}: {ran:?}");
    }
}

/// Calls `mailcert ARGUMENTS` where /etc is the case's own.
fn inside(case: &Case, arguments: &str) -> Ran {
    let call = case.command(arguments);
    let etc = case.path("etc");
    let script = "/bin/mount --bind \"$0\" /etc && exec \"$@\"";
    let mut command = Command::new("/usr/bin/unshare");
    command.args(["--mount", "/bin/sh", "-c", script]).arg(etc).arg(call.get_program());
    command.args(call.get_args()).env_clear().env("PATH", case.path("bin"));
    let ran = case.ran(command.stdin(Stdio::null()).output().unwrap());
    assert!(!ran.stderr.contains("unshare failed"), "it takes root and a mount namespace: {ran:?}");
    ran
}

#[test]
fn the_domains_of_a_server_that_is_down_are_taken_too() {
    let ran = inside(&machine(), &format!("fix --dry-run {TERMS}"));
    assert!(
        ran.stdout.contains("ok example.org") && ran.stdout.contains("does not run"),
        "{ran:?}"
    );
}
