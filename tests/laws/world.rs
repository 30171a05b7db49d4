//! A world: what the planner is told, and what becomes of it when steps are carried out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use mailcert::model::{
    Because, CertName, Challenge, DnsId, Facts, Host, Hostname, KeyHash, KeyType, Keys, NextKey,
    Points, Service, Sha256, Timestamp, Version, Ways, Why,
};
use mailcert::plan::{
    Action, Desired, Fate, FileSeen, Having, Held, HeldVersion, Hook, Mode, Observed, Plan, Seen,
    Step, Wild, Wish, dropped, layout, let_go, must_stay, opens_anew, plan, shown_everywhere,
    version_to_show, wishes, with_those_beside,
};
use mailcert::servers::{Kind, Part, ServerId, Shown, needs_reload, wants};

use super::chance::Chance;

pub(crate) const DAY: u64 = 86_400;
const HOUR: Duration = Duration::from_secs(3_600);
/// What a round takes.
const MOMENT: Duration = Duration::from_secs(1);

/// Whether a plan leaves nothing to do but what nobody consented to.
pub(crate) fn rests(plan: &Plan, mode: &Mode) -> bool {
    plan.steps.iter().all(|step| !mode.consents_to(&step.action))
}

#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) hosts: Vec<Host>,
    pub(crate) domains: Vec<Hostname>,
    pub(crate) limit: usize,
    pub(crate) keep: usize,
    pub(crate) observed: Observed,
    /// Whether the CA may be asked.
    pub(crate) orders: bool,
    pub(crate) keys: Keys,
    pub(crate) drop_rsa: bool,
    pub(crate) reuse_keys: bool,
    pub(crate) new_keys: BTreeMap<CertName, Version>,
    /// Wildcards that are wanted.
    pub(crate) wild: Vec<Hostname>,
    /// Names that nobody wants any more, for certain.
    pub(crate) let_go: BTreeSet<DnsId>,
    /// Names that the CA refuses.
    pub(crate) dead: BTreeSet<Hostname>,
    pub(crate) now: Timestamp,
    /// Certificates issued so far: each is another one.
    pub(crate) issued: u64,
}

impl World {
    /// The certificates wanted for these hosts.
    pub(crate) fn wishes(&self, hosts: &[Host]) -> Vec<Wish> {
        let Observed { held, sourced, pins, .. } = &self.observed;
        let having = Having { held, sourced, pins, now: self.now };
        let refused: BTreeSet<&DnsId> = self.observed.refused.values().flatten().collect();
        let wild = |domain: &Hostname| Wild {
            domain: domain.clone(),
            fails: refused.contains(&DnsId::Wildcard(domain.clone())),
        };
        let wild: Vec<Wild> = self.wild.iter().map(wild).collect();
        let wishes = wishes(hosts, &self.domains, &wild, having, self.limit);
        with_those_beside(wishes, &self.keys, held, self.drop_rsa)
    }

    pub(crate) fn desired(&self) -> Desired {
        // In every world the IMAP hosts take another challenge than the others.
        let imap = self.hosts.iter().filter(|host| host.host.as_str().starts_with("imap."));
        let certificates = self.wishes(&self.hosts);
        let Observed { held, sourced, pins, .. } = &self.observed;
        let having = Having { held, sourced, pins, now: self.now };
        let mut let_go = let_go(&certificates, &self.hosts, &having, &self.let_go);
        let_go.extend(dropped(
            &certificates,
            &self.keys,
            &having,
            self.drop_rsa,
            &self.observed.on_hold,
        ));
        Desired {
            let_go,
            hosts: self.hosts.clone(),
            certificates,
            orders: self.orders,
            ways: Ways {
                listed: imap.map(|host| (host.host.clone(), Challenge::Dns01)).collect(),
                rest: (Challenge::Http01, Because::Rest),
            },
            keys: self.keys,
            drop_rsa: self.drop_rsa,
            reuse_keys: self.reuse_keys,
            new_keys: self.new_keys.clone(),
            keep: self.keep,
            prove_every: Duration::from_secs(20 * 3_600),
        }
    }

    pub(crate) fn plan(&self, mode: &Mode) -> Plan {
        let mut seen = self.clone();
        seen.count_records();
        plan(&seen.desired(), &seen.observed, mode, seen.now)
    }

    /// What stands for two TTLs is fresh no more.
    fn count_records(&mut self) {
        for pins in &mut self.observed.pins {
            pins.fresh.retain(|_, until| until.is_none_or(|until| until > self.now));
        }
    }

    pub(crate) fn is_files_only(&self, id: &ServerId) -> bool {
        self.observed.servers.iter().any(|seen| seen.id() == id && seen.server.files_only)
    }

    pub(crate) fn holds(&self, name: &CertName, version: Version) -> bool {
        let mut held = self.observed.held.iter().filter(|held| held.name == *name);
        held.any(|held| held.versions.iter().any(|own| own.version == version))
    }

    /// Whether senders would refuse this version: it did not pass the gate.
    pub(crate) fn is_unfit(&self, name: &CertName, version: Version) -> bool {
        let mut held = self.observed.held.iter().filter(|held| held.name == *name);
        held.any(|held| {
            held.versions.iter().any(|own| own.version == version && own.unfit.is_some())
        })
    }

    /// The good version before the one that no pin keeps from being shown.
    pub(crate) fn previous(&self, name: &CertName) -> Option<Version> {
        let held = self.observed.held.iter().find(|held| held.name == *name)?;
        if !self.observed.pins.is_empty() {
            return None;
        }
        let shown = version_to_show(held, self.now)?.version;
        let mut older = held.versions.iter().rev();
        older.find(|own| own.version < shown && !own.is_bad()).map(|own| own.version)
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
            let shown = layout(&desired, &self.observed, seen, self.now).shown;
            // What stands beside another is not found without that.
            let first = |name: &CertName| !name.is_beside();
            let shown: Vec<_> = shown.into_iter().filter(|own| first(&own.name)).collect();
            for wish in desired.certificates.iter().filter(|wish| first(&wish.name)) {
                let hosts = self.hosts_of(wish);
                for host in hosts.filter(|host| self.is_promised(seen, host)) {
                    let mut good = shown.iter().filter(|shown| shown.facts.valid_at(self.now));
                    if good.any(|own| counts(&wish.name, &own.name) && own.facts.covers(host)) {
                        works.insert((seen.id().clone(), host.clone()));
                    }
                }
            }
        }
        works
    }

    /// Every wanted host that a server shows an RSA certificate within its dates for, to which the
    /// host belongs and that is good.
    pub(crate) fn shows_rsa(&self) -> BTreeSet<(ServerId, Hostname)> {
        let desired = self.desired();
        let mut rsa = BTreeSet::new();
        for seen in &self.observed.servers {
            for wish in &desired.certificates {
                let hosts = self.hosts_of(wish).filter(|host| self.is_promised(seen, host));
                let is_its =
                    |own: &Shown| own.name == wish.name && !self.is_bad(&own.name, own.version);
                let hosts = hosts.filter(|host| self.shows_rsa_for(seen, host, &is_its));
                rsa.extend(hosts.map(|host| (seen.id().clone(), host.clone())));
            }
        }
        rsa
    }

    /// Whether a server still shows one for a host, whichever.
    pub(crate) fn still_shows_rsa(&self, id: &ServerId, host: &Hostname) -> bool {
        let mut servers = self.observed.servers.iter();
        servers.any(|seen| seen.id() == id && self.shows_rsa_for(seen, host, &|_| true))
    }

    fn shows_rsa_for(&self, seen: &Seen, host: &Hostname, counts: &dyn Fn(&Shown) -> bool) -> bool {
        layout(&self.desired(), &self.observed, seen, self.now).shown.iter().any(|own| {
            let works = own.facts.covers(host) && own.facts.valid_at(self.now);
            works && own.facts.key_type.is_rsa() && counts(own)
        })
    }

    fn is_bad(&self, name: &CertName, version: Version) -> bool {
        let held = self.observed.held.iter().filter(|held| held.name == *name);
        let mut versions = held.flat_map(|held| &held.versions);
        versions.any(|own| own.version == version && own.is_bad())
    }

    /// Whether something that is no regular file lies where a server's files belong.
    pub(crate) fn is_blocked(&self) -> bool {
        let mut files = self.observed.servers.iter().flat_map(|seen| seen.files.values());
        files.any(|file| matches!(file, FileSeen::Other(_)))
    }

    /// The hosts that a wish names, and those that a wildcard of it stands for.
    fn hosts_of<'a>(&'a self, wish: &'a Wish) -> impl Iterator<Item = &'a Hostname> {
        let wild = self.hosts.iter().filter(|host| {
            let of_it = |id: &DnsId| id.is_wildcard() && id.matches(&host.host);
            host.included && wish.names.iter().any(of_it)
        });
        wish.names.iter().filter_map(DnsId::host).chain(wild.map(|host| &host.host))
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

    /// Every host that a held certificate names in its newest good version. What others made and
    /// took away again is no place for a host.
    pub(crate) fn named(&self) -> Vec<Hostname> {
        let wishes = self.wishes(&self.hosts);
        let is_place = |held: &&Held| {
            let of_others = held.name.owner().is_some();
            !held.name.is_beside()
                && (!of_others || wishes.iter().any(|wish| wish.name == held.name))
        };
        let newest = |held: &Held| held.versions.iter().rev().find(|own| !own.is_bad()).cloned();
        let ids = self
            .observed
            .held
            .iter()
            .filter(is_place)
            .filter_map(newest)
            .flat_map(|own| own.facts.names);
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
        !self.wild.is_empty() || ids.any(|id| matches!(id, DnsId::Wildcard(_)))
    }

    /// Runs until nothing is left to do.
    pub(crate) fn come_to_rest(&mut self) {
        for _ in 0..8 {
            let plan = self.plan(&Mode::Run);
            if rests(&plan, &Mode::Run) {
                return;
            }
            self.carry_out(&plan, &Mode::Run, usize::MAX);
        }
        panic!("no rest: {:?}", self.plan(&Mode::Run).steps);
    }

    /// Carries out the first steps of a plan, which takes a moment.
    pub(crate) fn carry_out(&mut self, plan: &Plan, mode: &Mode, steps: usize) -> Vec<Fate> {
        self.count_records();
        let desired = self.desired();
        let noticed = plan.exposed.iter().map(|key| (key.clone(), self.now));
        self.observed.exposed.extend(noticed);
        let mut fates: Vec<Fate> = Vec::new();
        for step in plan.steps.iter().take(steps) {
            let ready = step.needs.iter().all(|needed| fates[*needed] == Fate::Done);
            let fate = match ready {
                true if !mode.consents_to(&step.action) => Fate::Skipped,
                false => Fate::Skipped,
                true if self.act(step, &desired) => Fate::Done,
                true => Fate::Failed,
            };
            fates.push(fate);
        }
        self.now = self.now.plus(MOMENT);
        for (name, key) in shown_everywhere(&desired, &self.observed, self.now) {
            let shown = &mut self.observed.rollover.shown;
            if shown.get(&name).is_none_or(|(known, _)| *known != key) {
                shown.insert(name, (key, self.now));
            }
        }
        fates
    }

    fn act(&mut self, step: &Step, desired: &Desired) -> bool {
        match &step.action {
            Action::Issue { certificate, names, reuse_key, next_key, key_type, .. } => {
                return self.issue(certificate, names, (*reuse_key, *next_key, *key_type));
            }
            Action::Beside { certificate, version } => {
                let first = certificate.first().expect("beside another");
                let held = self.observed.held.iter().filter(|held| held.name == first);
                let mut versions = held.flat_map(|held| &held.versions);
                let kept = versions.find(|own| own.version == *version).expect("a held version");
                let facts = kept.facts.clone();
                self.keep(certificate, facts);
            }
            Action::MakeKey { certificate, key_type } => {
                self.issued += 1;
                let key = Sha256::of(format!("next {}", self.issued).as_bytes());
                let next = NextKey { key, key_type: *key_type, made: self.now };
                self.observed.rollover.next.insert(certificate.clone(), next);
            }
            Action::Publish { owner, ttl, add, remove, .. } => {
                let until = self.now.plus(Duration::from_secs(2 * u64::from(*ttl)));
                for pins in self.observed.pins.iter_mut().filter(|pins| pins.owner == *owner) {
                    pins.keys.retain(|key| !remove.contains(key));
                    pins.keys.extend(add);
                    pins.ours.extend(add);
                    pins.fresh.extend(add.iter().map(|key| (*key, Some(until))));
                }
            }
            Action::Adopt { certificate, sourced: Some(content), .. } => {
                let mut pairs = self.observed.sourced.iter();
                let pair = pairs.find(|pair| pair.facts.combined == *content);
                let facts = pair.expect("a pair that is there").facts.clone();
                self.keep(certificate, facts);
            }
            Action::Adopt { certificate, chain, .. } => {
                let mut pairs = self.observed.adoptable.iter();
                let pair = pairs.find(|pair| pair.chain == *chain).expect("a pair that is there");
                let facts = pair.facts.clone();
                self.keep(certificate, facts);
            }
            Action::Install { server, part, .. } => self.install(server, part, desired),
            Action::Tighten { server, path } => self.tighten(server, path, desired),
            Action::Open { server } => {
                self.seen(server).shut = false;
                self.seen(server).proofs.clear();
            }
            Action::Check { .. } => {}
            Action::Reload { server } => {
                let seen = self.seen(server);
                (seen.owed, seen.edited) = (false, Vec::new());
                seen.stale.clear();
            }
            Action::Prove { server, certificate } => {
                if let Some(certificate) = certificate {
                    self.seen(server).doubted.remove(certificate);
                }
                return self.prove(server, certificate.as_ref(), desired);
            }
            Action::Hook { server } => {
                let seen = self.seen(server);
                seen.hook = Hook::There;
                seen.proofs.clear();
            }
            Action::Remove { server, path, .. } => {
                self.seen(server).installed.remove(path);
                self.seen(server).files.remove(path);
            }
            Action::Prune { certificate, version } => {
                for held in self.observed.held.iter_mut().filter(|held| held.name == *certificate) {
                    held.versions.retain(|own| own.version != *version);
                }
            }
        }
        true
    }

    /// Gives a file the mode and owner its layout wants.
    fn tighten(&mut self, server: &ServerId, path: &Path, desired: &Desired) {
        let seen = self.observed.servers.iter().find(|seen| seen.id() == server);
        let seen = seen.expect("a server that is there");
        let own = layout(desired, &self.observed, seen, self.now);
        let files = wants(&seen.server, &own.shown, own.default.as_ref());
        let wanted = files.iter().find(|want| want.path == path);
        let wanted = wanted.map(|want| (want.mode, want.uid, want.gid));
        if let (Some(wanted), Some(FileSeen::Regular { mode, uid, gid, .. })) =
            (wanted, self.seen(server).files.get_mut(path))
        {
            (*mode, *uid, *gid) = wanted;
        }
    }

    fn seen(&mut self, id: &ServerId) -> &mut Seen {
        let mut servers = self.observed.servers.iter_mut();
        servers.find(|seen| seen.server.id == *id).expect("a server that is there")
    }

    fn issue(
        &mut self,
        name: &CertName,
        names: &[DnsId],
        (reuse, next, key_type): (Option<Version>, Option<KeyHash>, KeyType),
    ) -> bool {
        let refused: BTreeSet<_> =
            names.iter().filter(|name| self.dead.contains(name.domain())).cloned().collect();
        // A wait for names that were not asked for goes on.
        let waits = self.observed.refused.entry(name.clone()).or_default();
        waits.retain(|refused| !names.contains(refused));
        waits.extend(refused.iter().cloned());
        if waits.is_empty() {
            self.observed.refused.remove(name);
            self.observed.waits.remove(name);
        } else if !refused.is_empty() {
            self.observed.waits.insert(name.clone(), self.now.plus(HOUR));
        }
        let held = self.observed.held.iter().find(|held| held.name == *name);
        let must_stay = held.map_or_else(Vec::new, |held| must_stay(held, names, self.now));
        // The others are issued in the same run, but not at the cost of a name that works.
        let names: Vec<DnsId> =
            names.iter().filter(|name| !refused.contains(*name)).cloned().collect();
        if names.is_empty() || must_stay.iter().any(|name| refused.contains(name)) {
            return false;
        }
        self.issued += 1;
        let mut facts = Facts { key_type, ..facts(self.issued, names, self.now, 90) };
        let held = self.observed.held.iter().find(|held| held.name == *name);
        let old = held.into_iter().flat_map(|held| &held.versions);
        if let Some(old) = old.into_iter().find(|old| Some(old.version) == reuse) {
            (facts.spki, facts.key_type) = (old.facts.spki, old.facts.key_type);
        }
        facts.spki = next.unwrap_or(facts.spki);
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
        held.versions.push(HeldVersion {
            version: Version(number),
            facts,
            bad: None,
            unfit: None,
            told: None,
        });
    }

    fn install(&mut self, server: &ServerId, part: &Part, desired: &Desired) {
        let seen = self.observed.servers.iter().find(|seen| seen.id() == server);
        let seen = seen.expect("a server that is there");
        let own = layout(desired, &self.observed, seen, self.now);
        let files = wants(&seen.server, &own.shown, own.default.as_ref());
        let seen = self.seen(server);
        seen.owed |= opens_anew(seen, part) || needs_reload(&seen.server, part);
        for want in files.into_iter().filter(|want| want.part == *part) {
            let (mode, uid, gid) = (want.mode, want.uid, want.gid);
            let file = FileSeen::Regular { identity: Some(want.identity), mode, uid, gid };
            seen.installed.insert(want.path.clone());
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
    ) -> bool {
        let now = self.now;
        let seen = self.observed.servers.iter().find(|seen| seen.id() == server);
        let seen = seen.expect("a server that is there");
        let own = layout(desired, &self.observed, seen, now);
        let name = certificate.or(own.default.as_ref());
        // Where an order failed, what was to be shown after it may not be.
        let shown = own.shown.iter().find(|shown| Some(&shown.name) == name);
        let Some(version) = shown.map(|shown| shown.version) else { return false };
        self.seen(server).proofs.insert(certificate.cloned(), (version, now));
        true
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
        undecided: false,
        why_not: None,
    }
}
