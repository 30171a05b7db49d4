//! What the diary holds back: orders that were refused, as the planner is told of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{CertName, DnsId, Hostname, Mark, Timestamp};
use crate::plan::{Declined, Desired};
use crate::store::{Diary, Wait};
use crate::survey::Look;

/// What is held back, by certificate.
pub(super) struct Waits {
    /// Until when nothing is ordered for it.
    pub(super) until: BTreeMap<CertName, Timestamp>,
    /// The names that the last order failed for.
    pub(super) refused: BTreeMap<CertName, BTreeSet<DnsId>>,
    /// Which CAs do not issue it.
    pub(super) declined: BTreeMap<CertName, BTreeMap<Mark, Declined>>,
}

impl Waits {
    /// Those that count: who fixes waits for nothing but what failed in this very run.
    pub(super) fn of(diary: &Diary, desired: &Desired, look: &Look<'_>) -> Self {
        let forgiven = |name: &CertName| {
            desired.new_keys.contains_key(name)
                || Hostname::parse(name.as_str()).is_ok_and(|name| look.anew.takes_in(&name))
        };
        let all = diary.waits.iter();
        let count = |(name, _): &(&CertName, &Wait)| {
            look.earlier.ordered.contains(*name) || !forgiven(name)
        };
        let counting = all.clone().filter(count);
        let refused = |wait: &Wait| wait.refused.iter().cloned().collect();
        Self {
            until: counting.clone().map(|(name, wait)| (name.clone(), wait.until)).collect(),
            refused: all.map(|(name, wait)| (name.clone(), refused(wait))).collect(),
            declined: counting
                .filter(|(_, wait)| !wait.declined.is_empty())
                .map(|(name, wait)| (name.clone(), declined(wait)))
                .collect(),
        }
    }
}

fn declined(wait: &Wait) -> BTreeMap<Mark, Declined> {
    let declined = wait.declined.iter().map(|(ca, one)| {
        let names = one.names.iter().cloned().collect();
        (*ca, Declined { until: one.until, names })
    });
    declined.collect()
}
