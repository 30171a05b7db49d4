//! dns-persist-01 (draft-ietf-acme-dns-persist-01 of 2026-03-24): a TXT record that stays and lets one
//! account of one CA have certificates. It is not answered by mailcert; what it would say is known
//! from the CA's directory, and better from a challenge of this kind, wherever one is seen.
//!
//! A challenge lists the names of which the record has to have one (`issuer-domain-names`), and since
//! revision 01 the account as the record has to say it (`accounturi`); both are section 3.1.

use serde::{Deserialize, Serialize};

use super::Acme;
use super::Directory;
use super::account::kept_id;
use super::spy::Heard;
use crate::model::Hostname;
use crate::store::{Entry, Store};

/// What a challenge asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asked {
    #[serde(rename = "issuer-domain-names")]
    issuers: Vec<String>,
    /// Missing from CAs that follow revision 00.
    #[serde(rename = "accounturi", default)]
    account: Option<String>,
}

/// The same, with the account of ours that it was asked of.
#[derive(Serialize, Deserialize)]
struct Known {
    id: String,
    asked: Asked,
}

impl Asked {
    /// What the challenge among those of an authorization asks for. One that is malformed is none:
    /// clients have to refuse it.
    pub(super) fn of(answer: &[u8]) -> Option<Self> {
        /// As much of an authorization as counts here.
        #[derive(Deserialize)]
        struct Authorization {
            challenges: Vec<serde_json::Value>,
        }
        if !answer.windows(KIND.len()).any(|part| part == KIND.as_bytes()) {
            return None;
        }
        let mut challenges = serde_json::from_slice::<Authorization>(answer).ok()?.challenges;
        let at = challenges.iter().position(|one| one["type"] == KIND)?;
        let asked: Option<Self> = serde_json::from_value(challenges.swap_remove(at)).ok();
        let asked = asked.filter(Self::is_well_formed);
        if asked.is_none() {
            tracing::debug!("a challenge of the kind {KIND} is malformed");
        }
        asked
    }

    /// One to ten domain names, in lower case, without a dot at the end.
    fn is_well_formed(&self) -> bool {
        let is_name = |name: &String| Hostname::parse(name).is_ok_and(|host| host.as_str() == name);
        matches!(self.issuers.len(), 1..=MOST_ISSUERS) && self.issuers.iter().all(is_name)
    }
}

impl Acme {
    /// Remembers what a challenge asked for, if one was seen.
    pub(super) fn note_persistent(&self, heard: &mut Heard) {
        let (Some(asked), Some(id)) = (heard.persistent.take(), self.kept_url()) else { return };
        let Ok(body) = serde_json::to_string(&Known { id, asked }) else { return };
        let url = place(&self.settings.directory);
        let known = self.store.diary().ok();
        let known = known.as_ref().and_then(|diary| diary.directories.get(&url));
        if known.is_some_and(|(_, known)| *known == body) {
            return;
        }
        if let Err(error) = self.store.note(&Entry::Directory { url, at: self.now, body }) {
            tracing::debug!(%error, "what a challenge of the kind {KIND} asks for is not remembered");
        }
    }
}

/// The value of the record for a domain and all names below it; `None` where the store has no
/// account there, or does not remember what the CA calls itself.
#[must_use]
pub fn persistent_value(store: &dyn Store, directory: &str) -> Option<String> {
    let account = kept_id(&store.account(directory).ok()??)?;
    let diary = store.diary().ok()?;
    let said = |url: &str| diary.directories.get(url).map(|(_, body)| body.as_str());
    let known = said(directory).and_then(|body| serde_json::from_str::<Directory>(body).ok());
    let named = known.map(|known| known.meta.caa_identities).unwrap_or_default();
    let mut named = named.iter().filter_map(|name| Hostname::parse(name).ok());
    let asked = said(&place(directory)).and_then(|body| serde_json::from_str::<Known>(body).ok());
    let (issuer, account) = match asked.filter(|known| known.id == account) {
        Some(Known { asked, .. }) => {
            // Any of them will do; the one that CAA records name is known to people.
            let both = named.map(|name| name.to_string()).find(|name| asked.issuers.contains(name));
            (both.or_else(|| asked.issuers.first().cloned())?, asked.account.unwrap_or(account))
        }
        // The draft says where a CA may take the names from.
        None => (named.next()?.to_string(), account),
    };
    let is_word = |text: &str| text.bytes().all(|b| b.is_ascii_graphic() && !b"\";\\".contains(&b));
    let words = is_word(&issuer) && is_word(&account);
    words.then(|| format!("{issuer}; accounturi={account}; policy=wildcard"))
}

/// Where the diary has what a challenge asked for.
fn place(directory: &str) -> String {
    format!("{directory}#{KIND}")
}

const KIND: &str = "dns-persist-01";
/// Of one challenge.
const MOST_ISSUERS: usize = 10;

#[cfg(test)]
mod tests {
    use super::Asked;

    #[test]
    fn a_challenge_that_is_malformed_is_none() {
        let asked = |rest: &str| {
            let other = r#"{"type":"http-01","token":"dns-persist-01"}"#;
            let body = format!(r#"{{"challenges":[{other},{{"type":"dns-persist-01"{rest}}}]}}"#);
            Asked::of(body.as_bytes()).map(|asked| asked.issuers.len())
        };
        let names = |names: &[String]| format!(r#","issuer-domain-names":{names:?}"#);
        let many = |count| (0..count).map(|at| format!("ca{at}.example")).collect::<Vec<_>>();
        assert_eq!(asked(&names(&many(1))), Some(1));
        assert_eq!(asked(&names(&many(10))), Some(10));
        let long = format!("{}.example", "a.".repeat(130));
        for bad in
            [vec![], many(11), vec!["CA.example".into()], vec!["ca.example.".into()], vec![long]]
        {
            assert_eq!(asked(&names(&bad)), None, "{bad:?}");
        }
        assert_eq!(asked(""), None);
        assert_eq!(
            Asked::of(br#"{"challenges":[{"type":"dns-01","token":"dns-persist-01"}]}"#),
            None
        );
    }
}
