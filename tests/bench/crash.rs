//! `kill -9` at 200 random moments of a run that orders, installs and reloads on Postfix, Exim and
//! Dovecot: every name goes on working, the next run finishes, nothing is left, and the CA is made
//! to issue once. Needs root and what `tests/run` installs; takes some ten minutes. A seed as its
//! argument replaces the usual one, for other moments.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a benchmark looks at the clock and says what it saw"
)]

#[expect(dead_code, reason = "the live tests use more of it")]
#[path = "../live/clients.rs"]
mod clients;
#[path = "../live/crash.rs"]
mod crash;
#[expect(dead_code, reason = "the live tests use more of it")]
#[path = "../live/mailcert.rs"]
mod mailcert;
#[expect(dead_code, reason = "the live tests use more of it")]
#[path = "../live/tree.rs"]
mod tree;
#[expect(dead_code, reason = "the live tests use more of it")]
#[path = "../world/mod.rs"]
mod world;

use std::thread::sleep;
use std::time::Instant;

use crash::{Small, kill};

/// How often it is killed.
const KILLS: u32 = 200;

fn main() {
    let typed = std::env::args().skip(1).find_map(|word| word.parse().ok());
    let seed: u64 = typed.unwrap_or(0xC4A5_4EED);
    let mut small = Small::start();
    small.change();
    let begun = Instant::now();
    small.world.mailcert(&["run"]).exits(0);
    let whole = begun.elapsed();
    let (mut random, mut before, begun) = (seed, 0, Instant::now());
    for round in 1..=KILLS {
        small.change();
        let victim = small.world.spawn(&["run"]);
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let moment = whole.mul_f64((random >> 33) as f64 / f64::from(1_u32 << 31));
        sleep(moment);
        kill(victim);
        let when = format!("seed {seed}, round {round}, killed after {moment:?} of {whole:?}");
        small.works(&when);
        before += usize::from(small.issued_since_the_change() == 0);
        small.finishes(&when);
        if round % 20 == 0 {
            println!("{round} of {KILLS} kills, {:?}", begun.elapsed());
        }
    }
    let after = KILLS as usize - before;
    println!("{before} kills before the CA had issued, {after} after it: nothing was lost,");
    println!("and no certificate was ordered twice");
}
