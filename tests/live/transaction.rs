//! A change is a transaction: what makes a name worse is taken back, for that name alone; what
//! senders would refuse is not installed; load takes nothing back.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::clients::{everything_verifies, shown};
use crate::fix::fix;
use crate::mailcert::{finds, steps};
use crate::world::daemons::run;
use crate::world::{Exim, Wish, World, text};

/// A crypto policy of GnuTLS that takes no key on P-256: such a key passes every check of files, and
/// no client gets through.
const NO_P256: &str = "tls_require_ciphers = \
    NORMAL:-VERS-ALL:+VERS-TLS1.3:-SIGN-ECDSA-SHA256:-SIGN-ECDSA-SECP256R1-SHA256\n";

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn what_makes_a_name_worse_is_taken_back_for_that_name_alone() {
    let world = World::start(Wish { exim: Exim::Combined, ..Wish::default() });
    fix(&world);
    world.reconfigure("ecdsa-p256", "ecdsa-p384");
    world.mailcert(&["run"]).exits(0);
    let before = shown(&world);
    let exim = world.read("exim/exim.conf");
    world.write("exim/exim.conf", &(NO_P256.to_owned() + &exim), 0o644);
    signal(&world, "-HUP");

    // A rollback that makes it worse goes forward again.
    world
        .mailcert(&["rollback", "gamma.test"])
        .exits(1)
        .says(
            "FAIL rolled-back: gamma.test version 1 was refused where version 2 had been accepted",
        )
        .says("version 2 is served again and accepted at all");
    compare(&before, |_| false, &shown(&world));
    assert_eq!(steps(&world.mailcert(&["run", "--json"]).exits(0).json()), []);

    // So does a renewal, for the names it made worse and for no others.
    world.reconfigure("ecdsa-p384", "ecdsa-p256");
    let ran = world.mailcert(&["run", "--json"]).exits(1);
    let answer = ran.json();
    for name in ["gamma.test", "delta.test"] {
        let refused = "version 3 was refused where version 2 had been accepted";
        assert!(finds(&answer, &["rolled-back", name, refused]), "{ran}");
        let again = "version 2 is served again and accepted at all";
        assert!(finds(&answer, &["rolled-back", name, again]), "{ran}");
    }
    for name in ["alpha.test", "beta.test"] {
        assert!(!finds(&answer, &["rolled-back", name]), "{ran}");
    }
    let failed = |step: &Value| step["fate"] == "failed" && step["action"] == "prove";
    assert!(answer["steps"].as_array().unwrap().iter().any(failed), "{ran}");
    assert_eq!(answer["verify"]["verdict"], "accepted", "{ran}");
    everything_verifies(&world);
    compare(&before, |name| name.contains("alpha") || name.contains("beta"), &shown(&world));
    assert_eq!(steps(&world.mailcert(&["run", "--json"]).exits(0).json()), []);
}

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn a_chain_that_no_sender_trusts_is_not_installed() {
    let mut world = World::start(Wish { exim: Exim::Combined, ..Wish::default() });
    fix(&world);
    let before = shown(&world);
    let (url, root) = world.another_ca();

    world.reconfigure(&world.ca(), &url);
    world.reconfigure("ecdsa-p256", "ecdsa-p384");
    let ran = world.mailcert(&["run", "--json"]).exits(1);
    for name in ["alpha.test", "beta.test", "gamma.test", "delta.test"] {
        let words = ["chain-refused", name, "version 2 is not installed", "version 1 stays"];
        assert!(finds(&ran.json(), &words), "{ran}");
    }
    assert_eq!(shown(&world), before);
    let orders = || world.read("another.log").matches("POST /order-plz").count();
    let first = orders();
    let said = world.mailcert(&["run"]).exits(1).says("chain-refused").says("untrusted-root");
    assert_eq!(orders(), first, "it was ordered again: {said}");
    assert_eq!(shown(&world), before);

    // Where its root counts, what is held is good enough.
    fs::write(world.path("roots.pem"), world.read("roots.pem") + &root).unwrap();
    world.mailcert(&["run"]).exits(0);
    everything_verifies(&world);
    compare(&before, |_| true, &shown(&world));
    assert_eq!(orders(), first, "it was ordered again");
}

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn load_takes_nothing_back() {
    let world = World::start(Wish { exim: Exim::Combined, ..Wish::default() });
    fix(&world);
    let before = shown(&world);

    // Postfix has too many connections, Exim stands still. (The limit is the admin's edit, so the
    // run leaves the reload, which would begin to count anew, to the admin.)
    let (main, etc) = (world.read("postfix/etc/main.cf"), world.path("postfix/etc"));
    let limit = "smtpd_client_connection_count_limit = 4\nsmtpd_client_event_limit_exceptions =\n";
    world.write("postfix/etc/main.cf", &format!("{main}{limit}"), 0o644);
    run("postfix", &["-c", text(&etc), "reload"]);
    let held = hold(world.postfix(), 8);
    signal(&world, "-STOP");
    world.reconfigure("ecdsa-p256", "ecdsa-p384");
    let ran = world.mailcert(&["run", "--json"]);
    signal(&world, "-CONT");
    // On a slow machine Postfix may have let go of the held connections by then; that it says 421
    // is not what is shown here.
    assert!(ran.stdout.contains("\"timeout\""), "{ran}");
    assert!(ran.code == 4 && !ran.stdout.contains("rolled-back"), "{ran}");
    drop(held);
    world.write("postfix/etc/main.cf", &main, 0o644);
    world.mailcert(&["fix", "--yes"]).exits(0);
    everything_verifies(&world);
    let second = shown(&world);
    compare(&before, |_| true, &second);

    // Exim has too many connections: on port 465 its 421 comes in plain text.
    let held = hold(world.exim(), 25);
    world.reconfigure("ecdsa-p384", "ecdsa-p256");
    let ran = world.mailcert(&["run", "--json"]);
    assert!(ran.code != 0 && !ran.stdout.contains("rolled-back"), "{ran}");
    assert!(ran.stdout.contains("\"temporary-refusal\""), "{ran}");
    drop(held);
    let ran = world.mailcert(&["run", "--json"]).exits(0);
    let steps = steps(&ran.json());
    assert!(!steps.is_empty() && steps.iter().all(|(action, _)| action == "prove"), "{ran}");
    everything_verifies(&world);
    compare(&second, |_| true, &shown(&world));
}

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn every_listener_counts_and_a_service_with_files_of_its_own_is_named() {
    let world = World::start(Wish { exim: Exim::Combined, ..Wish::default() });
    let (master, etc) = (world.read("postfix/etc/master.cf"), world.path("postfix/etc"));
    let reload = || run("postfix", &["-c", text(&etc), "reload"]);
    fix(&world);
    let answer = world.mailcert(&["verify", "--json"]).exits(0).json();
    let endpoints = answer["endpoints"].as_array().unwrap();
    let is_sieve = |one: &Value| one["port"] == 4190 && one["origin"] == "listener of dovecot";
    assert!(endpoints.iter().any(is_sieve), "{answer}");

    let own = "-o tls_server_sni_maps=";
    let submission = ":587 inet n - n - - smtpd\n";
    let overridden = master.replacen(submission, &format!("{submission}  {own}\n"), 1);
    assert!(overridden.contains(own), "{overridden}");
    world.write("postfix/etc/master.cf", &overridden, 0o644);
    reload();
    let ran = world.mailcert(&["run", "--json"]).exits(1);
    let service = format!("{}:587/inet", world.postfix());
    let cure = format!("postconf -c {} -PX '{service}/tls_server_sni_maps'", text(&etc));
    assert!(finds(&ran.json(), &["service-override", &service, &cure]), "{ran}");
    run("sh", &["-c", &cure]);
    reload();
    let ran = world.mailcert(&["fix", "--yes", "--json"]).exits(0);
    assert!(!finds(&ran.json(), &["service-override"]), "{ran}");
    everything_verifies(&world);
}

/// Every endpoint shows another certificate than before, or the same, by its name.
fn compare(
    before: &[(&'static str, u16, Option<String>)],
    changes: impl Fn(&str) -> bool,
    now: &[(&'static str, u16, Option<String>)],
) {
    for (old, new) in before.iter().zip(now) {
        assert!(new.2.is_some(), "{} on {} does not verify", new.0, new.1);
        assert_eq!(old.2 != new.2, changes(new.0), "{} on {}", new.0, new.1);
    }
}

/// More connections than a server takes, on each of its ports; it has taken note of them.
fn hold(address: Ipv4Addr, each: usize) -> Vec<TcpStream> {
    let ports = [25, 587, 465].iter().flat_map(|&port| std::iter::repeat_n(port, each));
    let held = ports.map(|port| TcpStream::connect((address, port)).expect("it listens")).collect();
    sleep(Duration::from_secs(1));
    held
}

/// Sends Exim's daemon a signal.
fn signal(world: &World, name: &str) {
    run("kill", &[name, world.read("exim/exim.pid").trim()]);
}
