//! [`ZoneServers`]: the zone a name is in, its primary, and every server of it.

use std::collections::BTreeSet;
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
    /// Asks who speaks for a name; that nobody is found who does is an error.
    ///
    /// # Errors
    /// One sentence with what to look at.
    pub async fn of(name: &str, dns: &dyn Dns) -> Result<Self, String> {
        let found = Self::find(name, None, dns).await?;
        match found.servers.is_empty() {
            true => Err(found.unseen()),
            false => Ok(found),
        }
    }

    /// The zone, and those of its servers that are found. Where the zone is `stated`, no other one
    /// is looked for.
    ///
    /// # Errors
    /// One sentence with what to look at.
    pub async fn find(name: &str, stated: Option<&str>, dns: &dyn Dns) -> Result<Self, String> {
        let (zone, primary) = zone_of(name, stated, dns).await?;
        let servers = servers(&zone, dns).await;
        Ok(Self { zone, primary, servers })
    }

    /// That its servers are not found, in a sentence.
    #[must_use]
    pub fn unseen(&self) -> String {
        let zone = &self.zone;
        format!("the servers of {zone} cannot be found; see `dig {zone} NS`")
    }

    /// Every address of every server, each once.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let all = self.servers.iter().flat_map(|(_, addresses)| addresses);
        all.copied().collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// The zone and its primary: the nearest name above with an SOA, where none is stated.
async fn zone_of(
    name: &str,
    stated: Option<&str>,
    dns: &dyn Dns,
) -> Result<(String, String), String> {
    let mut at = stated.unwrap_or(name);
    loop {
        let answer = dns.ask(at, Kind::Soa).await;
        match &answer.reply {
            Reply::Failed(why) => return Err(format!("the SOA of {at} cannot be had: {why}")),
            Reply::Records(found) if answer.aliases.is_empty() => {
                if let Some(Record::Soa(primary)) = found.first() {
                    return Ok((at.to_owned(), primary.clone()));
                }
            }
            Reply::Records(_) | Reply::Absent(_) => {}
        }
        at = match at.split_once('.') {
            Some((_, above)) if stated.is_none() => above,
            _ => return Err(format!("no zone is found for {name}; see `dig {name} SOA`")),
        };
    }
}

async fn servers(zone: &str, dns: &dyn Dns) -> Vec<(String, Vec<SocketAddr>)> {
    let mut servers = Vec::new();
    for server in dns.ask(zone, Kind::Ns).await.records() {
        if let Record::Ns(name) = server {
            servers.push((name.clone(), addresses(name, dns).await));
        }
    }
    servers
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
