//! Which certificates are ordered, and which are taken from the servers' own files.

mod desk;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::model::{CertName, Code, DnsId, Facts, Finding, NextKey, Sha256, Timestamp, Version};
use crate::plan::group::free_name;
use crate::plan::held::{Adoptables, due_at, held_back};
use crate::plan::issue::desk::Desk;
use crate::plan::layout::{Pending, Scene};
use crate::plan::turn::Turn;
use crate::plan::{
    Action, Adoptable, Draft, Held, Instead, Reason, Wish, beside, on_hold, rollover, sourced,
};

/// What is assumed of the life of a certificate that is not issued yet.
const ASSUMED_LIFE: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// One order that is to be placed.
pub(super) struct Order {
    pub(super) certificate: CertName,
    pub(super) names: Vec<DnsId>,
    pub(super) because: Reason,
}

/// Plans every order and every adoption, the most urgent first, and says what they will bring.
pub(super) fn orders(scene: &Scene<'_>, draft: &mut Draft) -> BTreeMap<CertName, Pending> {
    let mut waiting = BTreeMap::new();
    let mut pending = sourced::adoptions(scene, &mut waiting, draft);
    let adoptables = Adoptables::of(scene);
    let mut desk = Desk::new(scene);
    let (mut orders, mut adopted) = (Vec::<Order>::new(), Vec::new());
    let others = |wish: &&Wish| wish.names.is_empty() || wish.name.owner().is_some();
    let own = scene.desired.certificates.iter().filter(|wish| !others(wish));
    let (beside, first): (Vec<_>, Vec<_>) = own.partition(|wish| wish.name.is_beside());
    for wishes in [first, beside] {
        let mut beside = None;
        for wish in wishes {
            let held = scene.held.get(&wish.name).filter(|held| !held.versions.is_empty()).copied();
            match held.map_or_else(|| adoptables.find(wish), |_| None) {
                Some(pair) => {
                    adopted.push(pair);
                    pending.insert(wish.name.clone(), adopt(&wish.name, pair, scene.now, draft));
                }
                None if wish.name.is_beside() => {
                    let names = beside.get_or_insert_with(|| beside::Names::of(scene, &orders));
                    let narrowed = names.narrowed(wish);
                    let order = narrowed.and_then(|wish| desk.order(&wish, held, draft));
                    orders.extend(on_hold::unless(scene, &wish.name, order, &mut waiting));
                }
                None => {
                    let order = desk.order(wish, held, draft);
                    orders.extend(on_hold::unless(scene, &wish.name, order, &mut waiting));
                }
            }
        }
    }
    on_hold::told(scene, &waiting, draft);
    let usable = scene.observed.held.iter().filter_map(|held| scene.choice(held));
    let kept: Vec<&Facts> = usable.map(|version| &version.facts).collect();
    let sourced = scene.observed.sourced.iter().filter(|pair| pending.contains_key(&pair.name));
    let sourced = sourced.map(|pair| &pair.facts);
    let taken: Vec<&Facts> = adopted.iter().map(|pair| &pair.facts).chain(sourced).collect();
    for (name, pair) in adoptables.beside(&[kept, taken].concat()) {
        let is_taken = |name: &CertName| {
            scene.held.contains_key(name)
                || scene.wished.contains_key(name)
                || pending.contains_key(name)
        };
        if name.is_beside() && is_taken(name) {
            continue;
        }
        let name = match is_taken(name) {
            true => free_name(name, &mut HashMap::new(), is_taken),
            false => name.clone(),
        };
        let coming = adopt(&name, pair, scene.now, draft);
        pending.insert(name, coming);
    }
    orders.sort_by_key(|order| urgency(&order.because));
    if !scene.desired.orders {
        let unmet =
            orders.drain(..).filter_map(|order| sourced::unmet(order.names, &order.because));
        draft.findings.extend(unmet);
    }
    for (order, ca) in affordable(scene, routed(scene, orders, draft), draft) {
        let needs = beside::keep(scene, &order, &mut pending, draft).into_iter().collect();
        let name = order.certificate.clone();
        let (action, because, coming) = place(scene, order, ca);
        let step = draft.push(action, because, needs);
        pending.insert(name, Pending { step, ..coming });
    }
    pending
}

/// An order, and the CA it goes to: its place among the fallbacks, where it is not the first.
type Routed = (Order, Option<(usize, Instead)>);

/// Which CA each order goes to; those for which none can be asked wait.
fn routed(scene: &Scene<'_>, orders: Vec<Order>, draft: &mut Draft) -> Vec<Routed> {
    let (mut routed, mut waiting) = (Vec::with_capacity(orders.len()), 0);
    for order in orders {
        let blocked = match scene.turn(&order.certificate, &order.names) {
            Turn::First => {
                routed.push((order, None));
                continue;
            }
            Turn::Fallback(place, instead) => {
                routed.push((order, Some((place, instead))));
                continue;
            }
            Turn::Nobody(blocked) => blocked,
        };
        draft.look_again(blocked.until);
        if blocked.all_held {
            waiting += 1;
        } else {
            let refused = scene.observed.refused.get(&order.certificate);
            let mut finding = held_back(&order.certificate, refused, blocked.until);
            blocked.why.iter().for_each(|why| finding.message += &format!("; {why}"));
            draft.findings.push(finding);
        }
    }
    draft.findings.extend(left_alone(scene, waiting));
    routed
}

/// Says that orders wait for CAs that are left alone.
fn left_alone(scene: &Scene<'_>, waiting: usize) -> Option<Finding> {
    let budgets = scene.observed.fallbacks.iter().map(|fallback| &fallback.budget);
    let all = std::iter::once(&scene.observed.budget).chain(budgets);
    let until = all.filter_map(|budget| scene.observed.holds.get(&budget.ca)).min()?;
    let what = match waiting {
        0 => return None,
        1 => "1 order waits".to_owned(),
        many => format!("{many} orders wait"),
    };
    let message = format!(
        "{what} until a CA can be asked: the next try is at {until} (mailcert fix tries at once)"
    );
    Some(Finding::new(Code::HeldBack, "orders", message))
}

/// The orders that each CA's limits leave room for; says when the others have theirs.
fn affordable(scene: &Scene<'_>, orders: Vec<Routed>, draft: &mut Draft) -> Vec<Routed> {
    let place = |(_, ca): &Routed| ca.as_ref().map_or(0, |(place, _)| place + 1);
    let fallbacks = scene.observed.fallbacks.iter().map(|fallback| &fallback.budget);
    let budgets: Vec<_> = std::iter::once(&scene.observed.budget).chain(fallbacks).collect();
    let mut is_placed = vec![false; orders.len()];
    for (at, budget) in budgets.into_iter().enumerate() {
        let own: Vec<usize> = (0..orders.len()).filter(|one| place(&orders[*one]) == at).collect();
        let claim = |one: &usize| {
            let order = &orders[*one].0;
            let held = scene.held.get(&order.certificate).copied();
            budget.claim(&order.certificate, &order.names, held, &order.because)
        };
        let claims: Vec<_> = own.iter().map(claim).collect();
        let (placed, schedule) = budget.afford(&claims, scene.now);
        own.iter().zip(placed).for_each(|(one, placed)| is_placed[*one] = placed);
        if let Some(schedule) = schedule {
            draft.look_again(schedule.next);
            draft.findings.push(schedule.finding(budget));
            // That of the first CA where both have one.
            draft.schedule.get_or_insert(schedule);
        }
    }
    let placed = orders.into_iter().zip(is_placed).filter(|(_, placed)| *placed);
    placed.map(|(order, _)| order).collect()
}

/// What ended first, then what ends next, then what was never there.
fn urgency(because: &Reason) -> (u8, Option<Timestamp>) {
    match because {
        Reason::Expired(end) => (0, Some(*end)),
        Reason::Due(end) | Reason::Suggested(end, _) => (1, Some(*end)),
        Reason::Missing(_) => (2, None),
        _ => (3, None),
    }
}

/// Plans to take a pair into the store, and says what that brings.
fn adopt(name: &CertName, pair: &Adoptable, now: Timestamp, draft: &mut Draft) -> Pending {
    let (chain, key) = (pair.chain.clone(), pair.key.clone());
    let action = Action::Adopt { certificate: name.clone(), chain, key, sourced: None };
    let step = draft.push(action, Reason::StoreLost, Vec::new());
    draft.look_again_after(due_at(&pair.facts), now);
    Pending { step, version: Version(1), facts: pair.facts.clone(), adopted: true }
}

/// What places an order and why, and what it will bring.
fn place(
    scene: &Scene<'_>,
    order: Order,
    ca: Option<(usize, Instead)>,
) -> (Action, Reason, Pending) {
    let Order { certificate, names, because } = order;
    let held = scene.held.get(&certificate).copied();
    let next = held.and_then(|held| rolled(scene, held, &names, &because));
    let next_key = next.map(|next| next.key);
    let reused = |held| reused(scene, held, &names, &because);
    let reuse_key = held.filter(|_| next.is_none()).and_then(reused);
    let version = held.and_then(|held| held.versions.last()).map_or(1, |last| last.version.0 + 1);
    let key = held
        .and_then(|held| held.versions.iter().find(|version| Some(version.version) == reuse_key));
    let (unknown, key_type) = (Sha256([0; 32]), scene.key_type(&certificate));
    let facts = Facts {
        names: names.clone(),
        not_before: scene.now,
        not_after: scene.now.plus(ASSUMED_LIFE),
        issuer: String::new(),
        serial: String::new(),
        key_type: key.map_or(key_type, |key| key.facts.key_type),
        leaf: unknown,
        spki: next_key.or_else(|| key.map(|key| key.facts.spki)).unwrap_or(unknown),
        combined: unknown,
        key_file: unknown,
        chain_file: unknown,
        chain_length: 0,
    };
    let ways = names.iter().map(|name| scene.desired.ways.of(name)).collect();
    let ca = ca.map(|(_, instead)| instead);
    let action = Action::Issue { certificate, names, ways, reuse_key, next_key, key_type, ca };
    (action, because, Pending { step: 0, version: Version(version), facts, adopted: false })
}

/// The next key of a certificate, where the order is to use it: its records stand. Where keys are
/// kept (by the configuration, or since a server has key and chain in two files), only when another
/// key is asked for.
fn rolled<'a>(
    scene: &Scene<'a>,
    held: &Held,
    names: &[DnsId],
    because: &Reason,
) -> Option<&'a NextKey> {
    let is_asked = matches!(because, Reason::KeyType | Reason::Exposed | Reason::NewKey);
    rollover::ready(scene, held, names).filter(|_| is_asked || !rollover::keeps(scene))
}

/// The version whose key is used again, unless a person wants a new one: one that TLSA pins; else,
/// where that is configured, or where a server keeps key and chain in two files, the last one, so
/// that nobody reads a key beside another's chain.
fn reused(scene: &Scene<'_>, held: &Held, names: &[DnsId], because: &Reason) -> Option<Version> {
    if scene.wants_new_key(held) {
        return None;
    }
    if let Some(pinned) = scene.guard.reuse(held, names) {
        return Some(pinned);
    }
    let base = held.versions.iter().rev().find(|version| !version.is_bad())?;
    let keeps = base.facts.key_type == scene.key_type(&held.name) && *because != Reason::KeyType;
    let mut same = held.versions.iter().filter(|one| one.facts.spki == base.facts.spki);
    let exposed = same.any(|one| scene.exposed.contains_key(&(held.name.clone(), one.version)));
    (rollover::keeps(scene) && keeps && !exposed).then_some(base.version)
}
