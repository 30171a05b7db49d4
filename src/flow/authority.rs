//! The CAs of the configuration: which one a step goes to, which one issued a version, and which are
//! left alone because they answer nobody.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt as _;

use crate::config::Acme;
use crate::flow::wait::hold;
use crate::flow::{Means, Scene};
use crate::issue::{Ca, CaIdentity, Caa, Refusal, check_caa};
use crate::model::{CertName, Code, DnsId, Finding, Level, Mark, Timestamp, Version};
use crate::plan::{
    self, Action, Budget, Desired, Fate, Instead, Mode, Observed, Outcome, Plan, Step, patience,
};
use crate::store::{Diary, Entry, StoreError};

/// CAA records asked for at once.
const AT_ONCE: usize = 64;

/// One CA, and what the configuration says of it.
#[derive(Clone, Copy)]
pub(super) struct Authority<'a> {
    pub(super) ca: &'a dyn Ca,
    pub(super) settings: &'a Acme,
}

impl Authority<'_> {
    pub(super) fn mark(&self) -> Mark {
        Mark::of(&self.settings.directory)
    }
}

impl<'a> Means<'a> {
    fn authorities(&self) -> impl Iterator<Item = Authority<'a>> + use<'a, '_> {
        let all = std::iter::once(self.ca).chain(self.further.iter().copied());
        all.zip(self.config.authorities()).map(|(ca, settings)| Authority { ca, settings })
    }

    /// The CA of a step: the first, or the fallback that it names.
    pub(super) fn authority(&self, instead: Option<&Instead>) -> Authority<'a> {
        let first = Authority { ca: self.ca, settings: &self.config.acme };
        let Some(instead) = instead else { return first };
        let mut all = self.authorities();
        all.find(|one| one.settings.directory == instead.directory).unwrap_or(first)
    }

    /// The CA that issued a version, where the configuration still names it.
    pub(super) fn issuer(
        &self,
        diary: &Diary,
        name: &CertName,
        version: Version,
    ) -> Option<Authority<'a>> {
        match diary.origin(name, version) {
            None => self.authorities().next(),
            Some(ca) => self.authorities().find(|one| one.mark() == ca),
        }
    }
}

/// The budget at the CA of a step.
pub(super) fn budget<'s>(scene: &'s Scene, instead: Option<&Instead>) -> &'s Budget {
    let fallbacks = &scene.observed.fallbacks;
    let own = instead.and_then(|instead| {
        fallbacks.iter().find(|fallback| fallback.directory == instead.directory)
    });
    own.map_or(&scene.observed.budget, |fallback| &fallback.budget)
}

/// The CAs that are left alone; who fixes asks each of them once.
pub(super) fn holds(means: &Means<'_>, diary: &Diary, mode: &Mode) -> BTreeMap<Mark, Timestamp> {
    let now = means.how.moment();
    let counts = |at: Timestamp| *mode == Mode::Run || at >= means.now;
    let holds = diary.holds.iter().filter(|(_, hold)| hold.until > now && counts(hold.at));
    holds.map(|(ca, hold)| (*ca, hold.until)).collect()
}

/// Asks whether CAA records permit the fallbacks that a plan goes to, and plans again without what
/// they forbid. A fallback that does not say who it is is left alone; that is to be noted.
pub(super) async fn permitted(
    means: &Means<'_>,
    desired: &Desired,
    observed: &mut Observed,
    mode: &Mode,
    mut plan: Plan,
) -> (Plan, Vec<Entry>) {
    let (mut asked, mut notes) = (BTreeSet::new(), Vec::new());
    let mut identities: BTreeMap<String, CaIdentity> = BTreeMap::new();
    while let Some((directory, names)) = unasked(&plan, &asked) {
        asked.extend(names.iter().map(|name| (directory.clone(), name.clone())));
        let Some(place) = observed.fallbacks.iter().position(|one| one.directory == directory)
        else {
            break;
        };
        if !identities.contains_key(&directory) {
            match means.further[place].caa_identity().await {
                Ok(identity) => {
                    identities.insert(directory.clone(), identity);
                }
                Err(refusal) => {
                    let ca = observed.fallbacks[place].budget.ca;
                    let entry = left_alone(means, ca, refusal, None);
                    if let Ok(Entry::Hold { hold: Some(hold), .. }) = &entry {
                        observed.holds.insert(ca, hold.until);
                    }
                    notes.extend(entry);
                }
            }
        }
        if let Some(identity) = identities.get(&directory) {
            let forbidden = forbidden(means, &names, identity).await;
            observed.fallbacks[place].forbidden.extend(forbidden);
        }
        plan = plan::plan(desired, observed, mode, means.how.moment());
    }
    (plan, notes)
}

/// The names of orders at one fallback that nobody has asked about.
fn unasked(plan: &Plan, asked: &BTreeSet<(String, DnsId)>) -> Option<(String, Vec<DnsId>)> {
    let orders = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Issue { names, ca: Some(instead), .. } => Some((&instead.directory, names)),
        _ => None,
    });
    let mut by_directory: BTreeMap<&String, BTreeSet<&DnsId>> = BTreeMap::new();
    for (directory, names) in orders {
        let new =
            names.iter().filter(|name| !asked.contains(&(directory.clone(), (*name).clone())));
        by_directory.entry(directory).or_default().extend(new);
    }
    let (directory, names) = by_directory.into_iter().find(|(_, names)| !names.is_empty())?;
    Some((directory.clone(), names.into_iter().cloned().collect()))
}

async fn forbidden(means: &Means<'_>, names: &[DnsId], identity: &CaIdentity) -> Vec<DnsId> {
    let questions = names.iter().map(|name| async move {
        let said = check_caa(means.dns, name, identity, means.solver.kind(name)).await;
        matches!(said, Caa::Forbids(_)).then(|| name.clone())
    });
    let answers = futures_util::stream::iter(questions).buffered(AT_ONCE);
    answers.filter_map(|forbidden| async { forbidden }).collect().await
}

/// Has each CA of these steps say who it is, before anything is ordered there: one that answers
/// nobody is asked once, and not once for each certificate. Those that do not, with what they said.
pub(super) async fn unwell(
    means: &Means<'_>,
    scene: &Scene,
    steps: &[Step],
) -> Result<BTreeMap<Mark, String>, StoreError> {
    let mut unwell = BTreeMap::new();
    let mut asked = BTreeSet::new();
    for step in steps {
        let Action::Issue { ca, .. } = &step.action else { continue };
        let authority = means.authority(ca.as_ref());
        if !asked.insert(authority.mark()) {
            continue;
        }
        if let Err(refusal) = authority.ca.identity().await {
            unwell.insert(authority.mark(), refusal.sentence());
            let most = shortest(scene, steps, means.how.moment());
            means.store.note(&left_alone(means, authority.mark(), refusal, most)?)?;
        }
    }
    Ok(unwell)
}

/// How long these orders can wait at most.
pub(super) fn shortest(
    scene: &Scene,
    steps: &[Step],
    now: Timestamp,
) -> Option<std::time::Duration> {
    let of: BTreeSet<&CertName> =
        steps.iter().filter_map(|step| step.action.certificate()).collect();
    let held = scene.observed.held.iter().filter(|held| of.contains(&held.name));
    let newest = held.filter_map(|held| held.versions.last());
    newest.filter_map(|newest| patience(newest.facts.not_after.since(now))).min()
}

/// What is to be noted of a CA that gave no answer.
pub(super) fn left_alone(
    means: &Means<'_>,
    ca: Mark,
    refusal: Refusal,
    most: Option<std::time::Duration>,
) -> Result<Entry, StoreError> {
    let tries = means.store.diary()?.holds.get(&ca).map_or(0, |hold| hold.tries) + 1;
    let hold = hold(tries, refusal, (means.how.moment(), most));
    Ok(Entry::Hold { ca, hold: Some(hold) })
}

/// What the CAs said that are left alone. It is a warning where nobody waits for them.
pub(super) fn said(diary: &Diary, now: Timestamp, waits: bool) -> Vec<Finding> {
    let holds = diary.holds.values().filter(|hold| hold.until > now);
    let said = holds.flat_map(|hold| hold.findings.iter().cloned());
    said.map(|found| if waits { found } else { found.at(Level::Warn) }).collect()
}

/// Takes out of the outcomes what a further CA has made good: orders that one before it did not
/// take, and what stood on them. What was said of them stays, as warnings.
pub(super) fn made_good(outcomes: &mut Vec<Outcome>) -> Vec<Finding> {
    let mut told = Vec::new();
    let mut keep = vec![true; outcomes.len()];
    for (at, outcome) in outcomes.iter().enumerate() {
        let later = &outcomes[at + 1..];
        match &outcome.step.action {
            Action::Issue { certificate, .. } if outcome.fate == Fate::Failed => {
                let by = later.iter().find_map(|later| match &later.step.action {
                    Action::Issue { certificate: again, ca: Some(by), .. }
                        if again == certificate && later.fate == Fate::Done =>
                    {
                        Some(&by.directory)
                    }
                    _ => None,
                });
                let Some(by) = by else { continue };
                keep[at] = false;
                let why = outcome.error.as_deref().unwrap_or_default();
                let message = format!("{certificate} was issued by {by}, since {why}");
                told.push(Finding::new(Code::OrderFailed, certificate, message).at(Level::Warn));
            }
            _ => {}
        }
    }
    if told.is_empty() {
        return told;
    }
    for (at, outcome) in outcomes.iter().enumerate() {
        let is_again = |later: &Outcome| later.step.action == outcome.step.action;
        if outcome.fate == Fate::Skipped && outcomes[at + 1..].iter().any(is_again) {
            keep[at] = false;
        }
    }
    let mut keep = keep.into_iter();
    outcomes.retain(|_| keep.next().unwrap_or(true));
    told
}

#[cfg(test)]
mod tests {
    use super::made_good;
    use crate::model::{CertName, KeyType, Timestamp};
    use crate::plan::{Action, Fate, Instead, Outcome, Passed, Reason, Step};
    use crate::servers::ServerId;

    fn outcome(action: Action, fate: Fate) -> Outcome {
        let step = Step { action, because: Reason::Follows, needs: Vec::new() };
        Outcome { step, fate, error: (fate != Fate::Done).then(|| "it was down".to_owned()) }
    }

    fn issue(certificate: &str, ca: Option<&str>, fate: Fate) -> Outcome {
        let because = Passed::Down(Timestamp::from_unix(1));
        let ca = ca.map(|ca| Instead { directory: ca.to_owned(), because });
        let certificate = CertName::parse(certificate).unwrap();
        let (names, ways, reuse_key, next_key) = (Vec::new(), Vec::new(), None, None);
        let key_type = KeyType::EcdsaP256;
        outcome(Action::Issue { certificate, names, ways, reuse_key, next_key, key_type, ca }, fate)
    }

    fn reload(server: &str, fate: Fate) -> Outcome {
        outcome(Action::Reload { server: ServerId(server.to_owned()) }, fate)
    }

    #[test]
    fn what_a_further_ca_made_good_is_a_warning_and_nothing_else_is() {
        use Fate::{Done, Failed, Skipped};
        let mut outcomes = vec![
            issue("a.test", None, Failed),
            issue("b.test", None, Failed),
            reload("exim", Skipped),
            reload("postfix", Skipped),
            issue("a.test", Some("https://further"), Done),
            issue("b.test", Some("https://further"), Failed),
            reload("exim", Done),
        ];
        let told = made_good(&mut outcomes);
        let told: Vec<&str> = told.iter().map(|found| found.message.as_str()).collect();
        assert_eq!(told, ["a.test was issued by https://further, since it was down"]);
        let fates: Vec<Fate> = outcomes.iter().map(|outcome| outcome.fate).collect();
        assert_eq!(fates, [Failed, Skipped, Done, Failed, Done], "b.test and postfix stay");
        // Where no further CA came to help, all of it stays.
        let mut outcomes = vec![issue("a.test", None, Failed), issue("a.test", None, Done)];
        assert!(made_good(&mut outcomes).is_empty() && outcomes.len() == 2);
    }
}
