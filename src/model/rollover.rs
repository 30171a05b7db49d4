//! [`Rollover`]: what is remembered of keys that TLSA records pin (RFC 6698, 7672): the next key of
//! a certificate, since when its records stand, which key is shown.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{CertName, Hostname, KeyHash, KeyType, Timestamp};

/// The next key of a certificate, made ahead so that its records can be published first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextKey {
    /// Its hash.
    pub key: KeyHash,
    /// Its kind.
    pub key_type: KeyType,
    /// When it was made.
    pub made: Timestamp,
}

/// What is known of one `3 1 1` record of a key of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announced {
    /// Since when every server of the zone was seen to show it; `None` where one did not.
    pub since: Option<Timestamp>,
    /// When that was looked at last.
    pub looked: Timestamp,
    /// The longest it may be kept by caches, in seconds.
    pub ttl: u32,
    /// Whether mailcert put it there, and may take it away.
    pub ours: bool,
    /// When mailcert took it away: caches keep it for a TTL.
    #[serde(default)]
    pub gone: Option<Timestamp>,
}

impl Announced {
    /// Whether mailcert took it away so lately that a cache may still have it.
    #[must_use]
    pub fn is_gone(&self, now: Timestamp) -> bool {
        self.gone.is_some_and(|at| now.since(at) <= Duration::from_secs(self.ttl.into()))
    }

    /// When its key may be shown: after two TTLs no cache is without the record (RFC 7671
    /// section 8.1). `None` as long as not every server shows it.
    #[must_use]
    pub fn stands_at(&self) -> Option<Timestamp> {
        Some(self.since?.plus(2 * Duration::from_secs(self.ttl.into())))
    }
}

/// One change of what is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RolloverNote {
    /// A next key was made, or (`None`) is no more.
    Next {
        /// Of which certificate.
        certificate: CertName,
        /// Which.
        next: Option<NextKey>,
    },
    /// What is known of a record.
    Announced {
        /// Where it stands.
        owner: String,
        /// Which key it names.
        key: KeyHash,
        /// What; `None` when it is no more.
        announced: Option<Announced>,
    },
    /// Whether a host has TLSA records that count, when the DNS was asked.
    Pinned {
        /// Which host.
        host: Hostname,
        /// When.
        at: Timestamp,
        /// Whether it has.
        pinned: bool,
    },
    /// Every server was seen to show a certificate with this key.
    Shown {
        /// Which certificate.
        certificate: CertName,
        /// Which key.
        key: KeyHash,
        /// Since when.
        since: Timestamp,
    },
}

/// The sum of all notes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rollover {
    /// The next keys.
    pub next: BTreeMap<CertName, NextKey>,
    /// The records of our keys, by owner and key.
    pub announced: BTreeMap<(String, KeyHash), Announced>,
    /// The hosts that were asked for, when, and whether they have TLSA records that count.
    pub pinned: BTreeMap<Hostname, (Timestamp, bool)>,
    /// The key that every server shows, and since when.
    pub shown: BTreeMap<CertName, (KeyHash, Timestamp)>,
}

impl Rollover {
    /// Adds one note.
    pub fn add(&mut self, note: RolloverNote) {
        match note {
            RolloverNote::Next { certificate, next: Some(next) } => {
                self.next.insert(certificate, next);
            }
            RolloverNote::Next { certificate, next: None } => {
                self.next.remove(&certificate);
            }
            RolloverNote::Announced { owner, key, announced: Some(announced) } => {
                self.announced.insert((owner, key), announced);
            }
            RolloverNote::Announced { owner, key, announced: None } => {
                self.announced.remove(&(owner, key));
            }
            RolloverNote::Pinned { host, at, pinned } => {
                self.pinned.insert(host, (at, pinned));
            }
            RolloverNote::Shown { certificate, key, since } => {
                self.shown.insert(certificate, (key, since));
            }
        }
    }

    /// A clock that jumped shortens no wait: what stands begins anew with it, and never later than
    /// `now`.
    pub(crate) fn on_clock(&mut self, by: i64, now: Timestamp) {
        let moved = |at: Timestamp| Timestamp::from_unix(at.unix().saturating_add(by)).min(now);
        for announced in self.announced.values_mut() {
            announced.since = announced.since.map(moved);
        }
        for (_, since) in self.shown.values_mut() {
            *since = moved(*since);
        }
    }

    /// The fewest notes that add up to this.
    pub fn into_notes(self) -> impl Iterator<Item = RolloverNote> {
        let next = self.next.into_iter();
        let next =
            next.map(|(certificate, next)| RolloverNote::Next { certificate, next: Some(next) });
        let announced = self.announced.into_iter().map(|((owner, key), announced)| {
            RolloverNote::Announced { owner, key, announced: Some(announced) }
        });
        let pinned = self.pinned.into_iter();
        let pinned = pinned.map(|(host, (at, pinned))| RolloverNote::Pinned { host, at, pinned });
        let shown = self.shown.into_iter().map(|(certificate, (key, since))| RolloverNote::Shown {
            certificate,
            key,
            since,
        });
        next.chain(announced).chain(pinned).chain(shown)
    }
}

/// A `3 1 1` record as a line of a zone file.
#[must_use]
pub fn tlsa_line(owner: &str, ttl: u32, key: &KeyHash) -> String {
    format!("{owner}. {ttl} IN TLSA 3 1 1 {key}")
}
