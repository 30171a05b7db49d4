//! A directory of files that appears and disappears as one.

use std::ffi::OsStr;
use std::path::Path;

use rustix::fs::RenameFlags;

use crate::disk::directory::Directory;
use crate::disk::file::fill;
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
