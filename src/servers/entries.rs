//! Which certificate answers for which name, decided once for all servers.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::model::{CertName, DnsId, Hostname, Timestamp, Version};
use crate::servers::{Part, Server, Shown, Want};

/// Every name with the certificate that answers for it: the first ones, or those beside them.
pub(super) struct Entries<'a> {
    /// Whole host names.
    pub(super) hosts: BTreeMap<&'a Hostname, &'a Shown>,
    /// Domains with a wildcard: `a.test` stands for `*.a.test`.
    pub(super) wildcards: BTreeMap<&'a Hostname, &'a Shown>,
}

impl<'a> Entries<'a> {
    /// The names on the certificates. A name on two of them goes to the one that ends later,
    /// then to the one whose name sorts first; a wildcard counts as having the name, so that a
    /// renewed wildcard takes over from a certificate that can no longer be renewed.
    pub(super) fn of(certificates: &[&'a Shown]) -> Self {
        let mut hosts = BTreeMap::new();
        let mut wildcards = BTreeMap::new();
        for &shown in certificates {
            for name in &shown.facts.names {
                match name {
                    DnsId::Host(host) => prefer(&mut hosts, host, shown),
                    DnsId::Wildcard(domain) => prefer(&mut wildcards, domain, shown),
                }
            }
        }
        for (host, owner) in &mut hosts {
            if let Some(&wild) = host.parent().and_then(|domain| wildcards.get(&domain))
                && rank(wild) > rank(owner)
            {
                *owner = wild;
            }
        }
        Self { hosts, wildcards }
    }

    /// The certificates of a server: those that answer for names, and the RSA ones beside them.
    pub(super) fn both(certificates: &[&'a Shown]) -> (Self, Self) {
        let (beside, first) = apart(certificates);
        (Self::of(&first), Self::of(&beside))
    }

    /// The certificate for a host; that of a wildcard, where none names it.
    pub(super) fn find(&self, host: &Hostname) -> Option<&'a Shown> {
        let wild = || self.wildcards.get(&host.parent()?).copied();
        self.hosts.get(host).copied().or_else(wild)
    }

    /// The same with the known hosts of every wildcard as whole names, for a server that finds
    /// its files by whole names only.
    pub(super) fn with_known_hosts(mut self, certificates: &[&'a Shown]) -> Self {
        for host in certificates.iter().flat_map(|shown| &shown.hosts) {
            let Some(&wild) = host.parent().and_then(|domain| self.wildcards.get(&domain)) else {
                continue;
            };
            self.hosts.entry(host).or_insert(wild);
        }
        self
    }
}

/// The certificates that stand beside others, and the others.
pub(super) fn apart<'a>(certificates: &[&'a Shown]) -> (Vec<&'a Shown>, Vec<&'a Shown>) {
    certificates.iter().copied().partition(|shown| shown.name.is_beside())
}

/// Whether both can be shown for a name: a server has one certificate of each algorithm.
pub(super) fn differs(first: &Shown, beside: &Shown) -> bool {
    first.facts.key_type.is_rsa() != beside.facts.key_type.is_rsa()
}

/// What stands beside the default certificate.
pub(super) fn beside_default<'a>(certificates: &[&'a Shown], default: &Shown) -> Option<&'a Shown> {
    let name = default.name.beside()?;
    let beside = certificates.iter().copied().find(|shown| shown.name == name);
    beside.filter(|beside| differs(default, beside))
}

/// The file names of certificates. Two versions of one certificate may be shown side by side: a
/// name that a renewal had to leave out keeps its old version until that ends.
pub(super) struct Stems<'a>(BTreeMap<&'a CertName, Version>);

impl<'a> Stems<'a> {
    pub(super) fn of(certificates: &[&'a Shown]) -> Self {
        let mut newest = BTreeMap::new();
        for shown in certificates {
            let version = newest.entry(&shown.name).or_insert(shown.version);
            *version = shown.version.max(*version);
        }
        Self(newest)
    }

    /// `NAME.pem` for the newest version, `NAME.VERSION.pem` for an older one. Neither is the
    /// file of another certificate: no name ends in a number, and none is `default`, since each
    /// has two labels.
    pub(super) fn pem(&self, shown: &Shown) -> String {
        format!("{}.pem", self.stem(shown))
    }

    /// The same without its suffix.
    pub(super) fn stem(&self, shown: &Shown) -> String {
        match self.0.get(&shown.name) {
            Some(newest) if *newest > shown.version => {
                format!("{}.{}", shown.name, shown.version)
            }
            _ => shown.name.to_string(),
        }
    }

    /// One combined file for each certificate, as Postfix and Dovecot want it.
    pub(super) fn wants(&self, server: &Server, certificates: &[&Shown]) -> Vec<Want> {
        let combined = |shown: &&Shown| {
            let part = Part::Certificate(shown.name.clone());
            Want::combined(server, &self.pem(shown), part, shown)
        };
        certificates.iter().map(combined).collect()
    }
}

fn prefer<'a>(
    owners: &mut BTreeMap<&'a Hostname, &'a Shown>,
    name: &'a Hostname,
    shown: &'a Shown,
) {
    owners
        .entry(name)
        .and_modify(|owner| {
            if rank(shown) > rank(owner) {
                *owner = shown;
            }
        })
        .or_insert(shown);
}

fn rank(shown: &Shown) -> (Timestamp, Reverse<&CertName>) {
    (shown.facts.not_after, Reverse(&shown.name))
}

#[cfg(test)]
pub(crate) mod samples {
    //! Servers and certificates for the tests of this room.

    use std::path::PathBuf;

    use crate::model::{CertName, DnsId, Facts, Hostname, KeyType, Sha256, Timestamp, Version};
    use crate::servers::{Content, Kind, Server, ServerId, Shown, Want};

    pub(crate) fn server(kind: Kind, directory: &str) -> Server {
        Server {
            id: ServerId("it".to_owned()),
            kind,
            directory: PathBuf::from(directory),
            reload: vec!["true".to_owned()],
            default: None,
            own_name: None,
            uid: 0,
            gid: 7,
            files_only: false,
            listeners: Vec::new(),
        }
    }

    /// A certificate with these names that ends at `end`.
    pub(crate) fn shown(name: &str, names: &[&str], end: i64) -> Shown {
        let digest = |what: &str| Sha256::of(format!("{what} {name} {end}").as_bytes());
        Shown {
            name: CertName::parse(name).unwrap(),
            version: Version(1),
            facts: Facts {
                names: names.iter().map(|name| DnsId::parse(name).unwrap()).collect(),
                not_before: Timestamp::from_unix(0),
                not_after: Timestamp::from_unix(end),
                issuer: String::new(),
                serial: String::new(),
                key_type: KeyType::EcdsaP256,
                leaf: digest("leaf"),
                spki: digest("spki"),
                combined: digest("combined"),
                key_file: digest("key"),
                chain_file: digest("chain"),
                chain_length: 2,
            },
            hosts: Vec::new(),
        }
    }

    pub(crate) fn host(name: &str) -> Hostname {
        Hostname::parse(name).unwrap()
    }

    /// `a.test` has two hosts, `b.test` a wildcard; both have `shared.x.test`, `b.test` longer.
    pub(crate) fn two() -> [Shown; 2] {
        let mut wild = shown("b.test", &["*.b.test", "b.test", "shared.x.test"], 200);
        wild.hosts = ["mx.b.test", "b.test", "mx1.a.test", "x.y.b.test"].map(host).to_vec();
        [shown("a.test", &["mx1.a.test", "mail.a.test", "shared.x.test"], 100), wild]
    }

    /// The same with an RSA certificate beside `a.test`.
    pub(crate) fn three() -> [Shown; 3] {
        let [a, b] = two();
        let mut rsa = shown("a.test.rsa", &["mx1.a.test", "mail.a.test", "shared.x.test"], 100);
        rsa.facts.key_type = KeyType::Rsa2048;
        [a, rsa, b]
    }

    /// One line per file: path, part, mode, content.
    pub(crate) fn lines(wants: &[Want]) -> Vec<String> {
        wants
            .iter()
            .map(|want| {
                let content = match &want.content {
                    Content::Combined(name, version) => format!("pem {name} {version}"),
                    Content::Two([(a, _), (b, _)]) => format!("pem {a} and {b}"),
                    Content::Key(name, version) => format!("key {name} {version}"),
                    Content::Chain(name, version) => format!("chain {name} {version}"),
                    Content::Text(_) => "text".to_owned(),
                    Content::SniMap { map_type, .. } => format!("map {map_type}"),
                };
                format!("{} {} {:o} {content}", want.path.display(), want.part, want.mode)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Entries;
    use crate::servers::Shown;
    use crate::servers::entries::samples::{shown, two};

    fn table(certificates: &[Shown], known: bool) -> Vec<String> {
        let all: Vec<&Shown> = certificates.iter().collect();
        let mut entries = Entries::of(&all);
        if known {
            entries = entries.with_known_hosts(&all);
        }
        let hosts = entries.hosts.iter().map(|(host, shown)| format!("{host} {}", shown.name));
        let wild = entries.wildcards.iter().map(|(name, shown)| format!("*.{name} {}", shown.name));
        hosts.chain(wild).collect()
    }

    #[test]
    fn a_name_on_two_certificates_goes_to_the_one_that_ends_later() {
        assert_eq!(
            table(&two(), false),
            [
                "b.test b.test",
                "mail.a.test a.test",
                "mx1.a.test a.test",
                "shared.x.test b.test",
                "*.b.test b.test"
            ]
        );
        let same = [shown("z.test", &["m.x.test"], 5), shown("c.test", &["m.x.test"], 5)];
        assert_eq!(table(&same, false), ["m.x.test c.test"]);
    }

    #[test]
    fn a_wildcard_that_ends_later_takes_over_its_names() {
        let dying = shown("a.test", &["mx.a.test", "mx.deep.a.test"], 10);
        let wild = shown("w.test", &["*.a.test"], 20);
        assert_eq!(
            table(&[dying, wild], false),
            ["mx.a.test w.test", "mx.deep.a.test a.test", "*.a.test w.test"]
        );
    }

    #[test]
    fn known_hosts_stand_for_the_wildcard_that_covers_them() {
        let all = table(&two(), true);
        assert!(all.contains(&"mx.b.test b.test".to_owned()), "{all:?}");
        assert!(all.contains(&"mx1.a.test a.test".to_owned()), "not covered by b.test: {all:?}");
        assert!(!all.iter().any(|line| line.starts_with("x.y.b.test")), "{all:?}");
    }

    #[test]
    fn ten_thousand_certificates_are_no_trouble() {
        let many: Vec<Shown> = (0..10_000)
            .map(|n| {
                let names = [format!("mx.d{n}.test"), format!("*.d{n}.test")];
                shown(&format!("d{n}.test"), &names.each_ref().map(String::as_str), n)
            })
            .collect();
        assert_eq!(table(&many, true).len(), 20_000);
    }
}
