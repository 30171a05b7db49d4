//! [`ZoneServers`]: the zone a name is in, its primary, and every server of it.

use std::net::{IpAddr, SocketAddr};

use crate::dns::{Dns, Kind, Record, Reply};

/// Who speaks for a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneServers {
    /// The zone.
    pub zone: String,
    /// Its primary, as the SOA names it.
    pub primary: String,
    /// Its servers, each with its addresses.
    pub servers: Vec<(String, Vec<SocketAddr>)>,
}

impl ZoneServers {
    /// Asks who speaks for a name: the nearest name above with an SOA is its zone.
    ///
    /// # Errors
    /// One sentence with what to look at.
    pub async fn of(name: &str, dns: &dyn Dns) -> Result<Self, String> {
        let mut at = name;
        let (zone, primary) = loop {
            let answer = dns.ask(at, Kind::Soa).await;
            match &answer.reply {
                Reply::Failed(why) => return Err(format!("the SOA of {at} cannot be had: {why}")),
                Reply::Records(found) if answer.aliases.is_empty() => {
                    if let Some(Record::Soa(primary)) = found.first() {
                        break (at.to_owned(), primary.clone());
                    }
                }
                Reply::Records(_) | Reply::Absent(_) => {}
            }
            at = match at.split_once('.') {
                Some((_, above)) => above,
                None => return Err(format!("no zone is found for {name}; see `dig {name} SOA`")),
            };
        };
        let mut servers = Vec::new();
        for server in dns.ask(&zone, Kind::Ns).await.records() {
            if let Record::Ns(name) = server {
                servers.push((name.clone(), addresses(name, dns).await));
            }
        }
        if servers.is_empty() {
            return Err(format!("the servers of {zone} cannot be found; see `dig {zone} NS`"));
        }
        Ok(Self { zone, primary, servers })
    }
}

/// The addresses of a name server.
pub async fn addresses(name: &str, dns: &dyn Dns) -> Vec<SocketAddr> {
    let (six, four) = tokio::join!(dns.ask(name, Kind::Aaaa), dns.ask(name, Kind::A));
    let all = six.records().iter().chain(four.records());
    let addresses = all.filter_map(|record| match record {
        Record::A(ip) => Some(IpAddr::V4(*ip)),
        Record::Aaaa(ip) => Some(IpAddr::V6(*ip)),
        _ => None,
    });
    addresses.map(|ip| SocketAddr::new(ip, PORT)).collect()
}

const PORT: u16 = 53;
