//! `revoke FILE --key KEY.pem` called wrongly: what is said, and that nothing is written.

use expect_test::expect;
use mailcert::model::Mark;

use crate::case::Case;
use crate::fix::{on_a_terminal, pem_of};
use crate::mail::Ca;
use crate::revoke::{says, store};

/// A store with two certificates, and files that are not in it: a pair, a combined file, the key of
/// another certificate, and no key.
fn files() -> Case {
    let config = "[[domain]]\nname = \"example.org\"\n[[domain]]\nname = \"example.net\"\n\
                  [verify]\nroots = \"{dir}/ca.pem\"\n";
    let case = store(Case::new().config(config));
    let ca = Ca::new();
    let (chain, key) = ca.issue(&["mx.example.com", "*.example.com"], 80);
    let (_, other) = ca.issue(&["mx.example.com"], 80);
    let (leaf, key) = (pem_of(&chain[0]), key.serialize_pem());
    case.file("old.pem", &leaf)
        .file("old.key", &key)
        .mode("old.key", 0o600)
        .file("combined.pem", &format!("{key}{leaf}"))
        .mode("combined.pem", 0o600)
        .file("behind.pem", &format!("{}{leaf}", ca.pem()))
        .file("other.key", &other.serialize_pem())
        .file("none.key", "nothing\n")
}

#[test]
fn a_key_has_to_be_there_and_to_be_the_certificates_own() {
    let case = files();
    for (arguments, expected) in [
        (
            "revoke {dir}/old.pem --yes",
            expect![[r#"
            --- stderr
            error: {dir}/old.pem: which key signs? There is none in it
              = help: add the certificate's own:
                      `mailcert revoke {dir}/old.pem --key KEY.pem`
            --- exit 2
        "#]],
        ),
        (
            "revoke {dir}/old.pem --key {dir}/other.key --yes",
            expect![[r#"
            --- stderr
            error: {dir}/other.key: a key of none of the certificates; expected
            the private key of the first certificate in {dir}/old.pem
            --- exit 2
        "#]],
        ),
        (
            "revoke {dir}/behind.pem --key {dir}/old.key --yes",
            expect![[r#"
            --- stderr
            error: {dir}/old.key: the key of certificate 2 of the file; expected
            the private key of the first certificate in {dir}/behind.pem
            --- exit 2
        "#]],
        ),
        (
            "revoke {dir}/old.pem --key {dir}/none.key --yes",
            expect![[r#"
            --- stderr
            error: {dir}/none.key: no PEM block in it; expected BEGIN PRIVATE KEY
            --- exit 2
        "#]],
        ),
        (
            "revoke {dir}/old.pem --key {dir}/old.pem --yes",
            expect![[r#"
            --- stderr
            error: {dir}/old.pem: which key signs? There is none in it
              = help: add the certificate's own:
                      `mailcert revoke {dir}/old.pem --key KEY.pem`
            --- exit 2
        "#]],
        ),
        (
            "revoke {dir}/gone.pem --key {dir}/old.key --yes",
            expect![[r#"
            --- stderr
            error: {dir}/gone.pem: No such file or directory
              = help: name a PEM file that you may read, such as fullchain.pem
            --- exit 2
        "#]],
        ),
        (
            "revoke {dir}/old.key --key {dir}/old.key --yes",
            expect![[r#"
            --- stderr
            error: {dir}/old.key: no certificate in it; expected at least one
            BEGIN CERTIFICATE block
              = help: name the chain, such as fullchain.pem; the key goes to `--key`
            --- exit 2
        "#]],
        ),
    ] {
        says(&case, arguments, expected);
    }
}

#[test]
fn what_is_held_is_revoked_by_its_name() {
    let case = files();
    let place = "{dir}/state/certificates/example.org";
    for (arguments, expected) in [
        (
            format!("revoke {place}/4/chain.pem --key {place}/4/key.pem --yes"),
            expect![[r#"
            --- stderr
            error: {dir}/state/certificates/example.org/4/chain.pem is version 4
            of example.org, which is held
              = help: `mailcert revoke example.org --version 4` replaces that where it is
                      shown and then revokes it
            --- exit 1
        "#]],
        ),
        (
            "revoke example.org --key {dir}/old.key --yes".to_owned(),
            expect![[r#"
            --- stderr
            error: --key is for a file, and example.org is a certificate that is held
              = help: a file has a slash: `mailcert revoke ./example.org --key KEY.pem`
            --- exit 2
        "#]],
        ),
        (
            "revoke example.org --ca letsencrypt --yes".to_owned(),
            expect![[r#"
            --- stderr
            error: --ca is for a file, and example.org is a certificate that is held
              = help: a file has a slash: `mailcert revoke ./example.org --key KEY.pem`
            --- exit 2
        "#]],
        ),
        (
            "revoke old_pem --key {dir}/old.key --yes".to_owned(),
            expect![[r#"
            --- stderr
            error: invalid value 'old_pem' for '<NAME|FILE>': "old_pem" is no certificate
            name; expected a domain such as example.org or example.org-2; a file has a
            slash, such as ./old_pem

            For more information, try '--help'.
            --- exit 2
        "#]],
        ),
        (
            "revoke {dir}/old.pem --key {dir}/old.key --version 1 --yes".to_owned(),
            expect![[r#"
            --- stderr
            error: --version is for a certificate that is held, and {dir}/old.pem
            is a file
              = help: `mailcert status` lists those that are held
            --- exit 2
        "#]],
        ),
        (
            "revoke {dir}/old.pem --key {dir}/old.key --with account".to_owned(),
            expect![[r#"
            --- stderr
            error: --with account is for a certificate that is held:
            {dir}/old.pem is a file
              = help: a file is revoked with its own key, by --key
            --- exit 2
        "#]],
        ),
    ] {
        says(&case, &arguments, expected);
    }
}

/// Somebody who holds the key of a file that is not held shares it with one that is.
#[test]
fn a_key_that_is_held_is_not_given_away_with_another_certificate() {
    let ca = Ca::new();
    let case = files();
    let place = "state/certificates/example.org/4/key.pem";
    let held = std::fs::read_to_string(case.path(place)).unwrap();
    let key = rcgen::KeyPair::from_pem(&held).unwrap();
    let again = ca.sign(&["mx.example.com"], 80, &key);
    let case = case.file("same-key.pem", &pem_of(&again));
    says(
        &case,
        &format!("revoke {{dir}}/same-key.pem --key {{dir}}/{place} --yes"),
        expect![[r#"
        --- stderr
        error: {dir}/same-key.pem has the same key as version 4 of
        example.org, which is held
          = help: `mailcert revoke example.org --version 4` replaces that where it is
                  shown and then revokes it
        --- exit 1
    "#]],
    );
}

#[test]
fn a_person_is_asked_and_told_whom_the_ca_is() {
    let case = files();
    says(
        &case,
        "revoke {dir}/old.pem --key {dir}/old.key --reason superseded",
        expect![[r#"
            --- stderr
            which CA issued it is not known (CN=Test Root): https://127.0.0.1:1/directory is asked, `--ca DIRECTORY` names another
            error: {dir}/old.pem is not revoked: there is no terminal to ask on
              = help: `mailcert revoke {dir}/old.pem --reason superseded --key {dir}/old.key --yes`
                      revokes it without asking
            --- exit 1
        "#]],
    );
    says(
        &case,
        "revoke {dir}/old.pem --key {dir}/old.key --ca http://x --yes",
        expect![[r#"
        --- stderr
        error: --ca: the CA's URL is not encrypted; expected letsencrypt,
        letsencrypt-staging or an https URL
        --- exit 2
    "#]],
    );
    let call = format!("revoke {}", case.path("combined.pem").display());
    let said = on_a_terminal(&case, &call, &["n\n"]);
    assert!(said.contains("\nRevoke the certificate in "), "{said}");
    assert!(said.contains(" for mx.example.com, *.example.com (valid to "), "{said}");
    assert!(said.contains(") at https://127.0.0.1:1/directory (keyCompromise)? [y/N] "), "{said}");
    assert!(said.contains("is not revoked: the answer was no"), "{said}");
}

#[test]
fn a_ca_that_cannot_be_asked_is_named_with_the_way_to_name_another() {
    let case = files();
    let ran = case.run("revoke {dir}/old.pem --key {dir}/old.key --yes");
    ran.is(expect![[r#"
        --- stderr
        which CA issued it is not known (CN=Test Root): https://127.0.0.1:1/directory is asked, `--ca DIRECTORY` names another
        error: {dir}/old.pem is not revoked: the CA at
        https://127.0.0.1:1/directory cannot be asked: cannot connect to 127.0.0.1:1:
        Connection refused (os error 111): either its operator has to bring it back, or
        whoever keeps the firewall has to let this machine reach it; `mailcert run`
        tries again by itself
          = help: it was asked of https://127.0.0.1:1/directory; `--ca DIRECTORY` names
                  another CA
        --- exit 1
    "#]]);
    let ran = case.run("revoke {dir}/combined.pem --ca https://127.0.0.1:2/other --yes");
    ran.is(expect![[r#"
        --- stderr
        error: {dir}/combined.pem is not revoked: the CA at
        https://127.0.0.1:2/other cannot be asked: cannot connect to 127.0.0.1:2:
        Connection refused (os error 111): either its operator has to bring it back, or
        whoever keeps the firewall has to let this machine reach it; `mailcert run`
        tries again by itself
          = help: it was asked of https://127.0.0.1:2/other; `--ca DIRECTORY` names
                  another CA
        --- exit 1
    "#]]);
}

/// The fallback's, by what it issued of what is held; a person knows better.
#[test]
fn the_ca_is_known_by_what_it_issued() {
    let (first, further) = ("https://127.0.0.1:1/directory", "https://127.0.0.1:2/directory");
    let config = format!(
        "[[acme.fallback]]\ndirectory = \"{further}\"\nagree-to-terms = true\n\
         [[domain]]\nname = \"example.org\"\n"
    );
    let (ours, strange) = (Ca::called("Further CA"), Ca::called("Strange CA"));
    let mut case = Case::new().config(&config);
    for (name, ca) in [("state/certificates/example.org/1/chain", &ours), ("ours", &ours)] {
        let (chain, key) = ca.issue(&["mx.example.org"], 80);
        let key_file = name.replace("chain", "key") + if name == "ours" { ".key" } else { ".pem" };
        case = case
            .file(&format!("{name}.pem"), &pem_of(&chain[0]))
            .file(&key_file, &key.serialize_pem())
            .mode(&key_file, 0o600);
    }
    let (chain, key) = strange.issue(&["mx.example.org"], 80);
    let issued = |by: &str| {
        let mark = serde_json::to_string(&Mark::of(by)).unwrap();
        let origin = r#"{"origin":{"certificate":"example.org","version":1,"ca":MARK}}"#;
        format!("{{\"schema\":1,\"folded\":0}}\n{}\n", origin.replace("MARK", &mark))
    };
    let strange = format!("{}{}", key.serialize_pem(), pem_of(&chain[0]));
    let mut case =
        case.file("strange.pem", &strange).mode("strange.pem", 0o600).mode("state", 0o700);
    let mut said = String::new();
    for (origin, file) in [
        (further, "ours.pem --key {dir}/ours.key"),
        (first, "ours.pem --key {dir}/ours.key"),
        (further, "ours.pem --key {dir}/ours.key --ca https://127.0.0.1:3/x"),
        // The configuration names its CA no more.
        ("https://gone.test/", "ours.pem --key {dir}/ours.key"),
        (further, "strange.pem"),
    ] {
        case = case.file("state/diary.jsonl", &issued(origin));
        let ran = case.run(&format!("revoke {{dir}}/{file} --yes"));
        assert_eq!(ran.code, 1, "{ran:?}");
        let words = ran.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        let (front, rest) = words.split_once("error: ").unwrap();
        let asked = rest.split_once("it was asked of ").unwrap().1;
        said += &format!("{file}: {front}{}\n", asked.split_once(';').unwrap().0);
    }
    expect![[r#"
        ours.pem --key {dir}/ours.key: https://127.0.0.1:2/directory
        ours.pem --key {dir}/ours.key: https://127.0.0.1:1/directory
        ours.pem --key {dir}/ours.key --ca https://127.0.0.1:3/x: https://127.0.0.1:3/x
        ours.pem --key {dir}/ours.key: which CA issued it is not known (CN=Further CA): https://127.0.0.1:1/directory is asked, `--ca DIRECTORY` names another https://127.0.0.1:1/directory
        strange.pem: which CA issued it is not known (CN=Strange CA): https://127.0.0.1:1/directory is asked, `--ca DIRECTORY` names another https://127.0.0.1:1/directory
    "#]].assert_eq(&said);
}
