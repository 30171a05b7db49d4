//! What is known of a certificate without its key: [`CertName`], [`Version`], [`Facts`].

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{DnsId, Hostname, Owner, Timestamp};

/// The name of a certificate in the store: a host name, with `-2`, `-3` behind it where a group
/// needs more than one; or, of a certificate that others made, its name with the owner's behind it
/// (`mail.example.org.certbot`), so that the two are never mistaken for each other; or `.rsa` behind
/// the name of the certificate it is shown beside. Safe as a file name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CertName(String);

/// What the name of an RSA certificate beside another ends in. There is no such top-level domain.
const BESIDE: &str = ".rsa";

/// A text that is no name of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no certificate name; expected a domain such as example.org or example.org-2")]
pub struct BadCertName(String);

impl CertName {
    /// The name of the `number`th certificate (from 1) of the group of `domain`.
    #[must_use]
    pub fn of_group(domain: &Hostname, number: usize) -> Self {
        if number <= 1 { Self(domain.to_string()) } else { Self(format!("{domain}-{number}")) }
    }

    /// The name of a certificate that `owner` made and calls `name`. `None` where that is too long.
    #[must_use]
    pub fn of_owner(name: &Hostname, owner: Owner) -> Option<Self> {
        Self::parse(&format!("{name}.{}", owner.label())).ok()
    }

    /// Who made it, where that was not mailcert.
    #[must_use]
    pub fn owner(&self) -> Option<Owner> {
        let (_, label) = self.0.rsplit_once('.')?;
        Owner::ALL.into_iter().find(|owner| owner.label() == label)
    }

    /// The name of the RSA certificate that is shown beside this one (`example.org.rsa`). `None`
    /// where it is such a one itself, is of others, or is too long.
    #[must_use]
    pub fn beside(&self) -> Option<Self> {
        let may = !self.is_beside() && self.owner().is_none();
        may.then(|| Self::parse(&format!("{self}{BESIDE}")).ok()).flatten()
    }

    /// Whether it is the RSA certificate beside another.
    #[must_use]
    pub fn is_beside(&self) -> bool {
        self.0.ends_with(BESIDE)
    }

    /// The certificate that this one stands beside.
    #[must_use]
    pub fn first(&self) -> Option<Self> {
        self.0.strip_suffix(BESIDE).map(|first| Self(first.to_owned()))
    }

    /// Parses a name as [`CertName::of_group`] makes it.
    ///
    /// # Errors
    /// [`BadCertName`] when it is not such a name.
    pub fn parse(text: &str) -> Result<Self, BadCertName> {
        match Hostname::parse(text) {
            Ok(name) => Ok(Self(name.to_string())),
            Err(_) => Err(BadCertName(text.to_owned())),
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CertName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for CertName {
    type Error = BadCertName;

    fn try_from(text: String) -> Result<Self, BadCertName> {
        Self::parse(&text)
    }
}

impl From<CertName> for String {
    fn from(name: CertName) -> Self {
        name.0
    }
}

/// The number of a certificate's version in the store: 1 is the first ever issued.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
pub struct Version(pub u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A SHA-256 digest, written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256(pub [u8; 32]);

impl Sha256 {
    /// The digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
        let mut own = [0; 32];
        own.copy_from_slice(digest.as_ref());
        Self(own)
    }

    /// What a file of mailcert's holds: the digest of its bytes; of several pairs, each of which
    /// begins with its key, the digest of theirs. So it is known of a file that puts pairs together
    /// whose own files are known.
    #[must_use]
    pub fn of_content(bytes: &[u8]) -> Self {
        let pairs = pairs(bytes);
        if pairs.len() < 2 {
            Self::of(bytes)
        } else {
            Self::of_pairs(pairs.into_iter().map(Self::of))
        }
    }

    /// The same of the digests of the pairs.
    #[must_use]
    pub fn of_pairs(pairs: impl IntoIterator<Item = Self>) -> Self {
        let mut all = b"pairs".to_vec();
        pairs.into_iter().for_each(|pair| all.extend_from_slice(&pair.0));
        Self::of(&all)
    }

    /// Parses 64 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

/// The bytes from each private key to the next; none where the first does not begin the text.
fn pairs(bytes: &[u8]) -> Vec<&[u8]> {
    const BEGIN: &[u8] = b"-----BEGIN ";
    let is_key = |at: &usize| {
        let line = bytes[*at..].split(|byte| *byte == b'\n').next().unwrap_or_default();
        line.starts_with(BEGIN) && line.ends_with(b"PRIVATE KEY-----")
    };
    let lines = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    let starts: Vec<usize> = std::iter::once(0).chain(lines).filter(is_key).collect();
    if starts.first() != Some(&0) {
        return Vec::new();
    }
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    starts.iter().zip(ends).map(|(start, end)| &bytes[*start..end]).collect()
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Sha256 {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("{text:?} is no SHA-256 digest"))
    }
}

impl From<Sha256> for String {
    fn from(digest: Sha256) -> Self {
        digest.to_string()
    }
}

/// SHA-256 of a SubjectPublicKeyInfo in DER: what TLSA `3 1 1` pins (RFC 6698).
pub type KeyHash = Sha256;

/// The kinds of key mailcert makes or knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum KeyType {
    /// ECDSA on NIST P-256.
    #[serde(rename = "ecdsa-p256")]
    EcdsaP256,
    /// ECDSA on NIST P-384.
    #[serde(rename = "ecdsa-p384")]
    EcdsaP384,
    /// RSA of 2048 bits.
    #[serde(rename = "rsa-2048")]
    Rsa2048,
    /// RSA of 3072 bits.
    #[serde(rename = "rsa-3072")]
    Rsa3072,
    /// RSA of 4096 bits.
    #[serde(rename = "rsa-4096")]
    Rsa4096,
    /// Anything else, met on a certificate others made.
    Other,
}

impl KeyType {
    /// The types the configuration may name, in the order of the contract.
    pub const CONFIGURABLE: [Self; 5] =
        [Self::EcdsaP256, Self::EcdsaP384, Self::Rsa2048, Self::Rsa3072, Self::Rsa4096];

    /// Whether it is RSA, of a size that mailcert makes.
    #[must_use]
    pub fn is_rsa(self) -> bool {
        matches!(self, Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096)
    }

    /// The word of the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EcdsaP256 => "ecdsa-p256",
            Self::EcdsaP384 => "ecdsa-p384",
            Self::Rsa2048 => "rsa-2048",
            Self::Rsa3072 => "rsa-3072",
            Self::Rsa4096 => "rsa-4096",
            Self::Other => "other",
        }
    }
}

/// The kinds of key that the configuration asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keys {
    /// That of every certificate.
    pub first: KeyType,
    /// That of a second certificate beside each, which is RSA where the first is ECDSA.
    pub beside: Option<KeyType>,
}

impl Keys {
    /// One kind for all.
    #[must_use]
    pub fn one(first: KeyType) -> Self {
        Self { first, beside: None }
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a certificate chain says of itself: everything the planner needs and no key bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The dNSNames of the leaf that parse, sorted.
    pub names: Vec<DnsId>,
    /// The leaf is not valid before this moment.
    pub not_before: Timestamp,
    /// The leaf is not valid after this moment.
    pub not_after: Timestamp,
    /// The issuer's distinguished name, as text.
    pub issuer: String,
    /// The serial number in hexadecimal.
    pub serial: String,
    /// The kind of the leaf's key.
    pub key_type: KeyType,
    /// SHA-256 of the leaf's DER.
    pub leaf: Sha256,
    /// SHA-256 of the leaf's SubjectPublicKeyInfo.
    pub spki: KeyHash,
    /// SHA-256 of the combined PEM file (key, leaf, chain): what is compared on disk.
    pub combined: Sha256,
    /// SHA-256 of the key's PEM file in the split layout.
    pub key_file: Sha256,
    /// SHA-256 of the chain's PEM file (leaf first) in the split layout.
    pub chain_file: Sha256,
    /// Certificates in the chain, the leaf included.
    pub chain_length: usize,
}

impl Facts {
    /// Whether the certificate is one for `host`.
    #[must_use]
    pub fn covers(&self, host: &Hostname) -> bool {
        self.names.iter().any(|name| name.matches(host))
    }

    /// Whether the certificate does what a name of an order is for: a host by whatever name of it, a
    /// wildcard by itself.
    #[must_use]
    pub fn carries(&self, name: &DnsId) -> bool {
        match name {
            DnsId::Host(host) => self.covers(host),
            DnsId::Wildcard(_) => self.names.contains(name),
        }
    }

    /// Whether the certificate is within its dates.
    #[must_use]
    pub fn valid_at(&self, now: Timestamp) -> bool {
        self.not_before <= now && now <= self.not_after
    }
}

#[cfg(test)]
mod tests {
    use super::{CertName, Sha256};

    #[test]
    fn each_certificate_has_one_name_for_rsa_beside_it() {
        let name = |text| CertName::parse(text).unwrap();
        let beside = name("example.org-2").beside().unwrap();
        assert_eq!(beside.as_str(), "example.org-2.rsa");
        assert_eq!((beside.first(), beside.beside()), (Some(name("example.org-2")), None));
        assert!(beside.is_beside() && !name("example.org").is_beside());
        assert_eq!(name("example.org").first(), None);
        assert_eq!(name("mail.example.org.certbot").beside(), None, "that is its owner's affair");
    }

    #[test]
    fn a_file_of_two_pairs_is_known_by_theirs() {
        let pair = |text: &str| {
            format!(
                "-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n\
                 -----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n"
            )
        };
        let [a, b] = ["a", "b"].map(pair);
        let of = |text: &str| Sha256::of_content(text.as_bytes());
        let two = |one: &str, other: &str| {
            Sha256::of_pairs([one, other].map(|pair| Sha256::of(pair.as_bytes())))
        };
        assert_eq!(of(&a), Sha256::of(a.as_bytes()));
        assert_eq!(of(&format!("{a}{b}")), two(&a, &b));
        assert_ne!(two(&a, &b), two(&b, &a));
        for other in [format!("x\n{a}{b}"), format!("{b}{a}"), format!("{a}{b}x"), String::new()] {
            assert_ne!(of(&other), two(&a, &b), "{other}");
        }
    }
}
