//! Three years of 10,000 domains in simulated time: the trials of tests/sim.rs at full size. Ends
//! with 1 where a certificate ends or a limit is exceeded. `-- 1000` takes another size.

#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "it says what it saw")]

#[path = "../sim/mod.rs"]
mod sim;

use std::process::ExitCode;

use sim::report::{KINDS, trial, tried};

fn main() -> ExitCode {
    let mut typed = std::env::args().filter_map(|word| word.parse().ok());
    let domains = typed.next_back().unwrap_or(10_000);
    // Side by side: one has nothing to do with the other. Each says at its end what it saw.
    let trials = KINDS.map(|kind| {
        std::thread::spawn(move || {
            let seen = tried(&trial(kind, domains));
            match &seen {
                Ok(line) => println!("ok     {line}"),
                Err(why) => println!("MISSED {why}"),
            }
            seen.is_ok()
        })
    });
    let ends = trials.map(|trial| trial.join().expect("it does not panic"));
    let good = ends.iter().all(|good| *good);
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
