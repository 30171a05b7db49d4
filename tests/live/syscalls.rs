//! `kill -9` at every rename and at every fsync of a run, by strace.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::crash::Small;
use crate::mailcert::Ran;
use crate::world::text;

/// What puts a change on the disk.
const CALLS: &str = "rename,renameat,renameat2,fsync,fdatasync";

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn a_run_killed_at_any_rename_or_fsync_costs_nothing() {
    let mut small = Small::start();
    small.change();
    let (calls, ran) = traced_run(&small, None);
    ran.exits(0);
    assert!(calls.len() > 20, "a run has more of them: {calls:#?}");
    let begun = Instant::now();
    // strace counts each kind for itself.
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (place, call) in calls.iter().enumerate() {
        let kind = call.split('(').next().expect("the name of the call");
        let count = counts.entry(kind).or_default();
        *count += 1;
        small.change();
        let inject = format!("inject={kind}:signal=KILL:when={count}");
        let when = format!("killed at {} of {}, {inject} ({call})", place + 1, calls.len());
        let (_, ran) = traced_run(&small, Some(&inject));
        assert_ne!(ran.code, 0, "{when}: it was not: {ran}");
        small.works(&when);
        small.finishes(&when);
    }
    eprintln!("killed at {} calls in {:?}", calls.len(), begun.elapsed());
}

/// One run below strace; the calls it made itself.
fn traced_run(small: &Small, inject: Option<&str>) -> (Vec<String>, Ran) {
    let log = small.world.path("strace.log");
    let trace = format!("trace={CALLS}");
    let mut tracer =
        vec!["strace", "-f", "-qq", "-e", "signal=none", "-o", text(&log), "-e", &trace];
    tracer.extend(inject.iter().flat_map(|inject| ["-e", inject]));
    let ran = small.world.mailcert_under(&tracer, &["run"]);
    let calls = small.world.read("strace.log");
    // A line begins with the pid, and mailcert's own comes first: it notes what is owed.
    let own = calls.split(' ').next().expect("a line");
    let calls = calls.lines().filter_map(|line| line.strip_prefix(own));
    (calls.map(|call| call.trim().to_owned()).collect(), ran)
}
