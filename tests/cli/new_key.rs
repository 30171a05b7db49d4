//! `run --new-key` called wrongly: what is said, and that nothing is written.

use expect_test::{Expect, expect};

use crate::case::Case;
use crate::revoke::store;

fn says(case: &Case, arguments: &str, expected: Expect) {
    let before = case.tree();
    case.run(arguments).is(expected);
    assert_eq!(case.tree(), before, "{arguments} wrote");
}

const EXAMPLE: &str = "[[domain]]\nname = \"example.org\"\n[[domain]]\nname = \"example.net\"\n\
                       [verify]\nroots = \"{dir}/ca.pem\"\n";

#[test]
fn a_name_that_is_not_held_is_answered_with_the_nearest() {
    let case = store(Case::new().config(EXAMPLE));
    says(
        &case,
        "run --new-key exmaple.org",
        expect![[r#"
        --- stderr
        error: exmaple.org is not held; expected one of: example.net, example.org
          = help: did you mean `example.org`? `mailcert status` lists them
        --- exit 2
    "#]],
    );
    // One that is right does not make up for it.
    says(
        &case,
        "run --new-key example.net --new-key mx.example.org",
        expect![[r#"
        --- stderr
        error: mx.example.org is not held; expected one of: example.net, example.org
          = help: mx.example.org is on the certificate `example.org`; `mailcert status`
                  lists them
        --- exit 2
    "#]],
    );
    says(
        &case,
        "run --new-key ../example.org",
        expect![[r#"
        --- stderr
        error: invalid value '../example.org' for '--new-key <NAME>': "../example.org"
        is no certificate name; expected a domain such as example.org or example.org-2

        For more information, try '--help'.
        --- exit 2
    "#]],
    );
}

#[test]
fn a_key_that_nothing_would_order_is_refused_with_what_is_missing() {
    let case =
        store(Case::new().config(
            "[[domain]]\nname = \"elsewhere.example\"\n[verify]\nroots = \"{dir}/ca.pem\"\n",
        ));
    says(
        &case.zone(""),
        "run --new-key example.org",
        expect![[r#"
        --- stderr
        error: example.org gets no new key: no `[[domain]]` asks for one for example.org
          = help: add `[[domain]]` and below it `name = "example.org"`, for the time
                  being
        --- exit 2
    "#]],
    );
    let config = "[state]\ndirectory = \"{dir}/state\"\n[source.files]\npaths = [\"{dir}/none\"]\n\
                  [[domain]]\nname = \"example.org\"\n";
    says(
        &store(Case::new().whole_config(config)),
        "run --new-key example.org",
        expect![[r#"
        --- stderr
        error: example.org gets no new key: none can be ordered: no CA's terms are
        agreed to
          = help: add `[acme]` and below it `agree-to-terms = true`
        --- exit 2
    "#]],
    );
}

#[test]
fn the_plan_says_that_a_person_asked_for_it() {
    let zone = "example.org MX 10 mx.example.org\nmx.example.org A 192.0.2.7\n\
                example.net MX 10 mx.example.net\nmx.example.net A 192.0.2.7\n";
    let config = format!("{EXAMPLE}[machine]\naddresses = [\"192.0.2.7\"]\n");
    let case = store(Case::new().config(&config).zone(zone));
    let ran = case.run("run --dry-run --new-key example.org");
    let order = "issue example.org for mx.example.org because a new key was asked for";
    let said = ran.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains(order) && !said.contains("issue example.net"), "{ran:?}");
}
