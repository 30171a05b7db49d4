//! What is on disk: to see that nothing changed, and that nobody else can read keys.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::world::World;

/// Where mailcert writes.
const OURS: &[&str] = &["state", "postfix/etc", "exim/tls", "dovecot"];
/// What the servers and the diary write there for themselves.
const THEIRS: &[&str] = &["dovecot/run", "dovecot/state", "dovecot/mail", "dovecot/dovecot.log"];

/// One file or directory: mode, owner, group, inode, mtime to the nanosecond, bytes.
type Print = (u32, u32, u32, u64, i64, i64, Vec<u8>);

/// Everything mailcert may write, the diary and the lock left out.
pub(crate) fn snapshot(world: &World) -> BTreeMap<PathBuf, Print> {
    let mut all = BTreeMap::new();
    walk(world, |path, meta| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let state = path.starts_with(world.path("state"));
        if !state || !(name.starts_with("diary") || name == "lock" || name == "state") {
            // A directory's mtime tells of temporary files that came and went.
            let bytes = if meta.is_file() { fs::read(path).unwrap_or_default() } else { vec![] };
            let print = (meta.mode(), meta.uid(), meta.gid(), meta.ino());
            let (secs, nanos) = (meta.mtime(), meta.mtime_nsec());
            all.insert(path.to_owned(), (print.0, print.1, print.2, print.3, secs, nanos, bytes));
        }
    });
    all
}

/// The paths in which two snapshots differ.
pub(crate) fn differences(
    before: &BTreeMap<PathBuf, Print>,
    after: &BTreeMap<PathBuf, Print>,
) -> Vec<PathBuf> {
    let paths = before.keys().chain(after.keys());
    let mut all: Vec<_> = paths.filter(|path| before.get(*path) != after.get(*path)).collect();
    all.dedup();
    all.into_iter().cloned().collect()
}

/// Insists that keys, and the maps that hold keys, can be read by root and, for Exim, by its
/// group alone, and that there are some.
pub(crate) fn keys_are_private(world: &World) {
    let mut seen = 0;
    walk(world, |path, meta| {
        if !meta.is_file() {
            return;
        }
        let bytes = fs::read(path).unwrap_or_default();
        let map = path.extension().is_some_and(|kind| kind == "lmdb" || kind == "db");
        if !map && !String::from_utf8_lossy(&bytes).contains("PRIVATE KEY") {
            return;
        }
        seen += 1;
        let exim = path.starts_with(world.path("exim"));
        let allowed = if exim { 0o640 } else { 0o600 };
        let mode = meta.mode() & 0o7777;
        assert_eq!(mode & !allowed, 0, "{} has mode {mode:o}", path.display());
        assert_eq!(meta.uid(), 0, "{} belongs to {}", path.display(), meta.uid());
    });
    assert!(seen >= 10, "only {seen} keys and maps were found");
    let state = fs::metadata(world.path("state")).expect("there is a state directory");
    assert_eq!(state.mode() & 0o7777, 0o700, "the state directory");
}

/// Insists that no temporary file is left.
pub(crate) fn nothing_is_half_done(world: &World) {
    walk(world, |path, _| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        assert!(!name.contains(".mailcert-"), "{} was left", path.display());
    });
}

fn walk(world: &World, mut visit: impl FnMut(&Path, &fs::Metadata)) {
    let theirs: Vec<PathBuf> = THEIRS.iter().map(|path| world.path(path)).collect();
    let mut open: Vec<PathBuf> = OURS.iter().map(|path| world.path(path)).collect();
    while let Some(path) = open.pop() {
        let Ok(meta) = fs::symlink_metadata(&path) else { continue };
        if theirs.contains(&path) {
            continue;
        }
        visit(&path, &meta);
        if meta.is_dir() {
            open.extend(fs::read_dir(&path).into_iter().flatten().flatten().map(|e| e.path()));
        }
    }
}
