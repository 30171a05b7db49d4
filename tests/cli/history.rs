//! `history`: what was done, when and why.

use expect_test::expect;

use crate::plan::world;

#[test]
fn before_anything_was_done_it_says_so_and_writes_nothing() {
    let case = world();
    case.run("history").is(expect![[r#"
        --- stdout
        nothing was done yet
        --- exit 0
    "#]]);
    case.run("history mx1.example.org").is(expect![[r#"
        --- stderr
        error: nothing is known of mx1.example.org; expected a host name, a certificate,
        a server or `account`
          = help: `mailcert status` lists the certificates, `mailcert history` what was
                  done
        --- exit 1
    "#]]);
    assert!(!case.path("state").exists());
}

#[test]
fn a_failed_order_is_told_with_its_reason_and_found_by_host_and_certificate() {
    let case = world();
    assert_eq!(case.run("run").code, 1);
    for name in ["", " example.org", " mx1.example.org"] {
        let said = case.run(&format!("history{name} --json"));
        assert_eq!(said.code, 0, "{name}: {}", said.stderr);
        let said: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
        let deeds = said["deeds"].as_array().unwrap();
        assert_eq!(deeds.len(), 1, "{name}: {said}");
        let (what, why) = (&deeds[0]["what"], &deeds[0]["because"]);
        assert_eq!(what, "issue example.org for mx1.example.org and mx2.example.org");
        assert_eq!(why, "no certificate covers mx1.example.org and mx2.example.org");
        assert!(deeds[0]["error"].as_str().is_some_and(|error| !error.is_empty()), "{said}");
    }
    // What was not tried is no deed, and neither is a run that only waits.
    assert_eq!(case.run("run").code, 1);
    let said = case.run("history -n 1 --json").stdout;
    assert!(said.contains("\"left_out\":0"), "{said}");
    case.run("history mx9.example.org").is(expect![[r#"
        --- stderr
        error: nothing is known of mx9.example.org; expected a host name, a certificate,
        a server or `account`
          = help: `mailcert status` lists the certificates, `mailcert history` what was
                  done
        --- exit 1
    "#]]);
}
