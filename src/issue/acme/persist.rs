//! dns-persist-01 (draft-ietf-acme-dns-persist-01): a TXT record that stays and lets one account of
//! one CA have certificates. It is not answered by mailcert; what it would say is known.

use super::Directory;
use super::account::kept_id;
use crate::store::Store;

/// The value of the record for a domain and all names below it; `None` where the store has no
/// account there, or does not remember what the CA calls itself.
#[must_use]
pub fn persistent_value(store: &dyn Store, directory: &str) -> Option<String> {
    let account = kept_id(&store.account(directory).ok()??)?;
    let diary = store.diary().ok()?;
    let (_, body) = diary.directories.get(directory)?;
    let known: Directory = serde_json::from_str(body).ok()?;
    // Any of the CA's names will do.
    let issuer = known.meta.caa_identities.into_iter().next()?;
    let is_word = |text: &str| text.bytes().all(|b| b.is_ascii_graphic() && !b"\";\\".contains(&b));
    let words = is_word(&issuer) && is_word(&account);
    words.then(|| format!("{issuer}; accounturi={account}; policy=wildcard"))
}
