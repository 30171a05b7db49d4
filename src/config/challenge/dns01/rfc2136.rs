//! `[challenge.dns-01.rfc2136]`: the key by which updates of a zone are signed, and where they go.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use zeroize::Zeroizing;

use crate::config::acme::content;
use crate::config::fault::{Trouble, shown};
use crate::config::raw::Table;
use crate::config::value;
use crate::model::{Hostname, TsigAlgorithm, TsigKey};

/// `[challenge.dns-01.rfc2136]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rfc2136 {
    /// The server that takes updates; `None` means the primary that the zone's SOA names.
    pub server: Option<SocketAddr>,
    /// The zone, if stated; `None` means the one the DNS says.
    pub zone: Option<Hostname>,
    /// The key the updates are signed with; a server may know its clients by their address.
    pub key: Option<Arc<TsigKey>>,
    /// The file of the key: nobody else may read it.
    pub key_file: Option<PathBuf>,
    /// How long the records may be kept by caches, in seconds.
    pub ttl: u32,
}

pub(super) fn update(table: &Table<'_>) -> Rfc2136 {
    let ttl = table.whole("ttl", 0, 86_400).unwrap_or(60);
    Rfc2136 {
        server: table.text("server", |text| value::socket(text, 53)),
        zone: table.text("zone", value::host),
        key: key(table).map(Arc::new),
        key_file: table.text("key-file", |text| Ok(PathBuf::from(text))),
        ttl: u32::try_from(ttl).unwrap_or(60),
    }
}

/// The key, from a file in BIND's own syntax or with the secret alone.
fn key(table: &Table<'_>) -> Option<TsigKey> {
    let name = table.text("key-name", value::word);
    let algorithm = table.text("key-algorithm", algorithm);
    let Some(text) = table.text("key-file", |text| content(&value::path(text)?, table.log.file))
    else {
        if table.value("key-file").is_none()
            && let Some(span) = table.key("key-name").or_else(|| table.key("key-algorithm"))
        {
            let trouble = Trouble::new("there is no `key-file`", "expected the file of the key");
            table.log.missing(Some(span), trouble);
        }
        return None;
    };
    let text = Zeroizing::new(text);
    let made = match text.contains('{') {
        true => in_bind_syntax(&text).and_then(|key| agrees(key, name, algorithm)),
        false => alone(&text, name, algorithm),
    };
    made.map_err(|trouble| {
        table.log.wrong(table.key("key-file").unwrap_or_else(|| table.span.clone()), trouble);
    })
    .ok()
}

fn algorithm(text: &str) -> Result<TsigAlgorithm, Trouble> {
    let known = TsigAlgorithm::ALL.into_iter().find(|one| one.as_str().eq_ignore_ascii_case(text));
    known.ok_or_else(|| {
        let message = format!("{} is no algorithm that can be used", shown(text));
        Trouble::new(message, "expected hmac-sha256, hmac-sha384 or hmac-sha512")
    })
}

fn alone(
    text: &str,
    name: Option<String>,
    algorithm: Option<TsigAlgorithm>,
) -> Result<TsigKey, Trouble> {
    let name = name.ok_or_else(|| {
        Trouble::new("the file holds no key name", "expected `key-name` beside it")
            .help("or give a file as tsig-keygen writes it")
    })?;
    let algorithm = algorithm.unwrap_or(TsigAlgorithm::Sha256);
    Ok(TsigKey { name, algorithm, secret: secret(text.trim())? })
}

/// `key "NAME" { algorithm hmac-sha256; secret "BASE64"; };`, as tsig-keygen writes it.
fn in_bind_syntax(text: &str) -> Result<TsigKey, Trouble> {
    let spaced = Zeroizing::new(text.replace(['{', '}', ';', '"'], " "));
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let after = |word: &str| {
        let at = words.iter().position(|found| found.eq_ignore_ascii_case(word))?;
        words.get(at + 1).copied()
    };
    let (Some(name), Some(kind), Some(base64)) =
        (after("key"), after("algorithm"), after("secret"))
    else {
        let expected = "expected `key \"NAME\" { algorithm ...; secret \"...\"; };`";
        return Err(Trouble::new("the file holds no key", expected));
    };
    Ok(TsigKey { name: value::word(name)?, algorithm: algorithm(kind)?, secret: secret(base64)? })
}

/// What stands beside the file must not say another thing than the file.
fn agrees(
    key: TsigKey,
    name: Option<String>,
    algorithm: Option<TsigAlgorithm>,
) -> Result<TsigKey, Trouble> {
    let bare = |name: &str| name.trim_end_matches('.').to_ascii_lowercase();
    let other = |what: &str, found: &str, stated: &str| {
        let message = format!("the key in the file has the {what} {}", shown(found));
        Trouble::new(message, format!("expected {} as `key-{what}` says", shown(stated)))
            .help(format!("leave `key-{what}` out: the file says it"))
    };
    if let Some(name) = name.filter(|name| bare(name) != bare(&key.name)) {
        return Err(other("name", &key.name, &name));
    }
    match algorithm.filter(|algorithm| *algorithm != key.algorithm) {
        Some(algorithm) => Err(other("algorithm", key.algorithm.as_str(), algorithm.as_str())),
        None => Ok(key),
    }
}

fn secret(base64: &str) -> Result<Zeroizing<Vec<u8>>, Trouble> {
    let bytes = BASE64_STANDARD.decode(base64).map(Zeroizing::new).ok();
    bytes.filter(|bytes| !bytes.is_empty()).ok_or_else(|| {
        Trouble::new("the secret of the key is no base64", "expected it as tsig-keygen writes it")
    })
}
