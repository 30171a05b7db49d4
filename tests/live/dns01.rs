//! dns-01 by updates of the zone: no port 80 is needed, what a killed run left in the DNS goes with
//! the next one, what others have there stays, and what the name server refuses is said plainly.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::ca::signal;
use crate::crash::{Small, kill};
use crate::mailcert::{Ran, finds};
use crate::world::daemons::run;
use crate::world::knot::SECRET;
use crate::world::{World, text};

/// The names of the world's one certificate.
const NAMES: [&str; 3] = ["mx.alpha.test", "mail.alpha.test", "relay.alpha.test"];

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn what_a_killed_run_left_in_the_dns_goes_with_the_next_and_what_others_have_stays() {
    let mut small = by_dns();
    let second = small.world.address(55);
    small.world.add_to_zone(&["@ NS second".to_owned(), format!("second A {second}")]);
    update(&small.world, "update add _acme-challenge.mx.alpha.test 1 TXT theirs");
    for name in ["-KILL", "-TERM"] {
        small.change();
        // As long as this one answers without the records, the CA is not told.
        let stale = stale_secondary(&mut small.world);
        let victim = small.world.spawn(&["run"]);
        until(|| texts(&small.world).len() == 4);
        end(victim, name);
        let left = if name == "-KILL" { 4 } else { 1 };
        assert_eq!(texts(&small.world).len(), left, "{name}: {:?}", texts(&small.world));
        small.works(name);
        signal("-KILL", &stale.to_string());
        small.world.daemons.gone(second, 53);
        small.finishes(name);
        assert_eq!(texts(&small.world), ["_acme-challenge.mx.alpha.test theirs"], "{name}");
    }
}

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn what_the_name_server_refuses_is_said_with_what_to_change_and_costs_no_name() {
    let mut small = by_dns();
    small.change();
    let orders = |small: &Small| small.world.ca_log().matches("Added order").count();
    let before = orders(&small);
    let right = format!("secret \"{SECRET}\"");
    for (key, expected) in [
        (key("mailcert", "c3dvcmRmaXNo"), "has another secret for the key mailcert (BADSIG)"),
        (key("somebody", SECRET), "knows no key somebody with this algorithm"),
    ] {
        small.world.write("tsig.key", &key, 0o600);
        // A person's own command does not wait for the next try of the timer's.
        let ran = small.world.mailcert(&["fix", "--yes", "--json"]).exits(1);
        for name in NAMES {
            let at = small.world.resolver();
            assert!(finds(&ran.json(), &["dns-01-failed", name, &at, expected]), "{ran}");
        }
        assert!(!ran.stdout.contains("swordfish") && !ran.stdout.contains("c3dvcmRmaXNo"), "{ran}");
        small.works(expected);
        assert_eq!(orders(&small), before, "the CA was asked, and nothing could be presented");
    }
    small.world.write("tsig.key", &key("mailcert", SECRET), 0o644);
    let ran = small.world.mailcert(&["run"]).exits(2).says("can be read by everybody (mode 0644)");
    assert!(ran.stdout.is_empty() && ran.stderr.contains("chmod o-rwx"), "{ran}");
    small.world.write("tsig.key", "key \"mailcert\" { secret }", 0o600);
    small.world.mailcert(&["run"]).exits(2).says("the file holds no key");
    small.world.write("tsig.key", &key("mailcert", SECRET), 0o600);
    assert!(small.world.read("tsig.key").contains(&right));
    small.world.mailcert(&["fix", "--yes"]).exits(0);
    small.finishes("with the right key");
}

/// The small world, whose names take dns-01 from now on: nothing of port 80 is configured.
fn by_dns() -> Small {
    let small = Small::start();
    let path = small.world.write("tsig.key", &key("mailcert", SECRET), 0o600);
    let config = small.world.read("mailcert.toml");
    let listen = config.lines().find(|line| line.starts_with("listen")).expect("it is there");
    small.world.reconfigure(
        &format!("[challenge.http-01]\n{listen}\n"),
        &format!("[challenge.dns-01.rfc2136]\nkey-file = \"{}\"\nttl = 1\n", text(&path)),
    );
    small
}

/// A server of the zone that nobody tells of changes; its pid.
pub(crate) fn stale_secondary(world: &mut World) -> u32 {
    let address = world.address(55);
    let directory = world.directory_of("stale", "root:root", 0o755);
    let (directory, zone) = (text(&directory), world.path("knot/test.zone"));
    let config = format!(
        "server:\n  rundir: {directory}\n  listen: {address}@53\n\
         database:\n  storage: {directory}\n\
         zone:\n  - domain: test.\n    file: {}\n    zonefile-sync: -1\n",
        text(&zone)
    );
    let config = world.write("stale/knot.conf", &config, 0o644);
    let mut command = Command::new("knotd");
    let pid = world.daemons.start(command.arg("-c").arg(config), "stale.log", None);
    world.daemons.wait(address, &[53]);
    pid
}

/// As `tsig-keygen` writes it.
pub(crate) fn key(name: &str, secret: &str) -> String {
    format!("key \"{name}\" {{\n\talgorithm hmac-sha256;\n\tsecret \"{secret}\";\n}};\n")
}

/// One line of nsupdate's.
fn update(world: &World, line: &str) {
    let at = world.address(53);
    let lines = format!("server {at}\nzone test.\norigin test.\nttl 1\n{line}\nsend\n");
    let lines = world.write("update", &lines.replace(".test ", ".test. "), 0o600);
    run("knsupdate", &["-y", &format!("hmac-sha256:mailcert:{SECRET}"), text(&lines)]);
}

/// The TXT records of every challenge.
fn texts(world: &World) -> Vec<String> {
    let at = format!("@{}", world.address(53));
    let mut found = Vec::new();
    for name in NAMES {
        let name = format!("_acme-challenge.{name}");
        let said = run("kdig", &[&at, "+short", &name, "TXT"]);
        let texts = said.lines().map(|text| format!("{name} {}", text.trim_matches('"')));
        found.extend(texts.filter(|text| !text.contains(";;")));
    }
    found
}

/// Ends mailcert, by SIGKILL at once.
fn end(victim: Child, name: &str) {
    if name == "-KILL" {
        return kill(victim);
    }
    signal(name, &crate::ca::child_of(victim.id()));
    let ran = Ran::from(victim.wait_with_output().expect("it is our child"));
    ran.exits(1).says("interrupted");
}

/// Waits until it is so.
fn until(mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !so() {
        assert!(Instant::now() < deadline, "it does not come");
        std::thread::sleep(Duration::from_millis(1));
    }
}
