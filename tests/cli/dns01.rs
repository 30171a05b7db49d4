//! What is said of the records that challenges take in the DNS.

use std::fs;

use expect_test::expect;

use crate::case::Case;

const ACCOUNT: &str = "state/accounts/127.0.0.11-4ef931892a6131ac.json";
const LEFT: &str = r#"{"schema":1,"folded":0}
{"presented":{"zone":"example.org","record":"_acme-challenge.mx.example.org","value":"left","since":"2026-01-01T00:00:00Z","by":{"way":"rfc2136","at":"192.0.2.53:53","host":"mx.example.org"}}}
{"presented":{"zone":"example.org","record":"_acme-challenge.old.example.org","value":"gone","since":"2026-01-01T00:00:00Z"}}
"#;

#[test]
fn discover_shows_the_record_of_dns_persist_01_where_account_and_ca_are_known() {
    let bare = Case::new().config("[[domain]]\nname = \"example.org\"\n").zone("");
    let none = bare.run("discover --json").json();
    assert_eq!(none["persist"], serde_json::json!([]));
    let account = r#"{"id":"https://127.0.0.1:1/account/7","key_pkcs8":"x","directory":null}"#;
    let directory = r#"{\"newNonce\":\"n\",\"newAccount\":\"a\",\"newOrder\":\"o\",\"meta\":{\"caaIdentities\":[\"ca.example\",\"other.example\"]}}"#;
    let diary = format!(
        "{{\"schema\":1,\"folded\":0}}\n{{\"directory\":{{\"url\":\"https://127.0.0.1:1/directory\",\
         \"at\":\"2026-01-01T00:00:00Z\",\"body\":\"{directory}\"}}}}\n"
    );
    let case = bare.file(ACCOUNT, account).mode(ACCOUNT, 0o600).file("state/diary.jsonl", &diary);
    let case = case.mode("state", 0o700).mode("state/accounts", 0o700);
    case.run("discover").is(expect![[r#"
        --- stdout
        no mail host was found

        for dns-persist-01, where a CA offers it: one record that stays, for a domain
        and all names below it (mailcert does not answer this challenge yet)
          _validation-persist.example.org. IN TXT "ca.example; accounturi=https://127.0.0.1:1/account/7; policy=wildcard"

        unknown no-such-host: example.org
          the mail domain example.org does not exist in the DNS (NXDOMAIN): correct its
          name in the configuration, or register and delegate it
        --- exit 1
    "#]]);
    // A challenge said better than the directory what the record has to be; one for another account
    // says nothing.
    let long = format!("https://ca.test/{}", "7".repeat(240));
    let asked = |of: &str| {
        let body = format!(
            r#"{{"id":"https://127.0.0.1:1/account/{of}","asked":{{"issuer-domain-names":["second.example","other.example"],"accounturi":"{long}"}}}}"#
        );
        let body = serde_json::to_string(&body).unwrap();
        format!(
            "{diary}{{\"directory\":{{\"url\":\"https://127.0.0.1:1/directory#dns-persist-01\",\
             \"at\":\"2026-01-01T00:00:00Z\",\"body\":{body}}}}}\n"
        )
    };
    let case = case.file("state/diary.jsonl", &asked("7"));
    let ran = case.run("discover");
    let line = ran.stdout.lines().find(|line| line.contains("IN TXT")).unwrap();
    let value = format!("other.example; accounturi={long}; policy=wildcard");
    let (front, rest) = value.split_at(255);
    let name = "  _validation-persist.example.org. IN TXT";
    assert_eq!(line, format!("{name} \"{front}\" \"{rest}\""));
    let case = case.file("state/diary.jsonl", &asked("8"));
    let known = case.run("discover --json other.example").json();
    assert_eq!(
        known["persist"],
        serde_json::json!([{
            "domain": "other.example",
            "name": "_validation-persist.other.example",
            "value": "ca.example; accounturi=https://127.0.0.1:1/account/7; policy=wildcard",
        }])
    );
}

/// The way that put the record there is gone from the configuration.
#[test]
fn a_record_that_nobody_takes_away_is_named_until_it_is_gone() {
    let case = Case::new()
        .config("[[domain]]\nname = \"example.org\"\n")
        .zone("_acme-challenge.mx.example.org TXT left\n")
        .file("state/diary.jsonl", LEFT)
        .mode("state", 0o700);
    let left = || {
        let found = case.run("run --json").json();
        let found = found["findings"].as_array().unwrap().clone();
        let found = found.into_iter().filter(|found| found["code"] == "record-left");
        found.map(|found| found["message"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let expected = "_acme-challenge.mx.example.org TXT \"left\" is left in the zone example.org from \
                    a run that was killed: [challenge.dns-01.rfc2136] put it there at 192.0.2.53:53, \
                    and is not configured any more; take it out by hand, or configure that again and \
                    run `mailcert run`";
    assert_eq!(left(), [expected]);
    assert_eq!(left(), [expected], "it is not forgotten");
    let diary = fs::read_to_string(case.path("state/diary.jsonl")).unwrap();
    assert!(diary.contains("\"value\":\"gone\",\"since\":null"), "{diary}");
    let case = case.zone("");
    let again = case.run("run --json").json();
    let codes: Vec<_> = again["findings"].as_array().unwrap().iter().map(|f| &f["code"]).collect();
    assert!(!codes.iter().any(|code| *code == "record-left"), "{codes:?}");
}

#[test]
fn check_says_which_records_our_own_name_server_lacks() {
    let case = Case::new()
        .config(
            "[challenge.dns-01.serve]\nname = \"acme-dns.example.org\"\n\
             zone = \"acme.example.org\"\nlisten = [\"192.0.2.7:53\"]\n\
             [[domain]]\nname = \"example.org\"\nhosts = [\"mx.example.org\"]\n",
        )
        .zone(
            "example.org SOA ns.example.org h 1 1 1 1 1\nexample.org NS ns.example.org\n\
             ns.example.org A 127.0.26.250\n_acme-challenge.mx.example.org CNAME \
             mx.example.org.acme.example.org\n",
        );
    let ran = case.run("check --json");
    let found = ran.json();
    let found = found["findings"].as_array().unwrap();
    let found: Vec<_> = found.iter().filter(|found| found["code"] == "dns-01-failed").collect();
    assert_eq!(found.len(), 1, "{ran:?}");
    assert_eq!(
        found[0]["message"],
        "mx.example.org: acme-dns.example.org, our own name server, has no address; expected \
         `acme-dns.example.org. A 192.0.2.7`"
    );
}
