//! A directory of files that appears and disappears as one.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use rustix::fs::RenameFlags;

use crate::disk::directory::Directory;
use crate::disk::file::{fill, tighten};
use crate::disk::{Access, DiskError};

/// Makes the directory `path` (0700) with these private files in it, whole or not at all. It must
/// not be there yet.
///
/// # Errors
/// [`DiskError`]; nothing is there then.
pub fn create_tree(path: &Path, files: &[(&str, &[u8])]) -> Result<(), DiskError> {
    let (parent, name) = Directory::of(path)?;
    let aside = parent.temporary_directory(name)?;
    let made = fill_all(&aside, files).and_then(|()| {
        let to = RenameFlags::NOREPLACE;
        rustix::fs::renameat_with(&parent.fd, aside.name(), &parent.fd, name, to)
            .map_err(|error| DiskError::new(path, "rename", error))
    });
    if let Err(error) = made {
        // The first error is the one to tell; a leftover is swept by the next run.
        let _ = parent.remove_flat(aside.name());
        return Err(error);
    }
    parent.sync()
}

fn fill_all(directory: &Directory, files: &[(&str, &[u8])]) -> Result<(), DiskError> {
    for (name, bytes) in files {
        let name = OsStr::new(name);
        fill(directory.create(name)?, &directory.at(name), bytes, Access::PRIVATE)?;
    }
    directory.sync()
}

/// Takes the directory `path` away with the files in it; it disappears as a whole first. Says
/// whether there was one.
///
/// # Errors
/// [`DiskError`]; a leftover is hidden and swept later.
pub fn remove_tree(path: &Path) -> Result<bool, DiskError> {
    let (parent, name) = match Directory::of(path) {
        Err(error) if error.is_missing() => return Ok(false),
        opened => opened?,
    };
    if parent.look(name)?.is_none() {
        return Ok(false);
    }
    parent.below(name)?;
    // The empty directory makes the hidden name ours; the rename replaces it.
    let aside = parent.temporary_directory(name)?;
    parent.rename(name, aside.name())?;
    parent.sync()?;
    parent.remove_flat(aside.name())?;
    parent.sync()?;
    Ok(true)
}

/// A hidden directory (0700) beside a file to be, for a program that builds it. It goes with all
/// that is in it when the value goes.
pub struct Aside {
    parent: Directory,
    inner: Directory,
}

impl Aside {
    /// Makes it beside `path`.
    ///
    /// # Errors
    /// [`DiskError`] when it cannot be made.
    pub fn beside(path: &Path) -> Result<Self, DiskError> {
        let (parent, name) = Directory::of(path)?;
        let inner = parent.temporary_directory(name)?;
        Ok(Self { parent, inner })
    }

    /// The path of `name` in it.
    #[must_use]
    pub fn at(&self, name: &OsStr) -> PathBuf {
        self.inner.at(name)
    }

    /// Puts a private file into it.
    ///
    /// # Errors
    /// [`DiskError`] when it cannot be written.
    pub fn put(&self, name: &OsStr, bytes: &[u8]) -> Result<(), DiskError> {
        fill(self.inner.create(name)?, &self.inner.at(name), bytes, Access::PRIVATE)
    }

    /// Renames the file `name` of it over the file `name` beside it, whole and on the disk, with
    /// this access.
    ///
    /// # Errors
    /// [`DiskError`]; the old file is untouched then. A link or a directory is not replaced.
    pub fn publish(&self, name: &OsStr, access: Access) -> Result<(), DiskError> {
        self.parent.regular(name)?;
        tighten(&self.inner.at(name), access)?;
        rustix::fs::renameat(&self.inner.fd, name, &self.parent.fd, name)
            .map_err(|error| DiskError::new(&self.parent.at(name), "rename", error))?;
        self.parent.sync()
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // A leftover is swept by the next run.
        let _ = self.parent.remove_flat(self.inner.name());
    }
}
