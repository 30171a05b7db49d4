//! Which hosts share a certificate.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

use crate::model::{CertName, DnsId, Facts, Host, Hostname};
use crate::plan::{Held, Wish};

/// Groups the included hosts: by the longest configured domain that is a suffix, else by the
/// registered domain; at most `limit` names each. Stable: a name stays on the held certificate
/// that covers it, new names fill up or open a new one.
///
/// A host of which the DNS said nothing is no reason to lose it: it stays where a held
/// certificate covers it. Where several cover a host, it belongs to the one that ends last.
#[must_use]
pub fn group(hosts: &[Host], domains: &[Hostname], held: &[Held], limit: usize) -> Vec<Wish> {
    let limit = limit.max(1);
    let domains: HashSet<&str> = domains.iter().map(Hostname::as_str).collect();
    let covering = Covering::of(held);
    let mut grouped: BTreeMap<CertName, Vec<Hostname>> = BTreeMap::new();
    let mut homeless: Vec<(Hostname, &Hostname)> = Vec::new();
    let mut guests: Vec<(&CertName, Hostname, &Hostname, bool)> = Vec::new();
    for (host, included) in distinct(hosts) {
        let base = base(host, &domains);
        match covering.find(host, &base) {
            Some((name, Bond::Named)) => {
                grouped.entry(name.clone()).or_default().push(host.clone())
            }
            Some((name, Bond::Loose)) => guests.push((name, base, host, included)),
            // What it once named is a home for a host that is wanted, not a reason to ask for one.
            Some((name, Bond::Once)) if included => guests.push((name, base, host, true)),
            Some((_, Bond::Once)) => {}
            None if included => homeless.push((base, host)),
            None => {}
        }
    }
    // A wildcard covers more hosts than an order may name: the rest find another place.
    guests.sort_by_key(|(.., included)| !included);
    for (name, base, host, included) in guests {
        let names = grouped.entry(name.clone()).or_default();
        if names.len() < limit {
            names.push(host.clone());
        } else if included {
            homeless.push((base, host));
        }
    }
    house(homeless, &mut grouped, limit);
    let wish = |(name, mut names): (CertName, Vec<Hostname>)| {
        names.sort();
        Wish { name, names }
    };
    grouped.into_iter().filter(|(_, names)| !names.is_empty()).map(wish).collect()
}

/// Gives every host without a certificate a place: the first certificate of its group with room.
fn house(
    homeless: Vec<(Hostname, &Hostname)>,
    grouped: &mut BTreeMap<CertName, Vec<Hostname>>,
    limit: usize,
) {
    let mut numbers: HashMap<Hostname, usize> = HashMap::new();
    for (base, host) in homeless {
        let mut number = numbers.get(&base).copied().unwrap_or(1);
        loop {
            let names = grouped.entry(CertName::of_group(&base, number)).or_default();
            if names.len() < limit {
                names.push(host.clone());
                break;
            }
            number += 1;
        }
        numbers.insert(base, number);
    }
}

/// Each host that may have a certificate once, with whether it is included somewhere. A host that
/// is certainly gone is not among them.
fn distinct(hosts: &[Host]) -> BTreeMap<&Hostname, bool> {
    let mut all: BTreeMap<&Hostname, bool> = BTreeMap::new();
    for host in hosts {
        if host.included {
            all.insert(&host.host, true);
        } else if unanswered(host) {
            all.entry(&host.host).or_insert(false);
        }
    }
    all
}

/// Whether a host is left out only because nothing is known of it. A host that points elsewhere
/// has addresses; one that the configuration excludes is certainly unwanted.
///
/// A host without any address may be gone (NXDOMAIN) or silent (SERVFAIL): the vocabulary does
/// not tell them apart, and a name that works is worth more than one too many on a certificate.
fn unanswered(host: &Host) -> bool {
    !host.included && host.addresses.is_empty()
}

/// The domain whose group a host belongs to: the longest configured one that is a suffix, else
/// the registered domain of the public suffix list, else itself.
fn base(host: &Hostname, domains: &HashSet<&str>) -> Hostname {
    let mut rest = Some(host.clone());
    while let Some(name) = rest {
        if domains.contains(name.as_str()) {
            return name;
        }
        rest = name.parent();
    }
    let registered = psl::domain_str(host.as_str()).and_then(|text| Hostname::parse(text).ok());
    registered.unwrap_or_else(|| host.clone())
}

/// How a host belongs to a certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bond {
    /// Its newest good version names the host itself.
    Named,
    /// A wildcard of that version stands for it: it stays while there is room.
    Loose,
    /// Another version names it.
    Once,
}

/// The held certificates by the names they cover.
#[derive(Default)]
struct Covering<'a> {
    exact: HashMap<&'a str, Vec<(&'a CertName, &'a Facts)>>,
    wildcard: HashMap<&'a str, Vec<(&'a CertName, &'a Facts)>>,
    /// What other versions name.
    once: HashMap<&'a str, Vec<(&'a CertName, &'a Facts)>>,
}

impl<'a> Covering<'a> {
    fn of(held: &'a [Held]) -> Self {
        let mut own = Self::default();
        for held in held {
            let newest = held.versions.iter().rev().find(|version| !version.bad);
            let Some(newest) = newest.or_else(|| held.versions.last()) else { continue };
            for version in &held.versions {
                for id in &version.facts.names {
                    let (index, name) = match id {
                        DnsId::Host(name) if version.version == newest.version => {
                            (&mut own.exact, name)
                        }
                        DnsId::Host(name) => (&mut own.once, name),
                        DnsId::Wildcard(name) if version.version == newest.version => {
                            (&mut own.wildcard, name)
                        }
                        DnsId::Wildcard(_) => continue,
                    };
                    index.entry(name.as_str()).or_default().push((&held.name, &version.facts));
                }
            }
        }
        own
    }

    /// The certificate a host stays on: of those that name it (else of those with a wildcard for
    /// it, else of those that once named it) the one that ends last; of equals the one of its own
    /// group.
    fn find(&self, host: &Hostname, base: &Hostname) -> Option<(&'a CertName, Bond)> {
        let last = |found: &Vec<(&'a CertName, &'a Facts)>| {
            found
                .iter()
                .min_by_key(|(name, facts)| {
                    (Reverse(facts.not_after), name.as_str() != base.as_str(), *name)
                })
                .map(|(name, _)| *name)
        };
        if let Some(name) = self.exact.get(host.as_str()).and_then(last) {
            return Some((name, Bond::Named));
        }
        let parent = host.as_str().split_once('.').map_or("", |(_, parent)| parent);
        if let Some(name) = self.wildcard.get(parent).and_then(last) {
            return Some((name, Bond::Loose));
        }
        self.once.get(host.as_str()).and_then(last).map(|name| (name, Bond::Once))
    }
}

/// A certificate name of the same group that nobody has: for names that must not wait for one
/// that cannot be validated any more.
pub(super) fn free_name(beside: &CertName, taken: impl Fn(&CertName) -> bool) -> CertName {
    let text = beside.as_str();
    let base = match text.rsplit_once('-') {
        Some((front, number)) if number.bytes().all(|b| b.is_ascii_digit()) => front,
        _ => text,
    };
    let base = Hostname::parse(base).or_else(|_| Hostname::parse(text));
    let Ok(base) = base else { return beside.clone() };
    let mut number = 2;
    loop {
        let name = CertName::of_group(&base, number);
        if !taken(&name) {
            return name;
        }
        number += 1;
    }
}
