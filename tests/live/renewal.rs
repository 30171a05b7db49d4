//! When certificates are renewed: by the CA's renewal information (RFC 9773).

use std::fs;

use crate::clients::{everything_verifies, shown};
use crate::fix::fix;
use crate::world::{Exim, Wish, World, daemons::run, text};

/// Questions about a renewal that the CA has answered.
fn asked(world: &World) -> usize {
    world.ca_log().lines().filter(|line| line.contains("GET /draft-ietf-acme-ari-03/")).count()
}

/// Requests of any kind.
fn requests(world: &World) -> usize {
    let is_one = |line: &&str| ["GET /", "POST /", "HEAD /"].iter().any(|verb| line.contains(verb));
    world.ca_log().lines().filter(is_one).count()
}

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn a_revoked_certificate_is_renewed_at_once_and_a_good_one_is_not_asked_about_again() {
    let world = World::start(Wish { exim: Exim::Combined, ari: true, ..Wish::default() });
    fix(&world);
    // The answers hold for hours: a run with nothing due asks the CA for nothing.
    world.mailcert(&["run"]).exits(0);
    let (questions, before) = (asked(&world), requests(&world));
    assert!(questions >= 3, "one for each certificate:\n{}", world.ca_log());
    world.mailcert(&["run"]).exits(0);
    world.mailcert(&["plan"]).exits(0);
    assert_eq!(requests(&world), before, "the CA was asked for something:\n{}", world.ca_log());
    let status = world.mailcert(&["status", "--json"]).exits(0).json();
    for row in status["certificates"].as_array().expect("rows") {
        assert_eq!(row["renew_because"], "suggested", "{status}");
    }
    world.mailcert(&["status"]).exits(0).says("as its CA suggests");

    // Somebody revokes alpha.test behind our back, and the answers are forgotten.
    let held = world.path("state/certificates/alpha.test/1");
    let (key, chain) = (held.join("key.pem"), held.join("chain.pem"));
    let (ca, own) = (world.ca(), world.path("certbot"));
    let trust = format!("REQUESTS_CA_BUNDLE={}", text(&world.path("ca-https.pem")));
    let own = text(&own);
    let mut certbot =
        vec![trust.as_str(), "certbot", "revoke", "--non-interactive", "--server", &ca];
    certbot.extend(["--no-delete-after-revoke", "--cert-path", text(&chain)]);
    certbot.extend(["--key-path", text(&key), "--config-dir", own, "--work-dir", own]);
    certbot.extend(["--logs-dir", own]);
    run("env", &certbot);
    let diary = world.read("state/diary.jsonl");
    let kept: String =
        diary.lines().filter(|line| !line.contains("renewal")).map(|l| format!("{l}\n")).collect();
    assert_ne!(kept, diary);
    fs::write(world.path("state/diary.jsonl"), kept).expect("write it");

    world.mailcert(&["plan"]).exits(3).says("alpha.test").says("its CA asks for it");
    let ran = world.mailcert(&["run", "--json"]).exits(0);
    assert!(world.path("state/certificates/alpha.test/2").exists(), "{ran}");
    assert!(!world.path("state/certificates/beta.test/2").exists(), "{ran}");
    everything_verifies(&world);
    // The new one is good: nothing is left to do.
    world.mailcert(&["plan"]).exits(0);
}

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn a_renewal_has_the_same_key_and_a_new_one_comes_at_once_for_who_asks() {
    let zone = vec!["more.beta A MACHINE".to_owned()];
    let world = World::start(Wish { exim: Exim::Combined, zone, ..Wish::default() });
    let keys = "key-types = [\"ecdsa-p256\"]";
    world.reconfigure(keys, &format!("{keys}\nreuse-key = true"));
    fix(&world);
    let key = |name: &str, version: u32| {
        world.read(&format!("state/certificates/{name}/{version}/key.pem"))
    };
    let before = shown(&world);
    let ran = world.mailcert(&["run", "--new-key", "alpha.test", "--new-key", "gamma.test"]);
    let ran = ran.exits(0);
    for name in ["alpha.test", "gamma.test"] {
        assert_ne!(key(name, 1), key(name, 2), "{ran}");
    }
    for (old, new) in before.iter().zip(&shown(&world)) {
        let is_new = old.0.ends_with("alpha.test") || old.0.ends_with("gamma.test");
        assert_eq!(old.2 != new.2, is_new, "{} on {}: {ran}", old.0, old.1);
    }
    everything_verifies(&world);
    world.mailcert(&["run"]).exits(0);
    assert!(!world.path("state/certificates/alpha.test/3").exists(), "it was asked for once");

    // Another host on it is a renewal of the same key.
    world.reconfigure("\"beta.test\"\n", "\"beta.test\"\nhosts = [\"more.beta.test\"]\n");
    let ran = world.mailcert(&["fix", "--yes"]).exits(0);
    assert!(world.path("state/certificates/beta.test/2").exists(), "{ran}");
    assert_eq!(key("beta.test", 1), key("beta.test", 2), "{ran}");
    everything_verifies(&world);
}
