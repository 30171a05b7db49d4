//! `hold` and `release`.

use clap::Args;

use super::options::Patience;
use crate::model::CertName;

/// `hold`.
#[derive(Args, Clone, Debug)]
#[command(after_help = HOLD_NOTES)]
pub struct Hold {
    /// The name of the certificate, such as example.org or example.org-2
    #[arg(value_name = "NAME", value_parser = CertName::parse)]
    pub name: CertName,
    /// Why, for who reads `status` and `plan`
    #[arg(long, value_name = "TEXT")]
    pub why: Option<String>,
    /// How long another mailcert is waited for.
    #[command(flatten)]
    pub patience: Patience,
}

/// `release`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "The next `mailcert run` does what has become due; `mailcert status` lists the\n\
    names."
)]
pub struct Release {
    /// The name of the certificate
    #[arg(value_name = "NAME", value_parser = CertName::parse)]
    pub name: CertName,
    /// How long another mailcert is waited for.
    #[command(flatten)]
    pub patience: Patience,
}

const HOLD_NOTES: &str = "Examples:
  mailcert hold example.org --why 'the audit wants this key until Friday'
  mailcert release example.org

It is not renewed, replaced or rolled back meanwhile, and ends on its day all
the same: `plan`, `run` and `status` say so. Its files are still repaired.";
