//! What becomes of a name that works and that the last order failed for.

use std::time::Duration;

use mailcert::model::DnsId;
use mailcert::plan::{Action, Mode, Plan, Reason};

use super::chance::Chance;
use super::literal;
use super::world::{World, host};

/// What is ordered again for its sake.
fn again(plan: &Plan) -> Vec<(String, &[DnsId])> {
    let orders = plan.steps.iter().filter_map(|step| match (&step.action, &step.because) {
        (Action::Issue { certificate, names, .. }, Reason::Refused(_)) => {
            Some((certificate.to_string(), names.as_slice()))
        }
        _ => None,
    });
    orders.collect()
}

fn wait(world: &mut World) {
    world.now = world.now.plus(Duration::from_secs(2 * 3600));
}

/// A new host is what the order was for; once it has a certificate of its own, nothing else would
/// ask again.
#[test]
fn a_refused_name_that_works_is_tried_again_until_it_is_cured() {
    let (mut world, dead) = literal::one_domain(2);
    world.come_to_rest();
    world.dead.insert(dead.clone());
    world.hosts.push(host(&mut Chance::of(3), "new", "example.org"));
    world.come_to_rest();
    let held: Vec<_> = world.observed.held.iter().map(|held| held.name.to_string()).collect();
    assert_eq!(held, ["example.org", "example.org-2"]);
    assert_eq!(again(&world.plan(&Mode::Run)), []);

    for _ in 0..3 {
        wait(&mut world);
        let plan = world.plan(&Mode::Run);
        let both = world.hosts[..2].iter().map(|host| DnsId::Host(host.host.clone()));
        let both = both.collect::<Vec<_>>();
        assert_eq!(again(&plan), [("example.org".to_owned(), both.as_slice())], "{plan:?}");
        world.come_to_rest();
        assert_eq!(again(&world.plan(&Mode::Run)), [], "it does not wait");
    }
    assert!(world.works().iter().any(|(_, host)| *host == dead));

    world.dead.clear();
    wait(&mut world);
    world.come_to_rest();
    wait(&mut world);
    let plan = world.plan(&Mode::Run);
    assert_eq!(again(&plan), [], "it is cured");
}

/// By the time that the dead name has failed once more, others may have taken the room that the
/// CA's limits leave: the neighbours' order is in the first plan after the last call.
#[test]
fn after_the_last_call_neighbours_do_not_wait_for_the_next_failure() {
    let (mut world, dead) = literal::one_domain(3);
    world.come_to_rest();
    world.dead.insert(dead.clone());
    let facts = &world.observed.held[0].versions[0].facts;
    let (began, life) = (facts.not_before, facts.not_after.since(facts.not_before));
    let ordered = |world: &mut World, after: Duration| {
        world.now = began.plus(after);
        let plan = world.plan(&Mode::Run);
        let mut orders = plan.steps.iter().filter_map(|step| match &step.action {
            Action::Issue { names, .. } => Some(names.clone()),
            _ => None,
        });
        orders.next().expect("an order")
    };
    // Due, and refused for the first time.
    let id = DnsId::Host(dead.clone());
    assert!(ordered(&mut world, life * 3 / 4).contains(&id));
    world.come_to_rest();
    let late = ordered(&mut world, life * 5 / 6 + Duration::from_secs(60));
    assert!(!late.contains(&id) && late.len() == 2, "{late:?}");
    world.come_to_rest();
    world.now = began.plus(life + Duration::from_secs(60));
    assert!(world.works().iter().all(|(_, host)| *host != dead));
    assert_eq!(world.works().len(), 2 * 2, "two neighbours on two servers");
}
