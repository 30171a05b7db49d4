//! The one writer: a file is replaced whole or not at all.

use std::io;
use std::path::{Path, PathBuf};

/// Owner and mode of a file to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Access {
    /// Permission bits.
    pub mode: u32,
    /// The owner; `None` leaves it to the process.
    pub uid: Option<u32>,
    /// The group; `None` leaves it to the process.
    pub gid: Option<u32>,
}

/// What [`replace`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// There was no such file.
    Created,
    /// It held these bytes with this access already; nothing was written.
    Same,
    /// Other bytes, or another access, went.
    Swapped,
}

/// A write that did not happen; what was there is still there.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}: {source}", path.display())]
pub struct DiskError {
    /// Which file.
    pub path: PathBuf,
    /// What was tried: `create`, `write`, `fsync`, `rename`.
    pub what: &'static str,
    /// Why it failed.
    #[source]
    pub source: io::Error,
}

/// Replaces the content of `path`, whole or not at all: temporary file in the same directory
/// (name `.NAME.mailcert-*`), access set before the first byte, fsync, rename, fsync of the
/// directory. No link is followed.
///
/// # Errors
/// [`DiskError`] says which step failed; the old file is untouched then.
pub fn replace(path: &Path, bytes: &[u8], access: Access) -> Result<Replaced, DiskError> {
    let _ = (path, bytes, access);
    todo!()
}
