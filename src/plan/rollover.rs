//! The way from one pinned key to the next (RFC 7671 section 8.1): the next key is made ahead, its
//! record is published, it is used when that has stood for two TTLs, and the record of the old key
//! goes after every server was seen with the new one for two more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::config::EximLayout;
use crate::model::{CertName, Code, DnsId, Finding, KeyHash, NextKey, Timestamp, tlsa_line};
use crate::plan::layout::Scene;
use crate::plan::{Action, Desired, Draft, Held, Mode, Observed, Pins, Reason, Wish, held};
use crate::servers::Kind;

/// The next key of a certificate, where it may be shown to everybody who looks at TLSA.
pub(super) fn ready<'a>(scene: &Scene<'a>, held: &Held, names: &[DnsId]) -> Option<&'a NextKey> {
    next(scene, held).filter(|next| scene.guard.name(&next.key, names))
}

/// The next key of a certificate, where there is one of the right kind that no version has.
fn next<'a>(scene: &Scene<'a>, held: &Held) -> Option<&'a NextKey> {
    let next = scene.observed.rollover.next.get(&held.name)?;
    let is_used = held.versions.iter().any(|own| own.facts.spki == next.key);
    (!is_used && next.key_type == scene.key_type(&held.name)).then_some(next)
}

/// Whether renewals use their key again: the configuration says so, or a server keeps key and chain
/// in two files, and a new key would be read beside another's chain.
pub(super) fn keeps(scene: &Scene<'_>) -> bool {
    let splits = scene.observed.servers.iter().any(|seen| match &seen.server.kind {
        Kind::Exim(exim) => exim.layout == EximLayout::Split,
        Kind::Files(files) => files.paths.are_split(),
        Kind::Postfix(_) | Kind::Dovecot(_) => false,
    });
    splits || scene.desired.reuse_keys
}

/// Plans next keys, and what is to be published and to be taken away.
pub(super) fn steps(scene: &Scene<'_>, draft: &mut Draft) {
    if scene.guard.is_empty() {
        return;
    }
    let all: Vec<Pinned<'_>> =
        scene.desired.certificates.iter().filter_map(|wish| Pinned::of(scene, wish)).collect();
    let needed: BTreeSet<KeyHash> =
        all.iter().flat_map(|pinned| pinned.wanted().into_keys()).collect();
    for pinned in &all {
        pinned.say_of_ca(draft);
        pinned.make_next(scene, draft);
        pinned.publish(scene, &needed, draft);
    }
}

/// A held certificate with pins on its hosts.
struct Pinned<'a> {
    held: &'a Held,
    /// Of each place one.
    pins: Vec<&'a Pins>,
    /// The keys that servers show, and the one that they are to show.
    shown: BTreeSet<KeyHash>,
    next: Option<&'a NextKey>,
    /// The key is to be another one.
    asked: Option<Reason>,
}

impl<'a> Pinned<'a> {
    fn of(scene: &Scene<'a>, wish: &'a Wish) -> Option<Self> {
        // What others made has a key of theirs.
        let held = scene.held.get(&wish.name).filter(|held| held.name.owner().is_none())?;
        let mut places: BTreeMap<&str, &Pins> = BTreeMap::new();
        for pins in scene.guard.of_hosts(&wish.names).filter(|pins| !pins.unknown) {
            places.entry(&pins.owner).or_insert(pins);
        }
        let wanted = held::version_to_show(held, scene.now)?;
        let lying = scene.observed.servers.iter().filter_map(|seen| scene.installed(seen, held));
        let shown = lying.chain(scene.choice(held)).chain([wanted]).map(|own| own.facts.spki);
        let exposed = scene.exposed.contains_key(&(held.name.clone(), wanted.version));
        let asked = if exposed {
            Some(Reason::Exposed)
        } else {
            let other = wanted.facts.key_type != scene.key_type(&held.name);
            other.then_some(Reason::KeyType)
        };
        let (shown, next) = (shown.collect(), next(scene, held));
        let pins: Vec<_> = places.into_values().collect();
        (!pins.is_empty()).then_some(Self { held, pins, shown, next, asked })
    }

    /// Says before the order what a record means that pins a CA alone.
    fn say_of_ca(&self, draft: &mut Draft) {
        let is_it = |action: &Action| matches!(action, Action::Issue { certificate, .. } if *certificate == self.held.name);
        let Some(key) = self.shown.first() else { return };
        if !draft.steps.iter().any(|step| is_it(&step.action)) {
            return;
        }
        for pins in self.pins.iter().filter(|pins| !pins.leaves.is_empty()) {
            if self.shown.iter().any(|key| pins.keys.contains(key)) {
                continue;
            }
            let (host, owner, name) = (&pins.host, &pins.owner, &self.held.name);
            let message = format!(
                "the TLSA records of {host} pin a CA and no key of ours: the new certificate of \
                 {name} is shown only if its chain has that CA, else the old one stays. Publish \
                 the key as well: {}",
                tlsa_line(owner, pins.ttl, key)
            );
            draft.findings.push(Finding::new(Code::TlsaRetiredCa, host, message));
        }
    }

    /// The keys whose record has to be there, and why.
    fn wanted(&self) -> BTreeMap<KeyHash, Reason> {
        let shown = self.shown.iter().map(|key| (*key, Reason::NotPinned(*key)));
        let next = self.next.map(|next| (next.key, Reason::NextKey));
        next.into_iter().chain(shown).collect()
    }

    /// Where mailcert may publish, the next key is always there; else it is made when another key
    /// is asked for.
    fn make_next(&self, scene: &Scene<'_>, draft: &mut Draft) {
        let always = self.pins.iter().all(|pins| pins.managed) && !keeps(scene);
        if self.next.is_some() || !scene.desired.orders || !(always || self.asked.is_some()) {
            return;
        }
        let because = self.asked.clone().unwrap_or(Reason::NextKey);
        let certificate = self.held.name.clone();
        let key_type = scene.key_type(&certificate);
        draft.push(Action::MakeKey { certificate, key_type }, because, Vec::new());
    }

    fn publish(&self, scene: &Scene<'_>, needed: &BTreeSet<KeyHash>, draft: &mut Draft) {
        let wanted = self.wanted();
        for pins in &self.pins {
            for key in wanted.keys() {
                if let Some(Some(until)) = pins.fresh.get(key) {
                    draft.look_again_after(*until, scene.now);
                }
            }
            let lacks = |key: &&KeyHash| !pins.keys.contains(key) && self.asks(pins, key);
            let add: Vec<KeyHash> = wanted.keys().filter(lacks).copied().collect();
            let remove = self.over(scene, pins, needed, draft);
            let because = match (add.first(), remove.first()) {
                (Some(key), _) => wanted[key].clone(),
                (None, Some(_)) => Reason::KeyOver,
                (None, None) => continue,
            };
            let action = Action::Publish {
                certificate: self.held.name.clone(),
                owner: pins.owner.clone(),
                ttl: pins.ttl,
                add,
                remove,
                by_hand: !pins.managed,
            };
            draft.push(action, because, Vec::new());
        }
    }

    /// Whether somebody is to be asked for this record: where a CA is pinned the key's own is no
    /// must.
    fn asks(&self, pins: &Pins, key: &KeyHash) -> bool {
        let meant = self.held.versions.iter().filter(|own| own.facts.spki == *key);
        pins.managed || !meant.into_iter().any(|own| pins.leaves.contains(&own.facts.leaf))
    }

    /// The records that nobody needs any more: of keys that were ours, two TTLs after every server
    /// was seen with another one.
    fn over(
        &self,
        scene: &Scene<'_>,
        pins: &Pins,
        needed: &BTreeSet<KeyHash>,
        draft: &mut Draft,
    ) -> Vec<KeyHash> {
        let was_ours = |key: &&KeyHash| {
            pins.ours.contains(key) || self.held.versions.iter().any(|own| own.facts.spki == **key)
        };
        let over = pins.keys.iter().filter(|key| !needed.contains(key)).filter(was_ours);
        let mut over: Vec<KeyHash> = over.copied().collect();
        if over.is_empty() {
            return Vec::new();
        }
        over.dedup();
        let Some((key, since)) = scene.observed.rollover.shown.get(&self.held.name) else {
            return Vec::new();
        };
        let until = since.plus(2 * Duration::from_secs(pins.ttl.into()));
        draft.look_again_after(until, scene.now);
        let switched = self.shown.len() == 1 && self.shown.contains(key) && until <= scene.now;
        if switched { over } else { Vec::new() }
    }
}

/// The certificates of which every server was seen to show the newest key, with that key: only
/// those with TLSA records on their hosts.
#[must_use]
pub fn shown_everywhere(
    desired: &Desired,
    observed: &Observed,
    now: Timestamp,
) -> Vec<(CertName, KeyHash)> {
    if observed.pins.is_empty() {
        return Vec::new();
    }
    let scene = Scene::new(desired, observed, &Mode::Run, now);
    let wishes = desired.certificates.iter();
    let pinned = wishes.filter(|wish| wish.names.iter().any(|name| scene.guard.has(name)));
    let shown = |wish: &Wish| Some((wish.name.clone(), everywhere(&scene, &wish.name)?));
    pinned.filter_map(shown).collect()
}

/// The key that every server was seen to show of a certificate, where no other lies there.
fn everywhere(scene: &Scene<'_>, name: &CertName) -> Option<KeyHash> {
    let held = scene.held.get(name)?;
    let shown = scene.choice(held)?;
    let mut anywhere = false;
    for seen in &scene.observed.servers {
        if scene.installed(seen, held).is_none() {
            continue;
        }
        let proof = seen.proofs.get(&Some(name.clone()));
        let proved = proof.is_some_and(|(version, _)| *version == shown.version);
        if !proved || seen.doubted.contains(name) || seen.stale.contains(name) || seen.owed {
            return None;
        }
        anywhere = true;
    }
    anywhere.then_some(shown.facts.spki)
}
