//! This machine's own mail servers as their settings describe them, asked once and only if need be:
//! which listeners want the PROXY protocol's header, and which no DNS record leads to.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::config::Config;
use crate::survey::{self, Asked, live};
use crate::verify::Ask;

/// The servers of this machine.
pub(super) struct Listening<'a> {
    /// The configuration that names the servers; without one nobody is asked.
    config: Option<&'a Config>,
    machine: &'a [IpAddr],
    known: OnceCell<Vec<Asked>>,
    /// Where targets led to on this machine.
    reached: Mutex<BTreeSet<(IpAddr, u16)>>,
}

impl<'a> Listening<'a> {
    pub(super) fn new(config: Option<&'a Config>, machine: &'a [IpAddr]) -> Self {
        Self { config, machine, known: OnceCell::new(), reached: Mutex::default() }
    }

    /// Takes note of where targets lead to, and has the header sent to those that want it. A server
    /// that cannot be asked is no finding here: it is looked at all the same.
    pub(super) async fn mark(&self, asks: &mut [Ask]) {
        for ask in asks {
            let Some(at) = ask.connect.map(|to| to.ip()).or(ask.endpoint.address) else { continue };
            if self.config.is_none() || !at.is_loopback() && !self.machine.contains(&at) {
                continue;
            }
            let port = ask.connect.map_or(ask.endpoint.port, |to| to.port());
            self.reached.lock().unwrap_or_else(PoisonError::into_inner).insert((at, port));
            let servers = self.servers().await.iter();
            let mut known = servers.flat_map(|asked| &asked.server.listeners);
            ask.proxy_header = known.any(|listener| listener.proxy && listener.is_at(at, port));
        }
    }

    /// The listeners that no target led to: they are somebody's, or forgotten. Each is looked at
    /// for the name that clients without SNI are shown.
    pub(super) async fn beside(&self) -> Vec<Ask> {
        let is_stated = self.config.is_some_and(|config| !config.servers.is_empty());
        if !is_stated && self.reached.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            // Nothing says that this is the machine.
            return Vec::new();
        }
        let running = self.servers().await.iter().filter(|asked| asked.running);
        let asks = running.flat_map(|own| live::asks_of_listeners(&own.server, self.machine));
        let reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        let is_reached = |ask: &Ask| {
            let port = ask.endpoint.port;
            ask.endpoint.address.is_some_and(|address| reached.contains(&(address, port)))
        };
        asks.filter(|ask| !is_reached(ask)).collect()
    }

    async fn servers(&self) -> &[Asked] {
        let ask = || async {
            let Some(config) = self.config else { return Vec::new() };
            survey::servers(&config.servers, self.machine).await.0
        };
        self.known.get_or_init(ask).await
    }
}
