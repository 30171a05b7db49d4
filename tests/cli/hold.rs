//! `hold` and `release`: a certificate stays as it is, and everybody says so.

use expect_test::expect;

use crate::case::Case;
use crate::fix::pem_of;
use crate::mail::Ca;
use crate::revoke::says;

/// A certificate that ends in five days, with one before it.
fn due() -> Case {
    let config = "[[domain]]\nname = \"example.org\"\nhosts = [\"mx.example.org\"]\n\
                  [machine]\naddresses = [\"127.0.33.12\"]\n\
                  [verify]\nroots = \"{dir}/ca.pem\"\n[[files]]\ncombined = \"{dir}/{name}.pem\"\n";
    let ca = Ca::new();
    let case =
        Case::new().zone("mx.example.org A 127.0.33.12").config(config).file("ca.pem", &ca.pem());
    [1, 4].into_iter().fold(case, |case, version| {
        let (chain, key) = ca.issue(&["mx.example.org"], 5);
        let place = format!("state/certificates/example.org/{version}");
        case.file(&format!("{place}/chain.pem"), &pem_of(&chain[0]))
            .file(&format!("{place}/key.pem"), &key.serialize_pem())
            .mode(&format!("{place}/key.pem"), 0o600)
            .mode("state", 0o700)
    })
}

#[test]
fn what_is_on_hold_is_not_ordered_until_it_is_released_and_everybody_says_so() {
    let case = due();
    let orders = || case.run("plan").stdout.contains("issue example.org");
    assert!(orders());
    case.run("hold example.org --why audit").is(expect![[r#"
        --- stdout
        example.org stays as it is from now on, and ends on its day; it is free again
        after `mailcert release example.org`
        --- exit 0
    "#]]);
    case.run("hold example.org").is(expect![[r#"
        --- stdout
        example.org is on hold since TIME (audit) already
        --- exit 0
    "#]]);
    assert!(!orders());
    case.run("plan").is(expect![[r#"
        --- stdout
        1 step:
         1. install example.org version 4 on files
            because it is not there

        warn no-mx: example.org
          example.org has neither an MX record nor an address, so no mail reaches it;
          publish an MX record that names the mail host, or the null MX 0 . if it takes
          no mail

        warn on-hold: example.org
          it is due, and ends at TIME, and it is on hold since
          TIME (audit); `mailcert release example.org` ends that
        --- stderr
         INFO no renewal information: the CA at https://127.0.0.1:1/directory cannot be asked: cannot connect to 127.0.0.1:1: Connection refused (os error 111): either its operator has to bring it back, or whoever keeps the firewall has to let this machine reach it; `mailcert run` tries again by itself certificate=example.org
        --- exit 3
    "#]]);
    case.run("status").is(expect![[r#"
        --- stdout
        example.org  version 4, ecdsa-p256
          names    mx.example.org
          ends     TIME, on hold since TIME (audit):
          `mailcert release example.org`
          shown    not seen on any server yet
        --- exit 3
    "#]]);
    let status = case.run("status --json").json();
    assert_eq!(status["certificates"][0]["on_hold"]["why"], "audit", "{status}");
    let ran = case.run("run --json").json();
    let steps = ran["steps"].as_array().unwrap();
    assert!(steps.iter().all(|step| step["action"] != "issue"), "{ran}");
    assert!(steps.iter().any(|step| step["action"] == "install"), "its files are: {ran}");
    let found = ran["findings"].as_array().unwrap().iter().find(|one| one["code"] == "on-hold");
    assert_eq!(found.unwrap()["level"], "warn", "{ran}");

    case.run("release example.org").is(expect![[r#"
        --- stdout
        example.org is released: `mailcert run` does what has become due
        --- exit 0
    "#]]);
    case.run("release example.org").is(expect![[r#"
        --- stdout
        example.org is not on hold
        --- exit 0
    "#]]);
    assert!(orders());
    let told = case.run("history example.org").stdout;
    assert!(told.contains("put example.org on hold") && told.contains("audit"), "{told}");
    assert!(told.contains("released example.org"), "{told}");
    let status = case.run("status --json").json();
    assert_eq!(status["certificates"][0]["on_hold"], serde_json::Value::Null, "{status}");
}

#[test]
fn nobody_replaces_by_hand_what_is_on_hold_without_releasing_it() {
    let case = due();
    assert_eq!(case.run("hold example.org").code, 0);
    says(
        &case,
        "rollback example.org",
        expect![[r#"
        --- stderr
        error: example.org is on hold since TIME: it stays as it is
          = help: `mailcert release example.org` ends that
        --- exit 2
    "#]],
    );
    for command in ["run --new-key example.org", "revoke example.org --version 4 --yes"] {
        let ran = case.run(command);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{command}: {ran:?}");
        assert!(ran.stderr.contains("is on hold since TIME"), "{command}: {ran:?}");
        assert!(ran.stderr.contains("mailcert release example.org"), "{command}: {ran:?}");
    }
}

#[test]
fn what_is_not_held_cannot_be_put_on_hold() {
    let case = due();
    let said = case.run("hold example.org --json").json();
    assert!(said["text"].as_str().unwrap().starts_with("example.org stays"), "{said}");
    let ran = [case.run("hold exmaple.org"), case.run("release exmaple.org")];
    for ran in ran {
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran:?}");
        assert!(ran.stderr.contains("did you mean `example.org`?"), "{ran:?}");
    }
    let case = Case::new().config("[[domain]]\nname = \"example.org\"\n");
    for command in ["hold example.org", "release example.org"] {
        assert_eq!(case.run(command).code, 2);
        assert!(!case.path("state").exists(), "{command} wrote something");
    }
}
