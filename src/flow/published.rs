//! The endpoints that the DNS publishes on this machine and that no server of ours was proved to
//! serve: they count as well, since a sender finds them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use crate::discover::Discovered;
use crate::flow::Means;
use crate::model::{CertName, Hostname, Inspection, Verdict, Version};
use crate::servers::Server;
use crate::store::{Diary, Entry, Proof, StoreError};
use crate::verify::{self, Ask};

/// Where the diary keeps what was seen there.
const PUBLISHED: &str = "published";

/// What tells one endpoint from another.
type Place = (Hostname, Option<IpAddr>, u16);

/// Everything served here, each endpoint once: what the proofs saw, and what is published beside.
/// Where nothing was done (`idle`), what was seen and accepted within the usual time is not looked at
/// again.
pub(super) async fn served_here(
    means: &Means<'_>,
    discovered: &[Discovered],
    servers: &[Server],
    idle: bool,
) -> Result<Vec<Arc<Inspection>>, StoreError> {
    let diary = means.store.diary()?;
    let ids = servers.iter().map(|server| server.id.0.as_str()).collect();
    let mut served = proved(&diary, &ids);
    let asks: Vec<Ask> = discovered
        .iter()
        .flat_map(|found| {
            let machine = Some(means.machine.as_slice());
            verify::asks_of(&found.domain, &found.hosts, &found.not_offered, machine)
        })
        .filter(|ask| ask.ours == Some(true) && !served.contains_key(&place_of(ask)))
        .map(|ask| Ask { proxy_header: wants_header(&ask, servers), ..ask })
        .collect();
    let key = (PUBLISHED.to_owned(), None);
    let known = diary.proofs.get(&key);
    let known = known.filter(|known| idle && stands(known, &asks, means));
    let beside = match known {
        Some(known) => known.inspections.clone(),
        None if means.stopped() => Vec::new(),
        None => {
            let seen = verify::inspect_all(&asks, &means.how, &|_| {}).await;
            let seen: Vec<_> = seen.into_iter().map(Arc::new).collect();
            if !asks.is_empty() || diary.proofs.contains_key(&key) {
                let (version, at) = (Version(0), means.how.moment());
                let inspections = seen.clone();
                let proof = Proof { version, at, void: false, inspections, before: None };
                let (server, certificate) = key;
                means.store.note(&Entry::Proof { server, certificate, proof: Some(proof) })?;
            }
            seen
        }
    };
    served.extend(beside.into_iter().map(|seen| (place(&seen), seen)));
    Ok(served.into_values().collect())
}

/// What was last seen of everything served here, each endpoint once; nobody is asked.
#[must_use]
pub fn last_seen(diary: &Diary) -> Vec<Arc<Inspection>> {
    let servers = diary.proofs.keys().map(|(server, _)| server.as_str());
    let mut served = proved(diary, &servers.filter(|server| *server != PUBLISHED).collect());
    let beside = diary.proofs.get(&(PUBLISHED.to_owned(), None));
    for seen in beside.iter().flat_map(|proof| &proof.inspections) {
        served.entry(place(seen)).or_insert_with(|| Arc::clone(seen));
    }
    served.into_values().collect()
}

/// Whether the listener that answers there wants a PROXY header first.
fn wants_header(ask: &Ask, servers: &[Server]) -> bool {
    let mut listeners = servers.iter().flat_map(|server| &server.listeners);
    ask.endpoint.address.is_some_and(|address| {
        listeners.any(|own| own.proxy && own.is_at(address, ask.endpoint.port))
    })
}

/// What the proofs of these servers saw, each endpoint once: with SNI, and without where no name
/// leads to a listener.
fn proved(diary: &Diary, servers: &BTreeSet<&str>) -> BTreeMap<Place, Arc<Inspection>> {
    let mut newest: BTreeMap<Place, Arc<Inspection>> = BTreeMap::new();
    let proofs = diary.proofs.iter().filter(|((server, _), _)| servers.contains(server.as_str()));
    let (named, default): (Vec<_>, Vec<_>) = proofs.partition(|((_, name), _)| name.is_some());
    let is_beside = |name: &Option<CertName>| name.as_ref().is_some_and(CertName::is_beside);
    let (beside, first): (Vec<_>, Vec<_>) =
        named.iter().partition(|((_, name), _)| is_beside(name));
    for seen in first.iter().flat_map(|(_, proof)| &proof.inspections) {
        match newest.get(&place(seen)) {
            Some(known) if known.proved_at >= seen.proved_at => {}
            _ => drop(newest.insert(place(seen), Arc::clone(seen))),
        }
    }
    // Of the two certificates of an endpoint the one that is refused counts.
    for seen in beside.iter().flat_map(|(_, proof)| &proof.inspections) {
        let known = newest.get(&place(seen));
        if known.is_none_or(|known| known.verdict == Verdict::Accepted) {
            newest.insert(place(seen), Arc::clone(seen));
        }
    }
    let reached: BTreeSet<_> = newest.keys().map(|(_, address, port)| (*address, *port)).collect();
    let beside = default.iter().flat_map(|(_, proof)| &proof.inspections);
    let beside = beside.filter(|seen| !reached.contains(&(seen.address, seen.port)));
    newest.extend(beside.map(|seen| (place(seen), Arc::clone(seen))));
    newest
}

fn stands(known: &Proof, asks: &[Ask], means: &Means<'_>) -> bool {
    let asked: BTreeSet<Place> = asks.iter().map(place_of).collect();
    let seen: BTreeSet<Place> = known.inspections.iter().map(|seen| place(seen)).collect();
    let unseen = |ask: &&Ask| !ask.optional && !seen.contains(&place_of(ask));
    means.now.since(known.at) < means.config.verify.every
        && seen.is_subset(&asked)
        && !asks.iter().any(|ask| unseen(&ask))
        && known.inspections.iter().all(|seen| seen.verdict == Verdict::Accepted)
}

fn place(seen: &Inspection) -> Place {
    (seen.host.clone(), seen.address, seen.port)
}

fn place_of(ask: &Ask) -> Place {
    let endpoint = &ask.endpoint;
    (endpoint.host.clone(), endpoint.address, endpoint.port)
}
