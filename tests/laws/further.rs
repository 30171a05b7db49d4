//! Several CAs: one that is down costs no name, none that may not issue is asked, and what one
//! refuses of a certificate is nothing to the others.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mailcert::model::{CertName, Code, DnsId, Hostname, Mark, Timestamp};
use mailcert::plan::{Action, Budget, Declined, Fallback, Mode, Passed, Pins, Plan};

use super::chance::Chance;
use super::random::random;
use super::world::World;
use crate::for_many_worlds;

const FIRST: &str = "https://first.test/dir";
const FURTHER: [&str; 2] = ["https://second.test/dir", "https://third.test/dir"];

/// An order: the certificate, its names, and the CA where it is not the first.
type Order = (CertName, Vec<DnsId>, Option<String>);

fn orders(plan: &Plan) -> Vec<Order> {
    let orders = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Issue { certificate, names, ca, .. } => {
            let ca = ca.as_ref().map(|instead| instead.directory.clone());
            Some((certificate.clone(), names.clone(), ca))
        }
        _ => None,
    });
    orders.collect()
}

fn fallback(directory: &str) -> Fallback {
    let budget = Budget::at(directory, Default::default());
    Fallback { directory: directory.to_owned(), most: 100, budget, forbidden: BTreeSet::new() }
}

/// A random world with three CAs that are all well.
fn with_further(chance: &mut Chance) -> World {
    let mut world = random(chance);
    world.observed.budget = Budget::at(FIRST, Default::default());
    world.observed.fallbacks = FURTHER.map(fallback).into();
    world
}

fn later(world: &World) -> Timestamp {
    world.now.plus(Duration::from_secs(600))
}

/// The mark of the CA an order goes to.
fn mark(ca: Option<&String>) -> Mark {
    Mark::of(ca.map_or(FIRST, String::as_str))
}

#[test]
fn while_any_ca_is_well_what_is_ordered_is_what_is_ordered_while_all_are() {
    for_many_worlds(0x5a_0000, |chance| {
        let mut world = with_further(chance);
        let well = orders(&world.plan(&Mode::Run));
        if well.iter().any(|(.., ca)| ca.is_some()) {
            return Err("a fallback is asked although the first CA is well".to_owned());
        }
        world.observed.holds.insert(Mark::of(FIRST), later(&world));
        let second_is_down = chance.once_in(2);
        if second_is_down {
            world.observed.holds.insert(Mark::of(FURTHER[0]), later(&world));
        }
        let plan = world.plan(&Mode::Run);
        let down = orders(&plan);
        let what = |orders: &[Order]| -> Vec<_> {
            orders.iter().map(|(name, names, _)| (name.clone(), names.clone())).collect()
        };
        if what(&well) != what(&down) {
            return Err(format!("{well:?} became {down:?}"));
        }
        let expected = FURTHER[usize::from(second_is_down)];
        if down.iter().any(|(.., ca)| ca.as_deref() != Some(expected)) {
            return Err(format!("not at {expected}: {down:?}"));
        }
        // Until when is said, and it is the first CA's again afterwards.
        world.now = later(&world).plus(Duration::from_secs(1));
        match orders(&world.plan(&Mode::Run)).iter().all(|(.., ca)| ca.is_none()) {
            true => Ok(()),
            false => Err("the first CA is not asked again".to_owned()),
        }
    });
}

#[test]
fn nothing_is_ordered_where_a_ca_is_left_alone_forbidden_or_pinned_out() {
    for_many_worlds(0x5b_0000, |chance| {
        let mut world = with_further(chance);
        let until = later(&world);
        let names: Vec<DnsId> = world.hosts.iter().map(|host| host.host.clone().into()).collect();
        for directory in [FIRST].into_iter().chain(FURTHER) {
            if chance.once_in(3) {
                world.observed.holds.insert(Mark::of(directory), until);
            }
        }
        for fallback in &mut world.observed.fallbacks {
            fallback.most = if chance.once_in(4) { 1 } else { 100 };
            fallback.forbidden = names.iter().filter(|_| chance.once_in(5)).cloned().collect();
        }
        let hosts = world.hosts.iter().map(|host| host.host.clone());
        let hosts: BTreeSet<Hostname> = hosts.filter(|_| chance.once_in(6)).collect();
        world.observed.pins.retain(|pins| !hosts.contains(&pins.host));
        let pins = |host: &Hostname| Pins { anchored: true, ..Pins::of(host.clone(), Vec::new()) };
        world.observed.pins.extend(hosts.iter().map(pins));
        let anchored: BTreeSet<DnsId> = hosts.into_iter().map(DnsId::Host).collect();
        for wish in world.wishes(&world.hosts) {
            for directory in [FIRST].into_iter().chain(FURTHER) {
                if chance.once_in(4) {
                    let some = wish.names.iter().filter(|_| chance.once_in(2)).cloned().collect();
                    let one = Declined { until, names: some };
                    let of: &mut BTreeMap<_, _> =
                        world.observed.declined.entry(wish.name.clone()).or_default();
                    of.insert(Mark::of(directory), one);
                }
            }
        }
        let plan = world.plan(&Mode::Run);
        for (certificate, names, ca) in orders(&plan) {
            let at = mark(ca.as_ref());
            let what = format!("{certificate} for {names:?} at {ca:?}");
            if world.observed.holds.contains_key(&at) {
                return Err(format!("{what}: it is left alone"));
            }
            let declined = world.observed.declined.get(&certificate).and_then(|of| of.get(&at));
            let refuses = |one: &Declined| {
                one.names.is_empty() || names.iter().any(|name| one.names.contains(name))
            };
            if declined.is_some_and(refuses) {
                return Err(format!("{what}: it has refused it"));
            }
            let Some(directory) = ca else { continue };
            let own = world.observed.fallbacks.iter().find(|one| one.directory == directory);
            let own = own.expect("a CA that is there");
            if names.len() > own.most || names.iter().any(|name| own.forbidden.contains(name)) {
                return Err(format!("{what}: it may not"));
            }
            if names.iter().any(|name| anchored.contains(name)) {
                return Err(format!("{what}: TLSA records pin another CA"));
            }
        }
        Ok(())
    });
}

#[test]
fn what_a_ca_refuses_of_one_certificate_changes_nothing_for_the_others() {
    for_many_worlds(0x5c_0000, |chance| {
        let mut world = with_further(chance);
        let before = orders(&world.plan(&Mode::Run));
        let Some((refused, names, _)) = before.first().cloned() else { return Ok(()) };
        let names = names.into_iter().take(1).collect();
        let one = Declined { until: later(&world), names };
        world.observed.declined.insert(refused.clone(), [(Mark::of(FIRST), one)].into());
        let plan = world.plan(&Mode::Run);
        let after = orders(&plan);
        let others = |orders: &[Order]| -> Vec<Order> {
            orders.iter().filter(|(name, ..)| *name != refused).cloned().collect()
        };
        if others(&before) != others(&after) {
            return Err(format!("{before:?} became {after:?}"));
        }
        let goes = |(name, _, ca): &Order| *name == refused && ca.as_deref() == Some(FURTHER[0]);
        if !after.iter().any(goes) {
            return Err(format!("{refused} is not ordered at the next CA: {after:?}"));
        }
        let because = plan.steps.iter().find_map(|step| match &step.action {
            Action::Issue { ca: Some(instead), .. } => Some(instead.because),
            _ => None,
        });
        match because {
            Some(Passed::Declined(until)) if until == later(&world) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
}

#[test]
fn an_order_that_a_run_left_at_a_fallback_is_gone_on_with_there_and_no_other_is() {
    let told = std::cell::Cell::new((0, 0));
    for_many_worlds(0x5e_0000, |chance| {
        let mut world = with_further(chance);
        let before = orders(&world.plan(&Mode::Run));
        let Some((left, names, _)) = before.first().cloned() else { return Ok(()) };
        // For something else than is wanted today it is worth nothing.
        let same = chance.once_in(2);
        let of: BTreeSet<DnsId> = names.iter().skip(usize::from(!same)).cloned().collect();
        world.observed.fallbacks[1].budget.under_way.insert(left.clone(), of);
        // Nor where the CA is left alone, or may not issue any more.
        let hindered = chance.below(4);
        match hindered {
            0 => drop(world.observed.holds.insert(Mark::of(FURTHER[1]), later(&world))),
            1 => drop(world.observed.fallbacks[1].forbidden.insert(names[0].clone())),
            _ => {}
        }
        let there = same && hindered > 1;
        let expected: Vec<Order> = before
            .iter()
            .map(|(name, names, _)| {
                let ca = (there && *name == left).then(|| FURTHER[1].to_owned());
                (name.clone(), names.clone(), ca)
            })
            .collect();
        let (there, elsewhere) = (usize::from(there), usize::from(!there));
        told.set((told.get().0 + there, told.get().1 + elsewhere));
        let after = orders(&world.plan(&Mode::Run));
        if after == expected { Ok(()) } else { Err(format!("{after:?}, not {expected:?}")) }
    });
    assert!(told.get().0 > 100 && told.get().1 > 100, "{told:?}");
}

/// With one CA alone, a certificate for which nobody can be asked says so, once for all.
#[test]
fn where_no_ca_can_be_asked_it_is_said_once_and_looked_at_again() {
    let told = std::cell::Cell::new(0);
    for_many_worlds(0x5d_0000, |chance| {
        let mut world = random(chance);
        world.observed.budget = Budget::at(FIRST, Default::default());
        let wanted = orders(&world.plan(&Mode::Run));
        world.observed.holds.insert(Mark::of(FIRST), later(&world));
        let plan = world.plan(&Mode::Run);
        if !orders(&plan).is_empty() {
            return Err("it is left alone".to_owned());
        }
        let held_back = plan.findings.iter().filter(|found| found.subject == "orders");
        let held_back = held_back.filter(|found| found.code == Code::HeldBack).count();
        told.set(told.get() + held_back);
        if held_back != usize::from(!wanted.is_empty()) {
            return Err(format!("said {held_back} times of {} orders", wanted.len()));
        }
        match wanted.is_empty() || plan.wake.is_some_and(|wake| wake <= later(&world)) {
            true => Ok(()),
            false => Err(format!("woken at {:?}", plan.wake)),
        }
    });
    assert!(told.get() > 100, "{told:?}");
}
