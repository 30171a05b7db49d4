//! `history`.

use clap::Args;

/// `history`.
#[derive(Args, Clone, Debug)]
#[command(after_help = HISTORY_EXAMPLES)]
pub struct History {
    /// A host name, a certificate, a server such as postfix, or `account` [default: everything]
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// How many are shown, the latest ones
    #[arg(short = 'n', long, value_name = "N", default_value = "50")]
    pub lines: usize,
}

const HISTORY_EXAMPLES: &str = "Examples:
  mailcert history                  the latest of everything
  mailcert history mx.example.org   what was done about a host
  mailcert history postfix -n 5

Asks nobody. Of very many events the older ones are forgotten.";
