//! A profile that the CA does not offer is named before anything is ordered.

use expect_test::expect;

use crate::case::Case;

/// A CA whose directory an earlier run saw, and a host that no certificate covers.
fn case(profile: &str, offered: &str) -> Case {
    let diary = format!(
        "{{\"schema\":1,\"folded\":0}}\n{{\"directory\":{{\"url\":\"https://127.0.0.1:1/directory\",\
         \"at\":\"2026-01-01T00:00:00Z\",\"body\":\"{{\\\"newNonce\\\":\\\"n\\\",\\\"newAccount\\\":\\\"a\\\",\
         \\\"newOrder\\\":\\\"o\\\",\\\"meta\\\":{{\\\"profiles\\\":{{{offered}}}}}}}\"}}}}\n"
    );
    let config = "[machine]\naddresses = [\"127.0.33.9\"]\n[[files]]\nname = \"app\"\n\
                  combined = \"{dir}/app/all.pem\"\nfiles-only = true\n[[domain]]\nname = \"example.org\"\n";
    let acme = "[acme]\ndirectory = \"https://127.0.0.1:1/directory\"\nagree-to-terms = true\n\
                PROFILE[dns]\nservers = [\"{dns}\"]\n[state]\ndirectory = \"{dir}/state\"\n";
    Case::new()
        .whole_config(&(acme.replace("PROFILE", profile) + config))
        .zone("example.org MX 10 mx.example.org\nmx.example.org A 127.0.33.9")
        .file("state/diary.jsonl", &diary)
        .mode("state", 0o700)
}

const OFFERED: &str = "\\\"classic\\\":\\\"\\\",\\\"shortlived\\\":\\\"\\\"";

#[test]
fn plan_and_check_name_it_with_those_that_are_offered() {
    let misspelt = case("profile = \"shortlife\"\n", OFFERED);
    misspelt.run("plan").is(expect![[r#"
        --- stdout
        2 steps:
         1. issue example.org for mx.example.org
            because no certificate covers mx.example.org
            by http-01, since no [challenge] is configured
         2. install example.org on files:app
            because it follows from step 1

        FAIL order-failed: https://127.0.0.1:1/directory
          the CA offers no profile "shortlife" (did you mean "shortlived"?); it offers
          classic, shortlived (profile in [acme]); so its directory of
          TIME says
        --- exit 3
    "#]]);
    misspelt.run("check").is(expect![[r#"
        --- stdout
        the configuration can be read
        files:app: is not asked, that it reads the files is up to you
          files    {dir}/app

        FAIL order-failed: https://127.0.0.1:1/directory
          the CA offers no profile "shortlife" (did you mean "shortlived"?); it offers
          classic, shortlived (profile in [acme]); so its directory of
          TIME says
        --- exit 1
    "#]]);
    let none = case("profile = \"shortlived\"\n", "");
    none.run("check").is(expect![[r#"
        --- stdout
        the configuration can be read
        files:app: is not asked, that it reads the files is up to you
          files    {dir}/app

        FAIL order-failed: https://127.0.0.1:1/directory
          the CA offers no profiles; remove profile = "shortlived" from [acme]; so its
          directory of TIME says
        --- exit 1
    "#]]);
}

#[test]
fn one_that_is_offered_or_not_wanted_is_not_spoken_of() {
    for profile in ["profile = \"shortlived\"\n", ""] {
        let case = case(profile, OFFERED);
        for command in ["plan --json", "check --json"] {
            let said = case.run(command);
            assert!(!said.stdout.contains("profile"), "{profile}: {said:?}");
            assert_ne!(said.code, 2, "{said:?}");
        }
    }
}
