//! What `plan` takes, and what `run` and `fix` take of the same.

use clap::Args;

/// `plan`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Nothing is written or ordered: that is what `mailcert run` and `fix` do.\n\
    Exits 0 if there is nothing to do, 3 if there is, 1 if something is wrong and\n\
    nothing that mailcert could do would mend it."
)]
pub struct Plan {
    /// Ask the DNS and the servers anew, however fresh their last answers are
    #[arg(long)]
    pub fresh: bool,
    /// What becomes of RSA.
    #[command(flatten)]
    pub rsa: Rsa,
}

/// What becomes of RSA certificates that the configuration does not ask for.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct Rsa {
    /// Show RSA certificates no longer, where `key-types` does not ask for them
    ///
    /// One that was shown before `key-types` asked for ECDSA stays beside the new one until this is
    /// said: old servers and scanners know no other algorithm.
    #[arg(long)]
    pub drop_rsa: bool,
}
