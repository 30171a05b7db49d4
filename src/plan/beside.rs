//! The RSA certificate that stands beside an ECDSA one, for clients that know no other algorithm:
//! where the configuration asks for both, and where RSA is what they were shown so far.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::model::{CertName, DnsId, Keys, OnHold, Version};
use crate::plan::held::best;
use crate::plan::issue::Order;
use crate::plan::layout::{Pending, Scene};
use crate::plan::pins::Guard;
use crate::plan::{Action, Draft, Having, Held, HeldVersion, Reason, Wish};

/// The wishes, and one more for each that is to have an RSA certificate beside it: as the
/// configuration says, or since there is one. `drop_rsa`: a person wants those gone that the
/// configuration does not ask for.
#[must_use]
pub fn with_those_beside(
    mut wishes: Vec<Wish>,
    keys: &Keys,
    held: &[Held],
    drop_rsa: bool,
) -> Vec<Wish> {
    let kept = held.iter().filter(|held| held.name.is_beside() && !held.versions.is_empty());
    let kept: HashSet<&CertName> = kept.map(|held| &held.name).collect();
    let stays = |name: &CertName| !keys.first.is_rsa() && !drop_rsa && kept.contains(name);
    let beside = wishes.iter().filter_map(|wish| {
        let name = wish.name.beside()?;
        let is_wanted = keys.beside.is_some() || stays(&name);
        is_wanted.then(|| Wish { name, names: wish.names.clone() })
    });
    let beside: Vec<Wish> = beside.collect();
    wishes.extend(beside);
    wishes.sort_by(|a, b| a.name.cmp(&b.name));
    wishes
}

/// The held certificates beside others that nobody wants and that are not waited for until they end:
/// a person said so, or RSA is what all have. Each of their names is on another one that works. What
/// is on hold stays.
#[must_use]
pub fn dropped(
    wishes: &[Wish],
    keys: &Keys,
    having: &Having<'_>,
    drop_rsa: bool,
    on_hold: &BTreeMap<CertName, OnHold>,
) -> BTreeSet<CertName> {
    let wished: HashSet<&CertName> = wishes.iter().map(|wish| &wish.name).collect();
    let unwanted = |held: &&Held| {
        let stays = wished.contains(&held.name) || on_hold.contains_key(&held.name);
        held.name.is_beside() && !stays
    };
    let mut unwanted = having.held.iter().filter(unwanted).peekable();
    if unwanted.peek().is_none() || !(drop_rsa || keys.first.is_rsa()) {
        return BTreeSet::new();
    }
    let guard = Guard::of(having.pins);
    let first = having.held.iter().filter(|held| wished.contains(&held.name));
    let shown = first.filter_map(|held| choice(&guard, held, having));
    let shown = shown.filter(|own| {
        let alike = drop_rsa || own.facts.key_type.is_rsa();
        alike && own.facts.valid_at(having.now) && !own.is_bad()
    });
    let elsewhere: HashSet<&DnsId> = shown.flat_map(|own| &own.facts.names).collect();
    let is_over = |held: &&Held| {
        let names = choice(&guard, held, having).map(|own| &own.facts.names);
        names.is_none_or(|names| names.iter().all(|name| elsewhere.contains(name)))
    };
    unwanted.filter(is_over).map(|held| held.name.clone()).collect()
}

fn choice<'a>(guard: &Guard<'_>, held: &'a Held, having: &Having<'_>) -> Option<&'a HeldVersion> {
    best(held.versions.iter().filter(|own| guard.allows(&own.facts)), having.now)
}

/// What the certificates beside others are to name.
pub(super) struct Names<'s, 'a> {
    scene: &'s Scene<'a>,
    /// The orders of this plan.
    ordered: HashMap<CertName, Vec<DnsId>>,
    /// What stands on some certificate.
    wished: HashSet<&'a DnsId>,
    /// The RSA certificates that work, by their names.
    works: HashMap<&'a DnsId, Vec<&'a CertName>>,
}

impl<'s, 'a> Names<'s, 'a> {
    pub(super) fn of(scene: &'s Scene<'a>, orders: &[Order]) -> Self {
        let ordered = orders.iter().map(|order| (order.certificate.clone(), order.names.clone()));
        let mut works: HashMap<&DnsId, Vec<&CertName>> = HashMap::new();
        for held in &scene.observed.held {
            let shown = shown(scene, &held.name).filter(|own| own.facts.key_type.is_rsa());
            for name in shown.into_iter().flat_map(|own| &own.facts.names) {
                works.entry(name).or_default().push(&held.name);
            }
        }
        let wishes = scene.desired.certificates.iter();
        let wished = wishes.flat_map(|wish| &wish.names).collect();
        Self { scene, ordered: ordered.collect(), wished, works }
    }

    /// The wish for a certificate beside another, as far as it is to be ordered: for the names that
    /// the first one has or is ordered for. Where that is RSA itself, nothing. What it has it keeps
    /// while no other has it.
    pub(super) fn narrowed(&self, wish: &Wish) -> Option<Wish> {
        let first = wish.name.first()?;
        let (own, there) = (shown(self.scene, &first), shown(self.scene, &wish.name));
        if own.is_some_and(|own| own.facts.key_type.is_rsa()) {
            return None;
        }
        let carries = |own: Option<&HeldVersion>, name: &DnsId| {
            own.is_some_and(|own| own.facts.carries(name))
        };
        let has = |name: &&DnsId| match self.ordered.get(&first) {
            Some(ordered) => ordered.contains(name) || carries(there, name),
            None => carries(own, name) || carries(there, name),
        };
        let mut names: Vec<DnsId> = wish.names.iter().filter(has).cloned().collect();
        let alone = |name: &&DnsId| {
            let mut others = self.works.get(name).into_iter().flatten();
            self.wished.contains(name)
                && !wish.names.contains(name)
                && !others.any(|other| **other != wish.name)
        };
        names.extend(there.into_iter().flat_map(|own| &own.facts.names).filter(alone).cloned());
        (!names.is_empty()).then(|| Wish { name: wish.name.clone(), names })
    }
}

fn shown<'a>(scene: &Scene<'a>, name: &CertName) -> Option<&'a HeldVersion> {
    let own = scene.held.get(name).and_then(|held| scene.choice(held));
    own.filter(|own| own.facts.valid_at(scene.now))
}

/// Before a certificate of another algorithm takes the place of an RSA one, that is kept beside it.
/// Returns the step that does so.
pub(super) fn keep(
    scene: &Scene<'_>,
    order: &Order,
    pending: &mut BTreeMap<CertName, Pending>,
    draft: &mut Draft,
) -> Option<usize> {
    let held = scene.held.get(&order.certificate)?;
    let shown = shown(scene, &held.name).filter(|own| !own.is_bad())?;
    let changes = shown.facts.key_type.is_rsa() && !scene.key_type(&held.name).is_rsa();
    let certificate = order.certificate.beside()?;
    let last = scene.held.get(&certificate).and_then(|held| held.versions.last());
    let is_there = last.is_some_and(|last| last.facts.valid_at(scene.now));
    if !changes || is_there || scene.desired.drop_rsa {
        return None;
    }
    let action = Action::Beside { certificate: certificate.clone(), version: shown.version };
    let step = draft.push(action, Reason::Kept, Vec::new());
    let number = Version(last.map_or(1, |last| last.version.0 + 1));
    if scene.exposed.contains_key(&(held.name.clone(), shown.version)) {
        // Its key is to be replaced there as well.
        draft.exposed.push((certificate.clone(), number));
    }
    pending.insert(
        certificate,
        Pending { step, version: number, facts: shown.facts.clone(), adopted: true },
    );
    Some(step)
}
