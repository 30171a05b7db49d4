//! Proofs of a round: the certificates are looked at where they are shown, and a version that
//! made a name worse is marked, so that the next round plans the one before it.

use std::sync::Arc;
use std::time::Duration;

use crate::flow::Means;
use crate::flow::carry_out::Round;
use crate::model::{CertName, Code, Deed, Finding, Inspection, Level, StageMark, Verdict, Version};
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
        let two = live::has_two(&layout.shown);
        let known = Known { hosts: &self.hosts, machine: &self.means.machine, two };
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
        let version = look.shown.version;
        let subject = (look.server.0.clone(), look.subject.clone());
        let diary = self.means.store.diary()?;
        let known = diary.proofs.get(&subject).cloned();
        let earlier = known.and_then(|known| known.of_another(version));
        let worse = earlier.as_ref().map_or_else(Vec::new, |old| worse(old, &inspections));
        let stays = diary.on_hold.contains_key(&look.shown.name);
        let leads_back = |old: &&Proof| !worse.is_empty() && self.leads_back(&look, old);
        let back = earlier.as_ref().filter(leads_back).filter(|_| !stays);
        if let Some(earlier) = back {
            self.take_back(&look.shown, earlier.version, &sentence(worse[0], worse.len()))?;
        }
        let void = back.is_some();
        let before = earlier.filter(|_| !void && inspections.iter().any(says_nothing));
        let (at, before) = (self.means.how.moment(), before.map(Box::new));
        let inspections = inspections.into_iter().map(Arc::new).collect();
        let proof = Some(Proof { version, at, void, inspections, before });
        self.note(&Entry::Proof { server: look.server.0, certificate: look.subject, proof })?;
        Ok(result)
    }

    /// Whether there is a version to go back to: the one that worked before, or an older one that
    /// is not bad. Nothing goes back to what has ended (design rule 8).
    fn leads_back(&self, look: &Look, earlier: &Proof) -> bool {
        let now = self.means.how.moment();
        let held = self.held.iter().filter(|held| held.name == look.shown.name);
        held.flat_map(|held| &held.versions).any(|one| {
            let is_it = one.version == earlier.version;
            let is_older = one.version < look.shown.version && !one.is_bad();
            one.version != look.shown.version
                && (is_it || is_older)
                && one.unfit.is_none()
                && one.facts.valid_at(now)
        })
    }

    /// Marks a version, so that the next round plans the one that worked. Where that is newer (a
    /// rollback went wrong), it is bad no more.
    fn take_back(&mut self, shown: &Shown, worked: Version, why: &str) -> Result<(), StoreError> {
        let (certificate, version, at) =
            (shown.name.clone(), shown.version, self.means.how.moment());
        if worked > version {
            self.note(&Entry::Cleared { certificate: certificate.clone(), version: worked })?;
        }
        let message = format!(
            "version {version} was refused where version {worked} had been accepted: {why}"
        );
        self.findings.push(Finding::new(Code::RolledBack, &certificate, message.clone()));
        let what = format!("took version {version} of {certificate} back");
        let deed = Deed { because: Some(message), ..Deed::asked_for(at, &[&certificate], what) };
        self.means.store.tell(&[deed])?;
        self.note(&Entry::Bad { certificate, version, at, why: why.to_owned() })
    }
}

/// Completes what is said of versions that were taken back: what is served now, and whether it is
/// accepted.
pub(super) fn settled(
    means: &Means<'_>,
    mut noticed: Vec<Finding>,
) -> Result<Vec<Finding>, StoreError> {
    let diary = means.store.diary()?;
    for found in noticed.iter_mut().filter(|found| found.code == Code::RolledBack) {
        let of_it = |key: &(String, Option<CertName>)| {
            key.1.as_ref().is_some_and(|name| name.as_str() == found.subject)
        };
        let proofs: Vec<&Proof> = (diary.proofs.iter())
            .filter(|(key, proof)| of_it(key) && !proof.void)
            .map(|(_, proof)| proof)
            .collect();
        let version = proofs.iter().map(|proof| proof.version).max();
        let looks: Vec<&Inspection> =
            proofs.iter().flat_map(|proof| &proof.inspections).map(AsRef::as_ref).collect();
        let accepted = looks.iter().filter(|seen| seen.verdict == Verdict::Accepted).count();
        let now = match version {
            None => "it is still served, and the next run takes it back".to_owned(),
            Some(version) if accepted == looks.len() => {
                format!(
                    "version {version} is served again and accepted at all {accepted} endpoints"
                )
            }
            Some(version) => format!(
                "version {version} is served again and accepted at {accepted} of {} endpoints",
                looks.len()
            ),
        };
        found.message = format!("{}; {now}", found.message);
    }
    Ok(noticed)
}

/// The looks that are refused where the same endpoint was accepted before.
fn worse<'a>(before: &Proof, seen: &'a [Inspection]) -> Vec<&'a Inspection> {
    let worked = |seen: &Inspection| {
        let mut old = before.inspections.iter().filter(|old| endpoint(old) == endpoint(seen));
        old.any(|old| old.verdict == Verdict::Accepted)
    };
    seen.iter().filter(|seen| refuses(seen) && is_of_certificate(seen) && worked(seen)).collect()
}

/// Whether a look says neither that a sender accepts nor that it refuses the certificate: load, a
/// time-out, a server that is down.
fn says_nothing(seen: &Inspection) -> bool {
    seen.verdict != Verdict::Accepted && !(refuses(seen) && is_of_certificate(seen))
}

/// Whether a refusal speaks of the certificate. A server that has too many connections closes one
/// more, or says so in plain text where TLS was to begin (measured: Exim's 421 on port 465).
fn is_of_certificate(seen: &Inspection) -> bool {
    let of_load = |code| {
        matches!(
            code,
            Code::ConnectionClosed
                | Code::ConnectionRefused
                | Code::GreetingRefused
                | Code::NotTls
                | Code::Timeout
                | Code::TemporaryRefusal
        )
    };
    seen.problems.iter().any(|problem| problem.level == Level::Fail && !of_load(problem.code))
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

#[cfg(test)]
mod tests {
    use super::{says_nothing, worse};
    use crate::model::{Code, Inspection, Level, Version};
    use crate::store::Proof;

    /// `host port code stage`; an empty code is accepted.
    fn look(text: &str) -> Inspection {
        let words: Vec<&str> = text.split(' ').collect();
        let [host, port, code, stage] = words[..] else { panic!("{text}") };
        let level = Code::parse(code).map(Code::level);
        let verdict = match level {
            None => "accepted",
            Some(Level::Fail) => "refused",
            Some(_) => "unknown",
        };
        let mark = if verdict == "refused" { "fail" } else { "unknown" };
        let problem = format!(
            r#"{{"code":"{code}","level":"{mark}","expected":null,"found":[],"sender_says":null}}"#
        );
        let (problems, stages) = match level {
            None => (String::new(), String::new()),
            Some(_) => (problem, format!("\"{stage}\":\"{mark}\"")),
        };
        let text = format!(
            r#"{{"host":"{host}","domain":null,"service":"smtp","port":{port},
            "address":"192.0.2.7","sni":null,"ours":true,"verdict":"{verdict}",
            "stages":{{{stages}}},"problems":[{problems}],"tls":null,"certificate":null,
            "proved_at":"2026-01-01T00:00:00Z","millis":1}}"#
        );
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    #[test]
    fn only_what_worked_and_is_refused_for_its_certificate_is_worse() {
        let accepted = look("mx.a.test 25 - -").into();
        let proof = |inspections| {
            let at = crate::model::Timestamp::from_unix(1);
            Proof { version: Version(1), at, void: true, inspections, before: None }
        };
        let before = proof(vec![accepted]);
        for (now, is_worse, says) in [
            ("mx.a.test 25 - -", false, true),
            ("mx.a.test 25 untrusted-root chain", true, true),
            ("mx.a.test 25 name-mismatch name", true, true),
            ("mx.a.test 25 starttls-refused starttls", true, true),
            ("mx.a.test 25 tls-alert handshake", true, true),
            ("mx.a.test 465 untrusted-root chain", false, true),
            ("mx.b.test 25 untrusted-root chain", false, true),
            ("mx.a.test 25 temporary-refusal greeting", false, false),
            ("mx.a.test 25 timeout handshake", false, false),
            ("mx.a.test 25 connection-closed handshake", false, false),
            ("mx.a.test 25 not-tls handshake", false, false),
            ("mx.a.test 25 connection-refused connect", false, false),
        ] {
            let seen = [look(now)];
            assert_eq!(!worse(&before, &seen).is_empty(), is_worse, "{now}");
            assert_eq!(!says_nothing(&seen[0]), says, "{now}");
        }
        let nothing = proof(vec![look("mx.a.test 25 timeout handshake").into()]);
        assert!(worse(&nothing, &[look("mx.a.test 25 untrusted-root chain")]).is_empty());
    }

    #[test]
    fn what_worked_is_remembered_until_a_look_says_something() {
        let proof = |version, look_at: &str, before: Option<Proof>| {
            let at = crate::model::Timestamp::from_unix(1);
            let inspections = vec![look(look_at).into()];
            let before = before.map(Box::new);
            Proof { version: Version(version), at, void: false, inspections, before }
        };
        let first = proof(1, "mx.a.test 25 - -", None);
        let second = proof(2, "mx.a.test 25 timeout greeting", Some(first.clone()));
        assert_eq!(second.clone().of_another(Version(2)), Some(first.clone()));
        assert_eq!(second.of_another(Version(3)), Some(first.clone()));
        let third = proof(3, "mx.a.test 25 - -", None);
        assert_eq!(third.clone().of_another(Version(3)), None);
        assert_eq!(third.clone().of_another(Version(4)), Some(third));
    }
}
