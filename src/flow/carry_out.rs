//! Carries a plan out: a failed step costs only the steps that stand on it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::disk::Access;
use crate::flow::{Event, Means, Scene, history, rollover};
use crate::hook;
use crate::model::{Bundle, CertName, Code, Finding, Host, Hostname, Sha256, StageMark, Version};
use crate::plan::{
    self, Action, Fate, Held, HeldVersion, Layout, Mode, Observed, Outcome, Seen, Step,
};
use crate::servers::{self, Kind, Part, Server, ServerId, Want};
use crate::store::{Entry, Proof, StoreError};
use crate::survey::live;
use crate::{deploy, source, verify};

/// What the steps of one round work on: the scene, and what has changed since it was seen.
pub(super) struct Round<'a> {
    pub(super) means: &'a Means<'a>,
    pub(super) scene: &'a Scene,
    pub(super) hosts: BTreeMap<&'a Hostname, &'a Host>,
    pub(super) held: Vec<Held>,
    pub(super) findings: Vec<Finding>,
    layouts: BTreeMap<ServerId, (Layout, BTreeMap<Part, Vec<Want>>)>,
    mode: &'a Mode,
}

/// Carries out every step in order; what is noticed on the way comes beside the outcomes.
///
/// # Errors
/// [`StoreError`] when the diary cannot be written: nothing may be done that is not noted.
pub(super) async fn carry_out(
    means: &Means<'_>,
    scene: &Scene,
    mode: &Mode,
) -> Result<(Vec<Outcome>, Vec<Finding>), StoreError> {
    let mut round = Round {
        means,
        scene,
        hosts: scene.desired.hosts.iter().map(|host| (&host.host, host)).collect(),
        held: scene.observed.held.clone(),
        findings: Vec::new(),
        layouts: BTreeMap::new(),
        mode,
    };
    let (exposed, at) = (&scene.plan.exposed, means.how.moment());
    for (name, version) in exposed {
        // First of all: a kill after the rights are taken away must not make it forgotten.
        round.note(&Entry::Exposed(name.clone(), *version, at))?;
    }
    if !exposed.is_empty() {
        let told = scene.plan.findings.iter().filter(|found| found.code == Code::KeyExposed);
        round.findings.extend(told.cloned());
    }
    for seen in &scene.observed.servers {
        // What a killed run left lies hidden; one that cannot be removed holds up nothing.
        let _ = deploy::sweep(&seen.server);
        let _ = hook::sweep(&seen.server, means.state());
    }
    let steps = &scene.plan.steps;
    let mut outcomes: Vec<Outcome> = Vec::with_capacity(steps.len());
    while let Some(next) = steps.get(outcomes.len()) {
        let mut deeds = Vec::new();
        let ended = match round.obstacle(next, &outcomes) {
            Some(why) => vec![(Fate::Skipped, Some(why))],
            None => round.act(&steps[outcomes.len()..], &outcomes).await?,
        };
        for (fate, error) in ended {
            let step = steps[outcomes.len()].clone();
            let outcome = Outcome { step, fate, error };
            (means.tell)(&Event::Ended(outcome.clone()));
            deeds.extend(history::deed(&outcome, means.how.moment()));
            outcomes.push(outcome);
        }
        if let Err(error) = means.store.tell(&deeds) {
            // What is told later is no reason to stop what is done now.
            tracing::warn!(%error, "the history lacks what was just done");
        }
    }
    Ok((outcomes, round.findings))
}

/// How often, and how far apart, a reloaded Dovecot is looked at until it greets.
const GREETINGS: usize = 20;
const BETWEEN_GREETINGS: Duration = Duration::from_millis(100);

impl Round<'_> {
    /// Why a step cannot be carried out.
    fn obstacle(&self, step: &Step, before: &[Outcome]) -> Option<String> {
        let blocked = step
            .needs
            .iter()
            .find(|need| before.get(**need).is_none_or(|outcome| outcome.fate != Fate::Done));
        if self.means.stopped() {
            return Some("interrupted".to_owned());
        }
        if let Some(need) = blocked {
            return Some(format!("step {} did not work", need + 1));
        }
        let why = match step.action {
            Action::Publish { .. } if step.action.can_wait() => {
                "mailcert may not change the zone: take these records away, which nobody needs any \
                 more"
            }
            Action::Publish { .. } => {
                "mailcert may not change the zone: publish these records; the key that senders \
                 know is shown until they stand"
            }
            _ => {
                "the hook-in lines are missing: `mailcert setup` shows them, `mailcert fix --yes` \
                 applies them"
            }
        };
        (!self.mode.consents_to(&step.action)).then(|| why.to_owned())
    }

    /// The next step, or as many of a kind as can go side by side. The outer error ends the run,
    /// the inner one fails the step.
    async fn act(
        &mut self,
        steps: &[Step],
        before: &[Outcome],
    ) -> Result<Vec<(Fate, Option<String>)>, StoreError> {
        let step = &steps[0];
        let most = match step.action {
            Action::Issue { .. } | Action::Prove { .. } => steps.len(),
            _ => 1,
        };
        let alike = steps[..most].iter().take_while(|other| {
            std::mem::discriminant(&other.action) == std::mem::discriminant(&step.action)
                && self.obstacle(other, before).is_none()
        });
        let alike = &steps[..alike.count()];
        for step in alike {
            (self.means.tell)(&Event::Begins(step.clone()));
        }
        let results = match step.action {
            Action::Issue { .. } => self.issue_all(alike).await?,
            Action::Prove { .. } => self.prove_all(alike).await?,
            _ => vec![self.act_alone(&step.action).await?],
        };
        Ok(results
            .into_iter()
            .map(|result| match result {
                Ok(()) => (Fate::Done, None),
                Err(why) => (Fate::Failed, Some(why)),
            })
            .collect())
    }

    async fn act_alone(&mut self, action: &Action) -> Result<Result<(), String>, StoreError> {
        let (store, now) = (self.means.store, self.means.how.moment());
        Ok(match action {
            Action::Issue { .. } | Action::Prove { .. } => Ok(()), // carried out side by side
            Action::Adopt { certificate, chain, key, sourced } => {
                self.adopt(certificate, (chain, key.as_deref()), *sourced)
            }
            Action::Install { server, part, .. } => return self.install(server, part).await,
            Action::Tighten { server, path } => self.tighten(server, path),
            Action::Open { server } => deploy::open(self.server(server)).map_err(text),
            Action::Check { server } => deploy::check(self.server(server)).await.map_err(text),
            Action::Reload { server } => {
                self.tell_of_edits(server);
                let told = deploy::reload(self.server(server), store, now).await.map_err(text);
                self.wait_for_sasl(server).await;
                told
            }
            Action::Hook { server } => {
                let seen = self.seen(server);
                let state = self.means.state();
                let applied = hook::apply(&seen.server, state, store, now).await;
                if applied.is_ok() && seen.edited.is_empty() {
                    self.note(&hook::known(&seen.server, self.means.how.moment()))?;
                }
                applied.map_err(text)
            }
            Action::MakeKey { certificate, key_type } => {
                rollover::make_key(self.means, certificate, *key_type).await
            }
            Action::Beside { certificate, version } => self.keep_beside(certificate, *version),
            Action::Publish { owner, ttl, add, remove, .. } => {
                return rollover::publish(self.means, (owner, *ttl), add, remove).await;
            }
            Action::Remove { path, .. } => deploy::remove(path, store).map_err(text),
            Action::Prune { certificate, version } => {
                self.forget_the_last(certificate, *version)?;
                store.forget(certificate, *version).map_err(text)
            }
        })
    }

    /// Where the newest version is forgotten, the certificate is over: what the diary says of it
    /// goes with it, and the key that was made ahead. Before the version: after a kill in between
    /// nobody would come back to what is left.
    fn forget_the_last(&self, name: &CertName, version: Version) -> Result<(), StoreError> {
        let held = self.held.iter().find(|held| held.name == *name);
        let newest = held.and_then(|held| held.versions.last());
        if newest.is_none_or(|newest| newest.version != version) {
            return Ok(());
        }
        let diary = self.means.store.diary()?;
        let proofs = diary.proofs.keys().filter(|(_, of)| of.as_ref() == Some(name));
        let proofs = proofs.map(|(server, certificate)| Entry::Proof {
            server: server.clone(),
            certificate: certificate.clone(),
            proof: None,
        });
        let mut notes: Vec<Entry> = proofs.collect();
        let next = diary.rollover.next.get(name).map(|next| next.key);
        drop(diary);
        if let Some(key) = next {
            self.means.store.end_next(name, &key)?;
        }
        notes.push(Entry::Wait { certificate: name.clone(), wait: None });
        notes.push(Entry::Told { certificate: name.clone(), told: None });
        self.means.store.note_all(&notes)
    }

    /// Waits until a Dovecot that was told to reload greets again, which it does when its auth
    /// process answers. Postfix's smtpd often asks that for SASL, and one that starts in between
    /// ends with "no SASL authentication mechanisms": master then throttles the service for 60 s
    /// (measured on 3.7). Every change of a map makes smtpd processes start anew.
    async fn wait_for_sasl(&self, id: &ServerId) {
        let server = self.server(id);
        if !matches!(server.kind, Kind::Dovecot(_)) {
            return;
        }
        let asks = live::asks_as_it_is(server, &self.means.machine);
        for _ in 0..GREETINGS {
            let seen = verify::inspect_all(&asks[..asks.len().min(1)], &self.means.how, &|_| {});
            if seen.await.iter().all(|seen| seen.stages.greeting == Some(StageMark::Ok)) {
                return;
            }
            tokio::time::sleep(BETWEEN_GREETINGS).await;
        }
    }

    /// Before a reload publishes an edit of the admin's, it is in the journal whose edit that was.
    fn tell_of_edits(&self, id: &ServerId) {
        let of_server = |found: &&Finding| {
            found.code == Code::UnpublishedEdit && found.subject == id.0.as_str()
        };
        for found in self.scene.plan.findings.iter().filter(of_server) {
            tracing::warn!("{}", found.message);
        }
    }

    fn adopt(
        &mut self,
        certificate: &CertName,
        (chain, key): (&Path, Option<&Path>),
        sourced: Option<Sha256>,
    ) -> Result<(), String> {
        let bundle = match sourced {
            None => deploy::adopt(chain, key).map_err(text)?,
            Some(content) => {
                let mut pairs = source::read(chain, key).map_err(text)?.into_iter();
                let pair = pairs.find(|pair| Sha256::of(&pair.combined()) == content);
                pair.ok_or_else(|| {
                    let chain = chain.display();
                    format!("{chain}: its owner changed it just now; the next look takes it")
                })?
            }
        };
        self.keep(certificate, &bundle)
    }

    /// Keeps a version of a certificate as one of the certificate beside it.
    fn keep_beside(&mut self, certificate: &CertName, version: Version) -> Result<(), String> {
        let first = certificate.first().ok_or_else(|| format!("{certificate} is beside none"))?;
        let bundle = self.means.store.bundle(&first, version).map_err(text)?;
        self.keep(certificate, &bundle)
    }

    fn keep(&mut self, certificate: &CertName, bundle: &Bundle) -> Result<(), String> {
        let facts = verify::facts(bundle).map_err(text)?;
        let version = self.means.store.keep(certificate, bundle, &facts).map_err(text)?;
        let kept = HeldVersion { version, facts, bad: None, unfit: None, told: None };
        self.learned(certificate, kept);
        Ok(())
    }

    async fn install(
        &mut self,
        id: &ServerId,
        part: &Part,
    ) -> Result<Result<(), String>, StoreError> {
        let wants = self.layout(id).1.get(part).cloned().unwrap_or_default();
        if wants.is_empty() {
            // What was issued lacks the names this server was to show it for.
            return Ok(Ok(()));
        }
        let subject = if let Part::Certificate(name) = part { Some(name.clone()) } else { None };
        self.void_proof(id, subject)?;
        let server = self.server(id);
        let owes = servers::needs_reload(server, part) || plan::opens_anew(self.seen(id), part);
        let installed =
            deploy::install(server, &wants, owes, self.means.store, self.means.how.moment()).await;
        Ok(installed.map(|_| ()).map_err(text))
    }

    fn tighten(&mut self, id: &ServerId, path: &Path) -> Result<(), String> {
        let wants = &self.layout(id).1;
        let want = wants.values().flatten().find(|want| want.path == path);
        let want = want.ok_or_else(|| format!("{}: nothing is wanted there", path.display()))?;
        let access = Access { mode: want.mode, uid: Some(want.uid), gid: Some(want.gid) };
        deploy::tighten(self.server(id), path, access, self.means.store).map_err(text)
    }

    /// What was seen of the files before they change speaks for them no more. It is kept: it says
    /// what worked.
    fn void_proof(&mut self, id: &ServerId, subject: Option<CertName>) -> Result<(), StoreError> {
        // Not held on to: the store would copy it to write on.
        let diary = self.means.store.diary()?;
        let proof = diary.proofs.get(&(id.0.clone(), subject.clone())).cloned();
        drop(diary);
        let Some(proof) = proof else { return Ok(()) };
        let proof = Some(Proof { void: true, ..proof });
        self.note(&Entry::Proof { server: id.0.clone(), certificate: subject, proof })
    }

    /// Writes an entry.
    pub(super) fn note(&self, entry: &Entry) -> Result<(), StoreError> {
        self.means.store.note(entry)
    }

    /// A new version is there: what servers want follows from it.
    pub(super) fn learned(&mut self, certificate: &CertName, version: HeldVersion) {
        self.layouts.clear();
        match self.held.iter_mut().find(|held| held.name == *certificate) {
            Some(held) => held.versions.push(version),
            None => self.held.push(Held { name: certificate.clone(), versions: vec![version] }),
        }
    }

    /// What the server is to show by what is held now, and the files for it. It is computed once,
    /// and again when a certificate was issued.
    pub(super) fn layout(&mut self, id: &ServerId) -> &(Layout, BTreeMap<Part, Vec<Want>>) {
        if !self.layouts.contains_key(id) {
            let observed = Observed {
                held: self.held.clone(),
                pins: self.scene.observed.pins.clone(),
                ..Observed::default()
            };
            let (desired, seen) = (&self.scene.desired, self.seen(id));
            let layout = plan::layout(desired, &observed, seen, self.means.how.moment());
            let mut wants: BTreeMap<Part, Vec<Want>> = BTreeMap::new();
            for want in servers::wants(&seen.server, &layout.shown, layout.default.as_ref()) {
                wants.entry(want.part.clone()).or_default().push(want);
            }
            self.layouts.insert(id.clone(), (layout, wants));
        }
        &self.layouts[id]
    }

    fn seen(&self, id: &ServerId) -> &Seen {
        let seen = self.scene.observed.servers.iter().find(|seen| seen.id() == id);
        seen.expect("a plan names only servers that were seen")
    }

    pub(super) fn server(&self, id: &ServerId) -> &Server {
        &self.seen(id).server
    }
}

/// An error as the sentence of an outcome.
pub(super) fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
