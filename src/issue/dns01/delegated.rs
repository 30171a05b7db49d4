//! Where the records of our own name server go, and whether the DNS leads the CA there: by an alias
//! into our zone, or by a delegation of the very name.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use futures_util::stream::{self, StreamExt};

use super::place::Place;
use crate::config::Serve;
use crate::dns::{Dns, Kind, Record, Resolver, ZoneServers, addresses};
use crate::model::{Code, Finding, Hostname};

/// The place of one host's record. The server need not run for this: nobody but the servers of the
/// zones above is asked.
///
/// # Errors
/// The records that are missing in the DNS, as they can be pasted.
pub(super) async fn find(
    dns: &dyn Dns,
    host: &Hostname,
    settings: &Serve,
) -> Result<Place, String> {
    let own = format!("_acme-challenge.{host}");
    let record = follow(dns, &own, settings).await?;
    let zone = settings.zone.as_ref().filter(|zone| is_within(&record, zone.as_str()));
    let zone = zone.map_or_else(|| record.clone(), ToString::to_string);
    let name = settings.name.as_str();
    match delegation(dns, &zone).await? {
        (_, None) => tracing::info!("whether {zone} is delegated to {name} cannot be seen"),
        (_, Some(found)) if found.iter().any(|ns| ns.eq_ignore_ascii_case(name)) => {}
        (above, Some(found)) => {
            return Err(missing(host, settings, (&record, &zone), &above, &found));
        }
    }
    let servers = addresses(name, dns).await;
    if servers.is_empty() {
        let lines = settings.listen.iter().map(|at| format!("`{name}. {}`", address_record(at)));
        let lines = lines.collect::<Vec<_>>().join(", ");
        return Err(format!("{name}, our own name server, has no address; expected {lines}"));
    }
    let alias = (record != own).then_some(own);
    Ok(Place { record, alias, zone, mname: name.to_owned(), servers })
}

/// What is missing in the DNS for these hosts, each sentence once.
pub async fn missing_records(
    settings: &Serve,
    dns: &dyn Dns,
    hosts: impl IntoIterator<Item = Hostname>,
) -> Vec<Finding> {
    let looks = hosts.into_iter().map(|host| async move {
        let found = find(dns, &host, settings).await;
        found.err().map(|why| (host, why))
    });
    let looks: Vec<_> = looks.collect();
    let mut found = stream::iter(looks).buffered(AT_ONCE);
    let (mut said, mut findings) = (BTreeSet::new(), Vec::new());
    while let Some(next) = found.next().await {
        let Some((host, why)) = next else { continue };
        if said.insert(why.clone()) {
            let message = format!("{host}: {why}");
            findings.push(Finding::new(Code::Dns01Failed, &host, message));
        }
    }
    findings
}

/// What is to be published so that the record of `host` is asked for here.
fn missing(
    host: &Hostname,
    settings: &Serve,
    (record, zone): (&str, &str),
    above: &str,
    found: &[String],
) -> String {
    let (name, own) = (&settings.name, format!("_acme-challenge.{host}"));
    let found = match found {
        [] => String::new(),
        found => format!(" (but to {})", found.join(", ")),
    };
    match &settings.zone {
        Some(ours) if ours.as_str() != zone => format!(
            "{record} is neither an alias into {ours} nor delegated to {name}{found}; expected in \
             the zone {above} the line `{own}. CNAME {host}.{ours}.`"
        ),
        _ => format!(
            "{zone} is not delegated to {name}{found}; expected in the zone {above} the line \
             `{zone}. NS {name}.`"
        ),
    }
}

/// Follows the aliases from `name` to one that is ours or none: only the aliases themselves are
/// asked for, since nobody answers for what they lead to.
async fn follow(dns: &dyn Dns, name: &str, settings: &Serve) -> Result<String, String> {
    let mut at = name.to_owned();
    for _ in 0..MOST_ALIASES {
        if settings.zone.as_ref().is_some_and(|zone| is_within(&at, zone.as_str())) {
            return Ok(at);
        }
        // No answer is what a name gives that is delegated to us.
        match dns.ask(&at, Kind::Cname).await.records().first() {
            Some(Record::Cname(target)) => at = target.clone(),
            _ => return Ok(at),
        }
    }
    Err(format!("the aliases of {name} lead in a circle or too far"))
}

/// The zone above and the servers to which it delegates `zone`; `None` where none of its own servers
/// says.
async fn delegation(dns: &dyn Dns, zone: &str) -> Result<(String, Option<Vec<String>>), String> {
    let Some((_, parent)) = zone.split_once('.') else {
        return Err(format!("{zone} has no zone above it"));
    };
    let found = ZoneServers::find(parent, None, dns).await?;
    let (servers, above) = (found.addresses(), found.zone);
    for server in servers.into_iter().take(MOST_ASKED) {
        let Ok(resolver) = Resolver::new(&[server]) else { continue };
        if let Some(found) = resolver.delegation(zone).await {
            return Ok((above, Some(found)));
        }
    }
    Ok((above, None))
}

fn is_within(name: &str, zone: &str) -> bool {
    let (name, zone) = (name.to_ascii_lowercase(), zone.to_ascii_lowercase());
    name.strip_suffix(&zone).is_some_and(|front| front.is_empty() || front.ends_with('.'))
}

fn address_record(at: &SocketAddr) -> String {
    format!("{} {}", if at.is_ipv6() { "AAAA" } else { "A" }, at.ip())
}

/// Hosts looked at side by side.
const AT_ONCE: usize = 8;
const MOST_ALIASES: usize = 16;
/// Servers of the zone above that are asked, one after another, until one answers.
const MOST_ASKED: usize = 4;
