//! Wildcards: ordered by dns-01 beside the domain itself, shown by Postfix and Exim for hosts that
//! they stand for, and no obstacle to those hosts where they cannot be had.

use crate::clients::{PORTS, everything_verifies, openssl};
use crate::dns01::key;
use crate::mailcert::finds;
use crate::world::daemons::run;
use crate::world::knot::SECRET;
use crate::world::{Exim, Wish, World, text};

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn a_wildcard_and_its_domain_are_one_order_and_both_servers_show_it() {
    let zone = ["alpha A MACHINE", "other.alpha A MACHINE", "other.beta A MACHINE"];
    let zone = zone.map(str::to_owned).to_vec();
    let world = World::start(Wish { exim: Exim::Combined, zone, ..Wish::default() });
    let file = world.write("tsig.key", &key("mailcert", SECRET), 0o600);
    let way = format!("[challenge.dns-01.rfc2136]\nkey-file = \"{}\"\nttl = 1\n", text(&file));
    wants(&world, "alpha", "\"alpha.test\", \"*.alpha.test\"");
    wants(&world, "beta", "\"*.beta.test\"");
    wants(&world, "gamma", "\"*.gamma.test\"");
    world.mailcert(&["plan"]).exits(2).says("a wildcard takes dns-01 alone");
    by_dns(&world, &way);

    let plan = world.mailcert(&["plan"]).exits(3);
    let plan = plan.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(plan.contains("issue alpha.test for alpha.test and *.alpha.test because"), "{plan}");
    assert!(plan.contains("by dns-01 for *.alpha.test, since a wildcard takes no other"), "{plan}");
    assert!(plan.contains("by dns-01, since a wildcard takes no other"), "{plan}");
    world.mailcert(&["fix", "--yes"]).exits(0);
    assert_eq!(texts(&world, "alpha"), "", "what was presented is still there");

    let status = world.mailcert(&["status", "--json"]).exits(0).json();
    let names = |name: &str| {
        let mut rows = status["certificates"].as_array().unwrap().iter();
        rows.find(|row| row["name"] == name).unwrap()["names"].clone()
    };
    assert_eq!(names("alpha.test"), serde_json::json!(["alpha.test", "*.alpha.test"]));
    assert_eq!(names("gamma.test"), serde_json::json!(["*.gamma.test"]));
    // The names of the mail hosts are those that the wildcards stand for.
    everything_verifies(&world);
    // Nobody told mailcert of these; who shows the default certificate does not know both.
    let postfix = world.postfix();
    for port in &PORTS[..2] {
        for other in ["other.alpha.test", "other.beta.test"] {
            openssl(&world, postfix, *port, Some(other), other).unwrap();
        }
        openssl(&world, postfix, *port, Some("alpha.test"), "alpha.test").unwrap();
    }
    let history = world.mailcert(&["history", "*.gamma.test"]).exits(0);
    assert!(history.stdout.contains("issue gamma.test for *.gamma.test"), "{history}");
    world.mailcert(&["run", "--json"]).exits(0);
    world.mailcert(&["plan"]).exits(0);

    // Renewed, it stays one.
    world.reconfigure("ecdsa-p256", "ecdsa-p384");
    world.mailcert(&["fix", "--yes"]).exits(0);
    everything_verifies(&world);
    openssl(&world, postfix, PORTS[0], Some("other.alpha.test"), "other.alpha.test").unwrap();
}

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn hosts_below_a_wildcard_that_cannot_be_had_have_certificates_of_their_own() {
    let zone = vec!["_acme-challenge.beta CNAME away.invalid.".to_owned()];
    let world = World::start(Wish { exim: Exim::Combined, zone, ..Wish::default() });
    let hook = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/dns-01/knot-hook");
    let socket = world.path("knot/run/knot.sock");
    let argv = format!("[\"{}\", \"-s\", \"{}\"]", text(&hook), text(&socket));
    wants(&world, "beta", "\"*.beta.test\"");
    wants(&world, "gamma", "\"*.gamma.test\"");
    by_dns(&world, &format!("[challenge.dns-01.exec]\npresent = {argv}\nremove = {argv}\n"));
    let ran = world.mailcert(&["fix", "--yes", "--json"]).exits(1);
    assert!(finds(&ran.json(), &["dns-01-failed", "*.beta.test", "cannot be asked for"]), "{ran}");
    everything_verifies(&world);
    assert_eq!(texts(&world, "gamma"), "", "what the hook put there is still there");

    // Once it can, it is had, and the others are still right.
    let config = world.path("knot/knot.conf");
    for change in
        ["zone-begin test.", "zone-unset test. _acme-challenge.beta CNAME", "zone-commit test."]
    {
        let change: Vec<&str> = change.split(' ').collect();
        run("knotc", &[&["-b", "-c", text(&config)], &change[..]].concat());
    }
    let ran = world.mailcert(&["fix", "--yes"]).exits(0);
    let status = world.mailcert(&["status", "--json"]).json();
    let rows = status["certificates"].as_array().unwrap();
    let has = |name: &str| rows.iter().any(|row| row["names"] == serde_json::json!([name]));
    assert!(has("*.beta.test") && has("mail.beta.test"), "{ran}\n{status:#}");
    everything_verifies(&world);
}

/// Adds names to a domain of the configuration.
fn wants(world: &World, domain: &str, hosts: &str) {
    let table = format!("name = \"{domain}.test\"\n");
    world.reconfigure(&table, &format!("{table}hosts = [{hosts}]\n"));
}

/// Wildcards, and the domain beside one, take dns-01; all other names http-01 as before.
fn by_dns(world: &World, way: &str) {
    let hosts = match world.read("mailcert.toml").contains("\"alpha.test\", \"*") {
        true => "[challenge.dns-01]\nhosts = [\"alpha.test\"]\n",
        false => "",
    };
    world.reconfigure("[dns]\n", &format!("{hosts}{way}\n[dns]\n"));
}

/// The TXT records of a domain's challenge.
fn texts(world: &World, domain: &str) -> String {
    let (at, name) = (format!("@{}", world.address(53)), format!("_acme-challenge.{domain}.test"));
    run("kdig", &[&at, "+short", &name, "TXT"])
}
