//! One server: its files, its hook-in lines, the check and the reload.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::time::Duration;

use crate::model::{CertName, Code, Finding, Hostname};
use crate::plan::advice;
use crate::plan::edits::unpublished;
use crate::plan::layout::{Pending, Scene};
use crate::plan::{Action, Draft, FileSeen, Hook, Mode, Reason, Seen};
use crate::servers::{Part, Shown, Want, map_path, needs_reload, wants};

/// A reload that would publish the admin's unfinished edit is deferred until a certificate is
/// this near to its end.
const URGENT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How a wanted file compares with what is there.
pub(super) enum Compared {
    Same,
    Absent,
    Differs,
    /// Only its mode is wrong, and it gives more rights than it should.
    TooOpen,
    Access,
    /// Something that we never write through.
    Blocked,
}

pub(super) fn compare(seen: &Seen, want: &Want) -> Compared {
    match seen.files.get(&want.path) {
        None => Compared::Absent,
        Some(FileSeen::Other(_)) => Compared::Blocked,
        Some(FileSeen::Regular { identity, mode, uid, gid }) => {
            let owned = (*uid, *gid) == (want.uid, want.gid);
            if *identity != Some(want.identity) {
                Compared::Differs
            } else if owned && *mode == want.mode {
                Compared::Same
            } else if owned && mode & want.mode == want.mode {
                Compared::TooOpen
            } else {
                Compared::Access
            }
        }
    }
}

/// What was planned for one server, as its proofs need it.
pub(super) struct Sheet<'a> {
    pub(super) seen: &'a Seen,
    pub(super) shown: Vec<Shown>,
    pub(super) default: Option<CertName>,
    pub(super) installs: BTreeMap<Part, usize>,
    pub(super) reload: Option<usize>,
    /// Whether it uses our files, or will after this plan.
    pub(super) hooked: bool,
    /// A reload is needed and does not take place in this plan.
    pub(super) deferred: bool,
    /// What a running server did not find, and does not look for again before it is told.
    anew: bool,
}

impl<'a> Sheet<'a> {
    /// Plans everything but the proofs.
    pub(super) fn draw(
        scene: &Scene<'_>,
        seen: &'a Seen,
        pending: &BTreeMap<CertName, Pending>,
        draft: &mut Draft,
    ) -> Self {
        let shown = scene.shown(seen, pending);
        let (default, uncovered, reaching) = scene.default(seen, &shown);
        draft.findings.extend(advice::many(seen, &shown));
        draft.findings.extend(advice::nobodys(scene, seen, &shown));
        draft.findings.extend(advice::deaf(seen, &shown));
        draft.findings.extend(advice::one_algorithm(scene, seen));
        draft.findings.extend(uncovered_mx(seen, default.as_ref(), &uncovered, reaching));
        let mut sheet = Self {
            seen,
            shown,
            default,
            installs: BTreeMap::new(),
            reload: None,
            hooked: matches!(seen.hook, Hook::There | Hook::Unknown),
            deferred: false,
            anew: false,
        };
        let stands_on = sheet.install(scene, pending, draft);
        let hook = sheet.hook(scene, &stands_on, draft);
        sheet.reload(scene, hook, stands_on, draft);
        sheet
    }

    /// Plans the files that differ, part by part in the server's order. Returns what the later
    /// steps of this server stand on: what does not depend on an order, if there is such; so an
    /// order that fails holds up nothing else.
    fn install(
        &mut self,
        scene: &Scene<'_>,
        pending: &BTreeMap<CertName, Pending>,
        draft: &mut Draft,
    ) -> Vec<usize> {
        let differing = self.differing(draft);
        let firm = self.without_orders(scene, pending);
        let versions: HashMap<&CertName, &Shown> =
            self.shown.iter().map(|shown| (&shown.name, shown)).collect();
        let (mut solid, mut hoped) = (Vec::new(), Vec::new());
        // An index or a default written without what is shown today would lose names.
        let adopted: Vec<usize> =
            pending.values().filter(|coming| coming.adopted).map(|coming| coming.step).collect();
        for (part, because) in differing {
            let coming = match &part {
                Part::Certificate(name) => pending.get(name),
                Part::Default => self.default.as_ref().and_then(|name| pending.get(name)),
                Part::Index => None,
            };
            let is_solid = coming.is_none_or(|coming| coming.adopted)
                && firm.as_ref().is_none_or(|firm| firm.contains(&part));
            let mut needs: Vec<usize> = match &part {
                Part::Certificate(_) => coming.map(|coming| coming.step).into_iter().collect(),
                Part::Index if is_solid => [solid.as_slice(), &adopted].concat(),
                Part::Index => [solid.as_slice(), &hoped, &adopted].concat(),
                Part::Default => [self.default_needs(coming), adopted.clone()].concat(),
            };
            needs.sort_unstable();
            needs.dedup();
            let version = match &part {
                Part::Certificate(name) if coming.is_none() => {
                    versions.get(name).map(|shown| shown.version)
                }
                _ => None,
            };
            let because = match (&part, coming) {
                (_, Some(_)) => Reason::Follows,
                (Part::Certificate(name), None) => match versions.get(name) {
                    Some(shown) => older(scene, shown, because),
                    None => because,
                },
                _ if because == Reason::Differs && !needs.is_empty() => Reason::Follows,
                _ => because,
            };
            self.anew |= opens_anew(self.seen, &part);
            let server = self.seen.id().clone();
            let action = Action::Install { server, part: part.clone(), version };
            let step = draft.push(action, because, needs);
            self.installs.insert(part, step);
            if is_solid { solid.push(step) } else { hoped.push(step) }
        }
        if solid.is_empty() { hoped } else { solid }
    }

    fn default_needs(&self, coming: Option<&Pending>) -> Vec<usize> {
        let own = self.default.clone().map(Part::Certificate);
        let own = own.and_then(|part| self.installs.get(&part).copied());
        own.or_else(|| coming.map(|coming| coming.step)).into_iter().collect()
    }

    /// The parts with a file that is not as wanted, in the order of installation: certificates,
    /// then what refers to them.
    fn differing(&self, draft: &mut Draft) -> Vec<(Part, Reason)> {
        let mut parts: Vec<(Part, Option<Reason>)> = Vec::new();
        let mut blocked: BTreeSet<Part> = BTreeSet::new();
        for (path, what) in self.seen.files.iter().filter_map(other) {
            let message = format!(
                "{} is {what}; expected a regular file or nothing, and mailcert writes through \
                 neither: move it away",
                path.display()
            );
            draft.findings.push(Finding::new(Code::StepFailed, path.display(), message));
        }
        for want in wants(&self.seen.server, &self.shown, self.default.as_ref()) {
            if parts.last().is_none_or(|(part, _)| *part != want.part) {
                parts.push((want.part.clone(), None));
            }
            let reason = match compare(self.seen, &want) {
                Compared::Same | Compared::TooOpen => None,
                Compared::Absent => Some(Reason::NotInstalled),
                Compared::Differs => Some(match self.seen.damaged.get(&want.path) {
                    Some(damage) => Reason::Damaged(damage.clone()),
                    None => Reason::Differs,
                }),
                Compared::Access => Some(Reason::Access),
                Compared::Blocked => {
                    blocked.insert(want.part);
                    None
                }
            };
            if let Some((_, because)) = parts.last_mut() {
                *because = because.take().or(reason);
            }
        }
        let mut seen = BTreeSet::new();
        let mut differing: Vec<(Part, Reason)> = parts
            .into_iter()
            .filter_map(|(part, because)| Some((part, because?)))
            .filter(|(part, _)| !blocked.contains(part) && seen.insert(part.clone()))
            .collect();
        differing.sort_by_key(|(part, _)| !matches!(part, Part::Certificate(_)));
        differing
    }

    /// The parts that would differ without the orders of this plan; `None` where it has none.
    fn without_orders(
        &self,
        scene: &Scene<'_>,
        pending: &BTreeMap<CertName, Pending>,
    ) -> Option<BTreeSet<Part>> {
        if pending.is_empty() {
            return None;
        }
        let adopted: BTreeMap<CertName, Pending> = pending
            .iter()
            .filter(|(_, coming)| coming.adopted)
            .map(|(name, coming)| (name.clone(), coming.clone()))
            .collect();
        let shown = scene.shown(self.seen, &adopted);
        let (default, ..) = scene.default(self.seen, &shown);
        let differs =
            |want: &Want| !matches!(compare(self.seen, want), Compared::Same | Compared::TooOpen);
        let files = wants(&self.seen.server, &shown, default.as_ref());
        Some(files.into_iter().filter(differs).map(|want| want.part).collect())
    }

    /// Plans the hook-in lines. Without consent the step is there to be seen, is skipped when the
    /// plan is carried out, and nothing stands on it.
    fn hook(&mut self, scene: &Scene<'_>, needs: &[usize], draft: &mut Draft) -> Option<usize> {
        let id = self.seen.id();
        match &self.seen.hook {
            // Without a default certificate the lines would take TLS down.
            Hook::Missing if self.default.is_some() => {
                let action = Action::Hook { server: id.clone() };
                let consent = scene.mode.consents_to(&action);
                self.hooked = consent;
                let mut needs = needs.to_vec();
                needs.extend(self.installs.get(&Part::Default));
                needs.sort_unstable();
                needs.dedup();
                let step = draft.push(action, Reason::NotHooked, needs);
                return consent.then_some(step);
            }
            Hook::Missing => {
                let message = format!(
                    "{id} does not use the files mailcert writes; mailcert setup shows the lines"
                );
                draft.findings.push(Finding::new(Code::HookMissing, id, message));
            }
            Hook::ByHand(why) => {
                let message = format!(
                    "{id} does not use the files mailcert writes, and {why}; mailcert setup \
                     prints the lines to put in by hand"
                );
                draft.findings.push(Finding::new(Code::HookMissing, id, message));
            }
            Hook::There | Hook::Unknown => {}
        }
        None
    }

    /// Plans the check and the reload, where one is needed and possible.
    fn reload(
        &mut self,
        scene: &Scene<'_>,
        hook: Option<usize>,
        stands_on: Vec<usize>,
        draft: &mut Draft,
    ) {
        let seen = self.seen;
        let server = &seen.server;
        let by_argv = server.is_told_by_argv();
        let can = if by_argv { !server.reload.is_empty() } else { seen.running };
        let because = match self.reload_because(hook) {
            Some(because) if self.hooked && can => because,
            _ => return,
        };
        if !seen.edited.is_empty() {
            let publishes = match scene.mode {
                Mode::Run => self.is_urgent(scene, draft),
                Mode::Fix { publish, .. } => *publish,
            };
            draft.findings.push(unpublished(seen, publishes));
            if !publishes {
                self.deferred = true;
                return;
            }
        }
        let on_its_own = matches!(because, Reason::ReloadOwed | Reason::Stale);
        let hoped = on_its_own && stands_on.iter().all(|step| follows_order(draft, *step));
        let needs = if hoped { Vec::new() } else { stands_on };
        let needs: Vec<usize> = needs.into_iter().chain(hook).collect();
        let id = seen.id().clone();
        let needs = if !server.has_check() {
            needs
        } else {
            vec![draft.push(Action::Check { server: id.clone() }, because.clone(), needs)]
        };
        self.reload = Some(draft.push(Action::Reload { server: id }, because, needs));
    }

    fn reload_because(&self, hook: Option<usize>) -> Option<Reason> {
        let stale = || self.shown.iter().any(|shown| self.seen.stale.contains(&shown.name));
        if hook.is_some() {
            Some(Reason::NotHooked)
        } else if self.seen.owed {
            Some(Reason::ReloadOwed)
        } else if self.anew
            || self.installs.keys().any(|part| needs_reload(&self.seen.server, part))
        {
            Some(Reason::Follows)
        } else {
            stale().then_some(Reason::Stale)
        }
    }

    /// Whether a certificate that clients may still see ends soon: the shown one, or the version
    /// before it, which the server shows until it is told.
    fn is_urgent(&self, scene: &Scene<'_>, draft: &mut Draft) -> bool {
        let now = scene.now;
        let ends = self.shown.iter().flat_map(|shown| {
            let held = scene.held.get(&shown.name);
            let before = held.and_then(|held| {
                held.versions.iter().rev().find(|old| old.version < shown.version && !old.is_bad())
            });
            let before = before.map(|old| old.facts.not_after);
            before.into_iter().chain([shown.facts.not_after])
        });
        // What ended long ago is nothing that a reload is urgent for.
        let ends = ends.filter(|end| end.plus(URGENT) >= now);
        let soonest = ends.map(|end| end.minus(URGENT)).min();
        if let Some(at) = soonest {
            draft.look_again_after(at, now);
        }
        soonest.is_some_and(|at| at <= now)
    }
}

fn other<'a>((path, file): (&'a std::path::PathBuf, &'a FileSeen)) -> Option<(&'a Path, &'a str)> {
    match file {
        FileSeen::Other(what) => Some((path, what)),
        FileSeen::Regular { .. } => None,
    }
}

/// Whether a server that uses our files found no such part when it started: a Postfix smtpd without
/// its map goes on without (measured with 3.7.11), though it sees when one it opened is replaced.
#[must_use]
pub fn opens_anew(seen: &Seen, part: &Part) -> bool {
    seen.hook == Hook::There
        && *part == Part::Index
        && map_path(&seen.server).is_some_and(|map| !seen.files.contains_key(&map))
}

/// Whether a step stands on an order, directly or through others.
fn follows_order(draft: &Draft, step: usize) -> bool {
    let Some(step) = draft.steps.get(step) else { return false };
    matches!(step.action, Action::Issue { .. } | Action::Adopt { .. })
        || step.needs.iter().any(|needed| follows_order(draft, *needed))
}

/// Why a certificate's file is to be written, where an older version is shown than the newest.
fn older(scene: &Scene<'_>, shown: &Shown, because: Reason) -> Reason {
    let newest = scene.held.get(&shown.name).and_then(|held| held.versions.last());
    let newest = newest.filter(|newest| newest.version > shown.version);
    match (newest, &because) {
        (Some(newest), Reason::Differs | Reason::Damaged(_) | Reason::NotInstalled) => {
            if newest.unfit.is_some() {
                because
            } else if newest.is_bad() {
                Reason::RolledBack
            } else {
                Reason::Pinned(shown.facts.spki)
            }
        }
        _ => because,
    }
}

fn uncovered_mx(
    seen: &Seen,
    default: Option<&CertName>,
    uncovered: &[&Hostname],
    reaching: usize,
) -> Option<Finding> {
    let default = default?;
    let first = uncovered.first()?;
    let more = match uncovered.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!(
        "{} of {reaching} MX names that reach {} are not on {default}, which clients without SNI \
         get: {first}{more}",
        uncovered.len(),
        seen.id()
    );
    Some(Finding::new(Code::DefaultUncovered, seen.id(), message))
}
