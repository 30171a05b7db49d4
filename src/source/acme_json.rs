//! Traefik's `acme.json`: of each resolver its certificates, chain and key each a PEM in base64.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::model::{Bundle, PrivateKey};
use crate::source::pem;

/// What a resolver keeps; its account is passed over. (Traefik 1 had one, and no name for it.)
#[derive(Deserialize)]
struct Resolver<'a> {
    #[serde(borrow, default, alias = "Certificates")]
    certificates: Option<Vec<Entry<'a>>>,
}

/// Borrowed from the text, which is wiped: no copy of a key is made on the way.
#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow, alias = "Certificate")]
    certificate: &'a str,
    #[serde(borrow, alias = "Key")]
    key: &'a str,
}

/// Every pair in it.
pub(super) fn bundles(text: &str) -> Result<Vec<Bundle>, String> {
    let named: Result<BTreeMap<Cow<'_, str>, Option<Resolver<'_>>>, _> = serde_json::from_str(text);
    let resolvers = match named {
        Ok(named) => named.into_values().flatten().collect(),
        // The parser's words may quote the text; a key's bytes reach no message.
        Err(_) => vec![serde_json::from_str(text).map_err(|_| "not the JSON of Traefik")?],
    };
    let entries =
        resolvers.iter().filter_map(|resolver: &Resolver<'_>| resolver.certificates.as_ref());
    entries.flatten().map(bundle).collect()
}

fn bundle(entry: &Entry<'_>) -> Result<Bundle, String> {
    let chain = pem::blocks(&decoded(entry.certificate)?, |label| label == "CERTIFICATE");
    let key = pem::first_key(&decoded(entry.key)?).ok_or("an entry without a private key")?;
    if chain.is_empty() {
        return Err("an entry without a certificate".to_owned());
    }
    Ok(Bundle { key: PrivateKey::from_pem(key), chain })
}

fn decoded(text: &str) -> Result<Zeroizing<String>, String> {
    let bytes = STANDARD.decode(text).map_err(|_| "an entry that is no base64")?;
    let text = String::from_utf8(bytes).map_err(|error| {
        drop(Zeroizing::new(error.into_bytes()));
        "an entry that is no PEM"
    })?;
    Ok(Zeroizing::new(text))
}
