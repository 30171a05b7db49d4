//! The world before mailcert did anything: without these, the other tests would prove nothing.

use crate::clients::{PORTS, for_each_name, gnutls, openssl, posttls};
use crate::world::daemons::run;
use crate::world::debian_exim::Mode;
use crate::world::{Exim, Wish, World};

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn before_anything_is_done_every_client_refuses_every_name() {
    let world = World::start(Wish::default());
    for_each_name(&world, |name, address| {
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
    });
}

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn the_other_world_has_a_signed_zone_and_a_tlsproxy() {
    let wish = Wish {
        map_type: "hash",
        postscreen: true,
        exim: Exim::Combined,
        signed: true,
        zone: vec!["_25._tcp.mail.beta TLSA 3 1 1 00".to_owned() + &"ff".repeat(31)],
        ..Wish::default()
    };
    let mut world = World::start(wish);
    let ask = |world: &World, name: &str, kind: &str| {
        let resolver = world.resolver();
        let server = format!("@{}", resolver.strip_suffix(":53").expect("the DNS port"));
        run("kdig", &[&server, "+adflag", name, kind])
    };
    let said = ask(&world, "_25._tcp.mail.beta.test", "TLSA");
    assert!(said.contains("Flags: qr rd ra ad") && said.contains("3 1 1"), "{said}");
    world.add_to_zone(&["late.beta TXT \"here\"".to_owned()]);
    let said = ask(&world, "late.beta.test", "TXT");
    assert!(said.contains("Flags: qr rd ra ad") && said.contains("here"), "{said}");

    let (address, name) = (world.postfix(), "mx.alpha.test");
    let said = openssl(&world, address, PORTS[0], Some(name), name).unwrap_err();
    assert!(said.contains("CN = localhost.localdomain"), "{said}");
    let log = world.read("postfix/log/mail.log");
    assert!(log.contains("postfix/tlsproxy"), "{log}");
}

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn debians_exim_makes_up_a_certificate() {
    for mode in [Mode::Split, Mode::Unsplit, Mode::Generated] {
        let world = World::start(Wish { exim: Exim::Debian(mode), ..Wish::default() });
        let (address, name) = (world.exim(), "mx.gamma.test");
        let said = openssl(&world, address, PORTS[0], Some(name), name).unwrap_err();
        assert!(said.contains("self-signed certificate"), "{mode:?}: {said}");
        assert!(world.read("exim/log/mainlog").contains("SMTP connection from"), "{mode:?}");
    }
}
