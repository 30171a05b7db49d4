//! The door.

use std::process::ExitCode;

fn main() -> ExitCode {
    mailcert::app::main()
}
