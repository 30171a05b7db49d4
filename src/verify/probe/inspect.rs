//! One endpoint: a few looks, with SNI and without, made into one [`Inspection`].

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::time::Instant;

use super::fetch;
use super::look::{Aim, Look, look};
use crate::model::{Code, Inspection, Level, Stage, StageMark, Stages, TlsMode, Verdict};
use crate::verify::judge::{Judgement, judge};
use crate::verify::profiles;
use crate::verify::{Ask, Fault, How, Sni};

/// Looks at one endpoint; `None` if it is optional and nothing answers.
pub(super) async fn inspect(ask: &Ask, how: &How) -> Option<Inspection> {
    let begun = Instant::now();
    let address = ask.endpoint.address.map(|address| SocketAddr::new(address, ask.endpoint.port));
    let Some(to) = ask.connect.or(address) else {
        let message = format!("{} has no address", ask.endpoint.host);
        return (!ask.optional).then(|| unresolved(ask, how, Code::NoSuchHost, &message));
    };
    let deadline = begun + how.timeout;
    let sni = ask.sni == Sni::Host;
    let aim = Aim { to, service: ask.endpoint.service, host: &ask.endpoint.host, sni };
    let first = look(aim, deadline).await;
    if ask.optional && is_absent(&first) {
        return None;
    }
    let mut faults: Vec<Fault> = first.fault.iter().cloned().collect();
    let judgement = judged(&first, ask, how);
    if let Some(judgement) = &judgement {
        let host = &ask.endpoint.host;
        faults.extend(fetch::faults(&first.chain, host, how, deadline, judgement).await);
    }
    if let Some(judgement) = judgement.as_ref().filter(|_| first.fault.is_none()) {
        let more = again(aim, deadline, ask, how, judgement).await;
        faults.extend(more);
    }
    let mut inspection = blank(ask, how);
    inspection.stages = stages(&first, ask, &faults, how);
    inspection.certificate = judgement.and_then(|judgement| judgement.certificate).map(Arc::new);
    inspection.tls = first.tls;
    settle(&mut inspection, faults, how);
    inspection.millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    Some(inspection)
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

fn judged(look: &Look, ask: &Ask, how: &How) -> Option<Judgement> {
    let shown = !look.chain.is_empty() && look.tls.is_some();
    shown.then(|| judge(&look.chain, &ask.endpoint.host, how.known(), how.moment()))
}

/// The further looks: with SNI again, since some servers answer differently, and once without.
/// After a time-out there is no further one.
async fn again(
    aim: Aim<'_>,
    deadline: Instant,
    ask: &Ask,
    how: &How,
    first: &Judgement,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    for _ in 1..how.tries {
        let other = look(aim, deadline).await;
        let timed_out = is_timeout(&other);
        let found = worse(&other, ask, how, first);
        if !found.is_empty() {
            faults.push(Fault {
                expected: Some("the same answer every time".to_owned()),
                found,
                why: Some("two looks at one address differ: several servers behind it?".to_owned()),
                ..Fault::new(Code::Flapping, Stage::Chain)
            });
        }
        if timed_out || !faults.is_empty() {
            return faults;
        }
    }
    if how.without_sni {
        let other = look(Aim { sni: false, ..aim }, deadline).await;
        faults.extend(without_sni(&other, ask, how, first));
    }
    faults
}

fn is_timeout(look: &Look) -> bool {
    look.fault.as_ref().is_some_and(|fault| fault.code == Code::Timeout)
}

/// What another look shows that a sender refuses and the first did not; nothing if it shows the
/// same certificate or could not be made.
fn worse(other: &Look, ask: &Ask, how: &How, first: &Judgement) -> Vec<String> {
    if let Some(fault) = &other.fault {
        let new = profiles::level(fault.code, how.profile) == Level::Fail
            && fault.stage == Stage::Handshake;
        return if new { vec![fault.code.to_string()] } else { Vec::new() };
    }
    let Some(judgement) = judged(other, ask, how) else { return Vec::new() };
    if leaf(&judgement) == leaf(first) && judgement.faults.len() == first.faults.len() {
        return Vec::new();
    }
    let fails = |judgement: &Judgement| -> Vec<Code> {
        let codes = judgement.faults.iter().map(|fault| fault.code);
        codes.filter(|code| profiles::level(*code, how.profile) == Level::Fail).collect()
    };
    let (before, after) = (fails(first), fails(&judgement));
    let differ = before.iter().filter(|code| !after.contains(code));
    let differ = after.iter().filter(|code| !before.contains(code)).chain(differ);
    differ.map(ToString::to_string).collect()
}

fn leaf(judgement: &Judgement) -> Option<crate::model::Sha256> {
    judgement.certificate.as_ref().map(|certificate| certificate.sha256)
}

/// What clients without SNI get. That it could not be tried is no finding.
fn without_sni(other: &Look, ask: &Ask, how: &How, first: &Judgement) -> Option<Fault> {
    if let Some(fault) = &other.fault {
        let refused = fault.stage == Stage::Handshake && fault.code.level() == Level::Fail;
        return refused.then(|| Fault {
            expected: Some("a session for clients without SNI, too".to_owned()),
            found: fault.found.clone(),
            why: Some(format!("without SNI: {}", fault.code)),
            ..Fault::new(Code::NoSniFails, Stage::Handshake)
        });
    }
    let judgement = judged(other, ask, how)?;
    if leaf(&judgement) == leaf(first) {
        return None;
    }
    let fails: Vec<String> = judgement
        .faults
        .iter()
        .filter(|fault| fault.code.level() == Level::Fail)
        .map(|fault| fault.code.to_string())
        .collect();
    let names = judgement.certificate.as_ref().map(|certificate| certificate.names.clone());
    let names = names.filter(|names| !names.is_empty());
    (!fails.is_empty()).then(|| Fault {
        expected: Some(ask.endpoint.host.to_string()),
        found: names.unwrap_or_else(|| vec!["a certificate without names".to_owned()]),
        why: Some(format!("clients without SNI get the default certificate: {}", fails.join(", "))),
        ..Fault::new(Code::NoSniDiffers, Stage::Name)
    })
}

/// Marks what was passed, then what was found. What clients without SNI get marks no stage: the
/// matrix shows what the sender sees.
fn stages(first: &Look, ask: &Ask, faults: &[Fault], how: &How) -> Stages {
    let mut stages = Stages::default();
    let order: &[Stage] = match ask.endpoint.service.tls_mode() {
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
    if !first.chain.is_empty() && first.tls.is_some() {
        for stage in [Stage::Handshake, Stage::Chain, Stage::Name, Stage::Dates] {
            stages.mark(stage, StageMark::Ok);
        }
    }
    for fault in faults {
        if !matches!(fault.code, Code::NoSniDiffers | Code::NoSniFails) {
            profiles::mark(&mut stages, fault.stage, profiles::level(fault.code, how.profile));
        }
    }
    stages
}
