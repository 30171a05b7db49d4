//! An RSA certificate beside an ECDSA one: ordered where it is configured, kept where it was shown,
//! gone when a person says so.

use mailcert::model::{CertName, KeyType, Keys, OnHold};
use mailcert::plan::{Action, Mode, Reason, layout};
use mailcert::servers::{Content, wants};

use super::literal;
use super::sheet;
use super::world::{DAY, World};

const ECDSA: KeyType = KeyType::EcdsaP256;
const RSA: KeyType = KeyType::Rsa2048;

/// Two hosts on three servers.
fn world(keys: Keys) -> World {
    let (mut world, _) = literal::one_domain(2);
    world.observed.servers.push(sheet::dovecot());
    world.hosts.iter_mut().for_each(|host| host.reasons.push(mailcert::model::Why::Config));
    world.keys = keys;
    world
}

fn both() -> Keys {
    Keys { first: ECDSA, beside: Some(RSA) }
}

/// The newest version of each certificate, with its kind of key.
fn held(world: &World) -> Vec<(String, KeyType)> {
    let newest = world
        .observed
        .held
        .iter()
        .filter_map(|held| Some((held.name.to_string(), held.versions.last()?.facts.key_type)));
    let mut all: Vec<_> = newest.collect();
    all.sort();
    all
}

/// The servers on which every wanted file is there, with the certificates in those files.
fn lying(world: &World) -> Vec<(String, Vec<String>)> {
    let desired = world.desired();
    let of = |seen: &mailcert::plan::Seen| {
        let own = layout(&desired, &world.observed, seen, world.now);
        let files = wants(&seen.server, &own.shown, own.default.as_ref());
        assert!(files.iter().all(|want| seen.files.contains_key(&want.path)), "{}", seen.id());
        let mut names: Vec<String> = Vec::new();
        for want in files {
            match want.content {
                Content::Combined(name, _) | Content::Chain(name, _) => {
                    names.push(name.to_string())
                }
                Content::Two([first, second]) => names.push(format!("{} {}", first.0, second.0)),
                _ => {}
            }
        }
        names.sort();
        names.dedup();
        (seen.id().to_string(), names)
    };
    world.observed.servers.iter().map(of).collect()
}

#[test]
fn two_kinds_of_key_are_ordered_and_shown_side_by_side() {
    let mut world = world(both());
    let plan = world.plan(&Mode::Run);
    let kinds: Vec<(String, KeyType)> = (plan.steps.iter())
        .filter_map(|step| match &step.action {
            Action::Issue { certificate, key_type, .. } => {
                Some((certificate.to_string(), *key_type))
            }
            _ => None,
        })
        .collect();
    let expected = vec![("example.org".to_owned(), ECDSA), ("example.org.rsa".to_owned(), RSA)];
    assert_eq!(kinds, expected, "in one plan");
    world.come_to_rest();
    assert_eq!(held(&world), expected);
    for (server, names) in lying(&world) {
        assert!(names.iter().any(|name| name == "example.org.rsa"), "{server}: {names:?}");
        let two = names.iter().any(|name| name == "example.org example.org.rsa");
        assert_eq!(two, server == "postfix", "in one file for its default: {names:?}");
    }
    // Both are renewed.
    world.now = world.now.plus(std::time::Duration::from_secs(70 * DAY));
    world.come_to_rest();
    assert!(world.observed.held.iter().all(|held| held.versions.len() == 2));
}

#[test]
fn rsa_that_is_shown_stays_beside_ecdsa_until_a_person_says_so() {
    let mut world = world(Keys::one(RSA));
    world.come_to_rest();
    assert_eq!(held(&world), [("example.org".to_owned(), RSA)]);
    let before = world.shows_rsa();
    assert!(!before.is_empty());

    world.keys = Keys::one(ECDSA);
    let plan = world.plan(&Mode::Run);
    assert!(matches!(plan.steps[0].action, Action::Beside { .. }), "{plan:?}");
    assert_eq!((&plan.steps[0].because, &plan.steps[1].needs), (&Reason::Kept, &vec![0]));
    world.come_to_rest();
    let two = [("example.org".to_owned(), ECDSA), ("example.org.rsa".to_owned(), RSA)];
    assert_eq!(held(&world), two);
    let still = |(id, host): &(_, _)| world.still_shows_rsa(id, host);
    assert!(before.iter().all(still), "as before on every server");
    world.now = world.now.plus(std::time::Duration::from_secs(70 * DAY));
    world.come_to_rest();
    assert_eq!(held(&world), two, "and renewed");
    let newest = world.observed.held.iter().filter_map(|held| held.versions.last());
    let ends = world.now.plus(std::time::Duration::from_secs(80 * DAY));
    assert!(newest.map(|own| own.facts.not_after).all(|end| end > ends));

    world.drop_rsa = true;
    let beside = CertName::parse("example.org.rsa").expect("a name");
    let since = OnHold { since: world.now, why: None };
    world.observed.on_hold.insert(beside.clone(), since);
    world.come_to_rest();
    assert_eq!(held(&world), two, "it is on hold");
    world.observed.on_hold.clear();
    world.come_to_rest();
    assert_eq!(held(&world), [two[0].clone()]);
    let mentions = |name: &String| name.contains(beside.as_str());
    assert!(!lying(&world).iter().any(|(_, names)| names.iter().any(mentions)));
    let files = world.observed.servers.iter().flat_map(|seen| seen.files.keys());
    let left: Vec<_> = files.filter(|path| path.to_string_lossy().contains(".alt")).collect();
    assert!(left.is_empty(), "{left:?}");
    world.drop_rsa = false;
    world.come_to_rest();
    assert_eq!(held(&world), [two[0].clone()], "and stays away");
}

/// Where all are to be RSA, the one beside has no use.
#[test]
fn rsa_alone_needs_none_beside_it() {
    let mut world = world(both());
    world.come_to_rest();
    world.keys = Keys::one(RSA);
    world.come_to_rest();
    assert_eq!(held(&world), [("example.org".to_owned(), RSA)]);
}
