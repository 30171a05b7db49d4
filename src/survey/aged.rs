//! How long a proof speaks for today, and how one that is only old is renewed.
//!
//! A proof that is only old is renewed by fewer looks: one name on each listener says that the
//! certificate is still shown there, and each name has its turn every seven days.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::model::{CertName, Hostname, Inspection, Timestamp};
use crate::servers::Shown;
use crate::store::Proof;
use crate::survey::{Look, live};
use crate::verify::{self, Ask, How};

/// No name is left out for longer than this (contract.md, `[verify] every`).
const EACH_NAME: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What is looked at again, and what is not with what was seen of it.
pub(super) struct Thinned {
    pub(super) asks: Vec<Ask>,
    pub(super) rest: Vec<(Ask, Arc<Inspection>)>,
}

impl Thinned {
    /// Everything.
    pub(super) fn nothing(asks: Vec<Ask>) -> Self {
        Self { asks, rest: Vec::new() }
    }

    /// What was never seen or not for seven days; else, of each listener, the name that was seen
    /// longest ago.
    pub(super) fn of(asks: Vec<Ask>, proof: &Proof, now: Timestamp) -> Self {
        let seen: BTreeMap<Place<'_>, &Arc<Inspection>> = (proof.inspections.iter())
            .map(|seen| ((&seen.host, seen.address, seen.port), seen))
            .collect();
        let fresh = |ask: &Ask| {
            let known = seen.get(&place(ask)).copied();
            known.filter(|known| now.since(known.proved_at) < EACH_NAME)
        };
        let mut oldest: BTreeMap<(Option<IpAddr>, u16), Option<Turn<'_>>> = BTreeMap::new();
        for ask in &asks {
            let turn = fresh(ask).map(|known| (known.proved_at, &ask.endpoint.host));
            let listener = oldest.entry((ask.endpoint.address, ask.endpoint.port)).or_insert(turn);
            // `None`, which is least, is a look that is due by itself.
            *listener = (*listener).min(turn);
        }
        let due: BTreeSet<_> = oldest
            .into_iter()
            .filter_map(|((address, port), turn)| turn.map(|(_, host)| (host, address, port)))
            .map(|(host, address, port)| (host.clone(), address, port))
            .collect();
        let mut thinned = Self::nothing(Vec::new());
        for ask in asks.iter().cloned() {
            let (host, address, port) = place(&ask);
            match fresh(&ask) {
                Some(known) if !due.contains(&(host.clone(), address, port)) => {
                    thinned.rest.push((ask, Arc::clone(known)));
                }
                _ => thinned.asks.push(ask),
            }
        }
        thinned
    }
}

/// One certificate on one server, and what is looked at of it.
pub(super) struct Group {
    pub(super) index: usize,
    pub(super) subject: Option<CertName>,
    pub(super) shown: Shown,
    pub(super) own: Thinned,
}

/// Looks at every group in one bounded round. Where a few looks were to renew a proof and not all
/// is as it should be, the others are taken in a second one.
pub(super) async fn look_at(groups: Vec<Group>, how: &How) -> Vec<(Group, Vec<Arc<Inspection>>)> {
    let asks: Vec<Ask> = groups.iter().flat_map(|group| group.own.asks.clone()).collect();
    let mut seen = verify::inspect_all(&asks, how, &|_| {}).await.into_iter().map(Arc::new);
    let mut looked: Vec<(Group, Vec<_>)> = Vec::with_capacity(groups.len());
    for group in groups {
        let own = seen.by_ref().take(group.own.asks.len()).collect();
        looked.push((group, own));
    }
    let is_right = |(group, own): &(Group, Vec<_>)| live::shows(own, &group.shown.facts.leaf);
    let rest = looked.iter().filter(|one| !is_right(one));
    let rest: Vec<Ask> =
        rest.flat_map(|(group, _)| group.own.rest.iter().map(|(ask, _)| ask.clone())).collect();
    let mut seen = verify::inspect_all(&rest, how, &|_| {}).await.into_iter().map(Arc::new);
    for (group, own) in &mut looked {
        match live::shows(own, &group.shown.facts.leaf) {
            true => own.extend(group.own.rest.iter().map(|(_, known)| Arc::clone(known))),
            false => own.extend(seen.by_ref().take(group.own.rest.len())),
        }
    }
    looked
}

/// When a name was seen: the least has its turn.
type Turn<'a> = (Timestamp, &'a Hostname);

/// What tells one endpoint from another.
type Place<'a> = (&'a Hostname, Option<IpAddr>, u16);

fn place(ask: &Ask) -> Place<'_> {
    (&ask.endpoint.host, ask.endpoint.address, ask.endpoint.port)
}

/// Whether a proof says how this version fares, or how it will: while it is another version's, a
/// step of the plan looks, which can tell whether a name is worse than it was.
pub(super) fn is_settled(shown: &Shown) -> impl Fn(&Proof) -> bool + use<> {
    let version = shown.version;
    move |proof| proof.version == version && proof.before.is_none()
}

/// Whether what was seen once still speaks for today.
pub(super) fn stands(
    proof: &Proof,
    of_this_run: bool,
    shown: &Shown,
    edited: Option<Timestamp>,
    look: &Look<'_>,
) -> bool {
    let is_recent = || look.now.since(proof.at) < look.every;
    (of_this_run && is_of(proof, shown)) || (speaks(proof, shown, edited, look) && is_recent())
}

/// The same, but for its age.
pub(super) fn speaks(
    proof: &Proof,
    shown: &Shown,
    edited: Option<Timestamp>,
    look: &Look<'_>,
) -> bool {
    is_of(proof, shown)
        && !live::names(shown).iter().any(|host| look.anew.takes_in(host))
        && edited.is_none_or(|edited| edited <= proof.at)
        && live::shows(&proof.inspections, &shown.facts.leaf)
}

fn is_of(proof: &Proof, shown: &Shown) -> bool {
    proof.version == shown.version && !proof.void
}

#[cfg(test)]
mod tests {
    use super::Thinned;
    use crate::model::{Endpoint, Hostname, Inspection, Service, Timestamp, Version};
    use crate::store::Proof;
    use crate::verify::{Ask, Sni};

    const DAY: i64 = 86_400;

    fn ask(host: &str, port: u16) -> Ask {
        let (host, address) = (Hostname::parse(host).unwrap(), "192.0.2.7".parse().ok());
        Ask {
            endpoint: Endpoint { host, service: Service::Smtp, port, address },
            domain: None,
            ours: Some(true),
            connect: None,
            origin: None,
            optional: false,
            sni: Sni::Host,
            side: None,
            proxy_header: false,
        }
    }

    fn seen(host: &str, port: u16, day: i64) -> Inspection {
        let text = format!(
            r#"{{"host":"{host}","domain":null,"service":"smtp","port":{port},
            "address":"192.0.2.7","sni":null,"ours":true,"verdict":"accepted","stages":{{}},
            "problems":[],"tls":null,"certificate":null,"proved_at":"{}","millis":1}}"#,
            Timestamp::from_unix(day * DAY)
        );
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    #[test]
    fn each_listener_is_looked_at_by_one_name_and_each_name_every_seven_days() {
        let asks: Vec<Ask> = ["a.test", "b.test", "c.test"]
            .iter()
            .flat_map(|host| [25, 465].map(|port| ask(host, port)))
            .collect();
        let looks = |days: [i64; 6]| {
            let looks = asks.iter().zip(days).filter(|(_, day)| *day > 0);
            looks.map(|(ask, day)| seen(ask.endpoint.host.as_str(), ask.endpoint.port, day).into())
        };
        for (days, expected) in [
            ([9, 9, 9, 9, 9, 9], "a.test:25 a.test:465"),
            ([9, 9, 8, 9, 9, 8], "b.test:25 c.test:465"),
            ([9, 9, 3, 9, 9, 9], "a.test:465 b.test:25"),
            ([3, 9, 3, 9, 3, 9], "a.test:25 a.test:465 b.test:25 c.test:25"),
            ([9, 9, 0, 9, 9, 9], "a.test:465 b.test:25"),
        ] {
            let proof = Proof {
                version: Version(1),
                at: Timestamp::from_unix(9 * DAY),
                void: false,
                inspections: looks(days).collect(),
                before: None,
            };
            let now = Timestamp::from_unix(10 * DAY);
            let thinned = Thinned::of(asks.clone(), &proof, now);
            let mut again: Vec<String> = thinned
                .asks
                .iter()
                .map(|ask| format!("{}:{}", ask.endpoint.host, ask.endpoint.port))
                .collect();
            again.sort();
            assert_eq!(again.join(" "), expected, "{days:?}");
            assert_eq!(thinned.asks.len() + thinned.rest.len(), asks.len());
        }
    }
}
