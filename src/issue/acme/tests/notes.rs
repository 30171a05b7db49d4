//! A store in which only the account lives.

use std::sync::{Arc, Mutex};

use crate::model::{Bundle, CertName, Facts, KeyHash, NextKey, PrivateKey, Version};
use crate::store::{Account, Diary, Entry, Kept, Lock, Store, StoreError, UnderWay};

/// A store that holds one account and what was noted.
#[derive(Default)]
pub(super) struct Notes {
    pub(super) account: Mutex<Option<String>>,
    pub(super) noted: Mutex<Vec<Entry>>,
}

impl Store for Notes {
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

    fn begin_order(&self, name: &CertName, _: &UnderWay, _: &PrivateKey) -> Result<(), StoreError> {
        Err(StoreError::Missing(name.to_string()))
    }

    fn order_key(&self, name: &CertName, _: &UnderWay) -> Result<PrivateKey, StoreError> {
        Err(StoreError::Missing(name.to_string()))
    }

    fn end_order(&self, _: &CertName) -> Result<(), StoreError> {
        Ok(())
    }

    fn keep_next(&self, name: &CertName, _: &NextKey, _: &PrivateKey) -> Result<(), StoreError> {
        Err(StoreError::Missing(name.to_string()))
    }

    fn next_key(&self, name: &CertName, _: &KeyHash) -> Result<PrivateKey, StoreError> {
        Err(StoreError::Missing(name.to_string()))
    }

    fn end_next(&self, _: &CertName, _: &KeyHash) -> Result<(), StoreError> {
        Ok(())
    }

    fn account(&self, _: &str) -> Result<Option<Account>, StoreError> {
        let text = self.account.lock().unwrap().clone();
        Ok(text.map(|text| Account { credentials: text.into() }))
    }

    fn keep_account(&self, _: &str, account: &Account) -> Result<(), StoreError> {
        *self.account.lock().unwrap() = Some(account.credentials.to_string());
        Ok(())
    }

    fn forget_account(&self, _: &str) -> Result<(), StoreError> {
        *self.account.lock().unwrap() = None;
        Ok(())
    }

    fn diary(&self) -> Result<Arc<Diary>, StoreError> {
        let mut diary = Diary::default();
        self.noted.lock().unwrap().iter().for_each(|entry| diary.add(entry.clone()));
        Ok(Arc::new(diary))
    }

    fn note(&self, entry: &Entry) -> Result<(), StoreError> {
        self.noted.lock().unwrap().push(entry.clone());
        Ok(())
    }

    fn lock(&self) -> Result<Lock, StoreError> {
        Ok(Lock::default())
    }
}
