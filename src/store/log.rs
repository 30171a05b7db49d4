//! A text of one JSON object a line: appended to, read line by line, folded together when it has grown.
//!
//! The first line says which schema the others are in. A last line without its newline was cut
//! off and is an entry that never was: every earlier one was on the disk before it was begun. Any
//! other line that does not parse is damage, and refused.

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::disk::{self, Access, Look};
use crate::store::StoreError;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    schema: u32,
    /// Bytes of all lines behind this one when it was last folded.
    folded: u64,
}

/// The schema this version writes, and the only one it reads.
const SCHEMA: u32 = 1;
/// A log smaller than this is not worth folding.
const SMALL: u64 = 64 << 10;
/// No log of 10,000 domains comes near this.
const LIMIT: u64 = 1 << 30;
/// The head is far shorter.
const HEAD_LIMIT: usize = 4096;

/// A log at a path.
pub(in crate::store) struct Log {
    path: PathBuf,
}

impl Log {
    pub(in crate::store) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// How the file looks: whatever is written changes inode or size.
    pub(in crate::store) fn look(&self) -> Result<Option<Look>, StoreError> {
        Ok(disk::look(&self.path)?)
    }

    /// Hands every entry over, in order, until one is damaged; none where there is no file.
    pub(in crate::store) fn each<T: DeserializeOwned>(
        &self,
        mut take: impl FnMut(T),
    ) -> Result<(), StoreError> {
        let (file, size) = match disk::open(&self.path) {
            Err(error) if error.is_missing() => return Ok(()),
            found => found.map_err(|error| unreadable(&self.path, error))?,
        };
        if size > LIMIT {
            return Err(self.broken(format!("{size} bytes, expected at most {LIMIT}")));
        }
        // Line by line: the text of 10,000 domains is larger than what it says.
        let mut file = BufReader::new(file.take(size));
        let mut line = Vec::new();
        for number in 1_usize.. {
            line.clear();
            file.read_until(b'\n', &mut line).map_err(|source| self.unread(source))?;
            // What follows the last newline was cut off.
            let Some(line) = line.strip_suffix(b"\n") else { break };
            if number == 1 {
                self.head(line)?;
                continue;
            }
            let entry = serde_json::from_slice(line);
            take(entry.map_err(|error| self.broken(format!("line {number}: {error}")))?);
        }
        Ok(())
    }

    /// Writes `entries` behind the others, on the disk before it returns.
    pub(in crate::store) fn append<T: Serialize>(&self, entries: &[T]) -> Result<(), StoreError> {
        let mut bytes = match self.first_line()? {
            Some(_) => Vec::new(),
            None => line(&Head { schema: SCHEMA, folded: 0 }),
        };
        entries.iter().for_each(|entry| bytes.extend(line(entry)));
        Ok(disk::append(&self.path, &bytes)?)
    }

    /// Whether it is time to fold: it is more than twice what it was after the last time.
    pub(in crate::store) fn has_grown(&self) -> Result<bool, StoreError> {
        let Some((head, size)) = self.first_line()? else { return Ok(false) };
        Ok(size > SMALL && size > head.folded.saturating_mul(2))
    }

    /// Replaces everything by `entries`.
    pub(in crate::store) fn fold<T: Serialize>(
        &self,
        entries: impl Iterator<Item = T>,
    ) -> Result<(), StoreError> {
        let body = entries.flat_map(|entry| line(&entry)).collect::<Vec<u8>>();
        let mut bytes = line(&Head { schema: SCHEMA, folded: body.len() as u64 });
        bytes.extend(body);
        disk::replace(&self.path, &bytes, Access::PRIVATE)?;
        Ok(())
    }

    /// The head and the size of the file, if it has as much as a head.
    fn first_line(&self) -> Result<Option<(Head, u64)>, StoreError> {
        let found = match disk::read_front(&self.path, HEAD_LIMIT) {
            Err(error) if error.is_missing() => return Ok(None),
            found => found.map_err(|error| unreadable(&self.path, error))?,
        };
        let (front, size) = found;
        match front.iter().position(|&byte| byte == b'\n') {
            Some(end) => Ok(Some((self.head(&front[..end])?, size))),
            None if front.len() < HEAD_LIMIT => Ok(None),
            None => Err(self.broken(format!("a first line of over {HEAD_LIMIT} bytes"))),
        }
    }

    fn head(&self, line: &[u8]) -> Result<Head, StoreError> {
        let head: Head = serde_json::from_slice(line)
            .map_err(|error| self.broken(format!("line 1: {error}")))?;
        if head.schema != SCHEMA {
            return Err(self.broken(format!("schema {}", head.schema)));
        }
        Ok(head)
    }

    fn unread(&self, source: io::Error) -> StoreError {
        StoreError::Read { path: self.path.clone(), source }
    }

    fn broken(&self, found: String) -> StoreError {
        let expected = format!("one JSON object a line in schema {SCHEMA}");
        StoreError::Schema { path: self.path.clone(), found, expected }
    }
}

fn line<T: Serialize>(entry: &T) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(entry).expect("our own types have string keys only");
    bytes.push(b'\n');
    bytes
}

/// A read that failed, in the words of this room.
pub(in crate::store) fn unreadable(path: &Path, error: disk::DiskError) -> StoreError {
    StoreError::Read { path: path.to_owned(), source: error.source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    impl Log {
        fn read<T: DeserializeOwned>(&self) -> Result<Vec<T>, StoreError> {
            let mut entries = Vec::new();
            self.each(|entry| entries.push(entry))?;
            Ok(entries)
        }
    }

    fn log() -> (tempfile::TempDir, Log, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("diary.jsonl");
        (root, Log::at(path.clone()), path)
    }

    #[expect(clippy::disallowed_methods, reason = "the world before the test")]
    fn put(path: &Path, bytes: &[u8]) {
        fs::write(path, bytes).unwrap();
    }

    #[test]
    fn a_write_killed_at_any_byte_loses_that_entry_alone() {
        let (_root, log, path) = log();
        log.append(&["one"]).unwrap();
        log.append(&["two"]).unwrap();
        let whole = fs::read(&path).unwrap();
        let two = whole.len() - "\"two\"\n".len();
        for cut in 0..=whole.len() {
            put(&path, &whole[..cut]);
            let expected = match cut {
                cut if cut == whole.len() => vec!["one", "two"],
                cut if cut >= two => vec!["one"],
                _ => vec![],
            };
            assert_eq!(log.read::<String>().unwrap(), expected, "cut at {cut}");
            log.append(&["next"]).unwrap();
            let expected = [expected, vec!["next"]].concat();
            assert_eq!(log.read::<String>().unwrap(), expected, "cut at {cut}, written on");
        }
    }

    #[test]
    fn a_foreign_or_damaged_log_is_refused_and_not_touched() {
        for (text, said) in [
            ("{\"schema\":2,\"folded\":0}\n\"one\"\n", "schema 2; expected one JSON object"),
            ("hello\n", "line 1: expected value"),
            ("{\"schema\":1,\"folded\":0}\nrubbish\n\"one\"\n", "line 2: expected value"),
            ("{\"schema\":1,\"folded\":0}\n\"one\"\nno more\n", "line 3: expected ident"),
        ] {
            let (_root, log, path) = log();
            put(&path, text.as_bytes());
            let error = log.read::<String>().unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
            if !text.contains("rubbish") && !text.contains("more") {
                assert!(log.append(&["two"]).is_err(), "{text}");
                assert!(log.has_grown().is_err(), "{text}");
            }
            assert!(fs::read_to_string(&path).unwrap().starts_with(text));
        }
    }

    #[test]
    fn it_is_folded_once_it_is_twice_as_large() {
        let (_root, log, path) = log();
        let long = "x".repeat(1000);
        let mut folds = 0;
        for _ in 0..300 {
            log.append(&[&long]).unwrap();
            if log.has_grown().unwrap() {
                folds += 1;
                let entries = log.read::<String>().unwrap();
                log.fold(entries.iter().skip(entries.len() - 50)).unwrap();
                assert!(!log.has_grown().unwrap());
            }
        }
        assert_eq!(folds, 5, "first at 64 KiB, then each time 50 entries became 100");
        assert!(fs::metadata(path).unwrap().len() < 110_000);
    }
}
