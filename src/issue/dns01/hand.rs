//! [`Hand`]: who puts records into the DNS and takes them away, one variant for each table below
//! `[challenge.dns-01]`.

use std::net::SocketAddr;
use std::sync::Arc;

use super::exec::Hook;
use super::place::Place;
use super::updates::Updates;
use crate::config::{Dns01, Writer};
use crate::dns::Dns;
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
}

impl Hand {
    pub(super) fn new(settings: &Dns01, dns: Arc<dyn Dns>, now: Timestamp) -> Self {
        match &settings.way {
            Writer::Rfc2136(updates) => Self::Updates(Updates::new(updates.clone(), dns, now)),
            Writer::Exec(exec) => Self::Hook(Hook::new(exec.clone())),
        }
    }

    /// The name of its table.
    pub(super) fn way(&self) -> &'static str {
        match self {
            Self::Updates(_) => "rfc2136",
            Self::Hook(_) => "exec",
        }
    }

    /// The zone, where the configuration states it.
    pub(super) fn zone(&self) -> Option<&Hostname> {
        match self {
            Self::Updates(updates) => updates.zone(),
            Self::Hook(_) => None,
        }
    }

    /// Who is told of a record.
    pub(super) fn at(&self, txt: &Txt) -> String {
        match self {
            Self::Updates(_) => txt.primary.first().map(ToString::to_string).unwrap_or_default(),
            Self::Hook(hook) => hook.program(),
        }
    }

    /// Where this record's zone takes changes.
    pub(super) async fn primary(&self, place: &Place) -> Result<Vec<SocketAddr>, String> {
        match self {
            Self::Updates(updates) => updates.primary(&place.zone, Some(&place.mname)).await,
            Self::Hook(_) => Ok(Vec::new()),
        }
    }

    /// Tries whether `txt` could be put there; nothing changes.
    pub(super) async fn rehearse(&self, txt: &Txt) -> Result<(), String> {
        match self {
            Self::Updates(updates) => updates.rehearse(txt).await,
            Self::Hook(hook) => hook.rehearse(),
        }
    }

    pub(super) async fn put(&self, txt: &Txt) -> Result<(), NotPut> {
        match self {
            Self::Updates(updates) => updates.put(txt).await,
            Self::Hook(hook) => hook.put(txt).await,
        }
    }

    /// Takes a record away; that it is not there is no error.
    pub(super) async fn take(&self, txt: &Txt) -> Result<(), String> {
        match self {
            Self::Updates(updates) => updates.take(txt).await,
            Self::Hook(hook) => hook.take(txt).await,
        }
    }
}
