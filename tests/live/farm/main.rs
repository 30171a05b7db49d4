//! Serves the farm until it is killed: `cargo run --example farm -- --listen 127.0.64.0/20`.
//!
//! The inventory comes as one line of JSON on stdout once everything answers. Needs root.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "an example writes files, runs programs and says what it serves"
)]

#[expect(dead_code, reason = "the farm needs only its directory and watchdog")]
#[path = "../../world/daemons.rs"]
mod daemons;
#[path = "mod.rs"]
mod farm;

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use daemons::Daemons;
use farm::inventory::{json, table};
use farm::{Farm, Range, Wish};

/// Mail servers on loopback addresses: good ones, and one for every way to be wrong.
#[derive(Parser)]
struct Options {
    /// The loopback block to serve on
    #[arg(long, value_name = "BLOCK", default_value = "127.0.64.0/20")]
    listen: Range,
    /// Only the good endpoints of --good
    #[arg(long)]
    no_modes: bool,
    /// Endpoints of each hostile mode
    #[arg(long, value_name = "N", default_value_t = 1)]
    hostile: usize,
    /// That many good SMTP endpoints more, each with an address, a key and a certificate of its own
    #[arg(long, value_name = "N", default_value_t = 0)]
    good: usize,
    /// How long these wait before each reply
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 0)]
    delay_ms: u64,
    /// Write the inventory to this file, too
    #[arg(long, value_name = "FILE")]
    inventory: Option<PathBuf>,
    /// Print the table of modes and end
    #[arg(long)]
    list: bool,
}

fn main() {
    let options = Options::parse();
    let wish = Wish {
        listen: options.listen,
        modes: !options.no_modes,
        hostile: options.hostile,
        good: options.good,
        delay: Duration::from_millis(options.delay_ms),
    };
    // Its watchdog removes the directory, however the farm ends.
    let daemons = Daemons::new();
    let farm = Farm::start(&wish, daemons.directory());
    if options.list {
        print!("{}", table(&farm.rows));
        return;
    }
    let roots = farm.roots.to_str().expect("the farm's paths are text");
    let inventory = json(&farm.rows, roots, &farm.dns.address().to_string());
    if let Some(file) = options.inventory {
        std::fs::write(file, format!("{inventory:#}\n")).expect("written");
    }
    println!("{inventory}");
    loop {
        std::thread::park();
    }
}
