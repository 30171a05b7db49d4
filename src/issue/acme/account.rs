//! The account at the CA: made once per directory, kept in the store, made again once when the CA
//! has lost it.

mod kept;
mod manage;
mod roll;

pub use manage::{AccountSeen, Registered, Standing};

use instant_acme::{Account, AccountCredentials, ExternalAccountKey, NewAccount};
use zeroize::Zeroizing;

use super::directory::unusable;
use super::{Acme, problem};
use crate::issue::Refusal;
use crate::store;
use kept::Kept;

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
        let url = &acme.settings.directory;
        let credentials: AccountCredentials =
            serde_json::from_str(&self.credentials).map_err(|e| damaged(url, &e))?;
        Account::builder_with_http(Box::new(spy))
            .from_credentials(credentials)
            .await
            .map_err(|e| problem::refusal(url, &[], e))
    }
}

/// The URL of an account that is kept.
pub(super) fn kept_id(account: &store::Account) -> Option<String> {
    Kept::read(&account.credentials).ok().map(|kept| kept.id)
}

impl Acme {
    /// The account of the store, or a new one.
    pub(super) async fn find_account(&self) -> Result<Session, Refusal> {
        match self.settled().await? {
            Some(kept) => self.session_of(&kept),
            None => self.register().await,
        }
    }

    /// The account of the store.
    pub(super) async fn kept_account(&self) -> Result<Kept, Refusal> {
        let url = &self.settings.directory;
        let none = || unusable(url, format!("no account for {url} is kept here"));
        self.settled().await?.ok_or_else(none)
    }

    fn session_of(&self, kept: &Kept) -> Result<Session, Refusal> {
        Ok(Session { id: kept.id.clone(), credentials: self.written(kept)? })
    }

    /// Makes an account and keeps it before it is used.
    pub(super) async fn register(&self) -> Result<Session, Refusal> {
        let url = &self.settings.directory;
        self.may_register().await?;
        let contact: Vec<&str> = self.settings.contact.iter().map(String::as_str).collect();
        let wanted = NewAccount {
            contact: &contact,
            terms_of_service_agreed: self.settings.agree_to_terms,
            only_return_existing: false,
        };
        let bound = self.settings.eab.as_ref();
        let bound = bound.map(|eab| ExternalAccountKey::new(eab.key_id.clone(), eab.expose_key()));
        let mut tries = 0;
        let (account, credentials) = loop {
            let builder = Account::builder_with_http(Box::new(self.spy().await?.0));
            match builder.create(&wanted, url.clone(), bound.as_ref()).await {
                Ok(made) => break made,
                Err(e) if problem::is_bad_nonce(&e) && tries < super::NONCE_TRIES => tries += 1,
                Err(e) => return Err(self.not_registered(e)),
            }
        };
        let credentials = serde_json::to_string(&credentials)
            .map_err(|e| unusable(url, format!("the account cannot be written down: {e}")))?;
        let kept = store::Account { credentials: Zeroizing::new(credentials) };
        self.store.keep_account(url, &kept).map_err(|e| self.store_failed(&e))?;
        tracing::info!(account = account.id(), "registered at the CA");
        Ok(Session { id: account.id().to_owned(), credentials: kept.credentials })
    }

    /// What the CA would refuse anyway is said before it is asked.
    async fn may_register(&self) -> Result<(), Refusal> {
        let url = &self.settings.directory;
        let meta = &self.directory().await?.meta;
        if meta.external_account_required && self.settings.eab.is_none() {
            let message = format!(
                "the CA at {url} wants an external account: its web site gives a key id and an \
                 HMAC key; set eab = {{ key-id = \"..\", hmac-key-file = \"..\" }} in [acme]"
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
        Ok(())
    }

    fn not_registered(&self, error: instant_acme::Error) -> Refusal {
        let mut refusal = problem::refusal(&self.settings.directory, &[], error);
        let by_ca = refusal.by_ca();
        for found in refusal.findings.iter_mut().filter(|_| by_ca) {
            let message = found.message.replace("refused the order", "refused the account");
            found.message = match &self.settings.eab {
                Some(eab) => format!("{message}; it was bound to {:?} (eab in [acme])", eab.key_id),
                None => message,
            };
        }
        refusal
    }

    /// The account of the store as it lies there.
    fn kept(&self) -> Result<Option<Kept>, Refusal> {
        let url = &self.settings.directory;
        let kept = self.store.account(url).map_err(|e| self.store_failed(&e))?;
        let Some(kept) = kept else { return Ok(None) };
        let kept = Kept::read(&kept.credentials);
        kept.map(Some).map_err(|e| damaged(url, &e))
    }

    /// The URL of the account of the store, where there is one.
    pub(super) fn kept_url(&self) -> Option<String> {
        self.kept().ok().flatten().map(|kept| kept.id)
    }

    fn keep(&self, kept: &Kept) -> Result<(), Refusal> {
        let account = store::Account { credentials: self.written(kept)? };
        let url = &self.settings.directory;
        self.store.keep_account(url, &account).map_err(|e| self.store_failed(&e))
    }

    fn written(&self, kept: &Kept) -> Result<Zeroizing<String>, Refusal> {
        let url = &self.settings.directory;
        kept.write().map_err(|e| unusable(url, format!("the account cannot be written down: {e}")))
    }

    fn store_failed(&self, error: &store::StoreError) -> Refusal {
        unusable(&self.settings.directory, format!("the account cannot be kept or found: {error}"))
    }
}

/// What is wrong with the account's file. The parser's own words may quote it: a key's bytes reach no
/// message.
fn damaged(url: &str, error: &serde_json::Error) -> Refusal {
    let what = if error.is_data() { "no account" } else { "no JSON" };
    let (line, column) = (error.line(), error.column());
    let message =
        format!("the kept account for {url} is damaged: {what} at line {line}, column {column}");
    unusable(url, message)
}
