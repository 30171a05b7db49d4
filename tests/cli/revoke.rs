//! `revoke` called wrongly: what is said, and that nothing is written.

use expect_test::{Expect, expect};

use crate::case::Case;
use crate::fix::{on_a_terminal, pem_of};
use crate::mail::Ca;

/// A store with two versions of example.org and one of example.net, and a CA that cannot be
/// reached.
fn held() -> Case {
    let config = "[[domain]]\nname = \"example.org\"\n[[domain]]\nname = \"example.net\"\n\
                  [verify]\nroots = \"{dir}/ca.pem\"\n";
    store(Case::new().config(config))
}

pub(crate) fn store(case: Case) -> Case {
    let ca = Ca::new();
    let case = case.file("ca.pem", &ca.pem());
    [("example.org", 1), ("example.org", 4), ("example.net", 1)]
        .into_iter()
        .fold(case, |case, (name, version)| holding(case, &ca, name, version))
}

/// The same with this version, too, for the host `mx` of that name.
fn holding(case: Case, ca: &Ca, name: &str, version: u32) -> Case {
    let (chain, key) = ca.issue(&[&format!("mx.{name}")], 80);
    let place = format!("state/certificates/{name}/{version}");
    case.file(&format!("{place}/chain.pem"), &pem_of(&chain[0]))
        .file(&format!("{place}/key.pem"), &key.serialize_pem())
        .mode(&format!("{place}/key.pem"), 0o600)
        .mode("state", 0o700)
}

/// What is said, while nothing is written.
pub(crate) fn says(case: &Case, arguments: &str, expected: Expect) {
    let before = case.tree();
    let ran = case.run(arguments);
    ran.is(expected);
    assert_eq!(case.tree(), before, "{arguments} wrote");
    let json = case.run(&format!("{arguments} --json"));
    assert_eq!((json.code, json.stdout.as_str()), (ran.code, ""), "{json:?}");
    assert_eq!(case.tree(), before, "{arguments} --json wrote");
}

#[test]
fn a_name_that_is_not_held_is_answered_with_the_nearest_or_with_the_one_that_covers_it() {
    says(
        &held(),
        "revoke exmaple.org --yes",
        expect![[r#"
        --- stderr
        error: exmaple.org is not held; expected one of: example.net, example.org
          = help: did you mean `example.org`? `mailcert status` lists them
        --- exit 2
    "#]],
    );
    says(
        &held(),
        "revoke mx.example.net --yes",
        expect![[r#"
        --- stderr
        error: mx.example.net is not held; expected one of: example.net, example.org
          = help: mx.example.net is on the certificate `example.net`; `mailcert status`
                  lists them
        --- exit 2
    "#]],
    );
    says(
        &held(),
        "revoke elsewhere.invalid --yes",
        expect![[r#"
        --- stderr
        error: elsewhere.invalid is not held; expected one of: example.net, example.org
          = help: `mailcert status` lists them
        --- exit 2
    "#]],
    );
    says(
        &held(),
        "revoke --yes",
        expect![[r#"
        --- stderr
        error: the following required arguments were not provided:
          <NAME|FILE>
          = help: `mailcert status` lists the names

        Usage: mailcert revoke --yes <NAME|FILE>

        For more information, try '--help'.
        --- exit 2
    "#]],
    );
    let names = ["a", "b", "c", "d", "e", "f", "g"].map(|label| format!("{label}.example.com"));
    let many = names.iter().fold(held(), |case, name| holding(case, &Ca::new(), name, 1));
    says(
        &many,
        "revoke example.net-2 --yes",
        expect![[r#"
        --- stderr
        error: example.net-2 is not held; expected one of: a.example.com, b.example.com,
        c.example.com, d.example.com, e.example.com and 4 more
          = help: did you mean `example.net`? `mailcert status` lists them
        --- exit 2
    "#]],
    );
}

#[test]
fn a_version_that_is_not_held_is_answered_with_those_that_are() {
    says(
        &held(),
        "revoke example.org --version 2 --yes",
        expect![[r#"
        --- stderr
        error: version 2 of example.org is not held; expected one of: 1, 4
          = help: the servers show 4: `mailcert revoke example.org --version 4` replaces
                  it
        --- exit 2
    "#]],
    );
    says(
        &held(),
        "revoke example.org --version two --yes",
        expect![[r#"
        --- stderr
        error: invalid value 'two' for '--version <N>': expected a number, such as 3

        For more information, try '--help'.
        --- exit 2
    "#]],
    );
    says(
        &held(),
        "revoke example.org --version --yes",
        expect![[r#"
        --- stderr
        error: a value is required for '--version <N>' but none was supplied

        For more information, try '--help'.
        --- exit 2
    "#]],
    );
}

#[test]
fn a_reason_has_to_be_one_that_a_subscriber_may_give_and_to_fit_what_is_shown() {
    says(
        &held(),
        "revoke example.org --reason stolen --yes",
        expect![[r#"
        --- stderr
        error: invalid value 'stolen' for '--reason <REASON>'
        [possible values: unspecified, keyCompromise, superseded, cessationOfOperation]

        For more information, try '--help'.
        --- exit 2
    "#]],
    );
    says(
        &held(),
        "revoke example.org --reason keycompromize --yes",
        expect![[r#"
        --- stderr
        error: invalid value 'keycompromize' for '--reason <REASON>'
        [possible values: unspecified, keyCompromise, superseded, cessationOfOperation]

          tip: a similar value exists: 'keyCompromise'

        For more information, try '--help'.
        --- exit 2
    "#]],
    );
    says(
        &held(),
        "revoke example.org --reason superseded --yes",
        expect![[r#"
        --- stderr
        error: version 4 of example.org is what the servers show: another one has to
        take its place before it is revoked as superseded
          = help: `mailcert revoke example.org --version 4` (keyCompromise) shows one
                  with a new key first
        --- exit 1
    "#]],
    );
    says(
        &held(),
        "revoke example.org --with mine --yes",
        expect![[r#"
        --- stderr
        error: invalid value 'mine' for '--with <KEY>'
          [possible values: account, certificate]

        For more information, try '--help'.
        --- exit 2
    "#]],
    );
}

#[test]
fn without_a_terminal_nobody_is_asked_and_nothing_is_revoked() {
    says(
        &held(),
        "revoke example.org",
        expect![[r#"
        --- stderr
        error: version 4 of example.org is not revoked: there is no terminal to ask on
          = help: `mailcert revoke example.org --version 4 --yes` revokes it without
                  asking
        --- exit 1
    "#]],
    );
    says(
        &held(),
        "revoke example.org --version 1",
        expect![[r#"
        --- stderr
        error: version 1 of example.org is not revoked: there is no terminal to ask on
          = help: `mailcert revoke example.org --version 1 --yes` revokes it without
                  asking
        --- exit 1
    "#]],
    );
    let case = held();
    let before = case.tree();
    for answer in ["n\n", "\n"] {
        let said = on_a_terminal(&case, "revoke example.org --version 1", &[answer]);
        let question = "Revoke version 1 of example.org (keyCompromise)? [y/N] ";
        assert!(said.starts_with(question), "{said}");
        assert!(said.contains("of example.org is not revoked: the answer was no"), "{said}");
        let said = on_a_terminal(&case, "revoke example.org", &[answer]);
        let question = "Order another one with a new key, show it, and then revoke version 4 of \
                        example.org (keyCompromise)? [y/N] ";
        assert!(said.starts_with(question), "{said}");
        assert_eq!(case.tree(), before, "{said}");
    }
}

#[test]
fn without_an_account_and_terms_it_says_what_is_missing() {
    let bare = "[dns]\nservers = [\"{dns}\"]\n[state]\ndirectory = \"{dir}/state\"\n\
                [verify]\nroots = \"{dir}/ca.pem\"\n";
    let case = store(Case::new().whole_config(bare));
    says(
        &case,
        "revoke example.org --yes",
        expect![[r#"
        --- stderr
        warning: {dir}/mailcert.toml:1:1: there is no `[[domain]]`: nothing is looked after
          |
          = help: add `[[domain]]` and below it `name = "example.org"`
        error: version 4 of example.org is what the servers show: another one has to
        take its place, and none can be ordered: no CA's terms are agreed to
          = help: add `[acme]` and below it `agree-to-terms = true`
        --- exit 2
    "#]],
    );
    says(
        &case,
        "revoke example.org --version 1 --with account --yes",
        expect![[r#"
        --- stderr
        warning: {dir}/mailcert.toml:1:1: there is no `[[domain]]`: nothing is looked after
          |
          = help: add `[[domain]]` and below it `name = "example.org"`
        error: version 1 of example.org is not revoked: no account for
        https://acme-v02.api.letsencrypt.org/directory is kept
          = help: --with certificate signs with the certificate's own key
        --- exit 1
    "#]],
    );
    let case =
        store(Case::new().whole_config(&format!("[[domain]]\nname = \"example.org\"\n{bare}")));
    says(
        &case,
        "revoke example.org --yes",
        expect![[r#"
        --- stderr
        error: {dir}/mailcert.toml:1:1: `agree-to-terms` is missing: no CA issues without it
          |
          = help: add `[acme]` and below it `agree-to-terms = true`
        --- exit 2
    "#]],
    );
}

/// Nobody asks for another one, or somebody else has to make it: nothing is begun then.
#[test]
fn what_is_shown_and_cannot_be_replaced_is_left_alone() {
    let gone = "[machine]\naddresses = [\"127.0.33.7\"]\n[verify]\nroots = \"{dir}/ca.pem\"\n\
                [[domain]]\nname = \"example.net\"\n";
    let case = store(Case::new().config(gone));
    says(
        &case,
        "revoke example.org --yes",
        expect![[r#"
        --- stderr
        error: version 4 of example.org is what the servers show: another one has to
        take its place, and no `[[domain]]` asks for one for example.org
          = help: add `[[domain]]` and below it `name = "example.org"`, for the time
                  being
        --- exit 2
    "#]],
    );
    // That a host lies in no domain of the configuration is no matter where one of them names it.
    let case = case.zone("example.net MX 10 mx.example.org\nmx.example.org A 127.0.33.7");
    says(
        &case,
        "revoke example.org",
        expect![[r#"
        --- stderr
        error: version 4 of example.org is not revoked: there is no terminal to ask on
          = help: `mailcert revoke example.org --version 4 --yes` revokes it without
                  asking
        --- exit 1
    "#]],
    );
    let ca = Ca::new();
    let case = holding(held().file("ca.pem", &ca.pem()), &ca, "example.org.certbot", 2);
    says(
        &case,
        "revoke example.org.certbot --yes",
        expect![[r#"
        --- stderr
        error: version 2 of example.org.certbot is what the servers show: another one
        has to take its place, and certbot has to make that, with a new key
          = help: `mailcert run` shows it then, and
                  `mailcert revoke example.org.certbot --version 2` revokes this one
        --- exit 1
    "#]],
    );
}

#[test]
fn an_empty_state_holds_nothing_to_revoke() {
    let case = Case::new().config("[[domain]]\nname = \"example.org\"\n");
    says(
        &case,
        "revoke example.org --yes",
        expect![[r#"
        --- stderr
        error: example.org is not held; no other is either
          = help: `mailcert fix` brings the first ones
        --- exit 2
    "#]],
    );
    let case = case.file("state/.keep", "").mode("state", 0o700);
    std::fs::remove_file(case.path("state/.keep")).unwrap();
    says(
        &case,
        "revoke example.org --yes",
        expect![[r#"
        --- stderr
        error: example.org is not held; no other is either
          = help: `mailcert fix` brings the first ones
        --- exit 2
    "#]],
    );
}
