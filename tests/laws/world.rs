//! A world: what the planner is told, and what becomes of it when steps are carried out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use mailcert::model::{
    CertName, DnsId, Facts, Host, Hostname, KeyType, Points, Service, Sha256, Timestamp, Version,
    Why,
};
use mailcert::plan::{
    Action, Adoptable, Desired, Fate, FileSeen, Held, HeldVersion, Hook, Mode, Observed, Pins,
    Plan, Seen, Step, group, layout, plan,
};
use mailcert::servers::{Kind, Part, ServerId, needs_reload, wants};

use super::chance::Chance;
use super::sheet;

const DAY: u64 = 86_400;
const HOUR: Duration = Duration::from_secs(3_600);

#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) hosts: Vec<Host>,
    pub(crate) domains: Vec<Hostname>,
    pub(crate) limit: usize,
    pub(crate) keep: usize,
    pub(crate) observed: Observed,
    /// Names that the CA refuses.
    pub(crate) dead: BTreeSet<Hostname>,
    pub(crate) now: Timestamp,
    /// Certificates issued so far: each is another one.
    pub(crate) issued: u64,
}

impl World {
    pub(crate) fn desired(&self) -> Desired {
        let held = &self.observed.held;
        Desired {
            hosts: self.hosts.clone(),
            certificates: group(&self.hosts, &self.domains, held, self.limit),
            key_type: KeyType::EcdsaP256,
            keep: self.keep,
            prove_every: Duration::from_secs(20 * 3_600),
        }
    }

    pub(crate) fn plan(&self, mode: &Mode) -> Plan {
        plan(&self.desired(), &self.observed, mode, self.now)
    }

    pub(crate) fn is_files_only(&self, id: &ServerId) -> bool {
        self.observed.servers.iter().any(|seen| seen.id() == id && seen.server.files_only)
    }

    pub(crate) fn holds(&self, name: &CertName, version: Version) -> bool {
        let mut held = self.observed.held.iter().filter(|held| held.name == *name);
        held.any(|held| held.versions.iter().any(|own| own.version == version))
    }

    /// Every wanted host that a server shows a certificate within its dates for.
    pub(crate) fn works(&self) -> BTreeSet<(ServerId, Hostname)> {
        self.working(|_, _| true)
    }

    /// The same, where that is the certificate the host belongs to. (What another one covers by
    /// the way is nobody's promise.)
    pub(crate) fn works_by_its_own(&self) -> BTreeSet<(ServerId, Hostname)> {
        self.working(|wish, shown| wish == shown)
    }

    fn working(
        &self,
        counts: impl Fn(&CertName, &CertName) -> bool,
    ) -> BTreeSet<(ServerId, Hostname)> {
        let desired = self.desired();
        let mut works = BTreeSet::new();
        for seen in &self.observed.servers {
            let shown = layout(&desired, &self.observed, seen, &Mode::Run, self.now).shown;
            for wish in &desired.certificates {
                for host in wish.names.iter().filter(|host| self.is_promised(seen, host)) {
                    let mut good = shown.iter().filter(|shown| shown.facts.valid_at(self.now));
                    if good.any(|own| counts(&wish.name, &own.name) && own.facts.covers(host)) {
                        works.insert((seen.id().clone(), host.clone()));
                    }
                }
            }
        }
        works
    }

    /// Dovecot shows the hosts that people read their mail at; others only by the way.
    fn is_promised(&self, seen: &Seen, host: &Hostname) -> bool {
        let mut hosts = self.hosts.iter().filter(|own| own.host == *host);
        !matches!(seen.server.kind, Kind::Dovecot(_))
            || hosts.any(|own| {
                own.reasons.contains(&Why::Config)
                    || own.published().any(|(service, _)| !service.is_smtp())
            })
    }

    /// Every host that a held certificate names in its newest good version.
    pub(crate) fn named(&self) -> Vec<Hostname> {
        let newest = |held: &Held| held.versions.iter().rev().find(|own| !own.bad).cloned();
        let ids = self.observed.held.iter().filter_map(newest).flat_map(|own| own.facts.names);
        ids.filter_map(|id| match id {
            DnsId::Host(host) => Some(host),
            DnsId::Wildcard(_) => None,
        })
        .collect()
    }

    pub(crate) fn has_wildcard(&self) -> bool {
        let held = self.observed.held.iter().flat_map(|held| &held.versions);
        let pairs = self.observed.adoptable.iter().map(|pair| &pair.facts);
        let mut ids = held.map(|own| &own.facts).chain(pairs).flat_map(|facts| &facts.names);
        ids.any(|id| matches!(id, DnsId::Wildcard(_)))
    }

    /// Runs until nothing is left to do.
    pub(crate) fn come_to_rest(&mut self) {
        for _ in 0..8 {
            let plan = self.plan(&Mode::Run);
            if plan.steps.is_empty() {
                return;
            }
            self.carry_out(&plan, &Mode::Run, usize::MAX);
        }
        panic!("no rest: {:?}", self.plan(&Mode::Run).steps);
    }

    /// Carries out the first steps of a plan.
    pub(crate) fn carry_out(&mut self, plan: &Plan, mode: &Mode, steps: usize) -> Vec<Fate> {
        let desired = self.desired();
        let mut fates: Vec<Fate> = Vec::new();
        for step in plan.steps.iter().take(steps) {
            let ready = step.needs.iter().all(|needed| fates[*needed] == Fate::Done);
            let fate = match ready {
                false => Fate::Skipped,
                true if self.act(step, &desired, mode) => Fate::Done,
                true => Fate::Failed,
            };
            fates.push(fate);
        }
        fates
    }

    fn act(&mut self, step: &Step, desired: &Desired, mode: &Mode) -> bool {
        match &step.action {
            Action::Issue { certificate, names, reuse_key } => {
                return self.issue(certificate, names, *reuse_key);
            }
            Action::Adopt { certificate, chain, .. } => {
                let mut pairs = self.observed.adoptable.iter();
                let pair = pairs.find(|pair| pair.chain == *chain).expect("a pair that is there");
                let facts = pair.facts.clone();
                self.keep(certificate, facts);
            }
            Action::Install { server, part, .. } => self.install(server, part, desired, mode),
            Action::Tighten { server, path } => self.tighten(server, path, desired),
            Action::Check { .. } => {}
            Action::Reload { server } => {
                let seen = self.seen(server);
                (seen.owed, seen.edited) = (false, false);
                seen.stale.clear();
            }
            Action::Prove { server, certificate } => {
                self.prove(server, certificate.as_ref(), desired, mode);
            }
            Action::Hook { server } => {
                let seen = self.seen(server);
                seen.hook = Hook::There;
                seen.proofs.clear();
            }
            Action::Prune { certificate, version } => {
                for held in self.observed.held.iter_mut().filter(|held| held.name == *certificate) {
                    held.versions.retain(|own| own.version != *version);
                }
            }
        }
        true
    }

    /// Gives a file the mode its layout wants.
    fn tighten(&mut self, server: &ServerId, path: &Path, desired: &Desired) {
        let seen = self.observed.servers.iter().find(|seen| seen.id() == server);
        let seen = seen.expect("a server that is there");
        let own = layout(desired, &self.observed, seen, &Mode::Run, self.now);
        let files = wants(&seen.server, &own.shown, own.default.as_ref());
        let wanted = files.iter().find(|want| want.path == path).map(|want| want.mode);
        if let (Some(wanted), Some(FileSeen::Regular { mode, .. })) =
            (wanted, self.seen(server).files.get_mut(path))
        {
            *mode = wanted;
        }
    }

    fn seen(&mut self, id: &ServerId) -> &mut Seen {
        let mut servers = self.observed.servers.iter_mut();
        servers.find(|seen| seen.server.id == *id).expect("a server that is there")
    }

    fn issue(&mut self, name: &CertName, names: &[Hostname], reuse: Option<Version>) -> bool {
        let refused: BTreeSet<_> =
            names.iter().filter(|name| self.dead.contains(name)).cloned().collect();
        if !refused.is_empty() {
            self.observed.refused.entry(name.clone()).or_default().extend(refused);
            self.observed.waits.insert(name.clone(), self.now.plus(HOUR));
            return false;
        }
        // A wait for names that were not asked for goes on.
        let waits = self.observed.refused.entry(name.clone()).or_default();
        waits.retain(|refused| !names.contains(refused));
        if waits.is_empty() {
            self.observed.refused.remove(name);
            self.observed.waits.remove(name);
        }
        self.issued += 1;
        let ids = names.iter().cloned().map(DnsId::Host).collect();
        let mut facts = facts(self.issued, ids, self.now, 90);
        let held = self.observed.held.iter().find(|held| held.name == *name);
        let old = held.into_iter().flat_map(|held| &held.versions);
        if let Some(old) = old.into_iter().find(|old| Some(old.version) == reuse) {
            (facts.spki, facts.key_type) = (old.facts.spki, old.facts.key_type);
        }
        self.keep(name, facts);
        true
    }

    fn keep(&mut self, name: &CertName, facts: Facts) {
        let held = &mut self.observed.held;
        if !held.iter().any(|held| held.name == *name) {
            held.push(Held { name: name.clone(), versions: Vec::new() });
        }
        let held = held.iter_mut().find(|held| held.name == *name).expect("just put there");
        let number = held.versions.last().map_or(1, |last| last.version.0 + 1);
        held.versions.push(HeldVersion { version: Version(number), facts, bad: false });
    }

    fn install(&mut self, server: &ServerId, part: &Part, desired: &Desired, mode: &Mode) {
        let seen = self.observed.servers.iter().find(|seen| seen.id() == server);
        let seen = seen.expect("a server that is there");
        let own = layout(desired, &self.observed, seen, mode, self.now);
        let files = wants(&seen.server, &own.shown, own.default.as_ref());
        let seen = self.seen(server);
        seen.owed |= needs_reload(&seen.server, part);
        for want in files.into_iter().filter(|want| want.part == *part) {
            let (mode, uid, gid) = (want.mode, want.uid, want.gid);
            let file = FileSeen::Regular { identity: Some(want.identity), mode, uid, gid };
            seen.files.insert(want.path, file);
        }
        match part {
            Part::Certificate(name) => seen.proofs.remove(&Some(name.clone())),
            Part::Default => seen.proofs.remove(&None),
            Part::Index => None,
        };
    }

    fn prove(
        &mut self,
        server: &ServerId,
        certificate: Option<&CertName>,
        desired: &Desired,
        mode: &Mode,
    ) {
        let now = self.now;
        let seen = self.observed.servers.iter().find(|seen| seen.id() == server);
        let seen = seen.expect("a server that is there");
        let own = layout(desired, &self.observed, seen, mode, now);
        let name = certificate.or(own.default.as_ref());
        let shown = own.shown.iter().find(|shown| Some(&shown.name) == name);
        let version = shown.expect("only what is shown is proved").version;
        self.seen(server).proofs.insert(certificate.cloned(), (version, now));
    }
}

/// What a certificate says; `number` makes it one of its kind.
pub(crate) fn facts(number: u64, names: Vec<DnsId>, from: Timestamp, days: u64) -> Facts {
    let digest = |what: &str| Sha256::of(format!("{what} {number}").as_bytes());
    Facts {
        names,
        not_before: from,
        not_after: from.plus(Duration::from_secs(days * DAY)),
        issuer: "CN=Fake".to_owned(),
        serial: format!("{number:x}"),
        key_type: KeyType::EcdsaP256,
        leaf: digest("leaf"),
        spki: digest("spki"),
        combined: digest("combined"),
        key_file: digest("key"),
        chain_file: digest("chain"),
        chain_length: 2,
    }
}

pub(crate) fn name(text: &str) -> Hostname {
    Hostname::parse(text).expect("a host name")
}

/// A host of a domain, for any reason.
pub(crate) fn host(chance: &mut Chance, label: &str, domain: &str) -> Host {
    let reasons = match chance.below(5) {
        0 => vec![Why::Mx(10)],
        1 => vec![Why::Srv(Service::Imaps, 993)],
        2 => vec![Why::Config],
        3 => vec![Why::Mx(10), Why::Srv(Service::Submission, 587)],
        _ => vec![Why::Guess(label.to_owned())],
    };
    Host {
        host: name(&format!("{label}.{domain}")),
        domain: name(domain),
        reasons,
        addresses: vec!["192.0.2.7".parse().expect("an address")],
        points: Points::All,
        included: true,
        why_not: None,
    }
}

/// Any world.
pub(crate) fn random(chance: &mut Chance) -> World {
    let mut hosts = Vec::new();
    let domains = ["example.org", "example.net", "sub.example.org"];
    let count = 1 + chance.below(domains.len());
    for domain in &domains[..count] {
        for label in &["mx", "mail", "imap", "smtp"][..1 + chance.below(4)] {
            let mut host = host(chance, label, domain);
            match chance.below(8) {
                // The DNS was silent; or the host is certainly elsewhere.
                0 => (host.included, host.points, host.addresses) = (false, Points::None, vec![]),
                1 => (host.included, host.points) = (false, Points::None),
                _ => {}
            }
            hosts.push(host);
        }
    }
    let names: Vec<Hostname> = hosts.iter().map(|host| host.host.clone()).collect();
    let mut world = World {
        hosts,
        domains: domains[..count].iter().map(|domain| name(domain)).collect(),
        limit: 1 + chance.below(4),
        keep: 1 + chance.below(3),
        observed: Observed { servers: sheet::some(chance, &names), ..Observed::default() },
        dead: BTreeSet::new(),
        now: Timestamp::from_unix(2_000_000_000),
        issued: 1_000,
    };
    world.dead = names.iter().filter(|_| chance.once_in(8)).cloned().collect();
    hold(chance, &mut world, &names);
    if world.has_wildcard() {
        // Hosts that only a wildcard covers find another place where it has too many of them;
        // which, depends on the others.
        world.limit = 25;
    }
    wait(chance, &mut world, &names);
    lay_files(chance, &mut world);
    world
}

/// Some names, by themselves or by a wildcard.
fn ids(chance: &mut Chance, names: &[Hostname]) -> Vec<DnsId> {
    let mut ids = BTreeSet::new();
    for name in names {
        match chance.below(12) {
            0 => ids.extend(name.parent().map(DnsId::Wildcard)),
            1..=5 => drop(ids.insert(DnsId::Host(name.clone()))),
            _ => {}
        }
    }
    if ids.is_empty() {
        ids.extend(names.first().cloned().map(DnsId::Host));
    }
    ids.into_iter().collect()
}

/// Fills the store, the pins, and what could be adopted.
fn hold(chance: &mut Chance, world: &mut World, names: &[Hostname]) {
    let mut number = 0;
    for cert in ["example.org", "example.org-2", "example.net", "sub.example.org"] {
        if chance.once_in(2) {
            continue;
        }
        let mut versions = Vec::new();
        let mut ages: Vec<u64> = (0..chance.below(5)).map(|_| chance.below(110) as u64).collect();
        ages.sort_unstable_by(|a, b| b.cmp(a));
        let days = if chance.once_in(6) { 6 } else { 90 };
        for (version, age) in (1..).zip(ages) {
            number += 1;
            let from = world.now.minus(Duration::from_secs(DAY * age));
            let mut facts = facts(number, ids(chance, names), from, days);
            if chance.once_in(8) {
                facts.key_type = KeyType::EcdsaP384;
            }
            let bad = chance.once_in(8);
            versions.push(HeldVersion { version: Version(version), facts, bad });
        }
        let name = CertName::parse(cert).expect("a certificate name");
        world.observed.held.push(Held { name, versions });
    }
    if chance.once_in(3) {
        let facts = facts(900, ids(chance, names), world.now, 90);
        world.observed.adoptable.push(Adoptable {
            chain: "/etc/ssl/a.pem".into(),
            key: None,
            facts,
        });
    }
    for name in names {
        if !chance.once_in(12) {
            continue;
        }
        let spki = facts(1 + chance.below(6) as u64, Vec::new(), world.now, 1).spki;
        world.observed.pins.push(Pins { host: name.clone(), keys: vec![spki] });
    }
}

/// Makes some certificates wait after a refusal.
fn wait(chance: &mut Chance, world: &mut World, names: &[Hostname]) {
    for cert in ["example.org", "example.org-2", "example.org-3", "example.net"] {
        if !chance.once_in(5) {
            continue;
        }
        let cert = CertName::parse(cert).expect("a certificate name");
        let refused = names.iter().filter(|_| chance.once_in(3)).cloned().collect();
        world.observed.refused.insert(cert.clone(), refused);
        let until = Duration::from_secs(chance.below(7_200) as u64);
        let until = world.now.minus(Duration::from_secs(1_800)).plus(until);
        world.observed.waits.insert(cert, until);
    }
}

/// Puts some files where they belong, some right, some not, and some proofs.
fn lay_files(chance: &mut Chance, world: &mut World) {
    let desired = world.desired();
    for at in 0..world.observed.servers.len() {
        let seen = &world.observed.servers[at];
        let own = layout(&desired, &world.observed, seen, &Mode::Run, world.now);
        let mut files = BTreeMap::new();
        for want in wants(&seen.server, &own.shown, own.default.as_ref()) {
            let identity = Some(want.identity);
            let (mode, uid, gid) = (want.mode, want.uid, want.gid);
            let file = match chance.below(12) {
                0 => FileSeen::Other("a link".to_owned()),
                1 => FileSeen::Regular { identity: None, mode, uid, gid },
                2 => FileSeen::Regular { identity, mode: 0o644, uid, gid },
                3 => FileSeen::Regular { identity, mode, uid: 1_000, gid },
                4 => FileSeen::Regular { identity: Some(Sha256([7; 32])), mode, uid, gid },
                5 => continue,
                _ => FileSeen::Regular { identity, mode, uid, gid },
            };
            files.insert(want.path, file);
        }
        let mut proofs = BTreeMap::new();
        let mut stale = BTreeSet::new();
        for shown in &own.shown {
            let age = Duration::from_secs(3_600 * chance.below(30) as u64);
            if !chance.once_in(3) {
                proofs.insert(Some(shown.name.clone()), (shown.version, world.now.minus(age)));
            }
            if own.default.as_ref() == Some(&shown.name) && chance.once_in(2) {
                proofs.insert(None, (shown.version, world.now.minus(age)));
            }
            if chance.once_in(8) {
                stale.insert(shown.name.clone());
            }
        }
        let seen = &mut world.observed.servers[at];
        (seen.files, seen.proofs, seen.stale) = (files, proofs, stale);
    }
}
