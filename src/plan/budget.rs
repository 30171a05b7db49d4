//! [`Budget`]: which orders the CA's limits leave room for now, and when the others have theirs.
//!
//! Everything that counts against a limit lies in a bucket; an order goes at the moment at which
//! all of its buckets have room. What has room now is placed, the rest is a [`Schedule`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use crate::model::{
    CertName, Code, DnsId, Facts, Failed, Finding, Level, Mark, Ordered, Spent, Timestamp, Version,
    Weight,
};
use crate::plan::held::due_at;
use crate::plan::limits::{Limit, Limits};
use crate::plan::{Held, Reason};

/// What a CA allows and what was asked of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// The CA: the mark of its directory's URL.
    pub ca: Mark,
    /// What it allows.
    pub limits: Limits,
    /// What was asked of it.
    pub spent: Spent,
    /// Certificates whose order lies at the CA already: going on with it counts for nothing.
    pub under_way: BTreeMap<CertName, BTreeSet<DnsId>>,
    /// Certificates whose next order replaces the one held by the CA's own renewal information
    /// (RFC 9773).
    pub announced: BTreeSet<CertName>,
    /// Held versions that other CAs issued: one for the same names is new to this one.
    pub foreign: BTreeSet<(CertName, Version)>,
}

/// Orders that wait for room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// How many orders are placed now.
    pub placed: usize,
    /// How many wait.
    pub waiting: usize,
    /// When the first of them have room.
    pub next: Timestamp,
    /// When the last one has.
    pub last: Timestamp,
    /// How many of them come after the certificate they are to replace has ended.
    pub late: usize,
    /// They wait because a certificate was due when it came: our clock is ahead of the CA's.
    pub doubted: bool,
}

/// What an order asks for, as far as limits count it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    /// How it counts.
    weight: Weight,
    set: Mark,
    domains: Vec<Mark>,
    names: Vec<Mark>,
    /// When what it is to replace ends.
    end: Option<Timestamp>,
    /// When what it is to replace is due.
    due: Option<Timestamp>,
}

impl Budget {
    /// The budget at the CA with this directory.
    #[must_use]
    pub fn at(directory: &str, spent: Spent) -> Self {
        Self { ca: Mark::of(directory), limits: Limits::of(directory), spent, ..Self::default() }
    }

    /// What is to be noted before the CA is asked for these names.
    #[must_use]
    pub fn order(
        &self,
        certificate: &CertName,
        names: &[DnsId],
        held: Option<&Held>,
        at: Timestamp,
    ) -> Ordered {
        let weight = self.weight(certificate, names, held);
        let domains = if weight == Weight::New { domains(names) } else { Vec::new() };
        Ordered { at, ca: self.ca, weight, set: set(names), domains, came: false }
    }

    /// What is to be noted when a certificate came: of which CA, for which set of names.
    #[must_use]
    pub fn came(&self, names: &[DnsId]) -> (Mark, Mark) {
        (self.ca, set(names))
    }

    /// What is to be noted when names could not be validated.
    #[must_use]
    pub fn failure(&self, names: &[DnsId], at: Timestamp) -> Failed {
        let names = names.iter().map(|name| Mark::of(&name.to_string())).collect();
        Failed { at, ca: self.ca, names }
    }

    pub(super) fn claim(
        &self,
        certificate: &CertName,
        names: &[DnsId],
        held: Option<&Held>,
        because: &Reason,
    ) -> Option<Claim> {
        if self.under_way.contains_key(certificate) {
            return None;
        }
        let weight = self.weight(certificate, names, held);
        let end = match because {
            Reason::Due(end) | Reason::Suggested(end, _) | Reason::Expired(end) => Some(*end),
            _ => None,
        };
        let domains = if weight == Weight::New { domains(names) } else { Vec::new() };
        let names_of = |name: &DnsId| Mark::of(&name.to_string());
        let failing = self.limits.failures.is_some() && self.spent.failed(self.ca).next().is_some();
        let marks = if failing { names.iter().map(names_of).collect() } else { Vec::new() };
        let newest = held.and_then(|held| held.versions.last());
        let due = newest.map(|newest| due_at(&newest.facts));
        Some(Claim { weight, set: set(names), domains, names: marks, end, due })
    }

    fn weight(&self, certificate: &CertName, names: &[DnsId], held: Option<&Held>) -> Weight {
        let same = |facts: &Facts| {
            let wanted: BTreeSet<&DnsId> = names.iter().collect();
            facts.names.len() == wanted.len() && facts.names.iter().all(|id| wanted.contains(id))
        };
        let of_others = |version: Version| {
            !self.foreign.is_empty() && self.foreign.contains(&(certificate.clone(), version))
        };
        let renews = held.is_some_and(|held| {
            held.versions.iter().any(|old| !of_others(old.version) && same(&old.facts))
        });
        match renews {
            _ if self.announced.contains(certificate) => Weight::Announced,
            true => Weight::Renewal,
            false => Weight::New,
        }
    }

    /// Of these claims, the most urgent first: which may be placed now, and when the others.
    pub(super) fn afford(
        &self,
        claims: &[Option<Claim>],
        now: Timestamp,
    ) -> (Vec<bool>, Option<Schedule>) {
        let mut buckets = Buckets::of(self, now);
        let doubted = self.doubted(claims, now);
        let mut at: Vec<Option<Timestamp>> = vec![None; claims.len()];
        // What waits for a limit of its own takes no room from those behind it.
        let mut blocked = Vec::new();
        for (index, claim) in claims.iter().enumerate() {
            let Some(claim) = claim else {
                at[index] = Some(now);
                continue;
            };
            // By a clock that is ahead of the CA's everything is due, however often it is renewed:
            // one order tells whether that is still so.
            let doubt = doubted.filter(|until| *until > now || blocked.len() + index > 0);
            let doubt = doubt.map(|until| until.max(now.plus(DOUBT)));
            let own = buckets.own(claim).max(doubt.unwrap_or(now));
            match own {
                own if own <= now => at[index] = Some(buckets.take(claim, now)),
                own => blocked.push((own, index, claim)),
            }
        }
        blocked.sort_by_key(|(own, index, _)| (*own, *index));
        for (own, index, claim) in blocked {
            let own = buckets.own(claim).max(own);
            at[index] = Some(buckets.take(claim, own));
        }
        let at: Vec<Timestamp> = at.into_iter().map(|at| at.unwrap_or(now)).collect();
        let placed = at.iter().map(|at| *at <= now).collect();
        let schedule = self.schedule(claims, at, now);
        (placed, schedule.map(|schedule| Schedule { doubted: doubted.is_some(), ..schedule }))
    }

    /// Until when nobody believes our clock: what was ordered twice lately was due when it came.
    fn doubted(&self, claims: &[Option<Claim>], now: Timestamp) -> Option<Timestamp> {
        let came = self.spent.orders(self.ca).filter(|one| one.came);
        let mut times: HashMap<Mark, (usize, Timestamp)> = HashMap::new();
        for order in came.filter(|order| now.since(order.at) < BELIEVED_AFTER) {
            let (often, latest) = times.entry(order.set).or_insert((0, now));
            (*often, *latest) = (*often + 1, order.at.min(now));
        }
        let born_due = claims.iter().flatten().filter_map(|claim| {
            let (often, at) = times.get(&claim.set)?;
            let born_due = claim.due.is_some_and(|due| due <= *at);
            (*often > 1 && born_due).then(|| at.plus(DOUBT))
        });
        born_due.max()
    }

    fn schedule(
        &self,
        claims: &[Option<Claim>],
        at: Vec<Timestamp>,
        now: Timestamp,
    ) -> Option<Schedule> {
        let waits = at.iter().zip(claims).filter(|(at, _)| **at > now);
        let end = |claim: &Option<Claim>| claim.as_ref().and_then(|claim| claim.end);
        // What has ended already is no reason to warn: it is first in the queue.
        let ends_before = |at: &Timestamp, end: Timestamp| end >= now && end < *at;
        let late = waits.filter(|(at, claim)| end(claim).is_some_and(|end| ends_before(at, end)));
        let late = late.count();
        let mut waiting: Vec<Timestamp> = at.iter().copied().filter(|at| *at > now).collect();
        waiting.sort_unstable();
        let (first, last) = (*waiting.first()?, *waiting.last()?);
        // Room comes in trickles: a look for each of them would be too many.
        let batch = self.limits.orders.map_or(1, |limit| (limit.most / 10).max(1));
        let enough = waiting[batch.min(waiting.len()) - 1];
        let next = enough.min(first.plus(LONGEST_TRICKLE));
        let placed = at.len() - waiting.len();
        let waiting = waiting.len();
        Some(Schedule { placed, waiting, next, last, late, doubted: false })
    }
}

impl Schedule {
    /// In a sentence.
    pub(super) fn finding(&self, budget: &Budget) -> Finding {
        let what = match self.waiting {
            1 => "1 order waits".to_owned(),
            many => format!("{many} orders wait"),
        };
        let message = match self.waiting {
            1 => format!("{what} for the CA's limits: its turn is at {}", self.next),
            _ => format!(
                "{what} for the CA's limits{}: the next are placed at {}, the last at {}",
                budget.limits.orders.map(spelt).unwrap_or_default(),
                self.next,
                self.last
            ),
        };
        let message = match self.late {
            0 => message,
            late => format!("{message}; for {late} of them the certificate held ends before that"),
        };
        let message = match self.doubted {
            false => message,
            true => format!(
                "{message}; a certificate was due when it came: the clock of this machine is \
                 ahead of the CA's (timedatectl shows it)"
            ),
        };
        let warns = self.late > 0 || self.doubted;
        let level = if warns { Level::Warn } else { Level::Note };
        Finding::new(Code::OrdersSpread, "orders", message).at(level)
    }
}

fn spelt(limit: Limit) -> String {
    format!(" ({} new orders in {} hours)", limit.most, limit.within.as_secs() / 3_600)
}

/// What counts against a limit.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Bucket {
    All,
    Orders,
    Domain(Mark),
    Set(Mark),
    Name(Mark),
}

/// The moments at which each bucket was or will be used, the oldest first.
struct Buckets<'a> {
    limits: &'a Limits,
    used: HashMap<Bucket, Vec<Timestamp>>,
    now: Timestamp,
}

impl<'a> Buckets<'a> {
    fn of(budget: &'a Budget, now: Timestamp) -> Self {
        let mut own = Self { limits: &budget.limits, used: HashMap::new(), now };
        for order in budget.spent.orders(budget.ca) {
            // What lies in the future was spent by a clock that was wrong: it counts as of now.
            let at = order.at.min(now);
            shared(order.weight).iter().for_each(|bucket| own.put(*bucket, at));
            // These are limits of certificates, not of orders.
            if order.came {
                own.put_own(order.weight, order.set, &order.domains, at);
            }
        }
        for failed in budget.spent.failed(budget.ca) {
            for name in &failed.names {
                own.put(Bucket::Name(*name), failed.at.min(now));
            }
        }
        own
    }

    fn limit(&self, bucket: Bucket) -> Option<Limit> {
        match bucket {
            Bucket::All => self.limits.all,
            Bucket::Orders => self.limits.orders,
            Bucket::Domain(_) => self.limits.domain,
            Bucket::Set(_) => self.limits.set,
            Bucket::Name(_) => self.limits.failures,
        }
    }

    /// When a bucket has room again.
    fn free(&self, bucket: Bucket) -> Timestamp {
        let Some(limit) = self.limit(bucket) else { return self.now };
        let used = self.used.get(&bucket).map_or(&[][..], Vec::as_slice);
        let behind = used.len().checked_sub(limit.most.max(1));
        let free = behind.map(|at| used[at].plus(limit.within + SLACK));
        free.map_or(self.now, |free| free.max(self.now))
    }

    /// When there is room for a claim in what it shares with few others.
    fn own(&self, claim: &Claim) -> Timestamp {
        let set = counts_its_set(claim.weight).then_some(Bucket::Set(claim.set));
        let domains = claim.domains.iter().map(|domain| Bucket::Domain(*domain));
        let names = claim.names.iter().map(|name| Bucket::Name(*name));
        let free = set.into_iter().chain(domains).chain(names).map(|bucket| self.free(bucket));
        free.max().unwrap_or(self.now)
    }

    /// The moment from `start` on at which there is room for all of it, which is taken.
    fn take(&mut self, claim: &Claim, start: Timestamp) -> Timestamp {
        let free = shared(claim.weight).iter().map(|bucket| self.free(*bucket)).max();
        let at = free.map_or(start, |free| free.max(start));
        shared(claim.weight).iter().for_each(|bucket| self.put(*bucket, at));
        self.put_own(claim.weight, claim.set, &claim.domains, at);
        at
    }

    fn put_own(&mut self, weight: Weight, set: Mark, domains: &[Mark], at: Timestamp) {
        if counts_its_set(weight) {
            self.put(Bucket::Set(set), at);
        }
        domains.iter().for_each(|domain| self.put(Bucket::Domain(*domain), at));
    }

    fn put(&mut self, bucket: Bucket, at: Timestamp) {
        if self.limit(bucket).is_none() {
            return;
        }
        let used = self.used.entry(bucket).or_default();
        let place = used.partition_point(|other| *other <= at);
        used.insert(place, at);
    }
}

/// The buckets that an order shares with all others of its weight.
fn shared(weight: Weight) -> &'static [Bucket] {
    match weight {
        Weight::New => &[Bucket::All, Bucket::Orders],
        Weight::Renewal | Weight::Announced => &[Bucket::All],
    }
}

fn counts_its_set(weight: Weight) -> bool {
    weight != Weight::Announced
}

/// When a certificate is renewed before a third of its life (half of a short one) is left: up to a
/// twelfth of its life, by chance, but always the same for the same certificate. What was issued
/// in one burst is not due in one.
#[must_use]
pub(super) fn spread(facts: &Facts) -> Duration {
    let life = facts.not_after.since(facts.not_before);
    let [a, b, ..] = facts.leaf.0;
    let part = u32::from(u16::from_be_bytes([a, b]));
    life / 12 * part / (u32::from(u16::MAX) + 1)
}

/// The registered domains of these names, each once.
fn domains(names: &[DnsId]) -> Vec<Mark> {
    let of = |name: &DnsId| {
        let name = name.domain().as_str();
        Mark::of(psl::domain_str(name).unwrap_or(name))
    };
    names.iter().map(of).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The mark of a set of names, whatever their order.
fn set(names: &[DnsId]) -> Mark {
    let names: BTreeSet<String> = names.iter().map(ToString::to_string).collect();
    Mark::of(&names.into_iter().collect::<Vec<_>>().join(" "))
}

/// How much longer than the CA we count: its clock is not ours, and an order takes its time.
const SLACK: Duration = Duration::from_secs(360);
/// How long nobody believes a clock by which a certificate was due when it came, order by order.
const DOUBT: Duration = Duration::from_secs(3_600);
/// What was ordered longer ago says nothing of the clock.
const BELIEVED_AFTER: Duration = Duration::from_secs(86_400);
/// The longest that orders with room wait for others, so that a look places more than one.
const LONGEST_TRICKLE: Duration = Duration::from_secs(20 * 60);

#[cfg(test)]
mod tests;
