//! Certificates that others made, as the planner may use them: read, judged, each name once.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::model::{Bundle, CertName, Code, DnsId, Facts, Finding, Host, Hostname, Timestamp};
use crate::plan::Sourced;
use crate::source::{self, Lineage};
use crate::survey::adopt::Wanted;
use crate::survey::observe::refused;
use crate::verify::{self, How, judge};

/// What others made for hosts of ours.
#[derive(Debug, Default)]
pub struct Others {
    /// What can be shown: the pair matches, senders trust it, and it is within its dates.
    pub sourced: Vec<Sourced>,
    /// What cannot, and keys that anybody can read.
    pub findings: Vec<Finding>,
}

/// Reads the certificates of others at these places that cover one of the hosts. A key is read
/// only where the chain covers one.
#[must_use]
pub fn sourced<'a>(places: &[PathBuf], hosts: impl Iterator<Item = &'a Host>, how: &How) -> Others {
    let mut others = Others::default();
    if places.is_empty() {
        return others;
    }
    let hosts: Vec<&Hostname> =
        hosts.filter(|host| host.included || host.undecided).map(|host| &host.host).collect();
    let wanted = Wanted::of(hosts.into_iter());
    let all = source::lineages(places);
    others.findings.extend(all.faults.iter().map(|fault| {
        let message = format!("[source.files] names what cannot be searched: {fault}");
        Finding::new(Code::SourceUnusable, fault.path.display(), message)
    }));
    let mut best: BTreeMap<CertName, Sourced> = BTreeMap::new();
    for lineage in all.found.iter().filter(|lineage| !is_anothers(lineage, &wanted)) {
        let (good, findings) = judged(lineage, &wanted, how);
        others.findings.extend(findings);
        for pair in good {
            let known = best.entry(pair.name.clone()).or_insert_with(|| pair.clone());
            if newer(&pair) > newer(known) {
                *known = pair;
            }
        }
    }
    others.sourced = best.into_values().collect();
    others
}

/// Of several pairs under one name (acme.sh has RSA beside ECDSA) the one that ends last.
fn newer(pair: &Sourced) -> (Timestamp, &PathBuf) {
    (pair.facts.not_after, &pair.chain)
}

/// Whether its chain can be read and is for none of the hosts: its key is none of our business.
fn is_anothers(lineage: &Lineage, wanted: &Wanted<'_>) -> bool {
    let chain = lineage.key.as_ref().and_then(|_| source::chain(&lineage.chain).ok());
    let facts = chain.and_then(|chain| judge::facts_of_chain(&chain).ok());
    facts.is_some_and(|facts| !wanted.takes(&facts))
}

/// What can be shown of a lineage, and what is to be said of it.
fn judged(lineage: &Lineage, wanted: &Wanted<'_>, how: &How) -> (Vec<Sourced>, Vec<Finding>) {
    let pairs = match source::read(&lineage.chain, lineage.key.as_deref()) {
        Ok(pairs) => pairs,
        Err(error) => return (Vec::new(), vec![unusable(lineage, &error.to_string())]),
    };
    let (mut good, mut findings) = (Vec::new(), Vec::new());
    let mut is_ours = false;
    for pair in &pairs {
        match one(lineage, pair, wanted, how) {
            Ok(Some(sourced)) => {
                is_ours = true;
                good.push(sourced);
            }
            Ok(None) => {}
            Err(finding) => {
                is_ours = true;
                findings.push(finding);
            }
        }
    }
    if is_ours && source::is_exposed(lineage.key_file()) {
        findings.push(exposed(lineage));
    }
    (good, findings)
}

/// A pair as the planner may use it; `None` where it is for none of the hosts.
fn one(
    lineage: &Lineage,
    pair: &Bundle,
    wanted: &Wanted<'_>,
    how: &How,
) -> Result<Option<Sourced>, Finding> {
    let chain = lineage.chain.display();
    let said = judge::facts_of_chain(&pair.chain);
    if said.as_ref().is_ok_and(|facts| !wanted.takes(facts)) {
        return Ok(None);
    }
    let facts =
        verify::facts(pair).map_err(|error| unusable(lineage, &format!("{chain}: {error}")))?;
    if facts.not_after < how.moment() {
        let why = format!("the certificate in {chain} has ended at {}", facts.not_after);
        return Err(unusable(lineage, &why));
    }
    if let Some(code) = refused(pair, &facts, how, how.moment()) {
        let why = format!("senders refuse what {chain} holds ({code}, see `mailcert explain`)");
        return Err(unusable(lineage, &why));
    }
    let Some(name) = name(lineage, &facts) else {
        return Err(unusable(lineage, &format!("{chain}: its name is too long for a file's")));
    };
    Ok(Some(Sourced {
        name,
        owner: lineage.owner,
        lineage: lineage.name.clone(),
        chain: lineage.chain.clone(),
        key: lineage.key.clone(),
        facts,
    }))
}

/// What it is called in our store: as its owner calls it, if that is a host name, else by the
/// first name on it.
fn name(lineage: &Lineage, facts: &Facts) -> Option<CertName> {
    let own = Hostname::parse(&lineage.name).ok().filter(|name| name.parent().is_some());
    let first = facts.names.first().map(|id| match id {
        DnsId::Host(name) | DnsId::Wildcard(name) => name.clone(),
    });
    CertName::of_owner(&own.or(first)?, lineage.owner)
}

fn unusable(lineage: &Lineage, why: &str) -> Finding {
    let message = format!("{why}; {}", lineage.owner.renewal(&lineage.name));
    Finding::new(Code::SourceUnusable, lineage.chain.display(), message)
}

fn exposed(lineage: &Lineage) -> Finding {
    let key = lineage.key_file().display();
    let message = format!(
        "anybody on this machine can read {key}, the key of a certificate of {}: `chmod 0600 \
         {key}`, and take the key for stolen",
        lineage.owner
    );
    Finding::new(Code::KeyExposed, key, message)
}

#[cfg(test)]
mod tests;
