//! What lies at the paths of a server's layout.
//!
//! Every file is looked at by stat; its bytes are read only where the stat differs from what the
//! diary remembers, so that 10,000 untouched files cost 10,000 stats and no more.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use zeroize::Zeroizing;

use crate::model::Sha256;
use crate::plan::FileSeen;
use crate::servers::Server;
use crate::store::{FilePrint, Installed};

/// What lies in the directories of a server.
#[derive(Debug, Default)]
pub struct Lying {
    /// Every file. A path that is not here is absent. Links are not followed: one of ours that
    /// was replaced by a link is [`FileSeen::Other`].
    pub seen: BTreeMap<PathBuf, FileSeen>,
    /// The installed ones that do not look as they were left.
    pub touched: BTreeSet<PathBuf>,
}

/// Looks at every file of `server`'s layout, once.
#[must_use]
pub fn files_of(server: &Server, installed: &BTreeMap<PathBuf, Installed>) -> Lying {
    let mut lying = Lying::default();
    for directory in server.directories() {
        look_into(directory, installed, &|path| server.is_ours(path), &mut lying);
    }
    lying
}

/// Looks at the files in `directory` that are `ours`.
fn look_into(
    directory: &Path,
    installed: &BTreeMap<PathBuf, Installed>,
    ours: &dyn Fn(&Path) -> bool,
    lying: &mut Lying,
) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if !ours(&path) {
            continue;
        }
        // Does not follow links either, and spares the walk down the path.
        let Ok(metadata) = entry.metadata() else { continue };
        let known = installed.get(&path);
        if known.is_some_and(|known| known.print != file_print(&metadata)) {
            lying.touched.insert(path.clone());
        }
        let file = look(&path, &metadata, known);
        lying.seen.insert(path, file);
    }
}

/// What stat says of a file, as the diary remembers it.
#[must_use]
pub fn file_print(metadata: &Metadata) -> FilePrint {
    FilePrint {
        inode: metadata.ino(),
        size: metadata.size(),
        mtime_nanos: i128::from(metadata.mtime()) * 1_000_000_000
            + i128::from(metadata.mtime_nsec()),
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
    }
}

fn look(path: &Path, metadata: &Metadata, installed: Option<&Installed>) -> FileSeen {
    let kind = metadata.file_type();
    if !kind.is_file() {
        let word = match () {
            () if kind.is_symlink() => "a link",
            () if kind.is_dir() => "a directory",
            () => "no regular file",
        };
        return FileSeen::Other(word.to_owned());
    }
    let print = file_print(metadata);
    let FilePrint { mode, uid, gid, .. } = print;
    let identity = match installed {
        Some(known) if known.print == print => Some(known.identity),
        // A file of which only rights or owner changed still holds what it held.
        Some(known) if same_content(&known.print, &print) => Some(known.identity),
        _ => read(path),
    };
    FileSeen::Regular { identity, mode, uid, gid }
}

/// The kernel gives a file another mtime when its bytes change, and a replaced one another inode.
fn same_content(a: &FilePrint, b: &FilePrint) -> bool {
    (a.inode, a.size, a.mtime_nanos) == (b.inode, b.size, b.mtime_nanos)
}

/// The digest of the bytes; `None` for a built map, whose identity is not that of its bytes, for
/// what is larger than anything of ours, and for what cannot be read.
fn read(path: &Path) -> Option<Sha256> {
    let built = path.extension().is_some_and(|suffix| BUILT.iter().any(|word| suffix == *word));
    if built { None } else { bytes(path).map(|bytes| Sha256::of_content(&bytes)) }
}

/// The bytes of a regular file of ours; `None` for what is larger than anything of ours, and for
/// what cannot be read.
pub(super) fn bytes(path: &Path) -> Option<Zeroizing<Vec<u8>>> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let flags = i32::try_from(flags.bits()).ok()?;
    let file: File = OpenOptions::new().read(true).custom_flags(flags).open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(LARGEST + 1).read_to_end(&mut bytes).ok()?;
    (u64::try_from(bytes.len()).ok()? <= LARGEST).then_some(bytes)
}

/// Suffixes of built maps.
const BUILT: [&str; 3] = ["lmdb", "db", "cdb"];
/// Most bytes of a file that is read.
const LARGEST: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    use super::{FileSeen, Installed, Lying, Sha256, file_print, files_of, look_into};
    use crate::config::{FilePaths, FilePattern};
    use crate::servers::entries::samples::server;
    use crate::servers::{Files, Kind};

    fn files(directory: &Path, installed: &BTreeMap<std::path::PathBuf, Installed>) -> Lying {
        let mut lying = Lying::default();
        look_into(directory, installed, &|_| true, &mut lying);
        lying
    }

    fn write(path: &Path, bytes: &[u8]) {
        let mut options = fs::OpenOptions::new();
        options
            .create(true)
            .write(true)
            .truncate(true)
            .open(path)
            .unwrap()
            .write_all(bytes)
            .unwrap();
    }

    fn identity(seen: &FileSeen) -> Option<Sha256> {
        match seen {
            FileSeen::Regular { identity, .. } => *identity,
            FileSeen::Other(_) => None,
        }
    }

    #[test]
    fn bytes_are_read_only_where_the_print_differs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.pem");
        write(&path, b"one");
        let look =
            |installed: &BTreeMap<_, _>| identity(&files(folder.path(), installed).seen[&path]);
        assert_eq!(look(&BTreeMap::new()), Some(Sha256::of(b"one")));
        let remembered = Installed {
            server: "it".to_owned(),
            identity: Sha256::of(b"remembered"),
            print: file_print(&fs::metadata(&path).unwrap()),
        };
        let installed = BTreeMap::from([(path.clone(), remembered)]);
        assert_eq!(look(&installed), Some(Sha256::of(b"remembered")));
        let touched = || files(folder.path(), &installed).touched.len();
        assert_eq!(touched(), 0);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(look(&installed), Some(Sha256::of(b"remembered")), "a chmod changes no byte");
        assert_eq!(touched(), 1, "but it is noticed");
        write(&path, b"two!");
        assert_eq!(look(&installed), Some(Sha256::of(b"two!")));
    }

    #[test]
    fn links_directories_and_sockets_are_other_things() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        write(&at("real"), b"x");
        symlink(at("real"), at("link")).unwrap();
        fs::create_dir(at("sub")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        let seen = files(folder.path(), &BTreeMap::new()).seen;
        for (name, expected) in
            [("link", "a link"), ("sub", "a directory"), ("socket", "no regular file")]
        {
            assert_eq!(seen[&at(name)], FileSeen::Other(expected.to_owned()));
        }
        assert!(!seen.contains_key(&at("absent")));
    }

    #[test]
    fn a_built_map_and_a_huge_file_have_no_identity_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        write(&at("sni.lmdb"), b"x");
        write(&at("huge.pem"), &vec![0; (4 << 20) + 1]);
        let seen = files(folder.path(), &BTreeMap::new()).seen;
        assert_eq!(
            (identity(&seen[&at("sni.lmdb")]), identity(&seen[&at("huge.pem")])),
            (None, None)
        );
    }

    #[test]
    fn in_a_directory_of_others_only_our_paths_are_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["a.test.pem", "a.test.key", "ca.crt"] {
            write(&at(name), b"x");
        }
        symlink(at("ca.crt"), at("12345678.0")).unwrap();
        let combined = FilePattern::parse(at("{name}.pem").to_str().unwrap());
        let paths = FilePaths { combined, ..FilePaths::default() };
        let files = Files { paths, certificate: None, mode: 0o600, check: Vec::new() };
        let seen = files_of(&server(Kind::Files(Box::new(files)), "/d"), &BTreeMap::new()).seen;
        assert_eq!(seen.into_keys().collect::<Vec<_>>(), [at("a.test.pem")]);
    }

    #[test]
    fn an_absent_directory_is_no_trouble() {
        let folder = tempfile::tempdir().unwrap();
        let lying = files(&folder.path().join("absent"), &BTreeMap::new());
        assert!(lying.seen.is_empty() && lying.touched.is_empty());
    }
}
