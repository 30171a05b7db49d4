//! [`Left`]: what the diary says of records that are in the DNS for us.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::timeout;

use super::{Shown, apply, place};
use crate::config::Rfc2136;
use crate::dns::{Change, Dns, Record};
use crate::model::Timestamp;
use crate::store::{Entry, Store};

/// The records of which the diary says that they may be there.
#[derive(Clone)]
pub(super) struct Left {
    pub(super) store: Arc<dyn Store>,
}

/// A record: its name and its text.
type Txt = (String, String);

impl Left {
    /// Writes down that the record is about to be there.
    pub(super) fn begins(&self, shown: &Shown, now: Timestamp) -> Result<(), String> {
        let (record, value) = (shown.place.record.clone(), shown.value.clone());
        let zone = shown.place.zone.clone();
        let written = self.store.note(&Entry::Presented { zone, record, value, since: Some(now) });
        written.map_err(|error| format!("its challenge cannot be written down: {error}"))
    }

    /// Writes down that it is not there.
    pub(super) fn ended(&self, shown: &Shown) {
        self.forget(&shown.place.zone, &(shown.place.record.clone(), shown.value.clone()));
    }

    fn forget(&self, zone: &str, (record, value): &Txt) {
        let (zone, record, value) = (zone.to_owned(), record.clone(), value.clone());
        let written = self.store.note(&Entry::Presented { zone, record, value, since: None });
        if let Err(error) = written {
            // The next run takes it away once more, which harms nobody.
            tracing::debug!(%error, "the end of a challenge was not written");
        }
    }

    /// Takes away what the diary says is left, zone by zone.
    pub(super) async fn sweep(
        &self,
        settings: &Rfc2136,
        dns: &dyn Dns,
        (today, now): (Timestamp, u64),
    ) {
        let mut zones: BTreeMap<String, Vec<Txt>> = BTreeMap::new();
        match self.store.diary() {
            Ok(diary) => {
                for (txt, (zone, since)) in &diary.presented {
                    if today.since(*since) > GIVEN_UP {
                        tracing::warn!("{} TXT {} is given up: it stays in {zone}", txt.0, txt.1);
                        self.forget(zone, txt);
                    } else {
                        zones.entry(zone.clone()).or_default().push(txt.clone());
                    }
                }
            }
            Err(error) => return tracing::debug!(%error, "what is left in the DNS is not known"),
        }
        let zones = futures_util::stream::iter(zones);
        let work = zones.for_each_concurrent(ZONES, |(zone, left)| async move {
            for txt in left {
                if let Err(why) = self.take_away(settings, dns, &zone, &txt, now).await {
                    tracing::warn!("a challenge of an earlier run stays at {}: {why}", txt.0);
                    break;
                }
                tracing::info!("the challenge of an earlier run at {} is gone", txt.0);
                self.forget(&zone, &txt);
            }
        });
        if timeout(PATIENCE, work).await.is_err() {
            tracing::warn!(
                "not every challenge of an earlier run was taken out of the DNS in time"
            );
        }
    }

    async fn take_away(
        &self,
        settings: &Rfc2136,
        dns: &dyn Dns,
        zone: &str,
        (record, value): &Txt,
        now: u64,
    ) -> Result<(), String> {
        let primary = place::primary(dns, zone, settings).await?;
        let change = Change::Delete(record.clone(), Record::Txt(value.clone()));
        let done = apply(settings, &primary, zone, &[change], now).await;
        done.map_err(|why| why.to_string())
    }
}

/// Zones that are rid of what is left at once.
const ZONES: usize = 8;
/// How long all of it may take: the run has other things to do.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a record is tried to be taken away: a zone may have moved to somebody else.
const GIVEN_UP: Duration = Duration::from_secs(30 * 86_400);
