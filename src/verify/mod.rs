//! Asks a mail server what Gmail would ask, and says accepted, refused or unknown.
//!
//! `starttls`, `hello`, `judge` and `profiles` are pure; `probe` holds the socket.

pub mod dane;
pub mod hello;
pub mod judge;
mod policy;
mod probe;
pub mod profiles;
pub mod starttls;
pub mod sts;
pub mod target;
mod text;
pub mod tlsrpt;

pub use judge::facts;
pub use policy::{Found, policies};
pub use probe::{
    Fetched, Shown, Walk, compare_addresses, inspect_all, inspect_file, shown, unresolved,
};
pub use target::{BadTarget, Target, asks_of, asks_of_server};
pub use text::{visible, visible_bytes};

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::config::Profile;
use crate::http::Http;
use crate::model::{Code, Endpoint, Hostname, KeyType, Stage, Timestamp};
use crate::trust::Roots;

/// One thing that is wrong, before a profile has weighed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What kind.
    pub code: Code,
    /// At which stage of a look it shows.
    pub stage: Stage,
    /// What would be right.
    pub expected: Option<String>,
    /// What was found instead; control characters are made visible.
    pub found: Vec<String>,
    /// Why it is so, where it can be told.
    pub why: Option<String>,
}

impl Fault {
    /// A fault of which nothing more is known.
    #[must_use]
    pub fn new(code: Code, stage: Stage) -> Self {
        Self { code, stage, expected: None, found: Vec::new(), why: None }
    }
}

/// One endpoint to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// What the sender connects to.
    pub endpoint: Endpoint,
    /// The mail domain it is asked for, if one is.
    pub domain: Option<Hostname>,
    /// Whether the address is this machine's, where that can be told.
    pub ours: Option<bool>,
    /// Connect here instead of to the endpoint's address (`--connect`, a local listener).
    pub connect: Option<SocketAddr>,
    /// Where a sender got the endpoint from, for the report: `MX 10 of example.org`.
    pub origin: Option<String>,
    /// Only counts if something answers (ports 465 and 587 of a domain without SRV records): a
    /// refused or silent connection is no finding and the inspection is left out.
    pub optional: bool,
    /// Which server name to send.
    pub sni: Sni,
    /// The only algorithm to offer, where the server has a certificate of each.
    pub side: Option<Side>,
    /// Whether the listener wants a PROXY header first: its own settings say so.
    pub proxy_header: bool,
}

/// Which server name a look sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sni {
    /// The host, as Gmail does.
    #[default]
    Host,
    /// None: what the default certificate is for. The certificate is judged for the host.
    None,
}

/// The algorithm of a certificate's key, of which a server may have one certificate each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// ECDSA.
    Ecdsa,
    /// RSA.
    Rsa,
}

impl Side {
    /// That of a kind of key; `None` for a kind that mailcert does not make.
    #[must_use]
    pub fn of(kind: KeyType) -> Option<Self> {
        match kind {
            KeyType::Other => None,
            kind if kind.is_rsa() => Some(Self::Rsa),
            _ => Some(Self::Ecdsa),
        }
    }
}

/// How to look.
#[derive(Clone, Debug)]
pub struct How {
    /// Which roots decide.
    pub roots: Arc<Roots>,
    /// Which sender is asked for.
    pub profile: Profile,
    /// One deadline for an endpoint with all its dialogues.
    pub timeout: Duration,
    /// Endpoints at once.
    pub concurrency: usize,
    /// Dialogues at once towards one address.
    pub per_address: usize,
    /// Handshakes with SNI.
    pub tries: usize,
    /// Whether one more is made without SNI.
    pub without_sni: bool,
    /// What `verify` looks at beyond that.
    pub extras: Extras,
    /// The moment the run began.
    pub now: Timestamp,
    /// When `now` was, so that a certificate made while mailcert runs is not judged before its
    /// time.
    pub since: tokio::time::Instant,
}

/// What `verify` looks at beyond what `run` and `fix` prove: nothing, by default.
#[derive(Clone, Debug, Default)]
pub struct Extras {
    /// What costs no connection, or one under strict: what is offered inside TLS, logins, and an
    /// unknown SNI.
    pub thorough: bool,
    /// A second look by a hand-made ClientHello: for what our library does not speak, and whether
    /// old versions are still offered. One connection each; off with `--quick`.
    pub second_look: bool,
    /// Whether the lines of the first dialogue are kept.
    pub transcript: bool,
    /// Intermediates that are known (DER), to say which one is missing: those of the store.
    pub intermediates: Arc<Vec<Vec<u8>>>,
    /// Whether the issuer's certificate is fetched from the caIssuers URL when it is not sent.
    pub aia: bool,
    /// Whether the certificate's CRL is fetched.
    pub crl: bool,
    /// The client for both.
    pub http: Option<Http>,
    /// What was fetched in this run, each URL once.
    pub fetched: Arc<Fetched>,
}

impl How {
    /// By what chains are judged.
    #[must_use]
    pub fn known(&self) -> judge::Known<'_> {
        judge::Known { roots: &self.roots, intermediates: &self.extras.intermediates }
    }

    /// The moment it is: `now` and what has passed since.
    #[must_use]
    pub fn moment(&self) -> Timestamp {
        self.now.plus(self.since.elapsed())
    }
}
