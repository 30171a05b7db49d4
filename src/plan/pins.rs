//! The TLSA guard: a key that published records do not match is not shown (RFC 7672).

use std::collections::HashMap;

use crate::model::{Code, DnsId, Facts, Finding, Hostname, KeyHash, Version};
use crate::plan::{Held, Pins};

/// Published pins by host, and by the domain above the host for wildcards.
pub(super) struct Guard<'a> {
    exact: HashMap<&'a str, &'a Pins>,
    below: HashMap<&'a str, Vec<&'a Pins>>,
}

impl<'a> Guard<'a> {
    pub(super) fn of(pins: &'a [Pins]) -> Self {
        let mut own = Self { exact: HashMap::new(), below: HashMap::new() };
        // Records of which none pins a key as such (an empty list) say nothing of ours.
        for pins in pins.iter().filter(|pins| !pins.keys.is_empty()) {
            own.exact.insert(pins.host.as_str(), pins);
            if let Some((_, domain)) = pins.host.as_str().split_once('.') {
                own.below.entry(domain).or_default().push(pins);
            }
        }
        own
    }

    /// The pins of every host a certificate covers.
    fn on<'s>(&'s self, facts: &'s Facts) -> impl Iterator<Item = &'a Pins> + 's {
        facts.names.iter().flat_map(|id| match id {
            DnsId::Host(name) => self.exact.get(name.as_str()).copied().into_iter().collect(),
            DnsId::Wildcard(name) => self.below.get(name.as_str()).cloned().unwrap_or_default(),
        })
    }

    /// Whether a key is pinned for a host this certificate covers.
    pub(super) fn pins(&self, facts: &Facts) -> bool {
        self.on(facts).next().is_some()
    }

    /// Whether this certificate's key may be shown: it is among the pins of each of its hosts.
    pub(super) fn allows(&self, facts: &Facts) -> bool {
        self.on(facts).all(|pins| pins.keys.contains(&facts.spki))
    }

    /// Whether a key is pinned for this host.
    pub(super) fn has(&self, host: &Hostname) -> bool {
        self.exact.contains_key(host.as_str())
    }

    /// The held version whose key a new one for these names must use again: the newest that the
    /// pins of all of them name.
    pub(super) fn reuse(&self, held: &Held, names: &[Hostname]) -> Option<Version> {
        let pins: Vec<&Pins> =
            names.iter().filter_map(|name| self.exact.get(name.as_str()).copied()).collect();
        let named = |key: &KeyHash| pins.iter().all(|pins| pins.keys.contains(key));
        let newest = held.versions.iter().rev().find(|version| named(&version.facts.spki));
        newest.filter(|_| !pins.is_empty()).map(|version| version.version)
    }

    /// What to publish where the newest version of a certificate may not be shown.
    pub(super) fn mismatches(&self, held: &Held) -> Vec<Finding> {
        let newest = held.versions.iter().rev().find(|version| !version.is_bad());
        let Some(newest) = newest else { return Vec::new() };
        let key = newest.facts.spki;
        self.on(&newest.facts)
            .filter(|pins| !pins.keys.contains(&key))
            .map(|pins| {
                let host = &pins.host;
                let message = format!(
                    "the TLSA records of {host} do not name the key of version {} of {}, so it \
                     is not shown; publish: _25._tcp.{host}. IN TLSA 3 1 1 {key}",
                    newest.version, held.name
                );
                Finding::new(Code::TlsaMismatch, host, message)
            })
            .collect()
    }
}
