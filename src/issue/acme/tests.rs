//! What Pebble never does: maintenance pages, Retry-After, refused accounts, shuffled challenges.
//! A CA of a few lines that checks no signature, in this process.

mod ari;
mod finish;
mod notes;
mod patience;
mod staging;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use notes::Notes;

use super::{Acme, Directory, persistent_value};
use crate::http::Http;
use crate::issue::{Ca, Refusal, Solver, Wanted};
use crate::model::{DnsId, KeyType, Keys, Timestamp};
use crate::store::Entry;

/// A CA whose answers are literal: `path` to `status headers body`; CA stands for its URL.
struct Mock {
    at: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    notes: Arc<Notes>,
}

type Answers = BTreeMap<&'static str, (u16, &'static str, &'static str)>;

/// A CA that accepts an account and knows no order yet.
fn usual() -> Answers {
    [
        ("/dir", (200, "", DIRECTORY)),
        ("/nonce", (200, "", "")),
        ("/account", (201, "location: CA/account/1", "{}")),
    ]
    .into()
}

const DIRECTORY: &str = r#"{"newNonce":"CA/nonce","newAccount":"CA/account","newOrder":"CA/order",
    "meta":{"termsOfService":"CA/terms","caaIdentities":["ca.example"],
    "profiles":{"classic":"90 days","tlsserver":"45 days"}}}"#;

impl Mock {
    async fn start(answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.26.9:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (answers, log) = (answers.clone(), log.clone());
                let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                    let path = request.uri().path().to_owned();
                    let answer = answer(&answers, &path, at);
                    log.lock().unwrap().push(path);
                    async move { Ok::<_, std::convert::Infallible>(answer) }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { at, asked, notes: Arc::default() }
    }

    fn acme(&self, change: impl FnOnce(&mut crate::config::Acme)) -> Acme {
        let mut settings = crate::config::Acme {
            directory: format!("http://{}/dir", self.at),
            ca_roots: None,
            contact: Vec::new(),
            agree_to_terms: true,
            keys: Keys::one(KeyType::EcdsaP256),
            reuse_key: false,
            profile: None,
            preferred_chain: None,
            names_per_certificate: 25,
            eab: None,
            staging: None,
        };
        change(&mut settings);
        Acme::new(
            &settings,
            Http::trusting_nobody(),
            self.notes.clone(),
            Timestamp::from_unix(1_790_000_000),
        )
    }

    async fn order(&self, acme: &Acme, profile: Option<&str>) -> (String, Refusal) {
        let names = ["mx.a.example", "b.example"].map(|name| DnsId::parse(name).unwrap());
        let refusal =
            acme.order(Wanted { profile, ..Wanted::of(&names) }, &Shows).await.unwrap_err();
        let said: Vec<_> = refusal.findings.iter().map(|f| f.message.clone()).collect();
        (said.join("\n").replace(&format!("http://{}", self.at), "CA"), refusal)
    }

    fn times_asked(&self, path: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| *asked == path).count()
    }
}

fn answer(answers: &Answers, path: &str, at: SocketAddr) -> Response<Full<Bytes>> {
    let (status, headers, body) = answers.get(path).copied().unwrap_or((404, "", "nothing here"));
    let url = format!("http://{at}");
    let mut response = Response::builder().status(status).header("replay-nonce", "n");
    for line in headers.lines() {
        let (name, value) = line.split_once(": ").unwrap();
        response = response.header(name.trim(), value.replace("CA", &url));
    }
    response.body(Full::from(body.replace("CA", &url))).unwrap()
}

/// Shows everything, nowhere.
struct Shows;

#[async_trait]
impl Solver for Shows {
    async fn present(&self, _: &DnsId, _: &str, _: &str) -> Result<(), String> {
        Ok(())
    }

    async fn clear(&self, _: &DnsId, _: &str) {}
}

#[tokio::test]
async fn a_maintenance_page_is_reported_as_one_after_three_tries() {
    let mut answers = usual();
    answers.insert("/order", (503, "content-type: text/html", "<h1>Down</h1> for maintenance"));
    let mock = Mock::start(answers).await;
    let (said, refusal) = mock.order(&mock.acme(|_| ()), None).await;
    let said = said.split_once(" cannot be asked: ").unwrap().1;
    let expected = "the CA answered 503 Service Unavailable (HTML): Down for maintenance: its \
                    operator has to bring it back; `mailcert run` tries again by itself";
    assert_eq!(said, expected);
    assert!(!refusal.by_ca() && refusal.names.is_empty());
    assert_eq!(mock.times_asked("/order"), 3);
    assert_eq!(mock.times_asked("/dir"), 1, "the directory is asked for once");
}

#[tokio::test]
async fn a_ca_that_says_when_to_come_back_is_not_asked_before() {
    for (status, by_ca) in [(503, false), (429, true)] {
        let mut answers = usual();
        let body = r#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"slow down"}"#;
        answers.insert("/order", (status, "retry-after: 3600", body));
        let mock = Mock::start(answers).await;
        let (said, refusal) = mock.order(&mock.acme(|_| ()), None).await;
        assert_eq!(
            said,
            "the CA's limit is reached: slow down (urn:ietf:params:acme:error:rateLimited)"
        );
        assert_eq!(refusal.retry_after, Some(Duration::from_secs(3600)));
        assert_eq!(refusal.by_ca(), by_ca);
        assert_eq!(mock.times_asked("/order"), 1);
    }
}

#[tokio::test]
async fn only_an_account_the_ca_does_not_know_is_made_again() {
    for (kind, accounts) in [("accountDoesNotExist", 2), ("unauthorized", 1)] {
        let mut answers = usual();
        let body = match kind {
            "unauthorized" => {
                r#"{"type":"urn:ietf:params:acme:error:unauthorized","detail":"account is deactivated"}"#
            }
            _ => r#"{"type":"urn:ietf:params:acme:error:accountDoesNotExist","detail":"who?"}"#,
        };
        answers.insert("/order", (403, "", body));
        let mock = Mock::start(answers).await;
        let (said, _) = mock.order(&mock.acme(|_| ()), None).await;
        assert!(said.starts_with("the CA refused the order: "), "{said}");
        assert_eq!(said.contains("`mailcert account show` says"), kind == "unauthorized", "{said}");
        // The mock gives every account the same URL, so the second order is the last.
        assert_eq!(mock.times_asked("/account"), accounts, "{kind}");
        assert_eq!(mock.times_asked("/order"), accounts, "{kind}");
    }
}

#[tokio::test]
async fn what_cannot_work_is_said_before_anything_is_asked() {
    let eab = r#"{"newNonce":"CA/nonce","newAccount":"CA/account","newOrder":"CA/order",
        "meta":{"externalAccountRequired":true}}"#;
    for (directory, agree, profile, expected) in [
        (
            eab,
            true,
            None,
            "the CA at CA/dir wants an external account: its web site gives a key id and an HMAC key; set eab = { key-id = \"..\", hmac-key-file = \"..\" } in [acme]",
        ),
        (DIRECTORY, false, None, "the CA has terms, CA/terms: set agree-to-terms = true in [acme]"),
        (
            DIRECTORY,
            true,
            Some("shortlived"),
            "the CA offers no profile \"shortlived\"; it offers classic, tlsserver (profile in [acme])",
        ),
        (
            "{}",
            true,
            None,
            "CA/dir is no ACME directory: missing field `newNonce` at line 1 column 2",
        ),
    ] {
        let mut answers = usual();
        answers.insert("/dir", (200, "", directory));
        let mock = Mock::start(answers).await;
        let acme = mock.acme(|settings| settings.agree_to_terms = agree);
        let (said, refusal) = mock.order(&acme, profile).await;
        assert_eq!(said, expected);
        assert!(!refusal.by_ca());
        assert_eq!(mock.times_asked("/account"), 0);
    }
}

#[tokio::test]
async fn the_http_challenge_is_found_wherever_it_stands() {
    let mut answers = usual();
    let order = r#"{"status":"pending","authorizations":["CA/authz/1"],"finalize":"CA/fin"}"#;
    answers.insert("/order", (201, "location: CA/order/1", order));
    answers.insert(
        "/authz/1",
        (
            200,
            "",
            r#"{"status":"pending","identifier":{"type":"dns","value":"b.example"},"challenges":[
          {"type":"dns-persist-01","url":"CA/c/0","status":"pending","issuer-domain-names":["other.example","ca.example"],
           "accounturi":"https://ca.example/acct/1"},
          {"type":"dns-account-01","url":"CA/c/3","status":"pending","token":"t3"},
          {"type":"tkauth-01","url":"CA/c/4","status":"pending","tkauth-type":"atc","odd":{"a":[1,null]}},
          {"type":"","url":"CA/c/5","status":"pending","token":"../..","validated":"2026-01-01T00:00:00Z"},
          {"type":"dns-01","url":"CA/c/1","status":"pending","token":"t1"},
          {"type":"http-01","url":"CA/c/2","status":"pending","token":"t2"}]}"#,
        ),
    );
    answers.insert(
        "/c/2",
        (400, "", r#"{"type":"urn:ietf:params:acme:error:caa","detail":"CAA says no"}"#),
    );
    let mock = Mock::start(answers).await;
    let (said, refusal) = mock.order(&mock.acme(|_| ()), None).await;
    assert_eq!(mock.times_asked("/c/2"), 1);
    let url = format!("http://{}/dir", mock.at);
    let record = "ca.example; accounturi=https://ca.example/acct/1; policy=wildcard";
    assert_eq!(persistent_value(&*mock.notes, &url).as_deref(), Some(record));
    assert_eq!(
        said,
        "b.example: the CA refused the order: CAA says no (urn:ietf:params:acme:error:caa)"
    );
    assert_eq!(refusal.names[0].to_string(), "b.example");
}

#[tokio::test]
async fn an_invalid_order_is_explained_by_its_authorizations() {
    let mut answers = usual();
    let order =
        r#"{"status":"invalid","authorizations":["CA/authz/1","CA/authz/2"],"finalize":"CA/fin"}"#;
    answers.insert("/order", (201, "location: CA/order/1", order));
    answers.insert(
        "/authz/1",
        (200, "", r#"{"status":"invalid","identifier":{"type":"dns","value":"b.example"},"challenges":[
          {"type":"dns-01","url":"CA/c/1","status":"pending","token":"t1"},
          {"type":"http-01","url":"CA/c/2","status":"invalid","token":"t2","error":
            {"type":"urn:ietf:params:acme:error:connection","detail":"192.0.2.7: Timeout during connect."}}]}"#),
    );
    answers.insert(
        "/authz/2",
        (200, "", r#"{"status":"valid","identifier":{"type":"dns","value":"mx.a.example"},"challenges":[]}"#),
    );
    let mock = Mock::start(answers).await;
    let (said, refusal) = mock.order(&mock.acme(|_| ()), None).await;
    assert_eq!(
        said,
        "b.example: the CA refused it: 192.0.2.7: Timeout during connect (urn:ietf:params:acme:error:connection): whoever keeps the firewall or router before this machine has to let TCP port 80 in from everywhere, since the CA asks from several places"
    );
    assert_eq!(refusal.names.len(), 1);
    assert!(refusal.by_ca());
}

#[tokio::test]
async fn a_ca_that_offers_another_challenge_or_asks_about_no_host_is_said() {
    for (identifier, expected) in [
        (
            r#"{"status":"pending","identifier":{"type":"dns","value":"b.example"},"challenges":[
              {"type":"dns-01","url":"CA/c/1","status":"pending","token":"t1"},
              {"type":"dns-account-01","url":"CA/c/2","status":"pending","token":"t2"}]}"#,
            "b.example: the CA offers no http-01 for it (but dns-01, dns-account-01)",
        ),
        (
            r#"{"status":"pending","wildcard":true,"identifier":{"type":"dns","value":"b.example"},"challenges":[
              {"type":"http-01","url":"CA/c/1","status":"pending","token":"t1"}]}"#,
            "*.b.example: the CA offers no dns-01 for it (but http-01)",
        ),
        (
            r#"{"status":"pending","identifier":{"type":"dns","value":"b example"},"challenges":[
              {"type":"http-01","url":"CA/c/1","status":"pending","token":"t1"}]}"#,
            "the CA asks about b example, which is no host name",
        ),
    ] {
        let mut answers = usual();
        let order = r#"{"status":"pending","authorizations":["CA/authz/1"],"finalize":"CA/fin"}"#;
        answers.insert("/order", (201, "location: CA/order/1", order));
        answers.insert("/authz/1", (200, "", identifier));
        let mock = Mock::start(answers).await;
        assert_eq!(mock.order(&mock.acme(|_| ()), None).await.0, expected);
    }
}

#[tokio::test]
async fn the_directory_is_remembered_and_read_back() {
    let mock = Mock::start(usual()).await;
    let acme = mock.acme(|_| ());
    let identity = acme.identity().await.map_err(|_| "refused").unwrap();
    assert_eq!(identity.caa, ["ca.example"]);
    assert_eq!(identity.account, Some(format!("http://{}/account/1", mock.at)));
    assert_eq!(identity.http_port, Some(80));
    let noted = mock.notes.noted.lock().unwrap().clone();
    let [Entry::Directory { body, .. }] = noted.as_slice() else { panic!("{noted:?}") };
    let back: Directory = serde_json::from_str(body).unwrap();
    assert_eq!(back, *acme.directory().await.map_err(|_| "refused").unwrap());
}
