//! Worlds by chance: every state the planner may meet, right or not.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mailcert::model::{
    CertName, DnsId, Facts, Host, Hostname, KeyType, Keys, Owner, Points, Renewal, Sha256,
    Timestamp, Version,
};
use mailcert::plan::{Adoptable, FileSeen, Held, HeldVersion, Observed, Pins, Sourced, layout};
use mailcert::servers::wants;

use super::chance::Chance;
use super::sheet;
use super::world::{DAY, World, facts, host, name};

/// A host that is certainly gone (NXDOMAIN).
pub(crate) fn leave_out(host: &mut Host) {
    (host.included, host.points, host.addresses) = (false, Points::None, vec![]);
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
                0 => {
                    leave_out(&mut host);
                    host.undecided = true;
                }
                1 => leave_out(&mut host),
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
        orders: !chance.once_in(10),
        keys: Keys::one(KeyType::EcdsaP256),
        drop_rsa: false,
        reuse_keys: false,
        new_keys: BTreeMap::new(),
        wild: Vec::new(),
        let_go: BTreeSet::new(),
        dead: BTreeSet::new(),
        now: Timestamp::from_unix(2_000_000_000),
        issued: 1_000,
    };
    world.dead = names.iter().filter(|_| chance.once_in(8)).cloned().collect();
    hold(chance, &mut world, &names);
    source(chance, &mut world, &names);
    if world.has_wildcard() {
        // Hosts that only a wildcard covers find another place where it has too many of them;
        // which, depends on the others.
        world.limit = 25;
    }
    wait(chance, &mut world, &names);
    stand_beside(&mut world);
    lay_files(chance, &mut world);
    choose_keys(&mut world);
    let_go(&mut world);
    world
}

/// In some worlds RSA is shown, beside others or alone, wanted or not; by a chance of its own.
fn stand_beside(world: &mut World) {
    let versions = world.observed.held.iter().map(|held| held.versions.len());
    let chance = &mut Chance::of((versions.sum::<usize>() + 64 * world.hosts.len()) as u64);
    if chance.once_in(2) {
        return;
    }
    world.keys.beside = chance.once_in(2).then_some(KeyType::Rsa2048);
    let mut beside = Vec::new();
    for held in &mut world.observed.held {
        let name = held.name.beside();
        match (chance.below(4), name) {
            (0, Some(_)) => {
                held.versions.iter_mut().for_each(|own| own.facts.key_type = KeyType::Rsa2048);
            }
            (1, Some(name)) => {
                let rsa = |own: &HeldVersion| {
                    let number = 2_000 + 16 * beside.len() as u64 + u64::from(own.version.0);
                    let (names, from) = (own.facts.names.clone(), own.facts.not_before);
                    let facts =
                        Facts { key_type: KeyType::Rsa2048, ..facts(number, names, from, 90) };
                    HeldVersion { facts, told: None, ..own.clone() }
                };
                let versions = held.versions.iter().map(rsa).collect();
                beside.push(Held { name, versions });
            }
            _ => {}
        }
    }
    world.observed.held.extend(beside);
}

/// Which keys are used again or replaced, and whether a wildcard is wanted, by a chance of its own: the worlds stay what they are.
fn choose_keys(world: &mut World) {
    let versions = world.observed.held.iter().map(|held| held.versions.len());
    let chance = &mut Chance::of((versions.sum::<usize>() + 16 * world.hosts.len()) as u64);
    world.reuse_keys = chance.once_in(3);
    let newest = world.observed.held.iter().filter_map(|held| {
        let newest = held.versions.last().filter(|_| chance.once_in(8))?;
        Some((held.name.clone(), newest.version))
    });
    world.new_keys = newest.collect();
    if chance.once_in(5) {
        world.wild.push(name("example.org"));
    }
}

/// What is certainly gone is so since today or for long.
fn let_go(world: &mut World) {
    let chance = &mut Chance::of((world.observed.held.len() + 8 * world.hosts.len()) as u64);
    let gone = world.hosts.iter().filter(|host| !host.included && !host.undecided);
    let gone = gone.filter(|_| !chance.once_in(3)).map(|host| DnsId::Host(host.host.clone()));
    world.let_go = gone.collect();
    let wanted = |id: &DnsId| {
        world.hosts.iter().any(|host| {
            let wanted = host.included || host.undecided;
            wanted && *id == DnsId::Host(host.host.clone())
        })
    };
    world.let_go.retain(|id| !wanted(id));
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
            // Nothing ends at this very second: time goes on while a plan is carried out.
            let from = world.now.minus(Duration::from_secs(DAY * age + DAY / 2));
            let mut facts = facts(number, ids(chance, names), from, days);
            if chance.once_in(8) {
                facts.key_type = KeyType::EcdsaP384;
            }
            let marked = world.now.minus(Duration::from_secs(DAY * chance.below(3) as u64));
            let bad = chance.once_in(8).then_some(marked);
            let unfit = chance.once_in(10).then(|| "untrusted-root".to_owned());
            let told = chance.once_in(6).then(|| renewal(chance, world.now));
            versions.push(HeldVersion { version: Version(version), facts, bad, unfit, told });
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
            indexed: None,
        });
    }
    for name in names {
        if !chance.once_in(12) {
            continue;
        }
        let spki = facts(1 + chance.below(6) as u64, Vec::new(), world.now, 1).spki;
        world.observed.pins.push(Pins::of(name.clone(), vec![spki]));
    }
}

/// A window as CAs suggest them, and as they should not: long ago, now, in a year.
fn renewal(chance: &mut Chance, now: Timestamp) -> Renewal {
    let from = now.minus(Duration::from_secs(60 * DAY));
    let start = from.plus(Duration::from_secs(DAY * chance.below(400) as u64));
    Renewal { start, end: start.plus(Duration::from_secs(2 * DAY)), explanation: None }
}

/// What others made: in one world of three, some of it in the store already.
fn source(chance: &mut Chance, world: &mut World, names: &[Hostname]) {
    if !chance.once_in(3) {
        return;
    }
    let owners = [(Owner::Certbot, "mx.example.org"), (Owner::Lego, "mail.example.net")];
    for (number, (owner, lineage)) in (700..).zip(owners) {
        if chance.once_in(3) {
            continue;
        }
        let name = CertName::of_owner(&name(lineage), owner).expect("short enough");
        let old = Duration::from_secs(DAY * chance.below(80) as u64 + DAY / 2);
        let facts = facts(number, ids(chance, names), world.now.minus(old), 90);
        if chance.once_in(2) {
            let before = self::facts(number + 10, ids(chance, names), facts.not_before, 85);
            let mut versions = vec![(1, before), (2, facts.clone())];
            versions.truncate(1 + chance.below(2));
            let bad = |chance: &mut Chance| chance.once_in(5).then_some(world.now);
            let versions = versions.into_iter().map(|(version, facts)| HeldVersion {
                version: Version(version),
                facts,
                bad: bad(chance),
                unfit: None,
                told: None,
            });
            let versions = versions.collect();
            world.observed.held.push(Held { name: name.clone(), versions });
        }
        if chance.once_in(6) {
            continue;
        }
        world.observed.sourced.push(Sourced {
            name,
            owner,
            lineage: lineage.to_owned(),
            chain: format!("/etc/{owner}/{lineage}/fullchain.pem").into(),
            key: None,
            facts,
        });
    }
}

/// Makes some certificates wait after a refusal.
fn wait(chance: &mut Chance, world: &mut World, names: &[Hostname]) {
    for cert in ["example.org", "example.org-2", "example.org-3", "example.net"] {
        if !chance.once_in(5) {
            continue;
        }
        let cert = CertName::parse(cert).expect("a certificate name");
        let refused = names.iter().filter(|_| chance.once_in(3));
        let refused = refused.cloned().map(DnsId::Host).collect();
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
        let own = layout(&desired, &world.observed, seen, world.now);
        let (mut files, mut installed) = (BTreeMap::new(), BTreeSet::new());
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
            installed.insert(want.path.clone());
            files.insert(want.path, file);
        }
        let mut proofs = BTreeMap::new();
        let (mut stale, mut doubted) = (BTreeSet::new(), BTreeSet::new());
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
            if chance.once_in(8) {
                doubted.insert(shown.name.clone());
            }
        }
        let seen = &mut world.observed.servers[at];
        (seen.files, seen.installed, seen.proofs) = (files, installed, proofs);
        (seen.stale, seen.doubted) = (stale, doubted);
    }
}
