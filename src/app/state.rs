//! `status` and `check`: what is held, and whether the configuration is right.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::app::session::Session;
use crate::app::{Failure, Output, challenges, environment, forwarding};
use crate::flow;
use crate::model::{Code, DnsId, Finding, Hostname, Level, Mark, Verdict};
use crate::plan::{self, Held, HeldVersion, Hook};
use crate::report::{Body, CertificateRow, Page, RenewBecause, Report, ServerRow, hook_word};
use crate::store::{Diary, Store};
use crate::survey::{self, Asked};

/// `status`: from store and diary, no network.
pub(super) fn status(session: &Session, output: &Output) -> Result<u8, Failure> {
    let held = Remembered::of(session)?;
    let code = if held.is_work(session) { 3 } else { 0 };
    match output.is_page() {
        true => held.on_page(session, |page| output.page(page))?,
        false => output.answer(&Report::new("status", Body::Status(held.rows), held.findings))?,
    }
    Ok(code)
}

/// The page of `status`, whole.
pub(super) fn page(session: &Session) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    let written = Remembered::of(session)?.on_page(session, |page| page.write(&mut text));
    written.map_err(Failure::work)?;
    Ok(text)
}

/// What store and diary say.
struct Remembered {
    rows: Vec<CertificateRow>,
    findings: Vec<Finding>,
    diary: Arc<Diary>,
}

impl Remembered {
    fn of(session: &Session) -> Result<Self, Failure> {
        let kept = session.store.certificates().map_err(Failure::store)?;
        let diary = session.store.diary().map_err(Failure::store)?;
        let mut findings: Vec<Finding> = kept.iter().flat_map(survey::damaged).collect();
        findings.extend(diary.waits.values().flat_map(|wait| wait.findings.iter().cloned()));
        // Until it has answered, whether or not it may be asked again by now.
        let asked = session.config.authorities().map(|ca| Mark::of(&ca.directory));
        let holds = asked.filter_map(|ca| diary.holds.get(&ca));
        findings.extend(holds.flat_map(|hold| hold.findings.iter().cloned()));
        let seen = seen(&diary);
        let rows: Vec<CertificateRow> = survey::held(&kept, &diary)
            .iter()
            .filter_map(|held| certificate(held, &seen, (session, &diary)))
            .collect();
        Ok(Self { rows, findings, diary })
    }

    fn is_work(&self, session: &Session) -> bool {
        let due = self.rows.iter().any(|row| {
            row.renew_at <= session.now
                || row.shown_by.is_empty()
                || row.verdict == Some(Verdict::Refused)
        });
        let failed = self.findings.iter().any(|finding| finding.level == Level::Fail);
        due || failed || self.rows.is_empty() || !self.diary.owed.is_empty()
    }

    /// All of it, with what every endpoint showed.
    fn on_page<T>(&self, session: &Session, write: impl FnOnce(&Page<'_>) -> T) -> T {
        let (endpoints, machine) = (flow::last_seen(&self.diary), environment::machine());
        let mut findings = self.findings.clone();
        findings.sort();
        findings.dedup();
        write(&Page {
            machine: &machine,
            at: session.now,
            certificates: &self.rows,
            endpoints: &endpoints,
            owed: self.diary.owed.keys().map(String::as_str).collect(),
            findings: &findings,
        })
    }
}

/// What the diary last saw of each certificate, by server.
type Seen<'a> = BTreeMap<&'a crate::model::CertName, Vec<(&'a str, &'a crate::store::Proof)>>;

fn seen(diary: &Diary) -> Seen<'_> {
    let mut seen = Seen::new();
    for ((server, certificate), proof) in &diary.proofs {
        if let Some(certificate) = certificate {
            seen.entry(certificate).or_default().push((server, proof));
        }
    }
    seen
}

fn certificate(
    held: &Held,
    seen: &Seen<'_>,
    (session, diary): (&Session, &Diary),
) -> Option<CertificateRow> {
    let shown = plan::version_to_show(held, session.now)?;
    let proofs: Vec<_> = seen
        .get(&held.name)
        .into_iter()
        .flatten()
        .filter(|(_, proof)| proof.version == shown.version && !proof.void)
        .collect();
    let verdicts = proofs.iter().flat_map(|(_, proof)| &proof.inspections).map(|i| i.verdict);
    let verdict = (!proofs.is_empty()).then(|| Verdict::of(verdicts));
    Some(CertificateRow {
        name: held.name.clone(),
        names: shown.facts.names.clone(),
        key_type: shown.facts.key_type,
        not_after: shown.facts.not_after,
        renew_at: shown.due_at(),
        renew_because: because(shown),
        explanation: shown.told.as_ref().and_then(|told| told.explanation.clone()),
        version: shown.version,
        ca: diary.origin(&held.name, shown.version).and_then(|_| {
            let (settings, _) = session.issuer(diary, (&held.name, shown.version))?;
            Some(settings.directory.clone())
        }),
        on_hold: diary.on_hold.get(&held.name).cloned(),
        shown_by: proofs.iter().map(|(server, _)| (*server).to_owned()).collect(),
        verdict,
    })
}

/// Why it is renewed then.
fn because(shown: &HeldVersion) -> RenewBecause {
    let suggested = shown.told.as_ref().map(|told| told.moment(&shown.facts.leaf));
    if suggested == Some(shown.due_at()) { RenewBecause::Suggested } else { RenewBecause::Lifetime }
}

/// `check`: programs, directories, hook-in lines, and what a web server is to pass on. No network
/// but the DNS, and this machine's port 80.
pub(super) async fn check(session: &Session, output: &Output) -> Result<u8, Failure> {
    let (asked, mut findings) = survey::servers(&session.config.servers, &session.machine).await;
    let around = around(session, &asked).await?;
    let work = around.iter().any(|finding| finding.level > Level::Note);
    findings.extend(around);
    findings.extend(survey::unsearchable_places(&session.config.sources));
    findings.extend(forwarding::check(session).await?);
    findings.extend(session.profile_unoffered());
    let unpublished = challenges::missing_records(session).await?;
    let work = work || !unpublished.is_empty();
    let failed = findings.iter().any(|finding| finding.level == Level::Fail);
    let is_work = [Code::NoServer, Code::ServerNotRunning, Code::ServiceOverride];
    let missing = asked.iter().any(|a| matches!(a.hook, Hook::Missing | Hook::ByHand(_)))
        || work
        || findings.iter().any(|finding| is_work.contains(&finding.code));
    findings.extend(unpublished);
    let servers = asked.iter().map(row).collect();
    output.answer(&Report::new("check", Body::Check(servers), findings))?;
    Ok(match (failed, missing) {
        (true, _) => 1,
        (false, true) => 3,
        (false, false) => 0,
    })
}

/// What around the servers breaks mail, however right the certificates are.
async fn around(session: &Session, asked: &[Asked]) -> Result<Vec<Finding>, Failure> {
    let config = &session.config;
    let judge = survey::Judge { known: session.how.known(), now: session.now };
    let mut findings = survey::surroundings(asked, &[&config.state], &judge).await;
    let kept = session.store.certificates().map_err(Failure::store)?;
    let diary = session.store.diary().map_err(Failure::store)?;
    findings.extend(survey::of_held(&kept, &*session.store, &judge));
    let domains: Vec<Hostname> = config.domains.iter().map(|d| d.name.clone()).collect();
    let hosts = config.domains.iter().flat_map(|d| d.hosts.iter().cloned().map(DnsId::Host));
    let wild = config.domains.iter().flat_map(|d| &d.wildcards).cloned().map(DnsId::Wildcard);
    let names: Vec<DnsId> = hosts.chain(wild).collect();
    findings.extend(survey::unasked(&kept, &diary, &domains, &names));
    Ok(findings)
}

/// One server as reports show it.
pub(super) fn row(asked: &Asked) -> ServerRow {
    let (hook, why) = hook_word(&asked.hook);
    ServerRow {
        server: asked.server.id.clone(),
        directory: asked.server.directory.clone(),
        hook,
        why,
        running: asked.running,
        listeners: asked.server.listeners.clone(),
    }
}
