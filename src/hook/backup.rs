//! The originals of edited files, below `STATE/hook/SERVER/`: each as it was, and `edits.json`
//! with what was made of it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::disk::{self, Access, DiskError};
use crate::hook::{Change, LIMIT, access, text};

/// One file that was edited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::hook) struct Edited {
    path: PathBuf,
    /// `None`: it did not exist.
    before: Option<String>,
    after: String,
    mode: u32,
    uid: Option<u32>,
    gid: Option<u32>,
}

impl Edited {
    /// Puts the original back.
    pub(in crate::hook) fn restore(&self) -> Result<(), DiskError> {
        let access = Access { mode: self.mode, uid: self.uid, gid: self.gid };
        match &self.before {
            Some(before) => disk::replace(&self.path, before.as_bytes(), access).map(|_| ()),
            None => disk::remove(&self.path).map(|_| ()),
        }
    }

    /// Whether nobody edited it since (or a killed run never came to it); else what was edited, as
    /// a diff.
    pub(in crate::hook) fn is_as_left(&self) -> Result<(), String> {
        let path = self.path.display();
        let now = match disk::read(&self.path, LIMIT) {
            Err(error) if error.is_missing() => None,
            read => Some(read.map_err(|error| error.to_string())?),
        };
        let now = now.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        if now == self.before || now.as_ref() == Some(&self.after) {
            return Ok(());
        }
        let now = now.unwrap_or_default();
        let since = text::unified("as it was left", &self.after, "now", &now);
        let ours = text::unified(
            "now",
            &self.after,
            "without our lines",
            self.before.as_deref().unwrap_or_default(),
        );
        Err(format!(
            "{path} was edited since:\n{}take our lines out by hand:\n{}",
            text::quoted(&since),
            text::quoted(&ours).trim_end()
        ))
    }
}

/// The backup of one server.
pub(in crate::hook) struct Backup {
    directory: PathBuf,
}

impl Backup {
    pub(in crate::hook) fn of(state: &Path, server: &str) -> Self {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let name: String = server.chars().map(|c| if plain(c) { c } else { '_' }).collect();
        Self { directory: state.join("hook").join(name) }
    }

    /// Keeps the originals, durably, before anything is edited. What an earlier run left half
    /// done keeps its older original.
    pub(in crate::hook) fn keep(&self, changes: &[Change]) -> Result<(), DiskError> {
        for directory in self.directory.ancestors().take(3).collect::<Vec<_>>().iter().rev() {
            disk::ensure_directory(directory, 0o700, None, None)?;
        }
        let mut kept = self.kept().unwrap_or_default();
        kept.retain(|edited| edited.is_as_left().is_ok());
        for (number, change) in changes.iter().enumerate() {
            let Access { mode, uid, gid } = access(&change.path)?;
            let Change { path, before, after } = change.clone();
            if let Some(older) = kept.iter_mut().find(|edited| edited.path == path) {
                older.after = after;
                continue;
            }
            if let (Some(before), Some(name)) = (&before, path.file_name()) {
                // For a person who has to mend things without us.
                let name = format!("{number}-{}", name.to_string_lossy());
                let path = self.directory.join(name);
                disk::replace(&path, before.as_bytes(), Access::PRIVATE)?;
            }
            kept.push(Edited { path, before, after, mode, uid, gid });
        }
        self.write(&kept)
    }

    /// Puts what an earlier run kept back in the place of what a failed one did.
    pub(in crate::hook) fn fall_back(&self, earlier: &[Edited]) -> Result<(), DiskError> {
        if earlier.is_empty() { self.forget() } else { self.write(earlier) }
    }

    fn write(&self, kept: &[Edited]) -> Result<(), DiskError> {
        let text = serde_json::to_vec_pretty(kept).expect("paths of text files are UTF-8");
        disk::replace(&self.edits(), &text, Access::PRIVATE).map(|_| ())
    }

    /// Removes the temporary files of killed runs, here and beside the files that were edited.
    pub(in crate::hook) fn sweep(&self) -> Result<(), DiskError> {
        let kept = self.kept().unwrap_or_default();
        let beside = kept.iter().filter_map(|edited| edited.path.parent());
        let own = [self.directory.as_path()].into_iter().chain(self.directory.parent());
        own.chain(beside).try_for_each(|directory| disk::sweep(directory).map(|_| ()))
    }

    /// What was kept.
    pub(in crate::hook) fn kept(&self) -> Result<Vec<Edited>, String> {
        let bytes = match disk::read(&self.edits(), 4 * LIMIT) {
            Err(error) if error.is_missing() => {
                return Err("nothing to undo: mailcert changed nothing here".to_owned());
            }
            read => read.map_err(|error| error.to_string())?,
        };
        serde_json::from_slice(&bytes)
            .map_err(|error| format!("{}: {error}", self.edits().display()))
    }

    pub(in crate::hook) fn forget(&self) -> Result<(), DiskError> {
        disk::remove_tree(&self.directory).map(|_| ())
    }

    fn edits(&self) -> PathBuf {
        self.directory.join("edits.json")
    }
}
