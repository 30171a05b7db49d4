//! `account`: the CA takes the new key and no other, and an account that was given up is made again.

use std::fs;
use std::path::PathBuf;

use crate::clients::everything_verifies;
use crate::fix::fix;
use crate::world::{Exim, Wish, World};

/// The file of the account's key.
fn file(world: &World) -> PathBuf {
    let said = world.mailcert(&["account", "show", "--json"]).exits(0).json();
    PathBuf::from(said["file"].as_str().expect("it is kept in a file"))
}

/// The account's URL, its contacts, and that the CA takes it.
fn seen(world: &World) -> (String, String) {
    let said = world.mailcert(&["account", "show", "--json"]).exits(0).json();
    assert_eq!(said["standing"], "valid", "{said}");
    (said["account"].as_str().expect("a URL").to_owned(), said["contact"].to_string())
}

fn key(text: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(text).expect("it is JSON");
    json["key_pkcs8"].as_str().expect("it has a key").to_owned()
}

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn an_account_gets_another_key_and_other_contacts_and_is_given_up() {
    let world = World::start(Wish { exim: Exim::Combined, ..Wish::default() });
    let none = world.mailcert(&["account", "show", "--json"]).exits(1).json();
    assert!(none["account"].is_null() && none["file"].is_null(), "{none}");
    fix(&world);
    let file = file(&world);
    let account = || fs::read_to_string(&file).expect("it is there");
    let (url, _) = seen(&world);
    let old = account();

    // The key that it rolls over to orders, and the old one is worth nothing.
    let ran = world.mailcert(&["account", "rollover", "-vv"]).exits(0).says(&url);
    assert!(key(&account()) != key(&old), "the key is the same");
    for key in [key(&account()), key(&old)] {
        assert!(!format!("{ran:?}").contains(&key), "{ran}");
    }
    assert_eq!(seen(&world).0, url);
    world.reconfigure("ecdsa-p256", "ecdsa-p384");
    world.mailcert(&["run"]).exits(0);
    everything_verifies(&world);
    assert_eq!(seen(&world).0, url, "another account was made");
    let new = account();
    fs::write(&file, &old).expect("write it");
    let refused = world.mailcert(&["account", "show", "--json"]).exits(1).json();
    assert_eq!(refused["standing"], "refused", "{refused}");
    fs::write(&file, &new).expect("write it");

    // The CA hears of other contacts.
    world.reconfigure("mailto:postmaster@alpha.test", "mailto:tls@alpha.test");
    world.mailcert(&["account", "contacts"]).exits(0).says("mailto:tls@alpha.test");
    assert_eq!(seen(&world), (url.clone(), "[\"mailto:tls@alpha.test\"]".to_owned()));

    // Nobody is there to be asked.
    world.mailcert(&["account", "deactivate"]).exits(1).says("deactivate --yes`");
    assert_eq!(seen(&world).0, url);
    let gone = world.mailcert(&["account", "deactivate", "--yes", "--json"]).exits(0).json();
    assert_eq!((&gone["account"], &gone["standing"]), (&url.clone().into(), &"deactivated".into()));
    assert!(!file.exists(), "its key is still there");
    world.mailcert(&["account", "show"]).exits(1).says("no account at");
    // What is shown goes on, and the next order makes another account.
    world.mailcert(&["run"]).exits(0);
    world.reconfigure("ecdsa-p384", "ecdsa-p256");
    world.mailcert(&["run"]).exits(0);
    everything_verifies(&world);
    assert_ne!(seen(&world).0, url);

    // Given up elsewhere: the CA's words, and what makes another one.
    fs::write(&file, &new).expect("write it");
    world.reconfigure("ecdsa-p256", "ecdsa-p384");
    world.mailcert(&["run"]).exits(1).says("`mailcert account show` says");
    world.mailcert(&["account", "deactivate", "--yes"]).exits(1).says("account register`");
    world.mailcert(&["account", "register"]).exits(0);
    world.mailcert(&["fix", "--yes"]).exits(0);
    everything_verifies(&world);
}
