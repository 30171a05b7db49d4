//! Kinds of keys: what the configuration asks for is made, shown and renewed.

use crate::clients::{PORTS, everything_verifies, names, openssl};
use crate::fix::fix;
use crate::world::daemons::run;
use crate::world::{Exim, Wish, World, text};

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn rsa_keys_are_made_and_shown() {
    let world = World::start(Wish { exim: Exim::Combined, ..Wish::default() });
    world.reconfigure("ecdsa-p256", "rsa-3072");
    fix(&world);
    everything_verifies(&world);
    for (name, address) in names(&world) {
        for &port in PORTS {
            let shown = openssl(&world, address, port, Some(name), name);
            let pem = format!("{}-----END CERTIFICATE-----\n", shown.expect("it verifies"));
            let file = world.write("shown.pem", &pem, 0o644);
            let said = run("openssl", &["x509", "-noout", "-text", "-in", text(&file)]);
            assert!(said.contains("Public-Key: (3072 bit)"), "{name} {port:?}: {said}");
        }
    }
    let status = world.mailcert(&["status", "--json"]).json();
    assert_eq!(status["certificates"][0]["key_type"], "rsa-3072", "{status}");
    world.mailcert(&["run"]).exits(0);
}
