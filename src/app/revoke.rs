//! `revoke`: a certificate is replaced where it is shown, then revoked at the CA, then forgotten.

mod file;

use std::fmt::Write as _;

use crate::app::output::{Output, Progress, ask_consent, can_ask, say};
use crate::app::session::Session;
use crate::app::work::held;
use crate::app::{Failure, hold, new_key};
use crate::cli::{self, With};
use crate::issue::{Acme, Refusal, SignedBy};
use crate::model::{Bundle, CertName, Deed, Finding, Revocation, Version};
use crate::plan::{self, Action, Fate, Held, HeldVersion, Mode};
use crate::report::{Body, Report, Revoked};
use crate::store::{Entry, Store as _};
use crate::verify::judge;
use crate::{config, flow};

/// Revokes one version of a certificate that is held, or the certificate in a file.
pub(super) async fn revoke(
    session: &Session,
    typed: &cli::Revoke,
    output: &Output,
) -> Result<u8, Failure> {
    let name = match &typed.what {
        cli::What::File(path) => return file::revoke(session, path, typed, output).await,
        cli::What::Held(name) => name.clone(),
    };
    for (option, is_typed) in [("--key", typed.key.is_some()), ("--ca", typed.ca.is_some())] {
        if is_typed {
            return Err(Failure::helped(
                format_args!("{option} is for a file, and {name} is a certificate that is held"),
                format_args!("a file has a slash: `mailcert revoke ./{name} --key KEY.pem`"),
            ));
        }
    }
    let cli::Revoke { number, reason, with, yes, .. } = *typed;
    version_of(session, &Revoke { name, number, reason, with, yes }, output).await
}

/// What is typed of a certificate that is held.
#[derive(Clone)]
struct Revoke {
    name: CertName,
    number: Option<u32>,
    reason: Revocation,
    with: Option<With>,
    yes: bool,
}

async fn version_of(session: &Session, typed: &Revoke, output: &Output) -> Result<u8, Failure> {
    let name = &typed.name;
    let (chosen, shown) = meant(session, typed).await?;
    let version = chosen.version;
    consent(typed, version, shown)?;
    let _lock = session.lock(output).await?;
    // Whoever held the lock may have changed it.
    if meant(session, typed).await? != (chosen.clone(), shown) {
        let message = format!("version {version} of {name} is not revoked: another mailcert has");
        return Err(Failure::work_helped(
            format_args!("{message} changed meanwhile what is held"),
            format_args!("`mailcert status` lists it; `{}` revokes it", call(typed, version)),
        ));
    }
    let serial = chosen.facts.serial.clone();
    let bundle = session.store.bundle(name, version).map_err(Failure::store)?;
    let findings = replace(session, typed, &chosen, output).await?;
    let signed_by = sign(session, typed, version, &bundle).await?;
    session.store.forget(name, version).map_err(Failure::store)?;
    let text = format!("revoked version {version} of {name} ({})", typed.reason);
    let deed = Deed::asked_for(session.how.moment(), &[name], text);
    session.store.tell(&[deed]).map_err(Failure::store)?;
    let (certificate, version) = (Some(name.clone()), Some(version));
    let reason = typed.reason.as_str();
    let body =
        Body::Revoked(Revoked { certificate, version, file: None, serial, reason, signed_by });
    output.answer(&Report::new("revoke", body, findings))?;
    Ok(0)
}

/// The version that is meant, and whether it is shown; nothing that is known from here stands in
/// the way of revoking it.
async fn meant(session: &Session, typed: &Revoke) -> Result<(HeldVersion, bool), Failure> {
    let found = held(session, &typed.name)?;
    let chosen = choose(&found, typed, session)?;
    let shown = is_shown(&found, chosen.version, session);
    if shown {
        hold::is_free(session, &typed.name)?;
        replaceable(session, typed, chosen).await?;
    }
    let ca = &issuer(session, &found.name, chosen.version)?.0.directory;
    let account = || session.store.account(ca).map_err(Failure::store);
    if typed.with == Some(With::Account) && account()?.is_none() {
        let (version, name) = (chosen.version, &found.name);
        return Err(Failure::work_helped(
            format_args!("version {version} of {name} is not revoked: no account for {ca} is kept"),
            "--with certificate signs with the certificate's own key",
        ));
    }
    Ok((chosen.clone(), shown))
}

/// Whether another one can take the place of a version that is shown.
async fn replaceable(session: &Session, typed: &Revoke, old: &HeldVersion) -> Result<(), Failure> {
    let (name, version) = (&typed.name, old.version);
    let what = format!("version {version} of {name} is what the servers show: another one has to");
    if typed.reason != Revocation::KeyCompromise {
        let with_key = Revoke { reason: Revocation::KeyCompromise, ..typed.clone() };
        return Err(Failure::work_helped(
            format_args!("{what} take its place before it is revoked as {}", typed.reason),
            format_args!(
                "`{}` (keyCompromise) shows one with a new key first",
                call(&with_key, version)
            ),
        ));
    }
    if let Some(owner) = name.owner() {
        return Err(Failure::work_helped(
            format_args!("{what} take its place, and {owner} has to make that, with a new key"),
            format_args!(
                "`mailcert run` shows it then, and `{}` revokes this one",
                call(typed, version)
            ),
        ));
    }
    let what = format!("{what} take its place, and");
    new_key::orderable(session, name, old, &what).await
}

/// The version that is typed or understood.
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
            Failure::helped(
                format_args!("{message}; expected one of: {}", all().join(", ")),
                match plan::version_to_show(held, session.now) {
                    Some(shown) => {
                        let shown = shown.version;
                        format!("the servers show {shown}: `{}` replaces it", call(typed, shown))
                    }
                    None => "the servers show none of them".to_owned(),
                },
            )
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
    let what = format!("version {version} of {name} is not revoked");
    if !typed.yes && !can_ask() {
        return Err(Failure::work_helped(
            format_args!("{what}: there is no terminal to ask on"),
            format_args!("`{} --yes` revokes it without asking", call(typed, version)),
        ));
    }
    let first =
        if shown { "Order another one with a new key, show it, and then revoke" } else { "Revoke" };
    if typed.yes || ask_consent(&format!("{first} version {version} of {name} ({reason})?")) {
        return Ok(());
    }
    Err(Failure::work(format_args!("{what}: the answer was no")))
}

/// What to call for exactly this version.
fn call(typed: &Revoke, version: Version) -> String {
    let mut call = format!("mailcert revoke {} --version {version}", typed.name);
    if typed.reason != Revocation::KeyCompromise {
        let _ = write!(call, " --reason {}", typed.reason);
    }
    match typed.with {
        Some(With::Account) => call + " --with account",
        Some(With::Certificate) => call + " --with certificate",
        None => call,
    }
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

/// The CA that issued a version: no other would revoke it.
fn issuer<'a>(
    session: &'a Session,
    name: &CertName,
    version: Version,
) -> Result<(&'a config::Acme, &'a Acme), Failure> {
    let diary = session.store.diary().map_err(Failure::store)?;
    session.issuer(&diary, (name, version)).ok_or_else(|| {
        Failure::work_helped(
            format_args!(
                "version {version} of {name} is not revoked: the CA that issued it is in the \
                 configuration no more"
            ),
            "add it as [[acme.fallback]] with its directory",
        )
    })
}

/// Signs with the account's key, or where that is lost or refused, with the certificate's own.
async fn sign(
    session: &Session,
    typed: &Revoke,
    version: Version,
    bundle: &Bundle,
) -> Result<&'static str, Failure> {
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
    let ca = issuer(session, &typed.name, version)?.1;
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
