//! Which of our own listeners want the PROXY protocol's header: what the servers' settings say,
//! asked once, and only if a target is at this machine.

use std::net::IpAddr;

use tokio::sync::OnceCell;

use crate::config::Config;
use crate::servers::Listener;
use crate::survey;
use crate::verify::Ask;

/// The listeners of this machine's servers that want a header.
pub(super) struct Proxied<'a> {
    /// The configuration that names the servers; without one nobody is asked.
    config: Option<&'a Config>,
    machine: &'a [IpAddr],
    known: OnceCell<Vec<Listener>>,
}

impl<'a> Proxied<'a> {
    pub(super) fn new(config: Option<&'a Config>, machine: &'a [IpAddr]) -> Self {
        Self { config, machine, known: OnceCell::new() }
    }

    /// Has the header sent to those of the targets that want it. A server that cannot be asked is
    /// no finding here: it is looked at all the same.
    pub(super) async fn mark(&self, asks: &mut [Ask]) {
        let Some(config) = self.config else { return };
        for ask in asks {
            let Some(at) = ask.connect.map(|to| to.ip()).or(ask.endpoint.address) else { continue };
            if !at.is_loopback() && !self.machine.contains(&at) {
                continue;
            }
            let known = self.known.get_or_init(|| self.ask(config)).await;
            ask.proxy_header = known.iter().any(|listener| listener.is_at(at, ask.endpoint.port));
        }
    }

    async fn ask(&self, config: &Config) -> Vec<Listener> {
        let (all, _) = survey::servers(&config.servers, self.machine).await;
        let listeners = all.into_iter().flat_map(|asked| asked.server.listeners);
        listeners.filter(|listener| listener.proxy).collect()
    }
}
