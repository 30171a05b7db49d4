//! Questions to the DNS. Every answer says absent, failed or authenticated, and how long it lives.
//!
//! [`Resolver`] asks the configured servers, [`Zone`] answers from a literal text, [`Asker`] asks
//! another one each question once and no faster than agreed. Nothing here knows what mail is.

mod asker;
mod authority;
mod name;
mod resolver;
mod tsig;
mod update;
mod wire;
mod zone;
mod zone_text;

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use asker::Asker;
pub use authority::{Authority, Over};
pub use resolver::{BadResolver, Resolver};
pub use update::{Change, NotUpdated, update};
pub use zone::{BadZone, Zone};

/// The kinds of question mailcert asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "they are the names of the DNS")]
pub enum Kind {
    A,
    Aaaa,
    Mx,
    Srv,
    Caa,
    Tlsa,
    Txt,
    Soa,
    Ns,
    Cname,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Mx => "MX",
            Self::Srv => "SRV",
            Self::Caa => "CAA",
            Self::Tlsa => "TLSA",
            Self::Txt => "TXT",
            Self::Soa => "SOA",
            Self::Ns => "NS",
            Self::Cname => "CNAME",
        })
    }
}

/// The data of one record. Names are as they came: untrusted presentation format without the
/// trailing dot (the root is `.`), to be parsed by `Hostname::parse`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "they are the fields of RFC 1035, 2782, 6698 and 8659")]
pub enum Record {
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    Mx {
        preference: u16,
        exchange: String,
    },
    Srv {
        priority: u16,
        weight: u16,
        port: u16,
        target: String,
    },
    Caa {
        critical: bool,
        tag: String,
        value: String,
    },
    Tlsa {
        usage: u8,
        selector: u8,
        matching: u8,
        data: Vec<u8>,
    },
    /// The strings of one record, put together; bytes that are no UTF-8 are replaced.
    Txt(String),
    /// The primary (MNAME) of a zone; what else an SOA says is not asked for.
    Soa(String),
    Ns(String),
    /// An alias that was asked for as such; elsewhere aliases are followed.
    Cname(String),
}

/// Why there is nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// The name does not exist (NXDOMAIN).
    NxDomain,
    /// The name exists without such a record (NODATA).
    NoData,
}

/// Why there was no answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failure {
    /// The resolver failed.
    ServFail,
    /// The resolver refused.
    Refused,
    /// No answer in time.
    Timeout,
    /// DNSSEC validation failed: an answer comes with CD=1, or EDE 6 to 12 says so (RFC 8914).
    Bogus,
    /// Aliases lead in a circle or too far.
    AliasLoop,
    /// Anything else, as a short text.
    Other(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ServFail => "SERVFAIL",
            Self::Refused => "REFUSED",
            Self::Timeout => "no answer in time",
            Self::Bogus => "DNSSEC validation failed",
            Self::AliasLoop => "its aliases lead in a circle or too far",
            Self::Other(text) => text,
        })
    }
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// At least one record of the kind asked for.
    Records(Vec<Record>),
    /// None, and that is certain.
    Absent(Absence),
    /// Nobody knows.
    Failed(Failure),
}

/// The answer to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What came back.
    pub reply: Reply,
    /// The aliases (CNAME) that were followed, in order, without the name asked for.
    pub aliases: Vec<String>,
    /// Whether a validating resolver vouches for it (AD).
    pub authenticated: bool,
    /// How long it may be kept.
    pub ttl: Duration,
}

impl Answer {
    /// An answer that says only why there is none; it is not to be kept.
    #[must_use]
    pub fn failed(failure: Failure) -> Self {
        Self {
            reply: Reply::Failed(failure),
            aliases: Vec::new(),
            authenticated: false,
            ttl: Duration::ZERO,
        }
    }

    /// The records, none if there are none.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        match &self.reply {
            Reply::Records(records) => records,
            Reply::Absent(_) | Reply::Failed(_) => &[],
        }
    }
}

/// Who answers questions: the resolver, or a literal zone.
#[async_trait]
pub trait Dns: Send + Sync {
    /// Asks for the records of `kind` at `name` (presentation format, no trailing dot; may begin
    /// with underscore labels). Never an error: what failed is in the answer.
    async fn ask(&self, name: &str, kind: Kind) -> Answer;
}

#[async_trait]
impl<D: Dns + ?Sized> Dns for &D {
    async fn ask(&self, name: &str, kind: Kind) -> Answer {
        (**self).ask(name, kind).await
    }
}

#[async_trait]
impl<D: Dns + ?Sized> Dns for Arc<D> {
    async fn ask(&self, name: &str, kind: Kind) -> Answer {
        (**self).ask(name, kind).await
    }
}
