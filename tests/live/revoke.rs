//! `revoke`: what is shown is replaced first, and the CA knows of the rest.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use crate::clients::{everything_verifies, shown};
use crate::fix::fix;
use crate::world::daemons::run;
use crate::world::{Exim, Wish, World, text};

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn what_is_shown_is_replaced_before_it_is_revoked() {
    let world = World::start(Wish { exim: Exim::Combined, ..Wish::default() });
    fix(&world);
    let before = shown(&world);
    let serial = serial(&world, "alpha.test", 1);
    assert_eq!(status(&world, &serial), "Valid");

    // Nobody is there to be asked.
    world.mailcert(&["revoke", "alpha.test"]).exits(1).says("--version 1 --yes` revokes it");
    world.mailcert(&["revoke", "alpha.test", "--reason", "superseded", "--yes"]).exits(1);
    assert_eq!((status(&world, &serial), shown(&world)), ("Valid".to_owned(), before.clone()));

    let ran = world.mailcert(&["revoke", "alpha.test", "--yes", "--json"]).exits(0);
    let said = ran.json();
    assert_eq!((&said["serial"], &said["signed_by"]), (&serial.clone().into(), &"account".into()));
    assert_eq!((status(&world, &serial), 1), ("Revoked".to_owned(), 1), "{ran}");
    assert!(!world.path("state/certificates/alpha.test/1").exists(), "its key is still there");
    everything_verifies(&world);
    for (old, new) in before.iter().zip(&shown(&world)) {
        assert_eq!(old.2 != new.2, old.0.ends_with("alpha.test"), "{} on {}", old.0, old.1);
    }
    world.mailcert(&["run"]).exits(0);
}

/// The account is lost, and somebody could read a key of Exim's.
#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn an_exposed_key_revokes_its_own_certificate_where_the_account_is_lost() {
    let world = World::start(Wish { exim: Exim::Combined, ..Wish::default() });
    fix(&world);
    let serial = serial(&world, "gamma.test", 1);
    let key = world.path("exim/tls/mail.gamma.test.pem");
    fs::set_permissions(key, Permissions::from_mode(0o644)).expect("chmod");
    let cure = "mailcert revoke gamma.test --version 1";
    world.mailcert(&["fix", "--yes"]).exits(0).says("key-exposed").says(cure);
    assert_eq!(status(&world, &serial), "Valid");

    fs::remove_dir_all(world.path("state/accounts")).expect("the accounts are there");
    let ran = world.mailcert(&["revoke", "gamma.test", "--with", "account", "--yes"]).exits(1);
    assert!(ran.stderr.contains("no account for"), "{ran}");
    let ran = world.mailcert(&["revoke", "gamma.test", "--yes", "--json"]).exits(0);
    assert_eq!(ran.json()["signed_by"], "certificate", "{ran}");
    assert_eq!(status(&world, &serial), "Revoked");
    everything_verifies(&world);
}

/// Somebody put the old file back: what the store would show is not what is shown.
#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn an_old_version_that_a_server_still_shows_is_replaced_there_first() {
    let world = World::start(Wish { exim: Exim::Combined, ..Wish::default() });
    fix(&world);
    let file = "exim/tls/mail.gamma.test.pem";
    let old = world.read(file);
    world.reconfigure("ecdsa-p256", "ecdsa-p384");
    fix(&world);
    let now = shown(&world);
    let serial = serial(&world, "gamma.test", 1);
    fs::write(world.path(file), old).expect("write it");
    assert_ne!(shown(&world), now, "the old one is not shown");
    world.mailcert(&["revoke", "gamma.test", "--version", "1", "--yes"]).exits(0);
    assert_eq!(status(&world, &serial), "Revoked");
    assert_eq!(shown(&world), now);
}

/// A key that lies in strange hands is enough: neither the store nor the account knows of it.
#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn a_file_is_revoked_with_its_own_key_and_with_no_other() {
    let world = World::start(Wish { exim: Exim::Combined, ..Wish::default() });
    fix(&world);
    let serial = serial(&world, "gamma.test", 1);
    let held = world.path("state/certificates/gamma.test");
    let (pem, key) = (world.path("stolen.pem"), world.path("stolen.key"));
    fs::copy(held.join("1/chain.pem"), &pem).expect("copy the chain");
    fs::copy(held.join("1/key.pem"), &key).expect("copy the key");
    let revoke = ["revoke", text(&pem), "--yes", "--key"];
    let with = |key| [&revoke[..], &[key]].concat();
    // It is what the servers show.
    world.mailcert(&with(text(&key))).exits(1).says("is version 1 of gamma.test, which is held");

    world.reconfigure("ecdsa-p256", "ecdsa-p384");
    fix(&world);
    let now = shown(&world);
    fs::remove_dir_all(held.join("1")).expect("it was there");
    fs::remove_dir_all(world.path("state/accounts")).expect("the accounts are there");
    let another = held.join("2/key.pem");
    world.mailcert(&with(text(&another))).exits(2).says("a key of none of the certificates");
    assert_eq!(status(&world, &serial), "Valid");

    let reason = ["--reason", "superseded", "--json"];
    let ran = world.mailcert(&[&with(text(&key))[..], &reason].concat()).exits(0);
    let said = ran.json();
    assert_eq!((&said["serial"], &said["certificate"]), (&serial.clone().into(), &().into()));
    assert_eq!((&said["file"], &said["signed_by"]), (&text(&pem).into(), &"certificate".into()));
    assert_eq!(status(&world, &serial), "Revoked", "{ran}");
    assert_eq!(shown(&world), now);
    world.mailcert(&["history", "mail.gamma.test"]).exits(0).says("revoked the certificate in ");
}

/// The serial number of a version in the store, in hexadecimal.
fn serial(world: &World, name: &str, version: u32) -> String {
    let chain = world.path(&format!("state/certificates/{name}/{version}/chain.pem"));
    let said = run("openssl", &["x509", "-noout", "-serial", "-in", text(&chain)]);
    said.trim().trim_start_matches("serial=").to_ascii_lowercase()
}

/// What the CA says of it.
fn status(world: &World, serial: &str) -> String {
    let said = world.ask_ca(&format!("/cert-status-by-serial/{serial}"));
    let json: serde_json::Value = serde_json::from_str(&said).expect("it is JSON");
    json["Status"].as_str().expect("it has a status").to_owned()
}
