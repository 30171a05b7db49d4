//! Updates of the zone at its primary (RFC 2136).

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::time::Instant;

use super::hand::{NotPut, Txt};
use crate::config::Rfc2136;
use crate::dns::{Change, Dns, Kind, NotUpdated, Record, addresses, update};
use crate::model::{Hostname, Timestamp};

pub(super) struct Updates {
    settings: Rfc2136,
    dns: Arc<dyn Dns>,
    /// The moment of the run, and when that was: updates are dated.
    began: (Timestamp, Instant),
}

impl Updates {
    pub(super) fn new(settings: Rfc2136, dns: Arc<dyn Dns>, now: Timestamp) -> Self {
        Self { settings, dns, began: (now, Instant::now()) }
    }

    pub(super) fn zone(&self) -> Option<&Hostname> {
        self.settings.zone.as_ref()
    }

    /// Who takes updates of a zone; `mname` is its primary by its SOA, where that is known.
    pub(super) async fn primary(
        &self,
        zone: &str,
        mname: Option<&str>,
    ) -> Result<Vec<SocketAddr>, String> {
        if let Some(server) = self.settings.server {
            return Ok(vec![server]);
        }
        let mname = match mname {
            Some(mname) => mname.to_owned(),
            None => match self.dns.ask(zone, Kind::Soa).await.records().first() {
                Some(Record::Soa(mname)) => mname.clone(),
                _ => return Err(format!("the SOA of {zone} cannot be had; see `dig {zone} SOA`")),
            },
        };
        let found = addresses(&mname, &*self.dns).await;
        if found.is_empty() {
            return Err(format!(
                "{mname}, the primary of {zone}, has no address; set `server` in \
                 [challenge.dns-01.rfc2136] (see `dig {zone} SOA`)"
            ));
        }
        Ok(found)
    }

    /// By taking away a record that is not there: the server's rules are asked as for any other
    /// change, and the zone stays as it is.
    pub(super) async fn rehearse(&self, txt: &Txt) -> Result<(), String> {
        let change = Change::Delete(txt.record.clone(), Record::Txt(REHEARSED.to_owned()));
        self.apply(txt, change).await.map_err(|why| why.to_string())
    }

    pub(super) async fn put(&self, txt: &Txt) -> Result<(), NotPut> {
        let record = Record::Txt(txt.value.clone());
        let change = Change::Add(txt.record.clone(), self.settings.ttl, record);
        self.apply(txt, change).await.map_err(|why| match why {
            NotUpdated::Unreachable(..) => NotPut::Unsure(why.to_string()),
            why => NotPut::No(why.to_string()),
        })
    }

    pub(super) async fn take(&self, txt: &Txt) -> Result<(), String> {
        let primary = match txt.primary.is_empty() {
            true => self.primary(&txt.zone, None).await?,
            false => txt.primary.clone(),
        };
        let txt = Txt { primary, ..txt.clone() };
        let change = Change::Delete(txt.record.clone(), Record::Txt(txt.value.clone()));
        self.apply(&txt, change).await.map_err(|why| why.to_string())
    }

    /// At the first of the primary's addresses that can be reached.
    async fn apply(&self, txt: &Txt, change: Change) -> Result<(), NotUpdated> {
        let (now, began) = self.began;
        let now = u64::try_from(now.unix()).unwrap_or_default() + began.elapsed().as_secs();
        let (changes, key) = ([change], self.settings.key.as_deref());
        let mut last = None;
        for server in &txt.primary {
            match update(*server, &txt.zone, key, &changes, now).await {
                Err(why @ NotUpdated::Unreachable(..)) => last = Some(why),
                done => return done,
            }
        }
        last.map_or(Ok(()), Err)
    }
}

/// No challenge says this, so nobody's record does.
const REHEARSED: &str = "mailcert tries whether it may";
