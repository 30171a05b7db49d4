//! A CA that takes its time, or never comes to an end: every wait is bounded, and what it has begun
//! is gone on with by the next run.

use std::time::Duration;

use super::{Answers, Mock, usual};
use crate::issue::Ca;
use crate::model::DnsId;

const BAD_NONCE: &str = r#"{"type":"urn:ietf:params:acme:error:badNonce","detail":"again"}"#;

#[tokio::test]
async fn an_order_that_stays_processing_is_left_to_the_next_run_which_makes_no_other() {
    let processing = r#"{"status":"processing","authorizations":[],"finalize":"CA/fin"}"#;
    let ready = r#"{"status":"ready","authorizations":[],"finalize":"CA/fin"}"#;
    for first in [processing, ready] {
        let mut answers = usual();
        answers.insert("/order/1", (200, "", first));
        // Finalized, and from then on processing.
        answers.insert("/fin", (200, "location: CA/order/2", processing));
        let mock = Mock::start(answers).await;
        let names = [DnsId::parse("mx.a.example").unwrap()];
        let mut acme = mock.acme(|_| ());
        acme.patience = Duration::from_millis(if first == ready { 1 } else { 300 });
        let url = format!("http://{}/order/1", mock.at);
        let refusal = acme.finish(&url, &names, b"csr").await.unwrap_err();
        assert_eq!(
            refusal.findings[0].message,
            "the order is still processing after 0 s; the CA goes on without us"
        );
        // Not the CA's no: the order stays in the book.
        assert!(!refusal.by_ca() && refusal.names.is_empty() && refusal.retry_after.is_none());
        assert_eq!(mock.times_asked("/fin"), usize::from(first == ready));
        assert_eq!(mock.times_asked("/order"), 0, "no other is ordered");
    }
}

#[tokio::test]
async fn a_storm_of_bad_nonces_ends() {
    for path in ["/order", "/account"] {
        let mut answers = usual();
        answers.insert(path, (400, "", BAD_NONCE));
        let mock = Mock::start(answers).await;
        let (said, refusal) = mock.order(&mock.acme(|_| ()), None).await;
        assert!(said.contains("badNonce"), "{said}");
        assert!(refusal.names.is_empty(), "{said}");
        let asked = mock.times_asked(path);
        assert!((6..=24).contains(&asked), "{path} was asked for {asked} times");
    }
}

#[tokio::test]
async fn whatever_page_stands_before_the_ca_is_said_and_blames_no_name() {
    for (path, status, page, expected) in [
        ("/dir", 502, "<h1>Bad gateway</h1>", "502 Bad Gateway (HTML): Bad gateway"),
        ("/dir", 200, "<h1>Log in</h1>", "200 OK (HTML): Log in"),
        ("/account", 503, "<p>Back <b>soon</b>", "503 Service Unavailable (HTML): Back soon"),
        (
            "/order",
            403,
            "<p>Blocked by our firewall",
            "403 Forbidden (HTML): Blocked by our firewall",
        ),
        ("/order", 200, "<h1>Log in</h1>", "200 OK (HTML): Log in"),
    ] {
        let mut answers: Answers = usual();
        answers.insert(path, (status, "content-type: text/html", page));
        let mock = Mock::start(answers).await;
        let (said, refusal) = mock.order(&mock.acme(|_| ()), None).await;
        assert!(said.contains(expected), "{path}: {said}");
        assert!(refusal.names.is_empty(), "{said}");
    }
}

#[tokio::test]
async fn a_ca_that_is_not_there_cannot_be_asked() {
    let mock = Mock::start(Answers::new()).await;
    let closed = std::net::TcpListener::bind("127.0.26.9:0").unwrap().local_addr().unwrap();
    let acme = mock.acme(|settings| settings.directory = format!("http://{closed}/dir"));
    let (said, refusal) = mock.order(&acme, None).await;
    assert_eq!(
        said,
        format!(
            "the CA at http://{closed}/dir cannot be asked: cannot connect to {closed}: Connection refused (os error 111): either its operator has to bring it back, or whoever keeps the firewall has to let this machine reach it; `mailcert run` tries again by itself"
        )
    );
    assert!(!refusal.by_ca());
}
