//! The main job: one command makes every name show a right certificate, and proves it.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use crate::clients::{PORTS, everything_verifies, names, openssl, posttls, shown};
use crate::mailcert::steps;
use crate::tree::{differences, keys_are_private, nothing_is_half_done, snapshot};
use crate::world::{Exim, Wish, World};

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn fix_makes_every_name_right_and_setup_can_be_undone() {
    let world = World::start(Wish::default());
    refuses_what_is_self_signed(&world);
    plan_writes_nothing(&world);
    let before = ["postfix/etc/main.cf", "dovecot/dovecot.conf", "exim/exim.conf"]
        .map(|file| (file, world.read(file)));

    fix(&world);
    what_was_done_is_told(&world);
    a_run_after_it_does_nothing(&world);

    let said = world.mailcert(&["setup", "--undo", "--yes"]).exits(0);
    for (file, text) in &before {
        assert_eq!(&world.read(file), text, "{file} after {said}");
    }
    let first = snapshot(&world);
    world.mailcert(&["setup"]).says("tls_server_sni_maps").says("smtpd_tls_chain_files");
    assert_eq!(differences(&first, &snapshot(&world)), Vec::<std::path::PathBuf>::new());
    world.mailcert(&["setup", "--yes"]).exits(0);
    world.mailcert(&["run"]).exits(0);
    everything_verifies(&world);

    a_linked_main_cf_is_only_printed_for(&world);
}

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn the_combined_layout_and_hash_behind_postscreen_are_made_right_and_renewed_under_load() {
    let wish = Wish { exim: Exim::Combined, map_type: "hash", postscreen: true, ..Wish::default() };
    let world = World::start(wish);
    fix(&world);
    a_run_after_it_does_nothing(&world);

    let first = shown(&world);
    world.reconfigure("ecdsa-p256", "ecdsa-p384");
    let failed = while_clients_hammer(&world, || {
        world.mailcert(&["run"]).exits(0);
    });
    assert_eq!(failed, Vec::<String>::new());
    let second = shown(&world);
    for (old, new) in first.iter().zip(&second) {
        assert!(new.2.is_some() && new.2 != old.2, "{} on {} shows the old one", new.0, new.1);
    }
    keys_are_private(&world);

    // The state's directory has one name for each group; alpha.test is one of them.
    world.mailcert(&["rollback", "alpha.test"]).exits(0);
    for (((name, port, old), (.., new)), (.., now)) in first.iter().zip(&second).zip(&shown(&world))
    {
        let wanted = if name.ends_with("alpha.test") { old } else { new };
        assert_eq!(now, wanted, "{name} on {port} after the rollback");
    }
}

/// Runs `fix --yes` and holds it to what it promises.
pub(crate) fn fix(world: &World) {
    let answer = world.mailcert(&["fix", "--yes", "--json"]).exits(0).json();
    assert_eq!(answer["ok"], true, "{answer}");
    assert_eq!(answer["verify"]["verdict"], "accepted", "{answer}");
    everything_verifies(world);
    clients_without_sni_are_served(world);
    keys_are_private(world);
    nothing_is_half_done(world);
    world.mailcert(&["verify"]).exits(0);
}

fn what_was_done_is_told(world: &World) {
    let told =
        world.mailcert(&["history", "mx.alpha.test", "-n", "1000", "--json"]).exits(0).json();
    let deeds = told["deeds"].as_array().expect("a list");
    for beginning in ["issue alpha.test for ", "install alpha.test"] {
        let is_told = |deed: &serde_json::Value| {
            deed["what"].as_str().is_some_and(|what| what.starts_with(beginning))
                && deed["because"].is_string() == beginning.starts_with("issue")
                && deed["error"].is_null()
        };
        assert!(deeds.iter().any(is_told), "{beginning}: {told}");
    }
}

fn refuses_what_is_self_signed(world: &World) {
    let answer = world.mailcert(&["verify", "--json"]).exits(1).json();
    assert_eq!(answer["verdict"], "refused");
    let endpoints = answer["endpoints"].as_array().expect("a list");
    for (name, _) in names(world) {
        let of_name: Vec<_> = endpoints.iter().filter(|one| one["host"] == name).collect();
        assert!(!of_name.is_empty(), "{name} was not asked: {answer}");
        for endpoint in of_name {
            let codes = endpoint["problems"].to_string();
            assert!(codes.contains("\"self-signed\""), "{name}: {endpoint}");
            assert!(codes.contains("\"name-mismatch\""), "{name}: {endpoint}");
        }
    }
    world
        .mailcert(&["verify", "alpha.test"])
        .exits(1)
        .says("TLS Negotiation failed, the certificate doesn't match the host.");
}

fn plan_writes_nothing(world: &World) {
    let before = snapshot(world);
    let ran = world.mailcert(&["plan", "--json"]).exits(3);
    let issues = steps(&ran.json()).into_iter().filter(|step| step.0 == "issue").count();
    assert_eq!(issues, 4, "one certificate for each domain: {ran}");
    assert_eq!(differences(&before, &snapshot(world)), Vec::<std::path::PathBuf>::new());
    assert!(!world.path("state/lock").exists(), "plan took the lock");
}

/// Clients without SNI get a certificate of ours: that of the server's own name.
fn clients_without_sni_are_served(world: &World) {
    for (address, name) in [(world.postfix(), "mx.alpha.test"), (world.exim(), "mx.gamma.test")] {
        for &port in &PORTS[..3] {
            let answer = openssl(world, address, port, None, name);
            assert!(answer.is_ok(), "{name} on {port:?} without SNI: {}", answer.unwrap_err());
            let answer = posttls(world, address, port, None, name);
            assert!(answer.is_ok(), "{name} on {port:?} without SNI: {}", answer.unwrap_err());
        }
    }
    for &port in &PORTS[3..] {
        let any = names(world)
            .iter()
            .any(|(name, _)| openssl(world, world.postfix(), port, None, name).is_ok());
        assert!(any, "Dovecot shows no certificate of ours on {port:?} without SNI");
    }
}

/// No step, no write, no question to the CA, no connection to a mail server.
pub(crate) fn a_run_after_it_does_nothing(world: &World) {
    let mail = settled(world);
    let (disk, ca) = (snapshot(world), world.ca_log());
    let ran = world.mailcert(&["run", "--json"]).exits(0);
    assert_eq!(steps(&ran.json()), [], "{ran}");
    assert_eq!(differences(&disk, &snapshot(world)), Vec::<std::path::PathBuf>::new());
    assert_eq!(world.ca_log().strip_prefix(&ca), Some(""), "the CA was asked");
    assert_eq!(settled(world), mail, "a mail server was asked");
    world.mailcert(&["plan"]).exits(0);
}

/// How often somebody connected to a mail server, once the logs have nothing more to tell.
fn settled(world: &World) -> usize {
    let (mut before, mut now) = (0, connections(world));
    while before != now {
        sleep(Duration::from_secs(2));
        (before, now) = (now, connections(world));
    }
    now
}

fn connections(world: &World) -> usize {
    let words = ["connect from", "CONNECT from", "SMTP connection from", "-login: "];
    world.mail_logs().lines().filter(|line| words.iter().any(|word| line.contains(word))).count()
}

fn a_linked_main_cf_is_only_printed_for(world: &World) {
    world.mailcert(&["setup", "--undo", "--yes"]).exits(0);
    let (link, target) = (world.path("postfix/etc/main.cf"), world.path("postfix/main.cf"));
    fs::rename(&link, &target).unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let before = world.read("postfix/main.cf");
    world.mailcert(&["setup", "--yes"]).says("tls_server_sni_maps");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink(), "the link was replaced");
    assert_eq!(world.read("postfix/main.cf"), before, "the managed main.cf was edited");
}

/// What failed for clients that never stopped while `work` went on.
fn while_clients_hammer(world: &World, work: impl FnOnce()) -> Vec<String> {
    let done = std::sync::atomic::AtomicBool::new(false);
    let order = std::sync::atomic::Ordering::SeqCst;
    let hammer = |ports: &'static [(u16, Option<&'static str>)]| {
        let mut failed = Vec::new();
        let mut turn = 0;
        while !done.load(order) || turn == 0 {
            for (name, address) in names(world) {
                let port = ports[turn % ports.len()];
                if let Err(said) = openssl(world, address, port, Some(name), name) {
                    failed.push(format!("{name} on {port:?}: {said}"));
                }
            }
            turn += 1;
        }
        failed
    };
    std::thread::scope(|scope| {
        let clients = [scope.spawn(|| hammer(&PORTS[..3])), scope.spawn(|| hammer(&PORTS[1..]))];
        // The clients have to end when the work fails, or its message never comes.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        done.store(true, order);
        let failed = clients.map(|client| client.join().expect("a client")).concat();
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        failed
    })
}
