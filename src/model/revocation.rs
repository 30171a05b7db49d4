//! [`Revocation`]: why a certificate is revoked.

use std::fmt;

/// A reason that a subscriber may give (RFC 5280 section 5.3.1; the CA/Browser Forum's Baseline
/// Requirements, section 4.9.1.1, leave these to subscribers).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// None is given.
    Unspecified,
    /// Others have, or may have, the key.
    KeyCompromise,
    /// Another certificate has taken its place.
    Superseded,
    /// The names are not served any more.
    CessationOfOperation,
}

impl Revocation {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::Unspecified, Self::KeyCompromise, Self::Superseded, Self::CessationOfOperation];

    /// The word of RFC 5280.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "keyCompromise",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessationOfOperation",
        }
    }

    /// The number in ACME (RFC 8555 section 7.6) and in CRLs.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => 1,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
        }
    }
}

impl fmt::Display for Revocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
