//! One file: looked at, read within bounds, replaced, appended to, removed.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags};

use crate::disk::directory::{Directory, set_access};
use crate::disk::{Access, DiskError, Replaced};

/// What kind of thing lies at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A socket, a pipe, a device.
    Other,
}

impl Shape {
    /// The word in messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Regular => "a regular file",
            Self::Directory => "a directory",
            Self::Link => "a link",
            Self::Other => "a special file",
        }
    }
}

/// What lstat(2) says of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are the fields of stat(2)")]
pub struct Look {
    pub shape: Shape,
    pub inode: u64,
    pub size: u64,
    pub mtime_nanos: i128,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
}

impl Look {
    fn has(&self, access: Access) -> bool {
        self.mode == access.mode & 0o7777
            && access.uid.is_none_or(|uid| uid == self.uid)
            && access.gid.is_none_or(|gid| gid == self.gid)
    }
}

/// What lies at `path`, no link followed; `None` if nothing does.
///
/// # Errors
/// [`DiskError`] when it cannot be looked at.
pub fn look(path: &Path) -> Result<Option<Look>, DiskError> {
    match rustix::fs::lstat(path) {
        Ok(stat) => Ok(Some(Look::of(&stat))),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Ok(None),
        Err(error) => Err(DiskError::new(path, "look", error)),
    }
}

/// Reads a regular file of at most `limit` bytes; a link is refused.
///
/// # Errors
/// [`DiskError`]; [`DiskError::is_missing`] tells the absent file.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, DiskError> {
    let failed = |error: io::Error| DiskError::new(path, "read", error);
    let (file, size) = open(path)?;
    // Room for all of it at once, so that a key is not left behind in a buffer outgrown.
    let mut bytes = Vec::with_capacity(usize::try_from(size.min(limit)).unwrap_or(0) + 1);
    file.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        let text = format!("{} bytes, expected at most {limit}", size.max(limit + 1));
        return Err(failed(io::Error::other(text)));
    }
    Ok(bytes)
}

/// Reads at most the first `limit` bytes of a regular file, and says how large all of it is.
///
/// # Errors
/// As [`read`], but the size does not matter.
pub fn read_front(path: &Path, limit: usize) -> Result<(Vec<u8>, u64), DiskError> {
    let (file, size) = open(path)?;
    let mut bytes = Vec::new();
    file.take(limit as u64)
        .read_to_end(&mut bytes)
        .map_err(|error| DiskError::new(path, "read", error))?;
    Ok((bytes, size))
}

/// Opens a regular file for reading, and says how large it is; a link is refused.
///
/// # Errors
/// As [`read`], but the size does not matter.
pub fn open(path: &Path) -> Result<(File, u64), DiskError> {
    let failed = |error: io::Error| DiskError::new(path, "read", error);
    // Non-blocking: a pipe in the file's place must not hold us up.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(rustix::io::Errno::LOOP) => {
            return Err(failed(io::Error::other("a link, expected a regular file")));
        }
        Err(error) => return Err(failed(error.into())),
    };
    let stat = rustix::fs::fstat(&file).map_err(|error| failed(error.into()))?;
    let found = Look::of(&stat);
    if found.shape != Shape::Regular {
        let text = format!("{}, expected a regular file", found.shape.as_str());
        return Err(failed(io::Error::other(text)));
    }
    Ok((file, found.size))
}

/// Replaces the content of `path`, whole or not at all: temporary file in the same directory
/// (name `.NAME.mailcert-*`), access set before the first byte, fsync, rename, fsync of the
/// directory. No link is followed.
///
/// # Errors
/// [`DiskError`] says which step failed; the old file is untouched then.
pub fn replace(path: &Path, bytes: &[u8], access: Access) -> Result<Replaced, DiskError> {
    let (directory, name) = Directory::of(path)?;
    let replaced = match directory.regular(name)? {
        Some(old) if directory.same(name, &old, bytes, access)? => return Ok(Replaced::Same),
        Some(_) => Replaced::Swapped,
        None => Replaced::Created,
    };
    let (file, aside) = directory.temporary(name)?;
    let written = fill(file, &directory.at(name), bytes, access)
        .and_then(|()| directory.rename(&aside, name));
    if let Err(error) = written {
        // The first error is the one to tell; a leftover is swept by the next run.
        let _ = directory.unlink(&aside, AtFlags::empty());
        return Err(error);
    }
    directory.sync()?;
    Ok(replaced)
}

/// Whether `path` is a regular file with these bytes and this access: [`replace`] would write
/// nothing.
///
/// # Errors
/// [`DiskError`], also where [`replace`] would refuse (a link, a directory).
pub fn holds(path: &Path, bytes: &[u8], access: Access) -> Result<bool, DiskError> {
    let (directory, name) = Directory::of(path)?;
    match directory.regular(name)? {
        Some(old) => directory.same(name, &old, bytes, access),
        None => Ok(false),
    }
}

/// Appends `bytes`, a line or several with their newlines, to a private file, which is made where
/// it is missing. What follows its last newline is the rest of a write that was cut off, and goes
/// first. Either all of `bytes` is on the disk or none.
///
/// # Errors
/// [`DiskError`]; nothing was appended then.
pub fn append(path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
    let (directory, name) = Directory::of(path)?;
    let is_new = directory.regular(name)?.is_none();
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = rustix::fs::openat(&directory.fd, name, flags, Mode::RUSR | Mode::WUSR)
        .map(File::from)
        .map_err(|error| DiskError::new(path, "create", error))?;
    let end = end_of_last_line(&mut file).map_err(|error| DiskError::new(path, "read", error))?;
    let written = file
        .set_len(end)
        .and_then(|()| file.seek(SeekFrom::Start(end)))
        .and_then(|_| file.write_all(bytes));
    if let Err(error) = written {
        // A line half written is the same as none; cut it off for readers all the same.
        let _ = file.set_len(end);
        return Err(DiskError::new(path, "write", error));
    }
    file.sync_data().map_err(|error| DiskError::new(path, "fsync", error))?;
    if is_new { directory.sync() } else { Ok(()) }
}

/// Takes a file away, durably; says whether there was one.
///
/// # Errors
/// [`DiskError`] when it is no regular file or cannot be removed.
pub fn remove(path: &Path) -> Result<bool, DiskError> {
    let (directory, name) = match Directory::of(path) {
        Err(error) if error.is_missing() => return Ok(false),
        opened => opened?,
    };
    if directory.regular(name)?.is_none() {
        return Ok(false);
    }
    directory.unlink(name, AtFlags::empty())?;
    directory.sync()?;
    Ok(true)
}

/// Sets owner and mode of a regular file by descriptor, its bytes untouched.
///
/// # Errors
/// [`DiskError`] when it is no regular file or the rights cannot be set.
pub fn tighten(path: &Path, access: Access) -> Result<(), DiskError> {
    let (directory, name) = Directory::of(path)?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    directory.regular(name)?;
    let fd = rustix::fs::openat(&directory.fd, name, flags, Mode::empty())
        .map_err(|error| DiskError::new(path, "open", error))?;
    set_access(&fd, access).map_err(|error| DiskError::new(path, "access", error))?;
    rustix::fs::fsync(&fd).map_err(|error| DiskError::new(path, "fsync", error))
}

impl Directory {
    /// What lies at `name` if it is a regular file or nothing; all else is refused.
    pub(in crate::disk) fn regular(&self, name: &OsStr) -> Result<Option<Look>, DiskError> {
        match self.look(name)? {
            Some(found) if found.shape != Shape::Regular => {
                let text = format!("{}, expected a regular file", found.shape.as_str());
                Err(DiskError::new(&self.at(name), "replace", io::Error::other(text)))
            }
            found => Ok(found),
        }
    }

    fn same(
        &self,
        name: &OsStr,
        old: &Look,
        bytes: &[u8],
        access: Access,
    ) -> Result<bool, DiskError> {
        if !old.has(access) || old.size != bytes.len() as u64 {
            return Ok(false);
        }
        let there = zeroize::Zeroizing::new(read(&self.at(name), old.size)?);
        Ok(*there == bytes)
    }
}

/// Access before the first byte, then the bytes, then the disk.
pub(in crate::disk) fn fill(
    mut file: File,
    path: &Path,
    bytes: &[u8],
    access: Access,
) -> Result<(), DiskError> {
    set_access(&file, access).map_err(|error| DiskError::new(path, "access", error))?;
    file.write_all(bytes).map_err(|error| DiskError::new(path, "write", error))?;
    file.sync_all().map_err(|error| DiskError::new(path, "fsync", error))
}

/// The offset behind the last newline.
fn end_of_last_line(file: &mut File) -> io::Result<u64> {
    let mut end = file.metadata()?.len();
    let mut block = [0; 4096];
    while end > 0 {
        let start = end.saturating_sub(block.len() as u64);
        let part = &mut block[..usize::try_from(end - start).unwrap_or(0)];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(part)?;
        if let Some(at) = part.iter().rposition(|&byte| byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}
