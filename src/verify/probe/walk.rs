//! [`Walk`]: the bounds that all looks of a run share, however many there are.

use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{Stream, StreamExt as _};
use tokio::sync::Semaphore;

use super::gate::Gate;
use super::inspect::inspect;
use crate::model::Inspection;
use crate::verify::{Ask, How};

/// Looks begun at once for one that may be under way: those that wait for a busy address are
/// small and must not keep the others from their turn.
const AHEAD: usize = 4;

/// The turns of a run: at most `concurrency` looks at once, and `per_address` towards one address.
///
/// An endpoint's further dialogues take what its address has free, so that `per_address` bounds the
/// connections, too.
#[derive(Debug)]
pub struct Walk<'a> {
    how: &'a How,
    places: Semaphore,
    /// The gate of every address somebody looks at or waits for; it is dropped with the last one.
    gates: Mutex<HashMap<IpAddr, Arc<Gate>>>,
}

impl<'a> Walk<'a> {
    /// A walk at which nobody has begun.
    #[must_use]
    pub fn new(how: &'a How) -> Self {
        let places = Semaphore::new(how.concurrency.clamp(1, Semaphore::MAX_PERMITS));
        Self { how, places, gates: Mutex::default() }
    }

    /// How many looks are worth beginning at once; more than that only wait.
    #[must_use]
    pub fn width(&self) -> usize {
        self.how.concurrency.max(1).saturating_mul(AHEAD)
    }

    /// Looks at every endpoint side by side, and says as each is done its number in `asks` and
    /// what was found: `None` where an optional one does not answer.
    pub fn looks<'w>(
        &'w self,
        asks: &'w [Ask],
    ) -> impl Stream<Item = (usize, Option<Inspection>)> + Send + 'w {
        let looks = spread(asks)
            .into_iter()
            .map(move |index| async move { (index, self.look(&asks[index]).await) });
        futures_util::stream::iter(looks).buffer_unordered(self.width())
    }

    /// Waits for its turn at the address first, so that who waits there takes nobody's place.
    async fn look(&self, ask: &Ask) -> Option<Inspection> {
        // Boxed, since a look is large and most of those that were begun wait.
        let Some(address) = place(ask) else { return Box::pin(inspect(ask, self.how, None)).await };
        let gate = self.gate(address);
        let found = {
            // Neither is ever closed; what could not be waited for is done all the same.
            let _turn = gate.turns.acquire().await.ok();
            let _place = self.places.acquire().await.ok();
            Box::pin(inspect(ask, self.how, Some(&gate))).await
        };
        self.leave(address, gate);
        found
    }

    fn gate(&self, address: IpAddr) -> Arc<Gate> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Gate::new(self.how.per_address.max(1)));
        Arc::clone(gates.entry(address).or_insert_with(new))
    }

    fn leave(&self, address: IpAddr, gate: Arc<Gate>) {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        drop(gate);
        if gates.get(&address).is_some_and(|gate| Arc::strong_count(gate) == 1) {
            gates.remove(&address);
        }
    }
}

/// Looks at every endpoint side by side within the bounds; the answers are in the order of
/// `asks`, without the optional ones that did not answer. `seen` is called as each is done.
pub async fn inspect_all(
    asks: &[Ask],
    how: &How,
    seen: &(dyn Fn(&Inspection) + Send + Sync),
) -> Vec<Inspection> {
    let walk = Walk::new(how);
    let mut looks = pin!(walk.looks(asks));
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use futures_util::StreamExt as _;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::Walk;
    use crate::config::Profile;
    use crate::model::{Code, Endpoint, Hostname, Inspection, Service, Timestamp};
    use crate::trust::Roots;
    use crate::verify::{Ask, Extras, How, Sni};

    fn how(concurrency: usize) -> How {
        How {
            roots: Arc::new(Roots::mozilla()),
            profile: Profile::Gmail,
            timeout: Duration::from_secs(5),
            concurrency,
            per_address: 4,
            tries: 1,
            without_sni: false,
            extras: Extras::default(),
            now: Timestamp::from_unix(1_800_000_000),
            since: tokio::time::Instant::now(),
        }
    }

    /// A busy server at this address, and the most connections that were open there at once.
    async fn busy(at: &str, most: &Arc<AtomicUsize>, open: &Arc<AtomicUsize>) -> Ask {
        let listener = TcpListener::bind(at).await.unwrap();
        let to = listener.local_addr().unwrap();
        let (open, most) = (Arc::clone(open), Arc::clone(most));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (open, most) = (Arc::clone(&open), Arc::clone(&most));
                tokio::spawn(async move {
                    most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    open.fetch_sub(1, Ordering::SeqCst);
                    let _ = stream.write_all(b"421 later\r\n").await;
                });
            }
        });
        let host = Hostname::parse("mx.example.org").unwrap();
        let address = Some(to.ip());
        Ask {
            endpoint: Endpoint { host, service: Service::Smtp, port: to.port(), address },
            domain: None,
            ours: None,
            connect: None,
            origin: None,
            optional: false,
            sni: Sni::Host,
            side: None,
            proxy_header: false,
        }
    }

    #[tokio::test]
    async fn targets_side_by_side_share_the_turns_of_an_address_and_leave_nothing_behind() {
        let (most, open) = (Arc::default(), Arc::default());
        let ask = busy("127.0.83.1:0", &most, &open).await;
        let how = how(128);
        let walk = Walk::new(&how);
        let asks = vec![ask; 5];
        let targets = (0..8).map(|_| walk.looks(&asks).count());
        let seen = futures_util::future::join_all(targets).await;
        assert_eq!(seen, [5; 8]);
        assert_eq!(most.load(Ordering::SeqCst), 4);
        assert!(walk.gates.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn all_targets_together_have_as_many_looks_under_way_as_agreed() {
        let (most, open) = (Arc::default(), Arc::default());
        let mut asks = Vec::new();
        for number in 2..12 {
            asks.push(busy(&format!("127.0.83.{number}:0"), &most, &open).await);
        }
        let how = how(6);
        let walk = Walk::new(&how);
        let targets = (0..6).map(|_| walk.looks(&asks).count());
        let seen = futures_util::future::join_all(targets).await;
        assert_eq!(seen, [10; 6]);
        assert_eq!(most.load(Ordering::SeqCst), 6);
    }

    #[tokio::test]
    async fn a_port_that_says_nothing_is_waited_for_once_and_not_name_after_name() {
        let listener = TcpListener::bind("127.0.83.20:0").await.unwrap();
        let (most, open) = (Arc::default(), Arc::default());
        let mut ask = busy("127.0.83.20:0", &most, &open).await;
        let answers = ask.clone();
        ask.endpoint.port = listener.local_addr().unwrap().port();
        let mut asks = vec![ask; 40];
        asks.push(answers);
        let how = How { timeout: Duration::from_millis(500), ..how(128) };
        let begun = tokio::time::Instant::now();
        let seen = super::inspect_all(&asks, &how, &|_| {}).await;
        assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
        let says = |code: Code| move |seen: &&Inspection| seen.problems[0].code == code;
        assert_eq!(seen.iter().filter(says(Code::Timeout)).count(), 40);
        assert_eq!(seen.iter().filter(says(Code::TemporaryRefusal)).count(), 1);
        let whys = seen.iter().filter_map(|seen| seen.problems[0].why.as_deref());
        assert_eq!(whys.filter(|why| why.starts_with("not asked: ")).count(), 36);
    }
}
