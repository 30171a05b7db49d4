//! Which hosts speak for a domain, each with its reasons. One silent domain never fails the rest.
//!
//! `records` reads what a domain publishes, `address` judges where a host points, `guess` tries
//! the usual labels, `domain` puts the three together. What the DNS says is hostile until it is
//! a [`Hostname`].

mod address;
mod domain;
mod guess;
mod machine;
mod records;

use std::net::IpAddr;

use futures_util::{StreamExt, stream};

use crate::config::Domain;
use crate::dns::{Asker, Dns};
use crate::model::{Finding, Host, Hostname};

pub use machine::interface_addresses;

/// What the DNS said of one domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovered {
    /// The mail domain.
    pub domain: Hostname,
    /// Its hosts, included or not, in order of their reasons.
    pub hosts: Vec<Host>,
    /// What was found besides. A finding about a host does not depend on the domain, so that
    /// two domains with the same host have the same finding.
    pub findings: Vec<Finding>,
    /// Services a record says are not offered (SRV target `.`) are not probed.
    pub not_offered: Vec<crate::model::Service>,
    /// Hosts of which nobody knows now where they point, since the DNS gave no answer or an empty
    /// one. A certificate that covers one keeps it. Guesses may stand here without standing in
    /// `hosts`.
    pub undecided: Vec<Hostname>,
    /// Whether every question about the domain's own records was answered. If not, there may be
    /// hosts that nobody knows of now: every name that is covered for this domain stays covered.
    pub complete: bool,
    /// Whether DNSSEC vouched for every answer.
    pub authenticated: bool,
}

/// How discovery works.
#[derive(Clone, Debug)]
pub struct Rules<'a> {
    /// This machine's addresses.
    pub machine: &'a [IpAddr],
    /// Whether the usual labels are tried.
    pub guesses: bool,
    /// Questions under way at once.
    pub concurrency: usize,
    /// Questions a second at most; 0: no bound.
    pub per_second: u32,
}

/// Asks for every domain side by side, each name once; the answers are in the order of `domains`.
pub async fn discover(domains: &[Domain], dns: &dyn Dns, rules: &Rules<'_>) -> Vec<Discovered> {
    let asker = Asker::with_bounds(dns, rules.concurrency, rules.per_second);
    // By number, since a closure over `&Domain` would make a future that is not Send
    // (rust-lang/rust#102211).
    stream::iter(0..domains.len())
        .map(|at| domain::discover_one(&domains[at], &asker, rules))
        .buffered(rules.concurrency.max(1))
        .collect()
        .await
}

/// The order in which addresses are shown: IPv6 first, as senders and the CA try them.
fn sort_addresses(addresses: &mut Vec<IpAddr>) {
    addresses.sort_by_key(|address| (address.is_ipv4(), *address));
    addresses.dedup();
}

/// Words with commas between them.
fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
