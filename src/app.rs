//! One short function per subcommand; the only reader of clock, environment and terminal.

use std::process::ExitCode;

/// Runs the command line and returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
