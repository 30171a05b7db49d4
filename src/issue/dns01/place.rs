//! Where a challenge goes: through aliases to a name, its zone, the zone's primary and servers.

use std::net::SocketAddr;

use crate::dns::{Dns, Kind, Reply, ZoneServers};
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
    let stated = stated.map(Hostname::as_str);
    if let Some(zone) = stated.filter(|zone| !format!(".{record}").ends_with(&format!(".{zone}"))) {
        return Err(format!(
            "{record} is not in the zone {zone}; see `zone` in [challenge.dns-01.rfc2136]"
        ));
    }
    let found = ZoneServers::find(&record, stated, dns).await?;
    let servers = found.addresses();
    if servers.is_empty() {
        return Err(found.unseen());
    }
    Ok(Place { record, alias, zone: found.zone, mname: found.primary, servers })
}
