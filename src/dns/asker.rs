//! [`Asker`]: asks another [`Dns`] each question once, a bounded number at a time, and no faster
//! than agreed. A good neighbour of the resolver, and the cache of one run.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::{Instant, sleep_until};

use crate::dns::zone_text::plain;
use crate::dns::{Answer, Dns, Kind};

/// Questions under way at once, unless said otherwise.
const CONCURRENCY: usize = 64;

/// Questions a second, unless said otherwise.
const PER_SECOND: u32 = 200;

/// Answers remembered; beyond it the oldest is forgotten. Some 20 MB at worst: the answers that
/// matter, addresses of hosts shared by thousands of domains, are asked for close together.
const MOST_REMEMBERED: usize = 50_000;

/// One question.
type Question = (String, Kind);

/// Asks each (name, kind) once per run: who asks what is being asked waits for the same answer.
/// Live for one run only, since answers are kept whatever their TTL.
#[derive(Debug)]
pub struct Asker<D> {
    dns: D,
    permits: Semaphore,
    pace: Option<Pace>,
    remembered: Mutex<Memory>,
}

impl<D: Dns> Asker<D> {
    /// An asker with the usual bounds: 64 questions at once, 200 a second.
    pub fn new(dns: D) -> Self {
        Self::with_bounds(dns, CONCURRENCY, PER_SECOND)
    }

    /// An asker with at most `concurrency` questions under way (at least 1) and `per_second`
    /// questions a second (0: as fast as it goes).
    pub fn with_bounds(dns: D, concurrency: usize, per_second: u32) -> Self {
        Self {
            dns,
            permits: Semaphore::new(concurrency.clamp(1, Semaphore::MAX_PERMITS)),
            pace: (per_second > 0).then(|| Pace::new(per_second)),
            remembered: Mutex::default(),
        }
    }

    async fn really_ask(&self, name: &str, kind: Kind) -> Answer {
        // The semaphore is never closed; without a permit the question is asked all the same.
        let _permit = self.permits.acquire().await.ok();
        if let Some(pace) = &self.pace {
            pace.wait().await;
        }
        self.dns.ask(name, kind).await
    }

    fn cell(&self, question: Question) -> Arc<OnceCell<Answer>> {
        self.remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .cell(question, MOST_REMEMBERED)
    }
}

#[async_trait]
impl<D: Dns> Dns for Asker<D> {
    async fn ask(&self, name: &str, kind: Kind) -> Answer {
        let name = plain(name).to_ascii_lowercase();
        let cell = self.cell((name.clone(), kind));
        cell.get_or_init(|| self.really_ask(&name, kind)).await.clone()
    }
}

/// The answers of this run, oldest first.
#[derive(Debug, Default)]
struct Memory {
    answers: HashMap<Question, Arc<OnceCell<Answer>>>,
    order: VecDeque<Question>,
}

impl Memory {
    fn cell(&mut self, question: Question, most: usize) -> Arc<OnceCell<Answer>> {
        if let Some(cell) = self.answers.get(&question) {
            return Arc::clone(cell);
        }
        while self.order.len() >= most {
            if let Some(oldest) = self.order.pop_front() {
                self.answers.remove(&oldest);
            }
        }
        let cell = Arc::new(OnceCell::new());
        self.order.push_back(question.clone());
        self.answers.insert(question, Arc::clone(&cell));
        cell
    }
}

/// A token bucket that holds a tenth of a second's tokens.
#[derive(Debug)]
struct Pace {
    every: Duration,
    burst: Duration,
    /// When the next question is due, if none came before it.
    next: Mutex<Option<Instant>>,
}

impl Pace {
    fn new(per_second: u32) -> Self {
        let every = Duration::from_secs(1) / per_second;
        Self { every, burst: Duration::from_millis(100), next: Mutex::new(None) }
    }

    async fn wait(&self) {
        let due = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let earliest = now.checked_sub(self.burst).unwrap_or(now);
            let due = next.unwrap_or(now).max(earliest);
            *next = Some(due + self.every);
            due
        };
        sleep_until(due).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use async_trait::async_trait;
    use futures_util::future::join_all;
    use tokio::time::{Instant, sleep};

    use super::{Asker, Memory};
    use crate::dns::{Answer, Dns, Failure, Kind};

    /// Counts what is asked and how much of it at once.
    #[derive(Default)]
    struct Counter {
        asked: AtomicUsize,
        now: AtomicUsize,
        most: AtomicUsize,
    }

    #[async_trait]
    impl Dns for Counter {
        async fn ask(&self, _: &str, _: Kind) -> Answer {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            sleep(Duration::from_millis(5)).await;
            self.now.fetch_sub(1, Ordering::SeqCst);
            Answer::failed(Failure::Timeout)
        }
    }

    #[tokio::test]
    async fn who_asks_the_same_at_once_shares_one_question() {
        let counter = Counter::default();
        let asker = Asker::new(&counter);
        join_all((0..50).map(|_| asker.ask("mx.example.org", Kind::A))).await;
        join_all(["MX.example.org", "mx.example.org."].map(|name| asker.ask(name, Kind::A))).await;
        asker.ask("mx.example.org", Kind::Aaaa).await;
        assert_eq!(counter.asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn no_more_questions_are_under_way_than_agreed() {
        let counter = Counter::default();
        let asker = Asker::with_bounds(&counter, 7, 0);
        let names: Vec<String> = (0..40).map(|n| format!("h{n}.example")).collect();
        join_all(names.iter().map(|name| asker.ask(name, Kind::A))).await;
        assert_eq!(counter.asked.load(Ordering::SeqCst), 40);
        assert_eq!(counter.most.load(Ordering::SeqCst), 7);
    }

    #[tokio::test]
    async fn questions_keep_the_pace() {
        let counter = Counter::default();
        let asker = Asker::with_bounds(&counter, 64, 100);
        let names: Vec<String> = (0..40).map(|n| format!("h{n}.example")).collect();
        let start = Instant::now();
        join_all(names.iter().map(|name| asker.ask(name, Kind::A))).await;
        assert!(start.elapsed() >= Duration::from_millis(290), "{:?}", start.elapsed());
    }

    #[test]
    fn the_oldest_answers_are_forgotten() {
        let mut memory = Memory::default();
        for n in 0..10 {
            memory.cell((format!("h{n}"), Kind::A), 3);
        }
        assert_eq!(memory.answers.len(), 3);
        assert_eq!(memory.order.len(), 3);
        assert!(memory.answers.contains_key(&("h9".to_owned(), Kind::A)));
    }
}
