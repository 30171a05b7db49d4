//! [`Place`]: where the TLSA records of a host stand.

use std::collections::BTreeSet;

use crate::dns::{Absence, Dns, Kind, Reply};
use crate::model::Hostname;
use crate::verify::dane::Tlsa;

/// Records that DNSSEC vouches for, and that senders look at.
pub(super) struct Place {
    /// Where they stand: `_25._tcp.HOST`, or what that is an alias of (RFC 7671 section 7).
    pub(super) owner: String,
    /// The name that they are for: the host, or what it is an alias of.
    pub(super) base: Hostname,
    pub(super) records: Vec<Tlsa>,
}

impl Place {
    /// Those of a host at each port; an error says that there was no answer.
    pub(super) async fn of_host(
        host: &Hostname,
        ports: &BTreeSet<u16>,
        dns: &dyn Dns,
    ) -> Result<Vec<Self>, ()> {
        let alias = alias(host, dns).await;
        let mut places: Vec<Self> = Vec::new();
        let mut left = ports.clone();
        for base in alias.iter().chain([host]) {
            // Below a name that does not exist there is none (RFC 8020): most take one question.
            let above = dns.ask(&format!("_tcp.{base}"), Kind::Tlsa).await;
            if above.reply == Reply::Absent(Absence::NxDomain) {
                continue;
            }
            for port in left.clone() {
                let name = format!("_{port}._tcp.{base}");
                let answer = dns.ask(&name, Kind::Tlsa).await;
                match &answer.reply {
                    Reply::Failed(_) => return Err(()),
                    Reply::Records(found) if answer.authenticated => {
                        let owner = answer.aliases.last().unwrap_or(&name).clone();
                        let records = found.iter().filter_map(Tlsa::of).collect();
                        places.push(Self { owner, base: base.clone(), records });
                        left.remove(&port);
                    }
                    Reply::Records(_) | Reply::Absent(_) => {}
                }
            }
        }
        Ok(places)
    }
}

/// What a host is an alias of, where DNSSEC vouches for the whole way: there the records are looked
/// for first, then at the host's own name (RFC 7672 section 2.2.3).
async fn alias(host: &Hostname, dns: &dyn Dns) -> Option<Hostname> {
    let mut answer = dns.ask(host.as_str(), Kind::A).await;
    if matches!(answer.reply, Reply::Failed(_)) {
        answer = dns.ask(host.as_str(), Kind::Aaaa).await;
    }
    let last = answer.aliases.last().filter(|_| answer.authenticated)?;
    Hostname::parse(last).ok()
}
