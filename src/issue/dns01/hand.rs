//! [`Hand`]: who puts records into the DNS and takes them away, one variant for each table below
//! `[challenge.dns-01]`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::delegated;
use super::exec::Hook;
use super::place::{self, Place};
use super::server::Server;
use super::updates::Updates;
use super::{Shown, seen};
use crate::config::{Dns01, Serve, Writer};
use crate::dns::{Authority, Dns};
use crate::model::{Hostname, Timestamp};

/// One record.
#[derive(Clone)]
pub(super) struct Txt {
    /// The name that is proved by it.
    pub(super) host: Hostname,
    pub(super) zone: String,
    /// Its name.
    pub(super) record: String,
    /// Its text.
    pub(super) value: String,
    /// Who takes updates of the zone, where that is known.
    pub(super) primary: Vec<SocketAddr>,
}

/// Why a record is not there.
pub(super) enum NotPut {
    /// It certainly is not.
    No(String),
    /// It may be there all the same.
    Unsure(String),
}

/// Who puts records into the DNS.
pub(super) enum Hand {
    Updates(Updates),
    Hook(Hook),
    Server(Serve, Server),
}

impl Hand {
    pub(super) fn new(settings: &Dns01, dns: Arc<dyn Dns>, now: Timestamp) -> Self {
        match &settings.way {
            Writer::Rfc2136(updates) => Self::Updates(Updates::new(updates.clone(), dns, now)),
            Writer::Exec(exec) => Self::Hook(Hook::new(exec.clone())),
            Writer::Serve(serve) => {
                let authority = Authority::new(&serve.name, serve.zone.as_ref());
                let server = Server::new(serve.listen.clone(), authority);
                Self::Server(serve.clone(), server)
            }
        }
    }

    /// Whether a record outlives this process.
    pub(super) fn leaves_records(&self) -> bool {
        !matches!(self, Self::Server(..))
    }

    /// Waits until the record is seen where the CA asks for it.
    pub(super) async fn settle(&self, shown: &Shown, patience: Duration) -> Result<(), String> {
        match self {
            Self::Updates(_) | Self::Hook(_) => seen::wait_for(shown, patience).await,
            Self::Server(..) => seen::by_itself(shown).await,
        }
    }

    /// Where the record of `host` belongs.
    pub(super) async fn place(&self, dns: &dyn Dns, host: &Hostname) -> Result<Place, String> {
        match self {
            Self::Updates(updates) => place::find(dns, host, updates.zone()).await,
            Self::Hook(_) => place::find(dns, host, None).await,
            Self::Server(settings, _) => delegated::find(dns, host, settings).await,
        }
    }

    /// Who is told of a record.
    pub(super) fn at(&self, txt: &Txt) -> String {
        match self {
            Self::Updates(_) => txt.primary.first().map(ToString::to_string).unwrap_or_default(),
            Self::Hook(hook) => hook.program(),
            Self::Server(settings, _) => settings.name.to_string(),
        }
    }

    /// Where this record's zone takes changes.
    pub(super) async fn primary(&self, place: &Place) -> Result<Vec<SocketAddr>, String> {
        match self {
            Self::Updates(updates) => updates.primary(&place.zone, Some(&place.mname)).await,
            Self::Hook(_) | Self::Server(..) => Ok(Vec::new()),
        }
    }

    /// Tries whether `txt` could be put there; nothing changes.
    pub(super) async fn rehearse(&self, txt: &Txt) -> Result<(), String> {
        match self {
            Self::Updates(updates) => updates.rehearse(txt).await,
            Self::Hook(hook) => hook.rehearse(),
            Self::Server(_, server) => server.rehearse().await,
        }
    }

    pub(super) async fn put(&self, txt: &Txt) -> Result<(), NotPut> {
        match self {
            Self::Updates(updates) => updates.put(txt).await,
            Self::Hook(hook) => hook.put(txt).await,
            Self::Server(_, server) => server.show(txt).await.map_err(NotPut::No),
        }
    }

    /// Takes a record away; that it is not there is no error.
    pub(super) async fn take(&self, txt: &Txt) -> Result<(), String> {
        match self {
            Self::Updates(updates) => updates.take(txt).await,
            Self::Hook(hook) => hook.take(txt).await,
            Self::Server(_, server) => {
                server.hide(txt);
                server.wait_for_end().await;
                Ok(())
            }
        }
    }
}
