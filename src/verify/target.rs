//! What to look at: the `TARGET`s of the command line, and the endpoints of a mail domain's hosts.
//!
//! Pure: the DNS has been asked already.

use std::net::{IpAddr, SocketAddr};

use crate::model::{BadHostname, Endpoint, Host, Hostname, Service, Why};
use crate::verify::{Ask, Sni};

/// What somebody asked to be verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A mail domain: `example.org`, or that of `me@example.org`.
    Domain(Hostname),
    /// One service of one host: `mx.example.org:25`, `imaps://mail.example.org`.
    Server {
        /// The name a client connects to.
        host: Hostname,
        /// What speaks there.
        service: Service,
        /// The port.
        port: u16,
    },
}

/// Why a text is no target; each says how to write what was meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadTarget {
    /// The host's name is none.
    #[error("{target}: {why}")]
    Host {
        /// What was typed.
        target: String,
        /// What is wrong with it.
        why: BadHostname,
    },
    /// An address where a name is expected.
    #[error(
        "{target}: a certificate is checked against a name, not an address; \
         give the name and the address to connect to: HOST:PORT --connect {address}"
    )]
    Address {
        /// What was typed.
        target: String,
        /// The address in it.
        address: IpAddr,
    },
    /// The port is no number from 1 to 65535.
    #[error("{target}: {port:?} is no port; expected a number from 1 to 65535")]
    Port {
        /// What was typed.
        target: String,
        /// The part after the colon.
        port: String,
    },
    /// A scheme nobody knows.
    #[error("{target}: unknown scheme {scheme:?}; expected one of {known}", known = known_schemes())]
    Scheme {
        /// What was typed.
        target: String,
        /// What stands before `://`.
        scheme: String,
    },
    /// Something follows the port.
    #[error("{target}: {rest:?} after the host; expected SCHEME://HOST or SCHEME://HOST:PORT")]
    Rest {
        /// What was typed.
        target: String,
        /// What is too much.
        rest: String,
    },
    /// What follows the target on a line is no address.
    #[error("{target}: {found:?} is no address; expected TARGET [ADDR]..., one a line")]
    Line {
        /// The target of the line.
        target: String,
        /// What was found.
        found: String,
    },
}

fn known_schemes() -> String {
    let mut all: Vec<&str> = Service::ALL.iter().map(|service| service.as_str()).collect();
    all.insert(3, "smtps");
    all.iter().map(|scheme| format!("{scheme}://")).collect::<Vec<_>>().join(" ")
}

impl Target {
    /// Parses one target as it was typed.
    ///
    /// # Errors
    /// [`BadTarget`] with what was meant.
    pub fn parse(text: &str) -> Result<Self, BadTarget> {
        let text = text.trim();
        if let Some((scheme, rest)) = text.split_once("://") {
            return with_scheme(text, scheme, rest);
        }
        if let Some((_, domain)) = text.rsplit_once('@') {
            return hostname(text, domain).map(Self::Domain);
        }
        if let Some(address) = literal(text) {
            return Err(BadTarget::Address { target: text.to_owned(), address });
        }
        let Some((host, port)) = text.split_once(':') else {
            return hostname(text, text).map(Self::Domain);
        };
        let port = number(text, port)?;
        let service = Service::at_port(port).unwrap_or(Service::Smtp);
        Ok(Self::Server { host: hostname(text, host)?, service, port })
    }

    /// Parses one line of a file of targets: a target and the addresses to connect to instead of
    /// those in the DNS. Empty lines and those that begin with `#` are none.
    ///
    /// # Errors
    /// [`BadTarget`] for the first thing wrong.
    pub fn parse_line(line: &str) -> Result<Option<(Self, Vec<IpAddr>)>, BadTarget> {
        let line = line.split_once('#').map_or(line, |(before, _)| before);
        let mut words = line.split_ascii_whitespace();
        let Some(first) = words.next() else { return Ok(None) };
        let target = Self::parse(first)?;
        let mut addresses = Vec::new();
        for word in words {
            let bare = word.trim_start_matches('[').trim_end_matches(']');
            addresses.push(bare.parse().map_err(|_| BadTarget::Line {
                target: first.to_owned(),
                found: word.to_owned(),
            })?);
        }
        Ok(Some((target, addresses)))
    }
}

fn with_scheme(text: &str, scheme: &str, rest: &str) -> Result<Target, BadTarget> {
    let lower = scheme.to_ascii_lowercase();
    let known = Service::ALL.into_iter().find(|service| service.as_str() == lower);
    let service = match (known, lower.as_str()) {
        (Some(service), _) => service,
        (None, "smtps") => Service::Submissions,
        (None, _) => {
            return Err(BadTarget::Scheme { target: text.to_owned(), scheme: scheme.to_owned() });
        }
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if let Some(at) = rest.find(['/', '?', '#']) {
        return Err(BadTarget::Rest { target: text.to_owned(), rest: rest[at..].to_owned() });
    }
    if let Some(address) = literal(rest) {
        return Err(BadTarget::Address { target: text.to_owned(), address });
    }
    let (host, port) = match rest.split_once(':') {
        Some((host, port)) => (host, number(text, port)?),
        None => (rest, service.port()),
    };
    Ok(Target::Server { host: hostname(text, host)?, service, port })
}

fn hostname(target: &str, text: &str) -> Result<Hostname, BadTarget> {
    Hostname::from_typed(text).map_err(|why| BadTarget::Host { target: target.to_owned(), why })
}

fn number(target: &str, text: &str) -> Result<u16, BadTarget> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let port = if digits { text.parse().ok().filter(|port| *port > 0) } else { None };
    port.ok_or_else(|| BadTarget::Port { target: target.to_owned(), port: text.to_owned() })
}

/// The address in `192.0.2.7`, `192.0.2.7:25`, `2001:db8::7`, `[2001:db8::7]` or with a port.
fn literal(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let bare = bare.map_or(text, |(address, _)| address);
    bare.parse().ok().or_else(|| text.parse().ok().map(|socket: SocketAddr| socket.ip()))
}

/// The endpoints of one service of one host: one for each address, or one without.
#[must_use]
pub fn asks_of_server(host: &Hostname, service: Service, port: u16, at: &[IpAddr]) -> Vec<Ask> {
    let ask = |address| Ask {
        endpoint: Endpoint { host: host.clone(), service, port, address },
        domain: None,
        ours: None,
        connect: None,
        origin: None,
        optional: false,
        sni: Sni::Host,
        side: None,
        proxy_header: false,
    };
    if at.is_empty() {
        return vec![ask(None)];
    }
    at.iter().map(|address| ask(Some(*address))).collect()
}

/// The endpoints of a mail domain: its MX hosts on port 25, the services its SRV records publish at
/// their ports, and, where it publishes no submission, ports 465 and 587 of its hosts, which count
/// only if they answer; those of a configured or guessed host that publishes none are tried anyway. `machine` are this machine's addresses, where they are known; a service in
/// `not_offered` is left alone.
#[must_use]
pub fn asks_of(
    domain: &Hostname,
    hosts: &[Host],
    not_offered: &[Service],
    machine: Option<&[IpAddr]>,
) -> Vec<Ask> {
    let mut asks: Vec<Ask> = Vec::new();
    // A guess that discovery did not take is nobody's mail host.
    let guessed = |host: &Host| host.reasons.iter().all(|why| matches!(why, Why::Guess(_)));
    let own = hosts.iter().filter(|host| host.domain == *domain);
    let own: Vec<&Host> = own.filter(|host| host.included || !guessed(host)).collect();
    let submission = |service| matches!(service, Service::Submission | Service::Submissions);
    let published = own.iter().any(|host| host.published().any(|(service, _)| submission(service)));
    for host in &own {
        let mut wanted: Vec<(Service, u16, bool)> = Vec::new();
        wanted.extend(host.published().map(|(service, port)| (service, port, false)));
        // What the configuration names, or what is guessed and taken, gets a certificate without
        // any record, so it is looked at where its users would connect.
        let named = |why: &Why| matches!(why, Why::Config | Why::Guess(_));
        let itself = host.published().any(|(service, _)| submission(service));
        if !published || (!itself && host.reasons.iter().any(named)) {
            let both = [Service::Submissions, Service::Submission];
            wanted.extend(both.map(|service| (service, service.port(), true)));
        }
        for (service, port, optional) in wanted {
            if not_offered.contains(&service) || (optional && host.addresses.is_empty()) {
                continue;
            }
            for ask in asks_of_server(&host.host, service, port, &host.addresses) {
                if asks.iter().any(|other| other.endpoint == ask.endpoint) {
                    continue;
                }
                let address = ask.endpoint.address;
                let ours = machine.zip(address).map(|(own, address)| own.contains(&address));
                let origin = origin(host, service, domain);
                asks.push(Ask { domain: Some(domain.clone()), ours, origin, optional, ..ask });
            }
        }
    }
    asks
}

/// Where a sender got the endpoint from, in words.
fn origin(host: &Host, service: Service, domain: &Hostname) -> Option<String> {
    host.reasons.iter().find_map(|why| match why {
        Why::Mx(preference) if service == Service::Smtp => {
            Some(format!("MX {preference} of {domain}"))
        }
        Why::NoMx if service == Service::Smtp => Some(format!("address of {domain}, no MX")),
        Why::Srv(published, _) if *published == service => {
            Some(format!("SRV _{service} of {domain}"))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests;
