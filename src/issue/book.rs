//! [`Book`]: an order is written down before it is finalized and taken up again by whoever comes
//! after a crash, so that no certificate is ordered twice.

use std::time::Duration;

use crate::issue::key::Key;
use crate::issue::{Ca, Cause, Issued, Refusal};
use crate::model::{CertName, KeyHash, Mark, Timestamp};
use crate::store::{Store, StoreError, UnderWay};

/// Where the order of one certificate is written down.
pub struct Book<'a> {
    /// What lasts.
    pub store: &'a dyn Store,
    /// The certificate.
    pub certificate: &'a CertName,
    /// The CA: the mark of its directory's URL.
    pub ca: Mark,
    /// The moment.
    pub now: Timestamp,
}

/// CAs forget orders after about this time; nothing older is taken up.
pub const FORGOTTEN: Duration = Duration::from_secs(7 * 86_400);

impl Book<'_> {
    /// Writes down that the order is about to be finalized, its key first.
    pub(super) fn begin(&self, order: &UnderWay, key: &Key) -> Result<(), String> {
        let order = &UnderWay { ca: Some(self.ca), ..order.clone() };
        let written = self.store.begin_order(self.certificate, order, &key.pem);
        written.map_err(|error| format!("the order cannot be written down: {error}"))
    }

    /// What became of the order an earlier run left, where it was one for what is `wanted` now;
    /// `None` where there is none that still counts. `reused` is the key to use again, if one is.
    pub(super) async fn take_up(
        &self,
        wanted: &UnderWay,
        reused: Option<KeyHash>,
        ca: &dyn Ca,
    ) -> Result<Option<Issued>, Refusal> {
        let Some(left) = self.left().map_err(|error| self.failed(&error))? else { return Ok(None) };
        let key = self.counts(&left, wanted, reused).then(|| self.key(&left)).flatten();
        let answer = match &key {
            Some((key, request)) => {
                tracing::info!(certificate = %self.certificate, url = left.url, "an order is taken up again");
                let answer = ca.finish(&left.url, &left.names, request).await;
                answer.map(|chain| key.fits(&chain.pem, &left.names).map(|()| chain))
            }
            None => Ok(Err("it is for something else".to_owned())),
        };
        let why = match answer {
            Ok(Ok(chain)) => {
                let (key, _) = key.expect("there is no chain without one");
                let issued = Issued::of(key, chain, left.left_out, Vec::new());
                return Ok(Some(Issued { cause: Cause::Names, ..issued }));
            }
            // The CA cannot be asked, or says when to come back: the order may be good yet.
            Err(refusal) if !refusal.by_ca() || refusal.retry_after.is_some() => {
                return Err(refusal);
            }
            Err(refusal) => refusal.sentence(),
            Ok(Err(why)) => why,
        };
        tracing::info!(certificate = %self.certificate, url = left.url, why, "an order is forgotten");
        self.store.end_order(self.certificate).map_err(|error| self.failed(&error))?;
        Ok(None)
    }

    fn left(&self) -> Result<Option<UnderWay>, StoreError> {
        Ok(self.store.diary()?.orders.get(self.certificate).cloned())
    }

    /// Whether its certificate would be the one that is wanted.
    fn counts(&self, left: &UnderWay, wanted: &UnderWay, reused: Option<KeyHash>) -> bool {
        let key_fits = match reused {
            Some(key) => left.key == key,
            // A new one is wanted: an order that was to use the last one again is none for it.
            None => left.key_type == wanted.key_type && !self.holds(left.key),
        };
        key_fits
            && left.wanted == wanted.wanted
            && left.profile == wanted.profile
            && left.account == wanted.account
            && left.ca.is_none_or(|ca| ca == self.ca)
            && self.now.since(left.since) < FORGOTTEN
    }

    /// Whether a version of the certificate that is held has this key.
    fn holds(&self, key: KeyHash) -> bool {
        let held = self.store.certificates().unwrap_or_default();
        let mut held = held.iter().filter(|kept| kept.name == *self.certificate);
        held.any(|kept| kept.versions.iter().any(|(_, facts)| facts.spki == key))
    }

    /// The key of the order and a signing request with it; a key that is lost or damaged is no
    /// reason not to order anew.
    fn key(&self, left: &UnderWay) -> Option<(Key, Vec<u8>)> {
        let key = self.store.order_key(self.certificate, left).ok()?;
        let key = Key::again(key).ok().filter(|key| key.hash() == left.key)?;
        let request = key.request(&left.names).ok()?;
        Some((key, request))
    }

    fn failed(&self, error: &StoreError) -> Refusal {
        Refusal::of_our_own(self.certificate.as_str(), error.to_string())
    }
}

#[cfg(test)]
mod tests;
