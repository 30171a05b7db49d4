//! Orders of an earlier run: what the CA says of them decides whether they are gone on with.

use super::{Mock, usual};
use crate::http::BODY_LIMIT;
use crate::issue::{Ca, Chain};
use crate::model::DnsId;

/// No PEM: the mock would put its URL for the CA in the middle of CERTIFICATE.
const CHAIN: &str = "chain\n";

const LINKS: &str = "content-type: application/pem-certificate-chain
    link: <CA/dir>;rel=\"index\"
    link: <CA/cert/1/1>;rel=\"alternate\", </cert/1/2>; rel=alternate";

/// What the CA answers about the order, and what came of it.
async fn finished(status: u16, order: &'static str) -> (Result<Chain, (String, bool)>, Mock) {
    let mut answers = usual();
    answers.insert("/order/1", (status, "", order));
    answers.insert("/cert/1", (200, LINKS, CHAIN));
    let valid =
        r#"{"status":"valid","authorizations":[],"finalize":"CA/fin","certificate":"CA/cert/1"}"#;
    answers.insert("/fin", (200, "", valid));
    let mock = Mock::start(answers).await;
    let names = [DnsId::parse("mx.a.example").unwrap()];
    let url = format!("http://{}/order/1", mock.at);
    let finished = mock.acme(|_| ()).finish(&url, &names, b"csr").await;
    (finished.map_err(|refusal| (refusal.sentence(), refusal.by_ca())), mock)
}

#[tokio::test]
async fn a_ready_order_is_finalized_and_a_valid_one_only_fetched() {
    for (order, finalized) in [
        (r#"{"status":"ready","authorizations":[],"finalize":"CA/fin"}"#, 1),
        (
            r#"{"status":"valid","authorizations":[],"finalize":"CA/fin","certificate":"CA/cert/1"}"#,
            0,
        ),
    ] {
        let (chain, mock) = finished(200, order).await;
        assert_eq!(chain.unwrap().pem, CHAIN);
        assert_eq!(mock.times_asked("/fin"), finalized, "{order}");
        assert_eq!(mock.times_asked("/order"), 0, "no other is ordered");
    }
}

#[tokio::test]
async fn what_the_ca_does_not_know_or_has_given_up_is_refused_by_it_and_silence_is_not() {
    let malformed = r#"{"type":"urn:ietf:params:acme:error:malformed","detail":"no such order"}"#;
    let invalid = r#"{"status":"invalid","authorizations":[],"finalize":"CA/fin"}"#;
    let pending = r#"{"status":"pending","authorizations":[],"finalize":"CA/fin"}"#;
    for (status, order, said, by_ca) in [
        (404, malformed, "no such order", true),
        (404, "nothing here", "404 Not Found", true),
        (200, invalid, "the order is invalid", true),
        (200, pending, "was never ready", true),
        (503, "down", "503 Service Unavailable", false),
    ] {
        let (sentence, by) = finished(status, order).await.0.unwrap_err();
        assert!(sentence.contains(said), "{sentence}");
        assert_eq!(by, by_ca, "{sentence}");
    }
}

#[tokio::test]
async fn other_chains_are_found_by_a_new_order_and_by_one_that_is_taken_up() {
    for order in [
        r#"{"status":"ready","authorizations":[],"finalize":"CA/fin"}"#,
        r#"{"status":"valid","authorizations":[],"finalize":"CA/fin","certificate":"CA/cert/1"}"#,
    ] {
        let (chain, mock) = finished(200, order).await;
        let at = |path: &str| format!("http://{}{path}", mock.at);
        assert_eq!(chain.unwrap().alternates, [at("/cert/1/1"), at("/cert/1/2")]);
        assert_eq!(mock.times_asked("/cert/1/1"), 0, "nobody wanted it yet");
    }
}

#[tokio::test]
async fn another_chain_is_fetched_by_the_account_or_said_to_be_missing() {
    let mut answers = usual();
    answers.insert("/cert/1/1", (200, "", CHAIN));
    answers.insert("/cert/1/3", (200, "", "x".repeat(BODY_LIMIT + 1).leak()));
    let mock = Mock::start(answers).await;
    let acme = mock.acme(|_| ());
    let at = |path: &str| format!("http://{}{path}", mock.at);
    let unknown = acme.alternate(&at("/cert/1/1")).await.unwrap_err().sentence();
    assert!(unknown.contains("no account"), "{unknown}");
    acme.register_account().await.unwrap();
    assert_eq!(acme.alternate(&at("/cert/1/1")).await.unwrap(), CHAIN);
    for (path, expected) in [("/cert/1/2", "404 Not Found"), ("/cert/1/3", "longer than")] {
        let said = acme.alternate(&at(path)).await.unwrap_err().sentence();
        assert!(said.contains(expected), "{said}");
    }
}
