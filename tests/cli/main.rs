//! The program as it is called: whole input and whole output. Each case has a directory of its
//! own, a DNS server inside the test, mail servers inside the test, and scripts in place of the
//! programs it calls.

#![expect(clippy::unwrap_used, reason = "what a test needs and cannot have fails the test")]
#![expect(
    clippy::disallowed_methods,
    reason = "a test makes its own world and calls the program from outside"
)]

mod account;
mod bare;
mod batch;
mod case;
mod challenges;
mod configuration;
mod cron;
mod dane;
mod discover;
mod dns01;
mod exposition;
mod files;
mod fix;
mod formats;
mod history;
mod hold;
mod input;
mod issuers;
mod lint;
mod local;
mod mail;
mod new_key;
mod notify;
mod nowhere;
mod others;
mod page;
mod plan;
mod policy;
mod profile;
mod proxied;
mod pruned;
mod revoke;
mod revoke_file;
mod setup;
mod shipped;
mod source;
mod state;
mod streams;
mod texts;
mod two_cas;
mod verify;
mod watch;

#[path = "../support/dns_server.rs"]
mod dns_server;
