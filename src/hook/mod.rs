//! The admin's own configuration: diff, consent, apply, backup, undo.
//!
//! `servers::hook_in` knows the lines; here they are put where they belong, proved by asking the
//! server itself, and taken out again. A file that is a link or that another tool manages is
//! never edited: the lines are in the error then.

mod backup;
mod dovecot;
mod exim;
mod needs;
mod postfix;
mod text;

pub use needs::InUse;

use exim::Debian;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::command;
use crate::disk::{self, Access, DiskError};
use crate::hook::backup::{Backup, Edited};
use crate::model::{Deed, Timestamp};
use crate::servers::hook_in::{HookIn, Setting, hook_in, is_hooked, overridden};
use crate::servers::{Kind, Server};
use crate::store::{Entry, Store};

/// What is noted once lines were put in or taken out of a configuration without an unfinished
/// edit of the admin: what it says now, a reload may publish. It is not noted in one go with the
/// edit, so that a kill between them defers a reload and never publishes too much.
///
/// File times have a finer clock than [`Timestamp`]: the second that runs counts as ours.
#[must_use]
pub fn known(server: &Server, now: Timestamp) -> Entry {
    Entry::Known { server: server.id.to_string(), until: now.plus(Duration::from_secs(1)) }
}

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
    Hooking::of(server, &Debian::default()).changes().await
}

/// The changes as a unified diff, for a person to consent to.
#[must_use]
pub fn diff(changes: &[Change]) -> String {
    let one = |change: &Change| {
        let path = change.path.display().to_string();
        let old = if change.before.is_some() { path.as_str() } else { "/dev/null" };
        let before = change.before.as_deref().unwrap_or_default();
        text::unified(old, before, &path, &change.after)
    };
    changes.iter().map(one).collect()
}

/// What the admin should know before consenting: services of Postfix's master.cf whose own
/// settings lose against the new lines, or win over them. One sentence each.
///
/// # Errors
/// [`HookError`] when the server cannot be asked.
pub async fn beside(server: &Server) -> Result<Vec<String>, HookError> {
    match &server.kind {
        Kind::Postfix(postfix) if !server.files_only => {
            let asked = postfix::beside(postfix).await;
            asked.map_err(|why| HookError { server: server.id.to_string(), why })
        }
        _ => Ok(Vec::new()),
    }
}

/// The pair the server shows today, which `deploy::seed` puts where the lines will look for it;
/// `None` where nothing is missing there, or the server shows nothing that can be copied.
///
/// # Errors
/// [`HookError`] when the server cannot be asked.
pub async fn in_use(server: &Server) -> Result<Option<InUse>, HookError> {
    let debian = Debian::default();
    let hooking = Hooking::of(server, &debian);
    if needs::missing(server).map_err(|why| hooking.error(why))?.is_none() {
        return Ok(None);
    }
    Ok(needs::in_use(server, &hooking.settings().await?))
}

/// Applies the lines through the server's own means, keeps a backup for `undo` below `state`, and
/// proves that the server reads them. The reload that is owed then is noted before the first
/// byte. A server is not hooked to files that are missing: that would take its TLS down.
///
/// # Errors
/// [`HookError`]; the configuration is as it was then.
pub async fn apply(
    server: &Server,
    state: &Path,
    store: &dyn Store,
    now: Timestamp,
) -> Result<(), HookError> {
    Hooking::of(server, &Debian::default()).apply(state, store, now).await
}

/// Whether there is something to undo for this server.
#[must_use]
pub fn is_applied(server: &Server, state: &Path) -> bool {
    Backup::of(state, &server.id.0).kept().is_ok()
}

/// Removes the temporary files that killed runs left in the backup of this server and beside the
/// files that were edited. Call it under the lock.
///
/// # Errors
/// [`HookError`] when one cannot be removed.
pub fn sweep(server: &Server, state: &Path) -> Result<(), HookError> {
    let swept = Backup::of(state, &server.id.0).sweep();
    swept.map_err(|error| HookError { server: server.id.to_string(), why: error.to_string() })
}

/// Why a configuration is not ours to edit, and the lines to put in.
#[must_use]
pub fn by_hand(server: &Server, why: &str) -> HookError {
    Hooking::of(server, &Debian::default()).by_hand(why)
}

/// Restores what was there before [`apply`].
///
/// # Errors
/// [`HookError`] when there is no backup, or the configuration was edited since.
pub async fn undo(
    server: &Server,
    state: &Path,
    store: &dyn Store,
    now: Timestamp,
) -> Result<(), HookError> {
    Hooking::of(server, &Debian::default()).undo(state, store, now).await
}

/// A question to a server takes milliseconds.
const DEADLINE: Duration = Duration::from_secs(60);
/// Larger than any configuration file.
const LIMIT: u64 = 16 << 20;

/// One server and where Debian keeps Exim's configuration.
struct Hooking<'a> {
    server: &'a Server,
    debian: &'a Debian,
}

impl<'a> Hooking<'a> {
    fn of(server: &'a Server, debian: &'a Debian) -> Self {
        Self { server, debian }
    }

    async fn changes(&self) -> Result<Vec<Change>, HookError> {
        if self.server.files_only {
            return Err(self.by_hand("it runs elsewhere (files-only)"));
        }
        let settings = self.settings().await?;
        if is_hooked(self.server, &settings) {
            return Ok(Vec::new());
        }
        let changed = match (&self.server.kind, hook_in(self.server)) {
            (Kind::Postfix(postfix), HookIn::Postfix(lines)) => {
                let overridden = overridden(self.server, &settings);
                postfix::changes(postfix, &lines, &overridden, &settings).await
            }
            (Kind::Exim(exim), HookIn::Exim { options, macros }) => {
                let lines = exim::Lines { options, macros };
                exim::changes(exim, self.debian, &lines, &settings).await
            }
            (Kind::Dovecot(dovecot), HookIn::Dovecot(line)) => dovecot::changes(dovecot, &line),
            _ => Err("its hook-in lines are those of another server".to_owned()),
        };
        changed.map_err(|why| self.by_hand(&why))
    }

    async fn apply(
        &self,
        state: &Path,
        store: &dyn Store,
        now: Timestamp,
    ) -> Result<(), HookError> {
        let changes = self.changes().await?;
        if changes.is_empty() {
            return Ok(());
        }
        if let Some(path) = needs::missing(self.server).map_err(|why| self.error(why))? {
            return Err(self.error(format!(
                "{} is not there yet, and hooked in without it the server could show no \
                 certificate at all; run `mailcert fix --yes`, which brings certificates first",
                path.display()
            )));
        }
        let backup = Backup::of(state, &self.server.id.0);
        let earlier = backup.kept().unwrap_or_default();
        backup.keep(&changes).map_err(|error| self.failed(error))?;
        self.note(store, now, "hook-in lines applied")?;
        let mut applied = write_all(&changes).map_err(|error| error.to_string());
        if applied.is_ok() {
            applied = self.prove().await;
        }
        let Err(why) = applied else { return Ok(()) };
        // As it was a moment ago, which may be with lines of an earlier run; and the server's
        // derived files too. The backup goes only when that worked.
        let restored = put_back(&changes).map_err(|error| error.to_string());
        let derived = self.derive().await;
        let restored =
            restored.and_then(|()| backup.fall_back(&earlier).map_err(|error| error.to_string()));
        let then = match restored.and(derived) {
            Ok(()) => "the configuration is as it was".to_owned(),
            Err(error) => format!("and it could not be restored: {error}"),
        };
        Err(self.by_hand(&format!("{why}; {then}")))
    }

    async fn undo(&self, state: &Path, store: &dyn Store, now: Timestamp) -> Result<(), HookError> {
        let backup = Backup::of(state, &self.server.id.0);
        let kept = backup.kept().map_err(|why| self.error(why))?;
        for edited in &kept {
            edited.is_as_left().map_err(|why| self.error(why))?;
        }
        self.note(store, now, "hook-in lines taken back")?;
        kept.iter().try_for_each(Edited::restore).map_err(|error| self.failed(error))?;
        self.derive().await.map_err(|why| self.error(why))?;
        self.check().await.map_err(|why| self.error(why))?;
        backup.forget().map_err(|error| self.failed(error))
    }

    /// Asks the server itself: it must accept its configuration and name our files.
    async fn prove(&self) -> Result<(), String> {
        self.derive().await?;
        self.check().await?;
        let settings = self.settings().await.map_err(|error| error.why)?;
        if is_hooked(self.server, &settings) {
            return Ok(());
        }
        let said = ["tls_certificate", "smtpd_tls_chain_files", "ssl_cert"]
            .iter()
            .find_map(|name| settings.get(*name).map(|value| format!("{name} = {value}")));
        let said = said.unwrap_or_else(|| "nothing of our files".to_owned());
        Err(format!("the lines were put in, and the server still says: {said}"))
    }

    /// The server's own check of its configuration.
    async fn check(&self) -> Result<(), String> {
        match &self.server.kind {
            Kind::Postfix(postfix) => postfix::check(postfix).await,
            Kind::Exim(exim) => exim::check(exim).await,
            Kind::Dovecot(dovecot) => dovecot::settings(dovecot).await.map(|_| ()),
            Kind::Files(_) => Ok(()),
        }
    }

    /// Makes what the server derives from the edited files.
    async fn derive(&self) -> Result<(), String> {
        match &self.server.kind {
            Kind::Exim(exim) => exim::derive(exim, self.debian).await,
            _ => Ok(()),
        }
    }

    /// What the server says of itself, as [`is_hooked`] wants it.
    async fn settings(&self) -> Result<BTreeMap<String, String>, HookError> {
        let asked = match &self.server.kind {
            Kind::Postfix(postfix) => postfix::settings(postfix).await,
            Kind::Exim(exim) => exim::settings(exim).await,
            Kind::Dovecot(dovecot) => dovecot::settings(dovecot).await,
            Kind::Files(_) => Ok(BTreeMap::new()),
        };
        asked.map_err(|why| self.error(why))
    }

    fn note(&self, store: &dyn Store, at: Timestamp, what: &str) -> Result<(), HookError> {
        let server = self.server.id.to_string();
        let text = format!("{server}: {what}");
        let deed = Deed::asked_for(at, &[&server], text);
        store
            .note(&Entry::Reload { server, since: Some(at), at })
            .and_then(|()| store.tell(&[deed]))
            .map_err(|error| self.error(error.to_string()))
    }

    /// An error that ends with the lines to put in.
    fn by_hand(&self, why: &str) -> HookError {
        let shown = |lines: &[Setting]| -> String {
            lines.iter().map(|line| format!("\n    {} = {}", line.name, line.value)).collect()
        };
        let lines = match hook_in(self.server) {
            HookIn::Postfix(lines) => shown(&lines),
            HookIn::Dovecot(line) => format!("\n    {line}"),
            HookIn::Nothing => String::new(),
            HookIn::Exim { options, macros } => {
                let options: Vec<Setting> =
                    options.into_iter().filter(|line| !line.value.is_empty()).collect();
                let debian = shown(&macros);
                format!("{}\n  or, with Debian's macros:{debian}", shown(&options))
            }
        };
        let first = match needs::missing(self.server) {
            Ok(None) => "",
            _ => ", after `mailcert run` has brought the files they name",
        };
        self.error(format!("{why}; put in by hand{first}:{lines}"))
    }

    fn error(&self, why: String) -> HookError {
        HookError { server: self.server.id.to_string(), why }
    }

    fn failed(&self, error: DiskError) -> HookError {
        self.error(error.to_string())
    }
}

/// Writes every change, owner and mode kept; a new file is root's, 0644.
fn write_all(changes: &[Change]) -> Result<(), DiskError> {
    changes.iter().try_for_each(|change| {
        let access = access(&change.path)?;
        disk::replace(&change.path, change.after.as_bytes(), access).map(|_| ())
    })
}

/// Undoes [`write_all`].
fn put_back(changes: &[Change]) -> Result<(), DiskError> {
    changes.iter().try_for_each(|change| match &change.before {
        Some(before) => {
            let access = access(&change.path)?;
            disk::replace(&change.path, before.as_bytes(), access).map(|_| ())
        }
        None => disk::remove(&change.path).map(|_| ()),
    })
}

fn access(path: &Path) -> Result<Access, DiskError> {
    Ok(match disk::look(path)? {
        Some(found) => Access { mode: found.mode, uid: Some(found.uid), gid: Some(found.gid) },
        None => Access { mode: 0o644, uid: None, gid: None },
    })
}

/// The text of a file that is ours to edit, or in a sentence why it is not; `None` where there is
/// none.
fn editable(path: &Path) -> Result<Option<String>, String> {
    let bytes = match disk::read(path, LIMIT) {
        Err(error) if error.is_missing() => return Ok(None),
        read => read.map_err(|error| error.to_string())?,
    };
    let text = String::from_utf8(bytes).map_err(|_| format!("{} is not UTF-8", path.display()))?;
    match text::manager(&text) {
        Some(line) => Err(format!("{} is managed by another tool ({line})", path.display())),
        None => Ok(Some(text)),
    }
}

/// What a program prints, if it ends well.
async fn ask(argv: &[&str]) -> Result<String, String> {
    let argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
    let ran = command::run_ok(&argv, b"", DEADLINE).await.map_err(|error| error.to_string())?;
    Ok(ran.stdout)
}

#[cfg(test)]
mod tests;
