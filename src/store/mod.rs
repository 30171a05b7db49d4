//! Bytes under names, one lock, one diary. It knows no mail server and asks no CA.

mod certificates;
mod diary;
mod files;
mod history;
mod keys;
mod log;
mod memory;
mod proof;
mod record;
#[cfg(test)]
mod tests;

pub use diary::{Diary, Entry};
pub use files::{Files, Recompute};
pub use memory::Memory;
pub use proof::Proof;
pub use record::{
    Declined, FilePrint, Hold, Installed, Put, PutBy, Remembered, Told, UnderWay, Wait,
};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::model::{Bundle, CertName, Deed, Facts, KeyHash, NextKey, PrivateKey, Version};

/// A certificate the store holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its name.
    pub name: CertName,
    /// Its versions, oldest first.
    pub versions: Vec<(Version, Facts)>,
    /// Versions that are there but cannot be used, and why.
    pub damaged: Vec<(Version, String)>,
}

/// The account at one CA.
pub struct Account {
    /// instant-acme's credentials as JSON, the key included. Wiped when it goes.
    pub credentials: zeroize::Zeroizing<String>,
}

/// Why the store did not do it; nothing is half done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A file could not be written.
    #[error(transparent)]
    Disk(#[from] crate::disk::DiskError),
    /// A file could not be read.
    #[error("{path}: {source}")]
    Read {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The state is not what this version writes; nothing was touched.
    #[error("{path}: {found}; expected {expected}")]
    Schema {
        /// Which file.
        path: std::path::PathBuf,
        /// What it says.
        found: String,
        /// What would be right.
        expected: String,
    },
    /// Another mailcert is at work.
    #[error("another mailcert is at work (pid {pid})")]
    Locked {
        /// Its process.
        pid: String,
    },
    /// The directory can be written by others.
    #[error("{path}: {found}; expected a directory only root can write (chmod 0700 {path})")]
    Unsafe {
        /// Which.
        path: std::path::PathBuf,
        /// What is wrong.
        found: String,
    },
    /// No such certificate or version.
    #[error("{0} is not in the store")]
    Missing(String),
    /// Key and chain that would be of no use.
    #[error("{name}: {why}")]
    Refused {
        /// Under which name they were to be kept.
        name: CertName,
        /// What is wrong with them.
        why: String,
    },
}

impl StoreError {
    fn missing(name: &CertName, version: Version) -> Self {
        Self::Missing(format!("{name}, version {version},"))
    }
}

/// Holds the lock until it goes; the kernel frees it when the process ends, however it ends.
///
/// The default one locks nothing, for stores that need no lock.
#[derive(Debug, Default)]
pub struct Lock {
    /// The locked file; `None` in the in-memory store.
    pub file: Option<std::fs::File>,
    held: Arc<AtomicBool>,
}

impl Lock {
    fn in_memory(held: Arc<AtomicBool>) -> Self {
        Self { file: None, held }
    }

    fn on(file: std::fs::File, held: Arc<AtomicBool>) -> Self {
        Self { file: Some(file), held }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.held.store(false, Ordering::SeqCst);
    }
}

/// Where bytes live: files, or memory.
pub trait Store: Send + Sync {
    /// Everything held, by name. Cheap: facts are remembered.
    ///
    /// # Errors
    /// [`StoreError`] when the state cannot be read.
    fn certificates(&self) -> Result<Vec<Kept>, StoreError>;

    /// The key and chain of one version.
    ///
    /// # Errors
    /// [`StoreError::Missing`] and read errors.
    fn bundle(&self, name: &CertName, version: Version) -> Result<Bundle, StoreError>;

    /// Keeps a new version; it exists whole or not at all. It ends the order under way of that
    /// name, if there is one.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be written.
    fn keep(&self, name: &CertName, bundle: &Bundle, facts: &Facts) -> Result<Version, StoreError>;

    /// Forgets one version.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be removed.
    fn forget(&self, name: &CertName, version: Version) -> Result<(), StoreError>;

    /// Writes down that an order is about to be finalized: first its key, then what the diary is
    /// to say of it; durably, before it returns. It takes the place of an earlier one.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be written.
    fn begin_order(
        &self,
        name: &CertName,
        order: &UnderWay,
        key: &PrivateKey,
    ) -> Result<(), StoreError>;

    /// The key of an order under way.
    ///
    /// # Errors
    /// [`StoreError::Missing`] and read errors.
    fn order_key(&self, name: &CertName, order: &UnderWay) -> Result<PrivateKey, StoreError>;

    /// Forgets the order under way of this certificate, and its key.
    ///
    /// # Errors
    /// [`StoreError`] when that could not be written.
    fn end_order(&self, name: &CertName) -> Result<(), StoreError>;

    /// Keeps the next key of a certificate, made ahead: first the key, then what the diary says of
    /// it; durably, before it returns. It takes the place of an earlier one.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be written.
    fn keep_next(
        &self,
        name: &CertName,
        next: &NextKey,
        key: &PrivateKey,
    ) -> Result<(), StoreError>;

    /// The next key of a certificate.
    ///
    /// # Errors
    /// [`StoreError::Missing`] and read errors.
    fn next_key(&self, name: &CertName, key: &KeyHash) -> Result<PrivateKey, StoreError>;

    /// Forgets the next key of a certificate, if that is `key`: a version has it now, or it was lost.
    ///
    /// # Errors
    /// [`StoreError`] when that could not be written.
    fn end_next(&self, name: &CertName, key: &KeyHash) -> Result<(), StoreError>;

    /// The account at the CA with this directory URL.
    ///
    /// # Errors
    /// [`StoreError`] when it is there and cannot be read.
    fn account(&self, directory: &str) -> Result<Option<Account>, StoreError>;

    /// Keeps the account at the CA with this directory URL.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be written.
    fn keep_account(&self, directory: &str, account: &Account) -> Result<(), StoreError>;

    /// Forgets the account at the CA with this directory URL, its key included; one that is not
    /// there is forgotten.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be removed.
    fn forget_account(&self, directory: &str) -> Result<(), StoreError>;

    /// Everything the diary says. Cheap: it is read again only after somebody else wrote.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read or is of another schema.
    fn diary(&self) -> Result<Arc<Diary>, StoreError>;

    /// Writes one more entry, durably, before it returns.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be written.
    fn note(&self, entry: &Entry) -> Result<(), StoreError>;

    /// Writes several entries, durably, before it returns.
    ///
    /// # Errors
    /// [`StoreError`] when they could not be written.
    fn note_all(&self, entries: &[Entry]) -> Result<(), StoreError> {
        entries.iter().try_for_each(|entry| self.note(entry))
    }

    /// Writes down what is worth telling later; a store that keeps no history forgets it.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be written.
    fn tell(&self, _deeds: &[Deed]) -> Result<(), StoreError> {
        Ok(())
    }

    /// What was worth telling, oldest first; of very many the latest.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn history(&self) -> Result<Vec<Deed>, StoreError> {
        Ok(Vec::new())
    }

    /// Takes the lock.
    ///
    /// # Errors
    /// [`StoreError::Locked`] with the holder's pid.
    fn lock(&self) -> Result<Lock, StoreError>;
}
