//! Which key a renewal has: a new one, the last one again, or the one that a person asks for.

use mailcert::model::{CertName, KeyHash, Timestamp, Version};
use mailcert::plan::{Action, HeldVersion, Mode, Pins, Reason};

use super::literal;
use super::world::{DAY, World};

/// A world of one server that keeps key and chain in one file, at rest, and its certificate.
fn at_rest() -> (World, CertName) {
    let (mut world, _) = literal::one_domain(2);
    world.observed.servers.truncate(1);
    world.come_to_rest();
    let name = world.observed.held[0].name.clone();
    (world, name)
}

fn versions(world: &World) -> &[HeldVersion] {
    &world.observed.held[0].versions
}

fn newest_key(world: &World) -> KeyHash {
    versions(world).last().expect("a version").facts.spki
}

fn ask(world: &mut World, name: &CertName) {
    let newest = versions(world).last().expect("a version").version;
    world.new_keys = [(name.clone(), newest)].into();
}

fn wait_for_renewal(world: &mut World) {
    world.now = world.now.plus(std::time::Duration::from_secs(70 * DAY));
    world.come_to_rest();
}

#[test]
fn a_renewal_has_the_key_that_is_configured_and_no_exposed_one() {
    for reuse in [false, true] {
        let (mut world, name) = at_rest();
        world.reuse_keys = reuse;
        let before = newest_key(&world);
        wait_for_renewal(&mut world);
        assert_eq!(versions(&world).len(), 2);
        assert_eq!(newest_key(&world) == before, reuse);

        // Others could read the file of the first version, whose key the second one has.
        let (first, at): (Version, Timestamp) = (versions(&world)[0].version, world.now);
        world.observed.exposed.insert((name, first), at);
        let exposed = newest_key(&world);
        wait_for_renewal(&mut world);
        assert_ne!(newest_key(&world), exposed, "reuse-key = {reuse}");
    }
}

#[test]
fn a_new_key_that_is_asked_for_is_ordered_at_once_and_once() {
    for reuse in [false, true] {
        let (mut world, name) = at_rest();
        world.reuse_keys = reuse;
        let before = newest_key(&world);
        ask(&mut world, &name);
        let plan = world.plan(&Mode::Run);
        let orders = |action: &Action| matches!(action, Action::Issue { reuse_key: None, .. });
        assert!(orders(&plan.steps[0].action), "{plan:?}");
        assert_eq!(plan.steps[0].because, Reason::NewKey);
        world.come_to_rest();
        assert_eq!(versions(&world).len(), 2, "one was ordered");
        assert_ne!(newest_key(&world), before);
    }
}

/// A version that was rolled back is not in the way of who asks for one with another key.
#[test]
fn a_new_key_does_not_wait_for_a_bad_version() {
    let (mut world, name) = at_rest();
    ask(&mut world, &name);
    world.observed.held[0].versions[0].bad = Some(world.now);
    let plan = world.plan(&Mode::Run);
    assert_eq!(plan.steps[0].because, Reason::NewKey, "{plan:?}");
}

/// The new key is made and held, and what to publish is said; the old one is shown until it is.
#[test]
fn a_new_key_beside_a_pinned_one_waits_for_its_record() {
    let (mut world, name) = at_rest();
    let old = newest_key(&world);
    let host = world.hosts[0].host.clone();
    world.observed.pins = vec![Pins { host: host.clone(), keys: vec![old] }];
    ask(&mut world, &name);
    world.come_to_rest();
    assert_eq!(versions(&world).len(), 2, "one was ordered");
    let new = newest_key(&world);
    assert_ne!(new, old);
    let record = format!("_25._tcp.{host}. IN TLSA 3 1 1 {new}");
    let plan = world.plan(&Mode::Run);
    assert!(plan.steps.is_empty(), "{plan:?}");
    assert!(plan.findings.iter().any(|found| found.message.contains(&record)), "{plan:?}");
    // Whoever asks again gets no further one.
    ask(&mut world, &name);
    assert!(world.plan(&Mode::Run).steps.is_empty());
    world.new_keys.clear();
    world.observed.pins = vec![Pins { host, keys: vec![old, new] }];
    let plan = world.plan(&Mode::Run);
    let installs =
        |action: &Action| matches!(action, Action::Install { version: Some(Version(2)), .. });
    assert!(plan.steps.iter().any(|step| installs(&step.action)), "{plan:?}");
}
