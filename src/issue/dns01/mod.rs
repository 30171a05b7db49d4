//! dns-01 (RFC 8555 section 8.4) by updates of the zone (RFC 2136): one TXT record for each name,
//! beside whatever others have there, seen at every server of the zone before the CA is told.
//!
//! The diary knows of each record before the DNS does, so that the next run takes away what a killed
//! one left. It is known by its text: other clients may present at the same name.

mod left;
mod place;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use crate::config::{Dns01, Rfc2136};
use crate::dns::{Change, Dns, Kind, NotUpdated, Record, Reply, Resolver, update};
use crate::issue::{Solver, digest};
use crate::model::{Challenge, Hostname, Timestamp};
use crate::store::Store;
use left::Left;
use place::Place;

/// Puts the records of challenges into the DNS.
pub struct Updates {
    settings: Rfc2136,
    dns: Arc<dyn Dns>,
    left: Left,
    /// The moment of the run, and when that was: updates are dated.
    began: (Timestamp, Instant),
    shown: Mutex<Vec<Shown>>,
}

/// One record that is in the DNS for us.
#[derive(Clone)]
struct Shown {
    host: Hostname,
    token: String,
    value: String,
    place: Arc<Place>,
}

impl Updates {
    /// By the configuration. `dns` must not remember answers: zones are asked for as they are.
    #[must_use]
    pub fn new(settings: &Dns01, dns: Arc<dyn Dns>, store: Arc<dyn Store>, now: Timestamp) -> Self {
        let (began, left) = ((now, Instant::now()), Left { store });
        Self { settings: settings.rfc2136.clone(), dns, left, began, shown: Mutex::default() }
    }

    fn shown(&self) -> std::sync::MutexGuard<'_, Vec<Shown>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        let (now, began) = self.began;
        u64::try_from(now.unix()).unwrap_or_default() + began.elapsed().as_secs()
    }
}

#[async_trait]
impl Solver for Updates {
    fn kind(&self, _: &Hostname) -> Challenge {
        Challenge::Dns01
    }

    /// By taking away a record that is not there: the server's rules are asked as for any other
    /// change, and the zone stays as it is.
    async fn rehearse(&self, host: &Hostname) -> Result<(), String> {
        let place = place::find(&*self.dns, host, &self.settings).await?;
        let change = Change::Delete(place.record.clone(), Record::Txt(REHEARSED.to_owned()));
        let done = apply(&self.settings, &place.primary, &place.zone, &[change], self.now()).await;
        done.map_err(|why| format!("{host}: {why}"))
    }

    async fn present(&self, host: &Hostname, token: &str, answer: &str) -> Result<(), String> {
        let place = place::find(&*self.dns, host, &self.settings).await?;
        if let Some(alias) = &place.alias {
            tracing::info!("{alias} is an alias: the challenge of {host} goes to {}", place.record);
        }
        let value = BASE64_URL_SAFE_NO_PAD.encode(digest(answer));
        let record = Record::Txt(value.clone());
        let change = Change::Add(place.record.clone(), self.settings.ttl, record);
        let (host, token) = (host.clone(), token.to_owned());
        let shown = Shown { host, token, value, place: Arc::new(place) };
        let said = |why: String| format!("{}: {why}", shown.host);
        self.left.begins(&shown, self.began.0).map_err(said)?;
        let place = &shown.place;
        let added = apply(&self.settings, &place.primary, &place.zone, &[change], self.now()).await;
        match added {
            Ok(()) => self.shown().push(shown),
            Err(why @ NotUpdated::Unreachable(..)) => {
                // It may have been done all the same.
                let (said, host) = (said(why.to_string()), shown.host.clone());
                let token = shown.token.clone();
                self.shown().push(shown);
                self.clear(&host, &token).await;
                return Err(said);
            }
            Err(why) => {
                self.left.ended(&shown);
                return Err(said(why.to_string()));
            }
        }
        Ok(())
    }

    async fn settle(&self, hosts: &[Hostname]) -> Result<(), Vec<(Hostname, String)>> {
        let ours: Vec<_> =
            self.shown().iter().filter(|shown| hosts.contains(&shown.host)).cloned().collect();
        let patience = self.settings.propagation;
        let seen = join_all(ours.iter().map(|shown| wait_for(shown, patience))).await;
        let unseen = ours.iter().zip(seen);
        let unseen: Vec<_> = unseen
            .filter_map(|(shown, seen)| seen.err().map(|why| (shown.host.clone(), why)))
            .collect();
        if unseen.is_empty() { Ok(()) } else { Err(unseen) }
    }

    async fn sweep(&self) {
        self.left.sweep(&self.settings, &*self.dns, (self.began.0, self.now())).await;
    }

    /// Goes on by itself where the caller does not wait.
    async fn clear(&self, host: &Hostname, token: &str) {
        let mut gone = Vec::new();
        self.shown().retain(|shown| {
            let ours = shown.host == *host && shown.token == token;
            if ours {
                gone.push(shown.clone());
            }
            !ours
        });
        let (settings, left, now) = (self.settings.clone(), self.left.clone(), self.now());
        let work = tokio::spawn(async move {
            for shown in gone {
                let (record, value) = (&shown.place.record, Record::Txt(shown.value.clone()));
                let (change, place) = (Change::Delete(record.clone(), value), &shown.place);
                match apply(&settings, &place.primary, &place.zone, &[change], now).await {
                    Ok(()) => left.ended(&shown),
                    Err(why) => {
                        let host = &shown.host;
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

/// Changes at the zone's primary: at the first of its addresses that can be reached.
async fn apply(
    settings: &Rfc2136,
    primary: &[SocketAddr],
    zone: &str,
    changes: &[Change],
    now: u64,
) -> Result<(), NotUpdated> {
    let mut last = None;
    for server in primary {
        match update(*server, zone, settings.key.as_deref(), changes, now).await {
            Err(why @ NotUpdated::Unreachable(..)) => last = Some(why),
            done => return done,
        }
    }
    last.map_or(Ok(()), Err)
}

/// What one server of the zone says.
enum Look {
    Shows,
    Lacks,
    Silent,
}

/// Waits until every server of the zone shows the record. One that is silent is no obstacle, since
/// the CA goes on to the next as well; one that answers without the record is.
async fn wait_for(shown: &Shown, patience: Duration) -> Result<(), String> {
    let began = Instant::now();
    let place = &shown.place;
    let mut pause = FIRST_PAUSE;
    loop {
        let looks = join_all(place.servers.iter().map(|server| async move {
            let look = match Resolver::new(&[*server]) {
                Ok(resolver) => look(&resolver, &place.record, &shown.value).await,
                Err(_) => Look::Silent,
            };
            (*server, look)
        }));
        let looks = looks.await;
        let which = |wanted: fn(&Look) -> bool| {
            let found = looks.iter().filter(|(_, look)| wanted(look));
            found.map(|(server, _)| server.to_string()).collect::<Vec<_>>().join(", ")
        };
        let lacking = which(|look| matches!(look, Look::Lacks));
        let silent = which(|look| matches!(look, Look::Silent));
        let shows = looks.iter().any(|(_, look)| matches!(look, Look::Shows));
        if shows && lacking.is_empty() {
            if !silent.is_empty() {
                tracing::warn!("servers of {} that do not answer: {silent}", place.zone);
            }
            return Ok(());
        }
        if began.elapsed() >= patience {
            let who = if lacking.is_empty() { "no server answers" } else { &lacking };
            return Err(format!(
                "{}: {} is not at every server of {} after {} s (missing at: {who}); is the \
                 primary's NOTIFY reaching them? See `dig @SERVER {} TXT`, or raise `propagation`",
                shown.host,
                place.record,
                place.zone,
                patience.as_secs(),
                place.record
            ));
        }
        tracing::info!("waiting for {} at {lacking}", place.record);
        sleep(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

async fn look(resolver: &Resolver, record: &str, value: &str) -> Look {
    match resolver.ask(record, Kind::Txt).await.reply {
        Reply::Records(records) if records.contains(&Record::Txt(value.to_owned())) => Look::Shows,
        Reply::Records(_) | Reply::Absent(_) => Look::Lacks,
        Reply::Failed(_) => Look::Silent,
    }
}

/// No challenge says this, so nobody's record does.
const REHEARSED: &str = "mailcert tries whether it may";
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
