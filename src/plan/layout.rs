//! What each server is to show: which certificates, which version of each, which by default.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::model::{CertName, DnsId, Facts, Hostname, KeyType, Service, Timestamp, Version, Why};
use crate::plan::cover::Cover;
use crate::plan::held::best;
use crate::plan::pins::Guard;
use crate::plan::rights::Exposed;
use crate::plan::{Desired, FileSeen, Held, HeldVersion, Mode, Observed, Seen, Wish};
use crate::servers::{Files, Kind, Part, Server, Shown, wants};

/// What one server is to show. [`wants`] turns it into files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// The certificates with the version to show, by name.
    pub shown: Vec<Shown>,
    /// The one for clients without SNI.
    pub default: Option<CertName>,
}

/// What `server` is to show of what is held now.
///
/// A plan is made with this, and a step is carried out with it: after the orders of a plan the
/// store holds more than before, so it is asked again, once for each server.
#[must_use]
pub fn layout(desired: &Desired, observed: &Observed, server: &Seen, now: Timestamp) -> Layout {
    // What is shown does not depend on the kind of run.
    let scene = Scene::new(desired, observed, &Mode::Run, now);
    let shown = scene.shown(server, &BTreeMap::new());
    let default = scene.default(server, &shown).0;
    Layout { shown, default }
}

/// A certificate that an earlier step of the plan brings.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    /// That step.
    pub(super) step: usize,
    /// The number the new version will have.
    pub(super) version: Version,
    /// What it will say, as far as it is known; digests nobody knows yet are zero, so that no
    /// file can be mistaken for it.
    pub(super) facts: Facts,
    /// It is there already, shown by a server, and taken into the store: nothing may be written
    /// that leaves it out.
    pub(super) adopted: bool,
}

/// What a plan is made of, with the indexes that keep it linear.
pub(super) struct Scene<'a> {
    pub(super) desired: &'a Desired,
    pub(super) observed: &'a Observed,
    pub(super) mode: &'a Mode,
    pub(super) now: Timestamp,
    pub(super) guard: Guard<'a>,
    /// Keys that others could read; empty until the files were compared.
    pub(super) exposed: Exposed,
    pub(super) held: HashMap<&'a CertName, &'a Held>,
    pub(super) wished: HashMap<&'a CertName, &'a Wish>,
    /// Known hosts by the domain above them.
    below: HashMap<&'a str, BTreeSet<&'a Hostname>>,
    /// Hosts that people read their mail at, and the domains above them.
    readers: HashSet<&'a str>,
    above_readers: HashSet<&'a str>,
}

impl<'a> Scene<'a> {
    pub(super) fn new(
        desired: &'a Desired,
        observed: &'a Observed,
        mode: &'a Mode,
        now: Timestamp,
    ) -> Self {
        let mut below: HashMap<&str, BTreeSet<&Hostname>> = HashMap::new();
        let mut readers = HashSet::new();
        let mut above_readers = HashSet::new();
        for host in &desired.hosts {
            let Some((_, domain)) = host.host.as_str().split_once('.') else { continue };
            if host.included {
                below.entry(domain).or_default().insert(&host.host);
            }
            if host.reasons.iter().any(is_for_readers) {
                readers.insert(host.host.as_str());
                above_readers.insert(domain);
            }
        }
        for name in desired.certificates.iter().flat_map(|wish| &wish.names) {
            let Some(name) = name.host() else { continue };
            if let Some((_, domain)) = name.as_str().split_once('.') {
                below.entry(domain).or_default().insert(name);
            }
        }
        Self {
            desired,
            observed,
            mode,
            now,
            guard: Guard::of(&observed.pins),
            exposed: Exposed::new(),
            held: observed.held.iter().map(|held| (&held.name, held)).collect(),
            wished: desired.certificates.iter().map(|wish| (&wish.name, wish)).collect(),
            below,
            readers,
            above_readers,
        }
    }

    /// The version of a certificate to show: the best of those whose key the TLSA records allow.
    /// `None` where they allow none.
    pub(super) fn choice(&self, held: &'a Held) -> Option<&'a HeldVersion> {
        let allowed = held.versions.iter().filter(|version| self.guard.allows(&version.facts));
        best(allowed, self.now)
    }

    /// The kind of key that a certificate is to have. One beside another that is only kept stays of
    /// its kind.
    pub(super) fn key_type(&self, name: &CertName) -> KeyType {
        let keys = &self.desired.keys;
        let kept = || {
            let held = self.held.get(name).and_then(|held| held.versions.last());
            held.map_or(KeyType::Rsa2048, |newest| newest.facts.key_type)
        };
        if name.is_beside() { keys.beside.unwrap_or_else(kept) } else { keys.first }
    }

    /// Whether a person wants a new key for a certificate, and none was made yet. One that waits
    /// for its TLSA record is one.
    pub(super) fn wants_new_key(&self, held: &Held) -> bool {
        let asked = self.desired.new_keys.get(&held.name);
        let is_old = |newest: &HeldVersion| {
            asked == Some(&newest.version) && self.guard.allows(&newest.facts)
        };
        held.versions.last().is_some_and(is_old)
    }

    /// What a server is to show, with what earlier steps bring. A path of ours that is no regular
    /// file takes its certificate out: we write through no link, and one bad file must not hold
    /// up the others.
    pub(super) fn shown(&self, seen: &Seen, pending: &BTreeMap<CertName, Pending>) -> Vec<Shown> {
        let mut certificates: BTreeMap<&CertName, Shown> = BTreeMap::new();
        for held in self.observed.held.iter().filter(|held| !held.versions.is_empty()) {
            let version = self.choice(held).or_else(|| self.installed(seen, held));
            let Some(version) = version else { continue };
            if !self.desired.let_go.contains(&held.name) {
                certificates.insert(&held.name, self.show(held, version));
            }
        }
        for (name, coming) in pending.iter().filter(|(_, new)| self.guard.allows(&new.facts)) {
            let hosts = self.stands_for(&coming.facts);
            let (version, facts) = (coming.version, coming.facts.clone());
            certificates.insert(name, Shown { name: name.clone(), version, facts, hosts });
        }
        // A client takes one that has ended although the other has not.
        certificates.retain(|name, own| !name.is_beside() || own.facts.valid_at(self.now));
        let certificates: Vec<Shown> = certificates.into_values().collect();
        self.without_blocked(seen, self.meant_for(seen, certificates))
    }

    pub(super) fn show(&self, held: &Held, version: &HeldVersion) -> Shown {
        Shown {
            name: held.name.clone(),
            version: version.version,
            facts: version.facts.clone(),
            hosts: self.stands_for(&version.facts),
        }
    }

    /// The known hosts that the wildcards of a certificate stand for.
    fn stands_for(&self, facts: &Facts) -> Vec<Hostname> {
        let mut hosts = BTreeSet::new();
        for id in &facts.names {
            if let DnsId::Wildcard(domain) = id {
                hosts.extend(self.below.get(domain.as_str()).into_iter().flatten().copied());
            }
        }
        hosts.into_iter().cloned().collect()
    }

    /// Dovecot gets the certificates of the hosts that people read their mail at; every other
    /// server gets all. What is there already stays: a record that did not answer today is no
    /// reason to lose a name.
    fn meant_for(&self, seen: &Seen, certificates: Vec<Shown>) -> Vec<Shown> {
        match &seen.server.kind {
            Kind::Dovecot(_) => {}
            Kind::Files(files) => return self.meant_for_files(seen, files, certificates),
            Kind::Exim(exim) if !exim.lists => {
                let first = certificates.into_iter().filter(|shown| !shown.name.is_beside());
                return first.collect();
            }
            Kind::Exim(_) | Kind::Postfix(_) => return certificates,
        }
        let (mut meant, other): (Vec<_>, Vec<_>) =
            certificates.into_iter().partition(|shown| self.is_for_readers(&shown.facts));
        let there: BTreeSet<CertName> = parts(&seen.server, &other)
            .filter(|(_, path)| matches!(seen.files.get(path), Some(FileSeen::Regular { .. })))
            .map(|(name, _)| name)
            .collect();
        meant.extend(other.into_iter().filter(|shown| there.contains(&shown.name)));
        meant.sort_by(|a, b| a.name.cmp(&b.name));
        meant
    }

    /// The stated certificate; else, where the paths are those of one, the default one; else all.
    fn meant_for_files(&self, seen: &Seen, files: &Files, mut all: Vec<Shown>) -> Vec<Shown> {
        let one = match &files.certificate {
            Some(stated) => Some(stated.clone()),
            None if files.paths.are_for_each() => return all,
            None => self.default(seen, &all).0,
        };
        all.retain(|shown| Some(&shown.name) == one.as_ref());
        all
    }

    fn is_for_readers(&self, facts: &Facts) -> bool {
        facts.names.iter().any(|id| match id {
            DnsId::Host(name) => self.readers.contains(name.as_str()),
            DnsId::Wildcard(domain) => self.above_readers.contains(domain.as_str()),
        })
    }

    /// Leaves out the certificates whose place is taken by something that is no regular file. A
    /// new name may be what brought that: then an older version stays until it ends.
    fn without_blocked(&self, seen: &Seen, mut certificates: Vec<Shown>) -> Vec<Shown> {
        let is_other = |path: &Path| matches!(seen.files.get(path), Some(FileSeen::Other(_)));
        if !seen.files.keys().any(|path| is_other(path)) {
            return certificates;
        }
        let is_free = |shown: &Shown| {
            !parts(&seen.server, std::slice::from_ref(shown)).any(|(_, path)| is_other(&path))
        };
        // What one leaves may be what blocks another that has the name too.
        loop {
            let blocked: HashSet<CertName> = parts(&seen.server, &certificates)
                .filter(|(_, path)| is_other(path))
                .map(|(name, _)| name)
                .collect();
            if blocked.is_empty() {
                return certificates;
            }
            let unblocked = |shown: Shown| {
                if !blocked.contains(&shown.name) {
                    return Some(shown);
                }
                let held = self.held.get(&shown.name)?;
                let older = held.versions.iter().rev().filter(|old| {
                    old.version < shown.version
                        && old.unfit.is_none()
                        && old.facts.valid_at(self.now)
                        && self.guard.allows(&old.facts)
                });
                // One that made a name worse was shown all the same where there was no other.
                let good = older.clone().filter(|old| !old.is_bad());
                let last = older.filter(|old| old.is_bad());
                good.chain(last).map(|old| self.show(held, old)).find(is_free)
            };
            certificates = certificates.into_iter().filter_map(unblocked).collect();
        }
    }

    /// The held certificates that something we do not write through keeps from a server.
    pub(super) fn kept_out(&self) -> HashSet<&'a CertName> {
        let mut out = HashSet::new();
        let is_other = |file: &FileSeen| matches!(file, FileSeen::Other(_));
        for seen in self.observed.servers.iter().filter(|seen| seen.files.values().any(is_other)) {
            let shown = self.shown(seen, &BTreeMap::new());
            let shown: HashSet<&CertName> = shown.iter().map(|shown| &shown.name).collect();
            let held = self.observed.held.iter().map(|held| &held.name);
            out.extend(held.filter(|name| !shown.contains(name)));
        }
        out
    }

    /// The version of a certificate that lies on a server already, where the TLSA records allow
    /// none: it stays, since what worked with it still does.
    pub(super) fn installed(&self, seen: &Seen, held: &'a Held) -> Option<&'a HeldVersion> {
        held.versions.iter().rev().find(|version| {
            let shown = self.show(held, version);
            let files = wants(&seen.server, std::slice::from_ref(&shown), None);
            let mut own =
                files.iter().filter(|want| matches!(want.part, Part::Certificate(_))).peekable();
            own.peek().is_some()
                && own.all(|want| {
                    matches!(seen.files.get(&want.path), Some(FileSeen::Regular { identity, .. })
                        if *identity == Some(want.identity))
                })
        })
    }

    /// The certificate for clients without SNI (contract.md), and the MX hosts that reach this
    /// server and are not covered by it, with the number of all.
    pub(super) fn default(
        &self,
        seen: &Seen,
        shown: &[Shown],
    ) -> (Option<CertName>, Vec<&'a Hostname>, usize) {
        if seen.server.default.is_none()
            && matches!(&seen.server.kind, Kind::Files(files) if files.paths.are_for_each())
        {
            // Which of the files it takes for clients without SNI is the program's own affair.
            return (None, Vec::new(), 0);
        }
        let first: Vec<&Shown> = shown.iter().filter(|shown| !shown.name.is_beside()).collect();
        let valid = first.iter().copied().filter(|shown| shown.facts.valid_at(self.now));
        let valid: Vec<&Shown> = valid.collect();
        let choices = if valid.is_empty() { first } else { valid };
        let cover = Cover::of(&choices);
        let reaching = self.reaching(seen);
        let named = |host: &Option<Hostname>| host.as_ref().and_then(|host| cover.first(host));
        let chosen = named(&seen.server.default)
            .or_else(|| cover.all_of(&reaching))
            .or_else(|| named(&seen.server.own_name))
            .or_else(|| cover.most_domains(&self.desired.hosts));
        let Some(chosen) = chosen else { return (None, Vec::new(), reaching.len()) };
        let uncovered = reaching.iter().copied().filter(|host| !cover.has(chosen, host)).collect();
        (Some(choices[chosen].name.clone()), uncovered, reaching.len())
    }

    /// The MX hosts whose mail reaches this server, each once.
    fn reaching(&self, seen: &Seen) -> Vec<&'a Hostname> {
        let listens = |address: &IpAddr| {
            seen.server.listeners.iter().any(|listener| {
                listener.service == Service::Smtp
                    && listener.address.is_none_or(|own| own.is_unspecified() || own == *address)
            })
        };
        let hosts = self.desired.hosts.iter().filter(|host| host.included && host.is_mx());
        let hosts = hosts.filter(|host| host.addresses.iter().any(listens));
        hosts.map(|host| &host.host).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// The files of each certificate on a server.
fn parts(server: &Server, certificates: &[Shown]) -> impl Iterator<Item = (CertName, PathBuf)> {
    let files =
        if certificates.is_empty() { Vec::new() } else { wants(server, certificates, None) };
    files.into_iter().filter_map(|want| match want.part {
        Part::Certificate(name) => Some((name, want.path)),
        Part::Index | Part::Default => None,
    })
}

/// Whether people read their mail at a host with this reason, or the admin named it.
fn is_for_readers(why: &Why) -> bool {
    match why {
        Why::Srv(service, _) => !service.is_smtp(),
        Why::Config => true,
        Why::Guess(label) => label == "imap" || label == "pop",
        Why::Mx(_) | Why::NoMx => false,
    }
}
