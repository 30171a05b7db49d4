//! Takes an installed pair back, for a store that was lost.

use std::path::Path;

use zeroize::Zeroizing;

use crate::deploy::DeployError;
use crate::disk;
use crate::model::{Bundle, PrivateKey};
use crate::verify::judge;

/// Larger than any key with its chain.
const LIMIT: u64 = 1 << 20;

/// Reads an installed pair: `chain` holds leaf and issuers, and the key too where `key` is `None`.
/// Of several pairs in one file the first is taken; what stands between the PEM blocks is left
/// out.
///
/// # Errors
/// [`DeployError::Disk`] when a file cannot be read (links are not followed),
/// [`DeployError::Gate`] when it is no pair or the key is another's.
pub fn adopt(chain: &Path, key: Option<&Path>) -> Result<Bundle, DeployError> {
    let certificates = text(chain)?;
    let keys = key.map(text).transpose()?;
    pair(&certificates, keys.as_ref().unwrap_or(&certificates), (chain, key))
}

/// The first pair in these texts, which were read from the files named.
pub(in crate::deploy) fn pair(
    certificates: &str,
    keys: &str,
    (chain, key): (&Path, Option<&Path>),
) -> Result<Bundle, DeployError> {
    let mut found_key = None;
    for block in blocks(keys).filter(|block| block.is_key()) {
        found_key.get_or_insert_with(|| PrivateKey::from_pem(block.text.to_owned()));
    }
    let Some(found_key) = found_key else {
        return Err(DeployError::gate(key.unwrap_or(chain), "no private key in it"));
    };
    let mut pem = String::new();
    let mut keys_seen = 0;
    for block in blocks(certificates) {
        keys_seen += usize::from(block.is_key());
        if keys_seen > 1 {
            break;
        }
        if block.label == "CERTIFICATE" {
            pem.push_str(block.text.trim_end());
            pem.push('\n');
        }
    }
    let bundle = Bundle { key: found_key, chain: pem };
    judge::pair_matches(bundle.key.expose_pem(), &bundle.chain)
        .map_err(|error| DeployError::gate(chain, error.to_string()))?;
    Ok(bundle)
}

pub(in crate::deploy) fn text(path: &Path) -> Result<Zeroizing<String>, DeployError> {
    String::from_utf8(disk::read(path, LIMIT)?)
        .map(Zeroizing::new)
        .map_err(|_| DeployError::gate(path, "no PEM"))
}

/// One PEM block with its first and last line.
struct Block<'a> {
    label: &'a str,
    text: &'a str,
}

impl Block<'_> {
    fn is_key(&self) -> bool {
        self.label.ends_with("PRIVATE KEY")
    }
}

fn blocks(text: &str) -> impl Iterator<Item = Block<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let start = rest.find("-----BEGIN ")?;
        let label = rest[start + 11..].split("-----").next()?;
        let end = format!("-----END {label}-----");
        let length = rest[start..].find(&end)? + end.len();
        let text = &rest[start..start + length];
        rest = &rest[start + length..];
        Some(Block { label, text })
    })
}
