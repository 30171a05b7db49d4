//! The TLSA guard: where senders pin a key, no other key is shown.

use crate::clients::{PORTS, everything_verifies, openssl, shown};
use crate::fix::fix;
use crate::mailcert::finds;
use crate::world::daemons::run;
use crate::world::{Exim, Wish, World, text};

/// A pin that no key matches.
const NOBODYS: &str = "00000000000000000000000000000000000000000000000000000000000000ff";

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn a_pinned_key_is_used_again_and_never_replaced() {
    let wish = Wish {
        signed: true,
        exim: Exim::Combined,
        zone: vec!["more.beta A MACHINE".to_owned()],
        ..Wish::default()
    };
    let mut world = World::start(wish);
    fix(&world);
    let before = spki(&world, "mail.beta.test");
    world.add_to_zone(&[format!("_25._tcp.mail.beta TLSA 3 1 1 {before}")]);
    std::thread::sleep(std::time::Duration::from_secs(2)); // the resolver forgets that there was none

    // A renewal keeps the key.
    world.reconfigure("\"beta.test\"\n", "\"beta.test\"\nhosts = [\"more.beta.test\"]\n");
    let ran = world.mailcert(&["fix", "--yes"]).exits(0);
    let address = world.postfix();
    let added = openssl(&world, address, PORTS[0], Some("more.beta.test"), "more.beta.test");
    assert!(added.is_ok(), "{ran}\n{}", added.unwrap_err());
    assert_eq!(spki(&world, "mail.beta.test"), before);

    // A new key that a person asks for is held until its record is there, and shown then.
    let ran = world.mailcert(&["run", "--new-key", "beta.test", "--json"]).exits(1);
    let made = spki_of(text(&world.path("state/certificates/beta.test/3/chain.pem")));
    let record = format!("_25._tcp.mail.beta.test. IN TLSA 3 1 1 {made}");
    assert!(finds(&ran.json(), &["tlsa-mismatch", &record]), "no {record} in {ran}");
    assert_eq!(spki(&world, "mail.beta.test"), before, "{ran}");
    let again = world.mailcert(&["run", "--new-key", "beta.test"]).exits(1);
    assert!(!world.path("state/certificates/beta.test/4").exists(), "{again}");
    everything_verifies(&world);
    world.add_to_zone(&[format!("_25._tcp.mail.beta TLSA 3 1 1 {made}")]);
    std::thread::sleep(std::time::Duration::from_secs(2)); // the resolver forgets the one record
    world.mailcert(&["run"]).exits(0);
    let before = made;
    assert_eq!(spki(&world, "mail.beta.test"), before);

    // Another kind of key cannot: the old one is shown, and the rest changes.
    let old = shown(&world);
    world.reconfigure("ecdsa-p256", "ecdsa-p384");
    let ran = world.mailcert(&["fix", "--yes", "--json"]);
    assert!(finds(&ran.json(), &["TLSA", "beta.test", "ecdsa-p256"]), "{ran}");
    assert_eq!(spki(&world, "mail.beta.test"), before, "{ran}");
    everything_verifies(&world);
    for (old, new) in old.iter().zip(&shown(&world)).filter(|(old, _)| old.0 == "mx.gamma.test") {
        assert_ne!(old.2, new.2, "{} on {} was held up", old.0, old.1);
    }
}

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn a_pin_that_no_key_matches_keeps_what_is_shown() {
    let pin = format!("_25._tcp.mail.beta TLSA 3 1 1 {NOBODYS}");
    let world = World::start(Wish { signed: true, zone: vec![pin], ..Wish::default() });
    let ran = world.mailcert(&["fix", "--yes", "--json"]).exits(1);
    // What is said to publish is the record of the key that was made for it.
    let made = world.path("state/certificates/beta.test");
    let made = run("find", &[text(&made), "-name", "chain.pem"]);
    let hash = spki_of(made.lines().next().expect("a chain is kept"));
    let record = format!("_25._tcp.mail.beta.test. IN TLSA 3 1 1 {hash}");
    assert!(finds(&ran.json(), &["tlsa-mismatch", &record]), "no {record} in {ran}");
    let address = world.postfix();
    let beta = openssl(&world, address, PORTS[0], Some("mail.beta.test"), "mail.beta.test");
    assert!(beta.is_err(), "a key that no sender accepts was shown: {ran}");
    let alpha = openssl(&world, address, PORTS[0], Some("mx.alpha.test"), "mx.alpha.test");
    assert!(alpha.is_ok(), "{ran}\n{}", alpha.unwrap_err());
}

/// SHA-256 of the public key a name shows on port 25, as TLSA `3 1 1` wants it.
fn spki(world: &World, name: &str) -> String {
    let shown = openssl(world, world.postfix(), PORTS[0], Some(name), name).expect("it verifies");
    let file = world.write("shown.pem", &format!("{shown}-----END CERTIFICATE-----\n"), 0o644);
    spki_of(text(&file))
}

/// The same of the first certificate in a file.
fn spki_of(file: &str) -> String {
    let hash = format!(
        "openssl x509 -in {file} -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum"
    );
    run("sh", &["-c", &hash]).split(' ').next().expect("a hash").to_owned()
}
