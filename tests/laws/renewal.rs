//! What a CA suggests (RFC 9773) moves a renewal, and can neither starve a name nor drive us.

use std::time::Duration;

use mailcert::model::{Renewal, Timestamp};
use mailcert::plan::{Action, Mode, Reason};

use super::literal::one_domain;
use super::world::{DAY, World};

fn window(start: Timestamp) -> Renewal {
    Renewal { start, end: start.plus(Duration::from_secs(3_600)), explanation: None }
}

/// The CA says this of the newest version; what is ordered then, and why.
fn told(world: &mut World, renewal: Option<Renewal>) -> Vec<Reason> {
    let held = &mut world.observed.held[0];
    let newest = held.versions.last().expect("a version").version;
    held.hear(newest, renewal);
    let orders = world.plan(&Mode::Run).steps.into_iter();
    let orders = orders.filter(|step| matches!(step.action, Action::Issue { .. }));
    orders.map(|step| step.because).collect()
}

#[test]
fn a_window_in_the_past_means_now_and_once_a_day_at_most() {
    let (mut world, _) = one_domain(3);
    world.come_to_rest();
    let past = || Some(window(Timestamp::from_unix(1_000_000_000)));
    let mut renewed = Vec::new();
    for hour in 0..96 {
        if let [because] = &told(&mut world, past())[..] {
            assert!(matches!(because, Reason::Suggested(..)), "{because:?}");
            renewed.push(hour);
            world.come_to_rest();
        }
        world.now = world.now.plus(Duration::from_secs(3_600));
    }
    assert_eq!(renewed, [0, 24, 48, 72], "hours");
}

#[test]
fn a_window_moves_a_renewal_both_ways_but_not_past_a_sixth_of_the_life() {
    let life = 90 * DAY;
    for (day, expected) in [(10, 10), (45, 45), (70, 70), (75, 75), (89, 75), (4_000, 75)] {
        let (mut world, _) = one_domain(2);
        world.come_to_rest();
        let facts = &world.observed.held[0].versions[0].facts;
        let (began, ends) = (facts.not_before, facts.not_after);
        assert_eq!(ends.since(began).as_secs(), life);
        let suggested = Some(window(began.plus(Duration::from_secs(day * DAY))));
        let is_due = |world: &mut World, days| {
            world.now = began.plus(Duration::from_secs(days * DAY + 3_600));
            !told(world, suggested.clone()).is_empty()
        };
        assert!(!is_due(&mut world, expected - 1), "{day}: too early");
        assert!(is_due(&mut world, expected), "{day}: too late");
    }
}

#[test]
fn without_a_word_of_the_ca_a_third_of_the_life_is_left() {
    let (mut world, _) = one_domain(2);
    world.come_to_rest();
    let began = world.observed.held[0].versions[0].facts.not_before;
    // Up to a twelfth earlier, so that not all are due at once.
    for (day, due) in [(52, false), (61, true)] {
        world.now = began.plus(Duration::from_secs(day * DAY));
        assert_eq!(!told(&mut world, None).is_empty(), due, "{day}");
    }
}
