//! The world before mailcert did anything: without these, the other tests would prove nothing.

use crate::clients::{PORTS, gnutls, names, openssl, posttls};
use crate::world::{Wish, World};

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn before_anything_is_done_every_client_refuses_every_name() {
    let world = World::start(Wish::default());
    for (name, address) in names(&world) {
        for &port in PORTS {
            let said = openssl(&world, address, port, Some(name), name).unwrap_err();
            assert!(said.contains("CN = localhost.localdomain"), "{name} {port:?}: {said}");
            let said = gnutls(&world, address, port, Some(name), name).unwrap_err();
            assert!(said.contains("NOT trusted"), "{name} {port:?}: {said}");
            if matches!(port.0, 25 | 465 | 587) {
                let said = posttls(&world, address, port, Some(name), name).unwrap_err();
                assert!(said.contains("Untrusted TLS connection"), "{name} {port:?}: {said}");
            }
        }
    }
}
