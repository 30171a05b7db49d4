//! Certificates that others made and renew.

use std::time::Duration;

use mailcert::model::{CertName, Code, DnsId, Owner};
use mailcert::plan::{Action, Mode, Plan, Sourced};

use super::literal;
use super::world::{DAY, World, facts, name};

/// Two hosts, and certbot's certificate for these, `days` old.
fn world(names: &[&str], days: u64) -> World {
    let (mut world, _) = literal::one_domain(2);
    renew(&mut world, names, days);
    world
}

/// certbot has made a new one.
fn renew(world: &mut World, names: &[&str], days: u64) {
    world.issued += 1;
    let ids = names.iter().map(|own| DnsId::Host(name(own))).collect();
    let from = world.now.minus(Duration::from_secs(days * DAY));
    let own = Sourced {
        name: CertName::of_owner(&name("mail.example.org"), Owner::Certbot).expect("short"),
        owner: Owner::Certbot,
        lineage: "mail.example.org".to_owned(),
        chain: "/etc/letsencrypt/live/mail.example.org/fullchain.pem".into(),
        key: None,
        facts: facts(1_000_000 + world.issued, ids, from, 90),
    };
    world.observed.sourced = vec![own];
}

fn orders(plan: &Plan) -> Vec<String> {
    let names = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Issue { names, .. } => Some(names),
        _ => None,
    });
    names.flatten().map(ToString::to_string).collect()
}

fn adopts(plan: &Plan) -> usize {
    plan.steps.iter().filter(|step| matches!(step.action, Action::Adopt { .. })).count()
}

const BOTH: [&str; 2] = ["mx0.example.org", "mx1.example.org"];

#[test]
fn while_its_owner_renews_it_nothing_is_ordered_and_each_renewal_is_taken_once() {
    let mut world = world(&BOTH, 0);
    let mut age = 0;
    let mut taken = 0;
    for _ in 0..400 {
        let plan = world.plan(&Mode::Run);
        assert_eq!((orders(&plan), plan.findings.len()), (vec![], 0), "{plan:?}");
        taken += adopts(&plan);
        world.come_to_rest();
        assert_eq!(world.works().len(), 4, "two hosts on two servers");
        world.now = world.now.plus(Duration::from_secs(DAY));
        age += 1;
        if age > 62 {
            renew(&mut world, &BOTH, 0);
            age = 0;
        }
    }
    assert_eq!((taken, world.observed.held.len()), (7, 1), "{:?}", world.observed.held);
}

#[test]
fn an_owner_that_stops_is_warned_of_and_relieved_before_the_end() {
    let mut world = world(&BOTH, 0);
    let mut said = Vec::new();
    for day in 0..120 {
        let plan = world.plan(&Mode::Run);
        if plan.findings.iter().any(|found| found.code == Code::SourceOverdue) {
            said.push(day);
        }
        if !orders(&plan).is_empty() {
            assert_eq!((day, orders(&plan).len()), (75, 2), "with a sixth of its life left");
        }
        world.come_to_rest();
        assert_eq!(world.works().len(), 4, "on day {day}");
        world.now = world.now.plus(Duration::from_secs(DAY));
        world.observed.sourced.retain(|pair| pair.facts.valid_at(world.now));
    }
    assert_eq!(said, (68..90).collect::<Vec<_>>(), "to its end, since its owner is still broken");
}

#[test]
fn where_nothing_may_be_ordered_what_is_missing_is_said() {
    let mut world = world(&BOTH[..1], 0);
    world.orders = false;
    let plan = world.plan(&Mode::Run);
    let said: Vec<_> = plan.findings.iter().map(|own| (own.code, own.subject.as_str())).collect();
    assert!(said.contains(&(Code::SourceMissing, "mx1.example.org")), "{said:?}");
    assert_eq!((orders(&plan), adopts(&plan)), (vec![], 1));
    world.orders = true;
    assert_eq!(orders(&world.plan(&Mode::Run)), ["mx1.example.org"]);
}

#[test]
fn a_renewal_that_lacks_a_name_is_shown_beside_the_old_one() {
    let mut world = world(&BOTH, 61);
    world.come_to_rest();
    renew(&mut world, &BOTH[..1], 0);
    world.orders = false;
    for day in 0..29 {
        world.come_to_rest();
        assert_eq!(world.works().len(), 4, "on day {day}");
        world.now = world.now.plus(Duration::from_secs(DAY));
    }
    world.now = world.now.plus(Duration::from_secs(DAY));
    world.come_to_rest();
    assert_eq!(world.works().len(), 2, "the old one has ended");
}

#[test]
fn a_version_that_made_names_worse_is_not_taken_again() {
    let mut world = world(&BOTH, 40);
    world.come_to_rest();
    renew(&mut world, &BOTH, 0);
    world.come_to_rest();
    let held = &mut world.observed.held[0];
    assert_eq!(held.versions.len(), 2);
    held.versions[1].bad = Some(world.now);
    let plan = world.plan(&Mode::Run);
    assert_eq!((orders(&plan), adopts(&plan)), (vec![], 0), "{plan:?}");
    world.come_to_rest();
    world.now = world.now.plus(Duration::from_secs(36 * DAY));
    assert_eq!(orders(&world.plan(&Mode::Run)).len(), 2, "the last call for the older one");
}
