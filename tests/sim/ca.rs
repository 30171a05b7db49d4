//! A CA that counts for itself, by its own clock, with windows of exactly the documented length.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use mailcert::model::Hostname;
use mailcert::plan::{Limit, Limits};

/// Seconds by the CA's clock.
pub(crate) type Moment = i64;

/// What it said.
pub(crate) enum Answer {
    /// A certificate for the names asked for.
    Issued,
    /// These names could not be validated.
    Failed(Vec<Hostname>),
    /// It is down.
    Down,
}

/// What the CA counted.
#[derive(Default)]
pub(crate) struct Ca {
    limits: Limits,
    orders: Window,
    domains: HashMap<String, Window>,
    sets: HashMap<BTreeSet<Hostname>, Window>,
    failures: HashMap<Hostname, Window>,
    issued: HashSet<BTreeSet<Hostname>>,
    /// Orders of every day, by the day; also those it was too down to count.
    pub(crate) days: Vec<u32>,
    /// Orders of every three hours.
    pub(crate) thirds: Vec<u32>,
    /// The most that was ever in each window.
    pub(crate) most: Most,
}

/// The most that was ever in each window.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Most {
    pub(crate) orders: usize,
    pub(crate) domain: usize,
    pub(crate) set: usize,
    pub(crate) failures: usize,
}

impl Ca {
    pub(crate) fn with(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// One order. The error is a limit that was exceeded.
    pub(crate) fn order(
        &mut self,
        at: Moment,
        names: &[Hostname],
        announced: bool,
        is_dead: impl Fn(&Hostname) -> bool,
        is_down: bool,
    ) -> Result<Answer, String> {
        count(&mut self.days, at / 86_400);
        count(&mut self.thirds, at / 10_800);
        if is_down {
            return Ok(Answer::Down);
        }
        let set: BTreeSet<Hostname> = names.iter().cloned().collect();
        let renews = self.issued.contains(&set);
        if !announced && !renews {
            let found = self.orders.put(at, self.limits.orders);
            self.most.orders = self.most.orders.max(found.map_err(|n| said("orders", n, names))?);
        }
        let dead: Vec<Hostname> = set.iter().filter(|name| is_dead(name)).cloned().collect();
        for name in &dead {
            let window = self.failures.entry(name.clone()).or_default();
            let found = window.put(at, self.limits.failures);
            let found = found.map_err(|n| said("failed validations", n, names))?;
            self.most.failures = self.most.failures.max(found);
        }
        if !dead.is_empty() {
            return Ok(Answer::Failed(dead));
        }
        if !announced && !renews {
            for domain in set.iter().map(registered).collect::<BTreeSet<_>>() {
                let window = self.domains.entry(domain).or_default();
                let found = window.put(at, self.limits.domain);
                let found = found.map_err(|n| said("certificates of a domain", n, names))?;
                self.most.domain = self.most.domain.max(found);
            }
        }
        if !announced {
            let found = self.sets.entry(set.clone()).or_default().put(at, self.limits.set);
            let found = found.map_err(|n| said("certificates of the same names", n, names))?;
            self.most.set = self.most.set.max(found);
        }
        self.issued.insert(set);
        Ok(Answer::Issued)
    }
}

/// Moments within a window that ends now.
#[derive(Default)]
struct Window(VecDeque<Moment>);

impl Window {
    /// Counts one more; how many there are, as an error where that is too many.
    fn put(&mut self, at: Moment, limit: Option<Limit>) -> Result<usize, usize> {
        let Some(limit) = limit else { return Ok(0) };
        let old = at - i64::try_from(limit.within.as_secs()).expect("a span");
        while self.0.front().is_some_and(|first| *first <= old) {
            self.0.pop_front();
        }
        self.0.push_back(at);
        if self.0.len() > limit.most { Err(self.0.len()) } else { Ok(self.0.len()) }
    }
}

/// Everything here is below `test`.
fn registered(name: &Hostname) -> String {
    let labels: Vec<&str> = name.as_str().rsplitn(3, '.').take(2).collect();
    format!("{}.{}", labels[1], labels[0])
}

fn said(limit: &str, count: usize, names: &[Hostname]) -> String {
    format!("{count} {limit}: too many, with {}", names[0])
}

fn count(counts: &mut Vec<u32>, at: i64) {
    let at = usize::try_from(at).expect("after the start");
    if counts.len() <= at {
        counts.resize(at + 1, 0);
    }
    counts[at] += 1;
}
