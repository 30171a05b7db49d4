//! No configuration: one command on a machine whose servers are at their usual places.
//!
//! The test calls itself in mount and network namespaces of its own, since it needs /etc/postfix,
//! /etc/dovecot and port 80 of every address.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::clients::{PORTS, gnutls, openssl, posttls};
use crate::mailcert::{Ran, steps};
use crate::world::daemons::run;
use crate::world::{Wish, World, text};

/// Set where the namespaces are there.
const ALONE: &str = "MAILCERT_TEST_ALONE";

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn one_command_makes_a_machine_without_a_configuration_right() {
    if std::env::var_os(ALONE).is_none() {
        return alone("nothing::one_command_makes_a_machine_without_a_configuration_right");
    }
    run("ip", &["link", "set", "lo", "up"]);
    let world = World::at_the_usual_places(Wish::default());
    let before = world.read("postfix/etc/main.cf");
    bare(&world, &["fix", "--yes"]).exits(2).says("mailcert fix --agree-to-terms");
    assert_eq!(world.read("postfix/etc/main.cf"), before);
    assert!(!world.path("state").exists());

    let said = fix(&world, &[]).exits(0);
    let said = said.says("FAIL self-signed: ");
    let said = said.says("ok alpha.test").says("postfix relay_domains").says("ok beta.test");
    let said = said.says("mx.alpha.test a host of alpha.test").says("All ");
    drop(said);
    for name in ["mx.alpha.test", "mail.alpha.test", "mail.beta.test"] {
        verifies(&world, name);
    }
    assert!(!Path::new("/etc/mailcert").exists() && world.path("state/lock").exists());

    // Again: everything is proved, nothing is ordered.
    let answer = fix(&world, &["--json"]).exits(0).json();
    assert_eq!(answer["before"]["verdict"], "accepted", "{answer}");
    assert!(steps(&answer).iter().all(|(action, _)| action == "prove"), "{answer}");
    fix(&world, &["--dry-run", "gamma.test"])
        .exits(2)
        .says(&format!("has to publish `mail.gamma.test. A {}`", world.postfix()));
}

/// `fix` with what a private CA and a resolver of one's own need, and consent.
fn fix(world: &World, more: &[&str]) -> Ran {
    let (ca, dns, address) = (world.ca(), world.resolver(), world.postfix().to_string());
    let [ca_file, roots, state] =
        ["ca-https.pem", "roots.pem", "state"].map(|file| text(&world.path(file)).to_owned());
    let words = ["fix", "--yes", "--agree-to-terms", "--contact", "postmaster@alpha.test"];
    let options = ["--acme-directory", &ca, "--ca-file", &ca_file, "--roots", &roots];
    let places = ["--state", &state, "--dns", &dns, "--address", &address];
    bare(world, &[&words[..], &options, &places, more].concat())
}

fn bare(world: &World, arguments: &[&str]) -> Ran {
    let mut command = Command::new("timeout");
    command.args(["-k", "5", "180", env!("CARGO_BIN_EXE_mailcert")]).args(arguments);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null());
    command.current_dir(world.directory());
    Ran::from(command.output().expect("timeout and mailcert are there"))
}

fn verifies(world: &World, name: &str) {
    let address = world.postfix();
    for &port in PORTS {
        let openssl = openssl(world, address, port, Some(name), name).map(drop);
        let gnutls = gnutls(world, address, port, Some(name), name);
        let posttls = match port.0 {
            25 | 465 | 587 => posttls(world, address, port, Some(name), name),
            _ => Ok(()),
        };
        for (client, answer) in [("openssl", openssl), ("gnutls", gnutls), ("posttls", posttls)] {
            assert!(answer.is_ok(), "{name} {port:?} {client}: {}", answer.unwrap_err());
        }
    }
}

/// Runs this test in namespaces of its own.
fn alone(test: &str) {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--net"]).arg(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture"]).env(ALONE, "1");
    let ran = command.output().expect("unshare is there");
    let [said, talk] = [&ran.stdout, &ran.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(ran.status.success() && said.contains("1 passed"), "{said}\n{talk}");
}
