//! [`Desk`]: which order a certificate needs, and which one it can have while the CA refuses names.

use std::collections::{BTreeSet, HashMap};

use super::Order;
use crate::model::{CertName, Code, DnsId, Facts, Finding, Hostname, KeyType, Level, Timestamp};
use crate::plan::group::free_name;
use crate::plan::held::{bad_until, best, held_back, last_call};
use crate::plan::layout::Scene;
use crate::plan::rights::new_key;
use crate::plan::turn::Turn;
use crate::plan::{Draft, Held, HeldVersion, Reason, Wish, rollover};

/// Where orders are decided, one certificate after the other.
pub(super) struct Desk<'s, 'a> {
    scene: &'s Scene<'a>,
    /// Names in use, held or wished.
    taken: BTreeSet<&'a CertName>,
    /// Hosts covered by a held certificate that nobody wishes: one that was split off in an
    /// earlier round.
    aside: BTreeSet<&'a DnsId>,
    /// Names given to certificates split off in this plan.
    given: BTreeSet<CertName>,
    /// Of each group, the number below which all names are in use.
    numbers: HashMap<Hostname, usize>,
    /// Hosts the CA refused on a certificate that waits, and until when: having found another
    /// home is no reason to ask again at once.
    refused: HashMap<&'a DnsId, (&'a CertName, Timestamp)>,
    /// The certificate each host belongs to.
    homes: HashMap<&'a DnsId, &'a CertName>,
}

impl<'s, 'a> Desk<'s, 'a> {
    pub(super) fn new(scene: &'s Scene<'a>) -> Self {
        let wished = scene.desired.certificates.iter().map(|wish| &wish.name);
        let mut taken: BTreeSet<&CertName> = wished.collect();
        let mut aside = BTreeSet::new();
        let kept_out = scene.kept_out();
        for held in scene.observed.held.iter().filter(|held| !kept_out.contains(&held.name)) {
            // What is grouped by: the newest version that is not bad.
            let newest = held.versions.iter().rev().find(|version| !version.is_bad());
            let good = scene.choice(held).filter(|good| {
                is_good(good, scene.now) && newest.is_some_and(|new| new.version == good.version)
            });
            let is_aside = !taken.contains(&held.name) && !held.name.is_beside();
            if let Some(good) = good.filter(|_| is_aside) {
                aside.extend(good.facts.names.iter().filter(|id| !id.is_wildcard()));
            }
        }
        taken.extend(scene.observed.held.iter().map(|held| &held.name));
        let wishes = scene.desired.certificates.iter().filter(|wish| !wish.name.is_beside());
        let homes = wishes.flat_map(|wish| wish.names.iter().map(|host| (host, &wish.name)));
        // What fails beside another holds up nothing of that.
        let refused = scene.observed.refused.iter().filter(|(name, _)| !name.is_beside());
        let waits = refused.filter_map(|(name, hosts)| {
            let until = scene.blocked(name)?;
            Some(hosts.iter().map(move |host| (host, (name, until))))
        });
        let refused = waits.flatten();
        let (homes, refused) = (homes.collect(), refused.collect());
        let (given, numbers) = (BTreeSet::new(), HashMap::new());
        Self { scene, taken, aside, given, numbers, refused, homes }
    }

    /// Hosts that this certificate shows and another one is to cover, and does not yet: they stay
    /// on it until they work there.
    fn not_yet_elsewhere(&self, wish: &Wish, held: &'a Held) -> Vec<DnsId> {
        let scene = self.scene;
        let covers = |held: &&'a Held, host: &DnsId| {
            let shown = scene.choice(held).filter(|shown| shown.facts.valid_at(scene.now));
            shown.is_some_and(|shown| shown.facts.carries(host))
        };
        let shown = scene.choice(held).filter(|shown| shown.facts.valid_at(scene.now));
        let named = shown.into_iter().flat_map(|shown| &shown.facts.names);
        let hosts = named.filter(|id| !id.is_wildcard());
        // Where a wildcard is to stand for a host, others may show it already.
        let shown_beside = |host: &DnsId| {
            let others = scene.observed.held.iter().filter(|other| other.name != wish.name);
            let mut others = others.filter(|other| !other.name.is_beside());
            !self.homes.contains_key(host) && others.any(|other| covers(&other, host))
        };
        hosts
            .filter(|host| self.home(host).is_some_and(|home| *home != wish.name))
            .filter(|host| !shown_beside(host))
            .filter(|host| {
                let home = self.home(host).and_then(|home| scene.held.get(home));
                !home.is_some_and(|home| covers(home, host))
            })
            .cloned()
            .collect()
    }

    /// The certificate a host belongs to: the one that is to name it, else the one that is to have
    /// a wildcard for it.
    fn home(&self, host: &DnsId) -> Option<&'a CertName> {
        let wildcard = || host.host().and_then(Hostname::parent).map(DnsId::Wildcard);
        let home = self.homes.get(host).or_else(|| self.homes.get(&wildcard()?));
        home.copied()
    }

    /// The order this certificate needs now, if any.
    pub(super) fn order(
        &mut self,
        wish: &Wish,
        held: Option<&'a Held>,
        draft: &mut Draft,
    ) -> Option<Order> {
        let scene = self.scene;
        let base = held.and_then(|held| {
            let newest = best(held.versions.iter(), scene.now);
            // Where TLSA keeps the newest from being shown and no held key would do, a further
            // one would not be shown either.
            let mends = scene.guard.reuse(held, &wish.names).is_some();
            scene.choice(held).filter(|_| mends).or(newest)
        });
        self.note_key_type(wish, base, draft);
        let beside = wish.name.is_beside();
        let here = |name: &&DnsId| beside || !self.is_aside(name, base);
        let names: Vec<DnsId> = wish.names.iter().filter(here).cloned().collect();
        let names = self.not_refused_elsewhere(wish, names, base, draft);
        let asked = !names.is_empty() && held.is_some_and(|held| scene.wants_new_key(held));
        let because = self.need(&wish.name, &names, base);
        let because = because.or_else(|| asked.then_some(Reason::NewKey)).or_else(|| {
            new_key(scene, wish, held.filter(|_| names.len() == wish.names.len())?, draft)
        });
        let because = because.or_else(|| self.refused_though_it_works(wish, &names));
        if let Some(base) = base {
            draft.look_again_after(base.due_at(), scene.now);
        }
        let because = because?;
        let until = held.and_then(bad_until).filter(|until| *until > scene.now);
        if let Some(until) = until.filter(|_| !asked) {
            draft.look_again(until);
            return None;
        }
        let mut names = names;
        if !beside {
            names.extend(held.into_iter().flat_map(|held| self.not_yet_elsewhere(wish, held)));
        }
        let full = Order { certificate: wish.name.clone(), names, because };
        match scene.blocked(&wish.name).or_else(|| self.kept_from_all(&full)) {
            Some(until) => {
                let shown = held.and_then(|held| scene.choice(held));
                self.while_waiting(full, base, shown, until, draft)
            }
            None => Some(self.ahead_of_a_retry(&full, base, draft).unwrap_or(full)),
        }
    }

    /// Until when no CA takes an order with a name that was refused, where one may take the others.
    fn kept_from_all(&self, full: &Order) -> Option<Timestamp> {
        let refused = self.scene.observed.refused.get(&full.certificate)?;
        let others = full.names.iter().any(|name| !refused.contains(name));
        let held_up = full.names.iter().any(|name| refused.contains(name));
        match self.scene.turn(&full.certificate, &full.names) {
            Turn::Nobody(blocked) if others && held_up && !blocked.all_held => Some(blocked.until),
            _ => None,
        }
    }

    /// After the last call the names that a refused one holds up do not wait for its next failure:
    /// by then others may have taken the room that the CA's limits leave.
    fn ahead_of_a_retry(
        &mut self,
        full: &Order,
        base: Option<&HeldVersion>,
        draft: &mut Draft,
    ) -> Option<Order> {
        let now = self.scene.now;
        let refused = self.scene.observed.refused.get(&full.certificate)?;
        let base = base.filter(|base| base.facts.valid_at(now) && last_call(&base.facts) <= now)?;
        let (held_up, rest): (Vec<_>, Vec<_>) =
            full.names.iter().cloned().partition(|name| refused.contains(name));
        let works = held_up.iter().any(|name| base.facts.carries(name));
        if works { self.split(&full.certificate, rest, base, draft) } else { None }
    }

    fn not_refused_elsewhere(
        &self,
        wish: &Wish,
        mut names: Vec<DnsId>,
        base: Option<&HeldVersion>,
        draft: &mut Draft,
    ) -> Vec<DnsId> {
        names.retain(|name| match self.refused.get(name) {
            Some((other, until)) if **other != wish.name => {
                draft.look_again(*until);
                base.is_some_and(|base| base.facts.carries(name))
            }
            _ => true,
        });
        names
    }

    fn is_aside(&self, name: &DnsId, base: Option<&HeldVersion>) -> bool {
        self.aside.contains(name)
            && base.is_none_or(|base| !base.facts.carries(name) || base.due_at() <= self.scene.now)
    }

    /// Why these names need an order, if they do.
    fn need(&self, name: &CertName, names: &[DnsId], base: Option<&HeldVersion>) -> Option<Reason> {
        let now = self.scene.now;
        if names.is_empty() {
            return None;
        }
        let Some(base) = base else { return Some(Reason::Missing(names.to_vec())) };
        let facts = &base.facts;
        let exact: BTreeSet<&DnsId> = facts.names.iter().collect();
        let covers = |name: &DnsId| exact.contains(name) || facts.carries(name);
        let missing: Vec<_> = names.iter().filter(|name| !covers(name)).cloned().collect();
        if facts.not_after < now {
            Some(Reason::Expired(facts.not_after))
        } else if base.is_hurried(now) {
            let why = base.told.as_ref().and_then(|told| told.explanation.clone());
            Some(Reason::Suggested(facts.not_after, why))
        } else if base.due_at() <= now {
            Some(Reason::Due(facts.not_after))
        } else if !missing.is_empty() {
            Some(Reason::Missing(missing))
        } else if facts.key_type != self.scene.key_type(name) && self.may_roll(name, names, facts) {
            Some(Reason::KeyType)
        } else {
            None
        }
    }

    /// Whether a certificate may get another key: none is pinned, or the next one is.
    fn may_roll(&self, name: &CertName, names: &[DnsId], facts: &Facts) -> bool {
        let held = self.scene.held.get(name);
        !self.scene.guard.pins(facts)
            || held.is_some_and(|held| rollover::ready(self.scene, held, names).is_some())
    }

    /// What the last order failed for may be cured by now, and nothing else would ever ask until the
    /// certificate is due.
    fn refused_though_it_works(&self, wish: &Wish, names: &[DnsId]) -> Option<Reason> {
        let refused = self.scene.observed.refused.get(&wish.name)?;
        let refused: Vec<_> =
            names.iter().filter(|name| refused.contains(*name)).cloned().collect();
        (!refused.is_empty()).then_some(Reason::Refused(refused))
    }

    /// The order that can be placed although the CA refused the last one: without the names it
    /// refused. A refused name that works today is not given up before the last call; what must
    /// not wait for it goes on a certificate of its own.
    fn while_waiting(
        &mut self,
        full: Order,
        base: Option<&HeldVersion>,
        shown: Option<&HeldVersion>,
        until: Timestamp,
        draft: &mut Draft,
    ) -> Option<Order> {
        let scene = self.scene;
        let refused = scene.observed.refused.get(&full.certificate);
        let is_refused = |name: &DnsId| refused.is_some_and(|names| names.contains(name));
        let rest: Vec<_> = full.names.iter().filter(|name| !is_refused(name)).cloned().collect();
        let works = shown.or(base).filter(|base| base.facts.valid_at(scene.now));
        // Beside another there is no third: after the last call a dead name goes from there.
        let beside = full.certificate.is_beside();
        let works = works.filter(|base| !beside || last_call(&base.facts) > scene.now);
        let keeps =
            |name: &&DnsId| is_refused(name) && works.is_some_and(|base| base.facts.carries(name));
        let partial = match works.filter(|_| full.names.iter().any(|name| keeps(&name))) {
            _ if rest.len() == full.names.len() => None,
            None => {
                let certificate = full.certificate.clone();
                let because = self.need(&certificate, &rest, base);
                because.map(|because| Order { certificate, names: rest, because })
            }
            Some(base) => self.split(&full.certificate, rest, base, draft),
        };
        if partial.is_some() {
            return partial;
        }
        draft.look_again(until);
        draft.findings.push(held_back(&full.certificate, refused, until));
        None
    }

    /// Names that go on a certificate of their own, beside one that a dead name holds up.
    fn split(
        &mut self,
        beside: &CertName,
        rest: Vec<DnsId>,
        base: &HeldVersion,
        draft: &mut Draft,
    ) -> Option<Order> {
        let scene = self.scene;
        if beside.is_beside() {
            return None;
        }
        let late = last_call(&base.facts) <= scene.now;
        draft.look_again_after(last_call(&base.facts), scene.now);
        let (taken, given) = (&self.taken, &self.given);
        let is_taken = |name: &CertName| taken.contains(name) || given.contains(name);
        let certificate = free_name(beside, &mut self.numbers, is_taken);
        let waits = scene.blocked(&certificate);
        let refused = scene.observed.refused.get(&certificate);
        if waits.is_some() && refused.is_none_or(BTreeSet::is_empty) {
            return None;
        }
        let refused = refused.filter(|_| waits.is_some());
        let names: Vec<DnsId> = rest
            .into_iter()
            .filter(|name| late || !base.facts.carries(name))
            .filter(|name| refused.is_none_or(|refused| !refused.contains(name)))
            // A pinned key lives on the certificate it belongs to.
            .filter(|name| !scene.guard.has(name))
            .collect();
        if names.is_empty() {
            return None;
        }
        self.given.insert(certificate.clone());
        let because =
            if late { Reason::Due(base.facts.not_after) } else { Reason::Missing(names.clone()) };
        Some(Order { certificate, names, because })
    }

    /// Says so where TLSA keeps a key of another kind than is configured.
    fn note_key_type(&self, wish: &Wish, base: Option<&HeldVersion>, draft: &mut Draft) {
        let Some(base) = base else { return };
        let wanted: KeyType = self.scene.key_type(&wish.name);
        if base.facts.key_type != wanted && self.scene.guard.pins(&base.facts) {
            let message = format!(
                "the key of {} stays {} although {wanted} is configured, because TLSA records \
                 name it, until the record of its next key has stood for two TTLs",
                wish.name, base.facts.key_type
            );
            let finding = Finding::new(Code::TlsaMismatch, &wish.name, message);
            draft.findings.push(finding.at(Level::Note));
        }
    }
}

fn is_good(version: &HeldVersion, now: Timestamp) -> bool {
    !version.is_bad() && version.facts.valid_at(now) && version.due_at() > now
}
