//! The TLSA records of the hosts served here: what senders with DANE pin, and since when the records
//! of our own keys stand at every server of their zone.
//!
//! Only what DNSSEC vouches for counts, and an answer that fails is none: it never says that there
//! are no records.

mod everywhere;
mod place;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};

use crate::config::Dane;
use crate::dns::{Answer, Dns, Kind, Reply};
use crate::model::{
    Announced, CertName, Code, Facts, Finding, Hostname, KeyHash, RolloverNote, Sha256, Timestamp,
};
use crate::plan::{Action, Desired, Held, Pins, Plan};
use crate::store::{Diary, Entry, Proof, Store};
use crate::verify::dane::{Outcome, Tlsa, retired};
use crate::verify::judge::chain_of_pem;
use everywhere::Everywhere;
use place::Place;

/// How TLSA records are asked for.
pub struct TlsaLook<'a> {
    /// Who answers.
    pub dns: &'a dyn Dns,
    /// Where chains are.
    pub store: &'a dyn Store,
    /// What is remembered.
    pub diary: &'a Diary,
    /// Who may change them.
    pub dane: Option<&'a Dane>,
    /// What is held.
    pub held: &'a [Held],
    /// What lies on servers and is not held.
    pub lying: Vec<&'a Facts>,
    /// The ports that servers listen on.
    pub ports: BTreeSet<u16>,
    /// How old an answer may be.
    pub every: Duration,
    /// The moment it is.
    pub now: Timestamp,
}

/// What was seen.
#[derive(Debug, Default)]
pub struct TlsaSeen {
    /// The hosts that were asked for.
    pub asked: BTreeSet<Hostname>,
    /// What they pin.
    pub pins: Vec<Pins>,
    /// What is worth remembering.
    pub notes: Vec<Entry>,
    /// What is to be said.
    pub findings: Vec<Finding>,
}

impl TlsaLook<'_> {
    /// Looks at the hosts that are known to have records, and, where mailcert may publish, at those
    /// of which that is not known or for too long.
    pub async fn watched(&self, desired: &Desired) -> TlsaSeen {
        let pinned = &self.diary.rollover.pinned;
        let is_due = |host: &&Hostname| match pinned.get(*host) {
            Some((_, true)) => true,
            Some((at, false)) => self.dane.is_some() && self.now.since(*at) >= self.every,
            None => self.dane.is_some(),
        };
        let hosts = desired.certificates.iter().flat_map(|wish| desired.hosts_of(wish));
        let hosts = hosts.filter(is_due);
        let mut seen = TlsaSeen::default();
        self.look(hosts.collect(), false, &mut seen).await;
        seen
    }

    /// Looks at the hosts for which the plan makes or shows another key; nobody else's are asked
    /// for. Says whether there is something new.
    pub async fn changed(&self, plan: &Plan, desired: &Desired, seen: &mut TlsaSeen) -> bool {
        let steps = plan.steps.iter();
        let changed: BTreeSet<&CertName> =
            steps.filter_map(|step| shown_anew(&step.action)).collect();
        let wishes = desired.certificates.iter().filter(|wish| changed.contains(&wish.name));
        let hosts: BTreeSet<&Hostname> = wishes.flat_map(|wish| desired.hosts_of(wish)).collect();
        // What is about to be used must stand today.
        let before = seen.pins.clone();
        let new = |host: &&&Hostname| !seen.asked.contains(**host);
        let unseen: BTreeSet<&Hostname> = hosts.iter().filter(new).copied().collect();
        let again = |host: &&&Hostname| before.iter().any(|pins| pins.host == ***host);
        let pinned: BTreeSet<&Hostname> = hosts.iter().filter(again).copied().collect();
        self.look(unseen, false, seen).await;
        seen.pins.retain(|pins| !pinned.contains(&pins.host));
        self.look(pinned, true, seen).await;
        seen.pins != before
    }

    async fn look(&self, hosts: BTreeSet<&Hostname>, anew: bool, seen: &mut TlsaSeen) {
        let looks = stream::iter(&hosts).map(|host| self.of_host(host, anew));
        let mut looks = looks.buffered(AT_ONCE);
        while let Some((pins, notes, findings)) = looks.next().await {
            seen.pins.extend(pins);
            seen.notes.extend(notes);
            seen.findings.extend(findings.into_iter().filter(|_| !anew));
        }
        drop(looks);
        seen.asked.extend(hosts.into_iter().cloned());
    }

    async fn of_host(&self, host: &Hostname, anew: bool) -> (Vec<Pins>, Vec<Entry>, Vec<Finding>) {
        let (mut all, mut notes, mut findings) = (Vec::new(), Vec::new(), Vec::new());
        let pinned = match Place::of_host(host, &self.ports, self.dns).await {
            Ok(places) => {
                for place in &places {
                    let (pins, found) = self.place(host, place, anew, &mut notes).await;
                    findings.extend(found);
                    all.push(pins);
                }
                Some(!places.is_empty())
            }
            Err(()) => {
                all.extend(self.unknown(host).await);
                None
            }
        };
        if let Some(pinned) = pinned {
            let known = self.diary.rollover.pinned.get(host);
            let is_news = match known {
                Some((at, was)) => *was != pinned || (!pinned && self.now.since(*at) >= self.every),
                None => pinned || self.dane.is_some(),
            };
            if is_news {
                let note = RolloverNote::Pinned { host: host.clone(), at: self.now, pinned };
                notes.push(Entry::Rollover(note));
            }
        }
        all.retain(|pins| pins.counts() || pins.anchored);
        (all, notes, findings)
    }

    /// What holds where there was no answer: nothing new is shown. Where the addresses are not
    /// signed no sender asks (RFC 7672 section 2.2.2).
    async fn unknown(&self, host: &Hostname) -> Option<Pins> {
        let (six, four) = tokio::join!(
            self.dns.ask(host.as_str(), Kind::Aaaa),
            self.dns.ask(host.as_str(), Kind::A)
        );
        let fails = |answer: &Answer| matches!(answer.reply, Reply::Failed(_));
        let signed = six.authenticated || four.authenticated;
        let was_pinned = self.diary.rollover.pinned.get(host).is_some_and(|(_, pinned)| *pinned);
        let keys = self.covering(host).flat_map(|held| &held.versions).map(|own| &own.facts);
        let lying = self.lying.iter().copied().filter(|facts| facts.covers(host));
        let keys: Vec<KeyHash> = keys.chain(lying).map(|facts| facts.spki).collect();
        // Where the DNS is dead nothing is new, and what is not held yet cannot wait for it.
        let silent = fails(&six) && fails(&four) && !keys.is_empty();
        let counts = signed || was_pinned || silent;
        counts.then(|| Pins { unknown: true, ..Pins::of(host.clone(), keys) })
    }

    fn covering<'s>(&'s self, host: &'s Hostname) -> impl Iterator<Item = &'s Held> {
        self.held.iter().filter(|held| held.versions.iter().any(|own| own.facts.covers(host)))
    }

    /// What records at one place say.
    async fn place(
        &self,
        host: &Hostname,
        place: &Place,
        anew: bool,
        notes: &mut Vec<Entry>,
    ) -> (Pins, Vec<Finding>) {
        let Place { owner, base, records } = place;
        let owner = owner.clone();
        let mut keys: Vec<KeyHash> = records.iter().filter_map(key_of).collect();
        let known = |key: &KeyHash| self.diary.rollover.announced.get(&(owner.clone(), *key));
        keys.retain(|key| known(key).is_none_or(|known| !known.is_gone(self.now)));
        let leaves = self.meant_otherwise(&[base, host], records, &mut keys);
        let mut findings: Vec<Finding> =
            records.iter().filter_map(|record| dead_pin(host, &owner, record)).collect();
        let (tracked, coming) = self.ours(host);
        let announced = self.announced(host, &owner, (&tracked, &keys), anew).await;
        notes.extend(announced.notes);
        findings.extend(announced.findings);
        // What was put there a moment ago is there, though a cache does not know it yet.
        let late: BTreeSet<KeyHash> = announced.late.into_iter().collect();
        keys.extend(&late);
        let named = coming.iter().filter(|key| keys.contains(key));
        let stands =
            named.map(|key| (*key, announced.known.get(key).and_then(Announced::stands_at)));
        let fresh = stands
            .filter(|(key, at)| late.contains(key) || at.is_none_or(|at| at > self.now))
            .map(|(key, at)| (key, at.filter(|at| *at > self.now)))
            .collect();
        let here = self.diary.rollover.announced.iter().filter(|((at, _), _)| *at == owner);
        for ((_, key), known) in here.clone() {
            if known.gone.is_some() && !known.is_gone(self.now) && !keys.contains(key) {
                let (owner, key) = (owner.clone(), *key);
                let note = RolloverNote::Announced { owner, key, announced: None };
                notes.push(Entry::Rollover(note));
            }
        }
        let ours = here.clone().filter(|(_, known)| known.ours).map(|((_, key), _)| *key).collect();
        let ttl =
            announced.known.values().chain(here.map(|(_, known)| known)).map(|known| known.ttl);
        let managed = self.dane.is_some_and(|dane| dane.may_change(&owner));
        let usual = self.dane.map_or(USUAL_TTL, |dane| dane.ttl);
        let ttl = ttl.filter(|ttl| *ttl > 0).max().unwrap_or(usual);
        // Usage 2 or 0 (RFC 6698 section 2.1.1).
        let anchored = records.iter().any(|record| matches!(record.usage, 0 | 2));
        let of_keys = Pins::of(host.clone(), keys);
        let pins = Pins { owner, leaves, fresh, ours, ttl, managed, anchored, ..of_keys };
        (pins, findings)
    }

    /// Since when the records of our keys stand. The zone's servers are asked where that is not
    /// settled, or not known for long, or (`anew`) about to be counted on.
    async fn announced(
        &self,
        host: &Hostname,
        owner: &str,
        (tracked, keys): (&BTreeSet<KeyHash>, &[KeyHash]),
        anew: bool,
    ) -> AnnouncedSeen {
        let mut seen = AnnouncedSeen::default();
        for key in tracked {
            let known = self.diary.rollover.announced.get(&(owner.to_owned(), *key));
            seen.known.extend(known.map(|known| (*key, *known)));
        }
        let settled = |key: &KeyHash| {
            let known = seen.known.get(key).filter(|known| !anew && self.is_recent(known));
            known.and_then(Announced::stands_at).is_some_and(|at| at <= self.now)
        };
        let (here, lacking): (Vec<KeyHash>, Vec<_>) =
            tracked.iter().partition(|key| keys.contains(key));
        let put = |key: &KeyHash| {
            seen.known.get(key).is_some_and(|known| known.ours && known.gone.is_none())
        };
        let (put, gone): (Vec<KeyHash>, Vec<_>) = lacking.into_iter().partition(put);
        let mut now: Vec<(KeyHash, Announced)> = Vec::new();
        if !here.iter().all(settled) || !put.is_empty() {
            let looked = Everywhere::look(owner, self.dns).await;
            let known = |key: &KeyHash| looked.known(key, seen.known.get(key).copied(), self.now);
            now.extend(here.iter().chain(&put).map(|key| (*key, known(key))));
            seen.findings = looked.lacking(host, owner, here.iter());
            seen.late = put.into_iter().filter(|key| looked.shows(key)).collect();
        }
        for key in gone {
            let stood = seen.known.get(&key).filter(|known| known.since.is_some());
            now.extend(stood.map(|known| (key, Announced { since: None, ..*known })));
        }
        for (key, now) in now {
            if seen.known.get(&key).is_none_or(|old| self.is_news(old, &now)) {
                let (owner, announced) = (owner.to_owned(), Some(now));
                let note = RolloverNote::Announced { owner, key, announced };
                seen.notes.push(Entry::Rollover(note));
            }
            seen.known.insert(key, now);
        }
        seen
    }

    fn is_recent(&self, known: &Announced) -> bool {
        known.looked <= self.now && self.now.since(known.looked) < self.every
    }

    fn is_news(&self, old: &Announced, new: &Announced) -> bool {
        (old.since, old.ttl, old.ours) != (new.since, new.ttl, new.ours) || !self.is_recent(old)
    }

    /// The keys of ours for a host; and of these the ones that no server was seen with: those made
    /// ahead, and those of versions that were never shown.
    fn ours(&self, host: &Hostname) -> (BTreeSet<KeyHash>, BTreeSet<KeyHash>) {
        let mut all = BTreeSet::new();
        for held in self.covering(host) {
            let next = self.diary.rollover.next.get(&held.name);
            all.extend(next.map(|next| next.key));
            all.extend(held.versions.iter().map(|own| own.facts.spki));
        }
        let mut coming = all.clone();
        for held in self.covering(host) {
            let proofs = self.diary.proofs.iter();
            let proofs = proofs.filter(|((_, name), _)| name.as_ref() == Some(&held.name));
            for proof in proofs.flat_map(|(_, proof)| [Some(proof), proof.before.as_deref()]) {
                let version = proof.map(|proof: &Proof| proof.version);
                let shown = held.versions.iter().filter(|own| Some(own.version) == version);
                for own in shown {
                    coming.remove(&own.facts.spki);
                }
            }
        }
        (all, coming)
    }

    /// The held certificates that records of other kinds than `3 1 1` mean; keys that they name go
    /// to the others.
    fn meant_otherwise(
        &self,
        hosts: &[&Hostname; 2],
        records: &[Tlsa],
        keys: &mut Vec<KeyHash>,
    ) -> Vec<Sha256> {
        let [_, host] = *hosts;
        let others: Vec<&Tlsa> = records.iter().filter(|one| key_of(one).is_none()).collect();
        let mut leaves = Vec::new();
        if others.is_empty() {
            return leaves;
        }
        for held in self.covering(host) {
            for own in held.versions.iter().filter(|own| own.facts.covers(host)) {
                let bundle = self.store.bundle(&held.name, own.version);
                let chain = bundle.ok().and_then(|bundle| chain_of_pem(&bundle.chain).ok());
                let Some(chain) = chain.filter(|chain| !chain.is_empty()) else { continue };
                for record in &others {
                    let own_key = matches!(record.usage, 1 | 3) && record.names(&chain[0]);
                    if own_key && record.selector == 1 {
                        keys.push(own.facts.spki);
                    } else if own_key || record.compare(&chain, hosts, self.now) == Outcome::Matches
                    {
                        leaves.push(own.facts.leaf);
                    }
                }
            }
        }
        leaves
    }
}

/// What is known of the records of our keys at one place.
#[derive(Default)]
struct AnnouncedSeen {
    known: BTreeMap<KeyHash, Announced>,
    /// Those that a server shows and the resolver does not, yet.
    late: Vec<KeyHash>,
    notes: Vec<Entry>,
    findings: Vec<Finding>,
}

/// The certificate a step makes or shows anew.
fn shown_anew(action: &Action) -> Option<&CertName> {
    match action {
        Action::Issue { .. } | Action::Install { .. } => action.certificate(),
        _ => None,
    }
}

/// The key that a record names by its SHA-256: usage 3 or 1, selector 1, matching 1 (RFC 6698
/// section 2.1).
fn key_of(record: &Tlsa) -> Option<KeyHash> {
    match record {
        Tlsa { usage: 1 | 3, selector: 1, matching: 1, data } => {
            data.as_slice().try_into().ok().map(Sha256)
        }
        _ => None,
    }
}

/// A pin of a CA's key that signs no more.
fn dead_pin(host: &Hostname, owner: &str, record: &Tlsa) -> Option<Finding> {
    let name = retired(record)?;
    let message = format!(
        "{owner} pins the key of {name}, with which Let's Encrypt signs no more: no certificate \
         of today matches it. Take out: {owner}. IN TLSA {record}"
    );
    Some(Finding::new(Code::TlsaRetiredCa, host, message))
}

/// Hosts asked for at a time.
const AT_ONCE: usize = 64;
/// What the operators of DANE domains use.
const USUAL_TTL: u32 = 3600;

#[cfg(test)]
mod tests;
