//! Renewal information (ARI, RFC 9773): the CA is asked when it wants the held certificates renewed,
//! and not again before its answer is too old. Nothing depends on an answer.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::{Instant, timeout_at};

use crate::flow::Means;
use crate::flow::order::leaf_of;
use crate::issue::{Suggested, Unsaid};
use crate::model::{CertName, Version};
use crate::plan::{self, Held};
use crate::store::{Diary, Entry, Told};

/// Questions at once.
const AT_ONCE: usize = 16;
/// How long a run asks: what it does not come to is asked by the next one.
const PATIENCE: Duration = Duration::from_secs(60);
/// After so many questions without an answer the CA is left alone.
const ENOUGH: usize = 3;
/// Where there was no answer, and the CA did not say when to come back.
const LATER: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Asks for what is not known or known for too long, the certificates that end first before the
/// others, and fills in what the CA said. Returns what is to be noted.
pub(super) async fn ask(means: &Means<'_>, held: &mut [Held], diary: &Diary) -> Vec<Entry> {
    let aged = aged(means, held, diary);
    if aged.is_empty() || !means.config.acme.agree_to_terms {
        return Vec::new();
    }
    let until = Instant::now() + PATIENCE;
    let questions = aged.iter().map(|(name, version)| async move {
        (name, *version, suggested(means, diary, (name, *version)).await)
    });
    let mut answers = futures_util::stream::iter(questions).buffer_unordered(AT_ONCE);
    let (mut told, mut down) = (Vec::new(), 0);
    while down < ENOUGH && !means.stopped() {
        let Ok(Some((name, version, answer))) = timeout_at(until, answers.next()).await else {
            break;
        };
        down += usize::from(answer.as_ref().is_err_and(|unsaid| unsaid.down));
        told.push((name.clone(), known(means, name, version, answer)));
    }
    drop(answers);
    if down >= ENOUGH {
        let asked = means.how.moment();
        let answered: HashSet<CertName> = told.iter().map(|(name, _)| name.clone()).collect();
        let rest = aged.iter().filter(|(name, _)| !answered.contains(name));
        told.extend(rest.map(|(name, version)| {
            let again = asked.plus(LATER);
            (name.clone(), Told { version: *version, asked, again, renewal: None })
        }));
    }
    for (name, told) in &told {
        if let Some(held) = held.iter_mut().find(|held| held.name == *name) {
            held.hear(told.version, told.renewal.clone());
        }
    }
    let entry = |(certificate, told)| Entry::Told { certificate, told: Some(told) };
    told.into_iter().map(entry).collect()
}

/// The shown versions of our own certificates whose answer is too old.
fn aged(means: &Means<'_>, held: &[Held], diary: &Diary) -> Vec<(CertName, Version)> {
    let now = means.how.moment();
    let ours = held.iter().filter(|held| held.name.owner().is_none());
    let mut aged: Vec<_> = ours
        .filter_map(|held| {
            let shown = plan::version_to_show(held, now).filter(|one| one.facts.valid_at(now))?;
            let known = diary.told.get(&held.name);
            let known = known.filter(|told| told.version == shown.version && told.asked <= now);
            let is_aged = known.is_none_or(|told| told.again <= now);
            is_aged.then(|| (shown.facts.not_after, held.name.clone(), shown.version))
        })
        .collect();
    aged.sort();
    aged.into_iter().map(|(_, name, version)| (name, version)).collect()
}

/// What the CA that issued it suggests; no other would know it.
async fn suggested(
    means: &Means<'_>,
    diary: &Diary,
    (name, version): (&CertName, Version),
) -> Result<Suggested, Unsaid> {
    let Some(issuer) = means.issuer(diary, name, version) else {
        let why = "the CA that issued it is in the configuration no more".to_owned();
        return Err(Unsaid { why, again: Some(DAY), down: false });
    };
    let leaf = leaf_of(means, name, version);
    let leaf = leaf.map_err(|why| Unsaid { why, again: None, down: false })?;
    issuer.ca.suggested(&leaf).await
}

/// What the diary is to know; where the CA gave no answer the usual rule holds.
fn known(
    means: &Means<'_>,
    name: &CertName,
    version: Version,
    answer: Result<Suggested, Unsaid>,
) -> Told {
    let asked = means.how.moment();
    let (renewal, again) = match answer {
        Ok(Suggested { renewal, again }) => (renewal, again),
        Err(Unsaid { why, again, .. }) => {
            tracing::info!(certificate = %name, "no renewal information: {why}");
            (None, again.unwrap_or(LATER))
        }
    };
    Told { version, asked, again: asked.plus(again), renewal }
}
