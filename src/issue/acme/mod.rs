//! [`Acme`]: a CA that speaks ACME (RFC 8555), by instant-acme over our own HTTP client.

mod account;
mod ari;
mod directory;
mod jws;
mod kind;
mod link;
mod order;
mod persist;
mod problem;
mod revoke;
mod spy;
mod staging;

pub use account::{AccountSeen, Registered, Standing};
pub use directory::{Directory, Meta, profile_unoffered};
pub use persist::persistent_value;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{OnceCell, Semaphore};

use crate::http::Http;
use crate::issue::{Ca, CaIdentity, Chain, Refusal, Solver, Suggested, Unsaid, Wanted};
use crate::model::{DnsId, Timestamp};
use crate::store::{Entry, Store};
use account::Session;
use spy::{Heard, Spy};

/// One CA and our account there. Made for one run; orders may share it.
pub struct Acme {
    settings: crate::config::Acme,
    http: Http,
    store: Arc<dyn Store>,
    now: Timestamp,
    http_port: u16,
    /// How long an order may take to become ready, or valid.
    patience: Duration,
    directory: OnceCell<(Directory, Bytes)>,
    session: tokio::sync::Mutex<Option<Arc<Session>>>,
    slots: Semaphore,
    /// Orders of this run that are ready: they need not be asked for again.
    ready: Mutex<BTreeMap<String, order::Open>>,
    /// Where names that failed are tried first.
    staging: Option<Box<Self>>,
    /// It could not be asked in this run, or not be used: it is left alone for the rest of it.
    useless: AtomicBool,
}

impl Acme {
    /// The CA of the configuration. Nothing is asked before the first use. `http` has the roots
    /// of `ca-file` where there is one; `now` dates what is remembered of the directory.
    #[must_use]
    pub fn new(
        settings: &crate::config::Acme,
        http: Http,
        store: Arc<dyn Store>,
        now: Timestamp,
    ) -> Self {
        let staging = staging::settings(settings);
        let staging =
            staging.map(|own| Box::new(Self::new(&own, http.clone(), store.clone(), now)));
        Self {
            settings: settings.clone(),
            http,
            store,
            now,
            http_port: 80,
            patience: PATIENCE,
            directory: OnceCell::new(),
            session: tokio::sync::Mutex::new(None),
            slots: Semaphore::new(AT_ONCE),
            ready: Mutex::default(),
            staging,
            useless: AtomicBool::new(false),
        }
    }

    /// The same for a CA that asks for http-01 on another port, as test CAs can.
    #[must_use]
    pub fn asking_on(mut self, port: u16) -> Self {
        self.http_port = port;
        self.staging = self.staging.map(|staging| Box::new(staging.asking_on(port)));
        self
    }

    /// What the CA says of itself: asked once, and remembered in the diary.
    ///
    /// # Errors
    /// [`Refusal`] (not by the CA) when it cannot be had.
    pub async fn directory(&self) -> Result<&Directory, Refusal> {
        Ok(&self.whole_directory().await?.0)
    }

    async fn whole_directory(&self) -> Result<&(Directory, Bytes), Refusal> {
        self.directory
            .get_or_try_init(|| async {
                let url = &self.settings.directory;
                let whole = Directory::ask_whole(&self.http, url, self.now).await?;
                self.remember(&whole.0);
                Ok(whole)
            })
            .await
    }

    /// The directory that an earlier run saw, where it is `young`.
    fn remembered(&self, young: Duration) -> Option<Directory> {
        let diary = self.store.diary().ok()?;
        let (at, body) = diary.directories.get(&self.settings.directory)?;
        let counts = self.now.since(*at) < young && *at <= self.now;
        serde_json::from_str(body).ok().filter(|_| counts)
    }

    /// A directory that cannot be written down is asked for again; no reason to stop.
    fn remember(&self, directory: &Directory) {
        let url = self.settings.directory.clone();
        let noted = serde_json::to_string(directory).map_err(|e| e.to_string()).and_then(|body| {
            let entry = Entry::Directory { url, at: self.now, body };
            self.store.note(&entry).map_err(|e| e.to_string())
        });
        if let Err(why) = noted {
            tracing::warn!("the CA's directory is not remembered: {why}");
        }
    }

    /// A client for one order, and where it leaves what the library does not tell.
    async fn spy(&self) -> Result<(Spy, Arc<Mutex<Heard>>), Refusal> {
        let (_, text) = self.whole_directory().await?;
        let heard = Arc::default();
        let directory = (self.settings.directory.clone(), text.clone());
        let (http, now) = (self.http.clone(), self.now);
        Ok((Spy { http, directory, heard: Arc::clone(&heard), now }, heard))
    }

    /// The account; looked up or made by whoever asks first.
    async fn session(&self) -> Result<Arc<Session>, Refusal> {
        let mut slot = self.session.lock().await;
        if let Some(session) = &*slot {
            return Ok(session.clone());
        }
        let session = Arc::new(self.find_account().await?);
        *slot = Some(session.clone());
        Ok(session)
    }

    /// Another account for the one the CA does not know; whoever comes second gets that of the
    /// first.
    async fn session_after(&self, lost: &Session) -> Result<Arc<Session>, Refusal> {
        let mut slot = self.session.lock().await;
        if let Some(session) = slot.as_ref().filter(|session| session.id != lost.id) {
            return Ok(session.clone());
        }
        tracing::warn!(account = lost.id, "the CA does not know the account; registering again");
        let session = Arc::new(self.register().await?);
        *slot = Some(session.clone());
        Ok(session)
    }
}

#[async_trait]
impl Ca for Acme {
    async fn order(&self, wanted: Wanted<'_>, solver: &dyn Solver) -> Result<String, Refusal> {
        if let Some(profile) = wanted.profile {
            self.directory().await?.offers(&self.settings.directory, profile)?;
        }
        // Debian's Pebble 2.4.0 deadlocks at 32 orders at once; 8 reach its full speed.
        let _slot = self.slots.acquire().await.expect("the semaphore is never closed");
        let open = order::Ordering { acme: self, wanted }.ready(solver).await?;
        let url = open.url().to_owned();
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).insert(url.clone(), open);
        Ok(url)
    }

    async fn finish(&self, url: &str, names: &[DnsId], csr: &[u8]) -> Result<Chain, Refusal> {
        let _slot = self.slots.acquire().await.expect("the semaphore is never closed");
        let open = self.ready.lock().unwrap_or_else(PoisonError::into_inner).remove(url);
        order::Ordering { acme: self, wanted: Wanted::of(names) }.finish(open, url, csr).await
    }

    async fn alternate(&self, url: &str) -> Result<String, Refusal> {
        let _slot = self.slots.acquire().await.expect("the semaphore is never closed");
        self.other_chain(url).await.map_err(|why| self.refused("another chain", why))
    }

    /// The order is left to expire; the CA uses the authorization again.
    async fn scout(&self, name: &DnsId, solver: &dyn Solver) -> Result<(), Refusal> {
        let _slot = self.slots.acquire().await.expect("the semaphore is never closed");
        let names = std::slice::from_ref(name);
        order::Ordering { acme: self, wanted: Wanted::of(names) }.ready(solver).await.map(drop)
    }

    async fn rehearse(&self, names: &[DnsId], solver: &dyn Solver) -> Result<Vec<DnsId>, Refusal> {
        self.try_at_staging(names, solver).await
    }

    async fn suggested(&self, certificate: &[u8]) -> Result<Suggested, Unsaid> {
        self.suggests(certificate, YOUNG).await
    }

    async fn identity(&self) -> Result<CaIdentity, Refusal> {
        let caa = self.directory().await?.meta.caa_identities.clone();
        let account = Some(self.session().await?.id.clone());
        Ok(CaIdentity { caa, account, http_port: Some(self.http_port) })
    }

    async fn caa_identity(&self) -> Result<CaIdentity, Refusal> {
        let url = &self.settings.directory;
        let directory = match self.remembered(YOUNG) {
            Some(directory) => directory,
            // Not remembered: whoever looks writes nothing.
            None => Directory::ask(&self.http, url, self.now).await?,
        };
        let account = self.kept_url();
        Ok(CaIdentity { caa: directory.meta.caa_identities, account, http_port: None })
    }
}

/// How long a directory of an earlier run is believed where nothing is ordered.
const YOUNG: Duration = Duration::from_secs(24 * 3600);
/// How long an order may take to become ready, or valid.
const PATIENCE: Duration = Duration::from_secs(180);
/// Orders at once.
const AT_ONCE: usize = 8;
/// How often a request is repeated after the library gave up over nonces (it tries three times).
const NONCE_TRIES: usize = 5;

#[cfg(test)]
mod tests;
