//! `eab`: the account somebody has with the CA elsewhere, to which an ACME account is bound
//! (RFC 8555 section 7.3.4). Every table of a CA takes it.

use std::fmt;
use std::path::PathBuf;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::acme::content;
use super::fault::Trouble;
use super::raw::{self, Table};
use super::value;

/// The key that binds an account to the one somebody has with the CA elsewhere.
#[derive(Clone, PartialEq, Eq)]
pub struct ExternalAccount {
    /// What the CA calls the key.
    pub key_id: String,
    /// The file of the key: nobody else may read it.
    pub key_file: PathBuf,
    key: Zeroizing<Vec<u8>>,
}

impl ExternalAccount {
    /// Together, as the CA's web site gives them; `key` is what the base64 stands for.
    #[must_use]
    pub fn new(key_id: String, key_file: PathBuf, key: Zeroizing<Vec<u8>>) -> Self {
        Self { key_id, key_file, key }
    }

    /// The HMAC key itself.
    #[must_use]
    pub fn expose_key(&self) -> &[u8] {
        &self.key
    }
}

impl fmt::Debug for ExternalAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExternalAccount({:?})", self.key_id)
    }
}

/// The `eab` of a table, if there is one.
pub(super) fn eab(table: &Table<'_>) -> Option<ExternalAccount> {
    let eab = table.table("eab", raw::EAB)?;
    for key in raw::EAB {
        if eab.value(key).is_none() && !eab.misspelt(key, raw::EAB) {
            let trouble = Trouble::new(
                format!("`eab` has no `{key}`"),
                "expected { key-id = \"..\", hmac-key-file = \"..\" }",
            );
            table.log.missing(table.key("eab"), trouble);
        }
    }
    let key_id = eab.text("key-id", value::word);
    let key = eab.text("hmac-key-file", |text| {
        let path = value::path(text)?;
        let text = Zeroizing::new(content(&path, table.log.file)?);
        Ok((hmac_key(&text)?, path))
    });
    let (key, path) = key?;
    Some(ExternalAccount::new(key_id?, path, key))
}

fn hmac_key(text: &str) -> Result<Zeroizing<Vec<u8>>, Trouble> {
    let bytes = BASE64URL.decode(text.trim()).map(Zeroizing::new).ok();
    bytes.filter(|bytes| !bytes.is_empty()).ok_or_else(|| {
        Trouble::new("the file holds no HMAC key", "expected base64url, as the CA gives it")
            .help("the file holds the key alone: one word of A-Z, a-z, 0-9, - and _")
    })
}

/// CAs give it with padding or without.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use super::hmac_key;

    #[test]
    fn a_key_is_one_word_of_base64url() {
        for text in ["c3dvcmRmaXNoLTE", "c3dvcmRmaXNoLTE=\n", " c3dvcmRmaXNoLTE \n"] {
            assert_eq!(hmac_key(text).ok().unwrap().as_slice(), b"swordfish-1", "{text:?}");
        }
        assert_eq!(hmac_key("-_-_").ok().unwrap().as_slice(), [0xfb, 0xff, 0xbf]);
        for text in ["", "+/+/", "two words", "c3dvcmRmaXNoLTE=\nmore", "="] {
            let Err(said) = hmac_key(text) else { panic!("{text:?} was taken") };
            assert_eq!(said.message, "the file holds no HMAC key", "{text:?}");
        }
    }
}
