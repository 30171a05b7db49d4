//! [`Challenge`]: the ways in which a CA has it shown that a name is ours.

use std::fmt;

/// A kind of challenge (RFC 8555 section 8, RFC 8737).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Challenge {
    /// A file on port 80.
    #[default]
    Http01,
    /// A certificate on port 443.
    TlsAlpn01,
    /// A TXT record at `_acme-challenge`.
    Dns01,
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http01 => "http-01",
            Self::TlsAlpn01 => "tls-alpn-01",
            Self::Dns01 => "dns-01",
        })
    }
}
