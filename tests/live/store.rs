//! What is installed is looked at: a lost store is made again from it, and damage is mended.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::clients::{everything_verifies, shown};
use crate::fix::fix;
use crate::mailcert::steps;
use crate::tree::keys_are_private;
use crate::world::{Wish, World};

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn a_lost_store_is_adopted_and_damaged_files_are_mended_without_an_order() {
    let world = World::start(Wish::default());
    fix(&world);
    let (before, orders) = (shown(&world), orders(&world));

    fs::remove_dir_all(world.path("state")).unwrap();
    let ran = world.mailcert(&["run", "--json"]).exits(0);
    let adopted = steps(&ran.json()).into_iter().filter(|step| step.0 == "adopt").count();
    assert_eq!(adopted, 4, "one certificate for each domain: {ran}");
    assert_eq!(shown(&world), before);

    for file in keys(&world) {
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    }
    world.mailcert(&["run"]).exits(0);
    keys_are_private(&world);

    let damaged = keys(&world);
    assert!(damaged.len() > 8, "{damaged:?}");
    for file in damaged {
        fs::write(&file, "junk\n").unwrap();
    }
    world.mailcert(&["run"]).exits(0);
    everything_verifies(&world);
    assert_eq!(shown(&world), before);
    keys_are_private(&world);

    assert_eq!(self::orders(&world), orders, "the CA got an order");
}

/// How many orders the CA has got.
fn orders(world: &World) -> usize {
    world.ca_log().lines().filter(|line| line.contains("POST /order-plz")).count()
}

/// The files with keys that mailcert installed for the servers.
fn keys(world: &World) -> Vec<std::path::PathBuf> {
    ["postfix/etc/mailcert", "exim/tls", "dovecot/mailcert"]
        .iter()
        .flat_map(|directory| fs::read_dir(world.path(directory)).expect("it is there"))
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| fs::read_to_string(path).is_ok_and(|text| text.contains("PRIVATE KEY")))
        .collect()
}
