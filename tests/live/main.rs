//! mailcert against real servers. Every test needs root and what `tests/run` installs, which is
//! why each is ignored unless asked for, and fails where something is missing.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests write files, run programs and look at the clock"
)]

mod clients;
#[path = "../world/mod.rs"]
mod world;

mod outset;
