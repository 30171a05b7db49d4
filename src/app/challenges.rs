//! Who answers challenges, and what of them is in the DNS or missing there.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use crate::app::output::{Failure, why};
use crate::app::session::Session;
use crate::config::{Config, Dane, Dns01, Rfc2136, Writer};
use crate::dns::Resolver;
use crate::issue::{self, Alpn, Records, Solvers};
use crate::model::{Challenge, DnsId, Finding, Hostname, Timestamp};
use crate::store::{Files, Store as _};
use crate::verify;

/// Who answers challenges, by the configuration.
pub(super) fn solvers(
    config: &Config,
    store: Arc<Files>,
    now: Timestamp,
) -> Result<Solvers, Failure> {
    let mut solvers = Solvers::new(config);
    if let Some(addresses) = &config.tls_alpn01 {
        let listener = Alpn::new(addresses.clone()).map_err(Failure::usage)?;
        solvers = solvers.with(Challenge::TlsAlpn01, Arc::new(listener));
    }
    let challenges = config.dns01.as_ref().and_then(|dns01| match &dns01.way {
        Writer::Rfc2136(Rfc2136 { key_file, .. }) => key_file.as_deref(),
        Writer::Exec(_) | Writer::Serve(_) => None,
    });
    let dane = config.dane.as_ref().and_then(Dane::key_file);
    for path in challenges.into_iter().chain(dane) {
        let mode = std::fs::metadata(path).map_err(|error| Failure::Usage(why(&error)))?.mode();
        if mode & 0o007 != 0 {
            let path = path.display();
            return Err(Failure::Usage(format!(
                "{path} can be read by everybody (mode {:04o}), and who reads it can change the \
                 zone; try `chmod o-rwx {path}`, and make a new key",
                mode & 0o7777
            )));
        }
    }
    let Some(dns01) = &config.dns01 else { return Ok(solvers) };
    let dns = Arc::new(Resolver::new(&config.dns).map_err(Failure::usage)?);
    let records = Arc::new(Records::new(dns01, dns, store, now));
    Ok(solvers.with(Challenge::Dns01, records))
}

/// What killed runs left in the DNS that no configured way takes away. Asked for by who has the lock.
pub(super) async fn left_in_dns(session: &Session) -> Result<Vec<Finding>, Failure> {
    let dns01 = session.config.dns01.as_ref();
    issue::left_in_dns(dns01, &*session.store, &session.dns).await.map_err(Failure::store)
}

/// What is missing in the DNS for the names that our own name server answers for.
pub(super) async fn missing_records(session: &Session) -> Result<Vec<Finding>, Failure> {
    let config = &session.config;
    let Some(Dns01 { way: Writer::Serve(serve), .. }) = &config.dns01 else {
        return Ok(Vec::new());
    };
    let diary = session.store.diary().map_err(Failure::store)?;
    let stated = config.domains.iter().flat_map(|domain| &domain.hosts);
    let found = diary.discovered.values().flat_map(|domain| &domain.hosts);
    let found = found.filter(|host| host.included).map(|host| &host.host);
    let listed = config.ways.listed.keys();
    let names: BTreeSet<Hostname> = stated.chain(found).chain(listed).cloned().collect();
    drop(diary);
    let takes =
        |name: &Hostname| config.ways.of(&DnsId::Host(name.clone())).challenge == Challenge::Dns01;
    let wild = config.domains.iter().flat_map(|domain| &domain.wildcards).cloned();
    let names: BTreeSet<Hostname> = names.into_iter().filter(takes).chain(wild).collect();
    Ok(issue::missing_records(serve, &session.dns, names).await)
}

/// The text of the record for dns-persist-01, as far as the store knows it. A store that cannot be
/// read knows none; that is no matter here.
pub(super) fn persistent_value(config: &Config) -> Option<String> {
    let facts = |bundle: &_| verify::facts(bundle).map_err(|error| error.to_string());
    let store = Files::open(&config.state, facts).ok()?;
    issue::persistent_value(&store, &config.acme.directory)
}
