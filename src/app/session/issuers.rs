//! What is known of the issuers of what is held.

use std::collections::BTreeSet;

use crate::config::Config;
use crate::store::{Files, Store};
use crate::verify;

/// The issuers' certificates (DER) of what the store holds, of each issuer once: they say which
/// one a server does not send. A store that cannot be read has none; that is no matter here.
pub(in crate::app) fn intermediates(config: &Config) -> Vec<Vec<u8>> {
    let facts = |bundle: &_| verify::facts(bundle).map_err(|error| error.to_string());
    let Ok(store) = Files::open(&config.state, facts) else { return Vec::new() };
    let (mut issuers, mut found) = (BTreeSet::new(), BTreeSet::new());
    for kept in store.certificates().unwrap_or_default() {
        let Some((version, facts)) = kept.versions.last() else { continue };
        if issuers.len() < MOST_ISSUERS && issuers.insert(facts.issuer.clone()) {
            let chain = store.bundle(&kept.name, *version).ok().map(|bundle| bundle.chain);
            let chain = chain.and_then(|chain| verify::judge::chain_of_pem(&chain).ok());
            found.extend(chain.unwrap_or_default().into_iter().skip(1));
        }
    }
    found.into_iter().collect()
}

/// A store has the certificates of a few issuers.
const MOST_ISSUERS: usize = 32;
