//! Worlds written down.

use std::collections::BTreeSet;

use mailcert::config::EximLayout;
use mailcert::model::{Hostname, Timestamp};
use mailcert::plan::Observed;

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
        dead: BTreeSet::new(),
        now: Timestamp::from_unix(2_000_000_000),
        issued: 0,
    };
    (world, name("mx1.example.org"))
}
