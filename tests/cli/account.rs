//! `account` called wrongly, or where there is no account or no CA: what is said, that nothing is
//! written, and that no key is shown.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use expect_test::{Expect, expect};
use rustix::fs::{FlockOperation, flock};

use crate::case::Case;
use crate::fix::on_a_terminal;

/// A CA that cannot be reached, and no account there.
fn bare() -> Case {
    Case::new().config("[[domain]]\nname = \"example.org\"\n").zone("")
}

/// The same with an account, and its key as it is kept.
fn kept() -> (Case, String) {
    let key = rcgen::KeyPair::generate().unwrap().serialize_der();
    let key = BASE64_URL_SAFE_NO_PAD.encode(key);
    let account = format!(
        "{{\"id\":\"https://127.0.0.1:1/account/7\",\"key_pkcs8\":\"{key}\",\
         \"directory\":\"https://127.0.0.1:1/directory\"}}"
    );
    (holding(bare(), &account), key)
}

/// With this as the account, in the file whose name the program says itself.
fn holding(case: Case, account: &str) -> Case {
    let file = FILE;
    case.file(file, account).mode(file, 0o600).mode("state", 0o700).mode("state/accounts", 0o700)
}

/// What is said, while nothing is written.
fn says(case: &Case, arguments: &str, expected: Expect) {
    let before = case.tree();
    case.run(arguments).is(expected);
    assert_eq!(case.tree(), before, "{arguments} wrote");
}

/// The program makes it of the directory's URL: host and hash.
const FILE: &str = "state/accounts/127.0.0.11-4ef931892a6131ac.json";

#[test]
fn an_action_has_to_be_one_of_five_and_only_one_of_them_asks() {
    says(
        &bare(),
        "account",
        expect![[r#"
        --- stderr
        error: the following required arguments were not provided:
          <ACTION>
          = help: `mailcert account show` looks at it, `mailcert account --help` lists
                  the rest

        Usage: mailcert account <ACTION>

        For more information, try '--help'.
        --- exit 2
    "#]],
    );
    says(
        &bare(),
        "account rolover",
        expect![[r#"
        --- stderr
        error: invalid value 'rolover' for '<ACTION>'
          [possible values: show, register, rollover, contacts, deactivate]

          tip: a similar value exists: 'rollover'

        For more information, try '--help'.
        --- exit 2
    "#]],
    );
    says(
        &bare(),
        "account rollover --yes",
        expect![[r#"
        --- stderr
        error: --yes is for deactivate; rollover asks nothing
          = help: `mailcert account rollover` does it
        --- exit 2
    "#]],
    );
    says(
        &bare(),
        "account show contacts",
        expect![[r#"
        --- stderr
        error: unexpected argument 'contacts' found

        Usage: mailcert account [OPTIONS] <ACTION>

        For more information, try '--help'.
        --- exit 2
    "#]],
    );
}

#[test]
fn without_an_account_it_says_how_to_get_one() {
    says(
        &bare(),
        "account show",
        expect![[r#"
        --- stdout
        no account at https://127.0.0.1:1/directory is kept here; the first order makes
        one, or `mailcert account register`
        --- exit 1
    "#]],
    );
    for action in ["rollover", "contacts"] {
        let ran = bare().run(&format!("account {action} --json"));
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
        assert!(ran.stderr.contains("`mailcert account register` makes one"), "{ran:?}");
    }
    says(
        &bare(),
        "account rollover",
        expect![[r#"
        --- stderr
        error: rollover: no account at https://127.0.0.1:1/directory is kept here
          = help: `mailcert account register` makes one, and so does the first order
        --- exit 1
    "#]],
    );
    says(
        &bare(),
        "account deactivate --yes",
        expect![[r#"
        --- stderr
        error: deactivate: no account at https://127.0.0.1:1/directory is kept here
          = help: an account whose key is lost cannot be given up
        --- exit 1
    "#]],
    );
    let json = bare().run("account show --json");
    assert_eq!(json.code, 1, "{json:?}");
    expect![[r#"
        {
          "account": null,
          "action": "show",
          "command": "account",
          "contact": null,
          "directory": "https://127.0.0.1:1/directory",
          "file": null,
          "findings": [],
          "is_rolling": false,
          "said": null,
          "schema": 1,
          "standing": null
        }
    "#]]
    .assert_eq(&json.pretty());
}

#[test]
fn where_the_ca_cannot_be_asked_the_account_stays_and_its_key_is_not_shown() {
    let (case, key) = kept();
    says(
        &case,
        "account show",
        expect![[r#"
        --- stdout
        account   https://127.0.0.1:1/account/7
        key in    {dir}/state/accounts/127.0.0.11-4ef931892a6131ac.json
        the CA    could not be asked
                  the CA at https://127.0.0.1:1/directory cannot be asked: cannot
                  connect to 127.0.0.1:1: Connection refused (os error 111): either its
                  operator has to bring it back, or whoever keeps the firewall has to
                  let this machine reach it; `mailcert run` tries again by itself
        --- exit 1
    "#]],
    );
    let account = || std::fs::read_to_string(case.path(FILE)).unwrap();
    let before = account();
    for action in ["show -vv", "register", "contacts -vv", "deactivate --yes -vv"] {
        let ran = case.run(&format!("account {action}"));
        assert_eq!(ran.code, 1, "{action}: {ran:?}");
        assert_eq!(account(), before, "{action}");
        assert!(!format!("{ran:?}").contains(&key), "{action}: {ran:?}");
    }
    case.run("account contacts").is(expect![[r#"
        --- stderr
        error: contacts did not work: the CA at https://127.0.0.1:1/directory cannot be
        asked: cannot connect to 127.0.0.1:1: Connection refused (os error 111): either
        its operator has to bring it back, or whoever keeps the firewall has to let this
        machine reach it; `mailcert run` tries again by itself
        --- exit 1
    "#]]);
    // Both keys are kept until somebody knows which of them the CA takes.
    let ran = case.run("account rollover -vv");
    assert_eq!(ran.code, 1, "{ran:?}");
    let both: serde_json::Value = serde_json::from_str(&account()).unwrap();
    let next = both["next_key_pkcs8"].as_str().unwrap();
    assert_eq!(both["key_pkcs8"], key.as_str());
    assert!(!format!("{ran:?}").contains(next), "{ran:?}");
    let shown = case.run("account show --json");
    assert_eq!(shown.json()["is_rolling"], true, "{shown:?}");
    assert!(!shown.stdout.contains(next) && !shown.stdout.contains(&key), "{shown:?}");
}

#[test]
fn a_damaged_account_is_named_with_its_file() {
    let case = holding(bare(), "{\"id\":\"https://127.0.0.1:1/account/7\"");
    says(
        &case,
        "account show",
        expect![[r#"
            --- stderr
            error: the kept account for https://127.0.0.1:1/directory is damaged: no JSON at
            line 1, column 37
              = help: put {dir}/state/accounts/127.0.0.11-4ef931892a6131ac.json
                      back from a backup; without that file, the next order makes one
            --- exit 1
        "#]],
    );
}

/// A key alone in the file, as a string or where the account should be: it is not repeated.
#[test]
fn nothing_that_is_in_a_damaged_account_is_shown() {
    for text in ["\"MIGHsecret\"", "{\"id\":[\"MIGHsecret\"]}", "{\"MIGHsecret\":1}", "MIGHsecret"]
    {
        for command in ["account show", "account rollover", "account deactivate --yes"] {
            let ran = holding(bare(), text).run(&format!("{command} --json -vv"));
            assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{text}: {ran:?}");
            assert!(ran.stderr.contains("is damaged: no "), "{text}: {ran:?}");
            assert!(!ran.stderr.contains("MIGH"), "{text}: {ran:?}");
        }
    }
}

#[test]
fn without_a_terminal_nobody_is_asked_and_the_account_stays() {
    let (case, _) = kept();
    says(
        &case,
        "account deactivate",
        expect![[r#"
        --- stderr
        error: the account is not deactivated: there is no terminal to ask on
          = help: `mailcert account deactivate --yes` gives it up without asking
        --- exit 1
    "#]],
    );
    let before = case.tree();
    for answer in ["n\n", "\n"] {
        let said = on_a_terminal(&case, "account deactivate", &[answer]);
        let question = "Give up the account at https://127.0.0.1:1/directory for good? [y/N] ";
        assert!(said.starts_with(question), "{said}");
        assert!(said.contains("the account is not deactivated: the answer was no"), "{said}");
        assert_eq!(case.tree(), before, "{said}");
    }
}

#[test]
fn while_another_mailcert_is_at_work_only_show_goes_on() {
    let (case, _) = kept();
    let case = case.file("state/lock", "");
    let lock = std::fs::File::open(case.path("state/lock")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    for (action, code) in [("show", 1), ("register", 5), ("rollover", 5), ("contacts", 5)] {
        let ran = case.run(&format!("account {action}"));
        assert_eq!(ran.code, code, "{action}: {ran:?}");
    }
    assert_eq!(case.run("account deactivate --yes").code, 5);
}

#[test]
fn the_key_of_an_external_account_is_for_its_owner_alone() {
    let eab = "eab = { key-id = \"kid-1\", hmac-key-file = \"{dir}/eab.key\" }";
    let config = format!(
        "[acme]\ndirectory = \"https://127.0.0.1:1/directory\"\nagree-to-terms = true\n{eab}\n\
         [dns]\nservers = [\"{{dns}}\"]\n[state]\ndirectory = \"{{dir}}/state\"\n\
         [[domain]]\nname = \"example.org\"\n"
    );
    let case = Case::new().file("eab.key", "c3dvcmRmaXNoLTE\n").mode("eab.key", 0o640);
    let case = case.whole_config(&config);
    says(
        &case,
        "account register",
        expect![[r#"
        --- stderr
        error: {dir}/eab.key can be read by its group (mode 0640), expected
        its owner only, since it holds a secret; try
        `chmod 0600 {dir}/eab.key`, and have the secret changed
        --- exit 2
    "#]],
    );
    let case = case.mode("eab.key", 0o600);
    let ran = case.run("account register -vv");
    assert!(ran.code == 1 && ran.stderr.contains("cannot be asked"), "{ran:?}");
    assert!(!format!("{ran:?}").contains("c3dvcmRmaXNo"), "{ran:?}");
}
