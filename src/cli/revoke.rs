//! What `revoke` takes.

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

use super::Patience;
use crate::model::{CertName, Revocation};

/// `revoke`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    mailcert revoke example.org                   its key may be in other hands\n  \
    mailcert revoke example.org --version 3       an older version of it\n\n\
    A version that the servers still show is replaced first, by one with a new key,\n\
    and for keyCompromise only; if that does not work, nothing is revoked. What is\n\
    revoked is forgotten here, its key included.\n\n\
    `mailcert status` lists the names. Exits 0 if it is revoked, 1 if it is not.")]
pub struct Revoke {
    /// The name of the certificate, such as example.org or example.org-2
    #[arg(value_name = "NAME", value_parser = CertName::parse)]
    pub name: CertName,
    /// Which version [default: one that others could read, else the one that is shown]
    #[arg(
        long = "version",
        value_name = "N",
        value_parser = version
    )]
    pub number: Option<u32>,
    /// Why: the CA publishes it
    #[arg(long, value_enum, ignore_case = true, default_value = "keyCompromise")]
    pub reason: Revocation,
    /// Whose key signs the request [default: the account's, else the certificate's]
    #[arg(long, value_enum, value_name = "KEY")]
    pub with: Option<With>,
    /// Revoke without a question
    #[arg(long)]
    pub yes: bool,
    /// How long another mailcert is waited for.
    #[command(flatten)]
    pub patience: Patience,
}

fn version(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "expected a number, such as 3".to_owned())
}

/// Whose key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum With {
    /// The account's
    Account,
    /// The certificate's own
    Certificate,
}

impl ValueEnum for Revocation {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.as_str()).help(match self {
            Self::Unspecified => "No reason is given",
            Self::KeyCompromise => "Others have the key, or may have it",
            Self::Superseded => "Another certificate has taken its place",
            Self::CessationOfOperation => "Its names are not served any more",
        }))
    }
}
