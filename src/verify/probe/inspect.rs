//! One endpoint: a few looks, with SNI and without, made into one [`Inspection`].

use std::sync::Arc;

use tokio::time::Instant;

use super::again::Again;
use super::fetch;
use super::first::{First, first};
use super::gate::Gate;
use super::lanes::Lanes;
use super::look::{Aim, Look};
use super::second::{Second, second};
use crate::model::{Code, Details, Inspection, Stage, StageMark, Stages, Tls, TlsMode, Verdict};
use crate::verify::judge::{Judgement, judge};
use crate::verify::profiles;
use crate::verify::starttls::Heard;
use crate::verify::{Ask, Fault, How, Sni};

/// Looks at one endpoint; `None` if it is optional and nothing answers. `gate` is that of its
/// address: it counts the connections, of which one is its own.
pub(super) async fn inspect(ask: &Ask, how: &How, gate: Option<&Gate>) -> Option<Inspection> {
    let begun = Instant::now();
    let Some(aim) = Aim::of(ask) else {
        let message = format!("{} has no address", ask.endpoint.host);
        return (!ask.optional).then(|| unresolved(ask, how, Code::NoSuchHost, &message));
    };
    let deadline = begun + how.timeout;
    let First { look: first, aim, faults: mut found } =
        match gate.and_then(|gate| gate.silence(aim)) {
            Some(stage) => First::unasked(aim, stage),
            None => first(aim, deadline, how).await,
        };
    if let Some(gate) = gate {
        gate.heard(aim, &first, how);
    }
    if ask.optional && is_absent(&first) {
        return None;
    }
    let judgement = judged(&first, ask, how);
    let again = judgement.as_ref().filter(|_| first.fault.is_none());
    let again = again.map(|judgement| Again { aim, deadline, ask, how, first: &first, judgement });
    let (second, others) = further((aim, deadline), &first, again, how, gate).await;
    let judgement = judgement.or_else(|| second.judged(ask, how));
    if how.extras.thorough {
        found.extend(first.heard.faults.iter().cloned());
    }
    if let Some(judgement) = &judgement {
        let chain = if first.tls.is_some() { &first.chain } else { &second.chain };
        let host = &ask.endpoint.host;
        found.extend(fetch::faults(chain, host, how, deadline, judgement).await);
    }
    let faults: Vec<Fault> = second.faults.into_iter().chain(found).chain(others).collect();
    let mut inspection = blank(ask, how);
    inspection.stages = stages(&first, judgement.as_ref(), aim.mode, &faults, how);
    inspection.certificate = judgement.and_then(|judgement| judgement.certificate).map(Arc::new);
    inspection.tls = first.tls;
    inspection.details = details(first.heard, second.session, how);
    settle(&mut inspection, faults, how);
    inspection.millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    Some(inspection)
}

/// All looks but the first: the second one by a hello made by hand, and those of `again`.
async fn further(
    at: (Aim<'_>, Instant),
    first: &Look,
    again: Option<Again<'_>>,
    how: &How,
    gate: Option<&Gate>,
) -> (Second, Vec<Fault>) {
    // A run makes none, and leaves the room at the address to others.
    let gate = gate.filter(|_| how.extras.thorough);
    let lanes = Lanes::at(gate.map(|gate| &gate.turns));
    let others = async {
        let Some(again) = again else { return Vec::new() };
        match again.tries(&lanes).await {
            Ok(()) => again.others(&lanes).await,
            Err(found) => found,
        }
    };
    tokio::join!(second(at, first, how, &lanes), others)
}

/// What more was seen, for those who ask for more.
fn details(heard: Heard, second_look: Option<Tls>, how: &How) -> Option<Box<Details>> {
    let offers = if how.extras.thorough { heard.offers } else { Vec::new() };
    let transcript = heard.transcript;
    let details = Details { offers, transcript, second_look, ..Details::default() };
    (details != Details::default()).then(|| Box::new(details))
}

/// The inspection of a host whose address is not known: `no-such-host`, or `dns-failure` where the
/// DNS gave no answer; `message` says what it said.
#[must_use]
pub fn unresolved(ask: &Ask, how: &How, code: Code, message: &str) -> Inspection {
    let mut inspection = blank(ask, how);
    let fault = Fault {
        expected: Some(format!("an A or AAAA record of {}", ask.endpoint.host)),
        found: vec![crate::verify::visible(message)],
        ..Fault::new(code, Stage::Connect)
    };
    inspection.stages.mark(Stage::Connect, StageMark::Unknown);
    settle(&mut inspection, vec![fault], how);
    inspection
}

fn blank(ask: &Ask, how: &How) -> Inspection {
    Inspection {
        host: ask.endpoint.host.clone(),
        domain: ask.domain.clone(),
        origin: ask.origin.clone(),
        service: ask.endpoint.service,
        port: ask.endpoint.port,
        address: ask.endpoint.address.or_else(|| ask.connect.map(|to| to.ip())),
        sni: (ask.sni == Sni::Host).then(|| ask.endpoint.host.clone()),
        ours: ask.ours,
        verdict: Verdict::Unknown,
        stages: Stages::default(),
        problems: Vec::new(),
        tls: None,
        certificate: None,
        proved_at: how.moment(),
        millis: 0,
        details: None,
    }
}

/// Weighs the faults, worst first, and says the verdict.
fn settle(inspection: &mut Inspection, faults: Vec<Fault>, how: &How) {
    let weigh = |fault| profiles::weigh(fault, inspection.service, how.profile);
    let mut problems: Vec<_> = faults.into_iter().map(weigh).collect();
    problems.sort_by_key(|problem| std::cmp::Reverse(problem.level));
    inspection.verdict = profiles::verdict(&problems);
    inspection.problems = problems;
}

/// Whether nothing is there: no connection, or one on which nothing is ever said.
fn is_absent(look: &Look) -> bool {
    look.fault.as_ref().is_some_and(|fault| {
        fault.stage == Stage::Connect || (fault.code == Code::Timeout && look.chain.is_empty())
    })
}

pub(super) fn judged(look: &Look, ask: &Ask, how: &How) -> Option<Judgement> {
    let shown = !look.chain.is_empty() && look.tls.is_some();
    shown.then(|| judge(&look.chain, &ask.endpoint.host, how.known(), how.moment()))
}

/// Marks what was passed, then what was found. What clients without SNI or with an unknown one get
/// marks no stage: the matrix shows what the sender sees.
fn stages(
    first: &Look,
    judgement: Option<&Judgement>,
    mode: TlsMode,
    faults: &[Fault],
    how: &How,
) -> Stages {
    let mut stages = Stages::default();
    let order: &[Stage] = match mode {
        TlsMode::Starttls => &[Stage::Connect, Stage::Greeting, Stage::Starttls, Stage::Handshake],
        TlsMode::Implicit => &[Stage::Connect, Stage::Handshake, Stage::Greeting],
    };
    let at = first.fault.as_ref().map(|fault| fault.stage);
    for stage in order {
        if Some(*stage) == at {
            break;
        }
        stages.mark(*stage, StageMark::Ok);
    }
    if judgement.is_some() {
        for stage in [Stage::Handshake, Stage::Chain, Stage::Name, Stage::Dates] {
            stages.mark(stage, StageMark::Ok);
        }
    }
    for fault in faults {
        let others = [Code::NoSniDiffers, Code::NoSniFails, Code::UnknownSniFails];
        if !others.contains(&fault.code) {
            profiles::mark(&mut stages, fault.stage, profiles::level(fault.code, how.profile));
        }
    }
    stages
}
