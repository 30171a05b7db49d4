//! A further CA stands in for the first.

use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::clients::everything_verifies;
use crate::crash::kill;
use crate::mailcert::{finds, steps};
use crate::world::{Wish, World, daemons::run, text};

/// Another CA as a fallback, whose root senders trust, too.
fn with_fallback(wish: Wish) -> (World, String) {
    let mut world = World::start(wish);
    let (further, root) = world.another_ca();
    let roots = world.read("roots.pem") + &root;
    world.write("roots.pem", &roots, 0o644);
    let ca_file = world.path("ca-https.pem");
    let table = format!(
        "[[acme.fallback]]\ndirectory = \"{further}\"\nca-file = \"{}\"\nagree-to-terms = true\n\n\
         [challenge.http-01]",
        ca_file.display()
    );
    world.reconfigure("[challenge.http-01]", &table);
    (world, further)
}

/// Requests of a kind that a CA took, by its log.
fn requests(world: &World, log: &str, kind: &str) -> usize {
    world.read(log).lines().filter(|line| line.contains(kind)).count()
}

const ORDER: &str = "POST /order-plz";
/// A question about a renewal.
const ARI: &str = "GET /draft-ietf-acme-ari-03/";

/// Makes the first CA a port at which nobody listens, and the other way round.
struct Down {
    first: String,
    silent: String,
}

impl Down {
    fn take(world: &World) -> Self {
        let first = world.ca();
        let silent = first.replace(":14000", ":14001");
        world.reconfigure(&first, &silent);
        Self { first, silent }
    }

    fn end(self, world: &World) {
        world.reconfigure(&self.silent, &self.first);
    }
}

/// The same CA by another directory, in which it says who it is: Pebble does not. That is now the
/// fallback.
fn named(world: &mut World, further: &str, identity: &str) -> String {
    let (trust, key) = (world.path("ca-https.pem"), world.path("ca-https.key"));
    let said = run("curl", &["--silent", "--cacert", text(&trust), further]);
    let mut directory: serde_json::Value = serde_json::from_str(&said).expect("a directory");
    directory["meta"]["caaIdentities"] = [identity].into();
    let (body, head) = (directory.to_string(), "HTTP/1.1 200 OK\r\nConnection: close\r\n");
    let answer = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    world.write("named/dir", &answer, 0o644);
    let at = format!("{}:14003", world.address(14));
    let mut server = Command::new("openssl");
    server.args(["s_server", "-HTTP", "-accept", &at, "-cert", text(&trust), "-key", text(&key)]);
    server.current_dir(world.path("named"));
    world.daemons.start(&mut server, "named.log", None);
    world.daemons.wait(world.address(14), &[14003]);
    let named = format!("https://{at}/dir");
    world.reconfigure(further, &named);
    named
}

/// The CA of each certificate, by `status`.
fn issuers(world: &World) -> Vec<(String, String)> {
    let status = world.mailcert(&["status", "--json"]).json();
    let rows = status["certificates"].as_array().expect("rows").iter();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    rows.map(|row| (text(&row["name"]), text(&row["ca"]))).collect()
}

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn a_ca_that_is_down_is_asked_once_and_the_next_one_issues_until_it_is_well_again() {
    let zone = vec!["mx2.alpha A MACHINE".to_owned(), "mx3.alpha A MACHINE".to_owned()];
    let (world, further) = with_fallback(Wish { ari: true, zone, ..Wish::default() });
    let first = world.ca();
    let down = Down::take(&world);

    let ran = world.mailcert(&["fix", "--yes", "--json"]).exits(0);
    // While it is left alone, the plan says where a new host is ordered, and a run does that.
    let alpha = "name = \"alpha.test\"\n";
    world.reconfigure(alpha, &format!("{alpha}hosts = [\"mx2.alpha.test\"]\n"));
    let planned = world.mailcert(&["plan", "--json"]).exits(3);
    let order = planned.json()["steps"][0].clone();
    assert_eq!((&order["action"], &order["ca"]), (&"issue".into(), &further.clone().into()));
    world.mailcert(&["plan"]).says("the first CA gave no answer and is left alone until");

    let answer = ran.json();
    assert!(finds(&answer, &["was issued by", &further]), "{ran}");
    assert!(finds(&answer, &["ca-unreachable", "warn", &down.silent]), "{ran}");
    assert!(!finds(&answer, &["held-back"]), "nothing waits: {ran}");
    let done = steps(&answer).iter().filter(|(action, _)| action == "issue").count();
    assert_eq!(done, 4, "what failed at the first is made good: {ran}");
    assert_eq!(requests(&world, "another.log", ORDER), 4);
    everything_verifies(&world);
    // Down, and left alone: `status` says so.
    world.mailcert(&["status"]).says("ca-unreachable").says(&format!("issued by {further}"));
    world.mailcert(&["run"]).exits(0);
    assert_eq!(requests(&world, "another.log", ORDER), 5);
    assert!(issuers(&world).iter().all(|(_, ca)| *ca == further), "{:?}", issuers(&world));

    // It is well again: what is renewed goes to it. Each is asked about what it issued.
    down.end(&world);
    let asked = requests(&world, "another.log", ARI);
    assert!(asked >= 4 && requests(&world, "pebble.log", ARI) == 0, "{asked}");
    world.reconfigure("\"mx2.alpha.test\"", "\"mx2.alpha.test\", \"mx3.alpha.test\"");
    world.mailcert(&["fix", "--yes"]).exits(0);
    assert_eq!(requests(&world, "pebble.log", ORDER), 1);
    assert_eq!(requests(&world, "another.log", ORDER), 5);
    let now: Vec<_> = issuers(&world).into_iter().filter(|(_, ca)| *ca == first).collect();
    assert_eq!(now, [("alpha.test".to_owned(), first.clone())]);
    world.mailcert(&["run"]).exits(0);
    assert!(requests(&world, "pebble.log", ARI) >= 1, "its own is asked about");
    assert_eq!(requests(&world, "another.log", ARI), asked, "the other's is no matter of it");
    // An account at each.
    world.mailcert(&["account", "show"]).exits(0).says(":14000/my-account/");
    world.mailcert(&["account", "show", "--ca", &further]).exits(0).says(":14002/my-account/");
    world.mailcert(&["account", "show", "--ca", "https://no.test/"]).exits(2).says(&further);
    // What the further one issued is revoked there, and its successor is the first one's.
    let before = requests(&world, "another.log", "POST /revoke-cert");
    world.mailcert(&["revoke", "beta.test", "--yes"]).exits(0);
    assert_eq!(requests(&world, "another.log", "POST /revoke-cert"), before + 1);
    assert_eq!(requests(&world, "pebble.log", ORDER), 2);
    // One that is not held is revoked by whoever issued others of the same issuer.
    world.mailcert(&["run", "--new-key", "gamma.test"]).exits(0);
    let held = world.path("state/certificates/gamma.test/1");
    let (pem, key) = (world.path("stolen.pem"), world.path("stolen.key"));
    std::fs::copy(held.join("chain.pem"), &pem).expect("copy the chain");
    std::fs::copy(held.join("key.pem"), &key).expect("copy the key");
    std::fs::remove_dir_all(held).expect("it was there");
    world.mailcert(&["revoke", text(&pem), "--key", text(&key), "--yes"]).exits(0);
    assert_eq!(requests(&world, "another.log", "POST /revoke-cert"), before + 2);
    everything_verifies(&world);
}

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn a_name_that_the_policy_of_the_first_forbids_is_issued_by_the_next_in_the_same_run() {
    let wish = Wish { refused: vec!["mail.alpha.test"], ..Wish::default() };
    let (world, further) = with_fallback(wish);
    let ran = world.mailcert(&["plan", "--json"]);
    assert!(!ran.stdout.contains(&further), "all go to the first: {ran}");
    let ran = world.mailcert(&["fix", "--yes", "--json"]).exits(0);
    assert_eq!(requests(&world, "another.log", ORDER), 1, "{ran}");
    everything_verifies(&world);
    world.mailcert(&["run"]).exits(0);
    let others: Vec<_> = issuers(&world).into_iter().filter(|(_, ca)| *ca == further).collect();
    assert_eq!(others.len(), 1, "{others:?}");
}

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn a_fallback_that_caa_records_forbid_is_not_asked_for_that_name() {
    let (mut world, further) = with_fallback(Wish::default());
    let further = named(&mut world, &further, "second.test");
    world.add_to_zone(&["mail.gamma CAA 0 issue \"first.test\"".to_owned()]);
    let down = Down::take(&world);
    let ran = world.mailcert(&["fix", "--yes", "--json"]).exits(1);
    let why = ["held-back", "gamma.test", &further, "CAA records forbid it", "mail.gamma.test"];
    assert!(finds(&ran.json(), &why), "{ran}");
    assert_eq!(requests(&world, "another.log", ORDER), 3, "{ran}");
    assert!(!world.path("state/certificates/gamma.test").exists(), "{ran}");
    world.mailcert(&["plan"]).exits(1).says("CAA records forbid it");

    down.end(&world);
    world.mailcert(&["fix", "--yes"]).exits(0);
    assert_eq!(requests(&world, "pebble.log", ORDER), 1);
    assert_eq!(requests(&world, "another.log", ORDER), 3);
    everything_verifies(&world);
}

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn an_order_that_a_killed_run_left_at_a_fallback_is_gone_on_with_there() {
    let (world, further) = with_fallback(Wish::default());
    let down = Down::take(&world);
    let victim = world.spawn(&["fix", "--yes"]);
    // The diary knows the order, and the disk its key, before the CA is asked to issue.
    let diary = world.path("state/diary.jsonl");
    let end = Instant::now() + Duration::from_secs(60);
    let is_left = |diary: String| diary.lines().any(|line| line.starts_with(r#"{"order":{"#));
    while !std::fs::read_to_string(&diary).is_ok_and(is_left) {
        assert!(Instant::now() < end, "nothing was ordered");
        sleep(Duration::from_millis(1));
    }
    // Pebble is asked for half a second until it has issued.
    sleep(Duration::from_millis(20));
    kill(victim);
    down.end(&world);

    // The first would be asked; what is under way is not given up for it.
    let asked = requests(&world, "another.log", ORDER);
    let planned = world.mailcert(&["plan", "--json"]).exits(3).json();
    let all = planned["steps"].as_array().expect("steps").iter();
    let left = all.filter(|step| step["ca"] == further.as_str());
    let left: Vec<&str> = left.map(|step| step["subject"].as_str().expect("a name")).collect();
    assert!(!left.is_empty(), "{planned}");
    world.mailcert(&["plan"]).says("the order is under way there");
    world.mailcert(&["fix", "--yes"]).exits(0);
    assert_eq!(requests(&world, "another.log", ORDER), asked, "ordered again");
    assert_eq!(requests(&world, "pebble.log", ORDER), 4 - left.len(), "the others");
    let of_it: Vec<_> = issuers(&world).into_iter().filter(|(_, ca)| *ca == further).collect();
    assert_eq!(of_it.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), left);
    everything_verifies(&world);
}
