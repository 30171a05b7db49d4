//! What is typed wrong: exit code 2, an empty stdout, and a message with the thing, what was
//! found, what is expected, and what to do.

use expect_test::expect;

use crate::case::Case;

/// Everything that is no sensible call, with `--json` too.
const WRONG: &[&str] = &[
    "",
    "frobnicate",
    "verfy example.org",
    "--frobnicate plan",
    "plan extra",
    "plan --yes",
    "plan --fresh=yes",
    "plan -v -q",
    "run example.org",
    "run --yes",
    "run --dry-run --dry-run",
    "fix localhost",
    "fix ../etc/passwd",
    "fix a..example.org",
    "setup --undo postfix",
    "setup exim",
    "setup --redo",
    "status example.org",
    "status --fresh",
    "status --all",
    "check --fix",
    "check /etc/mailcert/mailcert.toml",
    "check --format xml",
    "check --format prometheus",
    "verify --key key.pem",
    "verify --pem fullchain.pem",
    "verify --host mx.example.org",
    "verify --at 2027-02-10T00:00:00Z",
    "verify --pem fullchain.pem --host 192.0.2.7",
    "verify --pem fullchain.pem --host mx.example.org --at tomorrow",
    "verify --pem fullchain.pem --host mx.example.org example.org",
    "verify --targets /tmp",
    "verify",
    "verify example",
    "verify 192.0.2.7",
    "verify [2001:db8::7]:25",
    "verify mx.example.org:smtp",
    "verify mx.example.org:0",
    "verify https://mail.example.org",
    "verify smtp://mail.example.org/inbox",
    "verify --timeout 0 example.org",
    "verify --timeout soon example.org",
    "verify --concurrency 0 example.org",
    "verify --tries 11 example.org",
    "verify --profile outlook example.org",
    "verify --connect mx.example.org example.org",
    "verify --dns 127.0.0.1 example.org",
    "verify --roots /nowhere.pem example.org",
    "verify --targets /nowhere.txt",
    "verify --targets -",
    "discover",
    "discover localhost",
    "discover mx1.example.org:25",
    "discover --dns dns.example.org:53 example.org",
    "rollback",
    "rollback ../../etc",
    "rollback one.example two.example",
    "explain",
    "explain name-mismach",
    "explain --list name-mismatch",
    "explain 42",
    "init --force --print",
    "init localhost",
    "init --print example.org example..org",
    "completions",
    "completions tcsh",
    "completions bash zsh",
    "man",
    "man /nowhere/at/all",
    "man one two",
];

#[test]
fn what_makes_no_sense_is_refused_and_stdout_stays_empty() {
    let case = Case::new();
    for line in WRONG {
        for line in [(*line).to_owned(), format!("--json {line}")] {
            let ran = case.run(&line);
            assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{line}: {ran:?}");
            assert!(!ran.stderr.contains("panicked"), "{line}: {ran:?}");
            let first = ran.stderr.lines().next().unwrap();
            let is_help = line.trim().is_empty();
            assert!(first.starts_with("error: ") || is_help, "{line}: {first}");
        }
    }
}

#[test]
fn the_message_names_the_thing_the_found_the_expected_and_what_to_do() {
    let case = Case::new();
    let mut all = String::new();
    for line in [
        "verfy example.org",
        "verify",
        "verify example",
        "verify 192.0.2.7:25",
        "verify mx.example.org:smtp",
        "verify https://mail.example.org",
        "verify --connect mx.example.org example.org",
        "verify --dns 127.0.0.1 example.org",
        "verify --roots /nowhere.pem example.org",
        "verify --targets -",
        "verify --timeout soon example.org",
        "verify --tries 11 example.org",
        "verify --profile outlook example.org",
        "discover mx1.example.org:25",
        "rollback ../../etc",
        "explain name-mismach",
        "explain 42",
        "man /nowhere",
        "completions tcsh",
    ] {
        all += &format!("$ mailcert {line}\n{}\n", case.run(line).stderr);
    }
    expect![[r#"
        $ mailcert verfy example.org
        error: unrecognized subcommand 'verfy'

          tip: a similar subcommand exists: 'verify'

        Usage: mailcert [OPTIONS] <COMMAND>

        For more information, try '--help'.

        $ mailcert verify
        error: no target is named and no configuration has a domain
          = help: `mailcert verify example.org` or
                  `mailcert verify mail.example.org:587`

        $ mailcert verify example
        error: example: a host name needs at least two labels, found "example"

        $ mailcert verify 192.0.2.7:25
        error: 192.0.2.7:25: a certificate is checked against a name, not an address;
        give the name and the address to connect to: HOST:PORT --connect 192.0.2.7

        $ mailcert verify mx.example.org:smtp
        error: mx.example.org:smtp: "smtp" is no port; expected a number from 1 to 65535

        $ mailcert verify https://mail.example.org
        error: https://mail.example.org: unknown scheme "https"; expected one of smtp://
        submission:// submissions:// smtps:// imap:// imaps:// pop3:// pop3s:// sieve://

        $ mailcert verify --connect mx.example.org example.org
        error: invalid value 'mx.example.org' for '--connect <ADDR>': expected an IPv4
        or IPv6 address without a port, such as 192.0.2.7 or 2001:db8::7
          = help: the name is the target, the address where it is looked for:
                  `mailcert verify mx1.example.org:25 --connect 192.0.2.7`

        For more information, try '--help'.

        $ mailcert verify --dns 127.0.0.1 example.org
        error: invalid value '127.0.0.1' for '--dns <ADDR:PORT>': expected ADDR:PORT,
        such as 127.0.0.1:53 or [::1]:53

        For more information, try '--help'.

        $ mailcert verify --roots /nowhere.pem example.org
        error: --roots /nowhere.pem: No such file or directory; expected mozilla,
        system, or a PEM file

        $ mailcert verify --targets -
        error: --targets stdin: there is no target in it; expected TARGET [ADDR]..., one
        a line

        $ mailcert verify --timeout soon example.org
        error: invalid value 'soon' for '--timeout <SECONDS>': expected a whole number
        from 1 to 3600

        For more information, try '--help'.

        $ mailcert verify --tries 11 example.org
        error: invalid value '11' for '--tries <N>': expected a whole number from 1 to
        10
          = help: `--tries 1` is the least: one handshake with the server's name, one
                  without

        For more information, try '--help'.

        $ mailcert verify --profile outlook example.org
        error: invalid value 'outlook' for '--profile <PROFILE>'
          [possible values: gmail, workspace, strict]

        For more information, try '--help'.

        $ mailcert discover mx1.example.org:25
        error: invalid value 'mx1.example.org:25' for '[DOMAIN]...': "org:25" is no
        label of a host name (letters, digits and - only)

        For more information, try '--help'.

        $ mailcert rollback ../../etc
        error: invalid value '../../etc' for '<NAME>': "../../etc" is no certificate
        name; expected a domain such as example.org or example.org-2

        For more information, try '--help'.

        $ mailcert explain name-mismach
        error: invalid value 'name-mismach' for '<CODE>'

          tip: a similar value exists: 'name-mismatch'
          tip: `mailcert explain --list` names every code

        For more information, try '--help'.

        $ mailcert explain 42
        error: invalid value '42' for '<CODE>'

          tip: `mailcert explain --list` names every code

        For more information, try '--help'.

        $ mailcert man /nowhere
        error: /nowhere is no directory; expected the one the pages go to
          = help: `mkdir -p /nowhere` makes it

        $ mailcert completions tcsh
        error: invalid value 'tcsh' for '<SHELL>'
          [possible values: bash, elvish, fish, powershell, zsh]

          tip: a similar value exists: 'zsh'

        For more information, try '--help'.

    "#]]
    .assert_eq(&all);
}

#[test]
fn each_wrong_combination_has_its_own_hint() {
    let case = Case::new();
    let mut all = String::new();
    for line in [
        "verify --key key.pem",
        "verify --pem fullchain.pem",
        "verify --pem fullchain.pem --host 192.0.2.7",
        "verify --pem fullchain.pem --host mx.example.org --at tomorrow",
        "verify --pem fullchain.pem --host mx.example.org example.org",
        "verify --targets {dir}",
        "verify --tries 0 example.org",
        "discover 192.0.2.7",
        "plan --format nagios",
        "check --format prometheus",
        "run --dry-run --format prometheus",
        "verify --format html example.org",
        "watch --format html",
        "plan --json --format human",
        "plan -v -q",
    ] {
        let ran = case.run(line);
        all += &format!("$ mailcert {line}\n{}{}=> {}\n\n", ran.stdout, ran.stderr, ran.code);
    }
    expect![[r#"
        $ mailcert verify --key key.pem
        error: the following required arguments were not provided:
          --host <HOST>
          --pem <FILE>
          = help: --key, --host and --at are for --pem:
                  `mailcert verify --pem cert.pem --key key.pem --host mx.example.org`

        Usage: mailcert verify --host <HOST> --pem <FILE> --key <FILE> [TARGET]...

        For more information, try '--help'.
        => 2

        $ mailcert verify --pem fullchain.pem
        error: the following required arguments were not provided:
          --host <HOST>
          = help: the name that clients connect to decides:
                  `mailcert verify --pem fullchain.pem --host mx1.example.org`

        Usage: mailcert verify --pem <FILE> --host <HOST> [TARGET]...

        For more information, try '--help'.
        => 2

        $ mailcert verify --pem fullchain.pem --host 192.0.2.7
        error: invalid value '192.0.2.7' for '--host <HOST>': an address; expected a
        name, such as mx1.example.org
          = help: the name that clients connect to decides:
                  `mailcert verify --pem fullchain.pem --host mx1.example.org`

        For more information, try '--help'.
        => 2

        $ mailcert verify --pem fullchain.pem --host mx.example.org --at tomorrow
        error: invalid value 'tomorrow' for '--at <TIME>': expected a time of RFC 3339,
        such as TIME
          = help: `--at TIME` is a moment in UTC

        For more information, try '--help'.
        => 2

        $ mailcert verify --pem fullchain.pem --host mx.example.org example.org
        error: the argument '--pem <FILE>' cannot be used with '[TARGET]...'
          = help: a file is judged without a server:
                  `mailcert verify --pem fullchain.pem --host mx1.example.org`, or
                  `mailcert verify mx1.example.org:25`

        Usage: mailcert verify --pem <FILE> --host <HOST> [TARGET]...

        For more information, try '--help'.
        => 2

        $ mailcert verify --targets {dir}
        error: --targets {dir}: Is a directory
          = help: it takes a file with TARGET [ADDR]... on each line, or - for stdin
        => 2

        $ mailcert verify --tries 0 example.org
        error: invalid value '0' for '--tries <N>': expected a whole number from 1 to 10
          = help: `--tries 1` is the least: one handshake with the server's name, one
                  without

        For more information, try '--help'.
        => 2

        $ mailcert discover 192.0.2.7
        error: invalid value '192.0.2.7' for '[DOMAIN]...': an address; expected a name,
        such as mx1.example.org

        For more information, try '--help'.
        => 2

        $ mailcert plan --format nagios
        UNKNOWN - plan has no --format nagios here; expected human, json or jsonl; `mailcert verify --format nagios` has it
        => 3

        $ mailcert check --format prometheus
        error: check has no --format prometheus here; expected human, json or jsonl
          = help: verify, run, fix, rollback and status have it; a dry run is a plan
        => 2

        $ mailcert run --dry-run --format prometheus
        error: run has no --format prometheus here; expected human, json or jsonl
          = help: verify, run, fix, rollback and status have it; a dry run is a plan
        => 2

        $ mailcert verify --format html example.org
        error: verify has no --format html here; expected human, json or jsonl
          = help: `mailcert status --format html` has it: a page to look at
        => 2

        $ mailcert watch --format html
        error: watch has no --format html here; expected human, json or jsonl
          = help: `mailcert status --format html` has it: a page to look at
        => 2

        $ mailcert plan --json --format human
        error: the argument '--json' cannot be used with '--format <FORMAT>'
          = help: --json is short for --format json

        Usage: mailcert plan --json

        For more information, try '--help'.
        => 2

        $ mailcert plan -v -q
        error: the argument '--verbose...' cannot be used with '--quiet'
          = help: -v says more, -q says less: one of them

        Usage: mailcert plan --verbose...

        For more information, try '--help'.
        => 2

    "#]].assert_eq(&all);
}

#[test]
fn nagios_is_told_on_stdout_in_one_line() {
    let case = Case::new().file("list", "mx.example.org:25 a|b\n");
    for line in ["--targets {dir}/list", "--tries 0 example.org", "", "--roots / example.org"] {
        let ran = case.run(&format!("verify --format nagios {line}"));
        assert_eq!((ran.code, ran.stderr.as_str()), (3, ""), "{line}: {ran:?}");
        let text = ran.stdout.strip_suffix('\n').unwrap();
        assert!(text.starts_with("UNKNOWN - "), "{line}: {text}");
        assert!(!text.contains(['\n', '|']), "{line}: {text}");
    }
}

#[test]
fn no_message_is_wider_than_a_terminal() {
    let case = Case::new();
    for line in WRONG {
        for row in case.run(line).stderr.lines() {
            assert!(row.chars().count() <= 80, "{line}: {row}");
        }
    }
}

#[test]
fn a_file_of_targets_is_blamed_with_its_line() {
    let case = Case::new().file("list", "mx.example.org:25\nmx.example.org:25 localhost\n");
    case.run("verify --targets {dir}/list").is(expect![[r#"
        --- stderr
        error: {dir}/list:2: mx.example.org:25: "localhost" is no address;
        expected TARGET [ADDR]..., one a line
        --- exit 2
    "#]]);
    let case = case.file("list", "# nothing but words\n");
    case.run("verify --targets {dir}/list").is(expect![[r#"
        --- stderr
        error: --targets {dir}/list: there is no target in it; expected
        TARGET [ADDR]..., one a line
        --- exit 2
    "#]]);
    let case = case.file("pem", "no certificate\n");
    case.run("verify --roots {dir}/pem mx.example.org:25").is(expect![[r#"
        --- stderr
        error: {dir}/pem: no certificate in it; expected at least one BEGIN
        CERTIFICATE block
        --- exit 2
    "#]]);
}
