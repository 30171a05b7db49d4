//! What a person does with the account: look at it, make it, tell the CA other contacts, give it up.

use serde::Deserialize;
use serde_json::json;

use super::kept::Kept;
use crate::issue::Refusal;
use crate::issue::acme::jws::{Signer, Unanswered, Who};
use crate::issue::acme::problem::printable;
use crate::issue::acme::{Acme, Directory};

/// The account, as far as anybody knows.
#[derive(Debug)]
pub struct AccountSeen {
    /// Its URL.
    pub url: String,
    /// What the CA makes of it.
    pub standing: Standing,
    /// Whom the CA writes to; `None` where it does not say (Let's Encrypt keeps no contacts).
    pub contact: Option<Vec<String>>,
    /// Whether another key was asked for and nobody knows yet which one the CA takes.
    pub is_rolling: bool,
}

/// What the CA makes of an account.
#[derive(Debug)]
pub enum Standing {
    /// The word of RFC 8555 section 7.1.6: valid, deactivated or revoked.
    Says(String),
    /// It knows no such account.
    Unknown,
    /// It refuses whatever the account's key signs, with these words.
    Refuses(String),
    /// It could not be asked.
    Unasked(Refusal),
}

/// How an account came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// It is new.
    New,
    /// The CA knew it already.
    Before,
}

impl Acme {
    /// Looks at the account of the store, if there is one. Writes nothing.
    ///
    /// # Errors
    /// [`Refusal`] where what the store holds is damaged.
    pub async fn look_at_account(&self) -> Result<Option<AccountSeen>, Refusal> {
        let Some(kept) = self.kept()? else { return Ok(None) };
        let damaged = |why: String| self.refused("", Unanswered::Ours(why));
        let keys = [Some(kept.signer().map_err(damaged)?), kept.next_signer().map_err(damaged)?];
        let (mut contact, mut standing) = (None, None);
        for signer in keys.iter().flatten() {
            let (seen, said) = self.look(&kept, signer).await;
            standing = Some(seen);
            if !matches!(standing, Some(Standing::Refuses(_))) {
                contact = said;
                break;
            }
        }
        let standing = standing.unwrap_or(Standing::Unknown);
        Ok(Some(AccountSeen { is_rolling: kept.is_rolling(), url: kept.id, standing, contact }))
    }

    async fn look(&self, kept: &Kept, signer: &Signer) -> (Standing, Option<Vec<String>>) {
        // Not remembered: whoever looks writes nothing.
        let directory = Directory::ask(&self.http, &self.settings.directory, self.now).await;
        let asked = match &directory {
            Ok(directory) => {
                let who = (signer, Who::Account(&kept.id));
                self.post(directory, &kept.id, who, "").await
            }
            Err(_) => Err(Unanswered::Ours(String::new())),
        };
        let answer = match (directory, asked) {
            (Err(refusal), _) => return (Standing::Unasked(refusal), None),
            (_, Ok(answer)) => answer,
            (_, Err(why)) if why.is("accountDoesNotExist") => return (Standing::Unknown, None),
            (_, Err(why)) if why.is_final() => {
                let said = self.refused("it", why).sentence();
                return (Standing::Refuses(said), None);
            }
            (_, Err(why)) => return (Standing::Unasked(self.refused("", why)), None),
        };
        match serde_json::from_slice::<Account>(answer.body()) {
            Ok(said) => (Standing::Says(printable(&said.status, 40)), said.contacts()),
            Err(e) => {
                let why =
                    format!("the CA's answer is no account: {}", printable(&e.to_string(), 200));
                (Standing::Unasked(self.refused("", Unanswered::Ours(why))), None)
            }
        }
    }

    /// Makes an account where the CA knows none of ours that it takes.
    ///
    /// # Errors
    /// [`Refusal`] when the CA refuses or cannot be asked.
    pub async fn register_account(&self) -> Result<Registered, Refusal> {
        if let Some(kept) = self.settled().await? {
            let damaged = |why: String| self.refused("", Unanswered::Ours(why));
            let signer = kept.signer().map_err(damaged)?;
            match self.look(&kept, &signer).await.0 {
                Standing::Says(word) if word == VALID => return Ok(Registered::Before),
                Standing::Unasked(refusal) => return Err(refusal),
                Standing::Says(_) | Standing::Unknown | Standing::Refuses(_) => {}
            }
        }
        self.register().await?;
        Ok(Registered::New)
    }

    /// Tells the CA to write to whom the configuration names, and to nobody else.
    ///
    /// # Errors
    /// [`Refusal`] when there is no account, or the CA refuses or cannot be asked.
    pub async fn update_contacts(&self) -> Result<(), Refusal> {
        let change = json!({"contact": self.settings.contact});
        self.change(&change.to_string(), "the contacts").await.map(drop)
    }

    /// Gives the account up for good, at the CA and then here; its URL.
    ///
    /// # Errors
    /// [`Refusal`] when there is no account, or the CA refuses or cannot be asked.
    pub async fn deactivate_account(&self) -> Result<String, Refusal> {
        let change = json!({"status": "deactivated"});
        let url = self.change(&change.to_string(), "to deactivate the account").await?;
        let forgotten = self.store.forget_account(&self.settings.directory);
        forgotten.map_err(|e| self.store_failed(&e))?;
        Ok(url)
    }

    /// Changes the account at the CA; its URL.
    async fn change(&self, change: &str, what: &str) -> Result<String, Refusal> {
        let kept = self.kept_account().await?;
        let asked = async {
            let signer = kept.signer().map_err(Unanswered::Ours)?;
            let directory = self.directory().await.map_err(Unanswered::Refused)?;
            let who = (&signer, Who::Account(&kept.id));
            self.post(directory, &kept.id, who, change).await
        };
        let answer = asked.await.map_err(|why| self.refused(what, why));
        answer.map(|_| kept.id)
    }
}

/// An account object (RFC 8555 section 7.1.2).
#[derive(Deserialize)]
struct Account {
    status: String,
    #[serde(default)]
    contact: Vec<String>,
}

impl Account {
    fn contacts(&self) -> Option<Vec<String>> {
        let contacts: Vec<_> =
            self.contact.iter().take(20).map(|contact| printable(contact, 300)).collect();
        (!contacts.is_empty()).then_some(contacts)
    }
}

/// The only status under which anything is issued.
const VALID: &str = "valid";
