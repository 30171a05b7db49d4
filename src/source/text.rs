//! Reads one file by its descriptor, as carefully as the store reads its own.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use zeroize::Zeroizing;

use crate::source::SourceError;

/// Most bytes that are read: an `acme.json` holds all of a machine's certificates, of which each
/// is some 10 kB.
const LARGEST: u64 = 64 << 20;

/// The text of a regular file, wiped when it goes. Links are followed when it is opened; what is
/// judged and read after that is the one file behind the descriptor. A pipe is not waited for.
pub(super) fn read(path: &Path) -> Result<Zeroizing<String>, SourceError> {
    let failed = |why: std::io::Error| {
        SourceError::new(path, why.to_string().split(" (os").next().unwrap_or_default())
    };
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file =
        rustix::fs::open(path, flags, Mode::empty()).map_err(|error| failed(error.into()))?;
    let file = File::from(file);
    let found = file.metadata().map_err(failed)?;
    if !found.is_file() {
        return Err(SourceError::new(path, "not a regular file"));
    }
    if found.size() > LARGEST {
        let why = format!("{} bytes; at most {LARGEST} are read", found.size());
        return Err(SourceError::new(path, why));
    }
    // Room for all of it at once, since what a growing buffer leaves behind is not wiped.
    let size = usize::try_from(found.size()).unwrap_or_default();
    let mut text = Zeroizing::new(String::with_capacity(size + 1));
    file.take(found.size()).read_to_string(&mut text).map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => SourceError::new(path, "no text"),
        _ => failed(error),
    })?;
    Ok(text)
}

/// Whether anybody on the machine can read this file: its mode lets others, and so do all
/// directories above it. (Old certbots left keys 0644 in a directory 0700.)
#[must_use]
pub fn is_exposed(path: &Path) -> bool {
    let Ok(real) = std::fs::canonicalize(path) else { return false };
    let lets = |path: &Path, bits: u32| {
        std::fs::metadata(path).is_ok_and(|found| found.mode() & bits == bits)
    };
    lets(&real, 0o004) && real.ancestors().skip(1).all(|above| lets(above, 0o001))
}
