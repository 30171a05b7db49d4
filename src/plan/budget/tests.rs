//! What has room, and when the rest has.

use super::*;
use crate::model::{KeyType, Sha256, Version};
use crate::plan::HeldVersion;

const HOUR: i64 = 3_600;
const NOW: Timestamp = Timestamp::from_unix(1_900_000_000);
const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

fn name(text: &str) -> DnsId {
    DnsId::parse(text).unwrap()
}

fn certificate(text: &str) -> CertName {
    CertName::parse(text).unwrap()
}

fn hours(span: i64) -> Duration {
    Duration::from_secs((span * HOUR).unsigned_abs())
}

fn held(certificate: &str, names: &[&str], from: Timestamp, days: i64) -> Held {
    let blank = Sha256([0; 32]);
    let facts = Facts {
        names: names.iter().map(|name| DnsId::parse(name).unwrap()).collect(),
        not_before: from,
        not_after: from.plus(hours(24 * days)),
        issuer: String::new(),
        serial: String::new(),
        key_type: KeyType::EcdsaP256,
        leaf: blank,
        spki: blank,
        combined: blank,
        key_file: blank,
        chain_file: blank,
        chain_length: 2,
    };
    let versions =
        vec![HeldVersion { version: Version(1), facts, bad: None, unfit: None, told: None }];
    Held { name: CertName::parse(certificate).unwrap(), versions }
}

/// A budget of which orders for these names brought certificates so long ago.
fn spent(orders: &[(&str, i64)]) -> Budget {
    let mut budget = Budget::at(LETS_ENCRYPT, Spent::default());
    for (host, ago) in orders {
        let at = NOW.minus(hours(*ago));
        let order = budget.order(&certificate(host), &[name(host)], None, at);
        budget.spent.order(Ordered { came: true, ..order });
    }
    budget
}

fn wanted(budget: &Budget, hosts: &[String]) -> (usize, Option<Schedule>) {
    let claim = |host: &String| {
        let names = [name(host)];
        let because = Reason::Missing(names.to_vec());
        budget.claim(&certificate(host), &names, None, &because)
    };
    let claims: Vec<_> = hosts.iter().map(claim).collect();
    let (placed, schedule) = budget.afford(&claims, NOW);
    (placed.iter().filter(|placed| **placed).count(), schedule)
}

fn domains_of(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("d{n}.test")).collect()
}

#[test]
fn ten_thousand_first_certificates_are_spread_over_four_days() {
    let (placed, schedule) = wanted(&spent(&[]), &domains_of(10_000));
    let schedule = schedule.unwrap();
    assert_eq!((placed, schedule.placed, schedule.waiting), (300, 300, 9_700));
    let batch = hours(3) + SLACK;
    assert_eq!(schedule.next, NOW.plus(batch));
    assert_eq!(schedule.last, NOW.plus(batch * 33));
    assert!(schedule.last < NOW.plus(hours(24 * 9 / 2)));
}

#[test]
fn what_was_ordered_before_counts_until_its_window_ends() {
    let earlier = domains_of(290);
    for (ago, expected) in [(1, 10), (2, 10), (4, 300)] {
        let orders: Vec<(&str, i64)> = earlier.iter().map(|host| (host.as_str(), ago)).collect();
        let fresh: Vec<String> = (0..1_000).map(|n| format!("new{n}.test")).collect();
        assert_eq!(wanted(&spent(&orders), &fresh).0, expected, "{ago} hours ago");
    }
}

#[test]
fn one_registered_domain_waits_a_week_and_holds_up_no_other() {
    let mut hosts: Vec<String> = (0..60).map(|n| format!("h{n}.hoster.co.uk")).collect();
    hosts.extend(domains_of(100));
    let (placed, schedule) = wanted(&spent(&[]), &hosts);
    let schedule = schedule.unwrap();
    assert_eq!((placed, schedule.waiting), (150, 10));
    assert_eq!(schedule.last, NOW.plus(hours(7 * 24) + SLACK));
}

#[test]
fn the_same_names_are_ordered_five_times_a_week_and_no_more() {
    let orders = [("a.test", 100), ("a.test", 80), ("a.test", 60), ("a.test", 40), ("a.test", 20)];
    let four = wanted(&spent(&orders[1..]), &["a.test".to_owned()]);
    assert_eq!(four, (1, None));
    let (placed, schedule) = wanted(&spent(&orders), &["a.test".to_owned()]);
    assert_eq!(placed, 0);
    assert_eq!(schedule.unwrap().next, NOW.plus(hours(68) + SLACK));
}

#[test]
fn a_renewal_counts_for_its_names_alone_and_one_announced_for_nothing() {
    let names = [name("a.test"), name("b.test")];
    let old = held("a.test", &["a.test", "b.test"], NOW.minus(hours(24 * 80)), 90);
    let mut budget = spent(&[]);
    let weight = |budget: &Budget, names: &[DnsId]| {
        budget.order(&certificate("a.test"), names, Some(&old), NOW).weight
    };
    assert_eq!(weight(&budget, &names), Weight::Renewal);
    assert_eq!(weight(&budget, &names[..1]), Weight::New);
    budget.announced.insert(certificate("a.test"));
    assert_eq!(weight(&budget, &names), Weight::Announced);
}

#[test]
fn a_name_that_failed_five_times_in_an_hour_waits_for_the_hour_to_end() {
    let mut budget = spent(&[]);
    for minutes in [50, 40, 30, 20, 10] {
        let at = NOW.minus(Duration::from_secs(60 * minutes));
        budget.spent.fail(budget.failure(&[name("a.test")], at));
    }
    let hosts = ["a.test".to_owned(), "b.test".to_owned()];
    let (placed, schedule) = wanted(&budget, &hosts);
    assert_eq!(placed, 1);
    assert_eq!(schedule.unwrap().next, NOW.plus(Duration::from_secs(600) + SLACK));
}

#[test]
fn an_order_that_lies_at_the_ca_needs_no_room() {
    let orders: Vec<String> = domains_of(300);
    let orders: Vec<(&str, i64)> = orders.iter().map(|host| (host.as_str(), 1)).collect();
    let mut budget = spent(&orders);
    let hosts = ["new.test".to_owned()];
    assert_eq!(wanted(&budget, &hosts).0, 0);
    budget.under_way.insert(certificate("new.test"), BTreeSet::new());
    assert_eq!(wanted(&budget, &hosts), (1, None));
}

#[test]
fn a_clock_by_which_all_is_due_as_it_comes_is_not_believed() {
    // The machine's clock is a year ahead: what came an hour ago ended long ago.
    let of_the_ca = NOW.minus(hours(24 * 365));
    let hosts = domains_of(1_000);
    let one = held("d0.test", &["d0.test"], of_the_ca, 64);
    for (ago, often, placed, why) in [
        (0, 1, 1_000, "once: somebody may have put an old one back"),
        (0, 2, 0, "at once"),
        (2, 2, 1, "an hour later, to see"),
        (30, 2, 1_000, "a day later"),
    ] {
        let budget = spent(&vec![("d0.test", ago); often]);
        let claims: Vec<_> = hosts
            .iter()
            .map(|host| {
                let old = held(host, &[host], of_the_ca, 64);
                let because = Reason::Expired(old.versions[0].facts.not_after);
                budget.claim(&certificate(host), &[name(host)], Some(&old), &because)
            })
            .collect();
        let (found, schedule) = budget.afford(&claims, NOW);
        assert_eq!(found.iter().filter(|placed| **placed).count(), placed, "{why}");
        let told = schedule.is_some_and(|schedule| schedule.doubted);
        assert_eq!(told, placed < 1_000, "{why}");
    }
    assert!(due_at(&one.versions[0].facts) < NOW);
}

#[test]
fn what_is_issued_in_one_burst_is_not_due_in_one() {
    let mut days: Vec<u64> = Vec::new();
    for number in 0..1_000_u32 {
        let mut one = held("a.test", &["a.test"], NOW, 64);
        let facts = &mut one.versions[0].facts;
        facts.leaf = Sha256::of(&number.to_be_bytes());
        assert_eq!(due_at(facts), due_at(&facts.clone()), "it stays what it is");
        days.push(due_at(facts).since(NOW).as_secs() / 86_400);
    }
    days.sort_unstable();
    // 64 days: due between a twelfth before and a third of its life.
    assert_eq!((days[0], days[999]), (37, 42));
    let most = (37..43).map(|day| days.iter().filter(|other| **other == day).count()).max();
    assert!(most < Some(230), "{most:?} of a thousand on one day");
}

#[test]
fn a_schedule_is_told_in_a_sentence() {
    let budget = spent(&[]);
    let (_, schedule) = wanted(&budget, &domains_of(10_000));
    let found = schedule.unwrap().finding(&budget);
    assert_eq!(
        found.message,
        "9700 orders wait for the CA's limits (300 new orders in 3 hours): the next are placed at \
         2030-03-17T20:52:40Z, the last at 2030-03-22T00:04:40Z"
    );
}
