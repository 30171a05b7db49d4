//! The store on disk: plain PEM files below the state directory (0700).
//!
//! ```text
//! certificates/NAME/VERSION/{key.pem,chain.pem,facts.json}
//! accounts/HOST-HASH.json
//! orders/NAME-KEY.pem (of orders under way)    next/NAME-KEY.pem (made ahead)
//! diary.jsonl    diary-certificates.jsonl (a cache)    diary-history.jsonl    lock
//! ```
//!
//! Reading takes no lock and writes nothing; a missing state directory is an empty store. The
//! first write makes it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::OFlags;
use zeroize::Zeroizing;

use crate::disk::{self, Access, Look};
use crate::model::{
    Bundle, CertName, Deed, Facts, KeyHash, NextKey, PrivateKey, RolloverNote, Sha256, Version,
};
use crate::store::certificates::Certificates;
use crate::store::history;
use crate::store::keys::Keys;
use crate::store::log::{Log, unreadable};
use crate::store::{Account, Diary, Entry, Kept, Lock, Store, StoreError, UnderWay};

/// Makes the facts of a bundle again where they are lost; says in a sentence why a bundle is of
/// no use.
pub type Recompute = fn(&Bundle) -> Result<Facts, String>;

/// A [`Store`] in a directory.
pub struct Files {
    root: PathBuf,
    certificates: Certificates,
    orders: Keys,
    next: Keys,
    diary: Log,
    history: Log,
    remembered: Mutex<Option<Remembered>>,
    locked: Arc<AtomicBool>,
}

/// What the diary said, and how its file looked then: a run asks for it many times, and with
/// 10,000 domains reading it takes a quarter of a second.
struct Remembered {
    look: Look,
    diary: Arc<Diary>,
}

impl Files {
    /// The store below `root`, which need not exist yet.
    ///
    /// # Errors
    /// [`StoreError::Unsafe`] when others than root and the caller own it or can write to it.
    pub fn open(root: &Path, facts: Recompute) -> Result<Self, StoreError> {
        let root = match std::fs::canonicalize(root) {
            Ok(found) => checked(found)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => root.to_owned(),
            Err(source) => return Err(StoreError::Read { path: root.to_owned(), source }),
        };
        let cache = Log::at(root.join("diary-certificates.jsonl"));
        Ok(Self {
            certificates: Certificates::new(root.join("certificates"), cache, facts),
            orders: Keys::new(root.join("orders")),
            next: Keys::new(root.join("next")),
            diary: Log::at(root.join("diary.jsonl")),
            history: Log::at(root.join("diary-history.jsonl")),
            remembered: Mutex::default(),
            locked: Arc::new(AtomicBool::new(false)),
            root,
        })
    }

    /// Before the first write.
    fn ensure_root(&self) -> Result<(), StoreError> {
        disk::ensure_directory(&self.root, 0o700, None, None)?;
        Ok(())
    }

    /// Where the account at the CA with this directory URL lies, if there is one.
    #[must_use]
    pub fn account_file(&self, directory: &str) -> PathBuf {
        let host = directory.split("//").nth(1).unwrap_or(directory);
        let host = host.split(['/', '?', '#']).next().unwrap_or_default();
        let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        let host: String = host.chars().filter(plain).take(100).collect();
        let hash = Sha256::of(directory.as_bytes()).to_string();
        self.root.join("accounts").join(format!("{host}-{}.json", &hash[..16]))
    }

    fn read_diary(&self) -> Result<Arc<Diary>, StoreError> {
        let mut diary = Diary::default();
        self.diary.each(|entry| diary.add(entry))?;
        Ok(Arc::new(diary))
    }

    /// Appends to the diary and to what is remembered of it.
    fn write_diary(&self, entries: &[&Entry]) -> Result<(), StoreError> {
        self.ensure_root()?;
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.diary.look()?;
        let known = remembered.take().filter(|known| Some(known.look) == before);
        self.diary.append(entries)?;
        if let (Some(mut known), Some(look)) = (known, self.diary.look()?) {
            let diary = Arc::make_mut(&mut known.diary);
            entries.iter().for_each(|&entry| diary.add(entry.clone()));
            *remembered = Some(Remembered { look, ..known });
        }
        Ok(())
    }

    /// Sweeps what killed runs left behind and folds what has grown.
    fn tidy(&self) -> Result<(), StoreError> {
        disk::sweep(&self.root)?;
        disk::sweep(&self.root.join("accounts"))?;
        if self.diary.has_grown()? {
            let diary = Arc::unwrap_or_clone(self.read_diary()?);
            self.diary.fold(diary.into_entries())?;
        }
        history::tidy(&self.history, history::LIMIT)?;
        self.tidy_orders()?;
        self.sweep_next()?;
        self.certificates.fold_cache()
    }

    /// Ends the orders whose certificate was kept by a run that was killed right after.
    fn tidy_orders(&self) -> Result<(), StoreError> {
        let diary = self.diary()?;
        let mut over = Vec::new();
        for (name, order) in &diary.orders {
            if self.certificates.next(name)? > order.becomes {
                over.push(Entry::Order { certificate: name.clone(), order: None });
            }
        }
        drop(diary);
        self.note_all(&over)?;
        self.sweep_orders()
    }

    fn sweep_orders(&self) -> Result<(), StoreError> {
        let diary = self.diary()?;
        self.orders.sweep(diary.orders.iter().map(|(name, order)| (name, &order.key)))
    }

    fn sweep_next(&self) -> Result<(), StoreError> {
        let diary = self.diary()?;
        self.next.sweep(diary.rollover.next.iter().map(|(name, next)| (name, &next.key)))
    }
}

impl Store for Files {
    fn certificates(&self) -> Result<Vec<Kept>, StoreError> {
        self.certificates.all(self.locked.load(Ordering::SeqCst))
    }

    fn bundle(&self, name: &CertName, version: Version) -> Result<Bundle, StoreError> {
        self.certificates.bundle(name, version)
    }

    fn keep(&self, name: &CertName, bundle: &Bundle, facts: &Facts) -> Result<Version, StoreError> {
        self.ensure_root()?;
        let version = self.certificates.keep(name, bundle, facts)?;
        if let Err(error) = self.end_order(name) {
            // The next run sees that the version is there.
            tracing::debug!(%name, %error, "the end of the order was not written");
        }
        Ok(version)
    }

    fn forget(&self, name: &CertName, version: Version) -> Result<(), StoreError> {
        self.certificates.forget(name, version)
    }

    fn begin_order(
        &self,
        name: &CertName,
        order: &UnderWay,
        key: &PrivateKey,
    ) -> Result<(), StoreError> {
        self.ensure_root()?;
        let order = UnderWay { becomes: self.certificates.next(name)?, ..order.clone() };
        self.orders.keep(name, &order.key, key)?;
        self.note(&Entry::Order { certificate: name.clone(), order: Some(order) })?;
        // The key of the order it takes the place of.
        self.sweep_orders()
    }

    fn order_key(&self, name: &CertName, order: &UnderWay) -> Result<PrivateKey, StoreError> {
        self.orders.key(name, &order.key)
    }

    fn end_order(&self, name: &CertName) -> Result<(), StoreError> {
        if !self.diary()?.orders.contains_key(name) {
            return Ok(());
        }
        self.note(&Entry::Order { certificate: name.clone(), order: None })?;
        self.sweep_orders()
    }

    fn keep_next(
        &self,
        name: &CertName,
        next: &NextKey,
        key: &PrivateKey,
    ) -> Result<(), StoreError> {
        self.ensure_root()?;
        self.next.keep(name, &next.key, key)?;
        let (certificate, next) = (name.clone(), Some(next.clone()));
        self.note(&Entry::Rollover(RolloverNote::Next { certificate, next }))?;
        self.sweep_next()
    }

    fn next_key(&self, name: &CertName, key: &KeyHash) -> Result<PrivateKey, StoreError> {
        self.next.key(name, key)
    }

    fn end_next(&self, name: &CertName, key: &KeyHash) -> Result<(), StoreError> {
        if self.diary()?.rollover.next.get(name).is_none_or(|next| next.key != *key) {
            return Ok(());
        }
        let note = RolloverNote::Next { certificate: name.clone(), next: None };
        self.note(&Entry::Rollover(note))?;
        self.sweep_next()
    }

    fn account(&self, directory: &str) -> Result<Option<Account>, StoreError> {
        let path = self.account_file(directory);
        let bytes = match disk::read(&path, 1 << 20) {
            Err(error) if error.is_missing() => return Ok(None),
            found => Zeroizing::new(found.map_err(|error| unreadable(&path, error))?),
        };
        match std::str::from_utf8(&bytes) {
            Ok(text) => Ok(Some(Account { credentials: Zeroizing::new(text.to_owned()) })),
            Err(error) => Err(StoreError::Schema {
                path,
                found: error.to_string(),
                expected: "the account's credentials as JSON".to_owned(),
            }),
        }
    }

    fn keep_account(&self, directory: &str, account: &Account) -> Result<(), StoreError> {
        self.ensure_root()?;
        disk::ensure_directory(&self.root.join("accounts"), 0o700, None, None)?;
        let path = self.account_file(directory);
        disk::replace(&path, account.credentials.as_bytes(), Access::PRIVATE)?;
        Ok(())
    }

    fn forget_account(&self, directory: &str) -> Result<(), StoreError> {
        disk::remove(&self.account_file(directory))?;
        Ok(())
    }

    fn diary(&self) -> Result<Arc<Diary>, StoreError> {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let look = self.diary.look()?;
        if let Some(known) = remembered.as_ref().filter(|known| Some(known.look) == look) {
            return Ok(Arc::clone(&known.diary));
        }
        let diary = self.read_diary()?;
        *remembered = look.map(|look| Remembered { look, diary: Arc::clone(&diary) });
        Ok(diary)
    }

    fn note(&self, entry: &Entry) -> Result<(), StoreError> {
        self.write_diary(&[entry])
    }

    fn note_all(&self, entries: &[Entry]) -> Result<(), StoreError> {
        if entries.is_empty() {
            return Ok(());
        }
        self.write_diary(&entries.iter().collect::<Vec<_>>())
    }

    fn tell(&self, deeds: &[Deed]) -> Result<(), StoreError> {
        if deeds.is_empty() {
            return Ok(());
        }
        self.ensure_root()?;
        self.history.append(deeds)
    }

    fn history(&self) -> Result<Vec<Deed>, StoreError> {
        let mut deeds = Vec::new();
        self.history.each(|deed| deeds.push(deed))?;
        Ok(deeds)
    }

    fn lock(&self) -> Result<Lock, StoreError> {
        // A diary that is not ours to read is found before anything is touched.
        self.diary.has_grown()?;
        self.ensure_root()?;
        let path = self.root.join("lock");
        let unreadable = |source| StoreError::Read { path: path.clone(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(&path)
            .map_err(unreadable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(StoreError::Locked { pid: holder(&mut file) });
            }
            Err(std::fs::TryLockError::Error(source)) => return Err(unreadable(source)),
        }
        sign(&mut file).map_err(unreadable)?;
        self.locked.store(true, Ordering::SeqCst);
        let lock = Lock::on(file, Arc::clone(&self.locked));
        self.tidy()?;
        Ok(lock)
    }
}

/// Commands of the configuration run as root, and keys lie here.
fn checked(root: PathBuf) -> Result<PathBuf, StoreError> {
    let found = std::fs::metadata(&root)
        .map_err(|source| StoreError::Read { path: root.clone(), source })?;
    let own = rustix::process::geteuid().as_raw();
    let wrong = if !found.is_dir() {
        "no directory".to_owned()
    } else if found.uid() != 0 && found.uid() != own {
        format!("owned by user {}", found.uid())
    } else if found.mode() & 0o022 != 0 {
        format!("mode {:04o}", found.mode() & 0o7777)
    } else {
        return Ok(root);
    };
    Err(StoreError::Unsafe { path: root, found: wrong })
}

/// The holder's pid as the lock file says it, with nothing else that may stand there.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    // Only a hint for a person: an unreadable one is an unknown one.
    let _ = file.take(20).read_to_string(&mut text);
    match text.trim().parse::<u32>() {
        Ok(pid) => pid.to_string(),
        Err(_) => "unknown".to_owned(),
    }
}

fn sign(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(format!("{}\n", std::process::id()).as_bytes())
}
