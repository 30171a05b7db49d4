//! [`Policies`]: what a mail domain publishes about the TLS of its servers, and whether these hold
//! it, in the form of the JSON interface.

use serde::{Deserialize, Serialize};

use crate::model::Hostname;

/// What one domain publishes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policies {
    /// The mail domain.
    pub domain: Hostname,
    /// MTA-STS (RFC 8461); `None` where there is no record.
    pub mta_sts: Option<MtaSts>,
    /// TLS-RPT (RFC 8460); `None` where there is no record.
    pub tls_rpt: Option<TlsRpt>,
    /// The MX hosts with TLSA records (RFC 7672).
    pub dane: Vec<Dane>,
}

impl Policies {
    /// A domain that publishes nothing.
    #[must_use]
    pub fn none(domain: Hostname) -> Self {
        Self { domain, mta_sts: None, tls_rpt: None, dane: Vec::new() }
    }
}

/// What a sender does with a host that does not hold what an MTA-STS policy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StsMode {
    /// Nothing: there is no policy (any more).
    None,
    /// It delivers all the same and reports.
    Testing,
    /// It does not deliver.
    Enforce,
}

impl StsMode {
    /// The word in the policy.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Testing => "testing",
            Self::Enforce => "enforce",
        }
    }
}

/// An MTA-STS record with its policy, as far as they could be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MtaSts {
    /// The id of the record.
    pub id: Option<String>,
    /// The mode of the policy.
    pub mode: Option<StsMode>,
    /// The hosts it names, wildcards included.
    pub mx: Vec<String>,
    /// How long senders keep it, in seconds.
    pub max_age: Option<u64>,
    /// The domain's MX hosts by the policy; empty in mode none.
    pub hosts: Vec<StsHost>,
    /// What is wrong with record or policy.
    pub problem: Option<String>,
}

/// One MX host by the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StsHost {
    /// The host.
    pub host: Hostname,
    /// Whether the policy names it.
    pub listed: bool,
    /// Whether a sender that obeys the policy takes what it serves; `None` where it could not be
    /// tested.
    pub accepted: Option<bool>,
}

/// A TLS-RPT record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsRpt {
    /// Where reports go.
    pub rua: Vec<String>,
    /// What is wrong with the record.
    pub problem: Option<String>,
}

/// The TLSA records of one MX host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dane {
    /// The host.
    pub host: Hostname,
    /// The port they are for.
    pub port: u16,
    /// Whether DNSSEC vouches for MX records, addresses and TLSA records, so that senders use
    /// them; `None` where the resolver does not validate.
    pub authenticated: Option<bool>,
    /// Whether each address of the host shows what one of the records means; `None` where nothing
    /// could be compared.
    pub holds: Option<bool>,
    /// The records.
    pub records: Vec<TlsaSeen>,
    /// What is wrong with them.
    pub problem: Option<String>,
}

/// One TLSA record (RFC 6698 section 2.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsaSeen {
    /// Which certificate it speaks of.
    pub usage: u8,
    /// The whole certificate or its key.
    pub selector: u8,
    /// As it is or as which hash.
    pub matching: u8,
    /// In hexadecimal.
    pub data: String,
    /// Whether it is true of what every address of the host shows; `None` where nothing could be
    /// compared.
    pub matches: Option<bool>,
}
