//! Certificates that others made: which hosts they are for, and when they are taken into the store.
//! Their owners renew them; mailcert orders only what none of them is good for.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::model::{
    CertName, Code, DnsId, Facts, Finding, Host, Hostname, Level, Timestamp, Version,
};
use crate::plan::group::group;
use crate::plan::held::{best, last_call, usually_due};
use crate::plan::layout::{Pending, Scene};
use crate::plan::pins::Guard;
use crate::plan::wild::Wild;
use crate::plan::{Action, Draft, Held, HeldVersion, Pins, Reason, Sourced, Wish};

/// What there is to show: what the store holds, and what others made.
#[derive(Clone, Copy, Debug)]
pub struct Having<'a> {
    /// The certificates in the store.
    pub held: &'a [Held],
    /// Those of others that can be shown.
    pub sourced: &'a [Sourced],
    /// Published pins, as far as they were asked for.
    pub pins: &'a [Pins],
    /// The moment it is.
    pub now: Timestamp,
}

impl Having<'_> {
    /// A wildcard that failed and works for a while yet is waited for.
    fn judge(&self, wild: &Wild) -> Wild {
        let id = DnsId::Wildcard(wild.domain.clone());
        let works = |held: &Held| {
            let newest = held.versions.iter().rev().find(|version| !version.is_bad());
            newest.is_some_and(|newest| {
                newest.facts.names.contains(&id) && last_call(&newest.facts) > self.now
            })
        };
        Wild { fails: wild.fails && !self.held.iter().any(works), ..wild.clone() }
    }
}

/// The certificates wanted for these hosts. A host that a good certificate of others covers is on
/// that one. The rest is grouped: by the longest configured domain that is a suffix, else by the
/// registered domain, at most `limit` names each; a name stays on the held certificate that covers
/// it.
#[must_use]
pub fn wishes(
    hosts: &[Host],
    domains: &[Hostname],
    wild: &[Wild],
    having: Having<'_>,
    limit: usize,
) -> Vec<Wish> {
    let wild: Vec<Wild> = wild.iter().map(|wild| having.judge(wild)).collect();
    if having.sourced.is_empty() {
        return group(hosts, domains, &wild, having.held, limit);
    }
    let good = Good::of(hosts, having);
    let (mut sourced, mut rest) = (BTreeMap::<_, BTreeSet<DnsId>>::new(), Vec::new());
    for host in hosts {
        match good.find(&host.host).filter(|_| is_wanted(host)) {
            Some(name) => {
                sourced.entry(name).or_default().insert(DnsId::Host(host.host.clone()));
            }
            None => rest.push(host.clone()),
        }
    }
    let (mut own, ids) = (Vec::new(), wild.into_iter());
    for (wild, id) in ids.map(|wild| (wild.clone(), DnsId::Wildcard(wild.domain))) {
        match good.0.get(&id) {
            Some(name) => drop(sourced.entry(name).or_default().insert(id)),
            None => own.push(wild),
        }
    }
    let wish = |(name, names): (&CertName, BTreeSet<DnsId>)| Wish {
        name: name.clone(),
        names: names.into_iter().collect(),
    };
    let mut wishes: Vec<Wish> = sourced.into_iter().map(wish).collect();
    wishes.extend(group(&rest, domains, &own, having.held, limit));
    wishes.sort_by(|a, b| a.name.cmp(&b.name));
    wishes
}

/// Others' certificates that are good for a while, by the names they cover.
struct Good(HashMap<DnsId, CertName>);

impl Good {
    fn of(hosts: &[Host], having: Having<'_>) -> Self {
        let held = having.held.iter().map(|held| (&held.name, held)).collect();
        let guard = Guard::of(having.pins);
        let shelf = Shelf::of(hosts, held, &guard, having.now);
        let mut by_name = HashMap::new();
        for pair in having.sourced {
            let facts = shelf.to_come(pair);
            let facts = facts.filter(|facts| last_call(facts) > having.now && guard.allows(facts));
            for id in facts.iter().flat_map(|facts| &facts.names) {
                by_name.entry(id.clone()).or_insert_with(|| shelf.place(pair));
            }
        }
        Self(by_name)
    }

    /// The certificate for a host: one that names it, else one with a wildcard for it.
    fn find(&self, host: &Hostname) -> Option<&CertName> {
        let named = self.0.get(&DnsId::Host(host.clone()));
        named.or_else(|| self.0.get(&DnsId::Wildcard(host.parent()?)))
    }
}

/// The store, as the place for what others made.
struct Shelf<'a> {
    held: HashMap<&'a CertName, &'a Held>,
    wanted: Vec<&'a Hostname>,
    guard: &'a Guard<'a>,
    now: Timestamp,
}

impl<'a> Shelf<'a> {
    fn of(
        hosts: &'a [Host],
        held: HashMap<&'a CertName, &'a Held>,
        guard: &'a Guard<'a>,
        now: Timestamp,
    ) -> Self {
        let wanted = hosts.iter().filter(|host| is_wanted(host)).map(|host| &host.host).collect();
        Self { held, wanted, guard, now }
    }

    /// Under which name a pair is kept: its own; or one beside that, where the version held there
    /// still works for a wanted host that the pair lacks, for then both are shown.
    fn place(&self, pair: &Sourced) -> CertName {
        let shown = self.shown(&pair.name);
        let shown = shown.filter(|own| !is_it(own, pair) && own.facts.valid_at(self.now));
        let loses = |shown: &HeldVersion| {
            let covers = |host: &&&Hostname| shown.facts.covers(host);
            self.wanted.iter().filter(covers).any(|host| !pair.facts.covers(host))
        };
        match shown {
            Some(shown) if loses(shown) => beside(&pair.name),
            _ => pair.name.clone(),
        }
    }

    /// What will be shown of a pair: itself, unless a look at it showed that it makes names worse;
    /// then the best that is held.
    fn to_come(&self, pair: &'a Sourced) -> Option<&'a Facts> {
        let versions = self.versions(&pair.name);
        let aside = self.versions(&beside(&pair.name));
        let is_bad = versions.iter().chain(aside).any(|own| own.is_bad() && is_it(own, pair));
        if !is_bad {
            return Some(&pair.facts);
        }
        let kept = self.shown(&pair.name).filter(|kept| !kept.is_bad());
        kept.map(|kept| &kept.facts)
    }

    fn shown(&self, name: &CertName) -> Option<&'a HeldVersion> {
        let allowed = self.versions(name).iter().filter(|own| self.guard.allows(&own.facts));
        best(allowed, self.now)
    }

    fn versions(&self, name: &CertName) -> &'a [HeldVersion] {
        self.held.get(name).map_or(&[], |held| &held.versions)
    }
}

/// Whether a certificate is wanted for a host; silence is no reason to lose one.
fn is_wanted(host: &Host) -> bool {
    host.included || host.undecided
}

fn is_it(own: &HeldVersion, pair: &Sourced) -> bool {
    own.facts.combined == pair.facts.combined
}

fn beside(name: &CertName) -> CertName {
    CertName::parse(&format!("2.{name}")).unwrap_or_else(|_| name.clone())
}

/// Plans to take into the store what others made or renewed, and says what that will bring.
pub(super) fn adoptions(
    scene: &Scene<'_>,
    waiting: &mut BTreeMap<CertName, Reason>,
    draft: &mut Draft,
) -> BTreeMap<CertName, Pending> {
    let mut pending = BTreeMap::new();
    let shelf = Shelf::of(&scene.desired.hosts, scene.held.clone(), &scene.guard, scene.now);
    for pair in &scene.observed.sourced {
        note_overdue(pair, scene, draft);
        let name = shelf.place(pair);
        if !scene.wished.contains_key(&name) {
            continue;
        }
        let versions = shelf.versions(&name);
        if versions.iter().any(|own| is_it(own, pair)) {
            continue;
        }
        let because = match shelf.versions(&pair.name).is_empty() {
            true => Reason::Sourced(pair.owner),
            false => Reason::Renewed(pair.owner),
        };
        if scene.observed.on_hold.contains_key(&name) && !versions.is_empty() {
            waiting.insert(name, because);
            continue;
        }
        let action = Action::Adopt {
            certificate: name.clone(),
            chain: pair.chain.clone(),
            key: pair.key.clone(),
            sourced: Some(pair.facts.combined),
        };
        let version = Version(versions.last().map_or(1, |last| last.version.0 + 1));
        let (step, facts) = (draft.push(action, because, Vec::new()), pair.facts.clone());
        pending.insert(name, Pending { step, version, facts, adopted: true });
    }
    pending
}

/// Says so where the owner should have renewed it: half of the time between its renewal and its
/// end has passed when orders begin, a quarter when this is said.
fn note_overdue(pair: &Sourced, scene: &Scene<'_>, draft: &mut Draft) {
    let (due, last) = (usually_due(&pair.facts), last_call(&pair.facts));
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
pub(super) fn unmet(names: Vec<DnsId>, because: &Reason) -> Option<Finding> {
    let (missing, level) = match because {
        Reason::Missing(hosts) => (hosts.clone(), Level::Fail),
        Reason::Expired(_) => (names, Level::Fail),
        // What is there works for now, or for good.
        Reason::Due(_) | Reason::Suggested(..) => (names, Level::Warn),
        _ => return None,
    };
    let distinct: HashSet<&DnsId> = missing.iter().collect();
    let first = missing.first().map_or_else(String::new, ToString::to_string);
    let more = match distinct.len().saturating_sub(1) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!(
        "no certificate that others made is good for {first}{more}, and none may be ordered: have \
         one made by whoever makes the others, or add [acme] with `agree-to-terms = true`"
    );
    Some(Finding::new(Code::SourceMissing, first, message).at(level))
}
