//! Asks a mail server what Gmail would ask, and says accepted, refused or unknown.
//!
//! `starttls`, `judge` and `profiles` are pure; `probe` holds the socket.

pub mod judge;
mod text;

pub use text::{visible, visible_bytes};

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::config::Profile;
use crate::model::{Endpoint, Hostname, Inspection, Timestamp};
use crate::trust::Roots;

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
    /// The moment the certificates are judged at.
    pub now: Timestamp,
}

/// x
pub fn facts(bundle: &crate::model::Bundle) -> Result<crate::model::Facts, String> {
    let _ = bundle;
    todo!()
}

/// Looks at every endpoint side by side within the bounds; the answers are in the order of
/// `asks`, without the optional ones that did not answer. `seen` is called as each is done.
pub async fn inspect_all(
    asks: &[Ask],
    how: &How,
    seen: &(dyn Fn(&Inspection) + Send + Sync),
) -> Vec<Inspection> {
    let _ = (asks, how, seen);
    let _: Option<IpAddr> = None;
    todo!()
}
