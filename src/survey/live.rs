//! What to look at on a server's own listeners, to see whether a certificate is shown.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::config::EximLayout;
use crate::model::{DnsId, Endpoint, Host, Hostname, Inspection, Sha256, Verdict};
use crate::servers::{Kind, Listener, Server, Shown};
use crate::verify::judge::facts_of_chain;
use crate::verify::{Ask, Side, Sni};

/// The hosts of all domains by name, and this machine's addresses.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The hosts.
    pub hosts: &'a BTreeMap<&'a Hostname, &'a Host>,
    /// The addresses.
    pub machine: &'a [IpAddr],
    /// Whether the server has certificates of two algorithms: then each look offers one.
    pub two: bool,
}

/// Whether one of these stands beside another.
#[must_use]
pub fn has_two(shown: &[Shown]) -> bool {
    shown.iter().any(|shown| shown.name.is_beside())
}

/// One look for every known host of `shown` on every listener of `server`.
#[must_use]
pub fn asks(server: &Server, shown: &Shown, known: Known<'_>) -> Vec<Ask> {
    let mut asks = Vec::new();
    for name in names(shown) {
        let host = known.hosts.get(&name).copied();
        for listener in &server.listeners {
            for address in addresses(listener, host, known.machine) {
                let side = known.side(shown);
                asks.push(Ask { side, ..ask(&name, host, listener, address, Sni::Host) });
            }
        }
    }
    asks
}

impl Known<'_> {
    fn side(&self, shown: &Shown) -> Option<Side> {
        Side::of(shown.facts.key_type).filter(|_| self.two)
    }
}

/// One look without SNI on every listener of `server`; it must show `default`. A listener that no
/// record of the host leads to is looked at as well: somebody has set it up for clients.
#[must_use]
pub fn asks_without_sni(server: &Server, default: &Shown, known: Known<'_>) -> Vec<Ask> {
    let Some(name) = names(default).into_iter().next() else { return Vec::new() };
    let host = known.hosts.get(&name).copied();
    let listeners = server.listeners.iter();
    listeners
        .filter_map(|listener| {
            let reached = addresses(listener, host, known.machine).into_iter().next();
            let origin = reached.is_none().then(|| format!("listener of {}", server.id));
            let address = reached.or(listener.address)?;
            let side = known.side(default);
            Some(Ask { origin, side, ..ask(&name, host, listener, address, Sni::None) })
        })
        .collect()
}

/// One look without SNI on every listener of `server`, whatever it shows: what setup changes. The
/// answers come in the order of the listeners.
#[must_use]
pub fn asks_as_it_is(server: &Server, machine: &[IpAddr]) -> Vec<Ask> {
    let any = Hostname::parse("any.invalid").ok();
    let Some(name) = server.own_name.clone().or(any) else { return Vec::new() };
    let at = |listener: &Listener| {
        let reached = listener.address.or_else(|| machine.first().copied());
        reached.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
    };
    server
        .listeners
        .iter()
        .map(|listener| ask(&name, None, listener, at(listener), Sni::None))
        .collect()
}

/// One look at every listener of `server` that other machines can reach, for the name that clients
/// without SNI are shown: that of the default certificate, else the server's own.
#[must_use]
pub fn asks_of_listeners(server: &Server, machine: &[IpAddr]) -> Vec<Ask> {
    let shown = default_names(server).and_then(|names| Hostname::parse(names.first()?).ok());
    let Some(name) = shown.or_else(|| server.own_name.clone()) else { return Vec::new() };
    let mut asks = Vec::new();
    for listener in &server.listeners {
        let own = |address: &&IpAddr| listener.address.is_none_or(|own| own == **address);
        for address in machine.iter().filter(own) {
            let origin = Some(format!("listener of {}", server.id));
            asks.push(Ask { origin, ..ask(&name, None, listener, *address, Sni::Host) });
        }
    }
    asks
}

/// The names of the default certificate that lies in the server's directory; `None` where there
/// is none yet.
#[must_use]
pub fn default_names(server: &Server) -> Option<Vec<String>> {
    let is_split = matches!(&server.kind, Kind::Exim(exim) if exim.layout == EximLayout::Split);
    let file = server.directory.join(if is_split { "exim.crt" } else { "default.pem" });
    let text = Zeroizing::new(std::fs::read_to_string(file).ok()?);
    let facts = facts_of_chain(&text).ok()?;
    Some(facts.names.iter().map(ToString::to_string).collect())
}

/// Whether every look saw this leaf and nothing a sender refuses.
#[must_use]
pub fn shows(inspections: &[Arc<Inspection>], leaf: &Sha256) -> bool {
    inspections.iter().all(|seen| {
        seen.verdict == Verdict::Accepted
            && seen.certificate.as_ref().is_some_and(|certificate| certificate.sha256 == *leaf)
    })
}

/// Whether a look saw another leaf than this one.
#[must_use]
pub fn shows_another(inspections: &[Arc<Inspection>], leaf: &Sha256) -> bool {
    inspections.iter().any(|seen| {
        seen.certificate.as_ref().is_some_and(|certificate| certificate.sha256 != *leaf)
    })
}

/// The hosts a certificate is looked at under: those it names and those its wildcards stand for.
pub(super) fn names(shown: &Shown) -> BTreeSet<Hostname> {
    let named = shown.facts.names.iter().filter_map(|name| match name {
        DnsId::Host(host) => Some(host),
        DnsId::Wildcard(_) => None,
    });
    named.chain(&shown.hosts).filter(|host| shown.facts.covers(host)).cloned().collect()
}

/// Where a client that looks for `host` reaches a listener. A listener on an address of this
/// machine that the DNS does not give for the host is not reached; one on any other address may
/// be, behind NAT.
fn addresses(listener: &Listener, host: Option<&Host>, machine: &[IpAddr]) -> Vec<IpAddr> {
    let given = host.map(|host| host.addresses.as_slice());
    if let Some(address) = listener.address {
        let missed = machine.contains(&address)
            && given.is_some_and(|given| !given.is_empty() && !given.contains(&address));
        return if missed { Vec::new() } else { vec![address] };
    }
    let own = |address: &&IpAddr| machine.contains(address);
    let reached: Vec<IpAddr> = given.into_iter().flatten().filter(own).copied().collect();
    if reached.is_empty() { vec![IpAddr::V4(Ipv4Addr::LOCALHOST)] } else { reached }
}

fn ask(name: &Hostname, host: Option<&Host>, at: &Listener, address: IpAddr, sni: Sni) -> Ask {
    Ask {
        endpoint: Endpoint {
            host: name.clone(),
            service: at.service,
            port: at.port,
            address: Some(address),
        },
        domain: host.map(|host| host.domain.clone()),
        ours: Some(true),
        connect: None,
        origin: None,
        optional: false,
        sni,
        side: None,
        proxy_header: at.proxy,
    }
}
