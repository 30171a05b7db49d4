//! `watch`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

/// `watch`.
#[derive(Args, Clone, Debug)]
#[command(after_help = WATCH_EXAMPLES)]
pub struct Watch {
    /// Serve /metrics (for Prometheus) and /healthz by HTTP here; a loopback address
    #[arg(long, value_name = "ADDR:PORT", value_parser = loopback)]
    pub listen: Option<SocketAddr>,
    /// Fail for what is wrong elsewhere, too: a broken domain, a backup MX
    #[arg(long)]
    pub strict: bool,
    /// Write what came of each look to FILE, for Prometheus' textfile collector
    #[arg(long, value_name = "FILE")]
    pub metrics: Option<PathBuf>,
    /// Write the page of `status --format html` to FILE after each look
    #[arg(long, value_name = "FILE")]
    pub page: Option<PathBuf>,
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let expected = "expected a loopback address with a port, such as 127.0.0.1:9115 or [::1]:9115";
    let at: SocketAddr = text.parse().map_err(|_| expected.to_owned())?;
    match at.ip().is_loopback() {
        true => Ok(at),
        false => Err(format!("others can reach that; {expected}")),
    }
}

const WATCH_EXAMPLES: &str = "Instead of the timer: mailcert-watch.service runs it under systemd.
  mailcert watch --listen 127.0.0.1:9115

It looks when its plan says so, when the configuration, an installed file, a
server's configuration or another program's certificate changes, and at SIGHUP,
which reads the configuration again (so does a change of it). A configuration
that is wrong is said, and the one from before is kept. What a look does is what
`mailcert run` does; other commands can be called at any time.

/healthz answers 503 where a look is missing for an hour.

SIGTERM and Ctrl-C end it with 0, after what is under way; 1 if it cannot begin,
2 if the configuration is wrong then.";
