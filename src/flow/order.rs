//! Orders of a round, side by side: what the CA answers goes into store and diary as it comes.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use futures_util::StreamExt;

use crate::flow::authority::{self, Authority};
use crate::flow::carry_out::{Round, text};
use crate::flow::silent::Silent;
use crate::flow::told::Told;
use crate::flow::wait::after;
use crate::flow::{Done, Event, Means, Scene, chain, rollover, spend};
use crate::issue::{self, Book, Ca, Cause, Issued, Order, Refusal};
use crate::model::{CertName, Code, DnsId, Finding, KeyHash, KeyType, Version};
use crate::plan::{Action, Budget, Held, HeldVersion, Reason, Step, must_stay};
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
        let orders = asked(means, scene, &self.held, steps);
        let alone = authority::unwell(means, scene, steps).await?;
        let silent = Silent::after(alone);
        let heard = &silent;
        let mut answers = futures_util::stream::iter(orders)
            .map(|asked| async move {
                let (certificate, names, at) = (asked.certificate, asked.names, asked.at);
                if let Some(why) = heard.why(at.mark()) {
                    return (certificate, names, at, Err(why));
                }
                let (ca, budget) = (spend::Counting::at(at.ca), asked.budget);
                let answer = order(means, &ca, asked);
                let of = (certificate, names);
                let answer = spend::counted(means, scene, of, (answer, &ca), budget).await;
                heard.hear(at.mark(), &answer);
                (certificate, names, at, Ok(answer))
            })
            .buffered(ORDERS);
        let mut results = Vec::with_capacity(steps.len());
        loop {
            let next = tokio::select! {
                biased;
                next = answers.next() => next,
                () = interrupted(means) => None,
            };
            let Some((certificate, names, at, answer)) = next else { break };
            (means.tell)(&Event::Answered(certificate.clone()));
            let answer = match answer {
                Ok(answer) => answer,
                // The CA answers nobody: that is noted for it, and not for each certificate.
                Err(why) => {
                    results.push(Err(why));
                    continue;
                }
            };
            let kept = answer?.map(|issued| keep(means, certificate, issued));
            results.push(match kept {
                // The order is in the diary: the next run need not wait to fetch it again.
                Ok(Err(why)) => Err(why),
                Ok(Ok((version, left_out, found))) => {
                    self.findings.extend(found);
                    self.note_origin(certificate, version.version, at)?;
                    let unfit = version.unfit.clone();
                    self.learned(certificate, version);
                    self.note_wait(certificate, names, (at, left_out))?;
                    let refused = |why| format!("issued, and not to be shown: {why}");
                    unfit.map_or(Ok(()), |why| Err(refused(why)))
                }
                Err(refusal) => Err(self.note_wait(certificate, names, (at, Some(refusal)))?),
            });
        }
        // What was presented is taken away as the orders go; those about to be finalized are in
        // the diary.
        drop(answers);
        self.note_silent(steps, silent)?;
        results.resize_with(steps.len(), || Err("interrupted; the next run goes on".to_owned()));
        Ok(results)
    }

    /// Writes down which CAs answered nobody and are left alone, and which answer again.
    fn note_silent(&mut self, steps: &[Step], silent: Silent) -> Result<(), StoreError> {
        let means = self.means;
        let most = authority::shortest(self.scene, steps, means.how.moment());
        for (ca, refusal) in silent.heard() {
            let entry = match refusal {
                Some(refusal) => authority::left_alone(means, ca, refusal, most)?,
                None if means.store.diary()?.holds.contains_key(&ca) => {
                    Entry::Hold { ca, hold: None }
                }
                None => continue,
            };
            self.note(&entry)?;
        }
        Ok(())
    }

    /// Writes down what was refused of an order for `asked`, and until when the next try waits.
    /// Returns what was refused in one line.
    fn note_wait(
        &mut self,
        certificate: &CertName,
        asked: &[DnsId],
        (at, refusal): (Authority<'_>, Option<Refusal>),
    ) -> Result<String, StoreError> {
        let before = self.means.store.diary()?.waits.get(certificate).cloned();
        if refusal.is_none() && before.is_none() {
            return Ok(String::new());
        }
        let now = self.means.how.moment();
        let held = self.held.iter().find(|held| held.name == *certificate);
        let newest = held.and_then(|held| held.versions.last());
        let left = newest.map_or(Duration::ZERO, |last| last.facts.not_after.since(now));
        let (wait, said) = after(before, asked, (at.mark(), refusal), (now, left));
        self.note(&Entry::Wait { certificate: certificate.clone(), wait })?;
        Ok(said)
    }
}

impl Round<'_> {
    /// Writes down which CA issued a version, where another one did so before.
    fn note_origin(
        &self,
        certificate: &CertName,
        version: Version,
        at: Authority<'_>,
    ) -> Result<(), StoreError> {
        let ca = at.mark();
        if self.means.store.diary()?.origin(certificate, version) == Some(ca) {
            return Ok(());
        }
        self.note(&Entry::Origin { certificate: certificate.clone(), version, ca })
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
    let waits = done.findings.iter().any(|found| found.code == Code::HeldBack);
    let mut said = authority::said(&diary, means.how.moment(), waits);
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
    /// The version whose key is used again, or the key that was made ahead; else the kind of key to
    /// make.
    keys: (Option<Version>, Option<KeyHash>, KeyType),
    at: Authority<'s>,
    budget: &'s Budget,
}

/// What the steps of a plan ask of the CAs.
fn asked<'s>(
    means: &Means<'s>,
    scene: &'s Scene,
    held: &[Held],
    steps: &'s [Step],
) -> Vec<Asked<'s>> {
    let held: HashMap<_, _> = held.iter().map(|held| (&held.name, held)).collect();
    let now = means.how.moment();
    let orders = steps.iter().filter_map(|step| match &step.action {
        Action::Issue { certificate, names, reuse_key, next_key, key_type, ca, .. } => {
            let works = |held: &&Held| must_stay(held, names, now);
            let must_stay = match ca {
                None => held.get(certificate).map(works).unwrap_or_default(),
                // What a fallback cannot issue waits for the first CA, as a whole.
                Some(_) => names.clone(),
            };
            let (sake, keys) = (sake(&step.because), (*reuse_key, *next_key, *key_type));
            let budget = authority::budget(scene, ca.as_ref());
            let at = means.authority(ca.as_ref());
            Some(Asked { certificate, names, must_stay, sake, keys, at, budget })
        }
        _ => None,
    });
    orders.collect()
}

/// For whom a certificate is ordered, where what is held is good for the others.
fn sake(because: &Reason) -> Vec<DnsId> {
    match because {
        Reason::Missing(hosts) | Reason::Refused(hosts) => hosts.clone(),
        _ => Vec::new(),
    }
}

async fn order(means: &Means<'_>, ca: &dyn Ca, asked: Asked<'_>) -> Result<Issued, Refusal> {
    let Asked { certificate, names, must_stay, sake, keys, at, .. } = asked;
    let (reused, next, key_type) = keys;
    let key = match (reused, next) {
        (None, None) => None,
        (_, Some(next)) => Some(rollover::next_key(means, certificate, &next)?),
        (Some(version), None) => {
            let bundle = means.store.bundle(certificate, version);
            Some(bundle.map_err(|e| ours(certificate, Code::StoreDamaged, text(e)))?.key)
        }
    };
    let profile = at.settings.profile.clone();
    let (replaces, failed) = (replaced(means, certificate, at), failed(means, certificate));
    let names = names.to_vec();
    let order = Order { names, must_stay, sake, failed, key_type, key, profile, replaces };
    let (store, now) = (means.store, means.how.moment());
    let book = Book { store, certificate, ca: at.mark(), now };
    let solver = Told { solver: means.solver, tell: means.tell };
    let issued = issue::issue(order, ca, means.dns, means.http, &solver, &book).await?;
    Ok(chain::choose(means, at, (certificate, issued)).await)
}

/// The names that the last order failed for.
fn failed(means: &Means<'_>, certificate: &CertName) -> Vec<DnsId> {
    let diary = means.store.diary();
    let wait = diary.ok().and_then(|diary| diary.waits.get(certificate).cloned());
    wait.map(|wait| wait.refused).unwrap_or_default()
}

/// The certificate (DER) whose renewal the CA suggested: that it is replaced frees the order from
/// the CA's limits (RFC 9773 section 5).
fn replaced(means: &Means<'_>, certificate: &CertName, at: Authority<'_>) -> Option<Vec<u8>> {
    let diary = means.store.diary().ok()?;
    let told = diary.told.get(certificate).filter(|told| told.renewal.is_some())?;
    // Another CA does not know it.
    means.issuer(&diary, certificate, told.version).filter(|one| one.mark() == at.mark())?;
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
        Refusal { findings, names, retry_after: None, cause: issued.cause }
    });
    Ok((HeldVersion { version, facts, bad: None, unfit, told: None }, left_out, issued.findings))
}

/// A failure of our own, in the form of a refusal: it waits like one.
pub(super) fn ours(certificate: &CertName, code: Code, why: String) -> Refusal {
    let findings = vec![Finding::new(code, certificate, why)];
    Refusal { findings, names: Vec::new(), retry_after: None, cause: Cause::Ours }
}
