//! What is left of a certificate that has ended and that nobody wants: nothing.

use std::fs;

use expect_test::expect;

use crate::case::Case;
use crate::fix::pem_of;
use crate::mail::Ca;

#[test]
fn the_key_that_was_made_ahead_goes_with_the_certificate() {
    let (chain, key) = Ca::new().issue(&["mx.example.org"], -3);
    let place = "state/certificates/example.org/1";
    // Of the one that stays nobody takes anything away.
    let next = ["example.org", "example.net"].map(|name| {
        let hash = if name == "example.org" { "ab".repeat(32) } else { "cd".repeat(32) };
        let note = format!(
            "{{\"rollover\":{{\"next\":{{\"certificate\":\"{name}\",\"next\":{{\"key\":\"{hash}\",\
             \"key_type\":\"ecdsa-p256\",\"made\":\"2026-01-01T00:00:00Z\"}}}}}}}}\n"
        );
        (format!("{name}-{}.pem", &hash[..16]), note)
    });
    let diary = format!("{{\"schema\":1,\"folded\":0}}\n{}{}", next[0].1, next[1].1);
    let mut case = Case::new()
        .config("[[domain]]\nname = \"example.net\"\n")
        .file(&format!("{place}/chain.pem"), &pem_of(&chain[0]))
        .file(&format!("{place}/key.pem"), &key.serialize_pem())
        .mode(&format!("{place}/key.pem"), 0o600)
        .file("state/diary.jsonl", &diary)
        .mode("state", 0o700);
    for (file, _) in &next {
        let file = format!("state/next/{file}");
        case = case.file(&file, &key.serialize_pem()).mode(&file, 0o600);
    }
    let left = |case: &Case| {
        let all = fs::read_dir(case.path("state/next")).unwrap();
        let names = all.map(|one| one.unwrap().file_name().into_string().unwrap());
        names.collect::<Vec<_>>()
    };
    case.run("run").is(expect![[r#"
        --- stdout
        The one step worked.

        unknown no-such-host: example.net
          the mail domain example.net does not exist in the DNS (NXDOMAIN): correct its
          name in the configuration, or register and delegate it

        warn no-server: this machine
          no running mail server listens on an address of these names; name one:
          [[postfix]], [[exim]] or [[dovecot]]
        --- stderr
        1 step
        done     forget example.org version 1
        --- exit 0
    "#]]);
    assert!(!case.path(place).exists());
    assert_eq!(left(&case), [next[1].0.clone()]);
    let diary = fs::read_to_string(case.path("state/diary.jsonl")).unwrap();
    assert!(diary.contains("{\"certificate\":\"example.org\",\"next\":null}"), "{diary}");
}
