//! Turns named contents into bytes and installs them: the only place where key bytes meet a
//! server's file.
//!
//! Mail servers accept broken certificates without a word, so everything is proved here before
//! the first byte is written: the pair matches, and the bytes are those that were planned.

mod adopt;
mod map;
mod seed;
mod tell;

pub use adopt::adopt;
pub use seed::seed;
pub use tell::{check, reload};

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::disk::{self, Access, Ensured, Look, Replaced, Shape};
use crate::model::{Bundle, CertName, Sha256, Timestamp, Version};
use crate::servers::{self, Content, Kind, Part, Server, Want};
use crate::store::{Entry, FilePrint, Installed, Store};
use crate::verify::judge;

/// Why a part was not installed; what was there is still there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeployError {
    /// A file could not be written.
    #[error(transparent)]
    Disk(#[from] disk::DiskError),
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

impl DeployError {
    fn gate(path: &Path, why: impl Into<String>) -> Self {
        Self::Gate { path: path.to_owned(), why: why.into() }
    }
}

/// Brings the wanted files on disk, in order; each is noted in the diary. The server's reload is
/// noted as owed before the first byte where `owes` says so and something changes. Returns how
/// many files changed.
///
/// # Errors
/// [`DeployError`] at the first file that could not be installed. The gates are asked for all
/// files before the first is written.
pub async fn install(
    server: &Server,
    wants: &[Want],
    owes: bool,
    store: &dyn Store,
    now: Timestamp,
) -> Result<usize, DeployError> {
    let contents = contents(wants, store)?;
    ready_directories(server, wants)?;
    let mut work = Work { server, store, now, owes, noted: Vec::new(), changed: 0 };
    let mut done = Ok(());
    for (want, bytes) in wants.iter().zip(&contents) {
        done = work.one(want, bytes).await;
        if done.is_err() {
            break;
        }
    }
    // What is on disk is noted even where the next file failed.
    store.note_all(&work.noted)?;
    done.map(|()| work.changed)
}

/// Takes rights away from a file of ours that others can read or write; its bytes stay, and the
/// diary learns how it looks now.
///
/// # Errors
/// [`DeployError::Disk`] when it is no regular file or its rights cannot be set.
pub fn tighten(
    server: &Server,
    path: &Path,
    access: Access,
    store: &dyn Store,
) -> Result<(), DeployError> {
    let before = print(path)?;
    disk::tighten(path, access)?;
    let identity = if is_map(server, path) {
        // Only the diary knows what a built map holds, and only if nobody touched it since.
        let noted = store.diary()?.installed.get(path).cloned();
        noted.filter(|noted| Some(&noted.print) == before.as_ref()).map(|noted| noted.identity)
    } else {
        Some(Sha256::of_content(&Zeroizing::new(disk::read(path, FILE_LIMIT)?)))
    };
    if let (Some(identity), Some(print)) = (identity, print(path)?) {
        let file = Some(Installed { server: server.id.to_string(), identity, print });
        store.note(&Entry::Installed { path: path.to_owned(), file })?;
    }
    Ok(())
}

/// Takes a file away that mailcert installed, if nobody changed it since, and forgets it.
///
/// # Errors
/// [`DeployError`] when it is not as it was left, or cannot be removed.
pub fn remove(path: &Path, store: &dyn Store) -> Result<(), DeployError> {
    let noted = store.diary()?.installed.get(path).cloned();
    if print(path)?.is_some() {
        let bytes = Zeroizing::new(disk::read(path, FILE_LIMIT)?);
        if noted.is_none_or(|noted| noted.identity != Sha256::of_content(&bytes)) {
            return Err(DeployError::gate(path, "not what mailcert installed there: it stays"));
        }
        disk::remove(path)?;
    }
    store.note(&Entry::Installed { path: path.to_owned(), file: None })?;
    Ok(())
}

/// Lets the server's group list the server's directory; who owns it and what others may do there
/// stays.
///
/// # Errors
/// [`DeployError`] when others can write there, or its rights cannot be set.
pub fn open(server: &Server) -> Result<(), DeployError> {
    let path = &server.directory;
    let found = disk::look(path)?.ok_or_else(|| DeployError::gate(path, "no directory"))?;
    let mode = found.mode & 0o7707 | 0o050;
    disk::open_directory_to(path, Access { mode, uid: None, gid: Some(server.gid) })?;
    safe_directory(server, path)
}

/// Larger than any file of a layout that is not a built map.
const FILE_LIMIT: u64 = 64 << 20;

fn is_map(server: &Server, path: &Path) -> bool {
    let Kind::Postfix(postfix) = &server.kind else { return false };
    let suffix = servers::map_suffix(&postfix.map_type);
    suffix.is_some_and(|suffix| path.extension() == Some(OsStr::new(suffix)))
}

/// Removes what killed runs left in the server's directories. Call it under the lock.
///
/// # Errors
/// [`DeployError::Disk`] when a leftover cannot be removed.
pub fn sweep(server: &Server) -> Result<usize, DeployError> {
    let mut swept = 0;
    for directory in server.directories() {
        swept += disk::sweep(directory)?;
    }
    Ok(swept)
}

/// What an installation has done so far.
struct Work<'a> {
    server: &'a Server,
    store: &'a dyn Store,
    now: Timestamp,
    /// A reload is to be noted before the first byte, and has not been yet.
    owes: bool,
    noted: Vec<Entry>,
    changed: usize,
}

impl Work<'_> {
    async fn one(&mut self, want: &Want, bytes: &Bytes) -> Result<(), DeployError> {
        let access = Access { mode: want.mode, uid: Some(want.uid), gid: Some(want.gid) };
        match bytes {
            Bytes::Plain(bytes) => {
                if !disk::holds(&want.path, bytes, access)? {
                    self.owe()?;
                }
                if disk::replace(&want.path, bytes, access)? != Replaced::Same {
                    self.changed += 1;
                }
            }
            Bytes::Built if self.is_built(want)? => {}
            Bytes::Built => {
                self.owe()?;
                map::build(self.server, want, access).await?;
                self.changed += 1;
            }
        }
        let print = print(&want.path)?
            .ok_or_else(|| DeployError::gate(&want.path, "gone right after it was written"))?;
        let server = self.server.id.to_string();
        let file = Some(Installed { server, identity: want.identity, print });
        self.noted.push(Entry::Installed { path: want.path.clone(), file });
        Ok(())
    }

    /// Whether the map in place is the one that is wanted: nobody touched it since it was built.
    fn is_built(&self, want: &Want) -> Result<bool, DeployError> {
        let noted = self.store.diary()?.installed.get(&want.path).cloned();
        let Some(noted) = noted.filter(|noted| noted.identity == want.identity) else {
            return Ok(false);
        };
        let access = (noted.print.mode, noted.print.uid, noted.print.gid);
        Ok(access == (want.mode, want.uid, want.gid) && print(&want.path)? == Some(noted.print))
    }

    fn owe(&mut self) -> Result<(), DeployError> {
        if std::mem::take(&mut self.owes) {
            let (server, at) = (self.server.id.to_string(), self.now);
            self.store.note(&Entry::Reload { server, since: Some(at), at })?;
        }
        Ok(())
    }
}

/// The bytes of a file, or the knowledge that a program makes them.
enum Bytes {
    Plain(Zeroizing<Vec<u8>>),
    Built,
}

/// The bytes of every file, proved: pairs match, and everything is what was planned.
fn contents(wants: &[Want], store: &dyn Store) -> Result<Vec<Bytes>, DeployError> {
    let mut loaded = Bundles { store, known: BTreeMap::new() };
    let mut contents = Vec::with_capacity(wants.len());
    for want in wants {
        let bytes = match &want.content {
            Content::Combined(name, version) => loaded.of(want, name, *version)?.combined(),
            Content::Key(name, version) => {
                one_file(loaded.of(want, name, *version)?.key.expose_pem())
            }
            Content::Chain(name, version) => one_file(&loaded.of(want, name, *version)?.chain),
            Content::Two(both) => {
                let mut bytes = Zeroizing::new(Vec::new());
                for (name, version) in both {
                    bytes.extend_from_slice(&loaded.of(want, name, *version)?.combined());
                }
                bytes
            }
            Content::Text(_) | Content::SniMap { .. } => {
                contents.push(without_keys(want)?);
                continue;
            }
        };
        if Sha256::of_content(&bytes) != want.identity {
            let why = format!("what the store holds of {} is not what was planned", want.part);
            return Err(DeployError::gate(&want.path, why));
        }
        contents.push(Bytes::Plain(bytes));
    }
    Ok(contents)
}

/// The bundles of the store that were asked for, each loaded and proved once.
struct Bundles<'a> {
    store: &'a dyn Store,
    known: BTreeMap<(CertName, Version), Bundle>,
}

impl Bundles<'_> {
    fn of(
        &mut self,
        want: &Want,
        name: &CertName,
        version: Version,
    ) -> Result<&Bundle, DeployError> {
        Ok(match self.known.entry((name.clone(), version)) {
            Slot::Occupied(loaded) => loaded.into_mut(),
            Slot::Vacant(slot) => slot.insert(matching(want, self.store.bundle(name, version)?)?),
        })
    }
}

/// The bundle, if key and leaf belong together.
fn matching(want: &Want, bundle: Bundle) -> Result<Bundle, DeployError> {
    judge::pair_matches(bundle.key.expose_pem(), &bundle.chain)
        .map_err(|error| DeployError::gate(&want.path, error.to_string()))?;
    Ok(bundle)
}

fn without_keys(want: &Want) -> Result<Bytes, DeployError> {
    match &want.content {
        Content::Text(text) if Sha256::of(text.as_bytes()) == want.identity => {
            Ok(Bytes::Plain(Zeroizing::new(text.clone().into_bytes())))
        }
        Content::Text(_) => Err(DeployError::gate(&want.path, "the text is not what was planned")),
        _ => Ok(Bytes::Built),
    }
}

/// A PEM text with one newline at its end.
fn one_file(text: &str) -> Zeroizing<Vec<u8>> {
    let text = text.trim_end();
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() + 1));
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(b'\n');
    bytes
}

/// The directories of the files, with leftovers swept where the index or the default is written
/// (once in a run, so that ten thousand certificates do not list their directory as often).
fn ready_directories(server: &Server, wants: &[Want]) -> Result<(), DeployError> {
    let mut parents: Vec<&Path> = wants.iter().filter_map(|want| want.path.parent()).collect();
    parents.sort_unstable();
    parents.dedup();
    let sweeps = wants.iter().any(|want| matches!(want.part, Part::Index | Part::Default));
    for path in parents {
        ready_directory(server, path)?;
        if sweeps {
            disk::sweep(path)?;
        }
    }
    Ok(())
}

fn ready_directory(server: &Server, path: &Path) -> Result<(), DeployError> {
    let mode = servers::directory_mode(server);
    match disk::ensure_directory(path, mode, Some(server.uid), Some(server.gid))? {
        Ensured::There => safe_directory(server, path),
        Ensured::Created => Ok(()),
    }
}

/// A directory that was there is the admin's: it is used as it is, or not at all.
fn safe_directory(server: &Server, path: &Path) -> Result<(), DeployError> {
    let Some(found) = disk::look(path)?.filter(|found| found.shape == Shape::Directory) else {
        return Err(DeployError::gate(path, "no directory"));
    };
    let own = rustix::process::geteuid().as_raw();
    let shared = found.mode & 0o002 != 0
        || (found.mode & 0o020 != 0 && found.gid != 0 && found.gid != server.gid);
    if shared || ![0, own, server.uid].contains(&found.uid) {
        let why = format!(
            "mode {:04o}, owner {}; expected a directory that nobody else can write \
             (chmod go-w {})",
            found.mode,
            found.uid,
            path.display()
        );
        return Err(DeployError::gate(path, why));
    }
    let is_exim = matches!(server.kind, Kind::Exim(_)) && !server.files_only;
    if is_exim && !listable(&found, server.gid) {
        let why = format!(
            "mode {:04o}, group {}; Exim (group {gid}) must be able to list it \
             (chgrp {gid} {path}; chmod 0750 {path})",
            found.mode,
            found.gid,
            gid = server.gid,
            path = path.display()
        );
        return Err(DeployError::gate(path, why));
    }
    Ok(())
}

fn listable(found: &Look, gid: u32) -> bool {
    let bits = if found.gid == gid { found.mode >> 3 } else { found.mode };
    bits & 0o5 == 0o5
}

fn print(path: &Path) -> Result<Option<FilePrint>, DeployError> {
    Ok(disk::look(path)?.map(FilePrint::from))
}

#[cfg(test)]
mod tests;
