//! The one door to clock and environment.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

use crate::http::Proxy;
use crate::local;
use crate::model::{Clock, Mark, Timestamp};

/// The moment of the run, in whole seconds, and when exactly that was.
#[expect(clippy::disallowed_methods, reason = "the one reader of the clock")]
pub(super) fn now() -> (Timestamp, Instant) {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let since = since.unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    let part = Duration::from_nanos(since.subsec_nanos().into());
    let then = Instant::now();
    (Timestamp::from_unix(seconds), then.checked_sub(part).unwrap_or(then))
}

/// The wall clock beside the time since the machine started, where that can be known: of two such
/// readings the difference says whether the clock jumped.
pub(super) fn clock() -> Option<Clock> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let up = std::fs::read_to_string("/proc/uptime").ok()?;
    let up = up.split(['.', ' ']).next()?.parse().ok()?;
    Some(Clock { boot: Mark::of(boot.trim()), up, at: now().0 })
}

/// The monotonic clock, in microseconds, as a service manager wants to hear it.
pub(super) fn monotonic() -> u64 {
    use nix::time::{ClockId, clock_gettime};
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from);
    now.ok().and_then(|now| u64::try_from(now.as_micros()).ok()).unwrap_or_default()
}

/// Where a service manager wants to be told how we are, and within what time, if there is one:
/// sd_notify(3), sd_watchdog_enabled(3).
pub(super) fn service_manager() -> (Option<String>, Option<Duration>) {
    let ours = variable("WATCHDOG_PID").is_none_or(|pid| pid == std::process::id().to_string());
    let within = variable("WATCHDOG_USEC").filter(|_| ours).and_then(|text| text.parse().ok());
    let within = within.filter(|micros| *micros > 0).map(Duration::from_micros);
    (variable("NOTIFY_SOCKET"), within)
}

/// What this machine calls itself.
pub(super) fn machine() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let plain = |c: &char| c.is_ascii_alphanumeric() || ".-_".contains(*c);
    let name: String = name.trim().chars().filter(plain).collect();
    if name.is_empty() { "this machine".to_owned() } else { name }
}

/// The user this process acts as.
pub(super) fn caller() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Whether colours are welcome on a terminal: NO_COLOR (no-color.org) is unset or empty and the
/// terminal knows them.
pub(super) fn wants_colour() -> bool {
    variable("NO_COLOR").is_none() && variable("TERM").is_none_or(|term| term != "dumb")
}

/// Whether `--format nagios` was typed, for a command line that cannot be read otherwise.
pub(super) fn nagios_is_asked_for() -> bool {
    let typed: Vec<std::ffi::OsString> = std::env::args_os().collect();
    typed.iter().any(|word| word == "--format=nagios")
        || typed.windows(2).any(|pair| pair[0] == "--format" && pair[1] == "nagios")
}

/// Makes sure that so many sockets can be open at once, and says how many can: the hard limit of
/// the process is the most there is.
pub(super) fn sockets(wanted: u64) -> u64 {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX);
    if limit.current.is_some_and(|current| current < wanted) {
        limit.current = Some(wanted.min(most));
        // What cannot be raised stays; the answer says how much that is.
        let _ = setrlimit(Resource::Nofile, limit);
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// The caller's home directory: lego and acme.sh keep their certificates there.
pub(super) fn home() -> Option<PathBuf> {
    variable("HOME").map(PathBuf::from).filter(|home| home.is_absolute())
}

/// The proxy for HTTPS, if the environment names one.
pub(super) fn proxy() -> Option<Proxy> {
    let https = variable("HTTPS_PROXY").or_else(|| variable("https_proxy"))?;
    let no = variable("NO_PROXY").or_else(|| variable("no_proxy")).unwrap_or_default();
    Some(Proxy { https, no })
}

/// What this machine's other programs heed as well.
pub(super) fn of_other_programs() -> local::Environment {
    local::Environment {
        openssl_conf: variable("OPENSSL_CONF"),
        ssl_cert_file: variable("SSL_CERT_FILE"),
        ssl_cert_dir: variable("SSL_CERT_DIR"),
        java_home: variable("JAVA_HOME"),
    }
}

#[expect(clippy::disallowed_methods, reason = "the one reader of the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
