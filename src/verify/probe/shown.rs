//! The chain that one endpoint shows, whole: for comparisons that need more than what an
//! inspection keeps (TLSA records, other trust stores).

use std::net::SocketAddr;

use tokio::time::Instant;

use super::look::{Aim, look};
use crate::model::Tls;
use crate::verify::{Ask, How, Sni};

/// What one connection showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The chain as sent, in DER, the first certificate first.
    pub chain: Vec<Vec<u8>>,
    /// The session.
    pub tls: Tls,
}

/// Looks once more at an endpoint, within one deadline, and returns what it shows; `None` where
/// it comes to no session. Nothing is judged.
pub async fn shown(ask: &Ask, how: &How) -> Option<Shown> {
    let endpoint = &ask.endpoint;
    let address = endpoint.address.map(|address| SocketAddr::new(address, endpoint.port));
    let aim = Aim {
        to: ask.connect.or(address)?,
        service: endpoint.service,
        host: &endpoint.host,
        sni: ask.sni == Sni::Host,
    };
    let look = look(aim, Instant::now() + how.timeout).await;
    let tls = look.tls.filter(|_| !look.chain.is_empty())?;
    Some(Shown { chain: look.chain, tls })
}
