//! [`Eyes`]: files that changed, seen through the directories they lie in.
//!
//! A watch on a file hears nothing of another one that is renamed into its place, so the directory
//! is watched. What the kernel says is a hint to look: what counts is whether a file looks other
//! than it did, so that nothing is missed where the kernel's queue was full, and nothing comes of
//! files that were only read.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::future::pending;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;

use crate::store::FilePrint;
use crate::survey::file_print;

/// Looks at files.
#[derive(Debug, Default)]
pub struct Eyes {
    seen: BTreeMap<PathBuf, Print>,
    /// What the kernel calls the files, and the directories above them that are not there yet.
    names: BTreeSet<OsString>,
    queue: Option<AsyncFd<OwnedFd>>,
    blind: Option<String>,
}

/// How a path looks, itself and where it leads.
type Print = [Option<FilePrint>; 2];

impl Eyes {
    /// From now on these files are looked at, and no others. A file changed if it looks other than
    /// at the last look; one that we wrote since, if it looks other than we left it.
    pub fn turn_to(&mut self, paths: BTreeSet<PathBuf>, written: &BTreeMap<PathBuf, FilePrint>) {
        // Closed first: a user has 128 of them.
        self.queue = None;
        self.names.clear();
        let opened = self.open(&paths);
        self.blind = opened.err().map(|why| why.to_string());
        let mut seen = BTreeMap::new();
        for path in paths {
            let left = written.get(&path).map(|print| [Some(print.clone()), Some(print.clone())]);
            let before = left.or_else(|| self.seen.remove(&path));
            let before = before.unwrap_or_else(|| print(&path));
            seen.insert(path, before);
        }
        self.seen = seen;
    }

    fn open(&mut self, paths: &BTreeSet<PathBuf>) -> Result<(), Errno> {
        let queue = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        let mut known = BTreeSet::new();
        for path in paths {
            // Where a link leads to is watched as well.
            for path in std::iter::once(path.clone()).chain(std::fs::canonicalize(path)) {
                let Some((directory, name)) = above(&path) else { continue };
                self.names.insert(name.to_owned());
                if known.insert(directory.to_owned()) {
                    inotify::add_watch(&queue, directory, CHANGES)?;
                }
            }
        }
        self.queue = waited_for(queue).ok();
        Ok(())
    }

    /// Why the kernel does not tell of changes, if it does not: they are seen at the next look only.
    #[must_use]
    pub fn blind(&self) -> Option<&str> {
        self.blind.as_deref()
    }

    /// Waits until something happened to one of the files, or may have. Nothing is lost where
    /// nobody waits to the end.
    pub async fn stirred(&mut self) {
        let Self { queue: Some(queue), names, .. } = self else { return pending().await };
        loop {
            let Ok(mut ready) = queue.readable().await else { return pending().await };
            let mut buffer = [MaybeUninit::uninit(); 4096];
            let mut reader = Reader::new(ready.get_inner(), &mut buffer);
            let mut stirred = false;
            let ended = loop {
                match reader.next() {
                    Ok(event) => stirred |= concerns(&event, names),
                    Err(error) => break error,
                }
            };
            ready.clear_ready();
            if stirred || ended != Errno::AGAIN {
                return;
            }
        }
    }

    /// The files that look other than they did when this was last asked.
    pub fn changed(&mut self) -> Vec<PathBuf> {
        let mut changed = Vec::new();
        for (path, seen) in &mut self.seen {
            let now = print(path);
            if *seen != now {
                *seen = now;
                changed.push(path.clone());
            }
        }
        changed
    }
}

#[expect(
    deprecated,
    reason = "its successor is unsafe, for what may be no open file; this owns one"
)]
fn waited_for(queue: OwnedFd) -> std::io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::new(queue)
}

fn concerns(event: &inotify::Event<'_>, names: &BTreeSet<OsString>) -> bool {
    let lost = ReadFlags::QUEUE_OVERFLOW
        | ReadFlags::IGNORED
        | ReadFlags::DELETE_SELF
        | ReadFlags::MOVE_SELF
        | ReadFlags::UNMOUNT;
    let named = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
    event.events().intersects(lost) || named.is_some_and(|name| names.contains(name))
}

/// The nearest directory above a path that is there, and what is to appear in it.
fn above(path: &Path) -> Option<(&Path, &OsStr)> {
    let pairs = path.ancestors().filter_map(|one| Some((one.parent()?, one.file_name()?)));
    pairs.into_iter().find(|(directory, _)| directory.is_dir())
}

fn print(path: &Path) -> Print {
    [path.symlink_metadata(), path.metadata()].map(|found| Some(file_print(&found.ok()?)))
}

const CHANGES: WatchFlags = WatchFlags::CLOSE_WRITE
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::CREATE)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR);

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "the tests write what others would")]

    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    async fn is_stirred(eyes: &mut Eyes) -> bool {
        timeout(Duration::from_millis(200), eyes.stirred()).await.is_ok()
    }

    /// Whether the kernel told of it, and what is other than before.
    async fn seen(eyes: &mut Eyes) -> (bool, Vec<PathBuf>) {
        let stirred = is_stirred(eyes).await;
        while is_stirred(eyes).await {}
        (stirred, eyes.changed())
    }

    fn on(paths: &[&PathBuf]) -> Eyes {
        let mut eyes = Eyes::default();
        eyes.turn_to(paths.iter().copied().cloned().collect(), &BTreeMap::new());
        assert_eq!(eyes.blind(), None);
        eyes
    }

    #[tokio::test]
    async fn a_file_is_seen_to_change_in_every_way_and_its_neighbours_are_nobodys_business() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("a.pem"), "one").unwrap();
        let mut eyes = on(&[&at("a.pem")]);
        let file = vec![at("a.pem")];
        fs::write(at("b.pem"), "another").unwrap();
        fs::read(at("a.pem")).unwrap();
        assert_eq!(seen(&mut eyes).await, (false, vec![]));
        fs::write(at("a.pem"), "written over").unwrap();
        assert_eq!(seen(&mut eyes).await, (true, file.clone()));
        fs::write(at(".tmp"), "renamed into its place").unwrap();
        fs::rename(at(".tmp"), at("a.pem")).unwrap();
        assert_eq!(seen(&mut eyes).await, (true, file.clone()));
        fs::set_permissions(at("a.pem"), fs::Permissions::from_mode(0o604)).unwrap();
        assert_eq!(seen(&mut eyes).await, (true, file.clone()));
        fs::remove_file(at("a.pem")).unwrap();
        assert_eq!(seen(&mut eyes).await, (true, file.clone()));
        fs::write(at("a.pem"), "there again").unwrap();
        assert_eq!(seen(&mut eyes).await, (true, file));
    }

    #[tokio::test]
    async fn links_and_directories_that_are_not_there_yet_are_followed() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("archive")).unwrap();
        fs::write(at("archive/1.pem"), "one").unwrap();
        fs::write(at("archive/2.pem"), "two").unwrap();
        symlink(at("archive/1.pem"), at("live.pem")).unwrap();
        let paths = [&at("live.pem"), &at("none/below/c.pem")];
        let mut eyes = on(&paths);
        fs::write(at("archive/1.pem"), "changed where the link leads").unwrap();
        assert_eq!(seen(&mut eyes).await, (true, vec![at("live.pem")]));
        symlink(at("archive/2.pem"), at("new")).unwrap();
        fs::rename(at("new"), at("live.pem")).unwrap();
        assert_eq!(seen(&mut eyes).await, (true, vec![at("live.pem")]));
        // The directory comes, and only later the file.
        fs::create_dir_all(at("none/below")).unwrap();
        assert_eq!(seen(&mut eyes).await, (true, vec![]));
        eyes.turn_to(paths.iter().copied().cloned().collect(), &BTreeMap::new());
        fs::write(at("none/below/c.pem"), "there").unwrap();
        assert_eq!(seen(&mut eyes).await, (true, vec![at("none/below/c.pem")]));
    }

    #[tokio::test]
    async fn what_changed_while_nobody_looked_counts_unless_it_is_as_we_left_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.pem");
        fs::write(&file, "one").unwrap();
        let mut eyes = on(&[&file]);
        fs::write(&file, "two, by us").unwrap();
        let left = BTreeMap::from([(file.clone(), file_print(&file.metadata().unwrap()))]);
        eyes.turn_to([file.clone()].into(), &left);
        assert_eq!(eyes.changed(), Vec::<PathBuf>::new());
        fs::write(&file, "three, by somebody").unwrap();
        eyes.turn_to([file.clone()].into(), &left);
        assert_eq!(eyes.changed(), std::slice::from_ref(&file));
        fs::write(&file, "four").unwrap();
        eyes.turn_to([file.clone()].into(), &BTreeMap::new());
        assert_eq!(eyes.changed(), [file]);
    }
}
