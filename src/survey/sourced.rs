//! Certificates that others made, as the planner may use them: read, judged, each name once.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use crate::model::{
    Bundle, CertName, Code, DnsId, Facts, Finding, Host, Hostname, Sha256, Timestamp,
};
use crate::plan::{Held, Sourced};
use crate::source::{self, Lineage, SourceError};
use crate::survey::adopt::Wanted;
use crate::survey::gate::refused;
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
/// only where the chain covers one and is not in the store (`held`) already.
#[must_use]
pub fn sourced<'a>(
    places: &[PathBuf],
    hosts: impl Iterator<Item = &'a Host>,
    held: &[Held],
    how: &How,
) -> Others {
    let mut others = Others::default();
    if places.is_empty() {
        return others;
    }
    let hosts = hosts.filter(|host| host.included || host.undecided);
    let hosts: Vec<&Hostname> = hosts.map(|host| &host.host).collect();
    let versions = held.iter().flat_map(|held| &held.versions);
    let search = Search {
        wanted: Wanted::of(hosts.into_iter()),
        known: versions.map(|own| (own.facts.chain_file, &own.facts)).collect(),
        how,
    };
    let all = source::lineages(places);
    others.findings.extend(all.faults.iter().map(unsearchable));
    let mut best: BTreeMap<CertName, Sourced> = BTreeMap::new();
    for lineage in &all.found {
        let (good, findings) = search.judged(lineage);
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

/// What of these places cannot be searched.
#[must_use]
pub fn unsearchable_places(places: &[PathBuf]) -> Vec<Finding> {
    source::lineages(places).faults.iter().map(unsearchable).collect()
}

fn unsearchable(fault: &SourceError) -> Finding {
    let message = format!("[source.files] names what cannot be searched: {fault}");
    Finding::new(Code::SourceUnusable, fault.path.display(), message)
}

/// Of several pairs under one name (acme.sh has RSA beside ECDSA) the one that ends last.
fn newer(pair: &Sourced) -> (Timestamp, &PathBuf) {
    (pair.facts.not_after, &pair.chain)
}

/// What is looked for, and what is known already.
struct Search<'a> {
    wanted: Wanted<'a>,
    /// By the digest of the chain, what is held: it was judged when it was taken.
    known: HashMap<Sha256, &'a Facts>,
    how: &'a How,
}

impl Search<'_> {
    /// What can be shown of a lineage, and what is to be said of it.
    fn judged(&self, lineage: &Lineage) -> (Vec<Sourced>, Vec<Finding>) {
        let chain = lineage.key.as_ref().and_then(|_| source::chain(&lineage.chain).ok());
        let said = chain.and_then(|chain| judge::facts_of_chain(&chain).ok());
        if said.as_ref().is_some_and(|said| !self.wanted.takes(said)) {
            return (Vec::new(), Vec::new());
        }
        let known = said.and_then(|said| self.known.get(&said.chain_file).copied());
        let judged: Vec<Result<Sourced, Finding>> = match known {
            Some(facts) => vec![self.dated(lineage, facts.clone())],
            None => match source::read(&lineage.chain, lineage.key.as_deref()) {
                Err(error) => return (Vec::new(), vec![unusable(lineage, &error.to_string())]),
                Ok(pairs) => pairs.iter().filter_map(|pair| self.one(lineage, pair)).collect(),
            },
        };
        let is_exposed = !judged.is_empty() && source::is_exposed(lineage.key_file());
        let mut findings: Vec<Finding> = is_exposed.then(|| exposed(lineage)).into_iter().collect();
        let mut good = Vec::new();
        for judged in judged {
            match judged {
                Ok(pair) => good.push(pair),
                Err(finding) => findings.push(finding),
            }
        }
        (good, findings)
    }

    /// A pair as the planner may use it; `None` where it is for none of the hosts.
    fn one(&self, lineage: &Lineage, pair: &Bundle) -> Option<Result<Sourced, Finding>> {
        let chain = lineage.chain.display();
        let said = judge::facts_of_chain(&pair.chain);
        if said.as_ref().is_ok_and(|facts| !self.wanted.takes(facts)) {
            return None;
        }
        let facts = match verify::facts(pair) {
            Ok(facts) => facts,
            Err(error) => return Some(Err(unusable(lineage, &format!("{chain}: {error}")))),
        };
        let now = self.how.moment();
        let refused =
            refused(pair, &facts, self.how.known(), now).filter(|_| facts.not_after >= now);
        Some(match refused {
            Some(code) => {
                let why =
                    format!("senders refuse what {chain} holds ({code}, see `mailcert explain`)");
                Err(unusable(lineage, &why))
            }
            None => self.dated(lineage, facts),
        })
    }

    /// The same, unless it has ended.
    fn dated(&self, lineage: &Lineage, facts: Facts) -> Result<Sourced, Finding> {
        let chain = lineage.chain.display();
        if facts.not_after < self.how.moment() {
            let why = format!("the certificate in {chain} has ended at {}", facts.not_after);
            return Err(unusable(lineage, &why));
        }
        let name = name(lineage, &facts).ok_or_else(|| {
            unusable(lineage, &format!("{chain}: its name is too long for that of a file"))
        })?;
        Ok(Sourced {
            name,
            owner: lineage.owner,
            lineage: lineage.name.clone(),
            chain: lineage.chain.clone(),
            key: lineage.key.clone(),
            facts,
        })
    }
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
