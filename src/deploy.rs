//! Turns named contents into bytes and installs them: the only place where key bytes meet a
//! server's file.

use std::path::PathBuf;

use crate::servers::{Server, Want};
use crate::store::Store;

/// Why a part was not installed; what was there is still there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeployError {
    /// A file could not be written.
    #[error(transparent)]
    Disk(#[from] crate::disk::DiskError),
    /// The store would not give the bytes.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    /// A program failed.
    #[error(transparent)]
    Command(#[from] crate::command::CommandError),
    /// A gate said no: the pair does not match, a name is not covered, the map does not read
    /// back as it should.
    #[error("{path}: {why}", path = path.display())]
    Gate {
        /// Which file was to be written.
        path: PathBuf,
        /// What was found and what was expected.
        why: String,
    },
}

/// Brings the wanted files on disk, in order; each is noted in the diary. The server's reload is
/// noted as owed before the first byte where `owes` says so.
///
/// # Errors
/// [`DeployError`] at the first file that could not be installed.
pub async fn install(
    server: &Server,
    wants: &[Want],
    owes: bool,
    store: &dyn Store,
    now: crate::model::Timestamp,
) -> Result<usize, DeployError> {
    let _ = (server, wants, owes, store, now);
    todo!()
}

/// Reads an installed pair.
///
/// # Errors
/// [`DeployError`] when a file cannot be read.
pub fn adopt(
    chain: &std::path::Path,
    key: Option<&std::path::Path>,
) -> Result<crate::model::Bundle, DeployError> {
    let _ = (chain, key);
    todo!()
}

/// Sets owner, group and mode of a file as they are wanted.
///
/// # Errors
/// [`DeployError::Disk`].
pub fn tighten(want: &Want) -> Result<(), DeployError> {
    let _ = want;
    todo!()
}

/// Runs the server's own check (`postfix check`, `exim -bV`, `doveconf -n`).
///
/// # Errors
/// [`DeployError::Command`] with what it said.
pub async fn check(server: &Server) -> Result<(), DeployError> {
    let _ = server;
    todo!()
}

/// Tells the server to read its files again and notes that the reload is no longer owed.
///
/// # Errors
/// [`DeployError`] when it did not work; it is still owed then.
pub async fn reload(
    server: &Server,
    store: &dyn Store,
    now: crate::model::Timestamp,
) -> Result<(), DeployError> {
    let _ = (server, store, now);
    todo!()
}
