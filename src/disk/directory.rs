//! A directory held by its descriptor: the place from which every file is reached by name.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Uid};

use crate::disk::{Access, DiskError, Look, Shape};

/// What [`ensure_directory`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ensured {
    /// It was not there and was made.
    Created,
    /// It was there; nothing was changed.
    There,
}

/// Makes `path` a directory of this mode, owner and group if it is not there; missing parents are
/// made with mode 0755. One that is there stays as it is: it may be the admin's.
///
/// # Errors
/// [`DiskError`] when it cannot be made, or something else (a link too) has its name.
pub fn ensure_directory(
    path: &Path,
    mode: u32,
    uid: Option<u32>,
    gid: Option<u32>,
) -> Result<Ensured, DiskError> {
    match Directory::open(path) {
        Ok(_) => return Ok(Ensured::There),
        Err(error) if error.is_missing() => {}
        Err(error) => return Err(error),
    }
    if let Some(above) = path.parent().filter(|above| !above.as_os_str().is_empty()) {
        // A parent may be a link (/var/lib on another disk): only a missing one is made.
        if std::fs::metadata(above).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            ensure_directory(above, 0o755, None, None)?;
        }
    }
    let (parent, name) = Directory::of_through_links(path)?;
    // Closed to everybody until it has its owner.
    rustix::fs::mkdirat(&parent.fd, name, Mode::RWXU)
        .map_err(|error| DiskError::new(path, "create directory", error))?;
    let made = Directory::open(path)?;
    made.set_access(Access { mode, uid, gid })?;
    parent.sync()?;
    Ok(Ensured::Created)
}

/// Gives a directory that is there this mode and group, by descriptor.
///
/// # Errors
/// [`DiskError`] when it is none, a link for example, or its rights cannot be set.
pub fn open_directory_to(path: &Path, access: Access) -> Result<(), DiskError> {
    let directory = Directory::open(path)?;
    directory.set_access(access)?;
    directory.sync()
}

/// Removes what a killed run left in `path`: our own hidden temporary files and, with the files
/// in them, our temporary directories. Call it only under the lock. Returns how many went.
///
/// # Errors
/// [`DiskError`] when the directory cannot be listed or a leftover cannot be removed.
pub fn sweep(path: &Path) -> Result<usize, DiskError> {
    let directory = match Directory::open(path) {
        Err(error) if error.is_missing() => return Ok(0),
        opened => opened?,
    };
    let own = rustix::process::geteuid().as_raw();
    let mut swept = 0;
    for name in directory.names()? {
        // By its name first: ten thousand certificates are not looked at for the sake of one.
        if !is_named_as_ours(&name) {
            continue;
        }
        let Some(look) = directory.look(&name)?.filter(|look| is_temporary(look, own)) else {
            continue;
        };
        match look.shape {
            Shape::Directory => directory.remove_flat(&name)?,
            _ => directory.unlink(&name, AtFlags::empty())?,
        }
        swept += 1;
    }
    if swept > 0 {
        directory.sync()?;
    }
    Ok(swept)
}

/// Hidden, with our suffix.
fn is_named_as_ours(name: &OsStr) -> bool {
    let Some(name) = name.to_str().filter(|name| name.starts_with('.')) else { return false };
    name.rsplit_once(MARK).is_some_and(|(front, tail)| {
        front.len() > 1 && tail.len() == 16 && tail.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

/// Only what we could have made: our user, a plain file or directory.
fn is_temporary(look: &Look, own: u32) -> bool {
    look.uid == own && matches!(look.shape, Shape::Regular | Shape::Directory)
}

/// An open directory.
pub(in crate::disk) struct Directory {
    pub(in crate::disk) fd: OwnedFd,
    path: PathBuf,
}

impl Directory {
    /// Opens the directory; a link in its last component is refused.
    pub(in crate::disk) fn open(path: &Path) -> Result<Self, DiskError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(fd) => Ok(Self { fd, path: path.to_owned() }),
            Err(error) => Err(Self::not_opened(path, error)),
        }
    }

    /// ENOTDIR and ELOOP tell an admin nothing; say what is there instead.
    fn not_opened(path: &Path, error: rustix::io::Errno) -> DiskError {
        let what = "open directory";
        match std::fs::symlink_metadata(path) {
            Ok(found) if found.is_symlink() => {
                DiskError::new(path, what, io::Error::other("a link, expected a directory"))
            }
            Ok(found) if !found.is_dir() => {
                DiskError::new(path, what, io::Error::other("no directory"))
            }
            _ => DiskError::new(path, what, error),
        }
    }

    /// The directory `path` lies in, and its name there.
    pub(in crate::disk) fn of(path: &Path) -> Result<(Self, &OsStr), DiskError> {
        let (parent, name) = split(path)?;
        Ok((Self::open(parent)?, name))
    }

    fn of_through_links(path: &Path) -> Result<(Self, &OsStr), DiskError> {
        let (parent, name) = split(path)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::open(parent, flags, Mode::empty()) {
            Ok(fd) => Ok((Self { fd, path: parent.to_owned() }, name)),
            Err(error) => Err(Self::not_opened(parent, error)),
        }
    }

    /// The path of `name` in it, for errors.
    pub(in crate::disk) fn at(&self, name: &OsStr) -> PathBuf {
        self.path.join(name)
    }

    /// What lies at `name`, links not followed; `None` if nothing does.
    pub(in crate::disk) fn look(&self, name: &OsStr) -> Result<Option<Look>, DiskError> {
        match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(Look::of(&stat))),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => Err(DiskError::new(&self.at(name), "look", error)),
        }
    }

    /// The names of everything in it, in the order of the disk.
    pub(in crate::disk) fn names(&self) -> Result<Vec<OsString>, DiskError> {
        let failed = |error| DiskError::new(&self.path, "list", error);
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.fd).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name));
            }
        }
        Ok(names)
    }

    /// A new empty file 0600 under a temporary name for `name`.
    pub(in crate::disk) fn temporary(&self, name: &OsStr) -> Result<(File, OsString), DiskError> {
        loop {
            let aside = temporary_name(name);
            match self.create(&aside) {
                Err(error) if error.source.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(DiskError::new(&self.at(name), "create", error.source)),
                Ok(file) => return Ok((file, aside)),
            }
        }
    }

    /// A new empty file 0600.
    pub(in crate::disk) fn create(&self, name: &OsStr) -> Result<File, DiskError> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&self.fd, name, flags, Mode::RUSR | Mode::WUSR)
            .map(File::from)
            .map_err(|error| DiskError::new(&self.at(name), "create", error))
    }

    /// A new empty directory 0700 under a temporary name for `name`.
    pub(in crate::disk) fn temporary_directory(&self, name: &OsStr) -> Result<Self, DiskError> {
        loop {
            let aside = temporary_name(name);
            match rustix::fs::mkdirat(&self.fd, &aside, Mode::RWXU) {
                Err(rustix::io::Errno::EXIST) => {}
                Err(error) => {
                    return Err(DiskError::new(&self.at(name), "create directory", error));
                }
                Ok(()) => return self.below(&aside),
            }
        }
    }

    /// The directory `name` in it; links are refused.
    pub(in crate::disk) fn below(&self, name: &OsStr) -> Result<Self, DiskError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => Ok(Self { fd, path: self.at(name) }),
            Err(error) => Err(DiskError::new(&self.at(name), "open directory", error)),
        }
    }

    /// Its own name in its parent.
    pub(in crate::disk) fn name(&self) -> &OsStr {
        self.path.file_name().unwrap_or_else(|| OsStr::new("/"))
    }

    pub(in crate::disk) fn rename(&self, from: &OsStr, to: &OsStr) -> Result<(), DiskError> {
        rustix::fs::renameat(&self.fd, from, &self.fd, to)
            .map_err(|error| DiskError::new(&self.at(to), "rename", error))
    }

    pub(in crate::disk) fn unlink(&self, name: &OsStr, flags: AtFlags) -> Result<(), DiskError> {
        rustix::fs::unlinkat(&self.fd, name, flags)
            .map_err(|error| DiskError::new(&self.at(name), "remove", error))
    }

    /// Removes the directory `name` in it with the files that lie in it; directories in it are
    /// not entered.
    pub(in crate::disk) fn remove_flat(&self, name: &OsStr) -> Result<(), DiskError> {
        let inner = self.below(name)?;
        for file in inner.names()? {
            inner.unlink(&file, AtFlags::empty())?;
        }
        self.unlink(name, AtFlags::REMOVEDIR)
    }

    fn set_access(&self, access: Access) -> Result<(), DiskError> {
        set_access(&self.fd, access).map_err(|error| DiskError::new(&self.path, "access", error))
    }

    /// Puts its entries on the disk.
    pub(in crate::disk) fn sync(&self) -> Result<(), DiskError> {
        rustix::fs::fsync(&self.fd).map_err(|error| DiskError::new(&self.path, "fsync", error))
    }
}

/// Owner first: a chown after the chmod could take bits away or leave them to the wrong user.
pub(in crate::disk) fn set_access(
    fd: impl std::os::fd::AsFd,
    access: Access,
) -> rustix::io::Result<()> {
    if access.uid.is_some() || access.gid.is_some() {
        rustix::fs::fchown(&fd, access.uid.map(Uid::from_raw), access.gid.map(Gid::from_raw))?;
    }
    rustix::fs::fchmod(&fd, Mode::from_raw_mode(access.mode & 0o7777))
}

impl Look {
    pub(in crate::disk) fn of(stat: &rustix::fs::Stat) -> Self {
        let shape = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Shape::Regular,
            FileType::Directory => Shape::Directory,
            FileType::Symlink => Shape::Link,
            _ => Shape::Other,
        };
        Self {
            shape,
            inode: stat.st_ino,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            mtime_nanos: i128::from(stat.st_mtime) * 1_000_000_000 + i128::from(stat.st_mtime_nsec),
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
        }
    }
}

fn split(path: &Path) -> Result<(&Path, &OsStr), DiskError> {
    let name = path.file_name().ok_or_else(|| {
        DiskError::new(path, "open directory", io::Error::other("the path names no file"))
    })?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    Ok((parent.unwrap_or_else(|| Path::new(".")), name))
}

/// `.NAME.mailcert-` and 16 random hexadecimal digits; a long name is cut, since a file name has
/// at most 255 bytes.
fn temporary_name(name: &OsStr) -> OsString {
    let mut random = [0; 8];
    // Without randomness the name is a fixed one; O_EXCL still keeps it safe.
    let _ = aws_lc_rs::rand::fill(&mut random);
    let bytes = name.as_bytes();
    let mut aside = vec![b'.'];
    aside.extend_from_slice(&bytes[..bytes.len().min(200)]);
    aside.extend_from_slice(MARK.as_bytes());
    aside.extend(format!("{:016x}", u64::from_be_bytes(random)).into_bytes());
    OsString::from_vec(aside)
}

/// Stands in the name of everything temporary.
const MARK: &str = ".mailcert-";
