//! The catalogue of breakages: each is made on real servers, named by `verify` and `plan`, mended
//! by `fix --yes`, and proved by clients that are not ours, while the names beside it never fail.
//!
//! One world serves a whole table of cases, one after the other: every case ends with every name
//! right again, or the next could not begin.

mod dovecot;
mod exim;
mod hands;
mod postfix;
mod state;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::clients::{PORTS, everything_verifies, names, openssl};
use crate::tree::{keys_are_private, nothing_is_half_done};
use crate::world::World;

/// One breakage.
pub(crate) struct Case {
    /// What is broken, as an admin would say it.
    what: &'static str,
    /// Breaks it.
    breaks: fn(&World),
    /// The names whose mail suffers.
    hit: &'static [&'static str],
    /// What `verify` finds in the domain of each; nothing where senders see nothing of it.
    code: Option<&'static str>,
    /// What `plan` says.
    cause: &'static str,
}

/// Makes every breakage of a table and has it mended; `CASE=WORDS` picks those with these words.
fn mended(world: &World, cases: &[Case]) {
    let only = std::env::var("CASE").unwrap_or_default();
    let mut failed = Vec::new();
    for case in cases.iter().filter(|case| case.what.contains(&only)) {
        let one = std::panic::AssertUnwindSafe(|| mend(world, case));
        match std::panic::catch_unwind(one) {
            Ok(took) => eprintln!("{}{} ms |", case.row(), took.as_millis()),
            Err(_) => failed.push(case.what),
        }
    }
    assert!(failed.is_empty(), "not mended: {failed:#?}");
}

impl Case {
    /// The row of the table in README.md, without its last column.
    fn row(&self) -> String {
        let code = self.code.map_or_else(|| "-".to_owned(), |code| format!("`{code}`"));
        format!("| {} | {code} | {} | ", self.what, self.cause)
    }
}

#[test]
fn the_table_of_the_readme_has_every_breakage() {
    let readme = include_str!("../README.md");
    let tables = [postfix::CASES, exim::CASES, dovecot::CASES, state::CASES];
    for case in tables.into_iter().flatten() {
        let row = case.row();
        assert!(readme.lines().any(|line| line.starts_with(&row)), "not in README.md:\n{row}");
    }
}

/// Returns how long the repair took.
fn mend(world: &World, case: &Case) -> Duration {
    (case.breaks)(world);
    is_seen(world, case);
    let ran = world.mailcert(&["plan"]).says(case.cause);
    assert_eq!(ran.code, 3, "{}: {ran}", case.what);
    let beside: Vec<&str> =
        names(world).into_iter().map(|(name, _)| name).filter(|n| !case.hit.contains(n)).collect();
    let mut took = Duration::ZERO;
    let failed = while_clients_ask(world, &beside, || {
        let begun = Instant::now();
        let ran = world.mailcert(&["fix", "--yes"]);
        took = begun.elapsed();
        assert_eq!(ran.code, 0, "{}: {ran}", case.what);
    });
    assert_eq!(failed, Vec::<String>::new(), "{}: names beside it failed", case.what);
    everything_verifies(world);
    keys_are_private(world);
    nothing_is_half_done(world);
    took
}

/// Has one name mended, as an admin in a hurry would, and says how long it took: without an order,
/// so that no time is the CA's.
fn one_name_is_mended_at_once(world: &World, name: &str, file: &str) {
    let mut best = Duration::MAX;
    for _ in 0..3 {
        world.put(file, "junk\n");
        let begun = Instant::now();
        world.mailcert(&["fix", "--yes", name]).exits(0);
        best = best.min(begun.elapsed());
    }
    everything_verifies(world);
    eprintln!("`fix --yes {name}` to accepted: {} ms at best of 3", best.as_millis());
}

/// `verify` finds in every domain that is hit what is expected.
fn is_seen(world: &World, case: &Case) {
    let Some(code) = case.code else { return };
    let mut domains: Vec<&str> =
        case.hit.iter().filter_map(|name| Some(name.split_once('.')?.1)).collect();
    domains.dedup();
    let answer = world.mailcert(&[&["verify", "--json"], domains.as_slice()].concat()).json();
    let endpoints = answer["endpoints"].as_array().expect("a list");
    for domain in domains {
        let own = endpoints.iter().filter(|one| one["domain"] == domain);
        let codes: Vec<String> = own.map(|one| one["problems"].to_string()).collect();
        let named = codes.iter().any(|codes| codes.contains(&format!("\"{code}\"")));
        assert!(named, "{}: {domain} is not told {code}: {codes:?}", case.what);
    }
}

/// What failed for clients that asked these names all the time while `work` went on.
fn while_clients_ask(world: &World, beside: &[&str], work: impl FnOnce()) -> Vec<String> {
    let done = AtomicBool::new(false);
    let asking = || {
        let mut failed = Vec::new();
        let asked = names(world).into_iter().filter(|(name, _)| beside.contains(name));
        let asked: Vec<_> = asked.collect();
        let mut turn = 0;
        while !asked.is_empty() && (!done.load(Ordering::SeqCst) || turn == 0) {
            for &(name, address) in &asked {
                let port = PORTS[turn % PORTS.len()];
                turn += 1;
                if let Err(said) = openssl(world, address, port, Some(name), name) {
                    failed.push(format!("{name} on {port:?}: {said}"));
                }
            }
        }
        failed
    };
    std::thread::scope(|scope| {
        let client = scope.spawn(asking);
        // The client has to end when the work fails, or its message never comes.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        done.store(true, Ordering::SeqCst);
        let failed = client.join().expect("a client");
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        failed
    })
}
