//! What happens on the way, on stderr: `info` is what an admin wants in tomorrow's journal.

use tracing::Level;
use tracing_subscriber::EnvFilter;

use crate::cli::Global;

/// From now on what the rooms tell is written to stderr, without times: the journal has them.
/// `-v` tells more, `-vv` what the libraries have to say as well, `-q` errors only.
pub(in crate::app) fn begin(global: &Global) {
    let filter = match (global.quiet, global.verbose) {
        (true, _) => "error",
        (false, 0) => "warn,mailcert=info",
        (false, 1) => "warn,mailcert=debug",
        (false, _) => "debug",
    };
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(Level::DEBUG)
        .with_env_filter(EnvFilter::new(filter))
        .with_ansi(false)
        .with_target(false)
        .without_time()
        .init();
}
