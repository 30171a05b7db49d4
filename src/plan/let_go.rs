//! Which certificates nobody wants any more.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::model::{CertName, DnsId, Host, Hostname};
use crate::plan::held::best;
use crate::plan::pins::Guard;
use crate::plan::{Having, Held, HeldVersion, Wish};

/// The held certificates that have ended and that nobody wants: each of their names is `gone` for
/// certain, or is on another certificate that works.
#[must_use]
pub fn let_go(
    wishes: &[Wish],
    hosts: &[Host],
    having: &Having<'_>,
    gone: &BTreeSet<DnsId>,
) -> BTreeSet<CertName> {
    let wished: HashMap<&CertName, &Wish> = wishes.iter().map(|wish| (&wish.name, wish)).collect();
    let ended = |held: &&Held| {
        !held.versions.is_empty()
            && held.versions.iter().all(|one| one.facts.not_after <= having.now)
            && !wished.contains_key(&held.name)
    };
    let mut ended = having.held.iter().filter(ended).peekable();
    if ended.peek().is_none() {
        return BTreeSet::new();
    }
    let elsewhere = elsewhere(&wished, having);
    let is_elsewhere = |host: &Hostname| {
        let wildcard = || host.parent().map(DnsId::Wildcard);
        elsewhere.contains(&DnsId::Host(host.clone()))
            || wildcard().is_some_and(|id| elsewhere.contains(&id))
    };
    let is_over = |id: &DnsId| match id {
        _ if gone.contains(id) => true,
        DnsId::Host(host) => is_elsewhere(host),
        DnsId::Wildcard(_) if elsewhere.contains(id) => true,
        DnsId::Wildcard(domain) => {
            let below = hosts.iter().filter(|host| {
                (host.included || host.undecided) && host.host.parent().as_ref() == Some(domain)
            });
            let mut below = below.peekable();
            below.peek().is_some() && below.all(|host| is_elsewhere(&host.host))
        }
    };
    let guard = Guard::of(having.pins);
    // What an older version named besides is nothing that is shown.
    let is_over = |held: &&Held| {
        let shown = choice(&guard, held, having).or_else(|| held.versions.last());
        shown.is_some_and(|shown| shown.facts.names.iter().all(is_over))
    };
    ended.filter(is_over).map(|held| held.name.clone()).collect()
}

/// The wanted names whose certificate is within its dates.
fn elsewhere<'a>(wished: &HashMap<&CertName, &'a Wish>, having: &Having<'_>) -> HashSet<&'a DnsId> {
    let guard = Guard::of(having.pins);
    let mut names = HashSet::new();
    // What stands beside another is not found without that.
    for held in having.held.iter().filter(|held| !held.name.is_beside()) {
        let Some(wish) = wished.get(&held.name) else { continue };
        let shown = choice(&guard, held, having).filter(|own| own.facts.valid_at(having.now));
        let Some(shown) = shown else { continue };
        names.extend(wish.names.iter().filter(|name| shown.facts.carries(name)));
    }
    names
}

fn choice<'a>(guard: &Guard<'_>, held: &'a Held, having: &Having<'_>) -> Option<&'a HeldVersion> {
    best(held.versions.iter().filter(|own| guard.allows(&own.facts)), having.now)
}
