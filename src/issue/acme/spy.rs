//! [`Spy`]: our HTTP client between instant-acme and the CA. It sees what the library drops: the
//! status and body of an answer that is no ACME, Retry-After, and the links to other chains.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, DATE, HeaderName, RETRY_AFTER};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};

use super::link;
use super::persist::Asked;
use super::problem::{Problem, printable};
use crate::http::{Http, HttpError};
use crate::model::Timestamp;

/// Why the CA gave no answer that means yes.
#[derive(Debug, thiserror::Error)]
pub(super) enum CaFault {
    /// No answer at all.
    #[error("the CA cannot be asked: {0}")]
    Unreachable(#[from] HttpError),
    /// An answer that is not ACME: a proxy's, a maintenance page.
    #[error("the CA answered {status} ({kind}): {said}")]
    Answer { status: StatusCode, kind: String, said: String, retry_after: Option<Duration> },
    /// A problem document (RFC 7807, RFC 8555 section 6.7).
    #[error("the CA refused: {problem}")]
    Problem { problem: Box<Problem>, status: StatusCode, retry_after: Option<Duration> },
}

/// One order's connection to the CA.
pub(super) struct Spy {
    pub(super) http: Http,
    /// The directory's URL and text: asked once, not once for each order.
    pub(super) directory: (String, Bytes),
    /// What the last answer said.
    pub(super) heard: Arc<Mutex<Heard>>,
    /// What our clock says.
    pub(super) now: Timestamp,
}

/// What an answer says besides its body.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Its Retry-After.
    pub(super) wait: Option<Duration>,
    /// Where there are other chains.
    pub(super) alternates: Vec<String>,
    /// What dns-persist-01 asks for, if an answer said it.
    pub(super) persistent: Option<Asked>,
}

impl HttpClient for Spy {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        if request.method() == Method::GET && request.uri() == self.directory.0.as_str() {
            let known = Response::new(Full::new(self.directory.1.clone()));
            return Box::pin(async move { Ok(BytesResponse::from(known)) });
        }
        let http = self.http.clone();
        let (heard, now) = (self.heard.clone(), self.now);
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let url = parts.uri.to_string();
            let body = match body.collect().await {
                Ok(body) => body.to_bytes(),
                Err(never) => match never {},
            };
            let answer = ask(&http, &Request::from_parts(parts, body), now)
                .await
                .map_err(|fault| Error::Other(Box::new(fault)))?;
            let headers = answer.headers();
            let wait = retry_after(headers, now);
            let alternates = link::alternates(headers, &url);
            let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
            let persistent = Asked::of(answer.body()).or_else(|| heard.persistent.take());
            *heard = Heard { wait, alternates, persistent };
            Ok(BytesResponse::from(answer.map(Full::new)))
        })
    }
}

/// Asks the CA; tries again, twice, where another try may end better. A spent nonce is no harm:
/// the CA answers badNonce with a fresh one, and the library signs again.
pub(super) async fn ask(
    http: &Http,
    request: &Request<Bytes>,
    now: Timestamp,
) -> Result<Response<Bytes>, CaFault> {
    let mut pauses = PAUSES.iter();
    loop {
        let fault = match http.send(request.clone()).await {
            Ok(answer) => match read(answer, now) {
                Ok(answer) => return Ok(answer),
                Err(fault) => fault,
            },
            Err(e) => CaFault::Unreachable(e),
        };
        match pauses.next() {
            Some(pause) if may_pass(&fault) => {
                tracing::debug!(url = %request.uri(), "{fault}; asking again");
                tokio::time::sleep(*pause).await;
            }
            _ => return Err(fault),
        }
    }
}

fn may_pass(fault: &CaFault) -> bool {
    match fault {
        // A stuck CA has had its 30 s.
        CaFault::Unreachable(e) => e.may_pass() && !matches!(e, HttpError::Timeout { .. }),
        CaFault::Answer { status, retry_after, .. }
        | CaFault::Problem { status, retry_after, .. } => {
            // A CA that says when to come back is not asked before.
            status.is_server_error() && retry_after.is_none()
        }
    }
}

/// Sorts an answer: what instant-acme can read goes through, badNonce included, since it signs
/// again by itself.
fn read(answer: Response<Bytes>, now: Timestamp) -> Result<Response<Bytes>, CaFault> {
    let status = answer.status();
    let kind = media_type(answer.headers());
    let retry_after = retry_after(answer.headers(), now);
    if status.is_client_error() || status.is_server_error() {
        let Ok(problem) = serde_json::from_slice::<Problem>(answer.body()) else {
            return Err(not_acme(&answer, &kind, retry_after));
        };
        if problem.is("badNonce") {
            return Ok(answer);
        }
        return Err(CaFault::Problem { problem: Box::new(problem), status, retry_after });
    }
    if kind == "text/html" {
        return Err(not_acme(&answer, &kind, retry_after));
    }
    Ok(answer)
}

fn not_acme(answer: &Response<Bytes>, kind: &str, retry_after: Option<Duration>) -> CaFault {
    let kind = match kind {
        "text/html" => "HTML".to_owned(),
        "" => "no content type".to_owned(),
        other => printable(other, 40),
    };
    let text = String::from_utf8_lossy(answer.body());
    let said = match words_of(&text) {
        said if said.is_empty() => "an empty body".to_owned(),
        said => printable(&said, 200),
    };
    CaFault::Answer { status: answer.status(), kind, said, retry_after }
}

/// The words of a page without its tags: enough to recognise a maintenance page.
fn words_of(page: &str) -> String {
    let mut words = String::new();
    let mut within = false;
    for c in page.chars().take(4000) {
        match c {
            '<' => within = true,
            '>' if within => {
                within = false;
                words.push(' ');
            }
            _ if !within => words.push(c),
            _ => {}
        }
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn media_type(headers: &HeaderMap) -> String {
    let kind = text_of(headers, &CONTENT_TYPE).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Retry-After: seconds, or a date (RFC 9110 section 10.2.3) that is measured against the CA's
/// own clock, since ours may be wrong. Where it does not tell the time, ours has to do, and its date
/// is believed for a day at most.
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = text_of(headers, &RETRY_AFTER)?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let moment = |text| {
        time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc2822).ok()
    };
    let until = moment(value)?;
    let theirs = text_of(headers, &DATE).and_then(moment);
    let Some(theirs) = theirs else {
        let until = Timestamp::from_unix(until.unix_timestamp());
        return Some(until.since(now).min(BY_OUR_CLOCK));
    };
    Some(Duration::try_from(until - theirs).unwrap_or_default())
}

fn text_of<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// How long a date is believed that is measured against our clock.
const BY_OUR_CLOCK: Duration = Duration::from_secs(86_400);
/// How long is waited before the second and the third try.
const PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(1500)];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use http::Response;

    use super::{read, retry_after};
    use crate::model::Timestamp;

    /// 1999-12-31T23:58:00Z.
    const NOW: Timestamp = Timestamp::from_unix(946_684_680);

    #[test]
    fn an_answer_that_is_no_acme_is_called_what_it_is() {
        for (status, kind, body, expected) in [
            (
                503,
                "text/html; charset=utf-8",
                "<html><title>Down</title>\n<p>for  <b>maintenance</b>\u{1b}[2J",
                "the CA answered 503 Service Unavailable (HTML): Down for maintenance ?[2J",
            ),
            (502, "", "", "the CA answered 502 Bad Gateway (no content type): an empty body"),
            (200, "text/html", "<h1>Log in</h1>", "the CA answered 200 OK (HTML): Log in"),
            (
                429,
                "application/problem+json",
                r#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many"}"#,
                "the CA refused: too many (urn:ietf:params:acme:error:rateLimited)",
            ),
        ] {
            let answer = Response::builder().status(status).header("content-type", kind);
            let answer = answer.body(Bytes::from_static(body.as_bytes())).unwrap();
            assert_eq!(read(answer, NOW).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn a_bad_nonce_is_left_to_the_library() {
        let body = br#"{"type":"urn:ietf:params:acme:error:badNonce"}"#;
        let answer = Response::builder().status(400).body(Bytes::from_static(body)).unwrap();
        assert!(read(answer, NOW).is_ok());
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        for (value, date, expected) in [
            ("120", None, Some(120)),
            ("Fri, 31 Dec 1999 23:59:59 GMT", Some("Fri, 31 Dec 1999 23:58:59 GMT"), Some(60)),
            ("Fri, 31 Dec 1999 23:00:00 GMT", Some("Fri, 31 Dec 1999 23:58:59 GMT"), Some(0)),
            // No date to measure it against but our own.
            ("Fri, 31 Dec 1999 23:59:59 GMT", None, Some(119)),
            ("Fri, 31 Dec 1999 23:59:59 GMT", Some("today"), Some(119)),
            ("Fri, 31 Dec 1999 23:00:00 GMT", None, Some(0)),
            ("Fri, 31 Dec 2099 23:00:00 GMT", None, Some(86_400)),
            ("Friday, 31-Dec-99 23:59:59 GMT", None, None),
            ("soon", None, None),
        ] {
            let mut headers = http::HeaderMap::new();
            headers.insert("retry-after", value.parse().unwrap());
            if let Some(date) = date {
                headers.insert("date", date.parse().unwrap());
            }
            assert_eq!(retry_after(&headers, NOW), expected.map(Duration::from_secs), "{value}");
        }
    }
}
