//! Orders of an earlier run: what the CA says of them decides whether they are gone on with.

use super::{Mock, usual};
use crate::issue::Ca;
use crate::model::Hostname;

/// No PEM: the mock would put its URL for the CA in the middle of CERTIFICATE.
const CHAIN: &str = "chain\n";

/// What the CA answers about the order, and what came of it.
async fn finished(status: u16, order: &'static str) -> (Result<String, (String, bool)>, Mock) {
    let mut answers = usual();
    answers.insert("/order/1", (status, "", order));
    answers.insert("/cert/1", (200, "content-type: application/pem-certificate-chain", CHAIN));
    let valid =
        r#"{"status":"valid","authorizations":[],"finalize":"CA/fin","certificate":"CA/cert/1"}"#;
    answers.insert("/fin", (200, "", valid));
    let mock = Mock::start(answers).await;
    let names = [Hostname::parse("mx.a.example").unwrap()];
    let url = format!("http://{}/order/1", mock.at);
    let finished = mock.acme(|_| ()).finish(&url, &names, b"csr").await;
    (finished.map_err(|refusal| (refusal.sentence(), refusal.by_ca)), mock)
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
        assert_eq!(chain, Ok(CHAIN.to_owned()));
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
