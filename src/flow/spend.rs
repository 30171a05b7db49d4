//! What is asked of the CA is in the diary before it is asked: its limits count what was sent,
//! whatever became of it.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use crate::flow::{Means, Scene};
use crate::issue::{
    self, Ca, CaIdentity, Chain, Issued, Refusal, Solver, Suggested, Unsaid, Wanted,
};
use crate::model::{CertName, DnsId};
use crate::plan::Budget;
use crate::store::{Diary, Entry, StoreError};

/// What the CA allows and what was asked of it.
pub(super) fn budget(means: &Means<'_>, diary: &Diary) -> Budget {
    let now = means.how.moment();
    let under_way = diary.orders.iter();
    let under_way = under_way.filter(|(_, order)| now.since(order.since) <= issue::FORGOTTEN);
    let under_way = under_way.map(|(name, _)| name.clone()).collect();
    let budget = Budget::at(&means.config.acme.directory, diary.spent.clone(), under_way);
    let announced = diary.told.iter().filter(|(_, told)| told.renewal.is_some());
    Budget { announced: announced.map(|(name, _)| name.clone()).collect(), ..budget }
}

/// Counts an order, durably before it is placed, and what became of it; `ca` is what it asks.
pub(super) async fn counted(
    means: &Means<'_>,
    scene: &Scene,
    (certificate, names): (&CertName, &[DnsId]),
    (asked, ca): (impl Future<Output = Result<Issued, Refusal>>, &Counting<'_>),
) -> Result<Result<Issued, Refusal>, StoreError> {
    let budget = &scene.observed.budget;
    if !budget.under_way.contains(certificate) {
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
            && refusal.by_ca
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
