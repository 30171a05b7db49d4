//! The one door to clock and environment.

use crate::http::Proxy;
use crate::model::Timestamp;

/// The moment of the run.
#[expect(clippy::disallowed_methods, reason = "the one reader of the clock")]
pub(super) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seconds = since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
    Timestamp::from_unix(seconds)
}

/// The user this process acts as.
pub(super) fn caller() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The proxy for HTTPS, if the environment names one.
pub(super) fn proxy() -> Option<Proxy> {
    let https = variable("HTTPS_PROXY").or_else(|| variable("https_proxy"))?;
    let no = variable("NO_PROXY").or_else(|| variable("no_proxy")).unwrap_or_default();
    Some(Proxy { https, no })
}

#[expect(clippy::disallowed_methods, reason = "the one reader of the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
