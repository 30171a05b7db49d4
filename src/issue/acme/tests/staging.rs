//! The staging directory: an account of its own, validations, and never a certificate.

use super::{Answers, DIRECTORY, Mock, Shows, usual};
use crate::issue::{Ca, Refusal};
use crate::model::DnsId;

const PENDING: &str = r#"{"status":"pending","authorizations":["CA/authz/1"],"finalize":"CA/fin"}"#;

/// A CA with whatever these answers are at its staging directory, asked twice about one name.
async fn rehearsed(answers: Answers) -> (Vec<Result<usize, Refusal>>, [Mock; 2]) {
    let (real, staging) = (Mock::start(usual()).await, Mock::start(answers).await);
    let url = format!("http://{}/dir", staging.at);
    let acme = real.acme(|settings| settings.staging = Some(url));
    let names = [DnsId::parse("b.example").unwrap()];
    let mut said = Vec::new();
    for _ in 0..2 {
        said.push(acme.rehearse(&names, &Shows).await.map(|passed| passed.len()));
    }
    (said, [real, staging])
}

#[tokio::test]
async fn what_passes_is_given_up_and_nothing_is_issued() {
    let mut answers = usual();
    let ready = r#"{"status":"ready","authorizations":["CA/authz/1"],"finalize":"CA/fin"}"#;
    answers.insert("/order", (201, "location: CA/order/1", ready));
    answers.insert(
        "/authz/1",
        (
            200,
            "",
            r#"{"status":"valid","identifier":{"type":"dns","value":"b.example"},"challenges":[]}"#,
        ),
    );
    let (said, [real, staging]) = rehearsed(answers).await;
    assert!(said.iter().all(|said| matches!(said, Ok(1))), "{said:?}");
    assert_eq!(staging.times_asked("/fin"), 0, "no certificate");
    assert_eq!(staging.times_asked("/account"), 1, "an account of its own");
    // Looked at and given up, for each of two orders.
    assert!(staging.times_asked("/authz/1") >= 4, "{:?}", staging.asked.lock().unwrap());
    assert_eq!(*real.asked.lock().unwrap(), Vec::<String>::new(), "the CA itself was not asked");
}

#[tokio::test]
async fn what_fails_there_says_that_it_counts_for_nothing() {
    let mut answers = usual();
    answers.insert("/order", (201, "location: CA/order/1", PENDING));
    answers.insert(
        "/authz/1",
        (
            200,
            "",
            r#"{"status":"pending","identifier":{"type":"dns","value":"b.example"},
          "challenges":[{"type":"http-01","url":"CA/c/1","status":"pending","token":"t"}]}"#,
        ),
    );
    let refused = r#"{"type":"urn:ietf:params:acme:error:unauthorized","detail":"404"}"#;
    answers.insert("/c/1", (403, "", refused));
    let (said, [_, staging]) = rehearsed(answers).await;
    assert_eq!(staging.times_asked("/order"), 2, "a failure is no reason to leave it alone");
    for said in said {
        let refusal = said.unwrap_err();
        assert_eq!(refusal.names[0].to_string(), "b.example");
        assert_eq!(
            refusal.sentence().replace(&format!("http://{}", staging.at), "CA"),
            "b.example: the CA refused the order: 404 (urn:ietf:params:acme:error:unauthorized); \
             it was tried at the staging directory CA/dir first, where that counts for nothing"
        );
    }
}

#[tokio::test]
async fn one_that_cannot_be_used_holds_up_nothing_and_is_asked_once_in_a_run() {
    let limited = r#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"slow down"}"#;
    let wants_eab = r#"{"newNonce":"CA/nonce","newAccount":"CA/account","newOrder":"CA/order",
        "meta":{"externalAccountRequired":true}}"#;
    for (directory, order, asked) in [
        (DIRECTORY, (429, "retry-after: 60", limited), "/order"),
        (wants_eab, (201, "", PENDING), "/dir"),
    ] {
        let mut answers = usual();
        answers.insert("/dir", (200, "", directory));
        answers.insert("/order", order);
        let (said, [_, staging]) = rehearsed(answers).await;
        assert!(said.iter().all(|said| matches!(said, Ok(0))), "{said:?}");
        assert_eq!(staging.times_asked(asked), 1, "{directory}");
    }
    let (said, [_, staging]) = rehearsed(Answers::new()).await;
    assert!(said.iter().all(|said| matches!(said, Ok(0))), "{said:?}");
    assert_eq!(staging.times_asked("/dir"), 1);
}
