//! `watch` beside real servers: what is damaged is mended without a hand. And a week of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::ca::{child_of, signal};
use crate::clients::{everything_verifies, shown};
use crate::fix::fix;
use crate::mailcert::Ran;
use crate::store::keys;
use crate::world::{Wish, World, text};

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn what_is_damaged_on_a_server_is_mended_without_a_hand() {
    let world = World::start(Wish::default());
    fix(&world);
    let before = shown(&world);
    let measured = world.path("watch.prom");
    let watch = world.spawn(&["watch", "--metrics", text(&measured)]);
    until("the first look", || measured.exists());
    // What changes during a look is seen at its end.
    sleep(Duration::from_secs(2));
    let files: BTreeMap<PathBuf, Vec<u8>> =
        keys(&world).into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    assert!(files.len() > 8, "{:?}", files.keys());
    let right = || files.iter().all(|(path, bytes)| fs::read(path).is_ok_and(|now| now == *bytes));

    // Written over, and all of them gone.
    for path in files.keys() {
        fs::write(path, "junk\n").unwrap();
    }
    until("what was written over is mended", right);
    for path in files.keys() {
        fs::remove_file(path).unwrap();
    }
    until("what was taken away is there again", right);
    // A work round may be under way still: its end is waited for.
    let ran = ended(watch);
    assert!(ran.stderr.contains("looking, since a file changed"), "{ran}");
    everything_verifies(&world);
    assert_eq!(shown(&world), before);
}

/// Ends it as systemd does.
fn ended(watch: Child) -> Ran {
    signal("-TERM", &child_of(watch.id()));
    Ran::from(watch.wait_with_output().unwrap()).exits(0)
}

fn until(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(60), "not within a minute: {what}");
        sleep(Duration::from_millis(50));
    }
}

/// By libfaketime, for which an hour is two seconds.
#[test]
#[ignore = "needs root and libfaketime; tests/run installs it"]
fn in_a_week_it_wakes_when_its_plan_says_so_and_takes_no_more_memory_and_files() {
    let zone = vec!["imap.iota A MACHINE".to_owned()];
    let world = World::without_mail(Wish { zone, ..Wish::default() });
    let all = text(world.directory());
    let table = format!("[[files]]\ncombined = \"{all}/tls/{{name}}.pem\"\n");
    fs::create_dir(world.path("tls")).unwrap();
    world.write("mailcert.toml", &(crate::files::head(&world) + &table), 0o600);
    world.mailcert(&["run"]).exits(0);
    let fast = format!("FAKETIME=+0 x{FASTER}");
    let library = fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
    let mut library = library.map(|path| path.join("faketime/libfaketime.so.1"));
    let library = library.find(|path| path.exists()).expect("faketime is installed");
    let library = format!("LD_PRELOAD={}", text(&library));
    let begun = Instant::now();
    let watch = world
        .spawn_under(&["env", &library, &fast, "NO_FAKE_STAT=1"], &["watch", "--format", "jsonl"]);
    let pid = child_of(watch.id());
    sleep(Duration::from_secs(5));
    let outset = taken(&pid);
    while begun.elapsed() < WEEK {
        sleep(Duration::from_secs(1));
    }
    let end = taken(&pid);
    let ran = ended(watch);
    println!("memory (KiB) and files: {outset:?} at the outset, {end:?} in the end");
    assert_eq!(end.1, outset.1, "open files: {ran}");
    assert!(end.0 < outset.0 + 4096, "KiB of memory: {outset:?}, then {end:?}");
    let looks: Vec<_> = ran.stderr.lines().filter(|line| line.starts_with("looking,")).collect();
    // The first one, and then one each time an answer of the DNS is 20 hours old.
    let (first, others) = looks.split_first().unwrap();
    assert_eq!(*first, "looking, since watch begins");
    assert!(others.iter().all(|line| *line == "looking, since its time has come"), "{looks:?}");
    assert!((7..=9).contains(&others.len()), "{ran}");
}

/// Its resident memory in KiB, and how many files it has open, while it waits: the least of a
/// second.
fn taken(pid: &str) -> (u64, usize) {
    let look = |_| {
        sleep(Duration::from_millis(100));
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        let memory: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        (memory, fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count())
    };
    (0..10).map(look).min_by_key(|(_, files)| *files).unwrap()
}

const FASTER: u64 = 6000;
const WEEK: Duration = Duration::from_secs(7 * 86_400 / FASTER);
