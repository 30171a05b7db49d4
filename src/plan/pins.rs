//! The TLSA guard: a key that published records do not match is not shown (RFC 7672).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::model::{Code, DnsId, Facts, Finding, Hostname, KeyHash, Sha256, Timestamp, Version};
use crate::plan::{Held, HeldVersion};

/// What authenticated TLSA records at one place say of a host served here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pins {
    /// The host.
    pub host: Hostname,
    /// Where they stand: `_25._tcp.HOST`, or what that is an alias of (RFC 7671 section 7).
    pub owner: String,
    /// The hashes of the keys it may show (usage 3 or 1, selector 1).
    pub keys: Vec<KeyHash>,
    /// Certificates that may be shown because a record of another kind means them, or a CA in
    /// their chain.
    pub leaves: Vec<Sha256>,
    /// Keys that are named and must not be shown yet: until when, as far as that is known. Their
    /// record has to stand at every server of the zone for two TTLs.
    pub fresh: BTreeMap<KeyHash, Option<Timestamp>>,
    /// The keys whose record mailcert put there.
    pub ours: BTreeSet<KeyHash>,
    /// How long caches keep the records, in seconds.
    pub ttl: u32,
    /// Whether mailcert may change them.
    pub managed: bool,
    /// There was no answer: what is held may be shown, and nothing new.
    pub unknown: bool,
    /// Whether a CA is pinned (usage 2 or 0): what another one issues fits only by its key.
    pub anchored: bool,
}

impl Pins {
    /// Keys of a host at port 25, which somebody else looks after.
    #[must_use]
    pub fn of(host: Hostname, keys: Vec<KeyHash>) -> Self {
        Self {
            owner: format!("_25._tcp.{host}"),
            host,
            keys,
            leaves: Vec::new(),
            fresh: BTreeMap::new(),
            ours: BTreeSet::new(),
            ttl: 3600,
            managed: false,
            unknown: false,
            anchored: false,
        }
    }

    /// Whether it says anything of what may be shown.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.unknown || !(self.keys.is_empty() && self.leaves.is_empty())
    }

    /// Whether a record for this key stands long enough.
    pub(super) fn names(&self, key: &KeyHash) -> bool {
        self.keys.contains(key) && !self.fresh.contains_key(key)
    }

    /// Whether a certificate may be shown.
    pub(super) fn allows(&self, facts: &Facts) -> bool {
        self.names(&facts.spki) || self.leaves.contains(&facts.leaf)
    }
}

/// Published pins by host, and by the domain above the host for wildcards.
pub(super) struct Guard<'a> {
    exact: HashMap<&'a str, Vec<&'a Pins>>,
    below: HashMap<&'a str, Vec<&'a Pins>>,
    /// Of the hosts at which a CA is pinned, or may be: nobody knows.
    anchored: HashMap<DnsId, Vec<&'a Pins>>,
}

impl<'a> Guard<'a> {
    pub(super) fn of(pins: &'a [Pins]) -> Self {
        let mut own =
            Self { exact: HashMap::new(), below: HashMap::new(), anchored: HashMap::new() };
        for pins in pins.iter().filter(|pins| pins.anchored || pins.unknown) {
            let above = pins.host.as_str().split_once('.');
            let wildcard = above.and_then(|(_, domain)| DnsId::parse(&format!("*.{domain}")).ok());
            for name in wildcard.into_iter().chain([DnsId::Host(pins.host.clone())]) {
                own.anchored.entry(name).or_default().push(pins);
            }
        }
        // Records that mean nothing that is held, and no key as such, say nothing of ours.
        for pins in pins.iter().filter(|pins| pins.counts()) {
            own.exact.entry(pins.host.as_str()).or_default().push(pins);
            if let Some((_, domain)) = pins.host.as_str().split_once('.') {
                own.below.entry(domain).or_default().push(pins);
            }
        }
        own
    }

    /// Whether nothing is pinned at all.
    pub(super) fn is_empty(&self) -> bool {
        self.exact.is_empty()
    }

    /// The pins of every host a certificate covers.
    fn on<'s>(&'s self, facts: &'s Facts) -> impl Iterator<Item = &'a Pins> + 's {
        facts.names.iter().flat_map(|id| {
            let found = match id {
                DnsId::Host(name) => self.exact.get(name.as_str()),
                DnsId::Wildcard(name) => self.below.get(name.as_str()),
            };
            found.into_iter().flatten().copied()
        })
    }

    /// The pins of these hosts.
    pub(super) fn of_hosts<'s>(
        &'s self,
        names: &'s [DnsId],
    ) -> impl Iterator<Item = &'a Pins> + 's {
        names.iter().filter_map(|name| self.at(name)).flatten().copied()
    }

    fn at(&self, name: &DnsId) -> Option<&Vec<&'a Pins>> {
        match name {
            DnsId::Host(host) => self.exact.get(host.as_str()),
            DnsId::Wildcard(domain) => self.below.get(domain.as_str()),
        }
    }

    /// Whether something is pinned for a host this certificate covers.
    pub(super) fn pins(&self, facts: &Facts) -> bool {
        self.on(facts).next().is_some()
    }

    /// Whether this certificate may be shown: by the pins of each of its hosts.
    pub(super) fn allows(&self, facts: &Facts) -> bool {
        self.on(facts).all(|pins| pins.allows(facts))
    }

    /// Whether something is pinned for this host, or for one below this wildcard.
    pub(super) fn has(&self, name: &DnsId) -> bool {
        self.at(name).is_some()
    }

    /// Whether the pins of these hosts, of which there are some, all name this key.
    pub(super) fn name(&self, key: &KeyHash, names: &[DnsId]) -> bool {
        let mut pins = self.of_hosts(names).peekable();
        pins.peek().is_some() && pins.all(|pins| pins.names(key))
    }

    /// The held version whose key a new one for these names must use again: the newest that the
    /// pins of all of them name.
    pub(super) fn reuse(&self, held: &Held, names: &[DnsId]) -> Option<Version> {
        let named = |version: &&HeldVersion| self.name(&version.facts.spki, names);
        held.versions.iter().rev().find(named).map(|version| version.version)
    }

    /// The newest held version with each of the keys that a record of these hosts names.
    pub(super) fn named(&self, held: &Held, names: &[DnsId]) -> BTreeSet<Version> {
        let keys: BTreeSet<&KeyHash> = self.of_hosts(names).flat_map(|pins| &pins.keys).collect();
        let newest = |key: &&KeyHash| {
            let with_it = held.versions.iter().rev().find(|own| own.facts.spki == **key);
            with_it.map(|own| own.version)
        };
        keys.iter().filter_map(newest).collect()
    }

    /// A host whose records tie it to the CA that they pin. Where the new key is one that the pins of
    /// all of these hosts name (`is_named`), any CA will do.
    pub(super) fn tied(&self, names: &[DnsId], is_named: bool) -> Option<&'a Hostname> {
        let ties = |pins: &&&Pins| pins.unknown || !(is_named && pins.counts());
        let mut anchored = names.iter().filter_map(|name| self.anchored.get(name)).flatten();
        anchored.find(ties).map(|pins| &pins.host)
    }

    /// What to publish where the newest version of a certificate may not be shown.
    pub(super) fn mismatches(&self, held: &Held) -> Vec<Finding> {
        let newest = held.versions.iter().rev().find(|version| !version.is_bad());
        let Some(newest) = newest else { return Vec::new() };
        let key = newest.facts.spki;
        let refusing = self.on(&newest.facts).filter(|pins| !pins.allows(&newest.facts));
        refusing.map(|pins| self.mismatch(pins, held, newest.version, &key)).collect()
    }

    fn mismatch(&self, pins: &Pins, held: &Held, version: Version, key: &KeyHash) -> Finding {
        let Pins { host, owner, .. } = pins;
        let name = &held.name;
        if pins.unknown {
            let message = format!(
                "the TLSA records of {host} ({owner}) cannot be read although its zone is signed, \
                 so version {version} of {name} is not shown until they can; see `dig +dnssec \
                 {owner} TLSA`"
            );
            return Finding::new(Code::DaneBroken, host, message);
        }
        let message = match pins.fresh.get(key) {
            Some(Some(until)) => format!(
                "version {version} of {name} is shown from {until} on, when the TLSA record of its \
                 key has stood at every server of the zone for two TTLs: {owner}"
            ),
            Some(None) => format!(
                "version {version} of {name} is not shown yet: not every server of the zone was \
                 seen with the TLSA record of its key: {owner}"
            ),
            None => format!(
                "the TLSA records of {host} do not name the key of version {version} of {name}, so \
                 it is not shown; publish: {owner}. IN TLSA 3 1 1 {key}"
            ),
        };
        Finding::new(Code::TlsaMismatch, host, message)
    }
}
