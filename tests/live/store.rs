//! What is installed is looked at: a lost store is made again from it, and damage is mended.

use std::fs;

use crate::clients::{everything_verifies, shown};
use crate::fix::fix;
use crate::mailcert::steps;
use crate::tree::{differences, keys_are_private, snapshot};
use crate::world::daemons::run;
use crate::world::{Exim, Wish, World, text};

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

/// The DNS is lost, then the state as well: nobody knows any more what is wanted.
#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn a_dead_dns_and_a_lost_store_cost_no_name() {
    let mut world = World::start(Wish { exim: Exim::Combined, ..Wish::default() });
    fix(&world);
    let (before, resolver) = (shown(&world), world.resolver());
    let nobody = resolver.replace(":53", ":9");

    world.reconfigure(&resolver, &nobody);
    let disk = snapshot(&world);
    for command in [["run", "-q"].as_slice(), &["fix", "--yes"]] {
        world.mailcert(command).exits(0);
        assert_eq!(shown(&world), before, "{command:?}");
    }
    assert_eq!(differences(&disk, &snapshot(&world)), Vec::<std::path::PathBuf>::new());

    fs::remove_dir_all(world.path("state")).unwrap();
    for command in [["fix", "--yes"].as_slice(), &["run"]] {
        let ran = world.mailcert(command);
        assert_eq!(shown(&world), before, "{command:?}: {ran}");
    }

    // One domain alone is silent: it is not left out of what is written for the others.
    fs::remove_dir_all(world.path("state")).unwrap();
    world.reconfigure(&nobody, &resolver);
    // A zone that Knot cannot load: SERVFAIL for all of it.
    let config = world.path("knot/knot.conf");
    let zone = "  - domain: beta.test.\n    file: \"/nowhere\"\n";
    world.write("knot/knot.conf", &format!("{}{zone}", world.read("knot/knot.conf")), 0o644);
    run("knotc", &["-b", "-c", text(&config), "reload"]);
    world.reconfigure(
        "name = \"gamma.test\"\n",
        "name = \"gamma.test\"\nhosts = [\"imap.gamma.test\"]\n",
    );
    world.add_to_zone(&[format!("imap.gamma A {}", world.postfix())]);
    let ran = world.mailcert(&["fix", "--yes"]);
    assert!(ran.code != 2 && ran.code != 5, "{ran}");
    everything_verifies(&world);
    assert_eq!(steps_of_beta(&world), 1, "it was taken back: {ran}");
}

/// How many certificates of the silent domain the store holds.
fn steps_of_beta(world: &World) -> usize {
    let held = fs::read_dir(world.path("state/certificates")).unwrap();
    held.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with("beta")).count()
}

/// How many orders the CA has got.
fn orders(world: &World) -> usize {
    world.ca_log().lines().filter(|line| line.contains("POST /order-plz")).count()
}

/// The files with keys that mailcert installed for the servers.
pub(crate) fn keys(world: &World) -> Vec<std::path::PathBuf> {
    ["postfix/etc/mailcert", "exim/tls", "dovecot/mailcert"]
        .iter()
        .flat_map(|directory| fs::read_dir(world.path(directory)).expect("it is there"))
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| fs::read_to_string(path).is_ok_and(|text| text.contains("PRIVATE KEY")))
        .collect()
}
