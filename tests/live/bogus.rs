//! A zone that fails the validation of DNSSEC is said before the order: no CA may issue for it.

use crate::ca::signal;
use crate::clients::{everything_verifies, shown};
use crate::crash::finalized;
use crate::fix::fix;
use crate::mailcert::{finds, steps};
use crate::world::{Wish, World};

const BROKEN: &str = "mail.beta.test";

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn a_name_whose_zone_is_bogus_is_not_ordered_and_the_others_are() {
    let world = World::start(Wish { signed: true, ..Wish::default() });
    fix(&world);
    let (before, issued, orders) = (shown(&world), finalized(&world), orders(&world));

    // A key that nobody has is expected of beta.test. What was found there before still counts.
    let config = world.read("unbound/unbound.conf");
    let anchor = format!("  trust-anchor: \"beta.test. DS 4711 13 2 {}\"\n", "0".repeat(64));
    let config = config.replace("remote-control:", &format!("{anchor}remote-control:"));
    world.write("unbound/unbound.conf", &config, 0o644);
    signal("-HUP", &world.read("unbound.pid"));
    world.reconfigure("ecdsa-p256", "ecdsa-p384");
    let ran = world.mailcert(&["run", "--json"]).exits(1);
    assert!(finds(&ran.json(), &["dns-bogus", BROKEN, "DNSSEC", "delv AAAA"]), "{ran}");
    let ordered = steps(&ran.json()).into_iter().filter(|(action, _)| action == "issue").count();
    assert_eq!(ordered, 4, "{ran}");
    assert_eq!(finalized(&world) - issued, 3, "{ran}");
    assert_eq!(self::orders(&world) - orders, 3, "the CA was asked for {BROKEN}: {ran}");
    for (old, new) in before.iter().zip(shown(&world)) {
        assert_eq!(*old == new, new.0 == BROKEN, "{} {}: {ran}", new.0, new.1);
    }
    everything_verifies(&world);
}

/// How many orders the CA was asked for.
fn orders(world: &World) -> usize {
    world.ca_log().matches("Added order").count()
}
