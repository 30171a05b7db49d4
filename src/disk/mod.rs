//! The one writer: a file is replaced whole or not at all.
//!
//! Everything goes through the descriptor of the directory, follows no link in the last two
//! components of a path, and is on the disk (fsync of file and directory) when it returns. What a
//! killed run leaves behind is a hidden `.NAME.mailcert-*`, which [`sweep`] takes away.

mod directory;
mod file;
mod tree;

pub use directory::{Ensured, ensure_directory, open_directory_to, sweep};
pub use file::{
    Look, Shape, append, holds, look, open, read, read_front, remove, replace, tighten,
};
pub use tree::{Aside, create_tree, remove_tree};

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

impl Access {
    /// Only the process's own user may read and write: keys, accounts, the diary.
    pub const PRIVATE: Self = Self { mode: 0o600, uid: None, gid: None };
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
#[error("{}: {what}: {source}{}", path.display(), hint(path, source))]
pub struct DiskError {
    /// Which file.
    pub path: PathBuf,
    /// What was tried: `create`, `write`, `fsync`, `rename`.
    pub what: &'static str,
    /// Why it failed.
    #[source]
    pub source: io::Error,
}

impl DiskError {
    fn new(path: &Path, what: &'static str, source: impl Into<io::Error>) -> Self {
        Self { path: path.to_owned(), what, source: source.into() }
    }

    /// Whether it failed because there is no such file or directory.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

/// What lets systemd's unit write elsewhere: nothing else makes a file system read-only so often.
fn hint(path: &Path, error: &io::Error) -> String {
    match (error.kind(), path.parent()) {
        (io::ErrorKind::ReadOnlyFilesystem, Some(directory)) => format!(
            "; if systemd ran this, `systemctl edit mailcert.service` has to say [Service] \
             ReadWritePaths={}",
            directory.display()
        ),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    fn root() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[expect(clippy::disallowed_methods, reason = "the world before the test")]
    fn put(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
    }

    fn names(path: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_file_is_created_then_the_same_then_swapped() {
        let root = root();
        let path = root.path().join("key.pem");
        let group = Access { mode: 0o640, uid: None, gid: Some(12) };
        for (bytes, access, expected) in [
            ("one", Access::PRIVATE, Replaced::Created),
            ("one", Access::PRIVATE, Replaced::Same),
            ("two", Access::PRIVATE, Replaced::Swapped),
            ("two", group, Replaced::Swapped),
            ("two", group, Replaced::Same),
        ] {
            let before = fs::metadata(&path).map(|found| found.ino()).ok();
            assert_eq!(replace(&path, bytes.as_bytes(), access).unwrap(), expected, "{bytes}");
            let after = fs::metadata(&path).unwrap();
            assert_eq!(before == Some(after.ino()), expected == Replaced::Same);
            assert_eq!(mode(&path), access.mode);
            assert_eq!(fs::read_to_string(&path).unwrap(), bytes);
        }
        assert_eq!(fs::metadata(&path).unwrap().gid(), 12);
        assert_eq!(names(root.path()), ["key.pem"]);
    }

    #[test]
    fn a_link_is_never_written_through() {
        let root = root();
        let at = |name: &str| root.path().join(name);
        put(&at("precious"), "mine");
        fs::create_dir(at("real")).unwrap();
        symlink(at("precious"), at("file")).unwrap();
        symlink("nowhere", at("dangling")).unwrap();
        symlink(at("real"), at("directory")).unwrap();
        for (path, said) in [
            ("file", "a link, expected a regular file"),
            ("dangling", "a link, expected a regular file"),
            ("real", "a directory, expected a regular file"),
            ("directory/new", "a link, expected a directory"),
            ("precious/new", "no directory"),
        ] {
            let error = replace(&at(path), b"theirs", Access::PRIVATE).unwrap_err().to_string();
            assert!(error.ends_with(said), "{path}: {error}");
            assert!(!matches!(append(&at(path), b"theirs\n"), Ok(())), "{path}");
            assert!(remove(&at(path)).is_err(), "{path}");
        }
        assert!(read(&at("file"), 100).unwrap_err().to_string().contains("a link"));
        assert_eq!(fs::read_to_string(at("precious")).unwrap(), "mine");
        assert_eq!(names(&at("real")), Vec::<String>::new());
    }

    #[test]
    fn a_long_name_fits_with_its_temporary_suffix() {
        let root = root();
        let path = root.path().join("n".repeat(255));
        assert_eq!(replace(&path, b"x", Access::PRIVATE).unwrap(), Replaced::Created);
    }

    #[test]
    fn reading_is_bounded() {
        let root = root();
        let path = root.path().join("file");
        put(&path, "12345");
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        assert!(read(&path, 4).unwrap_err().to_string().contains("at most 4"));
        assert!(read(&root.path().join("none"), 4).unwrap_err().is_missing());
    }

    #[test]
    fn an_append_drops_what_a_killed_one_left_half_written() {
        let root = root();
        let path = root.path().join("log");
        append(&path, b"one\n").unwrap();
        put(&path, &format!("one\n{}", "t".repeat(10_000)));
        append(&path, b"two\nthree\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\nthree\n");
        put(&path, "torn");
        append(&path, b"one\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\n");
        append(&root.path().join("new"), b"one\n").unwrap();
        assert_eq!(mode(&root.path().join("new")), 0o600);
    }

    #[test]
    fn only_our_leftovers_are_swept() {
        let root = root();
        let at = |name: &str| root.path().join(name);
        let tail = "mailcert-0123456789abcdef";
        let stay = [
            "key.pem".to_owned(),
            ".key.pem.mailcert-short".to_owned(),
            format!("key.{tail}"),
            format!(".{tail}"),
        ];
        stay.iter().for_each(|name| put(&at(name), "x"));
        put(&at(&format!(".gone.{tail}")), "x");
        fs::create_dir(at(&format!(".tree.{tail}"))).unwrap();
        put(&at(&format!(".tree.{tail}/key.pem")), "x");
        symlink("key.pem", at(&format!(".link.{tail}"))).unwrap();
        put(&at(&format!(".theirs.{tail}")), "x");
        std::os::unix::fs::chown(at(&format!(".theirs.{tail}")), Some(12), None).unwrap();

        assert_eq!(sweep(root.path()).unwrap(), 2);

        let mut expected = stay.to_vec();
        expected.extend([format!(".link.{tail}"), format!(".theirs.{tail}")]);
        expected.sort();
        assert_eq!(names(root.path()), expected);
    }

    #[test]
    fn a_directory_is_made_with_its_parents_and_an_existing_one_is_left_alone() {
        let root = root();
        let path = root.path().join("a/b/c");
        assert_eq!(ensure_directory(&path, 0o750, None, Some(12)).unwrap(), Ensured::Created);
        assert_eq!((mode(&path), fs::metadata(&path).unwrap().gid()), (0o750, 12));
        assert_eq!(mode(&root.path().join("a/b")), 0o755);
        assert_eq!(ensure_directory(&path, 0o700, None, None).unwrap(), Ensured::There);
        assert_eq!(mode(&path), 0o750);
        symlink(&path, root.path().join("link")).unwrap();
        assert!(ensure_directory(&root.path().join("link"), 0o700, None, None).is_err());
        assert!(ensure_directory(&root.path().join("link/below"), 0o700, None, None).is_ok());
    }

    #[test]
    fn a_tree_appears_and_disappears_whole() {
        let root = root();
        let path = root.path().join("1");
        let files: [(&str, &[u8]); 2] = [("key.pem", b"k"), ("chain.pem", b"c")];
        create_tree(&path, &files).unwrap();
        assert_eq!(names(&path), ["chain.pem", "key.pem"]);
        assert_eq!((mode(&path), mode(&path.join("key.pem"))), (0o700, 0o600));
        assert!(create_tree(&path, &files).is_err(), "it is there already");
        let empty = root.path().join("empty");
        fs::create_dir(&empty).unwrap();
        assert!(create_tree(&empty, &files).is_err(), "even an empty one");
        fs::remove_dir(&empty).unwrap();
        assert_eq!(names(root.path()), ["1"]);
        assert!(remove_tree(&path).unwrap());
        assert!(!remove_tree(&path).unwrap());
        assert_eq!(names(root.path()), Vec::<String>::new());
    }

    /// The child runs with a limit of 8 blocks on every file it writes, and SIGXFSZ ignored, so
    /// that a write fails in the middle as it does on a full disk.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "a limit needs a process of its own")]
    fn a_full_disk_leaves_the_old_file_and_no_temporary_one() {
        if let Some(root) = std::env::var_os("MAILCERT_TEST_FULL_DISK") {
            return on_a_full_disk(Path::new(&root));
        }
        let root = root();
        let status = std::process::Command::new("sh")
            .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" --exact --nocapture \"$1\""])
            .arg(std::env::current_exe().unwrap())
            .arg("disk::tests::a_full_disk_leaves_the_old_file_and_no_temporary_one")
            .env("MAILCERT_TEST_FULL_DISK", root.path())
            // A log that the tests are written to has grown past the limit already.
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
        assert_eq!(fs::read_to_string(root.path().join("file")).unwrap(), "old");
        assert_eq!(fs::read_to_string(root.path().join("log")).unwrap(), "old\n");
        assert_eq!(names(root.path()), ["file", "log"]);
    }

    fn on_a_full_disk(root: &Path) {
        let large = vec![b'x'; 100_000];
        replace(&root.join("file"), b"old", Access::PRIVATE).unwrap();
        append(&root.join("log"), b"old\n").unwrap();
        assert_eq!(replace(&root.join("file"), &large, Access::PRIVATE).unwrap_err().what, "write");
        assert_eq!(append(&root.join("log"), &large).unwrap_err().what, "write");
        assert!(create_tree(&root.join("1"), &[("key.pem", &large)]).is_err());
    }
}
