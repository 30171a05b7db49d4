//! dns-01 by mailcert's own name server: a run listens for the CA's resolver, which the zone's
//! delegations lead to it, and only as long as it is asked.

use std::net::TcpStream;

use crate::clients::{everything_verifies, shown};
use crate::mailcert::finds;
use crate::world::{Exim, Wish, World};

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn a_run_answers_the_ca_by_an_alias_and_by_a_delegation() {
    let wish = Wish { delegates: true, exim: Exim::Combined, ..Wish::default() };
    let mut world = World::start(wish);
    let ours = world.address(56);
    let config = world.read("mailcert.toml");
    let listen = config.lines().find(|line| line.starts_with("listen")).expect("it is there");
    let serve = format!(
        "[challenge.dns-01.serve]\nname = \"acme-dns.test\"\nzone = \"acme.test\"\n\
         listen = [\"{ours}:53\"]\n"
    );
    world.reconfigure(&format!("[challenge.http-01]\n{listen}\n"), &serve);
    // One name is delegated by itself, the others are what `check` asks for.
    world.add_to_zone(&[
        format!("acme-dns A {ours}"),
        "acme NS acme-dns".to_owned(),
        "_acme-challenge.mail.beta NS acme-dns".to_owned(),
    ]);
    let ran = world.mailcert(&["fix", "--yes", "--json"]).exits(1);
    let line = "_acme-challenge.mx.alpha.test. CNAME mx.alpha.test.acme.test.";
    assert!(finds(&ran.json(), &["dns-01-failed", "mx.alpha.test", line]), "{ran}");
    assert!(world.path("state/certificates/beta.test/1").exists(), "{ran}");
    let check = world.mailcert(&["check"]).stdout;
    let words = check.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines = words.split('`').filter(|line| line.starts_with("_acme-challenge."));
    let lines: Vec<String> = lines.map(str::to_owned).collect();
    assert!(lines.len() == 5 && lines.iter().any(|known| known == line), "{check}");
    world.add_to_zone(&lines);

    world.mailcert(&["fix", "--yes"]).exits(0);
    everything_verifies(&world);
    assert!(TcpStream::connect((ours, 53)).is_err(), "the name server is left listening");
    let plain = world.mailcert(&["check"]).stdout;
    assert!(!plain.contains("_acme-challenge"), "{plain}");

    let before = shown(&world);
    world.mailcert(&["run", "--new-key", "alpha.test", "--new-key", "beta.test"]).exits(0);
    everything_verifies(&world);
    for (old, new) in before.iter().zip(&shown(&world)) {
        let renewed = ["alpha", "beta"].iter().any(|domain| old.0.contains(domain));
        assert_eq!(old.2 != new.2, renewed, "{} on {}", old.0, old.1);
    }
    assert!(TcpStream::connect((ours, 53)).is_err(), "the name server is left listening");
}
