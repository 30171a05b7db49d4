//! What is wanted: the certificates for the hosts that were discovered, those of others first.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;

use crate::discover::Discovered;
use crate::flow::Means;
use crate::model::{Code, DnsId, Finding, Host, Hostname};
use crate::plan::{self, Action, Desired, Having, Held, Mode, Pins, Plan, Sourced, Wild};
use crate::survey::{self, Others};

/// Old versions kept of each certificate, the one shown included.
const KEEP: usize = 3;

/// What others made, at the places the configuration names, for hosts of ours.
pub(super) fn others(means: &Means<'_>, discovered: &[Discovered], held: &[Held]) -> Others {
    let hosts = discovered.iter().flat_map(|domain| &domain.hosts);
    survey::sourced(&means.config.sources, hosts, held, &means.how)
}

/// The certificates wanted for the hosts that were discovered, as far as the pins are known, and the names on
/// held ones that may be let go.
pub(super) fn desire(
    means: &Means<'_>,
    discovered: &[Discovered],
    (held, sourced): (&[Held], &[Sourced]),
    (pins, gone): (&[Pins], &BTreeSet<DnsId>),
) -> Desired {
    let config = means.config;
    let hosts: Vec<Host> =
        discovered.iter().flat_map(|domain| domain.hosts.iter().cloned()).collect();
    let domains: Vec<Hostname> = config.domains.iter().map(|domain| domain.name.clone()).collect();
    let having = Having { held, sourced, pins, now: means.how.moment() };
    let limit = config.acme.names_per_certificate;
    let certificates = plan::wishes(&hosts, &domains, &wild(means), having, limit);
    let (keys, drop_rsa) = (config.acme.keys, means.drop_rsa);
    let certificates = plan::with_those_beside(certificates, &keys, held, drop_rsa);
    let mut let_go = plan::let_go(&certificates, &hosts, &having, gone);
    // A diary that cannot be read knows of nothing on hold; whoever notes something says so.
    let on_hold = means.store.diary().map(|diary| diary.on_hold.clone()).unwrap_or_default();
    let_go.extend(plan::dropped(&certificates, &keys, &having, drop_rsa, &on_hold));
    Desired {
        certificates,
        let_go,
        orders: config.acme.agree_to_terms,
        ways: config.ways.clone(),
        hosts,
        keys,
        drop_rsa,
        reuse_keys: config.acme.reuse_key,
        new_keys: means.new_keys.clone(),
        keep: KEEP,
        prove_every: config.verify.every,
    }
}

/// The wildcards of the configuration. A diary that cannot be read knows of no failure; whoever
/// notes something says so.
fn wild(means: &Means<'_>) -> Vec<Wild> {
    let diary = means.store.diary().ok();
    let waits = diary.iter().flat_map(|diary| diary.waits.values());
    let refused: BTreeSet<&DnsId> = waits.flat_map(|wait| &wait.refused).collect();
    let all = means.config.domains.iter().flat_map(|domain| &domain.wildcards);
    let wild = |domain: &Hostname| Wild {
        domain: domain.clone(),
        fails: refused.contains(&DnsId::Wildcard(domain.clone())),
    };
    all.map(wild).collect()
}

/// In `fix`, what others have at the usual places for names that are to be ordered: a note for each
/// owner, where the configuration says nothing of others' certificates.
pub(super) fn offered(
    means: &Means<'_>,
    mode: &Mode,
    desired: &Desired,
    plan: &Plan,
) -> Vec<Finding> {
    let ordered = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Issue { names, .. } => Some(names),
        _ => None,
    });
    let mut ordered = ordered.flatten().peekable();
    if *mode == Mode::Run || !means.config.sources.is_empty() || ordered.peek().is_none() {
        return Vec::new();
    }
    let places: Vec<_> = means.places.iter().filter(|place| place.exists()).cloned().collect();
    let found = survey::sourced(&places, desired.hosts.iter(), &[], &means.how).sourced;
    let mut offers: BTreeMap<&Path, (&Sourced, &DnsId, usize)> = BTreeMap::new();
    for name in ordered {
        let Some(pair) = found.iter().find(|pair| pair.facts.carries(name)) else { continue };
        let place = places.iter().find(|place| pair.chain.starts_with(place));
        let Some(place) = place else { continue };
        offers.entry(place).or_insert((pair, name, 0)).2 += 1;
    }
    offers.into_iter().map(offer).collect()
}

fn offer((place, (pair, name, names)): (&Path, (&Sourced, &DnsId, usize))) -> Finding {
    let more = match names {
        1 => String::new(),
        names => format!(" and {} more", names - 1),
    };
    let place = place.display();
    let message = format!(
        "{} has a good certificate for {name}{more} below {place}; to show that instead of \
         ordering another, add [source.files] with `paths = [\"{place}\"]` to the configuration",
        pair.owner
    );
    Finding::new(Code::SourceFound, place, message)
}

/// The addresses of this machine that a wanted name reaches.
pub(super) fn reached(hosts: &[Host], machine: &[IpAddr]) -> Vec<IpAddr> {
    let wanted = hosts.iter().filter(|host| host.included).flat_map(|host| &host.addresses);
    let here: BTreeSet<IpAddr> =
        wanted.filter(|address| machine.contains(address)).copied().collect();
    here.into_iter().collect()
}
