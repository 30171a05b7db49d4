//! What `mailcert verify` of one endpoint costs in CPU, beside `openssl s_client` and
//! `posttls-finger` against the same server. Needs root (port 25). Ends with 1 where one endpoint
//! costs over 60 ms. What a thousand endpoints cost is the benchmark `many`.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark runs programs and says what they cost"
)]

#[path = "../world/block.rs"]
mod block;
mod mail;
mod measure;

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use block::Block;
use measure::{Spent, millis, often, within};

/// CPU of one endpoint at most, in milliseconds.
const BOUND: f64 = 60.0;
const TIMES: u32 = 20;
const HOST: &str = "mx.bench.test";

fn main() -> ExitCode {
    let directory = tempfile::tempdir().expect("a directory");
    let block = Block::take(52..=55);
    let roots = directory.path().join("root.pem");
    let address = block.address(101);
    mail::serve(&[address], |_| HOST.to_owned(), &roots, Duration::ZERO);

    // posttls-finger wants a Postfix, however empty.
    std::fs::write(directory.path().join("main.cf"), "").expect("written");
    if one(address, &roots, directory.path()) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn mailcert(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailcert"));
    command.args(["verify", "--quiet"]).args(arguments);
    command
}

/// One endpoint, each program with the test's root; and mailcert with Mozilla's, its default.
fn one(address: Ipv4Addr, roots: &Path, directory: &Path) -> bool {
    let roots = roots.to_str().expect("it is text");
    let (at, bracketed) = (format!("{address}:25"), format!("[{address}]:25"));
    let (target, address) = (format!("{HOST}:25"), address.to_string());
    let asked = [&target, "--connect", &address];
    let ours = often(TIMES, 0, || mailcert(&[&asked[..], &["--roots", roots]].concat()));
    let once = [&asked[..], &["--roots", roots, "--tries", "1"]].concat();
    let once = often(TIMES, 0, || mailcert(&once));
    let mozilla = often(TIMES, 1, || mailcert(&asked));
    let openssl = often(TIMES, 0, || {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-starttls", "smtp", "-connect", &at, "-servername", HOST]);
        command.args(["-verify_hostname", HOST, "-verify_return_error", "-CAfile", roots]);
        command
    });
    let finger = often(TIMES, 0, || {
        let mut command = Command::new("posttls-finger");
        command.env("MAIL_CONFIG", directory);
        command.args(["-c", "-l", "secure", "-s", HOST, "-F", roots, &bracketed, HOST]);
        command
    });
    println!("one endpoint, SMTP with STARTTLS (means of {TIMES} runs; a tick is 0.5 ms of them):");
    let line = |what: &str, found: &Spent| {
        let ratio = found.cpu.as_secs_f64() / ours.cpu.as_secs_f64().max(0.0005);
        println!(
            "  {what:<42} CPU {:>8} ({ratio:.2} of the first), wall {:>8}, peak {} KiB",
            millis(found.cpu),
            millis(found.wall),
            found.peak
        );
    };
    line("mailcert verify (3 handshakes)", &ours);
    line("mailcert verify --tries 1 (2 handshakes)", &once);
    line("mailcert verify, Mozilla's roots", &mozilla);
    line("openssl s_client (1 handshake)", &openssl);
    line("posttls-finger (1 handshake)", &finger);
    let cpu = |found: &Spent| found.cpu.as_secs_f64() * 1000.0;
    let own = within("verify of one endpoint, ms of CPU", cpu(&ours), BOUND);
    within("the same with Mozilla's roots, ms of CPU", cpu(&mozilla), BOUND) && own
}
