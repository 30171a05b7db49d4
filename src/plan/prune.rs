//! What is forgotten: old versions, and certificates that have ended and that nobody wants.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use crate::model::{CertName, Sha256};
use crate::plan::layout::Scene;
use crate::plan::server::Sheet;
use crate::plan::{Action, Draft, FileSeen, Held, Reason, held};
use crate::servers::{Part, Shown, wants};

/// Takes the files of certificates away that nobody wants any more, then their versions. Only where
/// nothing else is left to do: by then no index mentions them, and every server was told so.
pub(super) fn ended(scene: &Scene<'_>, sheets: &[Sheet<'_>], draft: &mut Draft) {
    let ended = scene.observed.held.iter().filter(|held| scene.desired.let_go.contains(&held.name));
    let ended: Vec<&Held> = ended.collect();
    if ended.is_empty() || !sheets.iter().all(|sheet| is_settled(sheet, draft)) {
        return;
    }
    let mentioned: Vec<HashSet<_>> = sheets.iter().map(mentioned).collect();
    // A server that is left with nothing has no other default: what it has stays.
    let last = |held: &Held| {
        let bare = sheets.iter().filter(|sheet| sheet.shown.is_empty());
        bare.into_iter().any(|sheet| files_of(scene, held, sheet).next().is_some())
    };
    for held in ended.into_iter().filter(|held| !last(held)) {
        let end = held.versions.iter().map(|one| one.facts.not_after).max().unwrap_or(scene.now);
        let because = if end > scene.now { Reason::Dropped } else { Reason::Unwanted(end) };
        let mut removed = Vec::new();
        for (sheet, mentioned) in sheets.iter().zip(&mentioned) {
            for path in files_of(scene, held, sheet).filter(|path| !mentioned.contains(*path)) {
                let (server, certificate) = (sheet.seen.id().clone(), held.name.clone());
                let action = Action::Remove { server, certificate, path: path.to_owned() };
                removed.push(draft.push(action, because.clone(), Vec::new()));
            }
        }
        for one in &held.versions {
            let (certificate, version) = (held.name.clone(), one.version);
            draft.push(Action::Prune { certificate, version }, because.clone(), removed.clone());
        }
    }
}

/// Whether a server shows what it should, by its files and by what it read of them.
fn is_settled(sheet: &Sheet<'_>, draft: &Draft) -> bool {
    let id = sheet.seen.id();
    let is_of = |action: &Action| match action {
        Action::Prove { server, .. } | Action::Hook { server } | Action::Tighten { server, .. } => {
            server == id
        }
        // What comes of an order or from others is shown next.
        Action::Issue { .. } | Action::Adopt { .. } => true,
        _ => false,
    };
    sheet.installs.is_empty()
        && sheet.reload.is_none()
        && !sheet.deferred
        && !sheet.seen.owed
        && !draft.steps.iter().any(|step| is_of(&step.action))
}

/// The paths of everything that a server is to have.
fn mentioned(sheet: &Sheet<'_>) -> HashSet<PathBuf> {
    let files = wants(&sheet.seen.server, &sheet.shown, sheet.default.as_ref());
    files.into_iter().map(|want| want.path).collect()
}

/// The files of a certificate, as mailcert installed them: where it belongs, and where it lies.
fn files_of<'a>(
    scene: &Scene<'_>,
    held: &Held,
    sheet: &Sheet<'a>,
) -> impl Iterator<Item = &'a Path> {
    let digests = held.versions.iter().flat_map(|one| {
        let facts = &one.facts;
        [facts.combined, facts.key_file, facts.chain_file]
    });
    let digests: HashSet<Sha256> = digests.collect();
    let seen = sheet.seen;
    let shown: Vec<Shown> = held.versions.iter().map(|one| scene.show(held, one)).collect();
    let places: HashSet<PathBuf> = wants(&seen.server, &shown, None)
        .into_iter()
        .filter(|want| matches!(want.part, Part::Certificate(_)))
        .map(|want| want.path)
        .collect();
    let is_its = move |path: &PathBuf, file: &FileSeen| match file {
        FileSeen::Regular { identity: Some(identity), .. } => {
            digests.contains(identity) || places.contains(path)
        }
        _ => false,
    };
    let files = seen.files.iter();
    let files =
        files.filter(move |(path, file)| seen.installed.contains(*path) && is_its(path, file));
    files.map(|(path, _)| path.as_path())
}

/// Forgets what is not kept, of certificates with which nothing else is to be done.
pub(super) fn superseded(scene: &Scene<'_>, sheets: &[Sheet<'_>], draft: &mut Draft) {
    let shown = sheets.iter().flat_map(|sheet| &sheet.shown);
    let in_use: HashSet<_> = shown.map(|shown| (&shown.name, shown.version)).collect();
    let steps = draft.steps.iter().filter(|step| !step.action.can_wait());
    let busy: BTreeSet<CertName> =
        steps.filter_map(|step| step.action.certificate()).cloned().collect();
    let doubted = |name| scene.observed.servers.iter().any(|seen| seen.doubted.contains(name));
    for held in scene.observed.held.iter().filter(|held| !busy.contains(&held.name)) {
        let Some(shown) = scene.choice(held).filter(|_| !doubted(&held.name)) else { continue };
        // What an order waits for is still to be done, and old versions say whose names are whose.
        let waits = scene.blocked(&held.name);
        if waits.max(held::bad_until(held)).is_some_and(|until| until > scene.now) {
            continue;
        }
        // A key that TLSA names is used again, or its record is still to be taken away.
        let wish = scene.wished.get(&held.name);
        let pinned = wish.map(|wish| scene.guard.named(held, &wish.names)).unwrap_or_default();
        let old = held::superseded(held, shown.version, scene.desired.keep);
        let old = old.filter(|version| !in_use.contains(&(&held.name, *version)));
        for version in old.filter(|version| !pinned.contains(version)) {
            let action = Action::Prune { certificate: held.name.clone(), version };
            draft.push(action, Reason::Superseded, Vec::new());
        }
    }
}
