//! `revoke`: a certificate is replaced where it is shown, then revoked at the CA, then forgotten.

use std::fmt::Write as _;

use crate::app::Failure;
use crate::app::output::{Output, Progress, ask_consent, say};
use crate::app::session::Session;
use crate::app::work::held;
use crate::cli::{Revoke, With};
use crate::flow;
use crate::issue::{Refusal, SignedBy};
use crate::model::{Bundle, Finding, Revocation, Version};
use crate::plan::{self, Action, Fate, Held, HeldVersion, Mode};
use crate::report::{Body, Report, Revoked};
use crate::store::{Entry, Store as _};
use crate::verify::judge;

/// Revokes one version of a certificate.
pub(super) async fn revoke(
    session: &Session,
    typed: &Revoke,
    output: &Output,
    notes: Vec<Finding>,
) -> Result<u8, Failure> {
    let name = &typed.name;
    choose(&held(session, name)?, typed, session)?;
    let _lock = session.lock(output).await?;
    // Whoever held the lock may have changed it.
    let found = held(session, name)?;
    let chosen = choose(&found, typed, session)?;
    let version = chosen.version;
    let serial = chosen.facts.serial.clone();
    let bundle = session.store.bundle(name, version).map_err(Failure::store)?;
    consent(typed, version, is_shown(&found, version, session))?;
    let findings = [notes, replace(session, typed, chosen, output).await?].concat();
    let signed_by = sign(session, typed, &bundle).await?;
    session.store.forget(name, version).map_err(Failure::store)?;
    let text = format!("revoked version {version} of {name} ({})", typed.reason);
    let event = Entry::Event { at: session.how.moment(), text };
    session.store.note(&event).map_err(Failure::store)?;
    let (certificate, reason) = (name.clone(), typed.reason.as_str());
    let body = Body::Revoked(Revoked { certificate, version, serial, reason, signed_by });
    output.answer(&Report::new("revoke", body, findings))?;
    Ok(0)
}

/// The version that is meant.
fn choose<'h>(
    held: &'h Held,
    typed: &Revoke,
    session: &Session,
) -> Result<&'h HeldVersion, Failure> {
    let name = &held.name;
    let all = || held.versions.iter().map(|one| one.version.to_string()).collect::<Vec<_>>();
    if let Some(number) = typed.number {
        let found = held.versions.iter().find(|one| one.version == Version(number));
        return found.ok_or_else(|| {
            let message = format!("version {number} of {name} is not held");
            Failure::usage(format!("{message}; expected one of: {}", all().join(", ")))
        });
    }
    let diary = session.store.diary().map_err(Failure::store)?;
    let is_exposed = |one: &&HeldVersion| diary.exposed.contains_key(&(name.clone(), one.version));
    let exposed: Vec<&HeldVersion> = held.versions.iter().filter(is_exposed).collect();
    match exposed.as_slice() {
        [one] => Ok(one),
        [] => plan::version_to_show(held, session.now).ok_or_else(|| {
            let message = format!("no version of {name} is shown; say which one is meant");
            Failure::helped(message, format_args!("--version N, of: {}", all().join(", ")))
        }),
        several => {
            let numbers: Vec<_> = several.iter().map(|one| one.version.to_string()).collect();
            let message = format!("the keys of several versions of {name} could be read by others");
            Err(Failure::helped(message, format_args!("--version N, of: {}", numbers.join(", "))))
        }
    }
}

/// Asks a person, unless `--yes` was said.
fn consent(typed: &Revoke, version: Version, shown: bool) -> Result<(), Failure> {
    let (name, reason) = (&typed.name, typed.reason);
    let mut question = String::new();
    if shown {
        if reason != Revocation::KeyCompromise {
            let message = format!(
                "version {version} of {name} is what the servers show: another one has to take \
                 its place before it is revoked as {reason}"
            );
            return Err(Failure::work_helped(
                message,
                "with --reason keyCompromise mailcert orders one with a new key first",
            ));
        }
        question.push_str("Order another one with a new key, show it, and then revoke ");
    } else {
        question.push_str("Revoke ");
    }
    let _ = write!(question, "version {version} of {name} ({reason})?");
    if typed.yes || ask_consent(&question) {
        return Ok(());
    }
    Err(Failure::work_helped("nothing was revoked", "--yes revokes it without asking"))
}

/// Has another version issued and shown in the place of one that is shown, and insists that no
/// server shows it any more, whatever the store says.
async fn replace(
    session: &Session,
    typed: &Revoke,
    old: &HeldVersion,
    output: &Output,
) -> Result<Vec<Finding>, Failure> {
    if is_shown(&held(session, &typed.name)?, old.version, session) {
        let note = Entry::Exposed(typed.name.clone(), old.version, session.now);
        session.store.note(&note).map_err(Failure::store)?;
    }
    session.heed_signals()?;
    let progress = Progress::new(output.quiet());
    let tell = |event: &flow::Event| progress.tell(event);
    let means = session.means(&tell);
    let mode = Mode::Fix { hook: false, publish: true };
    let done = flow::run(&means, &mode).await.map_err(Failure::store)?;
    let unreplaced = |why: &str| {
        let message = format!("version {} is not revoked, since {why}", old.version);
        Err(Failure::work_helped(message, "`mailcert fix` says what stands in the way"))
    };
    // What fails for others' names is no reason to leave this one in strange hands.
    let is_about_it = |action: &Action| match action.certificate() {
        Some(name) => *name == typed.name,
        None => !matches!(action, Action::Hook { .. }),
    };
    let mut failed = done.outcomes.iter().filter(|outcome| outcome.fate != Fate::Done);
    let failed = failed.find(|outcome| is_about_it(&outcome.step.action));
    let mut seen = done.inspections.iter().filter_map(|look| look.certificate.as_ref());
    if let Some(outcome) = failed {
        let why = outcome.error.as_deref().unwrap_or(outcome.fate.as_str());
        return unreplaced(&format!("another has not taken its place everywhere: {why}"));
    }
    if seen.any(|seen| seen.sha256 == old.facts.leaf) {
        return unreplaced("a listener still shows it");
    }
    if is_shown(&held(session, &typed.name)?, old.version, session) {
        return unreplaced("no other was ordered");
    }
    Ok(done.findings)
}

fn is_shown(held: &Held, version: Version, session: &Session) -> bool {
    plan::version_to_show(held, session.how.moment()).is_some_and(|shown| shown.version == version)
}

/// Signs with the account's key, or where that is lost or refused, with the certificate's own.
async fn sign(session: &Session, typed: &Revoke, bundle: &Bundle) -> Result<&'static str, Failure> {
    let chain = judge::chain_of_pem(&bundle.chain).map_err(Failure::work)?;
    let Some(leaf) = chain.first() else {
        return Err(Failure::work(format_args!("{} holds no certificate", typed.name)));
    };
    let refused = |refusal: Refusal| {
        Failure::work_helped(
            format_args!("not revoked: {}", refusal.sentence()),
            "--with certificate signs with the certificate's own key",
        )
    };
    let ca = session.ca();
    if typed.with != Some(With::Certificate) {
        match ca.revoke(leaf, typed.reason, SignedBy::Account).await {
            Ok(()) => return Ok("account"),
            Err(refusal) if typed.with.is_some() => return Err(refused(refusal)),
            Err(refusal) => say(&format!(
                "not by the account ({}): signing with the certificate's own key",
                refusal.sentence()
            )),
        }
    }
    let by = SignedBy::Certificate(&bundle.key);
    ca.revoke(leaf, typed.reason, by)
        .await
        .map_err(|refusal| Failure::work(format_args!("not revoked: {}", refusal.sentence())))?;
    Ok("certificate")
}
