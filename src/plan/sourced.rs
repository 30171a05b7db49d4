//! Certificates that others made: which hosts they are for, and when they are taken into the store.
//! Their owners renew them; mailcert orders only what none of them is good for.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::model::{
    CertName, Code, DnsId, Facts, Finding, Host, Hostname, Level, Timestamp, Version,
};
use crate::plan::group::group;
use crate::plan::held::{best, due_at, last_call};
use crate::plan::layout::{Pending, Scene};
use crate::plan::{Action, Draft, Held, HeldVersion, Reason, Sourced, Wish};

/// What there is to show: what the store holds, and what others made.
#[derive(Clone, Copy, Debug)]
pub struct Having<'a> {
    /// The certificates in the store.
    pub held: &'a [Held],
    /// Those of others that can be shown.
    pub sourced: &'a [Sourced],
    /// The moment it is.
    pub now: Timestamp,
}

/// The certificates wanted for these hosts. A host that a good certificate of others covers is on
/// that one. The rest is grouped: by the longest configured domain that is a suffix, else by the
/// registered domain, at most `limit` names each; a name stays on the held certificate that covers
/// it.
#[must_use]
pub fn wishes(hosts: &[Host], domains: &[Hostname], having: Having<'_>, limit: usize) -> Vec<Wish> {
    if having.sourced.is_empty() {
        return group(hosts, domains, having.held, limit);
    }
    let good = Good::of(having);
    let (mut sourced, mut rest) = (BTreeMap::<&CertName, BTreeSet<&Hostname>>::new(), Vec::new());
    for host in hosts {
        match good.find(&host.host).filter(|_| host.included || host.undecided) {
            Some(name) => drop(sourced.entry(name).or_default().insert(&host.host)),
            None => rest.push(host.clone()),
        }
    }
    let wish = |(name, names): (&CertName, BTreeSet<&Hostname>)| Wish {
        name: name.clone(),
        names: names.into_iter().cloned().collect(),
    };
    let mut wishes: Vec<Wish> = sourced.into_iter().map(wish).collect();
    wishes.extend(group(&rest, domains, having.held, limit));
    wishes.sort_by(|a, b| a.name.cmp(&b.name));
    wishes
}

/// Others' certificates that are good for a while, by the names they cover; those in the store
/// first, so that a host stays where it is.
struct Good<'a>(HashMap<&'a DnsId, Vec<&'a CertName>>);

impl<'a> Good<'a> {
    fn of(having: Having<'a>) -> Self {
        let held: HashMap<&CertName, &Held> =
            having.held.iter().map(|held| (&held.name, held)).collect();
        let mut good: Vec<(bool, &CertName, &Facts)> = Vec::new();
        for pair in having.sourced {
            let own = held.get(&pair.name).copied();
            let facts = to_come(pair, own, having.now);
            let facts = facts.filter(|facts| last_call(facts) > having.now);
            good.extend(facts.map(|facts| (own.is_none(), &pair.name, facts)));
        }
        good.sort_by_key(|(is_new, name, _)| (*is_new, *name));
        let mut by_name: HashMap<&DnsId, Vec<&CertName>> = HashMap::new();
        for (_, name, facts) in good {
            for id in &facts.names {
                by_name.entry(id).or_default().push(name);
            }
        }
        Self(by_name)
    }

    /// The certificate for a host: one that names it, else one with a wildcard for it.
    fn find(&self, host: &Hostname) -> Option<&'a CertName> {
        let wildcard = host.parent().map(DnsId::Wildcard);
        let ids = [Some(DnsId::Host(host.clone())), wildcard];
        let mut found = ids.iter().flatten().filter_map(|id| self.0.get(id)?.first());
        found.next().copied()
    }
}

/// What will be shown of a certificate that others made: the new pair, unless a look at it showed
/// that it makes names worse; then the best that is held.
fn to_come<'a>(pair: &'a Sourced, held: Option<&'a Held>, now: Timestamp) -> Option<&'a Facts> {
    let versions = held.map_or(&[][..], |held| &held.versions);
    let is_bad = versions.iter().any(|own| own.is_bad() && is_it(own, pair));
    if !is_bad {
        return Some(&pair.facts);
    }
    let kept = best(versions.iter(), now).filter(|kept| !kept.is_bad());
    kept.map(|kept| &kept.facts)
}

fn is_it(own: &HeldVersion, pair: &Sourced) -> bool {
    own.facts.combined == pair.facts.combined
}

/// Plans to take into the store what others made or renewed, and says what that will bring.
pub(super) fn adoptions(scene: &Scene<'_>, draft: &mut Draft) -> BTreeMap<CertName, Pending> {
    let mut pending = BTreeMap::new();
    let homes: HashMap<&Hostname, &CertName> = scene
        .desired
        .certificates
        .iter()
        .flat_map(|wish| wish.names.iter().map(move |host| (host, &wish.name)))
        .collect();
    let sourced = scene.observed.sourced.iter();
    for pair in sourced.filter(|pair| scene.wished.contains_key(&pair.name)) {
        note_overdue(pair, scene, draft);
        let held = scene.held.get(&pair.name).copied();
        let versions = held.map_or(&[][..], |held| &held.versions);
        if versions.iter().any(|own| is_it(own, pair)) {
            continue;
        }
        let lost = held.map_or_else(Vec::new, |held| not_elsewhere(scene, &homes, held, pair));
        if let Some(first) = lost.first() {
            draft.findings.push(lacks(pair, first));
            continue;
        }
        let because = match versions.is_empty() {
            true => Reason::Sourced(pair.owner),
            false => Reason::Renewed(pair.owner),
        };
        let action = Action::Adopt {
            certificate: pair.name.clone(),
            chain: pair.chain.clone(),
            key: pair.key.clone(),
            sourced: Some(pair.facts.combined),
        };
        let version = Version(versions.last().map_or(1, |last| last.version.0 + 1));
        let (step, facts) = (draft.push(action, because, Vec::new()), pair.facts.clone());
        pending.insert(pair.name.clone(), Pending { step, version, facts, adopted: true });
    }
    pending
}

/// Wanted hosts that are shown by the held version and not on the new pair, and that no other
/// certificate shows yet: until they work elsewhere, or the last call for the held version, the
/// new pair waits.
fn not_elsewhere<'a>(
    scene: &Scene<'a>,
    homes: &HashMap<&Hostname, &'a CertName>,
    held: &'a Held,
    pair: &Sourced,
) -> Vec<&'a Hostname> {
    let shown = scene.choice(held).filter(|shown| last_call(&shown.facts) > scene.now);
    let Some(shown) = shown else { return Vec::new() };
    let covers = |name: &CertName, host: &Hostname| {
        let other = scene.held.get(name).and_then(|other| scene.choice(other));
        other.is_some_and(|other| other.facts.valid_at(scene.now) && other.facts.covers(host))
    };
    let wanted = scene.desired.certificates.iter().flat_map(|wish| &wish.names);
    wanted
        .filter(|host| shown.facts.covers(host) && !pair.facts.covers(host))
        .filter(|host| {
            homes.get(*host).is_none_or(|home| **home == held.name || !covers(home, host))
        })
        .collect()
}

fn lacks(pair: &Sourced, host: &Hostname) -> Finding {
    let message = format!(
        "the new certificate of {} in {} lacks {host}, which the one before it covers: it is not \
         used until {host} has another",
        pair.owner,
        pair.chain.display()
    );
    Finding::new(Code::SourceUnusable, &pair.name, message)
}

/// Says so where the owner should have renewed it: half of the time between its renewal and its
/// end has passed when orders begin, a quarter when this is said.
fn note_overdue(pair: &Sourced, scene: &Scene<'_>, draft: &mut Draft) {
    let (due, last) = (due_at(&pair.facts), last_call(&pair.facts));
    let late = due.plus(last.since(due) / 2);
    draft.look_again_after(late, scene.now);
    draft.look_again_after(last, scene.now);
    if late <= scene.now {
        let message = format!(
            "the certificate of {} in {} ends at {} and is not renewed; {}",
            pair.owner,
            pair.chain.display(),
            pair.facts.not_after,
            pair.owner.renewal(&pair.lineage)
        );
        draft.findings.push(Finding::new(Code::SourceOverdue, &pair.name, message));
    }
}

/// What is to be said of an order that may not be placed.
pub(super) fn unmet(
    scene: &Scene<'_>,
    names: Vec<Hostname>,
    because: &Reason,
) -> Option<Finding> {
    let (missing, level) = match because {
        Reason::Missing(hosts) => (hosts.clone(), Level::Fail),
        Reason::Expired(_) => (names, Level::Fail),
        // What is there works for now, or for good.
        Reason::Due(_) => (names, Level::Warn),
        _ => return None,
    };
    let distinct: HashSet<&Hostname> = missing.iter().collect();
    let first = missing.first().map_or_else(String::new, ToString::to_string);
    let more = match distinct.len().saturating_sub(1) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let has = match scene.observed.sourced.is_empty() {
        true => "no certificate in [source.files] is good",
        false => "none of the certificates in [source.files] is good",
    };
    let message = format!(
        "{has} for {first}{more}, and none may be ordered: have one made by whoever makes the \
         others, or add [acme] with `agree-to-terms = true`"
    );
    Some(Finding::new(Code::SourceMissing, first, message).at(level))
}
