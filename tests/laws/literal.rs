//! Worlds written down.

use std::collections::{BTreeMap, BTreeSet};

use mailcert::config::EximLayout;
use mailcert::model::{Hostname, KeyType, Keys, Timestamp, Why};
use mailcert::plan::{Adoptable, Observed};

use super::chance::Chance;
use super::sheet;
use super::world::{World, host, name};

/// One domain with some hosts on three servers in good order, before its first run; and the host
/// that will die.
pub(crate) fn one_domain(hosts: usize) -> (World, Hostname) {
    let chance = &mut Chance::of(hosts as u64);
    let labels = (0..hosts).map(|number| format!("mx{number}"));
    let servers = vec![sheet::postfix(false), sheet::exim(EximLayout::Split, false)];
    let world = World {
        hosts: labels.map(|label| host(chance, &label, "example.org")).collect(),
        domains: vec![name("example.org")],
        limit: 25,
        keep: 2,
        observed: Observed { servers, ..Observed::default() },
        orders: true,
        keys: Keys::one(KeyType::EcdsaP256),
        drop_rsa: false,
        reuse_keys: false,
        new_keys: BTreeMap::new(),
        wild: Vec::new(),
        let_go: BTreeSet::new(),
        dead: BTreeSet::new(),
        now: Timestamp::from_unix(2_000_000_000),
        issued: 0,
    };
    (world, name("mx1.example.org"))
}

/// One domain that three servers show, whose store is lost and whose DNS is silent; and another
/// domain that is new. What the servers' directories hold can be taken back.
pub(crate) fn lost_and_silent(hosts: usize) -> (World, Vec<Hostname>) {
    let (mut world, _) = one_domain(hosts);
    world.observed.servers.push(sheet::dovecot());
    for host in &mut world.hosts {
        host.reasons.push(Why::Config);
    }
    world.come_to_rest();
    for held in std::mem::take(&mut world.observed.held) {
        world.observed.adoptable.push(Adoptable {
            chain: format!("/etc/postfix/mailcert/{}.pem", held.name).into(),
            key: None,
            facts: held.versions[0].facts.clone(),
            indexed: Some(held.name),
        });
    }
    for seen in &mut world.observed.servers {
        seen.proofs.clear();
    }
    let chance = &mut Chance::of(7);
    let new = vec![host(chance, "mx", "example.net"), host(chance, "dead", "example.net")];
    let silent = std::mem::replace(&mut world.hosts, new);
    world.domains.push(name("example.net"));
    (world, silent.into_iter().map(|host| host.host).collect())
}
