//! Another key for the account (RFC 8555 section 7.3.5).
//!
//! Both keys lie in the store from before the CA is asked until somebody knows which of them it
//! takes: a run that is killed, or an answer that is lost, costs no account.

use serde_json::json;

use super::kept::{Kept, Which};
use crate::issue::Refusal;
use crate::issue::acme::Acme;
use crate::issue::acme::jws::{Unanswered, Who};

impl Acme {
    /// Has the CA take another key for the account; the account's URL. The old key is worth
    /// nothing afterwards.
    ///
    /// # Errors
    /// [`Refusal`]; which key is in use is then known, or found out at the next use.
    pub async fn roll_key(&self) -> Result<String, Refusal> {
        let kept = self.kept_account().await?;
        let unusable = |why: String| self.refused("", Unanswered::Ours(why));
        let kept = kept.with_next_key().map_err(unusable)?;
        self.keep(&kept)?;
        let kept = match self.ask_for_next(&kept).await {
            Ok(()) => {
                let kept = kept.settled_on(Which::Next);
                self.keep(&kept)?;
                kept
            }
            // The request may be on its way yet: whoever comes next asks what became of it.
            Err(why) if !why.is_final() => return Err(self.refused("another key", why)),
            Err(why) => match self.settle(kept).await? {
                (_, Which::Old) => return Err(self.refused("another key", why)),
                // It had said yes to a try whose answer was lost.
                (kept, Which::Next) => kept,
            },
        };
        tracing::info!(account = kept.id, "the account has another key");
        Ok(kept.id)
    }

    async fn ask_for_next(&self, kept: &Kept) -> Result<(), Unanswered> {
        let directory = self.directory().await.map_err(Unanswered::Refused)?;
        let Some(url) = &directory.key_change else {
            let why = "the CA's directory has no keyChange: an account there keeps its key";
            return Err(Unanswered::Ours(why.to_owned()));
        };
        let old = kept.signer().map_err(Unanswered::Ours)?;
        let Some(next) = kept.next_signer().map_err(Unanswered::Ours)? else { return Ok(()) };
        let change = json!({"account": kept.id, "oldKey": old.jwk}).to_string();
        let inner = next.sign(Who::Key, None, url, &change).map_err(Unanswered::Ours)?;
        let who = (&old, Who::Account(&kept.id));
        self.post(directory, url, who, &inner.to_string()).await.map(drop)
    }

    /// The account of the store with the one key that the CA takes; asks it only where a rollover
    /// was begun and its end is not known.
    pub(super) async fn settled(&self) -> Result<Option<Kept>, Refusal> {
        match self.kept()? {
            Some(kept) if kept.is_rolling() => Ok(Some(self.settle(kept).await?.0)),
            kept => Ok(kept),
        }
    }

    /// Asks for the account with either key; the one that gets an answer stays.
    async fn settle(&self, kept: Kept) -> Result<(Kept, Which), Refusal> {
        let with_old = self.is_taken(&kept, Which::Old).await;
        let which = match with_old {
            Ok(()) => Which::Old,
            // Nothing is left to be lost: it is made again as after any loss at the CA.
            Err(why) if why.is("accountDoesNotExist") => Which::Old,
            Err(why) if !why.is_final() => return Err(self.refused("", why)),
            Err(old) => match self.is_taken(&kept, Which::Next).await {
                Ok(()) => Which::Next,
                Err(why) if !why.is_final() => return Err(self.refused("", why)),
                Err(_) => return Err(self.refused("both keys of the account", old)),
            },
        };
        let kept = kept.settled_on(which);
        self.keep(&kept)?;
        tracing::info!(account = kept.id, ?which, "a rollover of the account's key is settled");
        Ok((kept, which))
    }

    async fn is_taken(&self, kept: &Kept, key: Which) -> Result<(), Unanswered> {
        let signer = match key {
            Which::Old => Some(kept.signer().map_err(Unanswered::Ours)?),
            Which::Next => kept.next_signer().map_err(Unanswered::Ours)?,
        };
        let Some(signer) = signer else { return Ok(()) };
        let directory = self.directory().await.map_err(Unanswered::Refused)?;
        let who = (&signer, Who::Account(&kept.id));
        self.post(directory, &kept.id, who, "").await.map(drop)
    }
}
