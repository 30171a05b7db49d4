//! Orders of a round, side by side: what the CA answers goes into store and diary as it comes.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::StreamExt;

use crate::flow::carry_out::{Round, text};
use crate::flow::{Done, Means};
use crate::issue::{self, Issued, Order, Refusal};
use crate::model::{CertName, Code, Finding, Hostname, Version};
use crate::plan::{Action, HeldVersion, Step};
use crate::store::{Entry, StoreError, Wait};
use crate::{survey, verify};

/// Orders under way at once: more make Debian's Pebble deadlock, and no CA is faster for it.
const ORDERS: usize = 8;

/// The longest a Retry-After is believed.
const LONGEST_WAIT: Duration = Duration::from_secs(7 * 86_400);

impl Round<'_> {
    /// Carries out `Issue` steps; one result for each.
    pub(super) async fn issue_all(
        &mut self,
        steps: &[Step],
    ) -> Result<Vec<Result<(), String>>, StoreError> {
        let means = self.means;
        let orders = steps.iter().filter_map(|step| match &step.action {
            Action::Issue { certificate, names, reuse_key } => {
                Some((certificate, names, *reuse_key))
            }
            _ => None,
        });
        let mut answers = futures_util::stream::iter(orders)
            .map(|(certificate, names, reuse_key)| async move {
                (certificate, order(means, certificate, names, reuse_key).await)
            })
            .buffered(ORDERS);
        let mut results = Vec::with_capacity(steps.len());
        while let Some((certificate, answer)) = answers.next().await {
            results.push(match answer.and_then(|issued| keep(means, certificate, issued)) {
                Ok((version, left_out, found)) => {
                    self.findings.extend(found);
                    let unfit = version.unfit.clone();
                    self.learned(certificate, version);
                    self.note_wait(certificate, left_out)?;
                    let refused = |why| format!("issued, and not to be shown: {why}");
                    unfit.map_or(Ok(()), |why| Err(refused(why)))
                }
                Err(refusal) => {
                    let said = refusal.sentence();
                    self.note_wait(certificate, Some(refusal))?;
                    Err(said)
                }
            });
        }
        Ok(results)
    }

    /// Writes down what was refused and until when the next try waits; nothing refused ends the
    /// wait.
    fn note_wait(
        &mut self,
        certificate: &CertName,
        refusal: Option<Refusal>,
    ) -> Result<(), StoreError> {
        let before = self.means.store.diary()?.waits.get(certificate).map(|wait| wait.refusals);
        if refusal.is_none() && before.is_none() {
            return Ok(());
        }
        let now = self.means.how.moment();
        let wait = refusal.map(|refusal| {
            let refusals = before.unwrap_or(0) + 1;
            let pause = backoff(refusals).max(refusal.retry_after.unwrap_or_default());
            Wait {
                until: now.plus(pause.min(LONGEST_WAIT)),
                refusals,
                findings: refusal.findings,
                refused: refusal.names,
            }
        });
        self.note(&Entry::Wait { certificate: certificate.clone(), wait })
    }
}

/// What the CA said of the names it refused, until they are cured or nobody wishes them any more;
/// and of orders that failed, as long as they are waited for.
pub(super) fn refusals(
    means: &Means<'_>,
    done: &Done,
    wished: &BTreeSet<Hostname>,
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
        let gone = |host: &&Hostname| !wished.contains(*host);
        let unwished: BTreeSet<&str> =
            wait.refused.iter().filter(gone).map(Hostname::as_str).collect();
        if unwished.len() < wait.refused.len() || ordered(name) || is_held_back(name) {
            let still = |found: &&Finding| !unwished.contains(found.subject.as_str());
            said.extend(wait.findings.iter().filter(still).cloned());
        }
    }
    Ok(said)
}

/// How long to wait after this many refusals in a row (design rule 13).
fn backoff(refusals: u32) -> Duration {
    let minutes = match refusals {
        0 | 1 => 1,
        2 => 10,
        3 => 100,
        _ => 24 * 60,
    };
    Duration::from_secs(60 * minutes)
}

async fn order(
    means: &Means<'_>,
    certificate: &CertName,
    names: &[Hostname],
    reuse_key: Option<Version>,
) -> Result<Issued, Refusal> {
    let key = match reuse_key {
        None => None,
        Some(version) => {
            let bundle = means.store.bundle(certificate, version);
            Some(bundle.map_err(|e| ours(certificate, Code::StoreDamaged, text(e)))?.key)
        }
    };
    let acme = &means.config.acme;
    let (key_type, profile) = (acme.key_type, acme.profile.clone());
    let order = Order { names: names.to_vec(), key_type, key, profile };
    issue::issue(order, means.ca, means.dns, means.http, means.solver).await
}

/// Keeps what the CA issued; beside the version stand what was left out and what was noticed.
fn keep(
    means: &Means<'_>,
    certificate: &CertName,
    issued: Issued,
) -> Result<(HeldVersion, Option<Refusal>, Vec<Finding>), Refusal> {
    let failed = |why: String| ours(certificate, Code::OrderFailed, why);
    let facts = verify::facts(&issued.bundle).map_err(|e| failed(text(e)))?;
    let (known, now) = (means.how.known(), means.how.moment());
    let unfit = survey::unfit(&issued.bundle, &facts, known, now);
    let kept = means.store.keep(certificate, &issued.bundle, &facts);
    let version = kept.map_err(|e| failed(text(e)))?;
    let left_out = (!issued.left_out.is_empty()).then(|| {
        let (names, findings) = issued.left_out.iter().cloned().unzip();
        Refusal { findings, names, retry_after: None, by_ca: true }
    });
    Ok((HeldVersion { version, facts, bad: None, unfit }, left_out, issued.findings))
}

/// A failure of our own, in the form of a refusal: it waits like one.
fn ours(certificate: &CertName, code: Code, why: String) -> Refusal {
    let findings = vec![Finding::new(code, certificate, why)];
    Refusal { findings, names: Vec::new(), retry_after: None, by_ca: false }
}
