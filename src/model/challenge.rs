//! [`Challenge`]: the ways in which a CA has it shown that a name is ours; [`Ways`]: which name
//! takes which of them, and why.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::model::{DnsId, Hostname};

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

/// What the tables of `[challenge]` come to: which challenge a name takes. One name takes one, so
/// that a plan can say it, CAA is asked for it, and nothing else is presented.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ways {
    /// Names that a table lists in `hosts`.
    pub listed: BTreeMap<Hostname, Challenge>,
    /// What all others take, and why they do.
    pub rest: (Challenge, Because),
}

impl Ways {
    /// The way of one name. Wildcards have one alone (RFC 8555 section 8.3, RFC 8737 section 3).
    #[must_use]
    pub fn of(&self, name: &DnsId) -> Way {
        let listed = |host| self.listed.get(host).map(|challenge| (*challenge, Because::Listed));
        let (challenge, because) = match name {
            DnsId::Host(host) => listed(host).unwrap_or(self.rest),
            DnsId::Wildcard(_) => (Challenge::Dns01, Because::Wildcard),
        };
        Way { name: name.clone(), challenge, because }
    }
}

/// The challenge that a name takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The name.
    pub name: DnsId,
    /// What it takes.
    pub challenge: Challenge,
    /// Why that one.
    pub because: Because,
}

impl Way {
    /// Why, in a few words.
    #[must_use]
    pub fn why(&self) -> String {
        match self.because {
            Because::Unsaid => "no [challenge] is configured".to_owned(),
            Because::Only => "no other [challenge] is configured".to_owned(),
            Because::Listed => format!("hosts of [challenge.{}] name it", self.challenge),
            Because::Rest => "no other [challenge] names it".to_owned(),
            Because::Wildcard => "a wildcard takes no other".to_owned(),
        }
    }
}

/// Why a name takes a challenge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Because {
    /// The configuration says nothing of challenges.
    #[default]
    Unsaid,
    /// There is one table, and it lists no names.
    Only,
    /// It stands in the table's `hosts`.
    Listed,
    /// It stands in no other table's `hosts`.
    Rest,
    /// It is a wildcard.
    Wildcard,
}

/// From where the CA's question on port 80 is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnsweredFrom {
    /// From the port itself: nobody else has it.
    Port,
    /// From here, where a web server at port 80 has to pass it on to.
    Behind(SocketAddr),
    /// From a directory that a web server has to serve.
    Directory(PathBuf),
}
