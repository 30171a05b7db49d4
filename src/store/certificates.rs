//! `certificates/NAME/VERSION`: versions that appear and go whole, and the cache that spares
//! opening ten thousand of them.
//!
//! The cache is believed for as long as directory and files look as they did when it was written
//! (inode, size, mtime). It is only written under the lock.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::disk::{self, Access, Look};
use crate::model::{Bundle, CertName, Facts, PrivateKey, Sha256, Version};
use crate::store::log::{Log, unreadable};
use crate::store::{Kept, Recompute, StoreError};

/// Larger than any key or chain that a server takes.
const LIMIT: u64 = 1 << 20;
const KEY: &str = "key.pem";
const CHAIN: &str = "chain.pem";
const FACTS: &str = "facts.json";
/// Holds the highest number ever given, where that version was forgotten: the diary remembers
/// versions by number, so none is given twice.
const HIGHEST: &str = "highest";

/// The versions of all certificates below one directory.
pub(in crate::store) struct Certificates {
    root: PathBuf,
    cache: Log,
    facts: Recompute,
}

/// Inode, size and mtime in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp(u64, u64, i64);

/// One line of the cache: a certificate without damage. The last line of a name counts.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Cached {
    name: CertName,
    folder: Stamp,
    versions: Vec<CachedVersion>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct CachedVersion {
    version: Version,
    key: Stamp,
    chain: Stamp,
    facts: Facts,
}

impl Certificates {
    pub(in crate::store) fn new(root: PathBuf, cache: Log, facts: Recompute) -> Self {
        Self { root, cache, facts }
    }

    /// Everything held, by name. `locked`: the caller holds the lock, so leftovers may be swept
    /// and the cache be written.
    pub(in crate::store) fn all(&self, locked: bool) -> Result<Vec<Kept>, StoreError> {
        let mut cache = self.cached();
        let mut all = Vec::new();
        let mut fresh = Vec::new();
        for name in self.names()? {
            let known = cache.remove(&name).filter(|known| self.still(known));
            if let Some(known) = known {
                all.push(known.into());
                continue;
            }
            if locked {
                disk::sweep(&self.folder(&name))?;
            }
            let (kept, cached) = self.read(&name)?;
            fresh.extend(cached);
            all.push(kept);
        }
        if locked && !fresh.is_empty() {
            self.remember(&fresh);
        }
        all.retain(|kept| !kept.versions.is_empty() || !kept.damaged.is_empty());
        Ok(all)
    }

    pub(in crate::store) fn bundle(
        &self,
        name: &CertName,
        version: Version,
    ) -> Result<Bundle, StoreError> {
        let path = self.path(name, version);
        if disk::look(&path)?.is_none() {
            return Err(StoreError::missing(name, version));
        }
        let text = |file: &str| text(&path.join(file));
        let chain = text(CHAIN)?.to_string();
        Ok(Bundle { key: PrivateKey::from_pem(std::mem::take(&mut *text(KEY)?)), chain })
    }

    pub(in crate::store) fn keep(
        &self,
        name: &CertName,
        bundle: &Bundle,
        facts: &Facts,
    ) -> Result<Version, StoreError> {
        let refused = |why: String| StoreError::Refused { name: name.clone(), why };
        if (self.facts)(bundle).map_err(refused)? != *facts {
            return Err(refused("key and chain are not what their facts say".to_owned()));
        }
        let folder = self.folder(name);
        disk::ensure_directory(&self.root, 0o700, None, None)?;
        disk::ensure_directory(&folder, 0o700, None, None)?;
        disk::sweep(&folder)?;
        let version = self.next(name)?;
        let said = serde_json::to_vec(facts).expect("facts have string keys only");
        let files: [(&str, &[u8]); 3] = [
            (KEY, bundle.key.expose_pem().as_bytes()),
            (CHAIN, bundle.chain.as_bytes()),
            (FACTS, &said),
        ];
        disk::create_tree(&self.path(name, version), &files)?;
        let (_, cached) = self.read(name)?;
        self.remember(cached.as_slice());
        Ok(version)
    }

    pub(in crate::store) fn forget(
        &self,
        name: &CertName,
        version: Version,
    ) -> Result<(), StoreError> {
        let folder = self.folder(name);
        let path = self.path(name, version);
        if disk::look(&path)?.is_none() {
            return Err(StoreError::missing(name, version));
        }
        if self.highest(&folder)? == version {
            let text = format!("{version}\n");
            disk::replace(&folder.join(HIGHEST), text.as_bytes(), Access::PRIVATE)?;
        }
        disk::remove_tree(&path)?;
        let (_, cached) = self.read(name)?;
        self.remember(cached.as_slice());
        Ok(())
    }

    /// The version that the next one kept will be.
    pub(in crate::store) fn next(&self, name: &CertName) -> Result<Version, StoreError> {
        Ok(Version(self.highest(&self.folder(name))?.0 + 1))
    }

    /// Folds the cache where it has grown, and begins it anew where it cannot be read.
    pub(in crate::store) fn fold_cache(&self) -> Result<(), StoreError> {
        match self.cache.has_grown() {
            Ok(false) => Ok(()),
            Ok(true) => self.cache.fold(self.cached().into_values()),
            Err(_) => self.cache.fold(std::iter::empty::<Cached>()),
        }
    }

    /// What the cache says; a cache that cannot be read says nothing.
    fn cached(&self) -> BTreeMap<CertName, Cached> {
        let mut cached = BTreeMap::new();
        let read = self.cache.each(|line: Cached| drop(cached.insert(line.name.clone(), line)));
        if read.is_ok() { cached } else { BTreeMap::new() }
    }

    /// Without the cache the next look is slower, nothing else: a full disk is no reason to fail.
    fn remember(&self, lines: &[Cached]) {
        if let Err(error) = self.cache.append(lines) {
            tracing::debug!(%error, "the cache of certificates was not written");
        }
    }

    /// Whether the disk still looks as it did when the line was written.
    fn still(&self, known: &Cached) -> bool {
        let folder = self.folder(&known.name);
        stamp(&folder) == Some(known.folder)
            && known.versions.iter().all(|cached| {
                let path = folder.join(cached.version.to_string());
                stamp(&path.join(KEY)) == Some(cached.key)
                    && stamp(&path.join(CHAIN)) == Some(cached.chain)
            })
    }

    /// Reads one certificate; the second value is for the cache, `None` where there is damage or
    /// something moved meanwhile.
    fn read(&self, name: &CertName) -> Result<(Kept, Option<Cached>), StoreError> {
        let folder = self.folder(name);
        let before = stamp(&folder);
        let mut kept = Kept { name: name.clone(), versions: Vec::new(), damaged: Vec::new() };
        let mut cached = Vec::new();
        for version in versions(&folder)? {
            let path = self.path(name, version);
            let stamps = (stamp(&path.join(KEY)), stamp(&path.join(CHAIN)));
            match self.facts_of(name, version) {
                Ok(facts) => {
                    if let (Some(key), Some(chain)) = stamps {
                        let facts = facts.clone();
                        cached.push(CachedVersion { version, key, chain, facts });
                    }
                    kept.versions.push((version, facts));
                }
                // Forgotten by another run while we looked.
                Err(_) if disk::look(&path)?.is_none() => {}
                Err(why) => kept.damaged.push((version, why)),
            }
        }
        let whole = kept.damaged.is_empty() && cached.len() == kept.versions.len();
        let folder = before.filter(|found| whole && stamp(&folder) == Some(*found));
        let line = |folder| Cached { name: name.clone(), folder, versions: cached };
        Ok((kept, folder.map(line)))
    }

    /// The facts of one version: from their file if they are those of the key and chain beside
    /// it, else made again.
    fn facts_of(&self, name: &CertName, version: Version) -> Result<Facts, String> {
        let bundle = self.bundle(name, version).map_err(|error| error.to_string())?;
        let said = disk::read(&self.path(name, version).join(FACTS), LIMIT).ok();
        let said = said.and_then(|bytes| serde_json::from_slice::<Facts>(&bytes).ok());
        let combined = Sha256::of(&bundle.combined());
        match said.filter(|facts| facts.combined == combined) {
            Some(facts) => Ok(facts),
            None => (self.facts)(&bundle),
        }
    }

    /// The names that have a directory, sorted.
    fn names(&self) -> Result<Vec<CertName>, StoreError> {
        let name = |text: &OsStr| CertName::parse(text.to_str()?).ok();
        let mut names: Vec<_> = list(&self.root)?.iter().filter_map(|text| name(text)).collect();
        names.sort();
        Ok(names)
    }

    fn highest(&self, folder: &Path) -> Result<Version, StoreError> {
        let noted = disk::read(&folder.join(HIGHEST), 20).ok();
        let noted = noted.and_then(|bytes| String::from_utf8(bytes).ok()?.trim().parse().ok());
        let there = versions(folder)?.last().copied().unwrap_or_default();
        Ok(there.max(Version(noted.unwrap_or(0))))
    }

    fn folder(&self, name: &CertName) -> PathBuf {
        self.root.join(name.as_str())
    }

    fn path(&self, name: &CertName, version: Version) -> PathBuf {
        self.folder(name).join(version.to_string())
    }
}

impl From<Cached> for Kept {
    fn from(line: Cached) -> Self {
        let version = |cached: CachedVersion| (cached.version, cached.facts);
        let versions = line.versions.into_iter().map(version).collect();
        Self { name: line.name, versions, damaged: Vec::new() }
    }
}

/// The version numbers that have a directory, in order.
fn versions(folder: &Path) -> Result<Vec<Version>, StoreError> {
    let number = |text: &OsStr| {
        let number: u32 = text.to_str()?.parse().ok()?;
        // Not 01 nor +1: those are not ours.
        (OsStr::new(&number.to_string()) == text).then_some(Version(number))
    };
    let mut versions: Vec<_> = list(folder)?.iter().filter_map(|text| number(text)).collect();
    versions.sort();
    Ok(versions)
}

/// The names in a directory; none where it is missing.
fn list(path: &Path) -> Result<Vec<std::ffi::OsString>, StoreError> {
    let failed = |source| StoreError::Read { path: path.to_owned(), source };
    let entries = match std::fs::read_dir(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    entries.map(|entry| entry.map(|entry| entry.file_name()).map_err(failed)).collect()
}

fn text(path: &Path) -> Result<Zeroizing<String>, StoreError> {
    let bytes = disk::read(path, LIMIT).map_err(|error| unreadable(path, error))?;
    String::from_utf8(bytes).map(Zeroizing::new).map_err(|error| StoreError::Schema {
        path: path.to_owned(),
        found: error.utf8_error().to_string(),
        expected: "PEM".to_owned(),
    })
}

fn stamp(path: &Path) -> Option<Stamp> {
    let look: Look = disk::look(path).ok()??;
    Some(Stamp(look.inode, look.size, i64::try_from(look.mtime_nanos).ok()?))
}
