//! [`Everywhere`]: what every server of a zone says of the TLSA records at one name.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use futures_util::future::join_all;

use super::key_of;
use crate::dns::{Dns, Kind, Reply, Resolver, ZoneServers};
use crate::model::{Announced, Code, Finding, Hostname, KeyHash, Timestamp};
use crate::verify::dane::Tlsa;

/// What each server says; an error is why they could not be asked.
pub(super) struct Everywhere {
    servers: Result<Vec<Server>, String>,
}

/// One server: the keys that each of its addresses shows, and for how long.
struct Server {
    name: String,
    answers: Vec<(BTreeSet<KeyHash>, u32)>,
}

impl Server {
    /// Whether it was seen with the key, and nowhere without it. (An address that does not answer
    /// may be one that this machine cannot reach.)
    fn shows(&self, key: &KeyHash) -> bool {
        !self.answers.is_empty() && self.answers.iter().all(|(keys, _)| keys.contains(key))
    }
}

impl Everywhere {
    pub(super) async fn look(owner: &str, dns: &dyn Dns) -> Self {
        let zone = match ZoneServers::of(owner, dns).await {
            Ok(zone) => zone,
            Err(why) => return Self { servers: Err(why) },
        };
        let asked = zone.servers.into_iter().map(|(name, addresses)| async move {
            let answers = join_all(addresses.into_iter().map(|at| ask(owner, at))).await;
            Server { name, answers: answers.into_iter().flatten().collect() }
        });
        Self { servers: Ok(join_all(asked).await) }
    }

    /// What is known of a record now.
    pub(super) fn known(
        &self,
        key: &KeyHash,
        before: Option<Announced>,
        now: Timestamp,
    ) -> Announced {
        let servers = self.servers.as_ref().map_or(&[][..], Vec::as_slice);
        let stands = !servers.is_empty() && servers.iter().all(|server| server.shows(key));
        let since = before.and_then(|before| before.since).filter(|since| *since <= now);
        let seen = servers.iter().flat_map(|server| &server.answers).map(|(_, ttl)| *ttl);
        Announced {
            since: stands.then_some(since.unwrap_or(now)),
            looked: now,
            ttl: seen.chain(before.filter(|_| !stands).map(|before| before.ttl)).max().unwrap_or(0),
            ours: before.is_some_and(|before| before.ours),
            gone: None,
        }
    }

    /// Whether some server shows a key.
    pub(super) fn shows(&self, key: &KeyHash) -> bool {
        let servers = self.servers.as_ref().map_or(&[][..], Vec::as_slice);
        servers.iter().any(|server| server.shows(key))
    }

    /// Who does not show keys that the resolver shows.
    pub(super) fn lacking<'k>(
        &self,
        host: &Hostname,
        owner: &str,
        keys: impl Iterator<Item = &'k KeyHash>,
    ) -> Vec<Finding> {
        let note = |key: &KeyHash| {
            let who = match &self.servers {
                Err(why) => why.clone(),
                Ok(servers) => {
                    let lack = servers.iter().filter(|server| !server.shows(key));
                    let lack: Vec<&str> = lack.map(|server| server.name.as_str()).collect();
                    if lack.is_empty() {
                        return None;
                    }
                    format!("{} does not show it or does not answer", lack.join(", "))
                }
            };
            let message = format!(
                "{who}: until every server of the zone shows {owner}. IN TLSA 3 1 1 {key}, that \
                 key is not used; see `dig @SERVER {owner} TLSA`"
            );
            Some(Finding::new(Code::TlsaWaits, host, message))
        };
        keys.filter_map(note).collect()
    }
}

/// The keys that one address of a server shows; `None` where it does not answer.
async fn ask(owner: &str, at: SocketAddr) -> Option<(BTreeSet<KeyHash>, u32)> {
    let answer = Resolver::new(&[at]).ok()?.ask(owner, Kind::Tlsa).await;
    let ttl = u32::try_from(answer.ttl.as_secs()).unwrap_or(u32::MAX);
    match answer.reply {
        Reply::Records(records) => {
            let keys = records.iter().filter_map(Tlsa::of).filter_map(|tlsa| key_of(&tlsa));
            Some((keys.collect(), ttl))
        }
        Reply::Absent(_) => Some((BTreeSet::new(), 0)),
        Reply::Failed(_) => None,
    }
}
