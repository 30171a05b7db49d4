//! The store of laws and tests: the same promises, no disk.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zeroize::Zeroizing;

use crate::model::{
    Bundle, CertName, Deed, Facts, KeyHash, NextKey, PrivateKey, RolloverNote, Version,
};
use crate::store::{Account, Diary, Entry, Kept, Lock, Store, StoreError, UnderWay};

/// A [`Store`] in memory.
#[derive(Default)]
pub struct Memory {
    state: Mutex<State>,
    locked: Arc<AtomicBool>,
}

#[derive(Default)]
struct State {
    bundles: BTreeMap<CertName, BTreeMap<Version, (Bundle, Facts)>>,
    highest: BTreeMap<CertName, Version>,
    accounts: BTreeMap<String, Zeroizing<String>>,
    order_keys: BTreeMap<CertName, PrivateKey>,
    next_keys: BTreeMap<CertName, PrivateKey>,
    diary: Arc<Diary>,
    history: Vec<Deed>,
}

impl Memory {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A poisoned lock means that a test panicked elsewhere; the state is whole all the same.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Memory {
    fn certificates(&self) -> Result<Vec<Kept>, StoreError> {
        let kept = |(name, versions): (&CertName, &BTreeMap<Version, (Bundle, Facts)>)| Kept {
            name: name.clone(),
            versions: versions.iter().map(|(at, (_, facts))| (*at, facts.clone())).collect(),
            damaged: Vec::new(),
        };
        Ok(self.state().bundles.iter().map(kept).collect())
    }

    fn bundle(&self, name: &CertName, version: Version) -> Result<Bundle, StoreError> {
        let state = self.state();
        let found = state.bundles.get(name).and_then(|versions| versions.get(&version));
        found.map(|(bundle, _)| copy(bundle)).ok_or_else(|| StoreError::missing(name, version))
    }

    fn keep(&self, name: &CertName, bundle: &Bundle, facts: &Facts) -> Result<Version, StoreError> {
        let mut state = self.state();
        let highest = state.highest.entry(name.clone()).or_default();
        highest.0 += 1;
        let version = *highest;
        let versions = state.bundles.entry(name.clone()).or_default();
        versions.insert(version, (copy(bundle), facts.clone()));
        drop(state);
        self.end_order(name)?;
        Ok(version)
    }

    fn forget(&self, name: &CertName, version: Version) -> Result<(), StoreError> {
        let mut state = self.state();
        let gone = state.bundles.get_mut(name).and_then(|versions| versions.remove(&version));
        state.bundles.retain(|_, versions| !versions.is_empty());
        gone.map(|_| ()).ok_or_else(|| StoreError::missing(name, version))
    }

    fn begin_order(
        &self,
        name: &CertName,
        order: &UnderWay,
        key: &PrivateKey,
    ) -> Result<(), StoreError> {
        let mut state = self.state();
        let becomes = Version(state.highest.get(name).copied().unwrap_or_default().0 + 1);
        state.order_keys.insert(name.clone(), PrivateKey::from_pem(key.expose_pem().to_owned()));
        let order = Some(UnderWay { becomes, ..order.clone() });
        Arc::make_mut(&mut state.diary).add(Entry::Order { certificate: name.clone(), order });
        Ok(())
    }

    fn order_key(&self, name: &CertName, _: &UnderWay) -> Result<PrivateKey, StoreError> {
        let state = self.state();
        let key = state.order_keys.get(name);
        let key = key.map(|key| PrivateKey::from_pem(key.expose_pem().to_owned()));
        key.ok_or_else(|| StoreError::Missing(format!("the key of the order of {name}")))
    }

    fn end_order(&self, name: &CertName) -> Result<(), StoreError> {
        let mut state = self.state();
        if state.order_keys.remove(name).is_some() {
            let entry = Entry::Order { certificate: name.clone(), order: None };
            Arc::make_mut(&mut state.diary).add(entry);
        }
        Ok(())
    }

    fn keep_next(
        &self,
        name: &CertName,
        next: &NextKey,
        key: &PrivateKey,
    ) -> Result<(), StoreError> {
        let mut state = self.state();
        state.next_keys.insert(name.clone(), PrivateKey::from_pem(key.expose_pem().to_owned()));
        let (certificate, next) = (name.clone(), Some(next.clone()));
        let note = Entry::Rollover(RolloverNote::Next { certificate, next });
        Arc::make_mut(&mut state.diary).add(note);
        Ok(())
    }

    fn next_key(&self, name: &CertName, _: &KeyHash) -> Result<PrivateKey, StoreError> {
        let state = self.state();
        let key = state.next_keys.get(name);
        let key = key.map(|key| PrivateKey::from_pem(key.expose_pem().to_owned()));
        key.ok_or_else(|| StoreError::Missing(format!("the key made for {name}")))
    }

    fn end_next(&self, name: &CertName, key: &KeyHash) -> Result<(), StoreError> {
        let mut state = self.state();
        if state.diary.rollover.next.get(name).is_some_and(|next| next.key == *key) {
            state.next_keys.remove(name);
            let note = RolloverNote::Next { certificate: name.clone(), next: None };
            Arc::make_mut(&mut state.diary).add(Entry::Rollover(note));
        }
        Ok(())
    }

    fn account(&self, directory: &str) -> Result<Option<Account>, StoreError> {
        let state = self.state();
        Ok(state.accounts.get(directory).map(|kept| Account { credentials: kept.clone() }))
    }

    fn keep_account(&self, directory: &str, account: &Account) -> Result<(), StoreError> {
        self.state().accounts.insert(directory.to_owned(), account.credentials.clone());
        Ok(())
    }

    fn forget_account(&self, directory: &str) -> Result<(), StoreError> {
        self.state().accounts.remove(directory);
        Ok(())
    }

    fn diary(&self) -> Result<Arc<Diary>, StoreError> {
        Ok(Arc::clone(&self.state().diary))
    }

    fn note(&self, entry: &Entry) -> Result<(), StoreError> {
        Arc::make_mut(&mut self.state().diary).add(entry.clone());
        Ok(())
    }

    fn tell(&self, deeds: &[Deed]) -> Result<(), StoreError> {
        self.state().history.extend_from_slice(deeds);
        Ok(())
    }

    fn history(&self) -> Result<Vec<Deed>, StoreError> {
        Ok(self.state().history.clone())
    }

    fn lock(&self) -> Result<Lock, StoreError> {
        if self.locked.swap(true, Ordering::SeqCst) {
            return Err(StoreError::Locked { pid: std::process::id().to_string() });
        }
        Ok(Lock::in_memory(Arc::clone(&self.locked)))
    }
}

fn copy(bundle: &Bundle) -> Bundle {
    let key = PrivateKey::from_pem(bundle.key.expose_pem().to_owned());
    Bundle { key, chain: bundle.chain.clone() }
}
