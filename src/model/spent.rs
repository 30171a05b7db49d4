//! [`Spent`]: what was asked of the CAs lately, as far as their limits count it. Small: digests
//! instead of names, and nothing older than the longest of their windows.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{Sha256, Timestamp};

/// Nothing older than this counts at any CA: seven days, and a little for clocks that differ.
const COUNTS: Duration = Duration::from_secs(7 * 86_400 + 3_600);
/// More are not remembered. A week of the most orders a plan places is 84,000.
const MOST: usize = 100_000;
/// A clock that is adjusted by less than this has not jumped.
const ADJUSTED: i64 = 300;

/// The first eight bytes of the SHA-256 of a text: enough to count by.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Mark(u64);

impl Mark {
    /// The mark of a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let digest = Sha256::of(text.as_bytes()).0;
        Self(digest.iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }
}

/// How an order counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// For every limit: no certificate for exactly these names was issued before.
    New,
    /// For the exact set of names alone: it was.
    Renewal,
    /// For none: it replaces a certificate by the CA's own renewal information (RFC 9773).
    Announced,
}

/// One order, noted before the CA is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ordered {
    /// When.
    pub at: Timestamp,
    /// Of which CA: the mark of its directory's URL.
    pub ca: Mark,
    /// How it counts.
    pub weight: Weight,
    /// Its exact set of names.
    pub set: Mark,
    /// The registered domains of its names; none where they do not count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<Mark>,
    /// Whether a certificate came of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub came: bool,
}

/// Names whose validation failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// When.
    pub at: Timestamp,
    /// At which CA: the mark of its directory's URL.
    pub ca: Mark,
    /// The names.
    pub names: Vec<Mark>,
}

/// What the wall clock said when the machine had been up for so long: of two such readings of one
/// boot the difference says whether the clock jumped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Which boot of the machine.
    pub boot: Mark,
    /// Seconds since then, sleep included.
    pub up: i64,
    /// The wall clock.
    pub at: Timestamp,
}

impl Clock {
    /// By how many seconds the wall clock jumped since `earlier`; unknown across a boot.
    fn jumped_since(&self, earlier: &Self) -> Option<i64> {
        let wall = self.at.unix().saturating_sub(earlier.at.unix());
        (self.boot == earlier.boot).then(|| wall.saturating_sub(self.up.saturating_sub(earlier.up)))
    }
}

/// Orders and failures, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    orders: VecDeque<Ordered>,
    failed: VecDeque<Failed>,
    clock: Option<Clock>,
}

impl Spent {
    /// The orders of one CA, the oldest first.
    pub fn orders(&self, ca: Mark) -> impl Iterator<Item = &Ordered> {
        self.orders.iter().filter(move |order| order.ca == ca)
    }

    /// The failures at one CA, the oldest first.
    pub fn failed(&self, ca: Mark) -> impl Iterator<Item = &Failed> {
        self.failed.iter().filter(move |failed| failed.ca == ca)
    }

    /// Counts an order. What lies further back than any window is forgotten.
    pub fn order(&mut self, order: Ordered) {
        let old = order.at.minus(COUNTS);
        self.orders.push_back(order);
        while self.orders.front().is_some_and(|first| first.at < old) || self.orders.len() > MOST {
            self.orders.pop_front();
        }
    }

    /// A certificate came of the latest order for this set of names.
    pub fn came(&mut self, ca: Mark, set: Mark) {
        let mut latest = self.orders.iter_mut().rev();
        if let Some(order) = latest.find(|order| order.ca == ca && order.set == set) {
            order.came = true;
        }
    }

    /// Counts a failure. What lies further back than any window is forgotten.
    pub fn fail(&mut self, failed: Failed) {
        let old = failed.at.minus(COUNTS);
        self.failed.push_back(failed);
        while self.failed.front().is_some_and(|first| first.at < old) || self.failed.len() > MOST {
            self.failed.pop_front();
        }
    }

    /// Whether this reading of the clock is worth noting: something was counted, and the reading is
    /// the first of a boot, or the clock jumped, or what was counted lies in the future.
    #[must_use]
    pub fn is_news(&self, clock: &Clock) -> bool {
        let Some(last) = self.last() else { return false };
        let jumped = self.clock.and_then(|earlier| clock.jumped_since(&earlier));
        jumped.is_none_or(|by| by.abs() > ADJUSTED) || last > clock.at
    }

    /// Takes in a reading of the clock. Where it jumped, everything moves with it: what was spent
    /// an hour ago stays an hour ago, whatever the clock says now. Across a boot nothing is known
    /// but that nothing was spent in the future. Returns by how many seconds all was moved.
    pub fn on_clock(&mut self, clock: Clock) -> i64 {
        let jumped = self.clock.and_then(|earlier| clock.jumped_since(&earlier));
        let by = jumped.filter(|by| by.abs() > ADJUSTED).unwrap_or(0);
        let moved =
            |at: Timestamp| Timestamp::from_unix(at.unix().saturating_add(by)).min(clock.at);
        self.orders.iter_mut().for_each(|order| order.at = moved(order.at));
        self.failed.iter_mut().for_each(|failed| failed.at = moved(failed.at));
        self.clock = Some(clock);
        by
    }

    /// What it takes to make it again.
    #[must_use]
    pub fn into_parts(self) -> (Option<Clock>, VecDeque<Ordered>, VecDeque<Failed>) {
        (self.clock, self.orders, self.failed)
    }

    fn last(&self) -> Option<Timestamp> {
        let orders = self.orders.back().map(|order| order.at);
        orders.max(self.failed.back().map(|failed| failed.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered(at: i64) -> Ordered {
        let (at, ca) = (Timestamp::from_unix(at), Mark::of("ca"));
        let set = Mark::of("set");
        Ordered { at, ca, weight: Weight::New, set, domains: Vec::new(), came: false }
    }

    fn clock(boot: &str, up: i64, at: i64) -> Clock {
        Clock { boot: Mark::of(boot), up, at: Timestamp::from_unix(at) }
    }

    fn moments(spent: &Spent) -> Vec<i64> {
        spent.orders(Mark::of("ca")).map(|order| order.at.unix()).collect()
    }

    #[test]
    fn what_was_spent_moves_with_a_clock_that_jumps() {
        const YEAR: i64 = 365 * 86_400;
        let now = 1_800_000_000;
        for (name, reading, expected) in [
            ("it runs", clock("one", 2_000, now + 1_000), now),
            ("an adjustment", clock("one", 2_000, now + 1_100), now),
            ("forward", clock("one", 2_000, now + 1_000 + YEAR), now + YEAR),
            ("backward", clock("one", 2_000, now + 1_000 - YEAR), now - YEAR),
            ("forward across a boot: who knows", clock("two", 9, now + YEAR), now),
            ("backward across a boot", clock("two", 9, now - YEAR), now - YEAR),
        ] {
            let mut spent = Spent::default();
            spent.on_clock(clock("one", 1_000, now));
            spent.order(ordered(now));
            assert_eq!(spent.is_news(&reading), name != "it runs" && name != "an adjustment");
            spent.on_clock(reading);
            assert_eq!(moments(&spent), [expected], "{name}");
        }
    }

    #[test]
    fn it_forgets_what_no_window_reaches_and_never_grows_beyond_bounds() {
        let mut spent = Spent::default();
        for hour in 0..10_000 {
            spent.order(ordered(hour * 3_600));
        }
        assert_eq!(moments(&spent).len(), 7 * 24 + 2);
        for _ in 0..2 * MOST {
            spent.order(ordered(10_000 * 3_600));
        }
        assert_eq!(moments(&spent).len(), MOST);
    }
}
