//! [`Listener`]: one socket on which a server takes mail or logins.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::model::Service;

/// One listening socket of a server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Listener {
    /// The address; `None` means every address of this machine.
    pub address: Option<IpAddr>,
    /// The port.
    pub port: u16,
    /// The protocol and how TLS begins.
    pub service: Service,
    /// Whether it expects the PROXY protocol's header before anything else.
    #[serde(default)]
    pub proxy: bool,
}

impl Listener {
    /// Whether a client that connects to this address and port of the machine reaches it.
    #[must_use]
    pub fn is_at(&self, address: IpAddr, port: u16) -> bool {
        self.port == port && self.address.is_none_or(|own| own == address)
    }
}
