//! What the CAs allow, as data, by their directory.
//!
//! Let's Encrypt: <https://letsencrypt.org/docs/rate-limits/> (last updated 2025-06-12, read
//! 2026-11-26), staging: <https://letsencrypt.org/docs/staging-environment/> (2025-11-25). They count with
//! token buckets that refill evenly; a sliding window of the same size never asks for more.

use std::time::Duration;

/// So many in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// How many.
    pub most: usize,
    /// In how long.
    pub within: Duration,
}

impl Limit {
    const fn new(most: usize, seconds: u64) -> Self {
        Self { most, within: Duration::from_secs(seconds) }
    }
}

/// The limits of one CA. `None`: it has none that we know of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Orders of any kind. No CA says so: courtesy, and what stands between a clock that jumps and
    /// ten thousand orders.
    pub all: Option<Limit>,
    /// Orders of an account. A renewal of exactly the same names is exempt.
    pub orders: Option<Limit>,
    /// Certificates for a registered domain. A renewal of exactly the same names is exempt.
    pub domain: Option<Limit>,
    /// Certificates for exactly the same names. What replaces a certificate by the CA's renewal
    /// information (RFC 9773) is exempt, from this and from the two above.
    pub set: Option<Limit>,
    /// Failed validations of a name.
    pub failures: Option<Limit>,
}

impl Limits {
    /// Those of the CA with this directory.
    #[must_use]
    pub fn of(directory: &str) -> Self {
        let host = directory.strip_prefix("https://").and_then(|rest| rest.split('/').next());
        match host {
            Some("acme-v02.api.letsencrypt.org") => Self {
                all: COURTESY,
                orders: Some(Limit::new(300, 3 * HOUR)),
                domain: Some(Limit::new(50, 7 * DAY)),
                set: Some(Limit::new(5, 7 * DAY)),
                failures: Some(Limit::new(5, HOUR)),
            },
            Some("acme-staging-v02.api.letsencrypt.org") => Self {
                all: COURTESY,
                orders: Some(Limit::new(1_500, 3 * HOUR)),
                domain: Some(Limit::new(30_000, 7 * DAY)),
                set: Some(Limit::new(30_000, 7 * DAY)),
                failures: Some(Limit::new(200, HOUR)),
            },
            _ => Self { all: COURTESY, ..Self::default() },
        }
    }
}

/// Five times Let's Encrypt's limit for new orders.
const COURTESY: Option<Limit> = Some(Limit::new(1_500, 3 * HOUR));
const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

#[cfg(test)]
mod tests {
    use super::Limits;

    #[test]
    fn limits_are_known_by_the_directory() {
        for (directory, orders) in [
            ("https://acme-v02.api.letsencrypt.org/directory", Some(300)),
            ("https://acme-staging-v02.api.letsencrypt.org/directory", Some(1_500)),
            ("https://ca.example.org/acme-v02.api.letsencrypt.org", None),
        ] {
            let limits = Limits::of(directory);
            assert_eq!(limits.orders.map(|limit| limit.most), orders, "{directory}");
            assert!(limits.all.is_some(), "{directory}");
        }
    }
}
