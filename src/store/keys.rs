//! `orders/NAME-KEY.pem`, `next/NAME-KEY.pem`: the keys of orders under way and those made ahead. The
//! diary says which of them still count.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::disk::{self, Access};
use crate::model::{CertName, KeyHash, PrivateKey};
use crate::store::StoreError;
use crate::store::log::unreadable;

/// The keys below one directory, which is made for the first of them.
pub(in crate::store) struct Keys {
    root: PathBuf,
}

impl Keys {
    pub(in crate::store) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Keeps a key, on the disk before it returns.
    pub(in crate::store) fn keep(
        &self,
        name: &CertName,
        hash: &KeyHash,
        key: &PrivateKey,
    ) -> Result<(), StoreError> {
        disk::ensure_directory(&self.root, 0o700, None, None)?;
        let path = self.root.join(file_name(name, hash));
        disk::replace(&path, key.expose_pem().as_bytes(), Access::PRIVATE)?;
        Ok(())
    }

    pub(in crate::store) fn key(
        &self,
        name: &CertName,
        hash: &KeyHash,
    ) -> Result<PrivateKey, StoreError> {
        let path = self.root.join(file_name(name, hash));
        let bytes = match disk::read(&path, LIMIT) {
            Err(error) if error.is_missing() => {
                return Err(StoreError::Missing(format!("the key made for {name}")));
            }
            found => Zeroizing::new(found.map_err(|error| unreadable(&path, error))?),
        };
        let text = std::str::from_utf8(&bytes).map_err(|error| StoreError::Schema {
            path,
            found: error.to_string(),
            expected: "PEM".to_owned(),
        })?;
        Ok(PrivateKey::from_pem(text.to_owned()))
    }

    /// Removes every key but these. Call it only under the lock.
    pub(in crate::store) fn sweep<'a>(
        &self,
        counting: impl Iterator<Item = (&'a CertName, &'a KeyHash)>,
    ) -> Result<(), StoreError> {
        let counting: BTreeSet<String> =
            counting.map(|(name, hash)| file_name(name, hash)).collect();
        disk::sweep(&self.root)?;
        for found in names(&self.root)? {
            if !counting.contains(&found) {
                disk::remove(&self.root.join(found))?;
            }
        }
        Ok(())
    }
}

/// Each key has a file of its own, so that no crash puts one key in another's place.
fn file_name(name: &CertName, hash: &KeyHash) -> String {
    format!("{name}-{}.pem", &hash.to_string()[..16])
}

/// The keys that are there; none where the directory is missing.
fn names(root: &Path) -> Result<Vec<String>, StoreError> {
    let failed = |source| StoreError::Read { path: root.to_owned(), source };
    let entries = match std::fs::read_dir(root) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name().into_string();
        names.extend(name.ok().filter(|name| name.ends_with(".pem")));
    }
    Ok(names)
}

/// Larger than any key.
const LIMIT: u64 = 1 << 16;
