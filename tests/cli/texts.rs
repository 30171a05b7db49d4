//! `explain`, `completions`, `man`, `init`.

use std::fs;

use expect_test::expect;

use crate::case::Case;

#[test]
fn a_code_is_explained() {
    let ran = Case::new().run("explain dns-failure");
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(ran.stdout.starts_with("dns-failure: The DNS gave no answer"), "{ran:?}");
    let answer = Case::new().run("explain dns-failure --json").json();
    let code = &answer["codes"][0];
    assert_eq!((&code["code"], &code["level"]), (&"dns-failure".into(), &"unknown".into()));
    assert_eq!(code["text"], ran.stdout);
}

#[test]
fn every_code_is_listed() {
    let ran = Case::new().run("explain --list");
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let answer = Case::new().run("explain --list --json").json();
    for row in answer["codes"].as_array().unwrap() {
        let (code, headline) = (row["code"].as_str().unwrap(), row["headline"].as_str().unwrap());
        let line = ran.stdout.lines().find(|line| line.split(' ').next() == Some(code)).unwrap();
        assert!(line.ends_with(headline), "{line}");
    }
}

#[test]
fn completions_know_commands_and_codes() {
    let case = Case::new();
    for (shell, word) in
        [("bash", "_mailcert()"), ("zsh", "#compdef mailcert"), ("fish", "complete -c mailcert")]
    {
        let ran = case.run(&format!("completions {shell}"));
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{shell}");
        for word in [word, "rollback", "profile"] {
            assert!(ran.stdout.contains(word), "{shell}: no {word}");
        }
    }
}

#[test]
fn man_writes_a_page_for_each_command() {
    let case = Case::new();
    fs::create_dir(case.path("man")).unwrap();
    case.run("man {dir}/man").is(expect![[r#"
        --- stdout
        {dir}/man/mailcert.1
        {dir}/man/mailcert-verify.1
        {dir}/man/mailcert-discover.1
        {dir}/man/mailcert-plan.1
        {dir}/man/mailcert-run.1
        {dir}/man/mailcert-fix.1
        {dir}/man/mailcert-setup.1
        {dir}/man/mailcert-watch.1
        {dir}/man/mailcert-status.1
        {dir}/man/mailcert-history.1
        {dir}/man/mailcert-check.1
        {dir}/man/mailcert-init.1
        {dir}/man/mailcert-rollback.1
        {dir}/man/mailcert-hold.1
        {dir}/man/mailcert-release.1
        {dir}/man/mailcert-revoke.1
        {dir}/man/mailcert-account.1
        {dir}/man/mailcert-explain.1
        {dir}/man/mailcert-completions.1
        {dir}/man/mailcert-man.1
        {dir}/man/mailcert.toml.5
        --- exit 0
    "#]]);
    let page = fs::read_to_string(case.path("man/mailcert-verify.1")).unwrap();
    assert!(page.contains(".TH mailcert-verify 1") && page.contains("imaps://"), "{page}");
}

#[test]
fn init_prints_or_writes_and_never_over_what_is_there() {
    let case = Case::new();
    let printed = case.run("init --print example.org -c {dir}/new/mailcert.toml");
    assert!(printed.code == 0 && printed.stdout.contains("name = \"example.org\""), "{printed:?}");
    assert!(!case.path("new").exists());
    case.run("init example.org -c {dir}/new/mailcert.toml").is(expect![[r#"
        --- stdout
        wrote {dir}/new/mailcert.toml
        `agree-to-terms = true` in it says that you agree to the terms of the CA:
          https://letsencrypt.org/repository/
        read it, then see what would be done: mailcert -c {dir}/new/mailcert.toml plan
        --- exit 0
    "#]]);
    let written = || fs::read_to_string(case.path("new/mailcert.toml")).unwrap();
    assert_eq!(written(), printed.stdout);
    case.run("init other.example -c {dir}/new/mailcert.toml").is(expect![[r#"
        --- stderr
        error: {dir}/new/mailcert.toml is there already and stays as it is
          = help: `--force` writes over it, `--print` shows what would be written,
                  `-c FILE` names another
        --- exit 2
    "#]]);
    assert_eq!(written(), printed.stdout);
    let ran = case.run("init other.example --force -c {dir}/new/mailcert.toml");
    assert!(ran.code == 0 && written().contains("name = \"other.example\""), "{ran:?}");
}

#[test]
fn init_says_where_it_found_no_domain() {
    let case = Case::new();
    case.run("init -c {dir}/mailcert.toml").is(expect![[r#"
        --- stdout
        wrote {dir}/mailcert.toml
        `agree-to-terms = true` in it says that you agree to the terms of the CA:
          https://letsencrypt.org/repository/
        no mail domain was found on this machine: add a [[domain]] for each of yours
        read it, then see what would be done: mailcert -c {dir}/mailcert.toml plan
        --- exit 0
    "#]]);
}

#[test]
fn what_init_writes_can_be_read() {
    let case = Case::new();
    assert_eq!(case.run("init example.org m\u{fc}ller.example -c {dir}/mailcert.toml").code, 0);
    let ran = case.run("-c {dir}/mailcert.toml discover --json --dns {dns}");
    assert_eq!((ran.code, ran.stderr.as_str()), (1, ""), "{ran:?}");
    let findings = ran.json()["findings"].to_string();
    assert!(findings.contains("example.org") && findings.contains("xn--mller-kva.example"));
}

#[test]
fn init_where_the_disk_says_no_leaves_nothing() {
    let case = Case::new().file("file", "");
    case.run("init example.org -c {dir}/file/mailcert.toml").is(expect![[r#"
        --- stderr
        error: {dir}/file: open directory: no directory
        --- exit 1
    "#]]);
}
