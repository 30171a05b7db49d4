//! What `verify` was asked to look at: targets become endpoints to look at.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;

use crate::app::look::World;
use crate::app::output::{Failure, why};
use crate::cli;
use crate::config::Domain;
use crate::discover::Discovered;
use crate::dns::{Absence, Dns, Kind, Record, Reply};
use crate::model::{Code, Endpoint, Finding, Hostname, Service};
use crate::verify::{self, Ask, Sni, Target};

/// A target, and the addresses to connect to instead of those in the DNS.
pub(super) type Wanted = (Target, Vec<IpAddr>);

/// What is asked for: the arguments, then the lines of `--targets`.
///
/// # Errors
/// [`Failure::Usage`] for the first that is wrong, or when the file holds none.
pub(super) fn wanted(typed: &cli::Verify) -> Result<Vec<Wanted>, Failure> {
    let mut wanted = Vec::new();
    for text in &typed.targets {
        wanted.push((Target::parse(text).map_err(Failure::usage)?, Vec::new()));
    }
    if let Some(path) = &typed.targets_file {
        wanted.extend(lines(path)?);
    }
    if let Some(address) = typed.connect {
        wanted.iter_mut().for_each(|(_, addresses)| *addresses = vec![address]);
    }
    Ok(wanted)
}

/// The lines of `--targets FILE`: `TARGET [ADDR]...`; empty lines and `#` comments are passed over.
fn lines(path: &Path) -> Result<Vec<Wanted>, Failure> {
    let shown =
        if path == Path::new("-") { "stdin".to_owned() } else { path.display().to_string() };
    let text = match path.to_str() {
        Some("-") => std::io::read_to_string(std::io::stdin()),
        _ => std::fs::read_to_string(path),
    };
    let text =
        text.map_err(|error| Failure::usage(format_args!("--targets {shown}: {}", why(&error))))?;
    let mut wanted = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let parsed = Target::parse_line(line)
            .map_err(|error| Failure::usage(format_args!("{shown}:{}: {error}", index + 1)))?;
        wanted.extend(parsed);
    }
    if wanted.is_empty() {
        return Err(Failure::usage(format_args!(
            "--targets {shown}: there is no target in it; expected TARGET [ADDR]..., one a line"
        )));
    }
    Ok(wanted)
}

/// The endpoints of all targets, each once, in the order of the targets; and what discovery found
/// on the way. Domains are asked for side by side.
pub(super) async fn asks(world: &World<'_>, wanted: Vec<Wanted>) -> (Vec<Ask>, Vec<Finding>) {
    let domains: Vec<Domain> = wanted
        .iter()
        .filter_map(|(target, _)| match target {
            Target::Domain(domain) => Some(world.domain(domain)),
            Target::Server { .. } => None,
        })
        .collect();
    let mut discovered = world.discover(&domains).await.into_iter();
    let (mut asks, mut findings) = (Vec::new(), Vec::new());
    for (target, addresses) in wanted {
        let found = match target {
            Target::Domain(_) => {
                let Some(found) = discovered.next() else { continue };
                let asks = of_domain(&found);
                findings.extend(found.findings);
                asks
            }
            Target::Server { host, service, port } if addresses.is_empty() => {
                let known = addresses_of(world.dns, &host).await;
                verify::asks_of_server(&host, service, port, &known)
            }
            Target::Server { host, service, port } => {
                verify::asks_of_server(&host, service, port, &addresses)
            }
        };
        asks.extend(if addresses.is_empty() { found } else { at(found, &addresses) });
    }
    (each_once(asks), findings)
}

/// The endpoints of a domain. One of which the DNS knows nothing, or says nothing now, is asked
/// for all the same, as a sender would: port 25 of its own name.
fn of_domain(found: &Discovered) -> Vec<Ask> {
    let mut asks = verify::asks_of(&found.domain, &found.hosts, &found.not_offered, None);
    let has = |code| {
        found.findings.iter().any(|one| one.code == code && one.subject == found.domain.as_str())
    };
    let takes_mail = found.hosts.iter().any(|host| host.is_mx());
    let silent = !takes_mail && (has(Code::DnsFailure) || has(Code::DnsBogus));
    if silent || (asks.is_empty() && !has(Code::NullMx)) {
        let host = found.domain.clone();
        let service = Service::Smtp;
        asks.push(Ask {
            endpoint: Endpoint { host, service, port: service.port(), address: None },
            domain: Some(found.domain.clone()),
            ours: None,
            connect: None,
            origin: None,
            optional: false,
            sni: Sni::Host,
            proxy_header: false,
        });
    }
    asks
}

/// These endpoints at these addresses instead of those in the DNS.
fn at(asks: Vec<Ask>, addresses: &[IpAddr]) -> Vec<Ask> {
    let moved = |ask: &Ask| {
        let ask = ask.clone();
        addresses.iter().map(move |address| {
            let mut ask = ask.clone();
            ask.endpoint.address = Some(*address);
            ask
        })
    };
    each_once(asks.iter().flat_map(moved).collect())
}

fn each_once(mut asks: Vec<Ask>) -> Vec<Ask> {
    let mut seen = BTreeSet::new();
    asks.retain(|ask| seen.insert(ask.endpoint.clone()));
    asks
}

async fn addresses_of(dns: &dyn Dns, host: &Hostname) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for kind in [Kind::Aaaa, Kind::A] {
        for record in dns.ask(host.as_str(), kind).await.records() {
            match record {
                Record::A(address) => addresses.push(IpAddr::V4(*address)),
                Record::Aaaa(address) => addresses.push(IpAddr::V6(*address)),
                _ => {}
            }
        }
    }
    addresses
}

/// Why no address of a host is known, as a code and a sentence. The resolver remembers its
/// answers: nobody is asked again.
pub(super) async fn why_no_address(dns: &dyn Dns, ask: &Ask) -> (Code, String) {
    let host = &ask.endpoint.host;
    // The domain itself is only asked for where its MX records are not known.
    let mx = (ask.domain.as_ref() == Some(host)).then_some(Kind::Mx);
    let mut exists = true;
    for kind in mx.into_iter().chain([Kind::Aaaa, Kind::A]) {
        match dns.ask(host.as_str(), kind).await.reply {
            Reply::Failed(failure) => {
                return (Code::DnsFailure, format!("{kind} of {host}: {failure}"));
            }
            Reply::Absent(Absence::NxDomain) => exists = false,
            Reply::Absent(Absence::NoData) | Reply::Records(_) => {}
        }
    }
    let message = match exists {
        true => format!("{host} has no address"),
        false => format!("{host} does not exist (NXDOMAIN)"),
    };
    (Code::NoSuchHost, message)
}
