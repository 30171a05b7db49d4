//! What is asked of the CA is in the diary before it is asked: its limits count what was sent,
//! whatever became of it.

use crate::flow::{Means, Scene};
use crate::issue::{self, Issued, Refusal};
use crate::model::{CertName, Hostname};
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

/// Counts an order, durably before it is placed, and what became of it.
pub(super) async fn counted(
    means: &Means<'_>,
    scene: &Scene,
    (certificate, names): (&CertName, &[Hostname]),
    asked: impl Future<Output = Result<Issued, Refusal>>,
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
    let failed = failed(&answer);
    if !failed.is_empty() {
        means.store.note(&Entry::Failed(budget.failure(&failed, means.how.moment())))?;
    }
    Ok(answer)
}

/// The names that the CA could not validate.
fn failed(answer: &Result<Issued, Refusal>) -> Vec<Hostname> {
    match answer {
        Ok(issued) => issued.left_out.iter().map(|(name, _)| name.clone()).collect(),
        Err(refusal) if refusal.by_ca => refusal.names.clone(),
        Err(_) => Vec::new(),
    }
}
