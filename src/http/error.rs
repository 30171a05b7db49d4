//! [`HttpError`]: why there is no answer, as a sentence that says what to look at.

use std::error::Error;
use std::io;

use http::StatusCode;
use rustls::CertificateError;

use crate::model::Timestamp;

/// Why a web server did not answer as hoped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The URL cannot be asked.
    #[error("{url:?} cannot be asked: {why}; expected http://HOST/... or https://HOST/...")]
    Url {
        /// As it was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The proxy of the environment cannot be used.
    #[error("the proxy {proxy:?} cannot be used: {why}; expected http://HOST:PORT")]
    Proxy {
        /// As it was given, without its password.
        proxy: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is no connection.
    #[error("cannot connect to {peer}: {why}")]
    Connect {
        /// Host and port, or address.
        peer: String,
        /// Why, in the system's words.
        why: String,
        /// Why, for a program.
        kind: io::ErrorKind,
    },
    /// It took too long.
    #[error("{peer} gave no answer within {seconds} s")]
    Timeout {
        /// Host and port, or address.
        peer: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The server's certificate or its TLS is not right.
    #[error("TLS with {peer} failed: {why}")]
    Tls {
        /// Host and port.
        peer: String,
        /// What is wrong.
        why: String,
    },
    /// Nobody who is trusted vouches for the server's certificate.
    #[error(
        "TLS with {peer} failed: its certificate comes from no issuer that {roots} know (see ca-file)"
    )]
    Untrusted {
        /// Host and port.
        peer: String,
        /// Which roots were asked.
        roots: String,
    },
    /// The connection broke or what came was not HTTP.
    #[error("the connection to {peer} broke: {why}")]
    Broken {
        /// Host and port, or address.
        peer: String,
        /// Why.
        why: String,
    },
    /// The body is too long.
    #[error("the answer of {peer} is longer than {limit} bytes")]
    TooLong {
        /// Host and port, or address.
        peer: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// Another status than 200.
    #[error("{url} answered {status}")]
    Status {
        /// What was asked.
        url: String,
        /// What was answered.
        status: StatusCode,
    },
}

impl HttpError {
    /// Whether another try may end better: no connection, a time-out, a broken connection.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Timeout { .. } | Self::Broken { .. })
    }
}

/// What a failure of the pooled client means.
pub(super) fn of_request(
    peer: &str,
    roots: &str,
    failure: &hyper_util::client::legacy::Error,
) -> HttpError {
    let peer = peer.to_owned();
    if let Some(tls) = find::<rustls::Error>(failure) {
        return match tls {
            rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
                HttpError::Untrusted { peer, roots: roots.to_owned() }
            }
            other => HttpError::Tls { peer, why: tls_sentence(other) },
        };
    }
    if let Some(why) = tunnel_sentence(failure) {
        return HttpError::Connect { peer, why, kind: io::ErrorKind::Other };
    }
    if let Some(system) = find::<io::Error>(failure) {
        if system.kind() == io::ErrorKind::TimedOut {
            return HttpError::Timeout { peer, seconds: super::CONNECT.as_secs() };
        }
        if failure.is_connect() {
            return HttpError::Connect { peer, why: innermost(system), kind: system.kind() };
        }
    }
    if failure.is_connect() {
        return HttpError::Connect { peer, why: innermost(failure), kind: io::ErrorKind::Other };
    }
    HttpError::Broken { peer, why: innermost(failure) }
}

/// rustls' words where they are clear, better ones where a person needs them.
fn tls_sentence(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { time, not_after }) => {
            let ended = Timestamp::from_unix(not_after.as_secs().try_into().unwrap_or(i64::MAX));
            let days = time.as_secs().saturating_sub(not_after.as_secs()) / DAY;
            format!("its certificate ended {ended}, {days} days ago")
        }
        rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext {
            presented,
            ..
        }) => match presented.as_slice() {
            [] => "its certificate is for no host at all".to_owned(),
            [first] => format!("its certificate is for {} only", host_of(first)),
            [first, rest @ ..] => {
                format!("its certificate is for {} and {} more", host_of(first), rest.len())
            }
        },
        rustls::Error::InvalidMessage(_) => "what it speaks on this port is not TLS".to_owned(),
        other => other.to_string(),
    }
}

/// rustls writes `DnsName("HOST")`; what stands in it is somebody else's text.
fn host_of(presented: &str) -> String {
    let bare = presented.strip_prefix("DnsName(\"").and_then(|rest| rest.strip_suffix("\")"));
    bare.unwrap_or(presented).chars().take(100).collect::<String>().escape_debug().to_string()
}

/// Seconds of a day.
const DAY: u64 = 24 * 60 * 60;

/// What went wrong with the proxy, if it was the proxy: hyper-util's type is not public, its text
/// is.
fn tunnel_sentence(failure: &(dyn Error + 'static)) -> Option<String> {
    let mut next = Some(failure);
    while let Some(link) = next {
        if let Some(what) = link.to_string().strip_prefix("tunnel error: ") {
            return Some(match what {
                "unsuccessful" => "the proxy refuses the tunnel".to_owned(),
                "proxy authorization required" => {
                    "the proxy wants a user and a password (http://USER:PASSWORD@HOST:PORT)"
                        .to_owned()
                }
                _ => format!("the proxy does not answer: {}", innermost(link)),
            });
        }
        next = link.source();
    }
    None
}

/// The text of the last link in a chain of causes: the ones before only say where it passed.
pub(super) fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

/// The first cause of type `T`; io errors hide theirs behind `get_ref`.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(link) = next {
        if let Some(found) = link.downcast_ref::<T>() {
            return Some(found);
        }
        let wrapped = link.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = wrapped.and_then(|inner| find::<T>(inner)) {
            return Some(found);
        }
        next = link.source();
    }
    None
}
