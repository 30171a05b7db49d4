//! A name that failed is tried at the staging directory first.

use crate::ca::{Door, behind_a_web_server};
use crate::clients::everything_verifies;
use crate::mailcert::finds;
use crate::world::{Wish, World};

/// Orders that a CA took, by its log.
fn orders(world: &World, log: &str) -> usize {
    world.read(log).lines().filter(|line| line.contains("POST /order-plz")).count()
}

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn a_name_that_failed_passes_at_the_staging_directory_before_the_ca_is_asked_again() {
    let mut world = World::start(Wish::default());
    let (staging, _) = world.another_ca();
    let agreed = "agree-to-terms = true";
    world.reconfigure(agreed, &format!("{agreed}\nstaging = \"{staging}\""));
    let door = Door::default();
    behind_a_web_server(&world, &door);

    // The website of one name keeps robots out: only the CA sees that.
    *door.lock().unwrap() = &["mail.alpha.test", "Pebble"];
    let ran = world.mailcert(&["fix", "--yes", "--json"]).exits(1);
    assert!(finds(&ran.json(), &["mail.alpha.test", "unauthorized"]), "{ran}");
    assert_eq!(orders(&world, "another.log"), 0, "nothing had failed before: {ran}");
    let asked = orders(&world, "pebble.log");

    // What fails again fails where that counts for nothing, and `status` tells of it.
    for _ in 0..2 {
        let ran = world.mailcert(&["fix", "--yes", "--json"]).exits(1);
        assert!(
            finds(&ran.json(), &["mail.alpha.test", "tried at the staging directory"]),
            "{ran}"
        );
        assert_eq!(orders(&world, "pebble.log"), asked, "the CA was asked: {ran}");
    }
    assert_eq!(orders(&world, "another.log"), 2, "{}", world.read("another.log"));
    world
        .mailcert(&["status"])
        .says("FAIL name-refused: mail.alpha.test mail.alpha.test: the CA refused it")
        .says(&format!("it was tried at the staging directory {staging} first"));

    // Cured: it passes there, and the CA is asked in the same run.
    *door.lock().unwrap() = &[];
    let ran = world.mailcert(&["fix", "--yes", "--json"]).exits(0);
    assert_eq!(orders(&world, "another.log"), 3, "{ran}");
    assert_eq!(orders(&world, "pebble.log"), asked + 1, "{ran}");
    everything_verifies(&world);
    let issued = world.read("another.log");
    assert!(!issued.contains("/finalize-order/"), "it issued a certificate:\n{issued}");
    let status = world.mailcert(&["status"]).exits(0);
    assert!(!status.stdout.contains("staging"), "{status}");
    // An account of its own, and nothing else is kept of it.
    let accounts = std::fs::read_dir(world.path("state/accounts")).unwrap().count();
    assert_eq!(accounts, 2, "the CA's and the staging directory's");
}

/// Nothing comes of it: no certificate, no file, no order at the CA.
#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn a_rehearsal_validates_every_name_and_installs_nothing() {
    let mut world = World::start(Wish::default());
    let refused = world.mailcert(&["run", "--staging"]).exits(2);
    refused.says("no staging directory is known for").says("name it in [acme]");
    let (staging, _) = world.another_ca();
    let agreed = "agree-to-terms = true";
    world.reconfigure(agreed, &format!("{agreed}\nstaging = \"{staging}\""));
    let door = Door::default();
    behind_a_web_server(&world, &door);

    *door.lock().unwrap() = &["mail.alpha.test", "Pebble"];
    let ran = world.mailcert(&["run", "--staging", "--json"]).exits(1);
    assert!(finds(&ran.json(), &["mail.alpha.test", "unauthorized"]), "{ran}");
    let rows = ran.json()["rehearsed"].clone();
    let alpha = rows.as_array().unwrap().iter().find(|row| row["certificate"] == "alpha.test");
    let alpha = alpha.expect("a row");
    assert_eq!(alpha["passed"], serde_json::json!(["mx.alpha.test"]), "{ran}");
    *door.lock().unwrap() = &[];
    let ran = world.mailcert(&["run", "--staging"]).exits(0);
    let ran = ran.says("6 of 6 names passed at").says("nothing was issued");

    assert_eq!(orders(&world, "pebble.log"), 0, "the CA itself was asked: {ran}");
    let asked = world.read("another.log");
    assert!(!asked.contains("/finalize-order/"), "it issued a certificate:\n{asked}");
    let held = std::fs::read_dir(world.path("state/certificates"));
    assert_eq!(held.map_or(0, Iterator::count), 0, "nothing is held");
    assert!(!world.path("postfix/etc/mailcert").exists(), "nothing is installed");
    let plan = world.mailcert(&["plan"]).exits(3);
    plan.says("issue alpha.test for");
}
