//! Who may read our files: rights are taken away at once, a key that others could read is not to
//! be used any longer, and a directory that its server cannot list is opened to it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::{CertName, Code, Finding, Level, Timestamp, Version};
use crate::plan::layout::Scene;
use crate::plan::server::{Compared, compare};
use crate::plan::{Action, Draft, FileSeen, Held, Reason, Seen, Wish, rollover};
use crate::servers::{Content, Part, Shown, Want, wants};

/// A further new key because the last one was exposed is ordered a week after that: something on
/// this machine opens the files again and again, and the CA's rate limit is not to pay for it.
const BETWEEN_NEW_KEYS: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Keys that others could read: version of a certificate, and since when that is known.
pub(super) type Exposed = BTreeMap<(CertName, Version), Timestamp>;

/// Takes rights away at once, before anything that may take time, and opens directories. Returns
/// the keys that others could read, those of earlier runs included.
pub(super) fn tighten(scene: &Scene<'_>, draft: &mut Draft) -> Exposed {
    let mut exposed = scene.observed.exposed.clone();
    for seen in &scene.observed.servers {
        if seen.shut {
            let action = Action::Open { server: seen.id().clone() };
            draft.push(action, Reason::Unlistable, Vec::new());
        }
        let shown = scene.shown(seen, &BTreeMap::new());
        let (default, ..) = scene.default(seen, &shown);
        let files = wants(&seen.server, &shown, default.as_ref());
        let blocked = |want: &Want| matches!(seen.files.get(&want.path), Some(FileSeen::Other(_)));
        let no_index = files.iter().any(|want| want.part == Part::Index && blocked(want));
        for want in files {
            // A map beside something that is no file is not written by us, and may not be ours.
            let open = readable_by_others(seen, &want) && !(no_index && want.part == Part::Index);
            if open {
                note(scene, seen, &want, &shown, &mut exposed, draft);
            }
            let map = open && matches!(want.content, Content::SniMap { .. });
            if map || matches!(compare(seen, &want), Compared::TooOpen) {
                let action = Action::Tighten { server: seen.id().clone(), path: want.path };
                draft.push(action, Reason::Access, Vec::new());
            }
        }
    }
    exposed
}

/// Whether somebody else than root and the server can read the keys in a file of ours. A map holds
/// our keys whatever else is wrong with it; of another file that holds something else, nobody
/// knows.
fn readable_by_others(seen: &Seen, want: &Want) -> bool {
    let Some(FileSeen::Regular { identity, mode, uid, gid }) = seen.files.get(&want.path) else {
        return false;
    };
    let ours = match &want.content {
        Content::Combined(..) | Content::Two(..) | Content::Key(..) => {
            *identity == Some(want.identity)
        }
        Content::SniMap { .. } => true,
        Content::Chain(..) | Content::Text(_) => false,
    };
    let by_group = mode & 0o040 != 0 && *gid != 0 && (*gid != want.gid || want.mode & 0o040 == 0);
    let by_owner = mode & 0o400 != 0 && *uid != 0 && *uid != want.uid;
    ours && (mode & 0o004 != 0 || by_group || by_owner)
}

/// Notes the keys in a file, and says so where nobody knew it yet.
fn note(
    scene: &Scene<'_>,
    seen: &Seen,
    want: &Want,
    shown: &[Shown],
    exposed: &mut Exposed,
    draft: &mut Draft,
) {
    let keys: Vec<(CertName, Version)> = match &want.content {
        Content::Combined(name, version) | Content::Key(name, version) => {
            vec![(name.clone(), *version)]
        }
        Content::Two(both) => both.to_vec(),
        _ => shown.iter().map(|shown| (shown.name.clone(), shown.version)).collect(),
    };
    let new: BTreeSet<_> = keys.into_iter().filter(|key| !exposed.contains_key(key)).collect();
    for (name, version) in &new {
        let message = format!(
            "the key of {name} version {version} could be read by others ({} of {}): take it for \
             stolen. A new key is ordered; once its certificate is shown, revoke the old one: \
             mailcert revoke {name} --version {version}",
            want.path.display(),
            seen.id(),
        );
        draft.findings.push(Finding::new(Code::KeyExposed, name, message).at(Level::Warn));
        exposed.insert((name.clone(), *version), scene.now);
        draft.exposed.push((name.clone(), *version));
    }
}

/// Whether a certificate is ordered because others could read its key: once a week at most, and
/// never where TLSA records name that key. The order has to be for all of its names: a server may
/// still show an older version for one that is left out.
pub(super) fn new_key(
    scene: &Scene<'_>,
    wish: &Wish,
    held: &Held,
    draft: &mut Draft,
) -> Option<Reason> {
    let (name, exposed) = (&wish.name, &scene.exposed);
    let at = new_key_at(exposed, name, held.versions.last()?.version)?;
    let pinned = scene.guard.reuse(held, &wish.names);
    let rolls = rollover::ready(scene, held, &wish.names).is_some();
    if !rolls && pinned.is_some_and(|version| exposed.contains_key(&(name.clone(), version))) {
        let message = format!(
            "the key of {name} could be read by others, and TLSA records name it: the next key is \
             shown when its own record has stood at every server of the zone for two TTLs"
        );
        draft.findings.push(Finding::new(Code::KeyExposed, name, message));
        return None;
    }
    if at > scene.now {
        let message = format!(
            "the key of {name} could be read by others again, within a week of the last new key; \
             the next one is ordered at {at}. Find out what opens the files"
        );
        draft.findings.push(Finding::new(Code::KeyExposed, name, message).at(Level::Warn));
        draft.look_again(at);
        return None;
    }
    Some(Reason::Exposed)
}

/// From when on a new key is ordered instead of one that others could read; `None` where they
/// could not.
fn new_key_at(exposed: &Exposed, name: &CertName, version: Version) -> Option<Timestamp> {
    let at = exposed.get(&(name.clone(), version))?;
    let others = exposed.range((name.clone(), Version(0))..=(name.clone(), Version(u32::MAX)));
    let others = others.filter(|((_, other), _)| *other != version);
    let last = others.map(|(_, at)| at.plus(BETWEEN_NEW_KEYS)).max();
    Some(last.map_or(*at, |last| last.max(*at)))
}
