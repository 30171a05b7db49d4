//! What is wrong with a file that is not as it should be, as far as its bytes tell: the cause that
//! a person is told.

use std::fmt;

use crate::model::{Code, DnsId, Timestamp};

/// What an installed file holds instead of what is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// No certificate and no key that can be read.
    Garbage,
    /// Key and certificate do not belong together.
    Mismatch,
    /// The key stands behind the certificate: Postfix turns away every client of the name.
    KeyNotFirst,
    /// The certificate stands behind another one, its issuer's for example.
    LeafNotFirst,
    /// A key without its certificate, which is another one than was put there.
    OtherKey,
    /// A certificate that senders refuse, for this reason.
    Refused(Code),
    /// A certificate for these names that ends at this moment, in order but not the one to show.
    Other(Vec<DnsId>, Timestamp),
    /// A map whose values are no PEM: `postmap` ran without `-F`.
    WithoutF,
    /// A map that lacks these names: `postmap` drops, in silence, those whose file is missing.
    Lacks(Vec<String>),
    /// A map that shows this name, and perhaps others, as the files were before.
    Outdated(String),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Garbage => f.write_str("what is there is no PEM that can be read"),
            Self::Mismatch => f.write_str("key and certificate there do not match"),
            Self::KeyNotFirst => {
                f.write_str("the key there stands behind the certificate, and has to be first")
            }
            Self::LeafNotFirst => {
                f.write_str("the server's own certificate there stands behind another one")
            }
            Self::OtherKey => f.write_str("another key is there than belongs to the certificate"),
            Self::Refused(code) => write!(f, "senders refuse what is there ({code})"),
            Self::Other(names, end) => {
                let named: Vec<String> = names.iter().take(3).map(ToString::to_string).collect();
                let more = if names.len() > 3 { ", ..." } else { "" };
                write!(
                    f,
                    "what is there is a certificate for {}{more} that ends at {end}",
                    named.join(", ")
                )
            }
            Self::WithoutF => f.write_str("the map there was built without postmap -F"),
            Self::Lacks(names) => {
                let more = match names.len() {
                    0 | 1 => String::new(),
                    all => format!(" and {} more", all - 1),
                };
                let first = names.first().map_or("a name", |name| name);
                write!(f, "the map there lacks {first}{more}")
            }
            Self::Outdated(name) => {
                write!(f, "the map there is older than the file of {name}")
            }
        }
    }
}
