//! What is to be said of held versions: which is the best, when it is due, which are too many; and
//! of pairs that are installed and could be held.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use crate::model::{CertName, Code, DnsId, Facts, Finding, Hostname, Keys, Timestamp, Version};
use crate::plan::budget::spread;
use crate::plan::layout::Scene;
use crate::plan::{Adoptable, Held, HeldVersion, Wish};

/// Certificates that live shorter than this are renewed when half of their life is left.
const SHORT_LIVED: Duration = Duration::from_secs(10 * DAY);
/// After a version that made a name worse, the next one is ordered a day later.
const AFTER_BAD: Duration = Duration::from_secs(DAY);
/// After one that no sender would accept, the next one is ordered a week later: the chain is the
/// CA's or the configuration's, and a day changes neither.
const AFTER_UNFIT: Duration = Duration::from_secs(7 * DAY);
const DAY: u64 = 24 * 60 * 60;

/// When a certificate is to be renewed: a little earlier than is usual, by chance, so that not all
/// are due at once.
#[must_use]
pub fn due_at(facts: &Facts) -> Timestamp {
    usually_due(facts).minus(spread(facts))
}

/// With a third of its life left, or half of a short one.
pub(super) fn usually_due(facts: &Facts) -> Timestamp {
    let life = facts.not_after.since(facts.not_before);
    let left = if life < SHORT_LIVED { life / 2 } else { life / 3 };
    facts.not_after.minus(left)
}

/// From when on a renewal leaves behind the names that cannot be validated any more: with a sixth
/// of its life left (design rule 9).
pub(super) fn last_call(facts: &Facts) -> Timestamp {
    facts.not_after.minus(facts.not_after.since(facts.not_before) / 6)
}

/// The names of an order that a refusal must not cost: those that work on what is held. A newer
/// version without them would take its place; after the last call the others go on a certificate of
/// their own instead (design rule 9).
#[must_use]
pub fn must_stay(held: &Held, names: &[DnsId], now: Timestamp) -> Vec<DnsId> {
    // Which of them is shown may be for TLSA to say: a bad one as well.
    let works = held.versions.iter().map(|one| &one.facts).filter(|facts| facts.valid_at(now));
    let covers = |name: &&DnsId| works.clone().any(|facts| facts.carries(name));
    names.iter().filter(covers).cloned().collect()
}

/// The version of a certificate to show where no TLSA record has a say.
#[must_use]
pub fn version_to_show(held: &Held, now: Timestamp) -> Option<&HeldVersion> {
    best(held.versions.iter(), now)
}

/// The best of these versions to show: the newest that is neither bad nor out of its dates. Where
/// there is none, one that is within its dates, though bad, beats one that every sender refuses;
/// then the newest that is not bad, then the newest. One that did not pass the gate is none.
pub(super) fn best<'a>(
    versions: impl DoubleEndedIterator<Item = &'a HeldVersion> + Clone,
    now: Timestamp,
) -> Option<&'a HeldVersion> {
    let newest = |wanted: fn(&HeldVersion, Timestamp) -> bool| {
        versions.clone().rev().find(|held| held.unfit.is_none() && wanted(held, now))
    };
    newest(|held, now| !held.is_bad() && held.facts.valid_at(now))
        .or_else(|| newest(|held, now| held.facts.valid_at(now)))
        .or_else(|| newest(|held, _| !held.is_bad()))
        .or_else(|| newest(|_, _| true))
}

/// Until when no further version is ordered, because the newest made a name worse or was rolled
/// back by hand: that is not to be undone at once, and another one from the same CA is likely to do the same, and a loop would eat its rate limit.
pub(super) fn bad_until(held: &Held) -> Option<Timestamp> {
    let newest = held.versions.last()?;
    let unfit = newest.unfit.as_ref().map(|_| newest.facts.not_before.plus(AFTER_UNFIT));
    unfit.or_else(|| newest.bad.map(|at| at.plus(AFTER_BAD)))
}

/// What is said of a version that did not pass the gate.
pub(super) fn not_shown(held: &Held, shown: Option<Version>) -> Option<Finding> {
    let newest = held.versions.last()?;
    let why = newest.unfit.as_ref()?;
    let instead = shown.map_or_else(
        || "there is none to show instead".to_owned(),
        |shown| format!("version {shown} stays"),
    );
    let message = format!(
        "version {} is not installed, since senders refuse it ({why}); {instead}. Take a CA whose \
         chain ends at a public root ([acme] directory), or, for a CA of your own, name its root \
         in [verify] roots",
        newest.version
    );
    Some(Finding::new(Code::ChainRefused, &held.name, message))
}

/// The versions beyond `keep`: older than the shown one and than the one a rollback would show.
pub(super) fn superseded(
    held: &Held,
    shown: Version,
    keep: usize,
) -> impl Iterator<Item = Version> {
    let before = held.versions.iter().rev().find(|old| old.version < shown && !old.is_bad());
    let before = before.map(|old| old.version);
    let many = held.versions.len().saturating_sub(keep.max(1));
    held.versions
        .iter()
        .take(many)
        .map(|old| old.version)
        .filter(move |version| *version < shown && Some(*version) != before)
        .collect::<Vec<_>>()
        .into_iter()
}

/// The longest that a refused order waits while a certificate has so much of its life left: an
/// eighth, so that one of six days is not waited to death. Nothing where it has ended.
#[must_use]
pub fn patience(left: Duration) -> Option<Duration> {
    (!left.is_zero()).then(|| (left / 8).max(SHORTEST_WAIT))
}

/// However little is left, more tries would not help.
const SHORTEST_WAIT: Duration = Duration::from_secs(30 * 60);

/// Says that an order waits, for which names the last one failed, and until when.
pub(super) fn held_back(
    certificate: &CertName,
    refused: Option<&BTreeSet<DnsId>>,
    until: Timestamp,
) -> Finding {
    let names: Vec<String> =
        refused.into_iter().flatten().take(3).map(ToString::to_string).collect();
    let more = refused.map_or(0, |names| names.len().saturating_sub(3));
    let what = match (names.is_empty(), more) {
        (true, _) => "the last order failed".to_owned(),
        (false, 0) => format!("the last order failed for {}", names.join(", ")),
        (false, more) => format!("the last order failed for {} and {more} more", names.join(", ")),
    };
    let message = format!("{what}; the next try is at {until} (mailcert fix tries at once)");
    Finding::new(Code::HeldBack, certificate, message)
}

/// Installed pairs that may be adopted, by the names on them.
pub(super) struct Adoptables<'a> {
    by_name: HashMap<&'a DnsId, Vec<&'a Adoptable>>,
    now: Timestamp,
    keys: Keys,
}

impl<'a> Adoptables<'a> {
    pub(super) fn of(scene: &Scene<'a>) -> Self {
        let mut by_name: HashMap<&DnsId, Vec<&Adoptable>> = HashMap::new();
        let good = scene
            .observed
            .adoptable
            .iter()
            .filter(|pair| pair.facts.valid_at(scene.now) && scene.guard.allows(&pair.facts));
        for pair in good {
            for id in &pair.facts.names {
                by_name.entry(id).or_default().push(pair);
            }
        }
        Self { by_name, now: scene.now, keys: scene.desired.keys }
    }

    /// The pair that covers most names of a wish; of several the one that ends last. One that an
    /// index of ours shows may lack some or be due: the next round sees to that, and until then it
    /// works. Any other pair must be as good as a new one.
    pub(super) fn find(&self, wish: &Wish) -> Option<&'a Adoptable> {
        let ids = wish.names.iter().flat_map(|name| {
            let wildcard = name.host().and_then(Hostname::parent).map(DnsId::Wildcard);
            std::iter::once(name.clone()).chain(wildcard)
        });
        // One beside another has the other algorithm.
        let wanted = if wish.name.is_beside() { self.keys.beside } else { Some(self.keys.first) };
        let is_alike = |pair: &Adoptable| {
            wanted.is_some_and(|key| key.is_rsa() == pair.facts.key_type.is_rsa())
        };
        let may = |pair: &&&Adoptable| !wish.name.is_beside() || is_alike(pair);
        let pairs = ids.filter_map(|id| self.by_name.get(&id)).flatten().filter(may);
        let pairs: Vec<&Adoptable> = pairs.copied().collect();
        let covered =
            |pair: &Adoptable| wish.names.iter().filter(|name| pair.facts.carries(name)).count();
        let is_whole = |pair: &&Adoptable| {
            covered(pair) == wish.names.len()
                && due_at(&pair.facts) > self.now
                && Some(pair.facts.key_type) == wanted
        };
        let pairs = pairs.into_iter().filter(|pair| pair.indexed.is_some() || is_whole(pair));
        pairs.min_by_key(|pair| {
            let rank = (Reverse(covered(pair)), Reverse(pair.facts.not_after));
            (!is_alike(pair), rank, &pair.chain)
        })
    }

    /// The pairs that an index of ours shows and that no wish takes, the longest-lived first: each
    /// with a name that is on none of `kept`. The domain of one may be silent just now.
    pub(super) fn beside(&self, kept: &[&'a Facts]) -> Vec<(&'a CertName, &'a Adoptable)> {
        let mut names: BTreeSet<&DnsId> = kept.iter().flat_map(|facts| &facts.names).collect();
        let mut pairs: Vec<(&CertName, &Adoptable)> = (self.by_name.values().flatten())
            .filter_map(|pair| Some((pair.indexed.as_ref()?, *pair)))
            .collect();
        pairs.sort_by_key(|(name, pair)| (Reverse(pair.facts.not_after), *name, &pair.chain));
        pairs.retain(|(name, pair)| {
            if name.is_beside() && pair.facts.key_type.is_rsa() {
                return true;
            }
            let new = pair.facts.names.iter().any(|id| !names.contains(id));
            names.extend(&pair.facts.names);
            new
        });
        pairs
    }
}
