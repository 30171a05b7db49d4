//! What is to be said of held versions: which is the best, when it is due, which are too many; and
//! of pairs that are installed and could be held.

use std::collections::HashMap;
use std::time::Duration;

use crate::model::{DnsId, Facts, Timestamp, Version};
use crate::plan::layout::Scene;
use crate::plan::{Adoptable, Held, HeldVersion, Wish};

/// Certificates that live shorter than this are renewed when half of their life is left.
const SHORT_LIVED: Duration = Duration::from_secs(10 * DAY);
/// After a version that made a name worse, the next one is ordered a day later.
const AFTER_BAD: Duration = Duration::from_secs(DAY);
const DAY: u64 = 24 * 60 * 60;

/// When a certificate is to be renewed: with a third of its life left, or half of a short one.
#[must_use]
pub fn due_at(facts: &Facts) -> Timestamp {
    let life = facts.not_after.since(facts.not_before);
    let left = if life < SHORT_LIVED { life / 2 } else { life / 3 };
    facts.not_after.minus(left)
}

/// From when on a renewal leaves behind the names that cannot be validated any more: with a sixth
/// of its life left (design rule 9).
pub(super) fn last_call(facts: &Facts) -> Timestamp {
    facts.not_after.minus(facts.not_after.since(facts.not_before) / 6)
}

/// The version of a certificate to show where no TLSA record has a say.
#[must_use]
pub fn version_to_show(held: &Held, now: Timestamp) -> Option<&HeldVersion> {
    best(held.versions.iter(), now)
}

/// The best of these versions to show: the newest that is neither bad nor out of its dates. Where
/// there is none, one that is within its dates, though bad, beats one that every sender refuses;
/// then the newest that is not bad, then the newest.
pub(super) fn best<'a>(
    versions: impl DoubleEndedIterator<Item = &'a HeldVersion> + Clone,
    now: Timestamp,
) -> Option<&'a HeldVersion> {
    let newest = |wanted: fn(&HeldVersion, Timestamp) -> bool| {
        versions.clone().rev().find(|held| wanted(held, now))
    };
    newest(|held, now| !held.bad && held.facts.valid_at(now))
        .or_else(|| newest(|held, now| held.facts.valid_at(now)))
        .or_else(|| newest(|held, _| !held.bad))
        .or_else(|| newest(|_, _| true))
}

/// Until when no further version is ordered, because the newest made a name worse: another one
/// from the same CA is likely to do the same, and a loop would eat its rate limit.
pub(super) fn bad_until(held: &Held) -> Option<Timestamp> {
    let newest = held.versions.last()?;
    newest.bad.then(|| newest.facts.not_before.plus(AFTER_BAD))
}

/// The versions beyond `keep`: older than the shown one and than the one a rollback would show.
pub(super) fn superseded(
    held: &Held,
    shown: Version,
    keep: usize,
) -> impl Iterator<Item = Version> {
    let before = held.versions.iter().rev().find(|old| old.version < shown && !old.bad);
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

/// Installed pairs that may be adopted, by the names on them.
pub(super) struct Adoptables<'a>(HashMap<&'a DnsId, Vec<&'a Adoptable>>);

impl<'a> Adoptables<'a> {
    pub(super) fn of(scene: &Scene<'a>) -> Self {
        let mut by_name: HashMap<&DnsId, Vec<&Adoptable>> = HashMap::new();
        let good = scene.observed.adoptable.iter().filter(|pair| {
            pair.facts.valid_at(scene.now)
                && scene.guard.allows(&pair.facts)
                && due_at(&pair.facts) > scene.now
                && pair.facts.key_type == scene.desired.key_type
        });
        for pair in good {
            for id in &pair.facts.names {
                by_name.entry(id).or_default().push(pair);
            }
        }
        Self(by_name)
    }

    /// The pair that covers all names of a wish; of several the one that ends last.
    pub(super) fn find(&self, wish: &Wish) -> Option<&'a Adoptable> {
        let first = wish.names.first()?;
        let wildcard = first.parent().map(DnsId::Wildcard);
        let ids = std::iter::once(DnsId::Host(first.clone())).chain(wildcard);
        let pairs: Vec<&Adoptable> =
            ids.filter_map(|id| self.0.get(&id)).flatten().copied().collect();
        pairs
            .into_iter()
            .filter(|pair| wish.names.iter().all(|name| pair.facts.covers(name)))
            .min_by_key(|pair| (std::cmp::Reverse(pair.facts.not_after), &pair.chain))
    }
}
