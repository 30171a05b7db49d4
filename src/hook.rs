//! The admin's own configuration: diff, consent, apply, backup, undo.

use std::path::PathBuf;

use crate::servers::Server;

/// What `setup` would change in one server's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The file.
    pub path: PathBuf,
    /// Its text now; `None` where it does not exist.
    pub before: Option<String>,
    /// Its text after.
    pub after: String,
}

/// Why hook-in lines were not applied; the configuration is as it was.
#[derive(Debug, thiserror::Error)]
#[error("{server}: {why}")]
pub struct HookError {
    /// The server.
    pub server: String,
    /// What was found, and the lines to put in by hand.
    pub why: String,
}

/// What would change, without changing it; empty when the server uses our files already.
///
/// # Errors
/// [`HookError`] when the configuration is not ours to edit (a link, a managed file): the lines
/// are in the message.
pub async fn changes(server: &Server) -> Result<Vec<Change>, HookError> {
    let _ = server;
    todo!()
}

/// Applies the lines through the server's own means, keeps a backup for `undo`, and proves that
/// the server reads them.
///
/// # Errors
/// [`HookError`]; the configuration is as it was then.
pub async fn apply(server: &Server, state: &std::path::Path) -> Result<(), HookError> {
    let _ = (server, state);
    todo!()
}

/// Restores what was there before [`apply`].
///
/// # Errors
/// [`HookError`] when there is no backup, or the configuration was edited since.
pub async fn undo(server: &Server, state: &std::path::Path) -> Result<(), HookError> {
    let _ = (server, state);
    todo!()
}
