//! Which hosts share a certificate.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

use crate::model::{CertName, DnsId, Facts, Host, Hostname};
use crate::plan::wild::{Wild, says_the_same};
use crate::plan::{Held, Wish};

/// Groups the included hosts: by the longest configured domain that is a suffix, else by the
/// registered domain; at most `limit` names each. Stable: a name stays on the held certificate
/// that covers it, new names fill up or open a new one.
///
/// An undecided host stays where a held certificate covers it: silence is no reason to lose a
/// name. One that is certainly gone is left out of the next order, and orders none by itself. Where several cover a host, it belongs to the one that ends last.
///
/// A wildcard that is wanted stands for its hosts: CAs refuse an order that names both. Where it
/// cannot be had, they stand for themselves, on another certificate than it.
pub(super) fn group(
    hosts: &[Host],
    domains: &[Hostname],
    wild: &[Wild],
    held: &[Held],
    limit: usize,
) -> Vec<Wish> {
    let limit = limit.max(1);
    let domains: HashSet<&str> = domains.iter().map(Hostname::as_str).collect();
    let covering = Covering::of(held);
    let mut grouped: BTreeMap<CertName, Vec<DnsId>> = BTreeMap::new();
    let mut homeless: Vec<(Hostname, DnsId)> = Vec::new();
    for Wild { domain, .. } in wild {
        let (base, id) = (base(domain, &domains), DnsId::Wildcard(domain.clone()));
        match covering.of_wildcard(domain, &base) {
            Some(name) => grouped.entry(name.clone()).or_default().push(id),
            None => homeless.push((base, id)),
        }
    }
    let wild: HashMap<&str, bool> =
        wild.iter().map(|wild| (wild.domain.as_str(), wild.fails)).collect();
    let mut guests: Vec<(&CertName, Hostname, &Hostname, bool)> = Vec::new();
    for (host, included) in distinct(hosts) {
        let base = base(host, &domains);
        let fails = wild.get(above(host));
        match covering.find(host, &base) {
            _ if fails == Some(&false) => {}
            Some((name, Bond::Named)) => {
                grouped.entry(name.clone()).or_default().push(DnsId::Host(host.clone()));
            }
            Some((name, Bond::Loose)) if fails.is_none() => {
                guests.push((name, base, host, included));
            }
            _ if included => homeless.push((base, DnsId::Host(host.clone()))),
            _ => {}
        }
    }
    // A wildcard covers more hosts than an order may name: the rest find another place.
    guests.sort_by_key(|(.., included)| !included);
    for (name, base, host, included) in guests {
        let names = grouped.entry(name.clone()).or_default();
        if names.len() < limit {
            names.push(DnsId::Host(host.clone()));
        } else if included {
            homeless.push((base, DnsId::Host(host.clone())));
        }
    }
    house(homeless, &mut grouped, limit);
    let wish = |(name, mut names): (CertName, Vec<DnsId>)| {
        names.sort();
        Wish { name, names }
    };
    grouped.into_iter().filter(|(_, names)| !names.is_empty()).map(wish).collect()
}

/// Gives every name without a certificate a place: the first certificate of its group with room,
/// on which no wildcard stands beside a host that it stands for.
fn house(
    homeless: Vec<(Hostname, DnsId)>,
    grouped: &mut BTreeMap<CertName, Vec<DnsId>>,
    limit: usize,
) {
    let mut numbers: HashMap<Hostname, usize> = HashMap::new();
    for (base, id) in homeless {
        let first = numbers.entry(base.clone()).or_insert(1);
        let mut number = *first;
        loop {
            let names = grouped.entry(CertName::of_group(&base, number)).or_default();
            if names.len() < limit && !names.iter().any(|other| says_the_same(other, &id)) {
                names.push(id);
                break;
            }
            if names.len() >= limit && number == *first {
                *first += 1;
            }
            number += 1;
        }
    }
}

/// The domain above a host.
fn above(host: &Hostname) -> &str {
    host.as_str().split_once('.').map_or("", |(_, parent)| parent)
}

/// Each host that may have a certificate once, with whether it is included somewhere. A host that
/// is certainly gone is not among them.
fn distinct(hosts: &[Host]) -> BTreeMap<&Hostname, bool> {
    let mut all: BTreeMap<&Hostname, bool> = BTreeMap::new();
    for host in hosts {
        if host.included {
            all.insert(&host.host, true);
        } else if host.undecided {
            all.entry(&host.host).or_insert(false);
        }
    }
    all
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
}

/// The held certificates by the names they cover.
#[derive(Default)]
struct Covering<'a> {
    exact: HashMap<&'a str, Vec<(&'a CertName, &'a Facts)>>,
    wildcard: HashMap<&'a str, Vec<(&'a CertName, &'a Facts)>>,
}

impl<'a> Covering<'a> {
    fn of(held: &'a [Held]) -> Self {
        let mut own = Self::default();
        // What others made is not ours to renew, and what stands beside another goes with that.
        let own_names = |held: &&Held| held.name.owner().is_none() && !held.name.is_beside();
        for held in held.iter().filter(own_names) {
            let newest = held.versions.iter().rev().find(|version| !version.is_bad());
            let Some(newest) = newest.or_else(|| held.versions.last()) else { continue };
            for id in &newest.facts.names {
                let (index, name) = match id {
                    DnsId::Host(name) => (&mut own.exact, name),
                    DnsId::Wildcard(name) => (&mut own.wildcard, name),
                };
                index.entry(name.as_str()).or_default().push((&held.name, &newest.facts));
            }
        }
        own
    }

    /// The certificate a host stays on: of those that name it (else of those with a wildcard for
    /// it) the one that ends last; of equals the one of its own group.
    fn find(&self, host: &Hostname, base: &Hostname) -> Option<(&'a CertName, Bond)> {
        let named = self.exact.get(host.as_str()).and_then(|found| last(found, base));
        named.map(|name| (name, Bond::Named)).or_else(|| {
            let found = self.wildcard.get(above(host)).and_then(|found| last(found, base));
            found.map(|name| (name, Bond::Loose))
        })
    }

    /// The certificate a wildcard stays on.
    fn of_wildcard(&self, domain: &Hostname, base: &Hostname) -> Option<&'a CertName> {
        self.wildcard.get(domain.as_str()).and_then(|found| last(found, base))
    }
}

/// The one that ends last; of equals the one of the group itself.
fn last<'a>(found: &[(&'a CertName, &'a Facts)], base: &Hostname) -> Option<&'a CertName> {
    let first = found.iter().min_by_key(|(name, facts)| {
        (Reverse(facts.not_after), name.as_str() != base.as_str(), *name)
    });
    first.map(|(name, _)| *name)
}

/// A certificate name of the same group that nobody has: for names that must not wait for one
/// that cannot be validated any more. `first` remembers of each group the number below which all
/// are taken, so that many of one group cost no square.
pub(super) fn free_name(
    beside: &CertName,
    first: &mut HashMap<Hostname, usize>,
    taken: impl Fn(&CertName) -> bool,
) -> CertName {
    let text = beside.as_str();
    let base = match text.rsplit_once('-') {
        Some((front, number)) if number.bytes().all(|b| b.is_ascii_digit()) => front,
        _ => text,
    };
    let base = Hostname::parse(base).or_else(|_| Hostname::parse(text));
    let Ok(base) = base else { return beside.clone() };
    let mut number = first.get(&base).copied().unwrap_or(2);
    loop {
        let name = CertName::of_group(&base, number);
        if !taken(&name) {
            first.insert(base, number);
            return name;
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::{Wild, group};
    use crate::model::{
        CertName, DnsId, Facts, Host, Hostname, KeyType, Points, Sha256, Timestamp, Version, Why,
    };
    use crate::plan::{Held, HeldVersion};

    fn name(text: &str) -> Hostname {
        Hostname::parse(text).unwrap()
    }

    /// `mx.example.org` is included, `?mx.example.org` did not answer, `!mx.example.org` points
    /// elsewhere, `-mx.example.org` does not exist.
    fn host(text: &str) -> Host {
        let front = text.chars().next().filter(|front| ['?', '!', '-'].contains(front));
        let addresses = match front {
            None => vec!["192.0.2.7".parse().unwrap()],
            Some('!') => vec!["198.51.100.1".parse().unwrap()],
            Some(_) => vec![],
        };
        let host = name(text.trim_start_matches(['?', '!', '-']));
        let (included, undecided) = (front.is_none(), front == Some('?'));
        let points = if included { Points::All } else { Points::None };
        let (domain, reasons) = (name("example.org"), vec![Why::Config]);
        Host { host, domain, reasons, addresses, points, included, undecided, why_not: None }
    }

    fn held(certificate: &str, names: &str, ends: i64) -> Held {
        let digest = Sha256([0; 32]);
        let facts = Facts {
            names: names.split(' ').map(|name| DnsId::parse(name).unwrap()).collect(),
            not_before: Timestamp::from_unix(0),
            not_after: Timestamp::from_unix(ends),
            issuer: String::new(),
            serial: String::new(),
            key_type: KeyType::EcdsaP256,
            leaf: digest,
            spki: digest,
            combined: digest,
            key_file: digest,
            chain_file: digest,
            chain_length: 2,
        };
        let versions =
            vec![HeldVersion { version: Version(1), facts, bad: None, unfit: None, told: None }];
        Held { name: CertName::parse(certificate).unwrap(), versions }
    }

    fn grouped(hosts: &str, held: &[Held], limit: usize) -> String {
        with_wild(hosts, &[], held, limit)
    }

    fn with_wild(hosts: &str, wild: &[Wild], held: &[Held], limit: usize) -> String {
        let hosts: Vec<Host> = hosts.split(' ').map(host).collect();
        let domains = [name("example.org"), name("lists.example.org")];
        let mut text = String::new();
        for wish in group(&hosts, &domains, wild, held, limit) {
            let names: Vec<String> = wish.names.iter().map(ToString::to_string).collect();
            write!(text, "{}: {}; ", wish.name, names.join(" ")).unwrap();
        }
        text
    }

    #[test]
    fn hosts_are_grouped_by_domain_and_stay_where_they_are() {
        let old = [held("example.org", "b.example.org c.example.org", 9)];
        let wild = [held("example.org", "*.example.org", 9)];
        let moved = [
            held("example.org", "a.example.org b.example.org", 5),
            held("example.org-2", "b.example.org", 9),
        ];
        for (hosts, held, limit, expected) in [
            (
                "a.example.org b.example.org",
                &[][..],
                25,
                "example.org: a.example.org b.example.org; ",
            ),
            ("a.lists.example.org", &[], 25, "lists.example.org: a.lists.example.org; "),
            ("mx.mail.other.co.uk", &[], 25, "other.co.uk: mx.mail.other.co.uk; "),
            (
                "a.example.org b.example.org c.example.org",
                &[],
                2,
                "example.org: a.example.org b.example.org; example.org-2: c.example.org; ",
            ),
            (
                "a.example.org b.example.org c.example.org",
                &old,
                2,
                "example.org: b.example.org c.example.org; example.org-2: a.example.org; ",
            ),
            // Silence keeps a covered name and asks for no new one; what points elsewhere or does
            // not exist goes.
            (
                "?a.example.org ?b.example.org !c.example.org",
                &old,
                25,
                "example.org: b.example.org; ",
            ),
            ("b.example.org -c.example.org", &old, 25, "example.org: b.example.org; "),
            (
                "a.example.org ?b.example.org",
                &wild,
                25,
                "example.org: a.example.org b.example.org; ",
            ),
            (
                "a.example.org b.example.org",
                &moved,
                25,
                "example.org: a.example.org; example.org-2: b.example.org; ",
            ),
        ] {
            assert_eq!(grouped(hosts, held, limit), expected, "{hosts} at most {limit}");
        }
    }

    #[test]
    fn a_wildcard_stands_for_its_hosts_unless_it_cannot_be_had() {
        let hosts = "example.org mx.example.org a.b.example.org mx.example.net";
        let wild = |domain: &str, fails| vec![Wild { domain: name(domain), fails }];
        let plain = [held("example.org", "mx.example.org", 5)];
        let both =
            [held("example.org", "mx.example.org", 5), held("example.org-2", "*.example.org", 9)];
        let alone = "example.net: mx.example.net; ";
        for (wild, held, expected) in [
            (
                wild("example.org", false),
                &[][..],
                "example.org: a.b.example.org example.org *.example.org; ",
            ),
            // The certificate that names its host is nobody's wish any more, and ends by itself.
            (
                wild("example.org", false),
                &plain,
                "example.org: a.b.example.org example.org *.example.org; ",
            ),
            (
                wild("example.org", false),
                &both,
                "example.org: a.b.example.org example.org; example.org-2: *.example.org; ",
            ),
            (
                wild("example.org", true),
                &plain,
                "example.org: a.b.example.org example.org mx.example.org; example.org-2: *.example.org; ",
            ),
            (
                wild("example.org", true),
                &[],
                "example.org: a.b.example.org example.org *.example.org; example.org-2: mx.example.org; ",
            ),
            (
                wild("b.example.org", false),
                &plain,
                "example.org: example.org mx.example.org *.b.example.org; ",
            ),
        ] {
            let expected = format!("{alone}{expected}");
            assert_eq!(with_wild(hosts, &wild, held, 25), expected, "{wild:?} {held:?}");
        }
        assert_eq!(
            with_wild("a.example.org", &wild("a.example.org", false), &[], 1),
            "example.org: *.a.example.org; example.org-2: a.example.org; "
        );
    }

    #[test]
    fn a_hundred_thousand_names_are_grouped_without_a_square() {
        let hosts: Vec<Host> = (0..100_000).map(|n| host(&format!("h{n}.example.org"))).collect();
        let wishes = group(&hosts, &[name("example.org")], &[], &[], 25);
        assert_eq!(wishes.len(), 4_000);
        assert!(wishes.iter().all(|wish| wish.names.len() == 25));
    }
}
