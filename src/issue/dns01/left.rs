//! [`Left`]: what the diary says of records that are in the DNS for us.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::timeout;

use super::hand::{Hand, Txt};
use crate::config::Dns01;
use crate::dns::{Dns, Kind, Record, Reply};
use crate::model::{Code, Finding, Hostname, Timestamp};
use crate::store::{Entry, Put, PutBy, Store, StoreError};

/// The records of which the diary says that they may be there.
#[derive(Clone)]
pub(super) struct Left {
    pub(super) store: Arc<dyn Store>,
    /// The way that is configured.
    pub(super) way: &'static str,
}

impl Left {
    /// Writes down that the record is about to be there.
    pub(super) fn begins(&self, txt: &Txt, hand: &Hand, now: Timestamp) -> Result<(), String> {
        let (way, at, host) = (self.way.to_owned(), hand.at(txt), txt.host.clone());
        let written = self.note(txt, Some(now), Some(PutBy { way, at, host }));
        written.map_err(|error| format!("its challenge cannot be written down: {error}"))
    }

    /// Writes down that it is not there.
    pub(super) fn ended(&self, txt: &Txt) {
        if let Err(error) = self.note(txt, None, None) {
            // The next run takes it away once more, which harms nobody.
            tracing::debug!(%error, "the end of a challenge was not written");
        }
    }

    fn note(
        &self,
        txt: &Txt,
        since: Option<Timestamp>,
        by: Option<PutBy>,
    ) -> Result<(), StoreError> {
        let (zone, record, value) = (txt.zone.clone(), txt.record.clone(), txt.value.clone());
        self.store.note(&Entry::Presented { zone, record, value, since, by })
    }

    /// Takes away what the diary says is left, zone by zone. What was put there in another way than
    /// is configured now is none of this hand's: [`others`] tells of it.
    pub(super) async fn sweep(&self, hand: &Hand, today: Timestamp) {
        let mut zones: BTreeMap<String, Vec<Txt>> = BTreeMap::new();
        match self.store.diary() {
            Ok(diary) => {
                let ours = diary.presented.iter().filter(|(_, put)| put.way() == self.way);
                for (txt, put) in ours.filter_map(|(name, put)| Some((txt(name, put)?, put))) {
                    if today.since(put.since) > GIVEN_UP {
                        let Txt { record, value, zone, .. } = &txt;
                        tracing::warn!("{record} TXT {value} is given up: it stays in {zone}");
                        self.ended(&txt);
                    } else {
                        zones.entry(put.zone.clone()).or_default().push(txt);
                    }
                }
            }
            Err(error) => return tracing::debug!(%error, "what is left in the DNS is not known"),
        }
        let zones = futures_util::stream::iter(zones.into_values());
        let work = zones.for_each_concurrent(ZONES, |left| async move {
            for txt in left {
                if let Err(why) = hand.take(&txt).await {
                    tracing::warn!("a challenge of an earlier run stays at {}: {why}", txt.record);
                    break;
                }
                tracing::info!("the challenge of an earlier run at {} is gone", txt.record);
                self.ended(&txt);
            }
        });
        if timeout(PATIENCE, work).await.is_err() {
            tracing::warn!(
                "not every challenge of an earlier run was taken out of the DNS in time"
            );
        }
    }
}

/// Records that nobody will take away: they were put there in a way that is not configured any more.
/// What is not in the DNS any more is forgotten.
///
/// # Errors
/// [`StoreError`] when the diary cannot be read or written.
pub async fn others(
    settings: Option<&Dns01>,
    store: &dyn Store,
    dns: &dyn Dns,
) -> Result<Vec<Finding>, StoreError> {
    let way = settings.map(|settings| settings.way.table());
    let diary = store.diary()?;
    let left = diary.presented.iter().filter(|(_, put)| Some(put.way()) != way);
    let left: Vec<_> = left.map(|(txt, put)| (txt.clone(), put.clone())).collect();
    drop(diary);
    let mut findings = Vec::new();
    for ((record, value), put) in left {
        let ours = Record::Txt(value.clone());
        match dns.ask(&record, Kind::Txt).await.reply {
            Reply::Records(records) if records.contains(&ours) => {}
            Reply::Failed(_) => {}
            Reply::Records(_) | Reply::Absent(_) => {
                let (zone, since, by) = (put.zone, None, None);
                store.note(&Entry::Presented { zone, record, value, since, by })?;
                continue;
            }
        }
        let (way, at) = (put.way(), put.by.as_ref().map_or("", |by| by.at.as_str()));
        let at = if at.is_empty() { String::new() } else { format!(" at {at}") };
        let message = format!(
            "{record} TXT \"{value}\" is left in the zone {} from a run that was killed: \
             [challenge.dns-01.{way}] put it there{at}, and is not configured any more; take it out \
             by hand, or configure that again and run `mailcert run`",
            put.zone
        );
        findings.push(Finding::new(Code::RecordLeft, &record, message));
    }
    Ok(findings)
}

/// A record of the diary.
fn txt((record, value): &(String, String), put: &Put) -> Option<Txt> {
    let host = match &put.by {
        Some(by) => by.host.clone(),
        None => {
            let named = record.strip_prefix("_acme-challenge.").unwrap_or(record);
            Hostname::parse(named).or_else(|_| Hostname::parse(&put.zone)).ok()?
        }
    };
    let (zone, primary) = (put.zone.clone(), Vec::new());
    Some(Txt { host, zone, record: record.clone(), value: value.clone(), primary })
}

/// Zones that are rid of what is left at once.
const ZONES: usize = 8;
/// How long all of it may take: the run has other things to do.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a record is tried to be taken away: a zone may have moved to somebody else.
const GIVEN_UP: Duration = Duration::from_secs(30 * 86_400);
