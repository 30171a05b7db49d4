//! Which of the CA's chains is shown, with a Pebble that has three of them.

use std::fs;

use crate::clients::{PORTS, everything_verifies, openssl, shown};
use crate::mailcert::finds;
use crate::world::daemons::run;
use crate::world::{Exim, Wish, World, text};

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn the_chain_that_is_shown_is_the_preferred_one_and_one_that_senders_accept() {
    let world = World::start(Wish { chains: 2, exim: Exim::Combined, ..Wish::default() });
    let roots = [0, 1, 2].map(|root| world.ask_ca(&format!("/roots/{root}")));
    let names = [0, 1, 2].map(|root| common_name(&world, &roots[root]));

    // Senders know the second root alone: the CA's default would be refused.
    trust(&world, &roots[1..2]);
    let ran = world.mailcert(&["fix", "--yes", "--json"]).exits(0);
    let said = format!("the one to {} is taken", names[1]);
    assert!(finds(&ran.json(), &["other-chain", "alpha.test", "untrusted-root", &said]), "{ran}");
    assert_eq!(leads_to(&world, "alpha.test", 1), names[1]);
    everything_verifies(&world);
    // Said once, since it is done.
    let ran = world.mailcert(&["run", "--json"]).exits(0);
    assert!(!finds(&ran.json(), &["other-chain"]), "{ran}");

    // They know all of them: the preferred one is taken, and nothing is to be said.
    trust(&world, &roots);
    let types = |kind: &str| format!("key-types = [\"{kind}\"]");
    let prefers = |name: &str| format!("{}\npreferred-chain = {name:?}", types("ecdsa-p384"));
    world.reconfigure(&types("ecdsa-p256"), &prefers(&names[2]));
    let ran = world.mailcert(&["fix", "--yes", "--json"]).exits(0);
    assert!(!finds(&ran.json(), &["other-chain"]), "{ran}");
    assert_eq!(leads_to(&world, "alpha.test", 2), names[2]);
    everything_verifies(&world);

    // The CA has it no more: its default.
    world.reconfigure(
        &prefers(&names[2]),
        &format!("{}\npreferred-chain = \"Old Root\"", types("ecdsa-p256")),
    );
    let ran = world.mailcert(&["fix", "--yes"]).exits(0);
    let ran = ran.says("other-chain").says("\"Old Root\"").says(&names[0]);
    assert_eq!(leads_to(&world, "alpha.test", 3), names[0], "{ran}");
    everything_verifies(&world);

    // None of them will do: the default is kept, and what was shown stays.
    let (before, chain) = (shown(&world), chain(&world, "mx.alpha.test"));
    let stranger = run(
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            "/dev/null",
            "-subj",
            "/CN=Stranger",
        ],
    );
    trust(&world, &[stranger]);
    world.reconfigure(&types("ecdsa-p256"), &types("ecdsa-p384"));
    let ran = world.mailcert(&["run", "--json"]).exits(1);
    assert!(finds(&ran.json(), &["chain-refused", "alpha.test"]), "{ran}");
    assert_eq!(leads_to(&world, "alpha.test", 4), names[0], "{ran}");
    trust(&world, &roots);
    assert_eq!(shown(&world), before, "{ran}");
    assert_eq!(self::chain(&world, "mx.alpha.test"), chain);
}

/// Senders know these roots from now on.
fn trust(world: &World, roots: &[String]) {
    fs::write(world.path("roots.pem"), roots.concat()).expect("write it");
}

fn common_name(world: &World, root: &str) -> String {
    let file = world.write("root.pem", root, 0o644);
    let said = run(
        "openssl",
        &["x509", "-noout", "-subject", "-nameopt", "multiline", "-in", text(&file)],
    );
    said.rsplit_once("= ").expect("it has a name").1.trim().to_owned()
}

/// The issuer at the top of what the store holds of a certificate.
fn leads_to(world: &World, name: &str, version: u32) -> String {
    let chain = world.read(&format!("state/certificates/{name}/{version}/chain.pem"));
    let last = chain.rfind("-----BEGIN").expect("a certificate");
    let file = world.write("last.pem", &chain[last..], 0o644);
    let said =
        run("openssl", &["x509", "-noout", "-issuer", "-nameopt", "multiline", "-in", text(&file)]);
    said.rsplit_once("= ").expect("it has a name").1.trim().to_owned()
}

/// What is shown for a name.
fn chain(world: &World, name: &str) -> String {
    openssl(world, world.postfix(), PORTS[0], Some(name), name).expect("it verifies")
}
