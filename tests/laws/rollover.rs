//! Keys that TLSA records pin, through years of renewals and crashes.

use std::collections::BTreeSet;
use std::time::Duration;

use mailcert::config::EximLayout;
use mailcert::model::{KeyHash, KeyType, Sha256};
use mailcert::plan::{Action, Held, HeldVersion, Mode, Pins};
use mailcert::servers::{Content, Shown, wants};

use super::chance::Chance;
use super::world::{DAY, World};
use super::{literal, sheet};

const TTL: u32 = 3_600;

/// A domain at rest whose key is pinned beside somebody else's.
fn pinned(seed: u64, managed: bool) -> (World, KeyHash) {
    let (mut world, _) = literal::one_domain(2 + (seed % 3) as usize);
    world.observed.servers =
        vec![sheet::postfix(false), sheet::exim(EximLayout::Combined, false), sheet::dovecot()];
    world.come_to_rest();
    let (host, key) = (world.hosts[0].host.clone(), current(&world));
    let theirs = Sha256::of(b"somebody else");
    world.observed.pins.push(Pins { managed, ttl: TTL, ..Pins::of(host, vec![key, theirs]) });
    (world, theirs)
}

/// The key of the newest version.
fn current(world: &World) -> KeyHash {
    world.observed.held[0].versions.last().expect("it is held").facts.spki
}

/// The keys that lie on servers.
fn lying(world: &World) -> BTreeSet<KeyHash> {
    let mut keys = BTreeSet::new();
    let versions = |held: &Held| held.versions.clone();
    for held in &world.observed.held {
        for HeldVersion { version, facts, .. } in versions(held) {
            let spki = facts.spki;
            let shown = Shown { name: held.name.clone(), version, facts, hosts: Vec::new() };
            for seen in &world.observed.servers {
                let files = wants(&seen.server, std::slice::from_ref(&shown), Some(&held.name));
                let holds =
                    |content: &Content| matches!(content, Content::Combined(..) | Content::Key(..));
                let lies = files.iter().filter(|want| holds(&want.content)).any(|want| {
                    matches!(seen.files.get(&want.path), Some(mailcert::plan::FileSeen::Regular {
                        identity: Some(identity), .. }) if *identity == want.identity)
                });
                if lies {
                    keys.insert(spki);
                }
            }
        }
    }
    keys
}

/// Insists that every key on a server is one that senders know.
fn only_known_keys_are_shown(world: &World, when: &str) {
    let pins = &world.observed.pins[0];
    for key in lying(world) {
        assert!(pins.keys.contains(&key), "{when}: {key} is shown and no record names it");
        let fresh = pins.fresh.get(&key).copied().flatten();
        assert!(fresh.is_none_or(|until| until <= world.now), "{when}: {key} is shown too early");
    }
}

#[test]
fn a_key_is_never_shown_unless_a_record_of_it_stands_and_each_renewal_gets_the_next() {
    for seed in 0..8 {
        let chance = &mut Chance::of(seed);
        let (mut world, theirs) = pinned(seed, true);
        let mut keys = BTreeSet::from([current(&world)]);
        for day in 0..120 {
            // Sometimes within the two TTLs of a record, sometimes long after.
            let most = if chance.once_in(2) { 3 } else { 240 };
            let hours = 1 + chance.below(most) as u64;
            world.now = world.now.plus(Duration::from_secs(3_600 * hours));
            for _ in 0..3 {
                let plan = world.plan(&Mode::Run);
                let killed = chance.below(2 * plan.steps.len() + 1);
                world.carry_out(&plan, &Mode::Run, killed);
                only_known_keys_are_shown(&world, &format!("seed {seed}, look {day}"));
            }
            world.come_to_rest();
            only_known_keys_are_shown(&world, &format!("seed {seed}, look {day}, at rest"));
            assert!(world.observed.pins[0].keys.contains(&theirs), "theirs was taken away");
            keys.insert(current(&world));
        }
        assert!(keys.len() >= 4, "seed {seed}: {} keys in ten months of renewals", keys.len());
        // Two of ours at most: what is shown and the next one; old ones are gone after two TTLs.
        world.now = world.now.plus(Duration::from_secs(DAY / 2));
        world.come_to_rest();
        world.now = world.now.plus(Duration::from_secs(DAY / 2));
        world.come_to_rest();
        let left = &world.observed.pins[0].keys;
        assert!(left.len() <= 3, "seed {seed}: {left:?}");
    }
}

#[test]
fn without_rights_the_key_stays_until_somebody_publishes_the_next() {
    let (mut world, _) = pinned(1, false);
    let before = current(&world);
    for _ in 0..40 {
        world.now = world.now.plus(Duration::from_secs(5 * DAY));
        world.come_to_rest();
        assert_eq!(current(&world), before, "the key was not used again");
    }
    // Another kind of key is asked for: the one that is held is none such.
    for version in &mut world.observed.held[0].versions {
        version.facts.key_type = KeyType::EcdsaP384;
    }
    world.come_to_rest();
    let plan = world.plan(&Mode::Run);
    let [step] = plan.steps.as_slice() else { panic!("{plan:?}") };
    let Action::Publish { add, remove, by_hand: true, .. } = &step.action else {
        panic!("{step:?}")
    };
    assert_eq!((add.len(), remove.len()), (1, 0), "{step:?}");
    world.now = world.now.plus(Duration::from_secs(30 * DAY));
    world.come_to_rest();
    assert_eq!(current(&world), before, "it did not wait for the record");

    let until = world.now.plus(Duration::from_secs(2 * u64::from(TTL)));
    world.observed.pins[0].keys.push(add[0]);
    world.observed.pins[0].fresh.insert(add[0], Some(until));
    world.come_to_rest();
    assert_eq!(current(&world), before, "it did not wait for two TTLs");
    assert_eq!(world.plan(&Mode::Run).wake, Some(until));
    world.now = until;
    world.come_to_rest();
    assert_eq!((current(&world), lying(&world)), (add[0], BTreeSet::from([add[0]])));

    // The record of the old key is to go when no cache is without the new one's, until it does.
    assert_eq!(world.plan(&Mode::Run).steps, [], "the old record is taken away too early");
    for _ in 0..40 {
        world.now = world.now.plus(Duration::from_secs(5 * DAY));
        world.come_to_rest();
        let plan = world.plan(&Mode::Run);
        let [step] = plan.steps.as_slice() else { panic!("{plan:?}") };
        let Action::Publish { add, remove, by_hand: true, .. } = &step.action else {
            panic!("{step:?}")
        };
        assert_eq!((add.as_slice(), remove.as_slice()), (&[][..], &[before][..]));
        assert!(step.action.can_wait(), "a record that is left over is no failure");
    }
    assert!(world.observed.held[0].versions.len() <= 4, "{:?}", world.observed.held[0].versions);
    world.observed.pins[0].keys.retain(|key| *key != before);
    world.come_to_rest();
    assert_eq!(world.plan(&Mode::Run).steps, []);
}
