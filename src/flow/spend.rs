//! What is asked of the CA is in the diary before it is asked: its limits count what was sent,
//! whatever became of it.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use crate::config::Acme;
use crate::flow::{Means, Scene};
use crate::issue::{
    self, Ca, CaIdentity, Chain, Issued, Refusal, Solver, Suggested, Unsaid, Wanted,
};
use crate::model::{CertName, DnsId, Mark};
use crate::plan::{Budget, Fallback, Held};
use crate::store::{Diary, Entry, StoreError, UnderWay};

/// What the first CA allows and what was asked of it.
pub(super) fn budget(means: &Means<'_>, held: &[Held], diary: &Diary) -> Budget {
    at(means, &means.config.acme, held, diary)
}

/// The further CAs, as far as they are known before they are asked.
pub(super) fn fallbacks(means: &Means<'_>, held: &[Held], diary: &Diary) -> Vec<Fallback> {
    let of = |settings: &Acme| Fallback {
        directory: settings.directory.clone(),
        most: settings.names_per_certificate,
        budget: at(means, settings, held, diary),
        forbidden: BTreeSet::new(),
    };
    means.config.fallbacks.iter().map(of).collect()
}

/// What is known of one CA. What nobody knows of is the first one's: it was there before the others.
fn at(means: &Means<'_>, settings: &Acme, held: &[Held], diary: &Diary) -> Budget {
    let (ca, now) = (Mark::of(&settings.directory), means.how.moment());
    let first = Mark::of(&means.config.acme.directory);
    let is_own = |name: &CertName, version| diary.origin(name, version).unwrap_or(first) == ca;
    let mut foreign = BTreeSet::new();
    if ca != first || diary.origins.values().any(|one| *one != ca) {
        for held in held {
            let others = held.versions.iter().filter(|one| !is_own(&held.name, one.version));
            foreign.extend(others.map(|one| (held.name.clone(), one.version)));
        }
    }
    let told = diary
        .told
        .iter()
        .filter(|(name, told)| told.renewal.is_some() && is_own(name, told.version));
    let announced = told.map(|(name, _)| name.clone()).collect();
    let goes_on = |(name, order): (&CertName, &UnderWay)| {
        let is_young = now.since(order.since) <= issue::FORGOTTEN;
        let is_own = order.ca.unwrap_or(first) == ca;
        (is_young && is_own).then(|| (name.clone(), order.wanted.iter().cloned().collect()))
    };
    let under_way = diary.orders.iter().filter_map(goes_on).collect();
    let budget = Budget::at(&settings.directory, diary.spent.clone());
    Budget { under_way, announced, foreign, ..budget }
}

/// Counts an order, durably before it is placed, and what became of it; `ca` is what it asks.
pub(super) async fn counted(
    means: &Means<'_>,
    scene: &Scene,
    (certificate, names): (&CertName, &[DnsId]),
    (asked, ca): (impl Future<Output = Result<Issued, Refusal>>, &Counting<'_>),
    budget: &Budget,
) -> Result<Result<Issued, Refusal>, StoreError> {
    if !budget.under_way.contains_key(certificate) {
        let held = scene.observed.held.iter().find(|held| held.name == *certificate);
        let order = budget.order(certificate, names, held, means.how.moment());
        means.store.note(&Entry::Ordered(order))?;
    }
    let answer = asked.await;
    if answer.is_ok() {
        let (ca, set) = budget.came(names);
        means.store.note(&Entry::Came { ca, set })?;
    }
    let failed = ca.failed();
    if !failed.is_empty() {
        means.store.note(&Entry::Failed(budget.failure(&failed, means.how.moment())))?;
    }
    Ok(answer)
}

/// A CA, and the names it could not validate: what was left out before it was asked, or failed at
/// its staging directory, is none of them.
pub(super) struct Counting<'a> {
    ca: &'a dyn Ca,
    failed: Mutex<Vec<DnsId>>,
}

impl<'a> Counting<'a> {
    pub(super) fn at(ca: &'a dyn Ca) -> Self {
        Self { ca, failed: Mutex::default() }
    }

    fn failed(&self) -> Vec<DnsId> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn count<T>(&self, answer: Result<T, Refusal>) -> Result<T, Refusal> {
        if let Err(refusal) = answer.as_ref()
            && refusal.by_ca()
        {
            let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            failed.extend(refusal.names.iter().cloned());
        }
        answer
    }
}

#[async_trait]
impl Ca for Counting<'_> {
    async fn order(&self, wanted: Wanted<'_>, solver: &dyn Solver) -> Result<String, Refusal> {
        self.count(self.ca.order(wanted, solver).await)
    }

    async fn finish(&self, url: &str, names: &[DnsId], csr: &[u8]) -> Result<Chain, Refusal> {
        self.count(self.ca.finish(url, names, csr).await)
    }

    async fn alternate(&self, url: &str) -> Result<String, Refusal> {
        self.ca.alternate(url).await
    }

    async fn scout(&self, name: &DnsId, solver: &dyn Solver) -> Result<(), Refusal> {
        self.count(self.ca.scout(name, solver).await)
    }

    async fn rehearse(&self, names: &[DnsId], solver: &dyn Solver) -> Result<Vec<DnsId>, Refusal> {
        self.ca.rehearse(names, solver).await
    }

    async fn suggested(&self, certificate: &[u8]) -> Result<Suggested, Unsaid> {
        self.ca.suggested(certificate).await
    }

    async fn identity(&self) -> Result<CaIdentity, Refusal> {
        self.ca.identity().await
    }
}
