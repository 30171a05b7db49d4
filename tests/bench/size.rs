//! How large the release binary is, and how soon it answers.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark looks at the clock and says what it saw"
)]

mod measure;

use std::process::{Command, ExitCode};

/// At most, in MiB and in milliseconds.
const SIZE: f64 = 16.0;
const VERSION: f64 = 10.0;

fn main() -> ExitCode {
    let program = env!("CARGO_BIN_EXE_mailcert");
    let bytes = std::fs::metadata(program).expect("cargo built it").len();
    let version = measure::often(20, 0, || {
        let mut command = Command::new(program);
        command.arg("--version");
        command
    });
    let small = measure::within("the release binary, MiB", bytes as f64 / 1_048_576.0, SIZE);
    let time = version.wall.as_secs_f64() * 1000.0;
    let swift = measure::within("mailcert --version, ms (median of 20)", time, VERSION);
    println!("       CPU {}, peak {} KiB", measure::millis(version.cpu), version.peak);
    if small && swift { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
