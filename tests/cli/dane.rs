//! A held certificate whose key TLSA records pin: what `plan`, `run` and `status` say of it.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use expect_test::expect;
use mailcert::model::{Sha256, Timestamp};

use crate::case::{Case, Ran};
use crate::fix::pem_of;
use crate::mail::{Ca, Mail};

const OWNER: &str = "_25._tcp.mx.example.org";

/// The record of a key stands since long.
const STANDS: &str = r#"{"rollover":{"announced":{"owner":"_25._tcp.mx.example.org","key":"KEY1","announced":{"since":"2026-01-01T00:00:00Z","looked":"NOW","ttl":300,"ours":false}}}}
"#;
const SHOWN: &str = r#"{"rollover":{"shown":{"certificate":"example.org","key":"KEY2","since":"2026-01-02T00:00:00Z"}}}
{"rollover":{"pinned":{"host":"mx.example.org","at":"2026-01-01T00:00:00Z","pinned":true}}}
"#;

/// A machine that holds versions of a certificate for its only host, each with a key of its own and
/// so many days left, and these keys in the order of the versions. In the zone and in the diary
/// `KEY1` and `KEY2` stand for them, and `NOW` for the moment. The newest is shown at port 25.
fn held(at: &str, days: &[i64], records: &str, diary: &str) -> (Case, Vec<String>) {
    let ca = Ca::new();
    let mut case = Case::new()
        .config(
            &"[machine]\naddresses = [\"AT\"]\n[verify]\nroots = \"{dir}/ca.pem\"\n\
             [[files]]\nname = \"app\"\ncombined = \"{dir}/app/all.pem\"\nfiles-only = true\n\
             [[domain]]\nname = \"example.org\"\n"
                .replace("AT", at),
        )
        .file("ca.pem", &ca.pem())
        .file("app/.keep", "");
    let mut keys = Vec::new();
    for (number, left) in days.iter().enumerate() {
        let (chain, key) = ca.issue(&["mx.example.org"], *left);
        let place = format!("state/certificates/example.org/{}", number + 1);
        case = case
            .file(&format!("{place}/chain.pem"), &pem_of(&chain[0]))
            .file(&format!("{place}/key.pem"), &key.serialize_pem())
            .mode(&format!("{place}/key.pem"), 0o600);
        if number + 1 == days.len() {
            Mail::at(&format!("{at}:25"), chain[..1].to_vec(), &key);
        }
        keys.push(Sha256::of(&rcgen::PublicKeyData::subject_public_key_info(&key)).to_string());
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let now = Timestamp::from_unix(now.try_into().unwrap()).to_string();
    let named = |text: &str| {
        let numbered = keys.iter().enumerate();
        let text = text.replace("NOW", &now);
        numbered.fold(text, |text, (at, key)| text.replace(&format!("KEY{}", at + 1), key))
    };
    let zone =
        format!("example.org MX 10 mx.example.org\nmx.example.org A {at}\nexample.org secure\n");
    let diary = format!("{{\"schema\":1,\"folded\":0}}\n{}", named(diary));
    let case = case.zone(&format!("{zone}{}", named(records)));
    (case.file("state/diary.jsonl", &diary).mode("state", 0o700), keys)
}

/// The answer, with `KEY1` in the place of the first key.
fn said(case: &Case, arguments: &str, keys: &[String]) -> Ran {
    let mut ran = case.run(arguments);
    for (at, key) in keys.iter().enumerate() {
        let word = format!("KEY{}{}", at + 1, "_".repeat(key.len() - 4));
        ran.stdout = ran.stdout.replace(key, &word);
    }
    ran.stderr.clear();
    ran
}

#[test]
fn a_renewal_uses_the_pinned_key_again() {
    let (case, keys) = held("127.0.33.60", &[3], &format!("{OWNER} TLSA 3 1 1 KEY1"), STANDS);
    said(&case, "plan", &keys).is(expect![[r#"
        --- stdout
        2 steps:
         1. issue example.org with the key of version 1 for mx.example.org
            because it ends at TIME and little of its life is left
            by http-01, since no [challenge] is configured
         2. install example.org on files:app
            because it follows from step 1
        --- exit 3
    "#]]);
}

#[test]
fn a_key_that_no_record_names_is_not_shown_and_its_record_is_named() {
    let other = "ab".repeat(32);
    let (case, keys) = held("127.0.33.61", &[80], &format!("{OWNER} TLSA 3 1 1 {other}"), "");
    said(&case, "plan", &keys).is(expect![[r#"
        --- stdout
        1 step:
         1. publish TLSA records at _25._tcp.mx.example.org by hand
            because none of its TLSA records names the key
            KEY1____________________________________________________________
        _25._tcp.mx.example.org. 3600 IN TLSA 3 1 1 KEY1____________________________________________________________
        The next look is due at TIME.

        FAIL tlsa-mismatch: mx.example.org
          the TLSA records of mx.example.org do not name the key of version 1 of
          example.org, so it is not shown; publish: _25._tcp.mx.example.org. IN TLSA 3 1
          1 KEY1____________________________________________________________
        --- exit 3
    "#]]);
    said(&case, "status", &keys).is(expect![[r#"
        --- stdout
        example.org  version 1, ecdsa-p256
          names    mx.example.org
          ends     TIME, renewed from TIME
          shown    not seen on any server yet
        --- exit 3
    "#]]);
}

#[test]
fn an_old_record_is_to_be_taken_away_by_hand_and_that_is_no_failure() {
    let records = format!("{OWNER} TLSA 3 1 1 KEY1\n{OWNER} TLSA 3 1 1 KEY2");
    let (case, keys) = held(
        "127.0.33.62",
        &[80, 80],
        &records,
        &format!("{STANDS}{}{SHOWN}", STANDS.replace("KEY1", "KEY2")),
    );
    let part = |file| {
        fs::read_to_string(case.path("state/certificates/example.org/2").join(file)).unwrap()
    };
    let installed = part("key.pem") + &part("chain.pem");
    let case = case.file("app/all.pem", &installed).mode("app/all.pem", 0o600);
    said(&case, "run", &keys).is(expect![[r#"
        --- stdout
        0 of 1 steps worked.
        skipped take TLSA records of old keys away at _25._tcp.mx.example.org by hand
                mailcert may not change the zone: take these records away, which nobody
                needs any more
        ; away: _25._tcp.mx.example.org. 300 IN TLSA 3 1 1 KEY1____________________________________________________________
        The next look is due at TIME.

        ok    example.org: Gmail would accept its mail server
        In Gmail: SMTP server mx.example.org, port 25, secured connection using TLS
        --- exit 0
    "#]]);
    said(&case, "plan", &keys).is(expect![[r#"
        --- stdout
        1 step:
         1. take TLSA records of old keys away at _25._tcp.mx.example.org by hand
            because every server shows another key, for two TTLs
        ; away: _25._tcp.mx.example.org. 300 IN TLSA 3 1 1 KEY1____________________________________________________________
        The next look is due at TIME.
        --- exit 3
    "#]]);
    said(&case, "status", &keys).is(expect![[r#"
        --- stdout
        example.org  version 2, ecdsa-p256
          names    mx.example.org
          ends     TIME, renewed from TIME
          shown    not seen on any server yet
        --- exit 3
    "#]]);
}
