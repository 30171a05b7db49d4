//! SIGTERM and Ctrl-C: what is under way is finished or taken back, what was presented is taken
//! away, and the next run finishes. And two runs at once.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::ca::{child_of, serve, signal};
use crate::crash::Small;
use crate::mailcert::Ran;
use crate::world::daemons::run;
use crate::world::text;

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn a_run_that_is_told_to_end_at_any_moment_leaves_nothing_and_the_next_one_finishes() {
    let mut small = Small::start();
    let mut interrupted = 0;
    let mut random = 0xE4D_u64;
    for (round, name) in ["-TERM", "-INT", "-TERM", "-INT", "-TERM", "-INT"].iter().enumerate() {
        small.change();
        let victim = small.world.spawn(&["run"]);
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        sleep(Duration::from_millis(60 + (random >> 33) % 900));
        let when = format!("round {round}, {name}");
        let (ran, after) = ended(victim, name);
        assert!(after < Duration::from_secs(10), "{when}: it took {after:?}: {ran}");
        small.works(&when);
        // It may have been done already.
        if ran.code != 0 {
            assert_eq!(ran.code, 1, "{when}: {ran}");
            assert!(ran.stderr.contains("interrupted"), "{when}: {ran}");
            interrupted += 1;
        }
        nothing_listens(&small, &when);
        crate::tree::nothing_is_half_done(&small.world);
        small.finishes(&when);
    }
    assert!(interrupted > 2, "only {interrupted} were interrupted");
}

/// The CA stands still in the middle of a validation: nobody waits for it.
#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn a_run_that_waits_for_the_ca_ends_at_once_and_takes_its_challenges_away() {
    let mut small = Small::start();
    let root = small.world.path("web");
    fs::create_dir_all(root.join(".well-known/acme-challenge")).unwrap();
    let config = small.world.read("mailcert.toml");
    let listen = config.lines().find(|line| line.starts_with("listen")).unwrap();
    small.world.reconfigure(listen, &format!("webroot = \"{}\"", text(&root)));
    for address in [small.world.postfix(), small.world.exim()] {
        serve(TcpListener::bind((address, 80)).unwrap(), root.clone());
    }
    let config = small.world.path("pebble.json");
    let pebble = run("pgrep", &["-f", &format!("^pebble -config {}", text(&config))]);

    for name in ["-TERM", "-KILL"] {
        small.change();
        let before = small.world.ca_log().len();
        let victim = small.world.spawn(&["run"]);
        until(|| small.world.ca_log()[before..].contains("Attempting to validate"));
        signal("-STOP", pebble.trim());
        let (ran, after) = ended(victim, name);
        signal("-CONT", pebble.trim());
        assert!(after < Duration::from_secs(3), "{name}: it took {after:?}: {ran}");
        if name == "-TERM" {
            let ran = ran.exits(1).says("interrupted");
            assert_eq!(tokens(&root), 0, "tokens were left in the webroot: {ran}");
        }
        small.works(name);
        small.finishes(name);
        assert_eq!(tokens(&root), 0, "{name}: tokens are left after the next run");
    }
}

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn of_two_runs_at_once_one_waits_and_one_certificate_is_ordered() {
    let mut small = Small::start();
    small.change();
    let first = small.world.spawn(&["run"]);
    let mailcert = child_of(first.id());
    let lock = small.world.path("state/lock");
    until(|| fs::read_to_string(&lock).is_ok_and(|pid| pid.trim() == mailcert));
    let second = small.world.mailcert(&["run", "--wait"]).exits(0);
    Ran::from(first.wait_with_output().unwrap()).exits(0);
    let second = second.says(&format!("another mailcert is at work (pid {mailcert})"));
    assert!(second.stdout.contains("Nothing"), "there was nothing left to do: {second}");
    small.finishes("after both");
}

/// Signals mailcert, and waits for its end; how long that took.
fn ended(victim: Child, name: &str) -> (Ran, Duration) {
    let pid = child_of_if_any(victim.id());
    let begun = Instant::now();
    if let Some(pid) = pid {
        let _ = std::process::Command::new("kill").args([name, &pid]).status();
    }
    let ran = Ran::from(victim.wait_with_output().expect("it is our child"));
    (ran, begun.elapsed())
}

/// The pid of mailcert below `timeout`; none where it has ended.
fn child_of_if_any(parent: u32) -> Option<String> {
    let said = std::process::Command::new("pgrep")
        .args(["-x", "mailcert", "-P", &parent.to_string()])
        .output()
        .expect("pgrep is there");
    let pid = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    (!pid.is_empty()).then_some(pid)
}

/// Nobody answers where challenges were presented.
fn nothing_listens(small: &Small, when: &str) {
    for address in [small.world.postfix(), small.world.exim()] {
        assert!(TcpStream::connect((address, 80)).is_err(), "{when}: something listens");
    }
}

fn tokens(root: &Path) -> usize {
    fs::read_dir(root.join(".well-known/acme-challenge")).expect("it was made").count()
}

/// Waits until it is so.
fn until(mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !so() {
        assert!(Instant::now() < deadline, "it does not come");
        sleep(Duration::from_millis(1));
    }
}
