//! [`Webroot`]: answers http-01 challenges by files that the admin's web server serves.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use rustix::fs::{AtFlags, Dir, Mode, OFlags, fchmod, mkdirat, open, openat, unlinkat};
use rustix::io::Errno;

use crate::issue::Solver;
use crate::issue::preflight::OWN;
use crate::model::{AnsweredFrom, DnsId};

/// Files below `DIR/.well-known/acme-challenge`. The directory itself is the admin's word and may
/// be reached by links; below it no link is followed, since the web server's user may write there
/// and must not make root write elsewhere.
#[derive(Debug)]
pub struct Webroot {
    directory: PathBuf,
    /// The key of the configuration that names it.
    key: &'static str,
    /// How often each token is presented.
    shown: Mutex<HashMap<String, usize>>,
    /// The ends of answers, one for each account, whose leftovers were looked for.
    swept: Mutex<HashSet<String>>,
}

impl Webroot {
    /// Files below this directory, which this key of `[challenge.http-01]` names.
    #[must_use]
    pub fn new(directory: PathBuf, key: &'static str) -> Self {
        Self { directory, key, shown: Mutex::default(), swept: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        // A panic elsewhere does not make the counts wrong.
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sentence(&self, what: &str, error: Errno) -> String {
        let directory = self.directory.display();
        let why = match error {
            Errno::LOOP => "a link stands in the way, and links are not followed".to_owned(),
            Errno::NOTDIR => "a file or a link stands where a directory is expected".to_owned(),
            other => io::Error::from(other).to_string(),
        };
        format!("{directory}: {what}: {why}; correct {} in [challenge.http-01]", self.key)
    }

    /// Opens the directory of the tokens, making it where it is missing.
    fn open(&self) -> Result<OwnedFd, String> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut at = open(&self.directory, flags, Mode::empty())
            .map_err(|e| self.sentence("cannot be opened", e))?;
        for name in [".well-known", "acme-challenge"] {
            let made = match mkdirat(&at, name, Mode::from_raw_mode(0o755)) {
                Ok(()) => true,
                Err(Errno::EXIST) => false,
                Err(e) => return Err(self.sentence(&format!("{name} cannot be made"), e)),
            };
            at = openat(&at, name, flags | OFlags::NOFOLLOW, Mode::empty())
                .map_err(|e| self.sentence(&format!("{name} cannot be opened"), e))?;
            if made {
                // The umask may have taken rights the web server needs.
                fchmod(&at, Mode::from_raw_mode(0o755))
                    .map_err(|e| self.sentence(&format!("{name} cannot be opened up"), e))?;
            }
        }
        Ok(at)
    }

    /// Removes what a killed run presented: files that answer as our account does (`account` is the
    /// end of its answers), and those of our preflight. What other clients present stays.
    fn sweep(&self, shown: &HashMap<String, usize>, account: &str) -> Result<(), String> {
        let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        if !swept.insert(account.to_owned()) {
            return Ok(());
        }
        let at = self.open()?;
        let failed = |e| self.sentence("cannot be listed", e);
        for entry in Dir::read_from(&at).map_err(failed)?.take(MOST_ENTRIES) {
            let entry = entry.map_err(failed)?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            let is_ours =
                || name.starts_with(OWN) || answer(&at, name) == [name, account].join(".");
            if is_token(name) && !shown.contains_key(name) && is_ours() {
                // A web server's own files cannot be removed perhaps; they hold up nothing.
                let _ = unlinkat(&at, name, AtFlags::empty());
            }
        }
        Ok(())
    }

    fn write(&self, token: &str, answer: &str) -> Result<(), String> {
        let failed = |e: Errno| self.sentence(&format!("{token} cannot be written"), e);
        let at = self.open()?;
        match unlinkat(&at, token, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(e) => return Err(failed(e)),
        }
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&at, token, flags, Mode::from_raw_mode(0o644)).map_err(failed)?;
        fchmod(&file, Mode::from_raw_mode(0o644)).map_err(failed)?;
        File::from(file).write_all(answer.as_bytes()).map_err(|e| {
            let _ = unlinkat(&at, token, AtFlags::empty());
            format!("{}: {token} cannot be written: {e}", self.directory.display())
        })
    }
}

#[async_trait]
impl Solver for Webroot {
    fn answered_from(&self, _host: &DnsId) -> AnsweredFrom {
        AnsweredFrom::Directory(self.directory.clone())
    }

    async fn present(
        &self,
        _host: &DnsId,
        token: &str,
        key_authorization: &str,
    ) -> Result<(), String> {
        if !is_token(token) {
            return Err(format!(
                "the CA's token {:?} is no token (RFC 8555 section 8.3); nothing was written",
                token.chars().take(80).collect::<String>()
            ));
        }
        let mut shown = self.lock();
        if let Some((_, account)) = key_authorization.split_once('.') {
            self.sweep(&shown, account)?;
        }
        self.write(token, key_authorization)?;
        *shown.entry(token.to_owned()).or_default() += 1;
        Ok(())
    }

    async fn clear(&self, _host: &DnsId, token: &str) {
        let mut shown = self.lock();
        let Some(count) = shown.get_mut(token) else { return };
        *count -= 1;
        if *count > 0 {
            return;
        }
        shown.remove(token);
        let gone = self.open().and_then(|at| {
            unlinkat(&at, token, AtFlags::empty())
                .map_err(|e| self.sentence(&format!("{token} cannot be removed"), e))
        });
        if let Err(why) = gone {
            tracing::warn!("{why}");
        }
    }
}

/// What a file says, as far as an answer goes; nothing where it is none.
fn answer(at: &OwnedFd, name: &str) -> String {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut text = String::new();
    if let Ok(file) = openat(at, name, flags, Mode::empty()) {
        // What cannot be read is not ours.
        let _ = File::from(file).take(LONGEST_ANSWER).read_to_string(&mut text);
    }
    text
}

/// Entries of the directory that are looked at: other clients leave theirs, too.
const MOST_ENTRIES: usize = 10_000;
/// A token and the hash of a key are far shorter.
const LONGEST_ANSWER: u64 = 512;

/// A token is base64url (RFC 8555 section 8.3), so it can be no path.
fn is_token(token: &str) -> bool {
    (1..=200).contains(&token.len())
        && token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::Webroot;
    use crate::issue::Solver;
    use crate::model::DnsId;

    fn host() -> DnsId {
        DnsId::parse("mx.example.org").unwrap()
    }

    #[tokio::test]
    async fn a_token_is_a_file_everyone_can_read_and_then_gone() {
        let root = tempfile::tempdir().unwrap();
        let webroot = Webroot::new(root.path().to_owned(), "webroot");
        let place = root.path().join(".well-known/acme-challenge");
        webroot.present(&host(), "to-k_1", "to-k_1.key").await.unwrap();
        webroot.present(&host(), "to-k_1", "to-k_1.key").await.unwrap();
        webroot.clear(&host(), "to-k_1").await;
        let file = place.join("to-k_1");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "to-k_1.key");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o7777, 0o644);
        assert_eq!(place.metadata().unwrap().permissions().mode() & 0o7777, 0o755);
        webroot.clear(&host(), "to-k_1").await;
        assert!(!file.exists());
        webroot.clear(&host(), "to-k_1").await;
    }

    #[tokio::test]
    async fn what_a_killed_run_presented_goes_and_what_others_present_stays() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join(".well-known/acme-challenge");
        let killed = Webroot::new(root.path().to_owned(), "webroot");
        killed.present(&host(), "left", "left.us").await.unwrap();
        killed.present(&host(), "mailcert-left", "mailcert-left.random").await.unwrap();
        put(&place.join("theirs"), "theirs.them");
        put(&place.join("index.html"), "index.html.us");
        std::fs::create_dir(place.join("folder")).unwrap();

        let next = Webroot::new(root.path().to_owned(), "webroot");
        next.present(&host(), "mailcert-now", "mailcert-now.other").await.unwrap();
        next.present(&host(), "new", "new.us").await.unwrap();
        let mut there: Vec<_> = std::fs::read_dir(&place)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        there.sort();
        assert_eq!(there, ["folder", "index.html", "mailcert-now", "new", "theirs"]);
    }

    #[expect(clippy::disallowed_methods, reason = "a test's own file")]
    fn put(path: &std::path::Path, text: &str) {
        std::fs::write(path, text).unwrap();
    }

    #[tokio::test]
    async fn no_link_is_followed() {
        let elsewhere = tempfile::tempdir().unwrap();
        for link in [".well-known", ".well-known/acme-challenge"] {
            let root = tempfile::tempdir().unwrap();
            if link.contains('/') {
                std::fs::create_dir(root.path().join(".well-known")).unwrap();
            }
            symlink(elsewhere.path(), root.path().join(link)).unwrap();
            let webroot = Webroot::new(root.path().to_owned(), "webroot");
            let refused = webroot.present(&host(), "tok", "tok.key").await.unwrap_err();
            assert!(refused.contains("link"), "{refused}");
        }
        assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);

        let root = tempfile::tempdir().unwrap();
        let place = root.path().join(".well-known/acme-challenge");
        std::fs::create_dir_all(&place).unwrap();
        let victim = elsewhere.path().join("victim");
        put(&victim, "mine");
        symlink(&victim, place.join("tok")).unwrap();
        Webroot::new(root.path().to_owned(), "webroot")
            .present(&host(), "tok", "new")
            .await
            .unwrap();
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "mine");
    }

    #[tokio::test]
    async fn what_is_no_token_is_not_written() {
        let root = tempfile::tempdir().unwrap();
        let webroot = Webroot::new(root.path().to_owned(), "webroot");
        for token in ["", "../x", "a/b", "a.b", "tök", &"x".repeat(201)] {
            assert!(webroot.present(&host(), token, "k").await.is_err(), "{token}");
        }
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_missing_directory_is_said() {
        let refused =
            Webroot::new("/nonexistent/www".into(), "webroot").present(&host(), "t", "k").await;
        assert_eq!(
            refused.unwrap_err(),
            "/nonexistent/www: cannot be opened: No such file or directory (os error 2); correct webroot in [challenge.http-01]"
        );
    }
}
