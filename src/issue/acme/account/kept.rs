//! [`Kept`]: the account as it lies in the store.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::issue::acme::jws::Signer;

/// instant-acme's credentials, and beside them the key that is about to take the place of the
/// other: one file, so that one rename changes both.
#[derive(Serialize, Deserialize)]
pub(in crate::issue::acme) struct Kept {
    /// The account's URL.
    pub(in crate::issue::acme) id: String,
    key_pkcs8: Secret,
    directory: Option<String>,
    /// What old versions of instant-acme wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    urls: Option<Value>,
    /// The CA may know this one already: nobody has asked since the rollover began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next_key_pkcs8: Option<Secret>,
}

impl Kept {
    pub(super) fn read(text: &str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }

    pub(super) fn write(&self) -> serde_json::Result<Zeroizing<String>> {
        serde_json::to_string(self).map(Zeroizing::new)
    }

    /// Whether a rollover was begun and its end is not known.
    pub(super) fn is_rolling(&self) -> bool {
        self.next_key_pkcs8.is_some()
    }

    /// The same with another key beside the one in use.
    pub(super) fn with_next_key(self) -> Result<Self, String> {
        let random = SystemRandom::new();
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
        let made = made.map_err(|_| "no key was made".to_owned())?;
        let next = Secret(Zeroizing::new(URL_SAFE_NO_PAD.encode(made.as_ref())));
        Ok(Self { next_key_pkcs8: Some(next), ..self })
    }

    /// The same with the key that the CA knows, and no other.
    pub(super) fn settled_on(self, key: Which) -> Self {
        match (key, self.next_key_pkcs8) {
            (Which::Next, Some(next)) => Self { key_pkcs8: next, next_key_pkcs8: None, ..self },
            _ => Self { next_key_pkcs8: None, ..self },
        }
    }

    /// Signs with the key in use.
    pub(in crate::issue::acme) fn signer(&self) -> Result<Signer, String> {
        self.key_pkcs8.signer()
    }

    /// Signs with the one that is to take its place.
    pub(super) fn next_signer(&self) -> Result<Option<Signer>, String> {
        self.next_key_pkcs8.as_ref().map(Secret::signer).transpose()
    }
}

/// One of the two keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// The one in use.
    Old,
    /// The one that is to take its place.
    Next,
}

/// A key (PKCS#8, DER) in base64url; wiped when it goes.
struct Secret(Zeroizing<String>);

impl Secret {
    fn signer(&self) -> Result<Signer, String> {
        let der = URL_SAFE_NO_PAD.decode(self.0.as_bytes()).map(Zeroizing::new);
        let der = der.map_err(|_| "the account's key is no base64".to_owned())?;
        Signer::p256(&der)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}
