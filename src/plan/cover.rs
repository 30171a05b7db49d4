//! [`Cover`]: which of some certificates a name is on.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::model::{DnsId, Host, Hostname};
use crate::servers::Shown;

/// Certificates by the names they cover.
pub(super) struct Cover<'a> {
    exact: HashMap<&'a str, Vec<usize>>,
    wildcard: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Cover<'a> {
    pub(super) fn of(shown: &[&'a Shown]) -> Self {
        let mut own = Self { exact: HashMap::new(), wildcard: HashMap::new() };
        for (at, shown) in shown.iter().enumerate() {
            for id in &shown.facts.names {
                let (index, name) = match id {
                    DnsId::Host(name) => (&mut own.exact, name),
                    DnsId::Wildcard(name) => (&mut own.wildcard, name),
                };
                index.entry(name.as_str()).or_default().push(at);
            }
        }
        own
    }

    /// The certificates that cover a host, those that name it first.
    fn covering(&self, host: &Hostname) -> impl Iterator<Item = usize> + '_ {
        let parent = host.as_str().split_once('.').map_or("", |(_, parent)| parent);
        let exact = self.exact.get(host.as_str()).into_iter().flatten();
        exact.chain(self.wildcard.get(parent).into_iter().flatten()).copied()
    }

    pub(super) fn first(&self, host: &Hostname) -> Option<usize> {
        self.covering(host).next()
    }

    pub(super) fn has(&self, at: usize, host: &Hostname) -> bool {
        self.covering(host).any(|found| found == at)
    }

    /// The first certificate that covers every one of these hosts, if there are any.
    pub(super) fn all_of(&self, hosts: &[&Hostname]) -> Option<usize> {
        self.covering(hosts.first()?).find(|at| hosts.iter().all(|host| self.has(*at, host)))
    }

    /// The certificate with hosts of the most domains; of equals the first by name.
    pub(super) fn most_domains(&self, hosts: &[Host]) -> Option<usize> {
        let mut serves: HashSet<(usize, &Hostname)> = HashSet::new();
        for host in hosts.iter().filter(|host| host.included) {
            serves.extend(self.covering(&host.host).map(|at| (at, &host.domain)));
        }
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        for (at, _) in serves {
            *counts.entry(at).or_default() += 1;
        }
        let most = counts.into_iter().max_by_key(|(at, count)| (*count, std::cmp::Reverse(*at)));
        let any = self.exact.values().chain(self.wildcard.values()).flatten().copied().min();
        most.map(|(at, _)| at).or(any)
    }
}
