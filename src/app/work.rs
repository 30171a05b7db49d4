//! `run`, `fix`, `rollback`, `plan`: the flow, and the exit code of what it did.

mod fix;

use crate::app::output::{Output, Progress};
use crate::app::session::Session;
use crate::app::{Failure, challenges, hold, new_key, tell};
use crate::config;
use crate::flow::{self, Done, Fresh, Notes};
use crate::model::{CertName, Code, Deed, Finding, Hostname, Level, Timestamp, Verdict, Version};
use crate::plan::{Action, Fate, Held, Mode, Plan, Step};
use crate::report::{Body, Report, Verified};
use crate::store::{Entry, Store};
use crate::survey::{self, Asked};

pub(super) use fix::{How, fix};

/// What was seen before the flow began.
#[derive(Default)]
struct Before {
    /// What was served.
    verified: Option<Verified>,
    /// The servers as they answered.
    asked: Vec<Asked>,
}

/// What came of it.
pub(super) struct Worked {
    /// The exit code.
    pub(super) code: u8,
    /// When the plan wants to look again.
    pub(super) wake: Option<Timestamp>,
    /// Whether a step failed for which no moment is set to try it again, as there is for an order.
    pub(super) failed: bool,
}

/// `plan`, and `run --dry-run`.
pub(super) async fn plan(
    session: &Session,
    fresh: Fresh,
    mode: &Mode,
    output: &Output,
) -> Result<u8, Failure> {
    let progress = Progress::new(output.quiet());
    // How many steps there are, the answer says itself.
    let tell = |event: &flow::Event| match event {
        flow::Event::Planned(_) => progress.end(),
        event => progress.tell(event),
    };
    let means = session.means(&tell);
    let discovered = flow::discover(&means, fresh, Notes::None).await.map_err(Failure::store)?;
    let scene = flow::look(&means, &discovered, mode, None).await.map_err(Failure::store)?;
    let code = match (scene.plan.steps.is_empty(), ours(&scene.findings)) {
        (false, _) => 3,
        (true, true) => 1,
        (true, false) => 0,
    };
    let orders = |step: &Step| matches!(step.action, Action::Issue { .. });
    let unoffered = scene.plan.steps.iter().any(orders).then(|| session.profile_unoffered());
    let plan = Plan { findings: Vec::new(), ..scene.plan };
    let findings = [scene.findings, unoffered.unwrap_or_default()].concat();
    output.answer(&Report::new("plan", Body::Plan(plan), findings))?;
    Ok(code)
}

/// `run`.
pub(super) async fn run(
    session: Session,
    new_keys: &[CertName],
    output: &Output,
) -> Result<u8, Failure> {
    let session = new_key::wanted(session, new_keys).await?;
    let _lock = session.lock(output).await?;
    // Whoever held the lock may have changed what is held.
    let session = new_key::wanted(session, new_keys).await?;
    Ok(work(&session, "run", &Mode::Run, output, Before::default()).await?.code)
}

/// A round of `watch`, which is a run.
pub(super) async fn round(
    session: &Session,
    command: &'static str,
    output: &Output,
) -> Result<Worked, Failure> {
    let _lock = session.lock(output).await?;
    work(session, command, &Mode::Run, output, Before::default()).await
}

/// `rollback NAME`: the newest version is not to be shown; the flow does the rest.
pub(super) async fn rollback(
    session: &Session,
    name: &CertName,
    output: &Output,
) -> Result<u8, Failure> {
    newest_beside_a_good_one(session, name)?;
    hold::is_free(session, name)?;
    let _lock = session.lock(output).await?;
    hold::is_free(session, name)?;
    // Whoever held the lock may have changed it.
    let version = newest_beside_a_good_one(session, name)?;
    let why = format!("rolled back by hand at {}", session.now);
    let certificate = name.clone();
    let at = session.now;
    session.store.note(&Entry::Bad { certificate, version, at, why }).map_err(Failure::store)?;
    let what = format!("rolled version {version} of {name} back");
    session.store.tell(&[Deed::asked_for(at, &[name], what)]).map_err(Failure::store)?;
    // Who goes back wants to see it: the reload is not left to anybody.
    let mode = Mode::Fix { hook: false, publish: true };
    Ok(work(session, "rollback", &mode, output, Before::default()).await?.code)
}

/// What the store holds under a name that somebody typed.
pub(super) fn held(session: &Session, name: &CertName) -> Result<Held, Failure> {
    let kept = session.store.certificates().map_err(Failure::store)?;
    let diary = session.store.diary().map_err(Failure::store)?;
    let held = survey::held(&kept, &diary);
    if let Some(one) = held.iter().find(|held| held.name == *name) {
        return Ok(one.clone());
    }
    let names: Vec<&str> = held.iter().map(|held| held.name.as_str()).collect();
    if names.is_empty() {
        let message = format!("{name} is not held; no other is either");
        return Err(Failure::helped(message, "`mailcert fix` brings the first ones"));
    }
    let more = match names.len().saturating_sub(SOME) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let some = names[..names.len().min(SOME)].join(", ");
    let host = Hostname::parse(name.as_str()).ok();
    let mut covers = held.iter().filter(|held| {
        let mut facts = held.versions.iter().map(|one| &one.facts);
        host.as_ref().is_some_and(|host| facts.any(|facts| facts.covers(host)))
    });
    let probably = match (covers.next(), config::nearest(name.as_str(), &names)) {
        (Some(one), _) => format!("{name} is on the certificate `{}`; ", one.name),
        (None, Some(near)) => format!("did you mean `{near}`? "),
        (None, None) => String::new(),
    };
    Err(Failure::helped(
        format_args!("{name} is not held; expected one of: {some}{more}"),
        format_args!("{probably}`mailcert status` lists them"),
    ))
}

/// So many names are told to choose from.
const SOME: usize = 5;

/// The version that is shown now, if there is an earlier one that can take its place.
fn newest_beside_a_good_one(session: &Session, name: &CertName) -> Result<Version, Failure> {
    let held = held(session, name)?;
    let mut good = held.versions.iter().rev().filter(|one| !one.is_bad());
    let (Some(newest), Some(previous)) = (good.next(), good.next()) else {
        return Err(Failure::work_helped(
            format_args!("{name} has no earlier version to go back to"),
            "`mailcert status` lists what is held",
        ));
    };
    if !previous.facts.valid_at(session.now) {
        return Err(Failure::work(format_args!(
            "version {} of {name} is outside its dates ({} to {}): it stays as it is",
            previous.version, previous.facts.not_before, previous.facts.not_after
        )));
    }
    let bundle = session.store.bundle(name, previous.version).map_err(Failure::store)?;
    let known = session.how.known();
    if let Some(why) = survey::unfit(&bundle.chain, &previous.facts, known, session.now) {
        return Err(Failure::work(format_args!(
            "senders would refuse version {} of {name} ({why}): it stays as it is",
            previous.version
        )));
    }
    Ok(newest.version)
}

async fn work(
    session: &Session,
    command: &'static str,
    mode: &Mode,
    output: &Output,
    before: Before,
) -> Result<Worked, Failure> {
    session.heed_signals()?;
    let progress = Progress::new(output.quiet());
    let tell = |event: &flow::Event| progress.tell(event);
    let means = session.means(&tell);
    session.note_clock()?;
    session.sweep().await;
    let mut done = flow::run(&means, mode).await.map_err(Failure::store)?;
    done.findings.extend(new_key::missing(session)?);
    // What was presented when a signal came.
    session.sweep().await;
    done.findings.extend(challenges::left_in_dns(session).await?);
    session.note_clock()?;
    let inspections = std::mem::take(&mut done.inspections);
    let verified = Verified::of(session.config.verify.profile.as_str(), inspections);
    // A server that runs elsewhere is not looked at: nothing of it is unknown then.
    let looked_at =
        if verified.endpoints.is_empty() { Verdict::Accepted } else { verified.verdict };
    let stopped = session.stopped();
    let code = if stopped { 1 } else { exit_code(&done, looked_at, session.strict) };
    let Done { outcomes, wake, findings, .. } = done;
    let failed = outcomes.iter().filter(|outcome| outcome.fate == Fate::Failed);
    let failed = failed.map(|outcome| &outcome.step.action);
    let failed = failed.filter(|action| !matches!(action, Action::Issue { .. })).count() > 0;
    let mut findings = [findings, fix::silent(&before.asked, &verified)].concat();
    // What a person at the terminal began, the answer tells; a run that was stopped knows too little.
    if *mode == Mode::Run && !stopped {
        findings.extend(tell::tell(session, &findings, &outcomes, &verified).await?);
    }
    let body = Body::Run {
        before: before.verified.map(Box::new),
        outcomes,
        verified,
        wake,
        ok: code == 0,
    };
    output.answer(&Report::new(command, body, findings))?;
    Ok(Worked { code, wake, failed })
}

/// 1 when a step or a name served here failed; else the code of the verification of what is
/// served here.
fn exit_code(done: &Done, verdict: Verdict, strict: bool) -> u8 {
    let failed = !done.all_worked() || ours(&done.findings);
    // A backup MX elsewhere is nobody's fault, and --strict counts it.
    let counts = |found: &Finding| found.level > Level::Note || found.code == Code::PointsElsewhere;
    let strictly = strict && done.findings.iter().any(counts);
    match verdict {
        _ if failed || strictly => 1,
        Verdict::Refused => 1,
        Verdict::Unknown => 4,
        Verdict::Accepted => 0,
    }
}

/// Whether a finding is a failure that is ours or of a name served here. What the DNS says of
/// others' hosts is at most a warning.
fn ours(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.level == Level::Fail)
}
