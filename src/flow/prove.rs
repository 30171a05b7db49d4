//! Proofs of a round: the certificates are looked at where they are shown, and a version that
//! made a name worse is marked, so that the next round plans the one before it.

use std::sync::Arc;
use std::time::Duration;

use crate::flow::carry_out::Round;
use crate::model::{CertName, Code, Inspection, StageMark, Verdict};
use crate::plan::{Action, Step};
use crate::servers::{ServerId, Shown};
use crate::store::{Entry, Proof, StoreError};
use crate::survey::live::{self, Known};
use crate::verify::{self, Ask};

/// One `Prove` step with what it looks at.
struct Look {
    server: ServerId,
    subject: Option<CertName>,
    shown: Shown,
    asks: Vec<Ask>,
}

impl Round<'_> {
    /// Carries out `Prove` steps in one bounded round of looks; one result for each.
    pub(super) async fn prove_all(
        &mut self,
        steps: &[Step],
    ) -> Result<Vec<Result<(), String>>, StoreError> {
        let looks: Vec<Option<Look>> = steps.iter().map(|step| self.look_of(step)).collect();
        let asks: Vec<Ask> = looks.iter().flatten().flat_map(|look| look.asks.clone()).collect();
        let mut inspections = self.look_patiently(&asks).await.into_iter();
        let mut results = Vec::with_capacity(steps.len());
        for look in looks {
            results.push(match look {
                // What was issued lacks the names this server was to show it for.
                None => Ok(()),
                Some(look) => {
                    let own = inspections.by_ref().take(look.asks.len()).collect();
                    self.judge(look, own).await?
                }
            });
        }
        Ok(results)
    }

    /// Looks, and looks again at what is not as it should be: a server that was told to reload
    /// refuses connections for a moment, and its old processes live on for another. A time-out is
    /// not tried again: it was long enough.
    async fn look_patiently(&self, asks: &[Ask]) -> Vec<Inspection> {
        let how = &self.means.how;
        let mut seen = verify::inspect_all(asks, how, &|_| {}).await;
        for pause in PAUSES {
            let again: Vec<usize> =
                (0..seen.len()).filter(|at| is_worth_a_look(&seen[*at])).collect();
            if again.is_empty() || self.means.stopped() {
                break;
            }
            tokio::time::sleep(pause).await;
            let asks: Vec<Ask> = again.iter().map(|at| asks[*at].clone()).collect();
            let looks = verify::inspect_all(&asks, how, &|_| {}).await;
            for (at, look) in again.into_iter().zip(looks) {
                seen[at] = look;
            }
        }
        seen
    }

    fn look_of(&mut self, step: &Step) -> Option<Look> {
        let Action::Prove { server: id, certificate } = &step.action else { return None };
        let server = self.server(id).clone();
        let layout = &self.layout(id).0;
        let wanted = certificate.as_ref().or(layout.default.as_ref())?;
        let shown = layout.shown.iter().find(|shown| shown.name == *wanted)?.clone();
        let known = Known { hosts: &self.hosts, machine: &self.means.machine };
        let asks = match certificate {
            Some(_) => live::asks(&server, &shown, known),
            None => live::asks_without_sni(&server, &shown, known),
        };
        Some(Look { server: id.clone(), subject: certificate.clone(), shown, asks })
    }

    /// Notes what was seen; the result says what a sender would refuse.
    async fn judge(
        &mut self,
        look: Look,
        inspections: Vec<Inspection>,
    ) -> Result<Result<(), String>, StoreError> {
        let refused: Vec<&Inspection> = inspections.iter().filter(|seen| refuses(seen)).collect();
        let result = match refused.first() {
            Some(seen) => Err(sentence(seen, refused.len())),
            None => Ok(()),
        };
        let subject = (look.server.0.clone(), look.subject.clone());
        let before = self.means.store.diary()?.proofs.get(&subject).cloned();
        let worse = self.worse(&look, before.as_ref(), &refused);
        if let Some(why) = &worse {
            let (certificate, version) = (look.shown.name.clone(), look.shown.version);
            let (at, why) = (self.means.how.moment(), why.clone());
            self.note(&Entry::Bad { certificate, version, at, why })?;
        }
        let (version, at) = (look.shown.version, self.means.how.moment());
        let inspections = inspections.into_iter().map(Arc::new).collect();
        let proof = Some(Proof { version, at, void: worse.is_some(), inspections });
        self.note(&Entry::Proof { server: look.server.0, certificate: look.subject, proof })?;
        Ok(result)
    }

    /// What refuses this version, after several looks, where an earlier one was accepted and there
    /// is a good one to go back to (design rule 8).
    fn worse(
        &self,
        look: &Look,
        before: Option<&Proof>,
        refused: &[&Inspection],
    ) -> Option<String> {
        let before = before?;
        let held = self.held.iter().find(|held| held.name == look.shown.name)?;
        let now = self.means.how.moment();
        let better = held.versions.iter().any(|one| {
            one.version < look.shown.version && !one.is_bad() && one.facts.valid_at(now)
        });
        if before.version == look.shown.version || !better {
            return None;
        }
        let worked = |seen: &&&Inspection| {
            before
                .inspections
                .iter()
                .any(|old| old.verdict == Verdict::Accepted && endpoint(old) == endpoint(seen))
        };
        let worse: Vec<_> = refused.iter().filter(worked).collect();
        worse.first().map(|seen| sentence(seen, worse.len()))
    }
}

/// How long to wait before a further look. Exim's restart after a HUP takes 0.06 s, Dovecot's
/// first handshake with 1,000 blocks one second.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(200), Duration::from_millis(800), Duration::from_millis(2000)];

fn is_worth_a_look(seen: &Inspection) -> bool {
    let timed_out = seen.problems.iter().any(|problem| problem.code == Code::Timeout);
    seen.verdict != Verdict::Accepted && !timed_out
}

/// Whether a sender refuses at TLS or at the certificate: what going back can cure. A connection
/// that fails is no such thing, and unknown is none.
fn refuses(seen: &Inspection) -> bool {
    let stages = seen.stages;
    let of_certificate =
        [stages.starttls, stages.handshake, stages.chain, stages.name, stages.dates];
    seen.verdict == Verdict::Refused && of_certificate.contains(&Some(StageMark::Fail))
}

fn endpoint(seen: &Inspection) -> (&crate::model::Hostname, u16, Option<std::net::IpAddr>) {
    (&seen.host, seen.port, seen.address)
}

fn sentence(seen: &Inspection, count: usize) -> String {
    let codes: Vec<&str> = seen.problems.iter().map(|problem| problem.code.as_str()).collect();
    let more = if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() };
    format!("{} port {}: {}{more}", seen.host, seen.port, codes.join(", "))
}
