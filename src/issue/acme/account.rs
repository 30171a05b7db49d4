//! The account at the CA: made once per directory, kept in the store, made again once when the CA
//! has lost it.

use instant_acme::{Account, AccountCredentials, NewAccount};
use zeroize::Zeroizing;

use super::directory::unusable;
use super::{Acme, problem};
use crate::issue::Refusal;
use crate::store;

/// The account in use.
pub(super) struct Session {
    /// Its URL.
    pub(super) id: String,
    /// instant-acme's credentials as JSON, the key included.
    credentials: Zeroizing<String>,
}

impl Session {
    /// instant-acme's account for one order, over its own spy.
    pub(super) async fn open(&self, acme: &Acme, spy: super::Spy) -> Result<Account, Refusal> {
        open(acme, &self.credentials, spy).await
    }
}

impl Acme {
    /// The account of the store, or a new one.
    pub(super) async fn find_account(&self) -> Result<Session, Refusal> {
        let kept =
            self.store.account(&self.settings.directory).map_err(|e| self.store_failed(&e))?;
        let Some(kept) = kept else { return self.register().await };
        let account = open(self, &kept.credentials, self.spy().await?.0).await?;
        Ok(Session { id: account.id().to_owned(), credentials: kept.credentials })
    }

    /// The account of the store.
    pub(super) fn kept_account(&self) -> Result<Session, Refusal> {
        let url = &self.settings.directory;
        let kept = self.store.account(url).map_err(|e| self.store_failed(&e))?;
        let Some(kept) = kept else {
            return Err(unusable(url, format!("no account for {url} is kept here")));
        };
        let id = serde_json::from_str::<Kept>(&kept.credentials);
        let id =
            id.map_err(|e| unusable(url, format!("the kept account for {url} is damaged: {e}")))?;
        Ok(Session { id: id.id, credentials: kept.credentials })
    }

    /// Makes an account and keeps it before it is used.
    pub(super) async fn register(&self) -> Result<Session, Refusal> {
        let url = &self.settings.directory;
        let meta = &self.directory().await?.meta;
        if meta.external_account_required {
            let message = format!(
                "the CA at {url} wants an external account (EAB), which is not available yet; \
                 choose another directory in [acme]"
            );
            return Err(unusable(url, message));
        }
        if let Some(terms) = &meta.terms_of_service
            && !self.settings.agree_to_terms
        {
            let terms = problem::printable(terms, 200);
            let message = format!("the CA has terms, {terms}: set agree-to-terms = true in [acme]");
            return Err(unusable(url, message));
        }
        let contact: Vec<&str> = self.settings.contact.iter().map(String::as_str).collect();
        let wanted = NewAccount {
            contact: &contact,
            terms_of_service_agreed: self.settings.agree_to_terms,
            only_return_existing: false,
        };
        let mut tries = 0;
        let (account, credentials) = loop {
            let builder = Account::builder_with_http(Box::new(self.spy().await?.0));
            match builder.create(&wanted, url.clone(), None).await {
                Ok(made) => break made,
                Err(e) if problem::is_bad_nonce(&e) && tries < super::NONCE_TRIES => tries += 1,
                Err(e) => return Err(problem::refusal(url, &[], e)),
            }
        };
        let credentials = serde_json::to_string(&credentials)
            .map_err(|e| unusable(url, format!("the account cannot be written down: {e}")))?;
        let kept = store::Account { credentials: Zeroizing::new(credentials) };
        self.store.keep_account(url, &kept).map_err(|e| self.store_failed(&e))?;
        tracing::info!(account = account.id(), "registered at the CA");
        Ok(Session { id: account.id().to_owned(), credentials: kept.credentials })
    }

    fn store_failed(&self, error: &store::StoreError) -> Refusal {
        unusable(&self.settings.directory, format!("the account cannot be kept or found: {error}"))
    }
}

/// The part of instant-acme's credentials that is no secret.
#[derive(serde::Deserialize)]
struct Kept {
    id: String,
}

async fn open(acme: &Acme, text: &str, spy: super::Spy) -> Result<Account, Refusal> {
    let url = &acme.settings.directory;
    let credentials: AccountCredentials = serde_json::from_str(text)
        .map_err(|e| unusable(url, format!("the kept account for {url} is damaged: {e}")))?;
    Account::builder_with_http(Box::new(spy))
        .from_credentials(credentials)
        .await
        .map_err(|e| problem::refusal(url, &[], e))
}
