//! Three years in simulated time: no certificate ends, no limit of the CA is exceeded.
//!
//! `cargo bench --bench sim` does the same with 10,000 domains; tests/sim/README.md has its numbers.

#![expect(clippy::disallowed_methods, reason = "how long a plan takes is told")]

#[path = "sim/mod.rs"]
mod sim;

use sim::report::{KINDS, trial, tried};

/// How many domains a debug build gets through in less than a minute.
const DOMAINS: usize = 40;
#[test]
fn in_three_years_nothing_ends_and_no_limit_is_exceeded() {
    for kind in KINDS {
        match tried(&trial(kind, DOMAINS)) {
            Ok(line) => println!("{line}"),
            Err(why) => panic!("{why}"),
        }
    }
}
