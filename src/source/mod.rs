//! Certificates that others made: where certbot, lego, acme.sh, dehydrated, Caddy and Traefik keep
//! them. Everything here is read and nothing is ever written.
//!
//! [`lineages`] finds them by the shape of their files, [`read`] reads one. Whether they are any
//! good is not judged here.

mod acme_json;
pub(crate) mod pem;
mod shape;
#[cfg(test)]
mod tests;
mod text;

pub use shape::{Lineages, lineages};
pub use text::is_exposed;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::model::{Bundle, Owner, PrivateKey};

/// A certificate of somebody's, where it lies; of Traefik's, the file they all lie in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lineage {
    /// Who made it.
    pub owner: Owner,
    /// What its owner calls it.
    pub name: String,
    /// The file with the chain.
    pub chain: PathBuf,
    /// The file with the key, if it is another.
    pub key: Option<PathBuf>,
}

impl Lineage {
    /// The file that holds the key.
    #[must_use]
    pub fn key_file(&self) -> &Path {
        self.key.as_deref().unwrap_or(&self.chain)
    }
}

/// Why a lineage cannot be read. The text of a file, which may be a key's, is never part of it.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct SourceError {
    /// Which file.
    pub path: PathBuf,
    /// What is wrong.
    pub why: String,
}

impl SourceError {
    fn new(path: &Path, why: impl std::fmt::Display) -> Self {
        Self { path: path.to_owned(), why: why.to_string() }
    }
}

/// The pairs in these files: one, or all that an `acme.json` holds. Links are followed, since
/// certbot's and dehydrated's files are links; what is opened must be a regular file. Whether key
/// and chain belong together is not looked at.
///
/// # Errors
/// [`SourceError`] when a file cannot be read or lacks what it should hold.
pub fn read(chain: &Path, key: Option<&Path>) -> Result<Vec<Bundle>, SourceError> {
    let text = text::read(chain)?;
    if key.is_none() && text.trim_start().starts_with('{') {
        return acme_json::bundles(&text).map_err(|why| SourceError::new(chain, why));
    }
    let keys = key.map(text::read).transpose()?;
    let found = pem::first_key(keys.as_ref().unwrap_or(&text));
    let Some(found) = found else {
        return Err(SourceError::new(key.unwrap_or(chain), "no private key in it"));
    };
    let chain_text = pem::blocks(&text, |label| label == "CERTIFICATE");
    if chain_text.is_empty() {
        return Err(SourceError::new(chain, "no certificate in it"));
    }
    Ok(vec![Bundle { key: PrivateKey::from_pem(found), chain: chain_text }])
}

/// The certificates in a chain's file, without a look at any key.
///
/// # Errors
/// [`SourceError`] when it cannot be read.
pub fn chain(path: &Path) -> Result<String, SourceError> {
    Ok(pem::blocks(&text::read(path)?, |label| label == "CERTIFICATE"))
}

/// The directories to watch for a renewal by the owners of these: those in which the files lie and
/// those to which links lead. A watch on a link itself hears nothing of a new target.
#[must_use]
pub fn directories(lineages: &[Lineage]) -> BTreeSet<PathBuf> {
    let files = lineages.iter().flat_map(|one| [Some(&one.chain), one.key.as_ref()]).flatten();
    let real = |path: &PathBuf| std::fs::canonicalize(path).ok();
    let both = files.flat_map(|path| [Some(path.clone()), real(path)]).flatten();
    both.filter_map(|path| path.parent().map(Path::to_owned)).collect()
}

/// Where others' certificates usually are on a machine with this root directory and this home
/// directory of the caller.
#[must_use]
pub fn usual_places(root: &Path, home: Option<&Path>) -> Vec<PathBuf> {
    let usual = USUAL.iter().map(|place| root.join(place));
    let own = [".lego", ".acme.sh"].into_iter();
    usual.chain(own.filter_map(|place| Some(home?.join(place)))).collect()
}

/// Below the root: Debian's and the programs' own defaults for root.
const USUAL: [&str; 8] = [
    "etc/letsencrypt/live",
    "var/lib/lego",
    "var/lib/dehydrated/certs",
    "etc/dehydrated/certs",
    "var/lib/caddy/.local/share/caddy/certificates",
    "etc/traefik/acme.json",
    "var/lib/traefik/acme.json",
    "letsencrypt/acme.json",
];
