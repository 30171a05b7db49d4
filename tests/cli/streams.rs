//! stdout is the answer, stderr is the talk.

use std::process::Stdio;

use expect_test::expect;

use crate::case::Case;
use crate::plan::world;

const HELP: [&str; 14] = [
    "",
    "verify",
    "discover",
    "plan",
    "run",
    "fix",
    "setup",
    "status",
    "check",
    "init",
    "rollback",
    "explain",
    "completions",
    "man",
];

#[test]
fn help_and_version_are_answers() {
    let case = Case::new();
    case.run("--version").is(expect![[r#"
        --- stdout
        mailcert 0.1.0
        --- exit 0
    "#]]);
    case.run("--help").is(expect![[r#"
        --- stdout
        Right certificates for every mail host name, and the proof that Gmail accepts
        them.

        mailcert finds the host names of your mail domains, orders their certificates,
        installs them in Postfix, Exim and Dovecot, and then asks every server the
        question that Gmail asks.

        Usage: mailcert [OPTIONS] <COMMAND>

        Commands:
          verify       Ask each mail server what Gmail would ask: accepted, refused or
                       unknown
          discover     Show the mail host names of the domains and why each is one
          plan         Show what is to be done and why; change nothing
          run          Do what is to be done: the timer's job
          fix          Repair whatever is wrong, now: verify, run, verify again
          setup        Show, and with consent apply, the lines that make the servers use
                       our files
          watch        Stay resident: do what `run` does whenever there is a reason to
                       look
          status       Show every certificate held, from memory
          history      Say what was done, when and why
          check        Say whether configuration, programs and servers are as they
                       should be
          init         Look at this machine and write a first configuration file
          rollback     Show the previous version of a certificate again
          hold         Leave a certificate as it is until it is released
          release      End what `hold` began
          revoke       Revoke a certificate at the CA, once another one is shown in its
                       place
          account      Look at the account at the CA, change its key or contacts, give
                       it up
          explain      Say what a problem code means and how to cure it
          completions  Print shell completions
          man          Write the man pages
          help         Print this message or the help of the given subcommand(s)

        Options:
          -h, --help
                  Print help (see a summary with '-h')

          -V, --version
                  Print version

        Options of every command:
          -c, --config <FILE>
                  The configuration file [default: /etc/mailcert/mailcert.toml]

                  [env: MAILCERT_CONFIG]

              --format <FORMAT>
                  How the answer is written

                  Possible values:
                  - human:      For people
                  - json:       One JSON object
                  - jsonl:      JSON lines: verify writes one for each endpoint as it is
                    done, and a last one that sums up
                  - prometheus: verify, run, fix, rollback, status: text for the
                    Prometheus textfile collector
                  - nagios:     verify: one line and the exit codes of Nagios: 0 OK, 1
                    WARNING, 2 CRITICAL, 3 UNKNOWN
                  - html:       status: a page to look at, in one file

                  [default: human]

              --json
                  Short for --format json

          -v, --verbose...
                  Say more, in the answer and on stderr; twice for everything

          -q, --quiet
                  Say nothing on stderr but errors

              --color <WHEN>
                  Whether the answer is coloured

                  Possible values:
                  - auto:   On a terminal that can, unless NO_COLOR is set
                  - always: Even into a file or pipe
                  - never:  Not at all

                  [default: auto]

        Examples:
          mailcert verify example.org   what does Gmail say to our servers?
          mailcert init example.org     write a first configuration
          mailcert plan                 what would be done, and why?
          mailcert fix                  do it, now

        Exit codes:
          0  all is as wanted; verify: every endpoint accepted
          1  something is wrong or failed; verify: at least one endpoint refused
          2  usage or configuration error
          3  plan, status, check, setup: there is work to do
          4  verify: nothing refused, but something could not be tested
          5  another mailcert is at work
        --- exit 0
    "#]]);
    for command in HELP {
        for call in
            [format!("{command} --help"), format!("{command} -h"), format!("help {command}")]
        {
            let ran = case.run(&call);
            assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{call}");
            assert!(ran.stdout.contains("Usage: mailcert"), "{call}: {ran:?}");
            for line in ran.stdout.lines() {
                assert!(line.chars().count() <= 80, "{call}: {line}");
            }
        }
    }
}

#[test]
fn global_options_stand_before_or_after_the_command() {
    let case = Case::new().config("").file("state/.keep", "").mode("state", 0o700);
    let expected = case.run("status --json").stdout;
    for call in [
        "--json status",
        "--format json status",
        "status --format=json",
        "-q --json status",
        "status --json --color never",
        "--color always status --json",
        "status --json -v",
    ] {
        let ran = case.run(call);
        assert_eq!((ran.code, &ran.stdout), (3, &expected), "{call}: {ran:?}");
    }
}

#[test]
fn every_json_answer_is_one_object() {
    let case = Case::new().zone("example.org MX 0 .").config("[[exim]]\nfiles-only = true\n");
    for call in [
        "verify example.org",
        "discover example.org",
        "plan",
        "run",
        "run --dry-run",
        "fix",
        "setup",
        "setup --undo",
        "status",
        "check",
        "explain expired",
        "explain --list",
        "completions bash",
        "init --print example.org",
        "man {dir}",
    ] {
        let answer = case.run(&format!("{call} --json")).json();
        let command = call.split(' ').next().unwrap();
        let expected = if call == "run --dry-run" { "plan" } else { command };
        assert_eq!(answer["command"], expected, "{call}");
    }
}

#[test]
fn a_reader_that_went_away_is_no_failure() {
    let case = Case::new();
    for call in ["explain --list", "completions bash", "--help", "explain --list --json"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = case.command(call);
        let ran = case.ran(command.stdout(writer).stderr(Stdio::piped()).output().unwrap());
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{call}");
    }
}

#[test]
fn an_answer_that_cannot_be_written_is_a_failure() {
    let case = Case::new();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = case.command("explain expired");
    case.ran(command.stdout(full).stderr(Stdio::piped()).output().unwrap()).is(expect![[r#"
        --- stderr
        error: stdout takes no answer: No space left on device
        --- exit 1
    "#]]);
}

#[test]
fn colour_is_for_terminals_unless_asked_for() {
    let case = Case::new().zone("bad.example SERVFAIL");
    let call = "discover bad.example --dns {dns}";
    assert!(!case.run(call).stdout.contains('\x1b'));
    assert!(!case.run(&format!("{call} --color never")).stdout.contains('\x1b'));
    let ran = case.run(&format!("{call} --color always"));
    assert!(ran.stdout.contains("\x1b[1m\x1b[33munknown\x1b[0m dns-failure"), "{ran:?}");
    assert!(!case.run(&format!("{call} --color always --json")).stdout.contains('\x1b'));
    let case = case.with("NO_COLOR", "1");
    assert!(!case.run(call).stdout.contains('\x1b'));
}

#[test]
fn every_answer_for_people_fits_a_terminal() {
    let case = world().zone(
        "example.org MX 10 mx1.example.org
         example.org MX 20 a-host-with-a-name-that-is-rather-long.and-a-label-more.example.org
         null.example MX 0 .
         sick.example SERVFAIL",
    );
    for call in [
        "discover",
        "discover example.org null.example sick.example typo.example -v",
        "verify",
        "verify example.org null.example sick.example typo.example -v",
        "plan -v",
        "status",
        "check",
        "explain --list",
        "explain caa-forbids",
    ] {
        for line in case.run(call).stdout.lines() {
            assert!(line.chars().count() <= 80, "{call}: {line}");
        }
    }
}
