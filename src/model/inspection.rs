//! [`Inspection`]: what one look at one endpoint found, in the form of the JSON interface.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{Code, Hostname, Level, Service, Sha256, Timestamp};

/// Whether the sender would hand its mail over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It would.
    Accepted,
    /// Nothing can be said: the endpoint could not be tested.
    Unknown,
    /// It would not.
    Refused,
}

impl Verdict {
    /// The verdict of many: refused if one is, else unknown if one is, else accepted.
    #[must_use]
    pub fn of(all: impl IntoIterator<Item = Self>) -> Self {
        all.into_iter().max().unwrap_or(Self::Accepted)
    }

    /// The word in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Unknown => "unknown",
            Self::Refused => "refused",
        }
    }
}

/// The stages of a look, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The TCP connection.
    Connect,
    /// The server's first reply.
    Greeting,
    /// The request for TLS and its answer.
    Starttls,
    /// The TLS handshake.
    Handshake,
    /// The certificate chain up to a public root.
    Chain,
    /// The names on the certificate.
    Name,
    /// The validity dates.
    Dates,
}

/// How a stage went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StageMark {
    /// As it should.
    Ok,
    /// Accepted, with a warning.
    Warn,
    /// A sender refuses here.
    Fail,
    /// Could not be told.
    Unknown,
}

/// Every stage with its mark; `None` was not reached (or, for implicit TLS, does not exist).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the stages are documented at Stage")]
pub struct Stages {
    pub connect: Option<StageMark>,
    pub greeting: Option<StageMark>,
    pub starttls: Option<StageMark>,
    pub handshake: Option<StageMark>,
    pub chain: Option<StageMark>,
    pub name: Option<StageMark>,
    pub dates: Option<StageMark>,
}

impl Stages {
    /// Sets the mark of one stage.
    pub fn mark(&mut self, stage: Stage, mark: StageMark) {
        *(match stage {
            Stage::Connect => &mut self.connect,
            Stage::Greeting => &mut self.greeting,
            Stage::Starttls => &mut self.starttls,
            Stage::Handshake => &mut self.handshake,
            Stage::Chain => &mut self.chain,
            Stage::Name => &mut self.name,
            Stage::Dates => &mut self.dates,
        }) = Some(mark);
    }

    /// The marks in order, for a matrix of columns.
    #[must_use]
    pub fn in_order(&self) -> [Option<StageMark>; 7] {
        [
            self.connect,
            self.greeting,
            self.starttls,
            self.handshake,
            self.chain,
            self.name,
            self.dates,
        ]
    }
}

/// One problem of one endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Problem {
    /// What kind of problem.
    pub code: Code,
    /// How much it weighs in the profile that was asked for.
    pub level: Level,
    /// What would be right, as text.
    pub expected: Option<String>,
    /// What was found instead; control characters are made visible.
    pub found: Vec<String>,
    /// The sentence the sender shows, where it is known.
    pub sender_says: Option<String>,
    /// Why it is so, where it can be told.
    pub why: Option<String>,
}

/// The TLS session that was agreed on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tls {
    /// `TLSv1.3` or `TLSv1.2`; older ones, down to `SSLv3`, only in a second look.
    pub version: String,
    /// The IANA name of the cipher suite.
    pub cipher: String,
}

/// The leaf certificate that was shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CertificateSeen {
    /// The names on it, as text.
    pub names: Vec<String>,
    /// The issuer's distinguished name.
    pub issuer: String,
    /// The serial number in hexadecimal.
    pub serial: String,
    /// Not valid before.
    pub not_before: Timestamp,
    /// Not valid after.
    pub not_after: Timestamp,
    /// SHA-256 of the DER.
    pub sha256: Sha256,
    /// SHA-256 of the SubjectPublicKeyInfo.
    pub spki_sha256: Sha256,
    /// Certificates sent, the leaf included.
    pub chain_length: usize,
}

/// What more was seen, for those who ask for more; `run` keeps none of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Details {
    /// The file that was judged instead of a server (`verify --pem`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// What the server offers inside TLS: the keywords of its EHLO reply (RFC 5321 section
    /// 4.1.1.1) or its capabilities; control characters are made visible.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub offers: Vec<String>,
    /// The best session that a hand-made ClientHello for versions before TLS 1.3 was offered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second_look: Option<Tls>,
    /// The lines of the first dialogue, each behind `S: ` or `C: `; control characters are made
    /// visible. Only with `-v`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub transcript: Vec<String>,
}

/// What one look at one endpoint found. Field names are the JSON interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspection {
    /// The host a sender connects to.
    pub host: Hostname,
    /// The mail domain it was asked for, if one was.
    pub domain: Option<Hostname>,
    /// Where a sender got the endpoint from, as in `MX 10 of example.org`, where that is known.
    #[serde(default)]
    pub origin: Option<String>,
    /// The protocol.
    pub service: Service,
    /// The port.
    pub port: u16,
    /// The address; `None` if the name has none.
    pub address: Option<IpAddr>,
    /// The server name sent in the handshake.
    pub sni: Option<Hostname>,
    /// Whether the address is this machine's; `None` where nobody can tell (no configuration).
    pub ours: Option<bool>,
    /// The answer.
    pub verdict: Verdict,
    /// How far it went.
    pub stages: Stages,
    /// Everything wrong, worst first.
    pub problems: Vec<Problem>,
    /// The session, if there was one.
    pub tls: Option<Tls>,
    /// The leaf, if one was shown; the looks of one proof share it.
    pub certificate: Option<Arc<CertificateSeen>>,
    /// When this was seen.
    pub proved_at: Timestamp,
    /// How long the look took, in milliseconds.
    pub millis: u64,
    /// What more was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Box<Details>>,
}
