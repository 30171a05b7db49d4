//! Puts together what is there: store, files, settings, diary and, where no proof stands, a look
//! at the live server.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::model::{
    CertName, Code, Facts, Finding, Host, Hostname, Inspection, Timestamp, Verdict,
};
use crate::plan::{
    self, Budget, Desired, Edit, Held, HeldVersion, Hook, Layout, Observed, Pins, Seen,
};
use crate::servers::{self, Kind, Part, Server, Shown};
use crate::store::{Diary, FilePrint, Kept, Proof};
use crate::survey::aged::{Group, Thinned, is_settled, look_at, speaks, stands};
use crate::survey::damage::damaged as damaged_files;
use crate::survey::live::{self, Known};
use crate::survey::lost::lost;
use crate::survey::waits::Waits;
use crate::survey::{Asked, Lying, file_print, files_of};
use crate::verify::How;

/// How to look.
pub struct Look<'a> {
    /// This machine's addresses.
    pub machine: &'a [IpAddr],
    /// How the verifier looks.
    pub how: &'a How,
    /// Proofs older than this do not stand.
    pub every: Duration,
    /// For which names only proofs of this very run stand, and waits from before it do not count.
    pub anew: Anew<'a>,
    /// Published pins, where they were asked for.
    pub pins: Vec<Pins>,
    /// What earlier rounds of this run did.
    pub earlier: Earlier,
    /// The moment it is.
    pub now: Timestamp,
}

/// What the rounds of a run before this one did: it is not done again.
#[derive(Clone, Debug, Default)]
pub struct Earlier {
    /// Certificates that were ordered, whatever came of it: a wait for them is a wait.
    pub ordered: BTreeSet<CertName>,
    /// What was looked at, by server and certificate: the proof stands, whatever it showed.
    pub looked_at: BTreeSet<(String, Option<CertName>)>,
    /// Servers that the last round changed: what was refused there before may be mended by it,
    /// since a broken default takes down every name.
    pub changed: BTreeSet<String>,
}

/// The names that are looked at as if nothing were remembered.
#[derive(Clone, Copy, Debug)]
pub enum Anew<'a> {
    /// None: the timer's run.
    Nothing,
    /// All: `fix`.
    Everything,
    /// These, what is below them, and what they are below: `fix NAME`.
    Only(&'a [Hostname]),
}

impl Anew<'_> {
    /// Whether this name is one of them.
    #[must_use]
    pub fn takes_in(&self, name: &Hostname) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Only(names) => {
                names.iter().any(|only| only.is_within(name) || name.is_within(only))
            }
        }
    }
}

/// What was seen, and the proofs that the looks gave.
pub struct Observation {
    /// For the planner.
    pub observed: Observed,
    /// New proofs: worth noting in the diary.
    pub proofs: Vec<(String, Option<CertName>, Proof)>,
}

/// The certificates of the store, as the planner sees them.
#[must_use]
pub fn held(kept: &[Kept], diary: &Diary) -> Vec<Held> {
    let version = |name: &CertName, (version, facts): &(_, _)| HeldVersion {
        version: *version,
        facts: Facts::clone(facts),
        bad: diary.bad.get(&(name.clone(), *version)).map(|(at, _)| *at),
        unfit: None,
        told: None,
    };
    let held = |kept: &Kept| {
        let versions = kept.versions.iter().map(|one| version(&kept.name, one)).collect();
        let mut held = Held { name: kept.name.clone(), versions };
        if let Some(told) = diary.told.get(&kept.name) {
            held.hear(told.version, told.renewal.clone());
        }
        held
    };
    kept.iter().map(held).collect()
}

/// What of the store cannot be used.
pub fn damaged(kept: &Kept) -> impl Iterator<Item = Finding> + '_ {
    kept.damaged.iter().map(|(version, why)| {
        let subject = format!("{} version {version}", kept.name);
        Finding::new(Code::StoreDamaged, subject, why.clone())
    })
}

/// Looks at everything and changes nothing.
pub async fn observe(
    desired: &Desired,
    held: Vec<Held>,
    asked: &[Asked],
    diary: &Diary,
    look: &Look<'_>,
) -> Observation {
    let waits = Waits::of(diary, desired, look);
    let mut observed = Observed {
        waits: waits.until,
        refused: waits.refused,
        declined: waits.declined,
        holds: BTreeMap::new(),
        fallbacks: Vec::new(),
        pins: look.pins.clone(),
        exposed: diary.exposed.clone(),
        adoptable: lost(desired, &held, asked, look),
        held,
        servers: Vec::new(),
        sourced: Vec::new(),
        budget: Budget::default(),
        rollover: diary.rollover.clone(),
        on_hold: diary.on_hold.clone(),
    };
    let mut touched = Vec::new();
    for asked in asked {
        let lying = files_of(&asked.server, &diary.installed);
        touched.push(self::touched(&asked.server.id.0, &lying, diary));
        let damaged = damaged_files(&asked.server, &lying, diary, look.how.known(), look.now).await;
        observed.servers.push(Seen { damaged, ..seen(asked, lying, diary) });
    }
    let proofs =
        look_where_no_proof_stands(desired, &mut observed, asked, &touched, diary, look).await;
    Observation { observed, proofs }
}

fn seen(asked: &Asked, lying: Lying, diary: &Diary) -> Seen {
    let id = &asked.server.id.0;
    let ours =
        |path: &&PathBuf| diary.installed.contains_key(*path) && !lying.touched.contains(*path);
    Seen {
        installed: lying.seen.keys().filter(ours).cloned().collect(),
        files: lying.seen,
        damaged: BTreeMap::new(),
        shut: is_shut(&asked.server),
        server: asked.server.clone(),
        hook: asked.hook.clone(),
        owed: diary.owed.contains_key(id),
        edited: edits(asked, diary),
        proofs: BTreeMap::new(),
        stale: BTreeSet::new(),
        doubted: BTreeSet::new(),
        running: asked.running,
    }
}

/// Whether Exim cannot list its directory: `dsearch` fails then, and all of its TLS with it.
fn is_shut(server: &Server) -> bool {
    let Kind::Exim(_) = &server.kind else { return false };
    let found = std::fs::symlink_metadata(&server.directory).map(|found| file_print(&found));
    let Ok(found) = found else { return false };
    let bits = if found.gid == server.gid { found.mode >> 3 } else { found.mode };
    !server.files_only && bits & 0o5 != 0o5
}

/// Whether a server's configuration was edited after its last reload by somebody else than
/// mailcert: a reload would publish that edit. Where mailcert never reloaded it, nobody can tell.
#[must_use]
pub fn is_edited(asked: &Asked, diary: &Diary) -> bool {
    !edits(asked, diary).is_empty()
}

/// What was edited so, the newest first.
#[must_use]
pub fn edits(asked: &Asked, diary: &Diary) -> Vec<Edit> {
    let id = &asked.server.id.0;
    let Some(reloaded) = diary.reloaded.get(id) else { return Vec::new() };
    let known = diary.known.get(id).unwrap_or(reloaded).max(reloaded);
    let files = asked.edited_at.iter().flat_map(|edits| &edits.files);
    files.filter(|edit| edit.at > *known).cloned().collect()
}

/// Fills in `proofs` and `stale` of every server: from the diary where a proof stands, else from
/// one bounded round of looks over all servers.
async fn look_where_no_proof_stands(
    desired: &Desired,
    observed: &mut Observed,
    asked: &[Asked],
    touched: &[BTreeSet<&Path>],
    diary: &Diary,
    look: &Look<'_>,
) -> Vec<(String, Option<CertName>, Proof)> {
    let hosts: BTreeMap<&Hostname, &Host> =
        desired.hosts.iter().map(|host| (&host.host, host)).collect();
    let wished: BTreeSet<&CertName> = desired.certificates.iter().map(|wish| &wish.name).collect();
    let mut groups: Vec<Group> = Vec::new();
    for (index, asked) in asked.iter().enumerate() {
        let layout = plan::layout(desired, observed, &observed.servers[index], look.now);
        let two = live::has_two(&layout.shown);
        let known = Known { hosts: &hosts, machine: look.machine, two };
        let void = voided(&asked.server, &layout, &touched[index]);
        let edited_at = asked.edited_at.as_ref().map(|edits| edits.at);
        let default =
            layout.shown.iter().find(|shown| Some(&shown.name) == layout.default.as_ref());
        let lives = |shown: &&Shown| wished.contains(&shown.name) || shown.facts.valid_at(look.now);
        let named = layout.shown.iter().filter(lives);
        let subjects = named.map(|shown| (Some(shown.name.clone()), shown));
        for (subject, shown) in subjects.chain(default.map(|shown| (None, shown))) {
            let key = (asked.server.id.0.clone(), subject.clone());
            let of_this_run = look.earlier.looked_at.contains(&key);
            let proof = diary.proofs.get(&key);
            let unvoided = proof.filter(|_| !void.contains(&subject));
            let changed = look.earlier.changed.contains(&key.0);
            let standing = unvoided.filter(|proof| {
                // What was refused may be mended by now; who asks a silent server again waits again.
                let refused = |seen: &Arc<Inspection>| seen.verdict == Verdict::Refused;
                let mended = changed && proof.inspections.iter().any(refused);
                let of_this_run = of_this_run && !mended;
                stands(proof, of_this_run, shown, edited_at, look)
            });
            if let Some(proof) = standing {
                let seen = &mut observed.servers[index];
                seen.proofs.insert(subject, (proof.version, proof.at));
                if !live::shows(&proof.inspections, &shown.facts.leaf) {
                    seen.doubted.insert(shown.name.clone());
                }
            } else if asked.can_be_looked_at() && proof.is_none_or(is_settled(shown)) {
                let own = match subject {
                    Some(_) => live::asks(&asked.server, shown, known),
                    None => live::asks_without_sni(&asked.server, shown, known),
                };
                let aged = unvoided.filter(|proof| speaks(proof, shown, edited_at, look));
                let own = match aged {
                    Some(proof) => Thinned::of(own, proof, look.now),
                    None => Thinned::nothing(own),
                };
                groups.push(Group { index, subject, shown: shown.clone(), own });
            } else if asked.hook != Hook::Unknown {
                observed.servers[index].doubted.insert(shown.name.clone());
            }
        }
    }
    let looked = look_at(groups, look.how).await;
    learn(observed, looked, look.now)
}

/// Puts what was seen where the planner finds it; the proofs are worth noting.
fn learn(
    observed: &mut Observed,
    looked: Vec<(Group, Vec<Arc<Inspection>>)>,
    at: Timestamp,
) -> Vec<(String, Option<CertName>, Proof)> {
    let mut proofs = Vec::new();
    for (group, inspections) in looked {
        let Group { index, subject, shown, .. } = group;
        let seen = &mut observed.servers[index];
        let is_stale = live::shows_another(&inspections, &shown.facts.leaf);
        if is_stale {
            seen.stale.insert(shown.name.clone());
        }
        // What is accepted though it is another certificate is as it was; a refusal is told.
        if is_stale && inspections.iter().all(|seen| seen.verdict != Verdict::Refused) {
            continue;
        }
        if !live::shows(&inspections, &shown.facts.leaf) {
            seen.doubted.insert(shown.name.clone());
        }
        let version = shown.version;
        let proof = Proof { version, at, void: false, inspections, before: None };
        if !is_stale {
            seen.proofs.insert(subject.clone(), (proof.version, proof.at));
        }
        proofs.push((seen.server.id.0.clone(), subject, proof));
    }
    proofs
}

/// The subjects whose proof a touched file voids.
fn voided(
    server: &Server,
    layout: &Layout,
    touched: &BTreeSet<&Path>,
) -> BTreeSet<Option<CertName>> {
    let mut void = BTreeSet::new();
    if touched.is_empty() {
        return void;
    }
    for want in servers::wants(server, &layout.shown, layout.default.as_ref()) {
        if !touched.contains(want.path.as_path()) {
            continue;
        }
        match want.part {
            Part::Certificate(name) => void.extend([Some(name)]),
            Part::Default => void.extend([None]),
            Part::Index => void.extend(layout.shown.iter().map(|shown| Some(shown.name.clone()))),
        }
    }
    void
}

/// The installed files of a server that do not look as they were left.
fn touched<'a>(server: &str, lying: &Lying, diary: &'a Diary) -> BTreeSet<&'a Path> {
    let own = diary.installed.iter().filter(|(_, file)| file.server == server);
    own.filter(|(path, file)| {
        if lying.seen.contains_key(*path) {
            return lying.touched.contains(*path);
        }
        // Gone, or where the server's files were before.
        print_at(path).as_ref() != Some(&file.print)
    })
    .map(|(path, _)| path.as_path())
    .collect()
}

fn print_at(path: &Path) -> Option<FilePrint> {
    Some(file_print(&std::fs::symlink_metadata(path).ok()?))
}

#[cfg(test)]
mod tests {
    use super::{Asked, Diary, Edit, Timestamp, is_edited};
    use crate::plan::Hook;
    use crate::servers::entries::samples::server;
    use crate::servers::{Dovecot, Kind};
    use crate::store::Entry;
    use crate::survey::Edits;

    #[test]
    fn only_edits_that_are_not_ours_and_after_the_last_reload_count() {
        let kind = Kind::Dovecot(Dovecot { config_file: "/d.conf".into(), version: (2, 3) });
        let server = server(kind, "/d");
        let name = server.id.to_string();
        let at = Timestamp::from_unix;
        let reload = |since: Option<i64>, time| {
            let since = since.map(at);
            Entry::Reload { server: name.clone(), since, at: at(time) }
        };
        let known = |time| Entry::Known { server: name.clone(), until: at(time) };
        for (edited, entries, expected) in [
            (50, vec![], false),
            (50, vec![reload(None, 50)], false),
            (51, vec![reload(None, 50)], true),
            // Our own lines after the reload, and the reload they owe.
            (60, vec![reload(None, 50), reload(Some(60), 60), known(61)], false),
            // The admin's edit after ours; a kill between our edit and its note.
            (70, vec![reload(None, 50), reload(Some(60), 60), known(61)], true),
            (60, vec![reload(None, 50), reload(Some(60), 60)], true),
            (70, vec![known(61), reload(None, 80)], false),
        ] {
            let mut diary = Diary::default();
            entries.clone().into_iter().for_each(|entry| diary.add(entry));
            let files = vec![Edit { path: "/d.conf".into(), at: at(edited) }];
            let edited_at = Some(Edits { at: at(edited), files });
            let server = server.clone();
            let asked =
                Asked { server, hook: Hook::There, running: true, edited_at, proxied: vec![] };
            assert_eq!(is_edited(&asked, &diary), expected, "{edited} after {entries:?}");
        }
    }
}
