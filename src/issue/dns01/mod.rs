//! dns-01 (RFC 8555 section 8.4): one TXT record for each name (a host and the wildcard below it
//! have one each, at the same place), beside whatever others have there,
//! seen at every server of the zone before the CA is told. Who puts it there ([`hand::Hand`]) is for
//! the configuration to say.
//!
//! The diary knows of each record before the DNS does, so that the next run takes away what a killed
//! one left. It is known by its text: other clients may present at the same name.

mod delegated;
mod exec;
mod hand;
mod left;
mod limit;
mod place;
mod seen;
mod server;
mod updates;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures_util::future::join_all;

use crate::config::Dns01;
use crate::dns::Dns;
use crate::issue::{Solver, digest};
use crate::model::{Challenge, DnsId, Timestamp};
use crate::store::Store;
use hand::{Hand, NotPut, Txt};
use left::Left;

pub use delegated::missing_records;
pub use left::others as left_in_dns;

/// Puts the records of challenges into the DNS.
pub struct Records {
    hand: Arc<Hand>,
    propagation: Duration,
    dns: Arc<dyn Dns>,
    left: Left,
    now: Timestamp,
    shown: Mutex<Vec<Shown>>,
}

/// One record that is in the DNS for us.
#[derive(Clone)]
struct Shown {
    /// For whom: a host and the wildcard below it have a record each, at the same name.
    name: DnsId,
    token: String,
    txt: Txt,
    /// Every address of every server of its zone.
    servers: Arc<[SocketAddr]>,
}

impl Records {
    /// By the configuration. `dns` must not remember answers: zones are asked for as they are.
    #[must_use]
    pub fn new(settings: &Dns01, dns: Arc<dyn Dns>, store: Arc<dyn Store>, now: Timestamp) -> Self {
        let hand = Arc::new(Hand::new(settings, dns.clone(), now));
        let left = Left { store, way: settings.way.table() };
        let propagation = settings.propagation;
        Self { hand, propagation, dns, left, now, shown: Mutex::default() }
    }

    fn shown(&self) -> std::sync::MutexGuard<'_, Vec<Shown>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The record for `name` with the text `value`, where it belongs.
    async fn place(&self, name: &DnsId, token: &str, value: &str) -> Result<Shown, String> {
        let host = name.domain();
        let place = self.hand.place(&*self.dns, host).await?;
        if let Some(alias) = &place.alias {
            tracing::info!("{alias} is an alias: the challenge of {host} goes to {}", place.record);
        }
        let primary = self.hand.primary(&place).await?;
        let (host, value, token) = (host.clone(), value.to_owned(), token.to_owned());
        let txt = Txt { host, zone: place.zone, record: place.record, value, primary };
        Ok(Shown { name: name.clone(), token, txt, servers: place.servers.into() })
    }

    async fn put(&self, name: &DnsId, token: &str, value: &str) -> Result<(), String> {
        let shown = self.place(name, token, value).await?;
        if self.hand.leaves_records() {
            self.left.begins(&shown.txt, &self.hand, self.now)?;
        }
        match self.hand.put(&shown.txt).await {
            Ok(()) => self.shown().push(shown),
            Err(NotPut::Unsure(why)) => {
                self.shown().push(shown);
                self.clear(name, token).await;
                return Err(why);
            }
            Err(NotPut::No(why)) => {
                self.left.ended(&shown.txt);
                return Err(why);
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Solver for Records {
    fn kind(&self, _: &DnsId) -> Challenge {
        Challenge::Dns01
    }

    async fn rehearse(&self, name: &DnsId) -> Result<(), String> {
        let said = |why: String| format!("{name}: {why}");
        let shown = self.place(name, "", "").await.map_err(said)?;
        self.hand.rehearse(&shown.txt).await.map_err(said)
    }

    async fn present(&self, name: &DnsId, token: &str, answer: &str) -> Result<(), String> {
        let value = BASE64_URL_SAFE_NO_PAD.encode(digest(answer));
        self.put(name, token, &value).await.map_err(|why| format!("{name}: {why}"))
    }

    async fn settle(&self, names: &[DnsId]) -> Result<(), Vec<(DnsId, String)>> {
        let ours = self.shown().clone().into_iter().filter(|shown| names.contains(&shown.name));
        let ours: Vec<_> = ours.collect();
        let seen =
            join_all(ours.iter().map(|shown| self.hand.settle(shown, self.propagation))).await;
        let unseen = ours.iter().zip(seen);
        let unseen: Vec<_> = unseen
            .filter_map(|(shown, seen)| seen.err().map(|why| (shown.name.clone(), why)))
            .collect();
        if unseen.is_empty() { Ok(()) } else { Err(unseen) }
    }

    async fn sweep(&self) {
        self.left.sweep(&self.hand, self.now).await;
    }

    /// Goes on by itself where the caller does not wait.
    async fn clear(&self, name: &DnsId, token: &str) {
        let mut gone = Vec::new();
        self.shown().retain(|shown| {
            let ours = shown.name == *name && shown.token == token;
            if ours {
                gone.push(shown.txt.clone());
            }
            !ours
        });
        let (hand, left) = (self.hand.clone(), self.left.clone());
        let work = tokio::spawn(async move {
            for txt in gone {
                match hand.take(&txt).await {
                    Ok(()) => left.ended(&txt),
                    Err(why) => {
                        let Txt { host, record, .. } = &txt;
                        tracing::warn!(%host, "the challenge at {record} stays in the DNS: {why}");
                    }
                }
            }
        });
        if let Err(why) = work.await {
            tracing::warn!("challenges were not taken out of the DNS: {why}");
        }
    }
}
