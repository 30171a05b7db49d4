//! Kinds of keys: what the configuration asks for is made, shown and renewed.

use std::net::Ipv4Addr;
use std::path::Path;

use crate::clients::{PORTS, everything_verifies, names, openssl, openssl_with};
use crate::fix::fix;
use crate::world::daemons::run;
use crate::world::debian_exim::Mode;
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

/// What a client sees that knows one algorithm alone: the kind of key, or nothing.
fn seen_by(
    world: &World,
    algorithms: &str,
    (name, address): (&str, Ipv4Addr),
    port: (u16, Option<&str>),
    sni: Option<&str>,
) -> Option<&'static str> {
    let options = ["-sigalgs", algorithms];
    let pem = openssl_with(&options, world, address, port, sni, name).ok()?;
    let file = format!("shown-{}-{}.pem", name, port.0);
    let file = world.write(&file, &format!("{pem}-----END CERTIFICATE-----\n"), 0o644);
    let said = run("openssl", &["x509", "-noout", "-text", "-in", text(&file)]);
    Some(if said.contains("rsaEncryption") { "RSA" } else { "ECDSA" })
}

const RSA: &str = "RSA-PSS+SHA256:RSA-PSS+SHA384:RSA+SHA256:RSA+SHA384";
const ECDSA: &str = "ECDSA+SHA256:ECDSA+SHA384";

/// Each name on each port, with SNI and the default without, to clients of each algorithm.
fn each_client_sees(world: &World, expected: [Option<&str>; 2]) {
    for (name, address) in names(world) {
        for &port in PORTS {
            let seen = [ECDSA, RSA]
                .map(|algorithms| seen_by(world, algorithms, (name, address), port, Some(name)));
            assert_eq!(seen, expected, "{name} {port:?}");
        }
    }
    for (name, address) in [("mx.alpha.test", world.postfix()), ("mx.gamma.test", world.exim())] {
        for &port in PORTS {
            // Which names the default has is another question.
            let verifies = openssl(world, address, port, None, name).is_ok();
            let seen = [ECDSA, RSA]
                .map(|algorithms| seen_by(world, algorithms, (name, address), port, None));
            assert!(!verifies || seen == expected, "{name} {port:?} without SNI: {seen:?}");
        }
    }
}

/// The files below a directory whose name speaks of a second certificate.
fn second_files(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("it is there").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.contains(".rsa") || name.contains(".alt") {
            found.push(name);
        }
    }
    found
}

const DIRECTORIES: [&str; 3] = ["postfix/etc/mailcert", "exim/tls", "dovecot/mailcert"];

fn side_by_side(exim: Exim) {
    let world = World::start(Wish { exim, ..Wish::default() });
    world.reconfigure(r#"["ecdsa-p256"]"#, r#"["ecdsa-p256", "rsa-2048"]"#);
    fix(&world);
    each_client_sees(&world, [Some("ECDSA"), Some("RSA")]);
    everything_verifies(&world);
    let status = world.mailcert(&["status", "--json"]).json();
    let rows = status["certificates"].as_array().expect("a list");
    let kinds: Vec<_> = rows.iter().map(|row| (&row["name"], &row["key_type"])).collect();
    assert!(kinds.iter().any(|(name, kind)| *name == "alpha.test.rsa" && *kind == "rsa-2048"));
    assert!(rows.iter().all(|row| row["verdict"] == "accepted"), "{status}");
    let idle = world.mailcert(&["run", "--json"]);
    assert_eq!(idle.exits(0).json()["steps"], serde_json::json!([]));
    for directory in DIRECTORIES {
        assert!(!second_files(&world.path(directory)).is_empty(), "{directory}");
    }
}

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn ecdsa_and_rsa_are_shown_side_by_side_by_our_own_lines() {
    side_by_side(Exim::Debian(Mode::Split));
}

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn ecdsa_and_rsa_are_shown_side_by_side_from_split_files() {
    side_by_side(Exim::Lists);
}

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn rsa_that_was_shown_stays_until_it_is_dropped() {
    let world = World::start(Wish { exim: Exim::Lists, ..Wish::default() });
    world.reconfigure("ecdsa-p256", "rsa-2048");
    fix(&world);
    each_client_sees(&world, [None, Some("RSA")]);
    world.reconfigure("rsa-2048", "ecdsa-p256");
    let plan = world.mailcert(&["plan"]).exits(3).stdout;
    assert!(plan.contains("keep version 1 as alpha.test.rsa, beside the new one"), "{plan}");
    world.mailcert(&["run"]).exits(0);
    each_client_sees(&world, [Some("ECDSA"), Some("RSA")]);
    world.mailcert(&["run"]).exits(0);

    world.mailcert(&["run", "--drop-rsa"]).exits(0);
    each_client_sees(&world, [Some("ECDSA"), None]);
    for directory in DIRECTORIES {
        assert_eq!(second_files(&world.path(directory)), [""; 0], "{directory}");
    }
    let names = world.mailcert(&["status"]).exits(0).stdout;
    assert!(!names.contains(".rsa"), "{names}");
    world.mailcert(&["run"]).exits(0);
    // What is asked for is not dropped.
    world.reconfigure("ecdsa-p256", "rsa-2048");
    let refused = world.mailcert(&["run", "--drop-rsa"]).exits(2);
    assert!(refused.stderr.contains("`key-types` asks for rsa-2048"), "{}", refused.stderr);
}

/// An admin's own expression is not ours to change; what it lacks is said.
#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn an_exim_that_names_one_file_shows_ecdsa_and_the_line_that_would_show_both_is_said() {
    let world = World::start(Wish { exim: Exim::Combined, ..Wish::default() });
    world.reconfigure(r#"["ecdsa-p256"]"#, r#"["rsa-2048", "ecdsa-p256"]"#);
    fix(&world);
    everything_verifies(&world);
    let at = ("mx.gamma.test", world.exim());
    let seen = |algorithms| seen_by(&world, algorithms, at, PORTS[0], Some(at.0));
    assert_eq!((seen(ECDSA), seen(RSA)), (Some("ECDSA"), None));
    let again = world.mailcert(&["run", "--json"]).exits(0).json();
    let findings = again["findings"].as_array().expect("a list");
    let said = findings.iter().find(|found| found["code"] == "rsa-not-shown").expect("it is said");
    let message = said["message"].as_str().expect("a text");
    let (_, line) = message.split_once("as well is: ").expect("the line");
    // The admin takes it, and reloads Exim.
    let config = world.read("exim/exim.conf");
    let old = config.lines().find(|line| line.starts_with("tls_certificate")).expect("one");
    let new = config.replace(old, &format!("tls_certificate = {line}"));
    world.write("exim/exim.conf", &new, 0o644);
    run("kill", &["-HUP", world.read("exim/exim.pid").trim()]);
    world.mailcert(&["fix", "--yes"]).exits(0);
    each_client_sees(&world, [Some("ECDSA"), Some("RSA")]);
}
