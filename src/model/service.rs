//! [`Service`]: the protocols a mail host speaks, and [`Endpoint`], one of them at one place.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::model::Hostname;

/// How TLS begins on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TlsMode {
    /// The client asks for it after the greeting (RFC 3207, 2595, 5804).
    Starttls,
    /// The first byte is TLS (RFC 8314 section 3).
    Implicit,
}

/// A mail protocol as one port offers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// Mail between servers, port 25, STARTTLS.
    Smtp,
    /// Message submission, port 587, STARTTLS (RFC 6409).
    Submission,
    /// Message submission, port 465, TLS at once (RFC 8314).
    Submissions,
    /// IMAP, port 143, STARTTLS.
    Imap,
    /// IMAP, port 993, TLS at once.
    Imaps,
    /// POP3, port 110, STLS.
    Pop3,
    /// POP3, port 995, TLS at once.
    Pop3s,
    /// ManageSieve, port 4190, STARTTLS (RFC 5804).
    Sieve,
}

impl Service {
    /// Every service, in the order reports list them.
    pub const ALL: [Self; 8] = [
        Self::Smtp,
        Self::Submission,
        Self::Submissions,
        Self::Imap,
        Self::Imaps,
        Self::Pop3,
        Self::Pop3s,
        Self::Sieve,
    ];

    /// The port this service has by its standard.
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Self::Smtp => 25,
            Self::Submission => 587,
            Self::Submissions => 465,
            Self::Imap => 143,
            Self::Imaps => 993,
            Self::Pop3 => 110,
            Self::Pop3s => 995,
            Self::Sieve => 4190,
        }
    }

    /// The service whose standard port this is.
    #[must_use]
    pub fn at_port(port: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.port() == port)
    }

    /// How TLS begins.
    #[must_use]
    pub fn tls_mode(self) -> TlsMode {
        match self {
            Self::Submissions | Self::Imaps | Self::Pop3s => TlsMode::Implicit,
            _ => TlsMode::Starttls,
        }
    }

    /// Whether an SMTP server answers here.
    #[must_use]
    pub fn is_smtp(self) -> bool {
        matches!(self, Self::Smtp | Self::Submission | Self::Submissions)
    }

    /// The word used in targets, JSON and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Submission => "submission",
            Self::Submissions => "submissions",
            Self::Imap => "imap",
            Self::Imaps => "imaps",
            Self::Pop3 => "pop3",
            Self::Pop3s => "pop3s",
            Self::Sieve => "sieve",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One service of one host at one address: what a sender connects to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Endpoint {
    /// The name the sender connects to; it is the SNI and what the certificate must cover.
    pub host: Hostname,
    /// The protocol.
    pub service: Service,
    /// The TCP port.
    pub port: u16,
    /// The address, if the name has one.
    pub address: Option<IpAddr>,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => write!(f, "{} [{address}]:{}", self.host, self.port),
            None => write!(f, "{}:{}", self.host, self.port),
        }
    }
}
