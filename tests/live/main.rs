//! mailcert against real servers. Every test needs root and what `tests/run` installs, which is
//! why each is ignored unless asked for, and fails where something is missing.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "tests write files, run programs, look at the clock and say why they fail"
)]

mod clients;
mod crash;
mod farm;
#[path = "../cli/mail.rs"]
#[expect(dead_code, reason = "the live tests need its good servers only")]
mod mail;
mod mailcert;
mod sandbox;
mod tree;
#[path = "../world/mod.rs"]
mod world;

mod account;
mod alpn;
mod bogus;
mod breakage;
mod ca;
mod chains;
mod container;
mod debian;
mod dns01;
mod fallback;
mod files;
mod fix;
mod full;
mod import;
mod instances;
mod interrupted;
mod keys;
mod killed;
mod leave;
mod lint;
mod local;
mod moved;
mod nothing;
mod outset;
mod package;
mod page;
mod programs;
mod renewal;
mod revoke;
mod rollover;
mod second;
mod serve;
mod staging;
mod store;
mod syscalls;
mod tlsa;
mod transaction;
mod trixie;
mod unit;
mod verify;
mod watch;
mod web;
mod wildcard;
