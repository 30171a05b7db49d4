//! Renewal information (ARI, RFC 9773): a plain GET, without account or nonce.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use instant_acme::CertificateIdentifier;
use rustls_pki_types::CertificateDer;
use serde::Deserialize;
use time::OffsetDateTime;

use super::{Acme, problem, spy};
use crate::issue::{Suggested, Unsaid};
use crate::model::{Renewal, Timestamp};

/// What is waited for between two questions, whatever the CA says (RFC 9773 section 4.3.2).
const SHORTEST: Duration = Duration::from_secs(60);
/// The longest.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// Where the CA does not say when to ask again.
const USUALLY: Duration = Duration::from_secs(6 * 3600);
/// How long one answer may take: nothing waits for it that could not do without.
const DEADLINE: Duration = Duration::from_secs(10);

impl Acme {
    /// What the CA suggests for this certificate (DER). The directory may be one of an earlier
    /// run, as long as it is `young`.
    pub(super) async fn suggests(&self, leaf: &[u8], young: Duration) -> Result<Suggested, Unsaid> {
        let Some(base) = self.renewal_info(young).await? else {
            return Ok(Suggested { renewal: None, again: LONGEST });
        };
        let leaf = CertificateDer::from(leaf);
        let Ok(id) = CertificateIdentifier::try_from(&leaf) else {
            // No authority key identifier: nobody can ask for it.
            return Ok(Suggested { renewal: None, again: LONGEST });
        };
        let url = format!("{}/{id}", base.trim_end_matches('/'));
        let request = Request::get(&url).body(Bytes::new());
        let request = request.map_err(|e| Unsaid::of(format!("{url:?} is no URL: {e}")))?;
        let asked = tokio::time::timeout(DEADLINE, self.http.send(request)).await;
        let answer = match asked {
            Err(_) => return Err(Unsaid::down(format!("{url}: no answer within 10 s"))),
            Ok(Err(error)) => return Err(Unsaid::down(error.to_string())),
            Ok(Ok(answer)) => answer,
        };
        let again = spy::retry_after(answer.headers(), self.now);
        let again = again.unwrap_or(USUALLY).clamp(SHORTEST, LONGEST);
        if !answer.status().is_success() {
            // It is not the CA's, or the CA does not want to be asked: the usual rule holds.
            let busy = answer.status().is_server_error() || answer.status() == 429;
            let why = format!("the CA answered {}", answer.status());
            return Err(Unsaid { why, again: Some(again), down: busy });
        }
        match read(answer.body()) {
            Ok(renewal) => Ok(Suggested { renewal: Some(renewal), again }),
            Err(why) => Err(Unsaid { why, again: Some(again), down: false }),
        }
    }

    /// Where it is asked, by what is remembered of the directory or by asking for it.
    async fn renewal_info(&self, young: Duration) -> Result<Option<String>, Unsaid> {
        if let Some(directory) = self.remembered(young) {
            return Ok(directory.renewal_info);
        }
        let directory = self.directory().await.map_err(|e| Unsaid::down(e.sentence()))?;
        Ok(directory.renewal_info.clone())
    }
}

/// The window in an answer.
fn read(body: &[u8]) -> Result<Renewal, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        suggested_window: Window,
        #[serde(rename = "explanationURL")]
        explanation_url: Option<String>,
    }
    #[derive(Deserialize)]
    struct Window {
        #[serde(with = "time::serde::rfc3339")]
        start: OffsetDateTime,
        #[serde(with = "time::serde::rfc3339")]
        end: OffsetDateTime,
    }
    let answer: Answer = serde_json::from_slice(body).map_err(|e| {
        format!("no renewal information: {}", problem::printable(&e.to_string(), 200))
    })?;
    let moment = |at: OffsetDateTime| Timestamp::from_unix(at.unix_timestamp());
    let Window { start, end } = answer.suggested_window;
    let (start, end) = (moment(start), moment(end));
    if start >= end {
        // RFC 9773 section 4.2: a window that ends before it begins is none.
        return Err(format!("the CA suggests a window from {start} to {end}"));
    }
    let explanation = answer.explanation_url.map(|url| problem::printable(&url, 200));
    let explanation = explanation.filter(|url| url.starts_with("https://"));
    Ok(Renewal { start, end, explanation })
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn a_window_is_read_and_what_is_none_is_refused() {
        let window = |start: &str, end: &str, more: &str| {
            format!(r#"{{"suggestedWindow":{{"start":"{start}","end":"{end}"}}{more}}}"#)
        };
        let url = r#","explanationURL":"https://ca.example/why""#;
        let (early, late) = ("2026-01-02T04:00:00Z", "2026-01-03T04:00:00+01:00");
        let read = |text: &str| match read(text.as_bytes()) {
            Ok(seen) => format!("{} {} {:?}", seen.start, seen.end, seen.explanation),
            Err(why) => why,
        };
        for (text, expected) in [
            (
                window(early, late, url),
                "2026-01-02T04:00:00Z 2026-01-03T03:00:00Z Some(\"https://ca.example/why\")",
            ),
            (window(early, late, ""), "2026-01-02T04:00:00Z 2026-01-03T03:00:00Z None"),
            (
                window(early, late, r#","explanationURL":"javascript:alert(1)""#),
                "2026-01-02T04:00:00Z 2026-01-03T03:00:00Z None",
            ),
            (
                window(late, early, ""),
                "the CA suggests a window from 2026-01-03T03:00:00Z to 2026-01-02T04:00:00Z",
            ),
            (window("tomorrow", late, ""), "no renewal information: the 'year' component could"),
            ("<html>".to_owned(), "no renewal information: expected value"),
            ("{}".to_owned(), "no renewal information: missing field `suggestedWindow`"),
        ] {
            assert!(read(&text).starts_with(expected), "{text}: {}", read(&text));
        }
    }
}
