//! Where a challenge goes: through aliases to a name, its zone, the zone's primary and servers.

use std::net::{IpAddr, SocketAddr};

use crate::dns::{Dns, Kind, Record, Reply};
use crate::model::Hostname;

/// Where the record of one host goes.
pub(super) struct Place {
    /// The name of the record.
    pub(super) record: String,
    /// `_acme-challenge.HOST`, where that is an alias of it.
    pub(super) alias: Option<String>,
    /// The zone it is in.
    pub(super) zone: String,
    /// The zone's primary, by its SOA.
    pub(super) mname: String,
    /// Every address of every server of the zone.
    pub(super) servers: Vec<SocketAddr>,
}

/// Asks the DNS; aliases are followed as far as the resolver follows any. `stated` is the zone that
/// the configuration names.
pub(super) async fn find(
    dns: &dyn Dns,
    host: &Hostname,
    stated: Option<&Hostname>,
) -> Result<Place, String> {
    let own = format!("_acme-challenge.{host}");
    let answer = dns.ask(&own, Kind::Txt).await;
    if let Reply::Failed(failure) = answer.reply {
        return Err(format!("{own} cannot be asked for: {failure}"));
    }
    let (record, alias) = match answer.aliases.last() {
        Some(target) => (target.clone(), Some(own)),
        None => (own, None),
    };
    let (zone, mname) = zone_of(dns, &record, stated).await?;
    let servers = servers(dns, &zone).await;
    if servers.is_empty() {
        return Err(format!("the servers of {zone} cannot be found; see `dig {zone} NS`"));
    }
    Ok(Place { record, alias, zone, mname, servers })
}

/// Every address of every server of a zone.
pub(super) async fn servers(dns: &dyn Dns, zone: &str) -> Vec<SocketAddr> {
    let mut servers = Vec::new();
    for server in dns.ask(zone, Kind::Ns).await.records() {
        if let Record::Ns(name) = server {
            servers.extend(addresses(dns, name).await);
        }
    }
    servers.sort();
    servers.dedup();
    servers
}

/// The zone and its primary: the nearest name above with an SOA.
pub(super) async fn zone_of(
    dns: &dyn Dns,
    record: &str,
    stated: Option<&Hostname>,
) -> Result<(String, String), String> {
    let stated = stated.map(ToString::to_string);
    let mut at = stated.as_deref().unwrap_or(record);
    if !format!(".{record}").ends_with(&format!(".{at}")) {
        return Err(format!(
            "{record} is not in the zone {at}; see `zone` in [challenge.dns-01.rfc2136]"
        ));
    }
    loop {
        let answer = dns.ask(at, Kind::Soa).await;
        match &answer.reply {
            Reply::Failed(why) => return Err(format!("the SOA of {at} cannot be had: {why}")),
            Reply::Records(found) if answer.aliases.is_empty() => {
                if let Some(Record::Soa(mname)) = found.first() {
                    return Ok((at.to_owned(), mname.clone()));
                }
            }
            Reply::Records(_) | Reply::Absent(_) => {}
        }
        at = match at.split_once('.') {
            Some((_, above)) if stated.is_none() => above,
            _ => return Err(format!("no zone is found for {record}; see `dig {record} SOA`")),
        };
    }
}

pub(super) async fn addresses(dns: &dyn Dns, name: &str) -> Vec<SocketAddr> {
    let (six, four) = tokio::join!(dns.ask(name, Kind::Aaaa), dns.ask(name, Kind::A));
    let all = six.records().iter().chain(four.records());
    let addresses = all.filter_map(|record| match record {
        Record::A(ip) => Some(IpAddr::V4(*ip)),
        Record::Aaaa(ip) => Some(IpAddr::V6(*ip)),
        _ => None,
    });
    addresses.map(|ip| SocketAddr::new(ip, DNS_PORT)).collect()
}

const DNS_PORT: u16 = 53;
