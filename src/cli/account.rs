//! What `account` takes.

use clap::{Args, ValueEnum};

use super::Patience;

/// `account`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    mailcert account show                  does the CA take it still?\n  \
    mailcert account rollover              others may have read its key\n  \
    mailcert account deactivate --yes      this machine orders nothing any more\n\n\
    It is the account at the CA that `directory` in [acme] names; --ca takes that of\n\
    an [[acme.fallback]]. Its certificates stay as they are, whatever becomes of it.\n\
    Only `show` writes nothing.\n\n\
    Exits 0 if it is as wanted (show: if the CA takes it), 1 if it is not.")]
pub struct Account {
    /// What is done with the account
    #[arg(value_enum, value_name = "ACTION")]
    pub action: AccountAction,
    /// The CA, by its directory, where there are fallbacks [default: the first]
    #[arg(long, value_name = "DIRECTORY")]
    pub ca: Option<String>,
    /// deactivate: without a question
    #[arg(long)]
    pub yes: bool,
    /// How long another mailcert is waited for.
    #[command(flatten)]
    pub patience: Patience,
}

/// What is done with the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AccountAction {
    /// What is kept here, and what the CA says of it
    Show,
    /// Make one, if the CA takes none of ours
    Register,
    /// Another key; the old one is worth nothing then
    Rollover,
    /// Bring the contacts at the CA to those of the configuration
    Contacts,
    /// Give it up for good, at the CA and here
    Deactivate,
}

impl AccountAction {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Show => "show",
            Self::Register => "register",
            Self::Rollover => "rollover",
            Self::Contacts => "contacts",
            Self::Deactivate => "deactivate",
        }
    }
}
