//! What `fix` takes: it is the one command that can do without a configuration.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::Args;

use super::options::{Patience, Roots, address, host, resolver};
use super::plan::Rsa;
use crate::model::Hostname;

/// `fix`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    mailcert fix                    everything\n  \
    mailcert fix mx1.example.org    only this host\n  \
    mailcert fix --yes              without a question, hook-in lines included\n  \
    mailcert fix --agree-to-terms   without a configuration file\n\n\
    Ctrl-C and SIGTERM end it with 1, as they end `mailcert run`.\n\n\
    Exits 0 if all is as wanted in the end, 1 if something is wrong or failed, 4 if\n\
    something could not be tested, 5 if another mailcert is at work.")]
pub struct Fix {
    /// Domains or hosts to repair [default: all]
    #[arg(value_name = "DOMAIN|HOST", value_parser = host)]
    pub names: Vec<Hostname>,
    /// Apply the hook-in lines of `setup` where they are missing, and reload a server though an
    /// edit of yours takes effect with it, without a question
    #[arg(long)]
    pub yes: bool,
    /// Verify and show what would be done; change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// What becomes of RSA.
    #[command(flatten)]
    pub rsa: Rsa,
    /// Fail for what is wrong elsewhere, too: a broken domain, a backup MX
    #[arg(long)]
    pub strict: bool,
    /// How long another mailcert is waited for.
    #[command(flatten)]
    pub patience: Patience,
    /// What a configuration file would say, where there is none.
    #[command(flatten)]
    pub bare: Bare,
}

/// What a configuration file says, for a machine without one.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Without a configuration file")]
pub struct Bare {
    /// Agree to the terms of the CA.
    #[arg(
        long,
        help = "Agree to the terms of the CA, those of https://letsencrypt.org/repository/"
    )]
    pub agree_to_terms: bool,
    /// A mail address for the CA's notices
    #[arg(long, value_name = "ADDRESS")]
    pub contact: Option<String>,
    /// The CA's directory, or letsencrypt-staging [default: letsencrypt]
    #[arg(long, value_name = "URL")]
    pub acme_directory: Option<String>,
    /// The roots of the CA's own HTTPS, where it is a private one
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Where certificates are kept [default: /var/lib/mailcert]
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// An address of this machine, where its interfaces do not have it (NAT); may be repeated
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub address: Vec<IpAddr>,
    /// Ask this resolver instead of those of resolv.conf; may be repeated
    #[arg(long, value_name = "ADDR:PORT", value_parser = resolver)]
    pub dns: Vec<SocketAddr>,
    /// The roots that decide: mozilla, system or a PEM file
    #[arg(long, value_name = "ROOTS", value_parser = Roots::parse)]
    pub roots: Option<Roots>,
}

impl Bare {
    /// The first option that was typed and that a configuration file says in its own way.
    #[must_use]
    pub fn first(&self) -> Option<(&'static str, &'static str)> {
        [
            (self.contact.is_some(), "--contact", "contact in [acme]"),
            (self.acme_directory.is_some(), "--acme-directory", "directory in [acme]"),
            (self.ca_file.is_some(), "--ca-file", "ca-file in [acme]"),
            (self.state.is_some(), "--state", "directory in [state]"),
            (!self.address.is_empty(), "--address", "addresses in [machine]"),
            (!self.dns.is_empty(), "--dns", "servers in [dns]"),
            (self.roots.is_some(), "--roots", "roots in [verify]"),
        ]
        .into_iter()
        .find_map(|(typed, option, key)| typed.then_some((option, key)))
    }
}
