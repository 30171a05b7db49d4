//! A store that holds accounts and nothing else.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};

use mailcert::issue::Book;
use mailcert::model::{
    Bundle, CertName, Facts, KeyHash, Mark, NextKey, PrivateKey, Timestamp, Version,
};
use mailcert::store::{Account, Diary, Entry, Kept, Lock, Store, StoreError, UnderWay};

/// A store that holds accounts.
#[derive(Default)]
pub(crate) struct Accounts {
    kept: Mutex<BTreeMap<String, String>>,
    written: Mutex<usize>,
    /// How many more it takes before the process is killed.
    left: Mutex<Option<usize>>,
}

/// The certificate whose orders nobody writes down.
static NAME: LazyLock<CertName> = LazyLock::new(|| CertName::parse("a.example").unwrap());

impl Accounts {
    /// A book that remembers nothing.
    pub(crate) fn book(&self) -> Book<'_> {
        Book {
            store: self,
            certificate: &NAME,
            ca: Mark::of("ca"),
            now: Timestamp::from_unix(1_790_000_000),
        }
    }

    /// A store that holds this account.
    pub(crate) fn holding(directory: &str, account: &str) -> Arc<Self> {
        let store = Self::default();
        store.kept.lock().unwrap().insert(directory.to_owned(), account.to_owned());
        Arc::new(store)
    }

    /// What it holds for this CA.
    pub(crate) fn text(&self, directory: &str) -> Option<String> {
        self.kept.lock().unwrap().get(directory).cloned()
    }

    /// The process is killed after it has kept so many more accounts.
    pub(crate) fn killed_after(&self, writes: usize) {
        *self.left.lock().unwrap() = Some(writes);
    }

    /// How many accounts were made.
    pub(crate) fn made(&self) -> usize {
        *self.written.lock().unwrap()
    }
}

impl Store for Accounts {
    fn certificates(&self) -> Result<Vec<Kept>, StoreError> {
        Ok(Vec::new())
    }

    fn bundle(&self, name: &CertName, _: Version) -> Result<Bundle, StoreError> {
        Err(StoreError::Missing(name.to_string()))
    }

    fn keep(&self, name: &CertName, _: &Bundle, _: &Facts) -> Result<Version, StoreError> {
        Err(StoreError::Missing(name.to_string()))
    }

    fn forget(&self, name: &CertName, _: Version) -> Result<(), StoreError> {
        Err(StoreError::Missing(name.to_string()))
    }

    fn begin_order(&self, _: &CertName, _: &UnderWay, _: &PrivateKey) -> Result<(), StoreError> {
        Ok(())
    }

    fn order_key(&self, name: &CertName, _: &UnderWay) -> Result<PrivateKey, StoreError> {
        Err(StoreError::Missing(name.to_string()))
    }

    fn end_order(&self, _: &CertName) -> Result<(), StoreError> {
        Ok(())
    }

    fn keep_next(&self, _: &CertName, _: &NextKey, _: &PrivateKey) -> Result<(), StoreError> {
        Ok(())
    }

    fn next_key(&self, name: &CertName, _: &KeyHash) -> Result<PrivateKey, StoreError> {
        Err(StoreError::Missing(name.to_string()))
    }

    fn end_next(&self, _: &CertName, _: &KeyHash) -> Result<(), StoreError> {
        Ok(())
    }

    fn account(&self, directory: &str) -> Result<Option<Account>, StoreError> {
        let text = self.kept.lock().unwrap().get(directory).cloned();
        Ok(text.map(|text| Account { credentials: text.into() }))
    }

    fn keep_account(&self, directory: &str, account: &Account) -> Result<(), StoreError> {
        match &mut *self.left.lock().unwrap() {
            Some(0) => return Err(StoreError::Missing("the process".to_owned())),
            Some(left) => *left -= 1,
            None => {}
        }
        *self.written.lock().unwrap() += 1;
        let text = account.credentials.to_string();
        self.kept.lock().unwrap().insert(directory.to_owned(), text);
        Ok(())
    }

    fn forget_account(&self, directory: &str) -> Result<(), StoreError> {
        self.kept.lock().unwrap().remove(directory);
        Ok(())
    }

    fn diary(&self) -> Result<Arc<Diary>, StoreError> {
        Ok(Arc::default())
    }

    fn note(&self, _: &Entry) -> Result<(), StoreError> {
        Ok(())
    }

    fn lock(&self) -> Result<Lock, StoreError> {
        Ok(Lock::default())
    }
}
