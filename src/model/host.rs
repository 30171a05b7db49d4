//! [`Host`]: a mail host of a domain, with every reason why it is one.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::model::{Hostname, Service};

/// Why a host speaks for a domain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Why {
    /// An MX record with this preference (RFC 5321 section 5.1).
    Mx(u16),
    /// The domain has no MX record, so its own address takes the mail (RFC 5321 section 5.1).
    NoMx,
    /// An SRV record (RFC 6186, RFC 8314, RFC 5804): the service and its port.
    Srv(Service, u16),
    /// The configuration's `hosts`.
    Config,
    /// A usual label in front of the domain, such as `mail`.
    Guess(String),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mx(preference) => write!(f, "mx {preference}"),
            Self::NoMx => f.write_str("address (no mx)"),
            Self::Srv(service, port) => write!(f, "srv _{service} {port}"),
            Self::Config => f.write_str("config"),
            Self::Guess(label) => write!(f, "guess {label}"),
        }
    }
}

/// How many of a host's addresses are this machine's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Points {
    /// Every one.
    All,
    /// At least one, not all.
    Some,
    /// None, or the host has no address.
    None,
}

/// A mail host of one domain. A host of two domains stands in two of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Its name.
    pub host: Hostname,
    /// The mail domain it speaks for.
    pub domain: Hostname,
    /// Every reason, best first.
    pub reasons: Vec<Why>,
    /// Its A and AAAA answers, sorted, IPv6 first.
    pub addresses: Vec<IpAddr>,
    /// How many of them are this machine's.
    pub points: Points,
    /// Whether it gets a certificate here.
    pub included: bool,
    /// Left out only because nobody knows now where it points: the DNS gave no answer (SERVFAIL,
    /// a time-out, a forged one) or an empty one. A certificate that covers it keeps it. A host
    /// that does not exist (NXDOMAIN), points elsewhere or is excluded is decided.
    pub undecided: bool,
    /// Why not, as a sentence, where it is left out.
    pub why_not: Option<String>,
}

impl Host {
    /// Whether at least one address is this machine's.
    #[must_use]
    pub fn points_here(&self) -> bool {
        self.points != Points::None
    }

    /// Whether an MX record (or its absence) makes it a host of port 25.
    #[must_use]
    pub fn is_mx(&self) -> bool {
        self.reasons.iter().any(|why| matches!(why, Why::Mx(_) | Why::NoMx))
    }

    /// The services its records publish, with their ports; guesses and configured hosts publish
    /// none.
    pub fn published(&self) -> impl Iterator<Item = (Service, u16)> + '_ {
        self.reasons.iter().filter_map(|why| match why {
            Why::Mx(_) | Why::NoMx => Some((Service::Smtp, Service::Smtp.port())),
            Why::Srv(service, port) => Some((*service, *port)),
            Why::Config | Why::Guess(_) => None,
        })
    }
}
