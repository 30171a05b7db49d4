//! What `revoke` takes.

use std::path::PathBuf;

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

use super::Patience;
use crate::model::{CertName, Revocation};

/// `revoke`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    mailcert revoke example.org                   its key may be in other hands\n  \
    mailcert revoke example.org --version 3       an older version of it\n  \
    mailcert revoke ./cert.pem --key ./key.pem    one that mailcert does not hold\n\n\
    A version that the servers still show is replaced first, by one with a new key,\n\
    and for keyCompromise only; if that does not work, nothing is revoked. What is\n\
    revoked is forgotten here, its key included. A file is revoked with its own key,\n\
    at the CA that issued what is held of the same issuer, else the first of the\n\
    configuration, or that of --ca, and left where it is.\n\n\
    `mailcert status` lists the names. Exits 0 if it is revoked, 1 if it is not.")]
pub struct Revoke {
    /// The name of the certificate, such as example.org-2, or the PEM file of one
    #[arg(value_name = "NAME|FILE", value_parser = what)]
    pub what: What,
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
    /// The private key (PEM) of the certificate in FILE
    #[arg(long, value_name = "KEY.pem")]
    pub key: Option<PathBuf>,
    /// The CA that issued FILE, by its directory [default: the one known by its issuer, else the first]
    #[arg(long, value_name = "DIRECTORY")]
    pub ca: Option<String>,
    /// Revoke without a question
    #[arg(long)]
    pub yes: bool,
    /// How long another mailcert is waited for.
    #[command(flatten)]
    pub patience: Patience,
}

/// What is revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A certificate that is held.
    Held(CertName),
    /// The one in a file.
    File(PathBuf),
}

/// A file has a slash or a suffix in its name that no domain has.
fn what(text: &str) -> Result<What, String> {
    let is_file = text.contains('/') || text.to_ascii_lowercase().ends_with(".pem");
    if is_file {
        return Ok(What::File(PathBuf::from(text)));
    }
    let name = CertName::parse(text);
    name.map(What::Held).map_err(|bad| format!("{bad}; a file has a slash, such as ./{text}"))
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
