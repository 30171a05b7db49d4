//! DANE: with update rights each certificate gets the key that was made and published ahead; without
//! them the records are printed and the old key stays until they stand. Postfix's own client, which
//! asks a validating resolver, accepts before, during and after.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::dns01::{key, stale_secondary};
use crate::mailcert::{finds, steps};
use crate::tlsa::{NOBODYS, spki};
use crate::world::daemons::run;
use crate::world::knot::SECRET;
use crate::world::{Exim, Wish, World, text};

const HOST: &str = "mail.beta.test";
const OWNER: &str = "_25._tcp.mail.beta.test";
/// The key of Let's Encrypt's R3, with which nothing is signed any more.
const R3: &str = "8d02536c887482bc34ff54e41d2ba659bf85b341a0a20afadb5813dcfbcf286d";

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn each_certificate_gets_the_key_that_was_published_ahead() {
    let mut world = pinned();
    let first = spki(&world, HOST);
    let foreign = [format!("2 1 1 {R3}"), format!("3 1 1 {NOBODYS}")];
    let lines: Vec<_> = foreign.iter().map(|record| format!("{OWNER}. TLSA {record}")).collect();
    world.add_to_zone(&lines);
    known(&world, &foreign[0]);
    let tsig = world.write("tsig.key", &key("mailcert", SECRET), 0o600);
    let dane = format!("[dane.rfc2136]\nkey-file = \"{}\"\nttl = 1\n[dns]", text(&tsig));
    world.reconfigure("[dns]", &dane);
    dane_accepts(&world, "at the outset");

    let ran = world.mailcert(&["run", "--json"]).exits(0);
    assert!(finds(&ran.json(), &["tlsa-retired-ca", HOST, "R3", OWNER]), "{ran}");
    let done = steps(&ran.json());
    assert!(done.contains(&("make-key".to_owned(), "beta.test".to_owned())), "{ran}");
    assert!(done.contains(&("publish".to_owned(), OWNER.to_owned())), "{ran}");
    let next = ours(&world, &[&first, NOBODYS]);
    let [second] = next.as_slice() else { panic!("one next key, found {next:?}") };
    for entry in std::fs::read_dir(world.path("state/next")).expect("it is there") {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "others may read the next key");
    }
    dane_accepts(&world, "with both keys published");

    // A new name orders, with the key that stands; killed in between, the next run goes on.
    world.reconfigure("\"beta.test\"\n", "\"beta.test\"\nhosts = [\"more.beta.test\"]\n");
    until(|| world.mailcert(&["plan"]).stdout.contains("with the key made ahead"));
    world.mailcert(&["fix", "--yes"]).exits(0);
    assert_eq!(spki(&world, HOST), *second, "it is not the key that was published");
    dane_accepts(&world, "with the next key");

    // The record of the first key goes, a third is announced, and what others have there stays.
    until(|| {
        world.mailcert(&["run"]).exits(0);
        !records(&world).contains(&format!("3 1 1 {first}"))
    });
    let third = ours(&world, &[second, NOBODYS]);
    assert_eq!(third.len(), 1, "{:?}", records(&world));
    assert!(foreign.iter().all(|record| records(&world).contains(record)), "{:?}", records(&world));
    assert_eq!(spki(&world, HOST), *second);
    dane_accepts(&world, "after the old record is gone");

    // One server of the zone stays behind: the third key is not used as long as it does.
    until(|| world.mailcert(&["plan"]).stdout.contains("Nothing to do"));
    let stale = world.address(55);
    stale_secondary(&mut world);
    // Not by the zone's file: what was updated would be undone by it.
    let stale = stale.to_string();
    knotc(&world, &["zone-begin", "test."]);
    knotc(&world, &["zone-set", "test.", "@", "1", "NS", "second"]);
    knotc(&world, &["zone-set", "test.", "second", "1", "A", &stale]);
    knotc(&world, &["zone-commit", "test."]);
    let resolver = format!("@{}", world.resolver().replace(":53", ""));
    until(|| run("kdig", &[&resolver, "+short", "test", "NS"]).contains("second.test"));
    world.reconfigure("\"more.beta.test\"", "\"more.beta.test\", \"extra.beta.test\"");
    until(|| world.mailcert(&["run", "--json"]).stdout.contains("second.test does not show it"));
    world.mailcert(&["fix", "--yes"]).exits(0);
    assert_eq!(spki(&world, HOST), *second, "a key was shown that not every server knows");
    assert_eq!(spki(&world, "extra.beta.test"), *second);
    dane_accepts(&world, "with a server that stays behind");
}

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn without_rights_the_records_are_printed_and_the_key_waits_for_them() {
    let mut world = pinned();
    let first = spki(&world, HOST);
    dane_accepts(&world, "at the outset");
    world.reconfigure("ecdsa-p256", "ecdsa-p384");
    let ran = world.mailcert(&["run", "--json"]).exits(1);
    let answer = ran.json();
    let steps = answer["steps"].as_array().expect("steps");
    let publish = steps.iter().find(|step| step["action"] == "publish").expect("a publish step");
    assert_eq!((&publish["by"], &publish["fate"]), (&"hand".into(), &"skipped".into()), "{ran}");
    let line = publish["records"][0].as_str().expect("a line of a zone file").to_owned();
    assert!(line.starts_with(&format!("{OWNER}. ")) && line.contains(" IN TLSA 3 1 1 "), "{line}");
    world.mailcert(&["plan"]).exits(3).says(&line);
    assert_eq!(spki(&world, HOST), first, "{ran}");
    dane_accepts(&world, "while the record is waited for");

    world.add_to_zone(std::slice::from_ref(&line));
    until(|| {
        world.mailcert(&["run"]);
        spki(&world, HOST) != first
    });
    assert!(line.ends_with(&spki(&world, HOST)), "another key than the one published is shown");
    dane_accepts(&world, "with the next key");

    // The record of the old key is named when no cache needs it; nothing fails until it is gone.
    let away = |line: &str| line.starts_with("; away: ") && line.ends_with(&first);
    until(|| world.mailcert(&["plan"]).stdout.lines().any(away));
    world.mailcert(&["run"]).exits(0);
    assert!(records(&world).contains(&format!("3 1 1 {first}")), "mailcert may not change it");
}

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn a_program_publishes_the_key_ahead_and_while_it_fails_the_old_one_stays() {
    let world = pinned();
    let first = spki(&world, HOST);
    let conf = world.path("knot/knot.conf");
    let knotc = format!("knotc -b -c {}", text(&conf));
    let zone = |change: &str| {
        format!("#!/bin/sh\n{knotc} zone-begin test. &&\n{change}\n{knotc} zone-commit test.\n")
    };
    let set = zone(&format!(
        "{knotc} zone-set test. $MAILCERT_NAME. $MAILCERT_TTL $MAILCERT_TYPE $MAILCERT_VALUE"
    ));
    let unset =
        zone(&format!("{knotc} zone-unset test. $MAILCERT_NAME. $MAILCERT_TYPE $MAILCERT_VALUE"));
    let present = world.write("present", "#!/bin/sh\necho no rights >&2\nexit 3\n", 0o700);
    let remove = world.write("remove", &unset, 0o700);
    let dane = format!(
        "[dane.exec]\npresent = [\"{}\"]\nremove = [\"{}\"]\nttl = 1\n[dns]",
        text(&present),
        text(&remove)
    );
    world.reconfigure("[dns]", &dane);
    // Records that nobody vouches for pin nothing: see `dane_accepts`.
    let mut ran = world.mailcert(&["run", "--json"]);
    until(|| {
        ran.code == 1 || {
            ran = world.mailcert(&["run", "--json"]);
            false
        }
    });
    let steps = ran.json()["steps"].as_array().expect("steps").clone();
    let publish = steps.iter().find(|step| step["action"] == "publish").expect("a publish step");
    let said = publish["error"].as_str().expect("it failed");
    assert!(said.contains(&format!("`present` of [dane.exec] for {OWNER}: ")), "{said}");
    assert!(said.ends_with("exit status 3: no rights"), "{said}");
    assert_eq!(ours(&world, &[&first]), Vec::<String>::new(), "nothing is there that counts");
    dane_accepts(&world, "while the program fails");

    world.write("present", &set, 0o700);
    until(|| {
        world.mailcert(&["run"]).exits(0);
        !ours(&world, &[&first]).is_empty()
    });
    let next = ours(&world, &[&first]);
    let [second] = next.as_slice() else { panic!("one next key, found {next:?}") };
    world.reconfigure("\"beta.test\"\n", "\"beta.test\"\nhosts = [\"more.beta.test\"]\n");
    until(|| world.mailcert(&["plan"]).stdout.contains("with the key made ahead"));
    world.mailcert(&["fix", "--yes"]).exits(0);
    assert_eq!(spki(&world, HOST), *second, "it is not the key that was published");
    until(|| {
        world.mailcert(&["run"]).exits(0);
        !records(&world).contains(&format!("3 1 1 {first}"))
    });
    dane_accepts(&world, "after the old record is gone");
}

/// One domain, shown by Postfix and Dovecot, whose key is pinned.
fn pinned() -> World {
    let zone = ["more", "extra"].map(|label| format!("{label}.beta A MACHINE")).to_vec();
    let wish = Wish { signed: true, exim: Exim::Combined, zone, ..Wish::default() };
    let mut world = World::start(wish);
    for domain in ["alpha", "gamma", "delta"] {
        world.reconfigure(&format!("[[domain]]\nname = \"{domain}.test\"\n"), "");
    }
    world.mailcert(&["fix", "--yes"]).exits(0);
    let key = spki(&world, HOST);
    world.add_to_zone(&[format!("{OWNER}. TLSA 3 1 1 {key}")]);
    known(&world, &format!("3 1 1 {key}"));
    world
}

/// Waits until the resolver has forgotten what was there before this record.
fn known(world: &World, record: &str) {
    let resolver = world.resolver().replace(":53", "");
    until(|| asked(&resolver).iter().any(|known| known == record));
}

/// The records that the primary shows.
fn records(world: &World) -> Vec<String> {
    asked(&world.address(53).to_string())
}

fn asked(server: &str) -> Vec<String> {
    let said = run("kdig", &[&format!("@{server}"), "+short", OWNER, "TLSA"]);
    said.lines().filter(|line| !line.starts_with(";;")).map(str::to_lowercase).collect()
}

/// The keys that are published and none of these.
fn ours(world: &World, known: &[&str]) -> Vec<String> {
    let records = records(world);
    let keys = records.iter().filter_map(|record| record.strip_prefix("3 1 1 "));
    keys.filter(|key| !known.contains(key)).map(str::to_owned).collect()
}

/// Insists that Postfix's client takes what is shown by the TLSA records.
fn dane_accepts(world: &World, when: &str) {
    let resolver = world.resolver().replace(":53", "");
    let conf = format!("nameserver {resolver}\noptions trust-ad edns0\n");
    let conf = world.write("resolv.conf", &conf, 0o644);
    let finger = format!(
        "mount --bind {} /etc/resolv.conf && MAIL_CONFIG={} timeout 20 posttls-finger -c -l dane \
         '[{HOST}]' 2>&1",
        text(&conf),
        text(&world.path("postfix/etc"))
    );
    let ask = || {
        let mut command = Command::new("unshare");
        let said = command.args(["--mount", "sh", "-c", &finger]).output();
        String::from_utf8_lossy(&said.expect("unshare is there").stdout).into_owned()
    };
    // An answer without AD, as this Unbound gives some just when a TTL of one second ends, makes it
    // give DNSSEC up: then it has not looked.
    let mut said = ask();
    for _ in 0..60 {
        if !said.contains("DNSSEC validation may be unavailable") {
            break;
        }
        // It keeps such an answer for as long as its TTL says.
        std::thread::sleep(Duration::from_millis(500));
        said = ask();
    }
    let good =
        said.contains("Verified TLS connection established") && said.contains("Matched DANE");
    assert!(good, "{when}: {said}\n{:?}", records(world));
}

fn knotc(world: &World, arguments: &[&str]) {
    let config = world.path("knot/knot.conf");
    run("knotc", &[&["-b", "-c", text(&config)], arguments].concat());
}

/// Waits until it is so.
pub(crate) fn until(mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(90);
    while !so() {
        assert!(Instant::now() < deadline, "it does not come");
        std::thread::sleep(Duration::from_millis(100));
    }
}
