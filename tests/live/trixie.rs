//! The mail servers of Debian 13: Dovecot 2.4 by its own syntax, Postfix 3.10, Exim 4.98.

use crate::clients::{PORTS, everything_verifies, openssl};
use crate::fix::fix;
use crate::mailcert::steps;
use crate::world::{Exim, Wish, World};

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn on_debian_13_every_name_is_made_right_and_a_renewal_is_served() {
    let world = World::start(Wish { trixie: true, exim: Exim::Combined, ..Wish::default() });
    let said = |program: &str, arguments: &[&str]| {
        let output = world.program(program.as_ref()).args(arguments).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    for (program, arguments, version) in [
        ("dovecot", &["--version"][..], "2.4."),
        ("postconf", &["-dh", "mail_version"], "3.10."),
        ("/usr/sbin/exim4", &["-bV"], "Exim version 4.98"),
    ] {
        let said = said(program, arguments);
        assert!(said.starts_with(version), "{program}: {said}");
    }

    fix(&world);
    let drop_in = world.read("dovecot/mailcert/mailcert.conf");
    assert!(
        drop_in.contains("local_name mail.alpha.test {\n  ssl_server_cert_file = "),
        "{drop_in}"
    );
    world.mailcert(&["run", "--json"]).exits(0);
    let address = world.postfix();
    let imaps = PORTS[4];
    let shown =
        || openssl(&world, address, imaps, Some("mail.alpha.test"), "mail.alpha.test").unwrap();
    let first = shown();

    world.reconfigure("ecdsa-p256", "ecdsa-p384");
    let ran = world.mailcert(&["run", "--json"]).exits(0);
    let reload = ("reload".to_owned(), "dovecot".to_owned());
    assert!(steps(&ran.json()).contains(&reload), "{ran}");
    everything_verifies(&world);
    assert_ne!(shown(), first, "{ran}");
}
