//! Renewal information as CAs give it, and as they should not.

use std::time::Duration;

use instant_acme::CertificateIdentifier;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use super::{Mock, Shows, usual};
use crate::issue::{Ca, Wanted};
use crate::model::{Code, DnsId};

const DIRECTORY: &str = r#"{"newNonce":"CA/nonce","newAccount":"CA/account","newOrder":"CA/order",
    "renewalInfo":"CA/ari"}"#;
const WINDOW: &str = r#"{"suggestedWindow":{"start":"2026-01-02T04:00:00Z",
    "end":"2026-01-03T04:00:00Z"},"explanationURL":"https://ca.example/why"}"#;
const LIMITED: &str = r#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"slow down"}"#;

/// A certificate (DER) that names its issuer's key.
fn leaf() -> Vec<u8> {
    let mut root = CertificateParams::new(Vec::new()).unwrap();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = Issuer::new(root, KeyPair::generate().unwrap());
    let mut leaf = CertificateParams::new(vec!["mx.a.example".to_owned()]).unwrap();
    leaf.use_authority_key_identifier_extension = true;
    leaf.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap().der().to_vec()
}

/// The path at which the CA is asked about it.
fn path(leaf: &[u8]) -> &'static str {
    let leaf = rustls_pki_types::CertificateDer::from(leaf);
    let id = CertificateIdentifier::try_from(&leaf).unwrap();
    Box::leak(format!("/ari/{id}").into_boxed_str())
}

#[tokio::test]
async fn whatever_a_ca_answers_the_usual_rule_is_left_and_it_is_asked_again() {
    let leaf = leaf();
    let path = path(&leaf);
    let html = "content-type: text/html\nretry-after: 120";
    for (directory, answer, expected) in [
        (DIRECTORY, (200, "retry-after: 7200", WINDOW), "2026-01-02T04:00:00Z, again in 7200"),
        (DIRECTORY, (200, "", WINDOW), "2026-01-02T04:00:00Z, again in 21600"),
        (DIRECTORY, (200, "retry-after: 1", WINDOW), "2026-01-02T04:00:00Z, again in 60"),
        (DIRECTORY, (200, "retry-after: 9999999", WINDOW), "2026-01-02T04:00:00Z, again in 86400"),
        (super::DIRECTORY, (200, "", WINDOW), "no window, again in 86400"),
        (DIRECTORY, (404, "", "{}"), "unsaid: the CA answered 404 Not Found, again in 21600"),
        (
            DIRECTORY,
            (503, html, "<h1>Down</h1>"),
            "unsaid and down: the CA answered 503 Service Unavailable, again in 120",
        ),
        (
            DIRECTORY,
            (429, "retry-after: 3600", LIMITED),
            "unsaid and down: the CA answered 429 Too Many Requests, again in 3600",
        ),
        (
            DIRECTORY,
            (200, "", "<html>"),
            "unsaid: no renewal information: expected value at line 1 column 1, again in 21600",
        ),
    ] {
        let mut answers = usual();
        answers.insert("/dir", (200, "", directory));
        answers.insert(path, answer);
        let mock = Mock::start(answers).await;
        let said = match mock.acme(|_| ()).suggested(&leaf).await {
            Ok(said) => {
                let window = said.renewal.map(|window| window.start.to_string());
                let window = window.unwrap_or_else(|| "no window".to_owned());
                format!("{window}, again in {}", said.again.as_secs())
            }
            Err(unsaid) => {
                let down = if unsaid.down { " and down" } else { "" };
                let again = unsaid.again.unwrap_or_default().as_secs();
                format!("unsaid{down}: {}, again in {again}", unsaid.why)
            }
        };
        assert_eq!(said, expected);
        assert_eq!(mock.times_asked("/account"), 0, "no account is needed to ask");
    }
}

#[tokio::test]
async fn a_ca_that_does_not_want_it_as_a_replacement_is_asked_without() {
    let leaf = leaf();
    let names = [DnsId::parse("mx.a.example").unwrap()];
    let replaced = r#"{"type":"urn:ietf:params:acme:error:alreadyReplaced","detail":"twice"}"#;
    for (status, body, replaces, orders) in
        [(409, replaced, true, 2), (409, replaced, false, 1), (429, LIMITED, true, 1)]
    {
        let mut answers = usual();
        answers.insert("/dir", (200, "", DIRECTORY));
        answers.insert("/order", (status, "", body));
        let mock = Mock::start(answers).await;
        let acme = mock.acme(|_| ());
        let wanted = Wanted { replaces: replaces.then_some(&leaf[..]), ..Wanted::of(&names) };
        acme.order(wanted, &Shows).await.unwrap_err();
        assert_eq!(mock.times_asked("/order"), orders, "{status} {replaces}");
    }
}

/// What is said of the account at a name is not the name's fault.
#[tokio::test]
async fn a_limit_that_is_met_at_a_challenge_refuses_no_name() {
    let mut answers = usual();
    let order = r#"{"status":"pending","authorizations":["CA/authz/1"],"finalize":"CA/fin"}"#;
    answers.insert("/order", (201, "location: CA/order/1", order));
    let authorization = r#"{"status":"pending","identifier":{"type":"dns","value":"b.example"},
        "challenges":[{"type":"http-01","url":"CA/c/2","status":"pending","token":"t2"}]}"#;
    answers.insert("/authz/1", (200, "", authorization));
    answers.insert("/c/2", (429, "retry-after: 60", LIMITED));
    let mock = Mock::start(answers).await;
    let (_, refusal) = mock.order(&mock.acme(|_| ()), None).await;
    assert_eq!((refusal.names.len(), refusal.findings[0].code), (0, Code::RateLimited));
    assert_eq!(refusal.retry_after, Some(Duration::from_secs(60)));
}

/// Let's Encrypt pauses an account for a name; a link with a token ends the pause.
#[tokio::test]
async fn the_link_that_ends_a_pause_is_shown_whole() {
    let link: &str =
        Box::leak(format!("https://ca.example/unpause?jwt={}", "x".repeat(900)).into());
    let body = format!(
        r#"{{"type":"urn:ietf:params:acme:error:rateLimited","detail":"paused. Visit {link}"}}"#
    );
    let mut answers = usual();
    answers.insert("/order", (429, "retry-after: 60", Box::leak(body.into_boxed_str())));
    let mock = Mock::start(answers).await;
    let (said, _) = mock.order(&mock.acme(|_| ()), None).await;
    assert!(said.contains(link), "{said}");
}
