//! Two CAs of one configuration, inside the test: what each of them hears is for it alone.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use mailcert::model::Mark;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::Value;
use time::{Duration, OffsetDateTime};

use crate::case::Case;
use crate::fix::pem_of;
use crate::mail::{Ca, tls};
use crate::others::{serve, shows};
use crate::plan::world_with;

/// A CA that keeps what it is told, wants an external account, and refuses every order for a day.
struct Spied {
    directory: String,
    heard: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Spied {
    fn start(https: &Ca) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = format!("https://{}", listener.local_addr().unwrap());
        let (chain, key) = https.issue(&["127.0.0.1"], 80);
        let (own, heard) = (at.clone(), Arc::new(Mutex::new(Vec::new())));
        let ears = Arc::clone(&heard);
        serve(listener, Some(tls(chain[..1].to_vec(), &key)), move |path, body| {
            if !body.is_empty() {
                ears.lock().unwrap().push((path.to_owned(), payload(body)));
            }
            let (head, body) = match path {
                "/dir" => (
                    "200 OK\r\n".to_owned(),
                    format!(
                        r#"{{"newNonce":"{own}/nonce","newAccount":"{own}/account",
                        "newOrder":"{own}/order","renewalInfo":"{own}/ari","meta":{{"externalAccountRequired":true}}}}"#
                    ),
                ),
                "/account" => (format!("201 Created\r\nlocation: {own}/1\r\n"), "{}".to_owned()),
                "/order" => (
                    "429 Too Many\r\nretry-after: 86400\r\n\
                     content-type: application/problem+json\r\n"
                        .to_owned(),
                    r#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"no more"}"#
                        .to_owned(),
                ),
                _ => ("200 OK\r\n".to_owned(), String::new()),
            };
            let length = body.len();
            format!("HTTP/1.1 {head}replay-nonce: n\r\ncontent-length: {length}\r\n\r\n{body}")
        });
        Self { directory: format!("{at}/dir"), heard }
    }

    /// What it was told at a path.
    fn told(&self, path: &str) -> Vec<Value> {
        let heard = self.heard.lock().unwrap();
        heard.iter().filter(|(at, _)| at == path).map(|(_, told)| told.clone()).collect()
    }
}

/// What a request says (RFC 7515).
fn payload(body: &[u8]) -> Value {
    let jws: Value = serde_json::from_slice(body).unwrap();
    let text = BASE64.decode(jws["payload"].as_str().unwrap()).unwrap();
    serde_json::from_slice(&text).unwrap_or(Value::Null)
}

/// A machine at `address` with two CAs, the second of which is the fallback, each with an external
/// account of its own.
fn machine(address: &str) -> (Case, Spied, Spied) {
    let https = Ca::new();
    let (first, further) = (Spied::start(&https), Spied::start(&https));
    let settings = |directory: &str, account: &str| {
        format!(
            "directory = \"{directory}\"\nca-file = \"{{dir}}/ca.pem\"\nagree-to-terms = true\n\
             eab = {{ key-id = \"{account}\", hmac-key-file = \"{{dir}}/{account}.key\" }}\n"
        )
    };
    let config = format!(
        "[acme]\n{}[[acme.fallback]]\n{}[challenge.http-01]\nwebroot = \"{{dir}}/www\"\n\
         [dns]\nservers = [\"{{dns}}\"]\n[state]\ndirectory = \"{{dir}}/state\"\n\
         [machine]\naddresses = [\"{address}\"]\n[discover]\nguesses = false\n\
         [verify]\nroots = \"{{dir}}/roots.pem\"\n[[domain]]\nname = \"example.org\"\n\
         [[files]]\nname = \"app\"\ncombined = \"{{dir}}/app/all.pem\"\nfiles-only = true\n",
        settings(&first.directory, "one"),
        settings(&further.directory, "two")
    );
    let mut case = world_with("")
        .file("ca.pem", &https.pem())
        .file("roots.pem", &https.pem())
        .file("app/.keep", "")
        .file("www/.well-known/acme-challenge/.keep", "")
        .zone(&format!("example.org MX 10 mx.example.org\nmx.example.org A {address}\n"));
    for account in ["one", "two"] {
        let file = format!("{account}.key");
        case = case.file(&file, &BASE64.encode(secret(account))).mode(&file, 0o600);
    }
    shows(&format!("{address}:80"), case.path("www"));
    (case.whole_config(&config), first, further)
}

fn secret(account: &str) -> String {
    format!("the secret of the account {account}")
}

/// Insists that a CA was asked once for an account, which is bound to this one of its web site (RFC
/// 8555 section 7.3.4).
fn is_bound(ca: &Spied, account: &str) {
    let told = ca.told("/account");
    let [asked] = told.as_slice() else { panic!("{told:?}") };
    let bound = &asked["externalAccountBinding"];
    let part = |name: &str| bound[name].as_str().unwrap().to_owned();
    let head = BASE64.decode(part("protected")).unwrap();
    let head: Value = serde_json::from_slice(&head).unwrap();
    assert_eq!(head["kid"], account);
    assert_eq!(head["url"], ca.directory.replace("/dir", "/account"));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret(account).as_bytes());
    let signed = format!("{}.{}", part("protected"), part("payload"));
    let signature = BASE64.decode(part("signature")).unwrap();
    hmac::verify(&key, signed.as_bytes(), &signature).expect("it is signed with that one's key");
}

#[test]
fn each_ca_gets_the_external_account_that_is_for_it() {
    let (case, first, further) = machine("127.0.33.63");
    let ran = case.run("account register");
    assert_eq!(ran.code, 0, "{ran:?}");
    is_bound(&first, "one");
    assert_eq!(further.told("/account"), Vec::<Value>::new());
    let ran = case.run(&format!("account register --ca {}", further.directory));
    assert_eq!(ran.code, 0, "{ran:?}");
    is_bound(&first, "one");
    is_bound(&further, "two");
    assert!(!format!("{ran:?}").contains("secret"), "{ran:?}");
}

/// A certificate whose renewal its CA suggested, so that the order for it may say what it replaces.
fn suggested(case: Case, ca: &Spied) -> Case {
    let mut root = CertificateParams::new(Vec::new()).unwrap();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut leaf = CertificateParams::new(vec!["mx.example.org".to_owned()]).unwrap();
    leaf.use_authority_key_identifier_extension = true;
    let now = OffsetDateTime::now_utc();
    (leaf.not_before, leaf.not_after) = (now - Duration::days(60), now + Duration::days(30));
    let chain = pem_of(leaf.signed_by(&key, &root).unwrap().der());
    let place = "state/certificates/example.org/1";
    let mark = serde_json::to_string(&Mark::of(&ca.directory)).unwrap();
    let moment = |days| {
        let format = &time::format_description::well_known::Rfc3339;
        (now + Duration::days(days)).replace_nanosecond(0).unwrap().format(format).unwrap()
    };
    let (past, asked, again) = (moment(-2), moment(-1), moment(1));
    let diary = format!(
        "{{\"schema\":1,\"folded\":0}}\n\
         {{\"origin\":{{\"certificate\":\"example.org\",\"version\":1,\"ca\":{mark}}}}}\n\
         {{\"told\":{{\"certificate\":\"example.org\",\"told\":{{\"version\":1,\"asked\":\"{asked}\",\
         \"again\":\"{again}\",\"renewal\":{{\"start\":\"{past}\",\"end\":\"{asked}\",\
         \"explanation\":null}}}}}}}}\n"
    );
    case.file("roots.pem", &root.pem())
        .file(&format!("{place}/chain.pem"), &chain)
        .file(&format!("{place}/key.pem"), &key.serialize_pem())
        .mode(&format!("{place}/key.pem"), 0o600)
        .file("state/diary.jsonl", &diary)
        .mode("state", 0o700)
}

/// Who did not issue it does not know it, and could refuse the order for that (RFC 9773 section 5).
#[test]
fn only_the_ca_that_issued_it_is_told_what_an_order_replaces() {
    for (address, by_first) in [("127.0.33.64", true), ("127.0.33.65", false)] {
        let (case, first, further) = machine(address);
        let case = suggested(case, if by_first { &first } else { &further });
        let ran = case.run("run");
        let replaces = |ca: &Spied| {
            let told = ca.told("/order").into_iter();
            told.map(|order| order["replaces"].is_string()).collect::<Vec<_>>()
        };
        assert_eq!(
            (replaces(&first), replaces(&further)),
            (vec![by_first], vec![!by_first]),
            "{ran:?}"
        );
        is_bound(&first, "one");
        is_bound(&further, "two");
    }
}
