//! The verbs in order: discover, survey, plan, carry out, look again, verify.
//!
//! It decides nothing (that is `plan`) and prints nothing (that is `app`): progress leaves as
//! [`Event`] values. Every command of mailcert is a cut through it.

mod absent;
mod authority;
mod carry_out;
mod chain;
mod earlier;
mod event;
mod history;
mod order;
mod prove;
mod published;
mod renewals;
mod rollover;
mod silent;
mod spend;
mod told;
mod wait;
mod wanted;

pub use event::Event;
pub use published::last_seen;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::config::{Config, Domain};
use crate::discover::{self, Discovered, Rules};
use crate::dns::Dns;
use crate::http::Http;
use crate::issue::{Ca, Solver};
use crate::model::{CertName, Code, Finding, Hostname, Inspection, Sha256, Timestamp, Version};
use crate::plan::{self, Desired, Fate, Mode, Observed, Outcome, Plan};
use crate::store::{Entry, Remembered, Store, StoreError};
use crate::survey::{self, Anew, Asked, Earlier, Look};
use crate::verify::{self, How};

/// A run ends after this many rounds, whatever the plan says: each round has its reason to get
/// somewhere, so more of them means that something undoes our work.
const ROUNDS: usize = 4;
/// Questions to the resolver under way at once, and each second.
pub const QUESTIONS: (usize, u32) = (64, 200);

/// What the verbs work with.
pub struct Means<'a> {
    /// What the admin wants.
    pub config: &'a Config,
    /// Who answers questions.
    pub dns: &'a dyn Dns,
    /// Where certificates and the diary live.
    pub store: &'a dyn Store,
    /// Who issues.
    pub ca: &'a dyn Ca,
    /// The fallbacks of the configuration, in its order.
    pub further: Vec<&'a dyn Ca>,
    /// Where challenges are answered.
    pub solver: &'a dyn Solver,
    /// How preflight asks.
    pub http: &'a Http,
    /// How the verifier looks.
    pub how: How,
    /// This machine's addresses.
    pub machine: Vec<IpAddr>,
    /// Where others' certificates usually are on this machine.
    pub places: Vec<PathBuf>,
    /// The domains or hosts a person named: only they are asked for and proved anew; none: all.
    pub only: Vec<Hostname>,
    /// The certificates a person wants a new key for, each with its newest version.
    pub new_keys: BTreeMap<CertName, Version>,
    /// Whether a person wants RSA gone where the configuration does not ask for it.
    pub drop_rsa: bool,
    /// The moment of the run.
    pub now: Timestamp,
    /// Where progress goes.
    pub tell: &'a (dyn Fn(&Event) + Send + Sync),
    /// Set by a signal; looked at between steps.
    pub stop: &'a AtomicBool,
}

/// Whether what is remembered counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fresh {
    /// What the diary says counts until it is too old.
    Remembered,
    /// Everything is asked anew.
    Anew,
}

/// Whether the diary is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notes {
    /// It is.
    Written,
    /// Nothing is written at all.
    None,
}

/// What a run did.
#[derive(Debug, Default)]
pub struct Done {
    /// Every step of every round.
    pub outcomes: Vec<Outcome>,
    /// What was found.
    pub findings: Vec<Finding>,
    /// What is served here, proved now or earlier.
    pub inspections: Vec<Arc<Inspection>>,
    /// When to look again.
    pub wake: Option<Timestamp>,
}

/// What one look at the whole world gave.
#[derive(Debug)]
pub struct Scene {
    /// What is wanted.
    pub desired: Desired,
    /// What is there.
    pub observed: Observed,
    /// The servers as they answered.
    pub asked: Vec<Asked>,
    /// What is to be done.
    pub plan: Plan,
    /// What was found on the way.
    pub findings: Vec<Finding>,
}

/// All of it: the job of `run`, `fix` and `rollback`.
///
/// # Errors
/// [`StoreError`] when the state cannot be read or written.
pub async fn run(means: &Means<'_>, mode: &Mode) -> Result<Done, StoreError> {
    let fresh = if *mode == Mode::Run { Fresh::Remembered } else { Fresh::Anew };
    let discovered = discover(means, fresh, Notes::Written).await?;
    let mut done = Done::default();
    let mut earlier = Earlier::default();
    let mut servers = Vec::new();
    let (mut noticed, mut offered) = (Vec::new(), BTreeSet::new());
    let mut wished = BTreeSet::new();
    for _ in 0..ROUNDS + means.further.len() {
        let scene = look(means, &discovered, mode, Some(&mut earlier)).await?;
        done.wake = scene.plan.wake;
        servers = scene.asked.iter().map(|asked| asked.server.clone()).collect();
        let wishes = scene.desired.certificates.iter();
        wished = wishes.flat_map(|wish| wish.names.iter().cloned()).collect();
        // What others could bring is offered before it is ordered, and told once.
        let offers = scene.findings.iter().filter(|found| found.code == Code::SourceFound);
        offered.extend(offers.cloned());
        let (outcomes, found) = carry_out::carry_out(means, &scene, mode).await?;
        done.findings = scene.findings;
        noticed.extend(found);
        let got_somewhere = outcomes.iter().any(|outcome| outcome.fate != Fate::Skipped);
        earlier.changed.clear();
        outcomes.iter().for_each(|outcome| earlier::remember(outcome, &mut earlier));
        // Hook-in lines that nobody consented to are in every round's plan, and told once.
        let again = |old: &Outcome| outcomes.iter().any(|new| new.step.action == old.step.action);
        done.outcomes.retain(|old| mode.consents_to(&old.step.action) || !again(old));
        done.outcomes.extend(outcomes);
        if !got_somewhere || means.stopped() {
            break;
        }
    }
    let idle = done.outcomes.is_empty();
    done.inspections =
        published::served_here(means, &discovered, &servers, idle && *mode == Mode::Run).await?;
    done.findings.retain(|found| !offered.contains(found));
    let mut noticed = prove::settled(means, noticed)?;
    noticed.retain(|found| !done.findings.contains(found));
    done.findings.extend(noticed.into_iter().chain(offered));
    let refused = order::refusals(means, &done, &wished)?;
    done.findings.extend(refused);
    done.findings.extend(authority::made_good(&mut done.outcomes));
    Ok(done)
}

/// What is wanted, what is there, and what is to be done. In a run, what `earlier` rounds did
/// counts and what is seen is noted; without it nothing is written.
///
/// # Errors
/// [`StoreError`] when the state cannot be read.
pub async fn look(
    means: &Means<'_>,
    discovered: &[Discovered],
    mode: &Mode,
    earlier: Option<&mut Earlier>,
) -> Result<Scene, StoreError> {
    (means.tell)(&Event::Surveying);
    let diary = means.store.diary()?;
    let kept = means.store.certificates()?;
    let (how, now) = (&means.how, means.how.moment());
    let held = survey::held(&kept, &diary);
    let mut held = survey::gated(held, &diary, means.store, how.known(), now);
    let told = renewals::ask(means, &mut held, &diary).await;
    let writes = earlier.is_some();
    if writes {
        means.store.note_all(&told)?;
    }
    let others = wanted::others(means, discovered, &held);
    let gone = absent::let_go(means.config, discovered, &held, &diary, now);
    let having = (held.as_slice(), others.sourced.as_slice());
    let mut desired = wanted::desire(means, discovered, having, (&[], &gone));
    let reached = wanted::reached(&desired.hosts, &means.machine);
    let (asked, found) = survey::servers(&means.config.servers, &reached).await;
    let mut pinned = rollover::watched(means, (&desired, &asked, &held), &diary).await;
    if !pinned.pins.is_empty() {
        desired = wanted::desire(means, discovered, having, (&pinned.pins, &gone));
    }
    let fix = *mode != Mode::Run;
    let look = Look {
        machine: &means.machine,
        how: &means.how,
        every: means.config.verify.every,
        anew: if fix { means.anew() } else { Anew::Nothing },
        pins: pinned.pins.clone(),
        earlier: earlier.as_deref().cloned().unwrap_or_default(),
        now,
    };
    let seen = survey::observe(&desired, held, &asked, &diary, &look).await;
    let writes = earlier.is_some();
    if let Some(earlier) = earlier {
        for (server, certificate, proof) in seen.proofs {
            earlier.looked_at.insert((server.clone(), certificate.clone()));
            means.store.note(&Entry::Proof { server, certificate, proof: Some(proof) })?;
        }
    }
    let budget = spend::budget(means, &seen.observed.held, &diary);
    let fallbacks = spend::fallbacks(means, &seen.observed.held, &diary);
    let holds = authority::holds(means, &diary, mode);
    let sourced = others.sourced;
    let mut observed = Observed { sourced, budget, fallbacks, holds, ..seen.observed };
    rollover::note_shown(&desired, &mut observed, &mut pinned, now);
    let mut plan = plan::plan(&desired, &observed, mode, means.how.moment());
    if rollover::changed(means, &plan, (&desired, &asked, &observed), &diary, &mut pinned).await {
        observed.pins.clone_from(&pinned.pins);
        let having = (observed.held.as_slice(), observed.sourced.as_slice());
        desired = wanted::desire(means, discovered, having, (&observed.pins, &gone));
        plan = plan::plan(&desired, &observed, mode, means.how.moment());
    }
    let (plan, alone) = authority::permitted(means, &desired, &mut observed, mode, plan).await;
    if writes {
        means.store.note_all(&pinned.notes)?;
        means.store.note_all(&alone)?;
    }
    (means.tell)(&Event::Planned(plan.steps.len()));
    let said = discovered.iter().flat_map(|domain| domain.findings.clone());
    let mut findings: Vec<Finding> = said.chain(found).chain(pinned.findings).collect();
    findings.extend(kept.iter().flat_map(survey::damaged).chain(others.findings));
    findings.extend(wanted::offered(means, mode, &desired, &plan));
    findings.extend(plan.findings.iter().cloned());
    Ok(Scene { desired, observed, asked, plan, findings })
}

/// The hosts of every domain of the configuration, from the diary where it is fresh enough.
///
/// # Errors
/// [`StoreError`] when the diary cannot be read or written.
pub async fn discover(
    means: &Means<'_>,
    fresh: Fresh,
    notes: Notes,
) -> Result<Vec<Discovered>, StoreError> {
    let diary = means.store.diary()?;
    let asked_with = |domain: &Domain| {
        let rules = (domain, &means.machine, means.config.discover.guesses);
        Sha256::of(format!("{rules:?}").as_bytes())
    };
    let mut answers: BTreeMap<Hostname, Discovered> = BTreeMap::new();
    let mut aged = Vec::new();
    for domain in &means.config.domains {
        match diary.discovered.get(&domain.name) {
            Some(known)
                if (fresh == Fresh::Remembered || !means.anew().takes_in(&domain.name))
                    && known.asked_with == asked_with(domain)
                    && means.now.since(known.at) < means.config.discover.every =>
            {
                answers.insert(domain.name.clone(), remembered(&domain.name, known));
            }
            _ => aged.push(domain.clone()),
        }
    }
    if !aged.is_empty() {
        (means.tell)(&Event::Discovering(aged.len()));
    }
    for (mut found, domain) in ask(means, &aged).await.into_iter().zip(&aged) {
        let answered = found.complete && found.undecided.is_empty();
        if let Some(known) = diary.discovered.get(&domain.name) {
            keep_unanswered(&mut found, known, &domain.exclude);
        }
        if notes == Notes::Written && answered {
            means.store.note(&Entry::Discovered {
                domain: found.domain.clone(),
                at: means.now,
                asked_with: asked_with(domain),
                hosts: found.hosts.clone(),
                findings: found.findings.clone(),
            })?;
        }
        answers.insert(found.domain.clone(), found);
    }
    absent::count(means, (&answers, &aged), &diary, notes)?;
    Ok(means.config.domains.iter().filter_map(|domain| answers.remove(&domain.name)).collect())
}

fn remembered(domain: &Hostname, known: &Remembered) -> Discovered {
    Discovered {
        domain: domain.clone(),
        hosts: known.hosts.clone(),
        findings: known.findings.clone(),
        not_offered: Vec::new(),
        undecided: Vec::new(),
        complete: true,
        authenticated: false,
    }
}

/// Where the DNS gave no answer, what it said before still counts: for a silent host its old
/// answers, for a silent domain all its hosts (design rule 9). What the admin excludes since then
/// is out whatever the DNS says.
fn keep_unanswered(found: &mut Discovered, known: &Remembered, exclude: &[Hostname]) {
    for old in known.hosts.iter().filter(|old| !exclude.contains(&old.host)) {
        match found.hosts.iter_mut().find(|host| host.host == old.host) {
            Some(host) if host.undecided => host.clone_from(old),
            Some(_) => {}
            None if !found.complete || found.undecided.contains(&old.host) => {
                found.hosts.push(old.clone());
            }
            None => {}
        }
    }
}

/// Asks the DNS for these domains, whatever the diary says.
pub async fn ask(means: &Means<'_>, domains: &[Domain]) -> Vec<Discovered> {
    let rules = Rules {
        machine: &means.machine,
        guesses: means.config.discover.guesses,
        concurrency: QUESTIONS.0,
        per_second: QUESTIONS.1,
    };
    discover::discover(domains, means.dns, &rules).await
}

/// Looks at every endpoint the domains publish.
pub async fn verify(means: &Means<'_>, asks: &[verify::Ask]) -> Vec<Inspection> {
    (means.tell)(&Event::Verifying(asks.len()));
    let seen = |_: &Inspection| (means.tell)(&Event::Verified);
    verify::inspect_all(asks, &means.how, &seen).await
}

impl Means<'_> {
    /// What is to be asked for and proved anew when everything a person named is.
    fn anew(&self) -> Anew<'_> {
        if self.only.is_empty() { Anew::Everything } else { Anew::Only(&self.only) }
    }

    /// Whether a signal asked to stop.
    #[must_use]
    pub fn stopped(&self) -> bool {
        self.stop.load(std::sync::atomic::Ordering::Relaxed)
    }

    fn state(&self) -> &Path {
        &self.config.state
    }
}

impl Done {
    /// Whether every step worked that has to.
    #[must_use]
    pub fn all_worked(&self) -> bool {
        self.outcomes.iter().all(|one| one.fate == Fate::Done || one.step.action.can_wait())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_domain_keeps_its_hosts_but_those_that_are_excluded_now() {
        let name = |text| Hostname::parse(text).unwrap();
        let host = r#"{"host":"NAME","domain":"a.test","reasons":[],"addresses":[],
            "points":"all","included":true,"undecided":false,"why_not":null}"#;
        let host = |name| serde_json::from_str(&host.replace("NAME", name)).unwrap();
        let (at, asked_with) = (Timestamp::from_unix(1), Sha256::of(b""));
        let hosts = vec![host("mx.a.test"), host("old.a.test")];
        let known = Remembered { at, asked_with, hosts, findings: Vec::new() };
        let mut found = remembered(&name("a.test"), &known);
        (found.hosts, found.complete) = (Vec::new(), false);
        keep_unanswered(&mut found, &known, &[name("old.a.test")]);
        assert_eq!(found.hosts, [host("mx.a.test")]);
    }
}
