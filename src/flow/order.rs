//! Orders of a round, side by side: what the CA answers goes into store and diary as it comes.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use futures_util::StreamExt;

use crate::flow::carry_out::{Round, text};
use crate::flow::told::Told;
use crate::flow::wait::after;
use crate::flow::{Done, Event, Means, chain, rollover, spend};
use crate::issue::{self, Book, Ca, Issued, Order, Refusal};
use crate::model::{CertName, Code, DnsId, Finding, KeyHash, Version};
use crate::plan::{Action, Held, HeldVersion, Reason, Step, must_stay};
use crate::store::{Entry, StoreError};
use crate::{survey, verify};

/// Orders under way at once: more make Debian's Pebble deadlock, and no CA is faster for it.
const ORDERS: usize = 8;

/// How soon a signal is noticed while the CA is waited for.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

impl Round<'_> {
    /// Carries out `Issue` steps; one result for each.
    pub(super) async fn issue_all(
        &mut self,
        steps: &[Step],
    ) -> Result<Vec<Result<(), String>>, StoreError> {
        let (means, scene) = (self.means, self.scene);
        forget_old(means)?;
        let held: HashMap<_, _> = self.held.iter().map(|held| (&held.name, held)).collect();
        let now = means.how.moment();
        let orders = steps.iter().filter_map(|step| match &step.action {
            Action::Issue { certificate, names, reuse_key, next_key, .. } => {
                let works = |held: &&Held| must_stay(held, names, now);
                let must_stay = held.get(certificate).map(works).unwrap_or_default();
                let (sake, keys) = (sake(&step.because), (*reuse_key, *next_key));
                Some(Asked { certificate, names, must_stay, sake, keys })
            }
            _ => None,
        });
        let orders: Vec<_> = orders.collect();
        let mut answers = futures_util::stream::iter(orders)
            .map(|asked| async move {
                let (certificate, names) = (asked.certificate, asked.names);
                let ca = spend::Counting::at(means.ca);
                let answer = order(means, &ca, asked);
                let answer =
                    spend::counted(means, scene, (certificate, names), (answer, &ca)).await;
                (certificate, names, answer)
            })
            .buffered(ORDERS);
        let mut results = Vec::with_capacity(steps.len());
        loop {
            let next = tokio::select! {
                biased;
                next = answers.next() => next,
                () = interrupted(means) => None,
            };
            let Some((certificate, names, answer)) = next else { break };
            (means.tell)(&Event::Answered(certificate.clone()));
            let kept = answer?.map(|issued| keep(means, certificate, issued));
            results.push(match kept {
                // The order is in the diary: the next run need not wait to fetch it again.
                Ok(Err(why)) => Err(why),
                Ok(Ok((version, left_out, found))) => {
                    self.findings.extend(found);
                    let unfit = version.unfit.clone();
                    self.learned(certificate, version);
                    self.note_wait(certificate, names, left_out)?;
                    let refused = |why| format!("issued, and not to be shown: {why}");
                    unfit.map_or(Ok(()), |why| Err(refused(why)))
                }
                Err(refusal) => Err(self.note_wait(certificate, names, Some(refusal))?),
            });
        }
        // What was presented is taken away as the orders go; those about to be finalized are in
        // the diary.
        drop(answers);
        results.resize_with(steps.len(), || Err("interrupted; the next run goes on".to_owned()));
        Ok(results)
    }

    /// Writes down what was refused of an order for `asked`, and until when the next try waits.
    /// Returns what was refused in one line.
    fn note_wait(
        &mut self,
        certificate: &CertName,
        asked: &[DnsId],
        refusal: Option<Refusal>,
    ) -> Result<String, StoreError> {
        let before = self.means.store.diary()?.waits.get(certificate).cloned();
        if refusal.is_none() && before.is_none() {
            return Ok(String::new());
        }
        let now = self.means.how.moment();
        let held = self.held.iter().find(|held| held.name == *certificate);
        let newest = held.and_then(|held| held.versions.last());
        let left = newest.map_or(Duration::ZERO, |last| last.facts.not_after.since(now));
        let (wait, said) = after(before, asked, refusal, (now, left));
        self.note(&Entry::Wait { certificate: certificate.clone(), wait })?;
        Ok(said)
    }
}

/// Waits for a signal that asks for an end, for ever if none comes.
async fn interrupted(means: &Means<'_>) {
    while !means.stopped() {
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

/// The keys of orders that no run came back for are kept no longer than the CA keeps the orders.
fn forget_old(means: &Means<'_>) -> Result<(), StoreError> {
    let (diary, now) = (means.store.diary()?, means.how.moment());
    let old = diary.orders.iter().filter(|(_, order)| now.since(order.since) > issue::FORGOTTEN);
    let old: Vec<CertName> = old.map(|(name, _)| name.clone()).collect();
    drop(diary);
    old.iter().try_for_each(|name| means.store.end_order(name))
}

/// What the CA said of the names it refused, until they are cured or nobody wishes them any more;
/// and of orders that failed, as long as they are waited for.
pub(super) fn refusals(
    means: &Means<'_>,
    done: &Done,
    wished: &BTreeSet<DnsId>,
) -> Result<Vec<Finding>, StoreError> {
    let ordered = |name: &CertName| {
        let is_it = |action: &Action| matches!(action, Action::Issue { certificate, .. } if certificate == name);
        done.outcomes.iter().any(|outcome| is_it(&outcome.step.action))
    };
    let is_held_back = |name: &CertName| {
        let mut held_back = done.findings.iter().filter(|found| found.code == Code::HeldBack);
        held_back.any(|found| found.subject == name.as_str())
    };
    let diary = means.store.diary()?;
    let mut said = Vec::new();
    for (name, wait) in &diary.waits {
        let gone = |name: &&DnsId| !wished.contains(*name);
        let unwished: BTreeSet<String> =
            wait.refused.iter().filter(gone).map(ToString::to_string).collect();
        if unwished.len() < wait.refused.len() || ordered(name) || is_held_back(name) {
            let still = |found: &&Finding| !unwished.contains(&found.subject);
            said.extend(wait.findings.iter().filter(still).cloned());
        }
    }
    Ok(said)
}

/// What a step asks for.
struct Asked<'s> {
    certificate: &'s CertName,
    names: &'s [DnsId],
    must_stay: Vec<DnsId>,
    sake: Vec<DnsId>,
    /// The version whose key is used again, or the key that was made ahead.
    keys: (Option<Version>, Option<KeyHash>),
}

/// For whom a certificate is ordered, where what is held is good for the others.
fn sake(because: &Reason) -> Vec<DnsId> {
    match because {
        Reason::Missing(hosts) | Reason::Refused(hosts) => hosts.clone(),
        _ => Vec::new(),
    }
}

async fn order(means: &Means<'_>, ca: &dyn Ca, asked: Asked<'_>) -> Result<Issued, Refusal> {
    let Asked { certificate, names, must_stay, sake, keys } = asked;
    let key = match keys {
        (None, None) => None,
        (_, Some(next)) => Some(rollover::next_key(means, certificate, &next)?),
        (Some(version), None) => {
            let bundle = means.store.bundle(certificate, version);
            Some(bundle.map_err(|e| ours(certificate, Code::StoreDamaged, text(e)))?.key)
        }
    };
    let acme = &means.config.acme;
    let (key_type, profile) = (acme.key_type, acme.profile.clone());
    let (replaces, failed) = (replaced(means, certificate), failed(means, certificate));
    let names = names.to_vec();
    let order = Order { names, must_stay, sake, failed, key_type, key, profile, replaces };
    let book = Book { store: means.store, certificate, now: means.how.moment() };
    let solver = Told { solver: means.solver, tell: means.tell };
    let issued = issue::issue(order, ca, means.dns, means.http, &solver, &book).await?;
    Ok(chain::choose(means, certificate, issued).await)
}

/// The names that the last order failed for.
fn failed(means: &Means<'_>, certificate: &CertName) -> Vec<DnsId> {
    let diary = means.store.diary();
    let wait = diary.ok().and_then(|diary| diary.waits.get(certificate).cloned());
    wait.map(|wait| wait.refused).unwrap_or_default()
}

/// The certificate (DER) whose renewal the CA suggested: that it is replaced frees the order from
/// the CA's limits (RFC 9773 section 5).
fn replaced(means: &Means<'_>, certificate: &CertName) -> Option<Vec<u8>> {
    let diary = means.store.diary().ok()?;
    let told = diary.told.get(certificate).filter(|told| told.renewal.is_some())?;
    leaf_of(means, certificate, told.version).ok()
}

/// A held certificate itself (DER).
pub(super) fn leaf_of(
    means: &Means<'_>,
    name: &CertName,
    version: Version,
) -> Result<Vec<u8>, String> {
    let bundle = means.store.bundle(name, version).map_err(text)?;
    let chain = verify::judge::chain_of_pem(&bundle.chain).map_err(text)?;
    chain.into_iter().next().ok_or_else(|| format!("{name} version {version} is empty"))
}

/// Keeps what the CA issued; beside the version stand what was left out and what was noticed.
fn keep(
    means: &Means<'_>,
    certificate: &CertName,
    issued: Issued,
) -> Result<(HeldVersion, Option<Refusal>, Vec<Finding>), String> {
    let facts = verify::facts(&issued.bundle).map_err(text)?;
    let (known, now) = (means.how.known(), means.how.moment());
    let unfit = survey::unfit(&issued.bundle.chain, &facts, known, now);
    let version = means.store.keep(certificate, &issued.bundle, &facts).map_err(text)?;
    if let Err(error) = means.store.end_next(certificate, &facts.spki) {
        // The plan sees that a version has that key.
        tracing::debug!(%certificate, %error, "the end of the next key was not written");
    }
    let left_out = (!issued.left_out.is_empty()).then(|| {
        let (names, findings) = issued.left_out.iter().cloned().unzip();
        Refusal { findings, names, retry_after: None, by_ca: true }
    });
    Ok((HeldVersion { version, facts, bad: None, unfit, told: None }, left_out, issued.findings))
}

/// A failure of our own, in the form of a refusal: it waits like one.
pub(super) fn ours(certificate: &CertName, code: Code, why: String) -> Refusal {
    let findings = vec![Finding::new(code, certificate, why)];
    Refusal { findings, names: Vec::new(), retry_after: None, by_ca: false }
}
