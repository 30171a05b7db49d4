//! [`TsigKey`]: the shared secret by which a DNS server knows who updates its zone (RFC 8945).

use std::fmt;

use zeroize::Zeroizing;

/// How a message is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TsigAlgorithm {
    /// `hmac-sha256`.
    Sha256,
    /// `hmac-sha384`.
    Sha384,
    /// `hmac-sha512`.
    Sha512,
}

impl TsigAlgorithm {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    /// Its name, on the wire and in configurations.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "hmac-sha256",
            Self::Sha384 => "hmac-sha384",
            Self::Sha512 => "hmac-sha512",
        }
    }
}

/// A key; its secret is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct TsigKey {
    /// What the server calls it.
    pub name: String,
    /// How it signs.
    pub algorithm: TsigAlgorithm,
    /// The secret itself, not in base64.
    pub secret: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for TsigKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TsigKey({} {})", self.name, self.algorithm.as_str())
    }
}
