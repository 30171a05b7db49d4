//! Which configuration is read, and what is said of one that cannot be.

use expect_test::expect;

use crate::case::Case;

const COMMANDS: [&str; 9] = [
    "plan",
    "run",
    "run --dry-run",
    "fix",
    "setup",
    "status",
    "check",
    "rollback example.org",
    "verify example.org",
];

#[test]
fn a_named_file_that_is_missing_is_an_error_of_every_command() {
    let case = Case::new();
    for command in COMMANDS.iter().chain(&["discover example.org"]) {
        for call in [
            format!("-c {{dir}}/none.toml {command}"),
            format!("{command} --config={{dir}}/none.toml --json"),
        ] {
            let ran = case.run(&call);
            assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{call}: {ran:?}");
            assert!(ran.stderr.starts_with("error: {dir}/none.toml: No such file"), "{ran:?}");
        }
    }
    case.run("-c {dir}/none.toml plan").is(expect![[r#"
        --- stderr
        error: {dir}/none.toml: No such file or directory
          = help: `mailcert init` writes a configuration, `-c FILE` names another
        --- exit 2
    "#]]);
}

#[test]
fn the_environment_names_a_file_and_the_command_line_another() {
    let case = Case::new().with("MAILCERT_CONFIG", "{dir}/env.toml");
    let ran = case.run("status");
    assert!(ran.code == 2 && ran.stderr.starts_with("error: {dir}/env.toml: "), "{ran:?}");
    let ran = case.run("status -c {dir}/typed.toml");
    assert!(ran.code == 2 && ran.stderr.starts_with("error: {dir}/typed.toml: "), "{ran:?}");
    let ran = case.run("verify example.org");
    assert!(ran.code == 2 && ran.stderr.starts_with("error: {dir}/env.toml: "), "{ran:?}");
}

#[test]
fn all_problems_of_a_file_are_told_at_once() {
    let case = Case::new().whole_config(
        "[acme]\nagree-to-terms = true\nkey-types = [\"rsa\"]\n\n[[domian]]\nname = \"x\"\n",
    );
    case.run("plan").is(expect![[r#"
        --- stderr
        error: {dir}/mailcert.toml:3:14: `rsa` is not a key type
          |
        3 | key-types = ["rsa"]
          |              ^^^^^ expected ecdsa-p256, ecdsa-p384, rsa-2048, rsa-3072 or
          |                    rsa-4096
          |
          = help: did you mean `rsa-2048`?

        error: {dir}/mailcert.toml:5:3: unknown key `domian`
          |
        5 | [[domian]]
          |   ^^^^^^ expected one of `acme`, `challenge`, `dane`, `source`, `dns`,
          |          `discover`, `machine`, `state`, `verify`, `notify`, `domain`,
          |          `postfix`, `exim`, `dovecot`, `files`
          |
          = help: did you mean `domain`?
        --- exit 2
    "#]]);
    let json = case.run("plan --json");
    assert_eq!((json.code, json.stdout.as_str()), (2, ""), "{json:?}");
}

#[test]
fn a_file_that_others_can_write_is_refused() {
    let case = Case::new().config("").mode("mailcert.toml", 0o666);
    case.run("status").is(expect![[r#"
        --- stderr
        error: {dir}/mailcert.toml can be written by everybody (mode 0666),
        expected its owner only; try `chmod go-w {dir}/mailcert.toml`
        --- exit 2
    "#]]);
    let case = case.mode("mailcert.toml", 0o640).mode("", 0o775);
    case.run("status").is(expect![[r#"
        --- stderr
        error: {dir} can be written by its group (mode 0775), expected its
        owner only; try `chmod go-w {dir}`
        --- exit 2
    "#]]);
    let case = case.mode("", 0o755);
    assert_eq!(case.run("status").code, 3);
}

#[test]
fn a_state_directory_that_others_can_write_is_refused_by_all_that_use_it() {
    let case = Case::new().config("[[domain]]\nname = \"example.org\"\n").file("state/x", "");
    let case = case.mode("state", 0o777);
    for command in COMMANDS.iter().filter(|command| !command.starts_with("verify")) {
        let ran = case.run(&format!("{command} --json"));
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{command}: {ran:?}");
    }
    case.run("run").is(expect![[r#"
        --- stderr
        error: {dir}/state: mode 0777; expected a directory only root can
        write (chmod 0700 {dir}/state)
        --- exit 2
    "#]]);
}

#[test]
fn files_the_configuration_names_belong_to_it() {
    let case = Case::new().config("[verify]\nroots = \"{dir}/roots.pem\"\n");
    case.run("status").is(expect![[r#"
        --- stderr
        error: {dir}/mailcert.toml:9:9: `{dir}/roots.pem` cannot be read: No such file or directory
          |
        9 | roots = "{dir}/roots.pem"
          |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^ expected a file to read
        --- exit 2
    "#]]);
    let case = case.file("roots.pem", "");
    let ran = case.run("check --json");
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran:?}");
}
