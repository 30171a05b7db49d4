//! The other direction: what this machine's own programs trust and speak, where they cannot
//! connect to a server that is known to be right.
//!
//! `machine` reads files, runs programs and connects; everything else is pure. Nothing is changed,
//! no root is needed, and what is missing is said in a row and is no error.

mod advice;
mod cause;
mod conf;
mod machine;
mod openssl;
mod policy;
mod provider;
mod stores;
mod system;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use crate::model::{Code, Finding, Hostname, Inspection, StageMark, Tls};
use crate::trust::Roots;
use crate::verify::{self, Ask, How, Shown};
pub use advice::Advice;
pub use conf::Said;
pub use machine::{Environment, Own};
pub use openssl::OpensslRow;
pub use policy::{Gnutls, Policy, PolicyRow};
pub use provider::is_well_known;
pub use stores::{Kind, Store, StoreRow, Unread};
pub use system::{Family, Os};

/// Why this machine's own programs cannot connect, as far as that can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Nothing here is in their way.
    None,
    /// A port is blocked, or something on the way interferes.
    Network,
    /// A trust store of this machine lacks a root.
    TrustStore,
    /// A policy of this machine forbids what the server speaks.
    Policy,
    /// The name leads nowhere.
    Dns,
    /// This machine's clock.
    Clock,
    /// The server.
    Server,
}

/// One port of the host as it is seen from here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PortRow {
    /// The port.
    pub port: u16,
    /// Whether a connection is made.
    pub open: bool,
    /// How it is: `open`, `refused`, `blocked` (no answer), `no route`.
    pub found: &'static str,
}

impl PortRow {
    /// Whether it is this port, and it does not answer.
    fn is_deaf(&self, port: u16) -> bool {
        self.port == port && !self.open
    }
}

/// What this machine makes of one server. Field names are the JSON interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Local {
    /// The host.
    pub host: Hostname,
    /// The port.
    pub port: u16,
    /// The address that was looked at, if the name has one.
    pub address: Option<IpAddr>,
    /// Where it lies.
    pub cause: Cause,
    /// The same in one sentence.
    pub sentence: String,
    /// The session our own library agreed on.
    pub tls: Option<Tls>,
    /// What each trust store says of the chain; that of the roots that decide comes first.
    pub stores: Vec<StoreRow>,
    /// What an installed `openssl` says.
    pub openssl: OpensslRow,
    /// What the distribution's policies allow.
    pub policy: PolicyRow,
    /// The port, and the other ports for mail where it does not answer.
    pub ports: Vec<PortRow>,
    /// Other addresses of the host that do not answer on this port.
    pub unreachable: Vec<IpAddr>,
    /// What to do about it.
    pub advice: Vec<Advice>,
}

/// One server to be looked at from this side.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    ask: &'a Ask,
    seen: &'a Inspection,
    unreachable: Vec<IpAddr>,
}

impl Wanted<'_> {
    /// Whether it came to a connection, so that there is something to compare stores with.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        is_connected(self.seen)
    }
}

/// The servers among those that were verified that are to be looked at from this side: all of them,
/// or those of large providers that were named themselves (a customer's MX hosts at Google are no
/// question about this machine). Each host and port once, at the first address that answers.
#[must_use]
pub fn wanted<'a>(asks: &'a [Ask], seen: &'a [Inspection], every: bool) -> Vec<Wanted<'a>> {
    let named = |ask: &Ask| {
        let host = &ask.endpoint.host;
        ask.domain.as_ref().is_none_or(|domain| domain == host) && is_well_known(host)
    };
    let mut groups: HashMap<(&Hostname, u16), Vec<&Inspection>> = HashMap::new();
    for look in seen {
        groups.entry((&look.host, look.port)).or_default().push(look);
    }
    let (mut wanted, mut places) = (Vec::new(), HashMap::new());
    for ask in asks.iter().filter(|ask| every || named(ask)) {
        let address = ask.endpoint.address.or_else(|| ask.connect.map(|to| to.ip()));
        places.entry((&ask.endpoint.host, ask.endpoint.port, address)).or_insert(ask);
    }
    for ask in asks.iter().filter(|ask| every || named(ask)) {
        let (host, port) = (&ask.endpoint.host, ask.endpoint.port);
        // Taken out: each once.
        let Some(group) = groups.remove(&(host, port)) else { continue };
        let best = group.iter().find(|look| look.tls.is_some());
        let best = best.or_else(|| group.iter().find(|look| is_connected(look)));
        let best = best.copied().unwrap_or(group[0]);
        let deaf = group.iter().filter(|look| look.address != best.address && !is_connected(look));
        let unreachable = deaf.filter_map(|look| look.address).collect();
        let ask = places.get(&(host, port, best.address)).copied().unwrap_or(ask);
        wanted.push(Wanted { ask, seen: best, unreachable });
    }
    wanted
}

/// Looks at one server from this side: one more TLS session, one of `openssl`'s where it is
/// installed, and one connection to each other port for mail where this one does not answer.
pub async fn look(wanted: &Wanted<'_>, how: &How, own: &Own) -> Local {
    let Wanted { ask, seen, .. } = wanted;
    let endpoint = &ask.endpoint;
    let address = endpoint.address.map(|address| SocketAddr::new(address, endpoint.port));
    let to = ask.connect.or(address);
    let mut found = Found { openssl: own.openssl.clone(), shown: None, ports: Vec::new() };
    if let (Some(to), true) = (to, is_connected(seen)) {
        found.shown = verify::shown(ask, how).await;
        found.openssl = own.ask_openssl(to, endpoint, how.timeout).await;
        found.ports.push(PortRow { port: endpoint.port, open: true, found: "open" });
    } else if let Some(to) = to {
        let others = provider::other_ports(&endpoint.host, endpoint.port);
        found.ports = machine::ports(to.ip(), &others).await;
        let state = cause::state(seen);
        found.ports.push(PortRow { port: endpoint.port, open: false, found: state });
        found.ports.sort_by_key(|row| row.port);
    }
    compose(wanted, found, how, own)
}

/// What was seen of one server beyond its inspection.
struct Found {
    shown: Option<Shown>,
    openssl: OpensslRow,
    ports: Vec<PortRow>,
}

/// Puts what was seen against what this machine has.
fn compose(wanted: &Wanted<'_>, found: Found, how: &How, own: &Own) -> Local {
    let Wanted { ask, seen, unreachable } = wanted;
    let host = &ask.endpoint.host;
    let chain = found.shown.as_ref().map_or(&[][..], |shown| shown.chain.as_slice());
    let links = stores::links(chain);
    let needed = stores::needed(&links, &how.roots);
    let now = how.moment();
    let case = stores::Case { chain, host, needed: &needed, now, accepted: false };
    let mozilla = Roots::mozilla();
    let rows = if links.is_empty() { Vec::new() } else { rows(&how.roots, &mozilla, own, case) };
    let tls = found.shown.as_ref().map(|shown| shown.tls.clone());
    // A server that our library does not speak to may have been heard by a second look.
    let spoken = tls.clone().or_else(|| seen.details.as_ref()?.second_look.clone());
    let mut local = Local {
        host: host.clone(),
        port: ask.endpoint.port,
        address: seen.address,
        cause: Cause::None,
        sentence: String::new(),
        tls,
        stores: rows,
        openssl: found.openssl,
        policy: own.policy.judge(spoken.as_ref(), &links),
        ports: found.ports,
        unreachable: unreachable.clone(),
        advice: Vec::new(),
    };
    let issuer = needed.last().map(|root| root.name.as_str());
    (local.cause, local.sentence) = cause::of(&local, seen, issuer, now);
    let public = needed.iter().any(|root| root.is_in(&mozilla));
    local.advice = advice::of(&local, &needed, public, own);
    local
}

/// What the roots that decide say, Mozilla's if those are others, and each store of this machine.
fn rows(decisive: &Roots, mozilla: &Roots, own: &Own, case: stores::Case<'_>) -> Vec<StoreRow> {
    let mut rows = vec![stores::compiled_in(Kind::Reference, decisive, case)];
    let case = stores::Case { accepted: rows[0].accepts == Some(true), ..case };
    if decisive.name != mozilla.name {
        rows.push(stores::compiled_in(Kind::Mozilla, mozilla, case));
    }
    rows.extend(own.stores.iter().map(|store| stores::row(store, case)));
    rows
}

/// Whether a finding is of this machine and says nothing of a server.
#[must_use]
pub fn is_of_machine(code: Code) -> bool {
    matches!(code, Code::SystemRootsDiffer | Code::LocalPolicy | Code::PortBlocked)
}

/// What of it is a finding of its own.
#[must_use]
pub fn findings(local: &Local) -> Vec<Finding> {
    let place = format!("{}:{}", local.host, local.port);
    let mut findings = Vec::new();
    for row in cause::differing(&local.stores) {
        let (name, why) = (&row.name, row.why.as_deref().unwrap_or("it refuses the chain"));
        let path = row.path.as_ref().map_or_else(String::new, |path| format!(" ({path})"));
        let message = format!("{name}{path} refuses the chain: {why}");
        findings.push(Finding::new(Code::SystemRootsDiffer, &place, message));
    }
    for message in &local.policy.why {
        findings.push(Finding::new(Code::LocalPolicy, &place, message));
    }
    if let Some(differs) = cause::openssl_differs(local) {
        let code = match differs.cause {
            Cause::Policy => Code::LocalPolicy,
            _ => Code::SystemRootsDiffer,
        };
        findings.push(Finding::new(code, &place, format!("openssl refuses: {}", differs.why)));
    }
    if local.cause == Cause::Network && local.ports.iter().any(|row| row.is_deaf(local.port)) {
        findings.push(Finding::new(Code::PortBlocked, &place, local.sentence.clone()));
    }
    findings
}

fn is_connected(seen: &Inspection) -> bool {
    matches!(seen.stages.connect, Some(StageMark::Ok | StageMark::Warn))
}
