//! Certificates that nobody wants any more: shown until they end, kept until that is certain, then
//! pruned with their files and map entries; nobody else's name notices.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::clients::{names, openssl};
use crate::fix::fix;
use crate::mailcert::{Ran, steps};
use crate::world::daemons::run;
use crate::world::{Exim, Wish, World, text};

const BETA: &str = "mail.beta.test";
const DELTA: &str = "mail.delta.test";

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn a_name_that_is_left_out_on_purpose_or_on_three_days_goes_when_it_has_ended() {
    let mut world = World::start(Wish { exim: Exim::Combined, ..Wish::default() });
    fix(&world);
    let own = files(&world, BETA).len() + files(&world, DELTA).len();
    assert!(own >= 4, "{:?} {:?}", files(&world, BETA), files(&world, DELTA));
    gone_from_the_dns(&mut world, &["beta", "delta"]);
    // As long as they work, they are shown.
    look(&world);
    for name in [BETA, DELTA] {
        assert!(verifies(&world, name), "{name} is lost while its certificate is good");
    }
    let before = (files(&world, BETA), files(&world, DELTA));

    // Their time is over: what is shown stays, since one look says nothing for certain.
    ends(&world, &["beta.test", "delta.test"]);
    let ran = look(&world);
    assert_eq!(taken_away(&ran), Vec::<String>::new(), "{ran}");
    look(&world);
    assert_eq!((files(&world, BETA), files(&world, DELTA)), before, "another look of one day");

    // One of them is left out on purpose.
    let domain = "name = \"delta.test\"\n";
    world.reconfigure(domain, &format!("{domain}exclude = [\"{DELTA}\"]\n"));
    let ran = look(&world);
    assert!(
        taken_away(&ran).iter().any(|path| path.ends_with("exim/tls/mail.delta.test.pem")),
        "{ran}"
    );
    is_over(&world, "delta.test", DELTA);
    assert_eq!(files(&world, BETA), before.0, "{ran}");
    assert!(world.read("postfix/etc/mailcert/sni").contains(BETA));

    // The other one is absent on a second day, and on a third.
    a_day_passes(&world);
    let ran = look(&world);
    assert_eq!(taken_away(&ran), Vec::<String>::new(), "{ran}");
    a_day_passes(&world);
    let ran = look(&world);
    assert!(taken_away(&ran).iter().any(|path| path.ends_with("mailcert/beta.test.pem")), "{ran}");
    is_over(&world, "beta.test", BETA);
    others_verify(&world);
    world.mailcert(&["history", "beta.test"]).exits(0).says("nobody wants the names on it");
    let ran = look(&world);
    assert_eq!(steps(&ran.json()), Vec::new(), "nothing is left to do: {ran}");

    // It comes back, as if it had never been there.
    let back = format!("mail.beta A {}", world.postfix());
    world.add_to_zone(&[back]);
    let ran = world.mailcert(&["fix", "--yes", "--json"]);
    assert!(steps(&ran.json()).contains(&("issue".to_owned(), "beta.test".to_owned())), "{ran}");
    assert!(verifies(&world, BETA), "{ran}");
}

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn an_authenticated_answer_is_enough_and_a_name_that_is_back_keeps_everything() {
    let mut world = World::start(Wish { signed: true, exim: Exim::Combined, ..Wish::default() });
    fix(&world);
    let own = files(&world, DELTA);
    ends(&world, &["delta.test"]);
    // It is wanted: it is renewed, and nothing is taken away.
    let ran = look(&world);
    assert!(steps(&ran.json()).contains(&("issue".to_owned(), "delta.test".to_owned())), "{ran}");
    assert_eq!(taken_away(&ran), Vec::<String>::new(), "{ran}");
    assert_eq!(files(&world, DELTA), own);
    assert!(verifies(&world, DELTA), "{ran}");

    gone_from_the_dns(&mut world, &["delta"]);
    let resolver = format!("@{}", world.resolver().replace(":53", ""));
    until(|| run("kdig", &[&resolver, "+dnssec", DELTA, "A"]).contains("NXDOMAIN"));
    let ran = look(&world);
    assert_eq!(taken_away(&ran), Vec::<String>::new(), "it works as yet: {ran}");
    assert!(verifies(&world, DELTA), "{ran}");
    ends(&world, &["delta.test"]);
    // This Unbound answers without AD just when a TTL of one second ends: that is no vouching.
    until(|| !taken_away(&look(&world)).is_empty());
    is_over(&world, "delta.test", DELTA);
    others_verify(&world);
}

/// Takes the addresses of the mail hosts away.
fn gone_from_the_dns(world: &mut World, domains: &[&str]) {
    let mut zone = world.read("knot/test.zone");
    for domain in domains {
        let line = format!("mail.{domain} A ");
        assert!(zone.contains(&line), "{zone}");
        zone = zone
            .lines()
            .filter(|own| !own.starts_with(&line))
            .fold(String::new(), |all, own| all + own + "\n");
    }
    world.write("knot/test.zone", &zone, 0o644);
    world.add_to_zone(&[]);
}

/// Puts pairs that have ended in place of the newest versions.
fn ends(world: &World, certificates: &[&str]) {
    for name in certificates {
        let host = format!("mail.{name}");
        let pair = world.pair(&[host.as_str()], -3);
        world.keep(name, &pair);
    }
}

/// A run that asks the DNS for everything.
fn look(world: &World) -> Ran {
    let ran = world.mailcert(&["fix", "--yes", "--json"]);
    assert!([0, 1].contains(&ran.code), "{ran}");
    ran
}

/// What the diary counts was long ago.
fn a_day_passes(world: &World) {
    let diary = world.read("state/diary.jsonl");
    let lines = diary.lines().map(|line| match line.split_once("\"last\":\"") {
        Some((front, rest)) if front.contains("\"absent\"") => {
            format!("{front}\"last\":\"2001-01-01{}\n", &rest["2001-01-01".len()..])
        }
        _ => format!("{line}\n"),
    });
    let text: String = lines.collect();
    assert_ne!(text, diary, "nothing is counted");
    fs::write(world.path("state/diary.jsonl"), text).unwrap();
}

fn taken_away(ran: &Ran) -> Vec<String> {
    let steps = steps(&ran.json()).into_iter();
    steps.filter(|(action, _)| action == "remove").map(|(_, path)| path).collect()
}

/// The files that the servers have for a name.
fn files(world: &World, name: &str) -> Vec<PathBuf> {
    let domain = name.trim_start_matches("mail.");
    let mut found = Vec::new();
    for directory in ["postfix/etc/mailcert", "exim/tls", "dovecot/mailcert"] {
        let entries = fs::read_dir(world.path(directory)).unwrap().flatten();
        found.extend(entries.map(|entry| entry.path()).filter(|path| text(path).contains(domain)));
    }
    found.sort();
    found
}

/// Nothing is left of a certificate, on the servers nor in the state, but its number.
fn is_over(world: &World, certificate: &str, name: &str) {
    assert_eq!(files(world, name), Vec::<PathBuf>::new());
    for index in ["postfix/etc/mailcert/sni", "dovecot/mailcert/mailcert.conf"] {
        assert!(!world.read(index).contains(name), "{index} names it: {}", world.read(index));
    }
    let left = fs::read_dir(world.path(&format!("state/certificates/{certificate}")));
    let left: Vec<_> = left.into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    assert!(left.iter().all(|path| !path.is_dir()), "{left:?}");
    assert!(!world.mailcert(&["status"]).stdout.contains(name));
}

fn verifies(world: &World, name: &str) -> bool {
    let all = names(world);
    let (_, address) = all.iter().find(|(own, _)| *own == name).expect("a name of the world");
    openssl(world, *address, (25, Some("smtp")), Some(name), name).is_ok()
}

fn others_verify(world: &World) {
    for name in ["mx.alpha.test", "mail.alpha.test", "mx.gamma.test", "mail.gamma.test"] {
        assert!(verifies(world, name), "{name}");
    }
}

fn until(mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(240);
    while !is_so() {
        assert!(Instant::now() < end, "it never comes to that");
        std::thread::sleep(Duration::from_millis(100));
    }
}
