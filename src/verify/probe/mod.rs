//! Holds the socket: walks the endpoints side by side within the bounds.
//!
//! What it asks and reads is decided by `starttls`, what it saw is judged by `judge`.

mod capture;
mod inspect;
mod look;
mod shown;
mod tap;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use futures_util::StreamExt as _;
use tokio::sync::Semaphore;

use crate::model::Inspection;
use crate::verify::{Ask, How};
pub use inspect::unresolved;
pub use shown::{Shown, shown};

/// Looks at every endpoint side by side within the bounds; the answers are in the order of
/// `asks`, without the optional ones that did not answer. `seen` is called as each is done.
///
/// One endpoint's dialogues follow each other, so `per_address` bounds the connections that one
/// address sees at a time, and `concurrency` all of them.
pub async fn inspect_all(
    asks: &[Ask],
    how: &How,
    seen: &(dyn Fn(&Inspection) + Send + Sync),
) -> Vec<Inspection> {
    let gates = gates(asks, how.per_address);
    let looks = spread(asks).into_iter().map(|index| {
        let ask = &asks[index];
        let gate = place(ask).and_then(|address| gates.get(&address)).cloned();
        async move {
            let _turn = match &gate {
                // The gates live as long as the looks and are never closed.
                Some(gate) => gate.acquire().await.ok(),
                None => None,
            };
            (index, inspect::inspect(ask, how).await)
        }
    });
    let mut looks = futures_util::stream::iter(looks).buffer_unordered(how.concurrency.max(1));
    let mut done = Vec::with_capacity(asks.len());
    while let Some((index, inspection)) = looks.next().await {
        if let Some(inspection) = inspection {
            seen(&inspection);
            done.push((index, inspection));
        }
    }
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, inspection)| inspection).collect()
}

/// Where a connection goes.
fn place(ask: &Ask) -> Option<IpAddr> {
    ask.connect.map(|to| to.ip()).or(ask.endpoint.address)
}

fn gates(asks: &[Ask], per_address: usize) -> HashMap<IpAddr, Arc<Semaphore>> {
    let mut gates = HashMap::new();
    for address in asks.iter().filter_map(place) {
        gates.entry(address).or_insert_with(|| Arc::new(Semaphore::new(per_address.max(1))));
    }
    gates
}

/// The order to begin in: the first of every address, then the second of every address, so that
/// one busy address does not take all the places.
fn spread(asks: &[Ask]) -> Vec<usize> {
    let mut ranks: HashMap<Option<IpAddr>, usize> = HashMap::new();
    let mut order: Vec<(usize, usize)> = asks
        .iter()
        .enumerate()
        .map(|(index, ask)| {
            let rank = ranks.entry(place(ask)).or_default();
            *rank += 1;
            (*rank, index)
        })
        .collect();
    order.sort_unstable();
    order.into_iter().map(|(_, index)| index).collect()
}
