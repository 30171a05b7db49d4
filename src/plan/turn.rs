//! Whose turn it is: the first CA of the configuration that can be asked and may issue.

use std::collections::BTreeSet;

use crate::model::{CertName, DnsId, Mark, Timestamp};
use crate::plan::layout::Scene;
use crate::plan::{Fallback, rollover};

/// A CA that is asked instead of those before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instead {
    /// Its directory.
    pub directory: String,
    /// Why the first is not asked.
    pub because: Passed,
}

/// Why a CA is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// It gave no answer, or took no order of ours, and is left alone until this moment.
    Down(Timestamp),
    /// It refused this certificate, or a name of it, and is not asked for it until this moment.
    Declined(Timestamp),
    /// The order is under way at the other: an earlier run left it there.
    UnderWay,
}

/// Which CA an order goes to.
#[derive(Debug)]
pub(super) enum Turn {
    /// The first.
    First,
    /// The fallback at this place, since those before it are passed over.
    Fallback(usize, Instead),
    /// None before this moment.
    Nobody(Blocked),
}

/// Why no CA can be asked.
#[derive(Debug)]
pub(super) struct Blocked {
    /// Until when.
    pub(super) until: Timestamp,
    /// Whether all there is to say is that the CAs are left alone.
    pub(super) all_held: bool,
    /// What keeps fallbacks that could be asked from issuing.
    pub(super) why: Vec<String>,
}

impl Scene<'_> {
    /// Whose turn an order of these names is.
    pub(super) fn turn(&self, certificate: &CertName, names: &[DnsId]) -> Turn {
        if let Some(left) = self.left(certificate, names) {
            return left;
        }
        let first = self.observed.budget.ca;
        let Some((mut until, because)) = self.passed(first, certificate, names) else {
            return Turn::First;
        };
        let mut all_held = matches!(because, Passed::Down(_));
        let mut why = Vec::new();
        for (place, fallback) in self.observed.fallbacks.iter().enumerate() {
            if let Some(obstacle) = self.obstacle(fallback, certificate, names) {
                why.push(format!("{} is no way round it: {obstacle}", fallback.directory));
                all_held = false;
                continue;
            }
            match self.passed(fallback.budget.ca, certificate, names) {
                None => {
                    let directory = fallback.directory.clone();
                    return Turn::Fallback(place, Instead { directory, because });
                }
                Some((other, passed)) => {
                    until = until.min(other);
                    all_held &= matches!(passed, Passed::Down(_));
                }
            }
        }
        Turn::Nobody(Blocked { until, all_held, why })
    }

    /// The fallback at which an earlier run left this very order: it is gone on with there, else the
    /// CA would have issued for nothing.
    fn left(&self, certificate: &CertName, names: &[DnsId]) -> Option<Turn> {
        let mut all = self.observed.fallbacks.iter().enumerate();
        let (place, fallback) = all.find(|(_, fallback)| {
            let left = fallback.budget.under_way.get(certificate);
            left.is_some_and(|left| left.iter().eq(names.iter().collect::<BTreeSet<_>>()))
        })?;
        let is_well = self.passed(fallback.budget.ca, certificate, names).is_none()
            && self.obstacle(fallback, certificate, names).is_none();
        let (directory, because) = (fallback.directory.clone(), Passed::UnderWay);
        is_well.then_some(Turn::Fallback(place, Instead { directory, because }))
    }

    /// Until when nothing is ordered for a certificate for which an order was refused.
    pub(super) fn blocked(&self, certificate: &CertName) -> Option<Timestamp> {
        let general = self.observed.waits.get(certificate).copied();
        let general = general.filter(|until| *until > self.now);
        general.or_else(|| {
            self.observed.declined.get(certificate)?;
            let refused = self.observed.refused.get(certificate);
            let names: Vec<DnsId> = refused.into_iter().flatten().cloned().collect();
            match self.turn(certificate, &names) {
                Turn::Nobody(blocked) => Some(blocked.until),
                Turn::First | Turn::Fallback(..) => None,
            }
        })
    }

    /// Why a CA is passed over just now, and until when.
    fn passed(
        &self,
        ca: Mark,
        certificate: &CertName,
        names: &[DnsId],
    ) -> Option<(Timestamp, Passed)> {
        let after_now = |until: &Timestamp| *until > self.now;
        if let Some(until) = self.observed.holds.get(&ca).copied().filter(after_now) {
            return Some((until, Passed::Down(until)));
        }
        let declined = self.observed.declined.get(certificate)?.get(&ca)?;
        let wanted = |unwanted: &BTreeSet<DnsId>| names.iter().all(|name| !unwanted.contains(name));
        let declines = declined.names.is_empty() || !wanted(&declined.names);
        let until = Some(declined.until).filter(after_now).filter(|_| declines)?;
        Some((until, Passed::Declined(until)))
    }

    /// What keeps a fallback from issuing for these names, whenever it is asked.
    fn obstacle(
        &self,
        fallback: &Fallback,
        certificate: &CertName,
        names: &[DnsId],
    ) -> Option<String> {
        if names.len() > fallback.most {
            return Some(format!("{} names are too many for it", names.len()));
        }
        if let Some(name) = names.iter().find(|name| fallback.forbidden.contains(*name)) {
            return Some(format!("CAA records forbid it to issue for {name}"));
        }
        let is_named = self.held.get(certificate).is_some_and(|held| {
            let keeps = !self.wants_new_key(held) && self.guard.reuse(held, names).is_some();
            keeps || rollover::ready(self, held, names).is_some()
        });
        let name = self.guard.tied(names, is_named)?;
        Some(format!(
            "the TLSA records of {name} pin a CA, or cannot be read, and no key that it could use \
             again is named as 3 1 1"
        ))
    }
}
