//! What `verify` looks at: the targets as endpoints, each one looked at once, and what the DNS said
//! of those that have no address.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use futures_util::StreamExt as _;

use crate::discover::Discovered;
use crate::dns::{Dns, Kind, Record, Reply};
use crate::flow;
use crate::model::{Code, Endpoint, Finding, Host, Inspection, Service};
use crate::verify::{self, Ask, How, Target};

/// The endpoints of all targets.
#[derive(Default)]
pub(super) struct Asked {
    /// What to connect to, each endpoint once.
    pub(super) asks: Vec<Ask>,
    /// What stands in the answer, in the order of the targets.
    wanted: Vec<Ask>,
    silent: Silent,
}

impl Asked {
    /// Takes the targets in their order, or all domains where none was typed; `known` has one
    /// entry for each of the domains, in their order.
    pub(super) async fn gather(
        targets: &[(Target, Vec<IpAddr>)],
        known: &[Discovered],
        dns: &dyn Dns,
        connect: Option<IpAddr>,
        machine: &[IpAddr],
    ) -> Self {
        let mut asked = Self::default();
        for domain in known {
            asked.silent.note(&domain.findings);
        }
        let mut found = known.iter();
        if targets.is_empty() {
            asked.wanted.extend(known.iter().flat_map(|domain| of_domain(domain, &asked.silent)));
        }
        let mut addresses = futures_util::stream::iter(targets)
            .map(|target| addresses_of(target, dns, connect))
            .buffered(flow::QUESTIONS.0.max(1));
        for (target, _) in targets {
            let (at, failure) = addresses.next().await.unwrap_or_default();
            match target {
                Target::Domain(_) => {
                    let domain = found.next().map(|domain| of_domain(domain, &asked.silent));
                    asked.wanted.extend(domain.into_iter().flatten());
                }
                Target::Server { host, service, port } => {
                    if let Some(said) = failure {
                        asked.silent.0.insert(host.to_string(), (Code::DnsFailure, said));
                    }
                    asked.wanted.extend(verify::asks_of_server(host, *service, *port, &at));
                }
            }
        }
        asked.settle(connect, machine);
        asked
    }

    /// Puts in the address to connect to, says which are this machine's, and finds the endpoints
    /// that are wanted more than once.
    fn settle(&mut self, connect: Option<IpAddr>, machine: &[IpAddr]) {
        for ask in &mut self.wanted {
            ask.endpoint.address = connect.or(ask.endpoint.address);
            let address = ask.endpoint.address.filter(|_| !machine.is_empty());
            ask.ours = address.map(|address| machine.contains(&address));
        }
        // One entry for each endpoint of a domain; typed beside its domain, it is that entry.
        let of_domains: BTreeSet<Endpoint> = self
            .wanted
            .iter()
            .filter(|ask| ask.domain.is_some())
            .map(|ask| ask.endpoint.clone())
            .collect();
        let mut typed = BTreeSet::new();
        let mut once = BTreeSet::new();
        self.wanted.retain(|ask| {
            if !ask.optional {
                typed.insert(ask.endpoint.clone());
            }
            let beside = ask.domain.is_none() && of_domains.contains(&ask.endpoint);
            !beside && once.insert((ask.endpoint.clone(), ask.domain.clone()))
        });
        let mut looked_at = BTreeSet::new();
        for ask in &mut self.wanted {
            ask.optional &= !typed.contains(&ask.endpoint);
            if self.silent.said(ask).is_none() && looked_at.insert(ask.endpoint.clone()) {
                self.asks.push(ask.clone());
            }
        }
    }

    /// The entries of the answer: the looks, for every domain that wants them, and what could not
    /// be looked at.
    pub(super) fn entries(&self, looks: Vec<Inspection>, how: &How) -> Vec<Inspection> {
        let looks: BTreeMap<Endpoint, Inspection> = looks
            .into_iter()
            .map(|look| {
                let (host, service, port, address) =
                    (look.host.clone(), look.service, look.port, look.address);
                (Endpoint { host, service, port, address }, look)
            })
            .collect();
        let entry = |ask: &Ask| {
            if let Some((code, said)) = self.silent.said(ask) {
                return Some(verify::unresolved(ask, how, *code, said));
            }
            let (domain, origin) = (ask.domain.clone(), ask.origin.clone());
            looks.get(&ask.endpoint).map(|look| Inspection { domain, origin, ..look.clone() })
        };
        self.wanted.iter().filter_map(entry).collect()
    }
}

/// The endpoints of a domain; where the DNS does not say who takes its mail, that is one that
/// could not be tested.
fn of_domain(found: &Discovered, silent: &Silent) -> Vec<Ask> {
    let mut asks = verify::asks_of(&found.domain, &found.hosts, &found.not_offered, None);
    if !found.hosts.iter().any(Host::is_mx) && silent.0.contains_key(found.domain.as_str()) {
        let service = Service::Smtp;
        for ask in verify::asks_of_server(&found.domain, service, service.port(), &[]) {
            asks.push(Ask { domain: Some(found.domain.clone()), ..ask });
        }
    }
    asks
}

/// Where a typed server is: the addresses beside it, else those in the DNS, and what the DNS said
/// if it failed.
async fn addresses_of(
    (target, typed): &(Target, Vec<IpAddr>),
    dns: &dyn Dns,
    connect: Option<IpAddr>,
) -> (Vec<IpAddr>, Option<String>) {
    let (mut addresses, mut failed) = (typed.clone(), None);
    let Target::Server { host, .. } = target else { return (addresses, failed) };
    if !addresses.is_empty() || connect.is_some() {
        return (addresses, failed);
    }
    for kind in [Kind::Aaaa, Kind::A] {
        let answer = dns.ask(host.as_str(), kind).await;
        if let Reply::Failed(failure) = &answer.reply {
            failed = Some(format!("the DNS did not answer for {kind} of {host} ({failure})"));
        }
        addresses.extend(answer.records().iter().filter_map(|record| match record {
            Record::A(address) => Some(IpAddr::V4(*address)),
            Record::Aaaa(address) => Some(IpAddr::V6(*address)),
            _ => None,
        }));
    }
    (addresses, failed)
}

/// Names of which the DNS does not say where they are, each with the code and what it said.
#[derive(Default)]
struct Silent(BTreeMap<String, (Code, String)>);

impl Silent {
    /// Takes what discovery found.
    fn note(&mut self, findings: &[Finding]) {
        for finding in findings {
            let (subject, message) = (finding.subject.clone(), finding.message.clone());
            match finding.code {
                Code::DnsFailure | Code::DnsBogus => {
                    self.0.insert(subject, (Code::DnsFailure, message));
                }
                Code::NoSuchHost => {
                    self.0.insert(subject, (Code::NoSuchHost, message));
                }
                Code::BadName | Code::MxIsAddress => {
                    let message = "its records name no host that could be asked".to_owned();
                    self.0.entry(subject).or_insert((Code::NoSuchHost, message));
                }
                _ => {}
            }
        }
    }

    /// What the DNS said of an endpoint that cannot be connected to for it.
    fn said(&self, ask: &Ask) -> Option<&(Code, String)> {
        let nowhere = ask.endpoint.address.is_none() && ask.connect.is_none();
        self.0.get(ask.endpoint.host.as_str()).filter(|_| nowhere)
    }
}

#[cfg(test)]
mod tests {
    use super::Asked;
    use crate::config::Domain;
    use crate::discover::{self, Discovered, Rules};
    use crate::dns::Zone;
    use crate::model::Hostname;
    use crate::verify::Target;

    async fn known(zone: &Zone, domains: &[&str]) -> Vec<Discovered> {
        let domain = |name: &&str| {
            let name = Hostname::parse(name).unwrap();
            Domain { name, hosts: Vec::new(), exclude: Vec::new() }
        };
        let domains: Vec<Domain> = domains.iter().map(domain).collect();
        let rules = Rules { machine: &[], guesses: true, concurrency: 4, per_second: 0 };
        discover::discover(&domains, zone, &rules).await
    }

    /// What stands in the answer for these targets, and how many looks it takes; what only counts
    /// if it answers is in brackets.
    async fn asked(zone: &str, targets: &[&str]) -> (Vec<String>, usize) {
        let zone = Zone::parse(zone).unwrap();
        let targets: Vec<_> =
            targets.iter().map(|target| (Target::parse(target).unwrap(), Vec::new())).collect();
        let domains: Vec<&str> = targets
            .iter()
            .filter_map(|(target, _)| match target {
                Target::Domain(domain) => Some(domain.as_str()),
                Target::Server { .. } => None,
            })
            .collect();
        let known = known(&zone, &domains).await;
        let asked = Asked::gather(&targets, &known, &zone, None, &[]).await;
        let written = |ask| {
            let code = asked.silent.said(ask).map_or("tested", |(code, _)| code.as_str());
            format!("{} {code}", ask.endpoint)
        };
        let must = asked.wanted.iter().filter(|ask| !ask.optional).map(written).collect();
        (must, asked.asks.iter().filter(|ask| !ask.optional).count())
    }

    #[tokio::test]
    async fn a_domain_that_the_dns_is_silent_about_is_unknown_and_not_forgotten() {
        let zone = "good.example MX 10 mx.good.example
            mx.good.example A 192.0.2.7
            half.example MX 10 mx.half.example
            mx.half.example SERVFAIL
            lost.example MX 10 mx.lost.example
            broken.example SERVFAIL
            forged.example BOGUS
            odd.example MX 10 192.0.2.7
            null.example MX 0 .";
        for (domain, expected) in [
            ("good.example", vec!["mx.good.example [192.0.2.7]:25 tested"]),
            ("half.example", vec!["mx.half.example:25 dns-failure"]),
            ("lost.example", vec!["mx.lost.example:25 no-such-host"]),
            ("broken.example", vec!["broken.example:25 dns-failure"]),
            ("forged.example", vec!["forged.example:25 dns-failure"]),
            ("gone.example", vec!["gone.example:25 no-such-host"]),
            ("odd.example", vec!["odd.example:25 no-such-host"]),
            ("null.example", vec![]),
        ] {
            assert_eq!(asked(zone, &[domain]).await.0, expected, "{domain}");
        }
    }

    #[tokio::test]
    async fn an_endpoint_is_looked_at_once_and_stands_under_each_of_its_domains() {
        let zone = "one.example MX 10 mx.host.example
            two.example MX 10 mx.host.example
            mx.host.example A 192.0.2.7
            down.example SERVFAIL";
        let mx = "mx.host.example [192.0.2.7]:25 tested";
        let submission = "mx.host.example [192.0.2.7]:587 tested";
        for (targets, entries, looks) in [
            (&["mx.host.example:25", "mx.host.example:25"][..], &[mx][..], 1),
            (&["mx.host.example:25", "one.example"], &[mx], 1),
            (&["one.example", "one.example"], &[mx], 1),
            (&["one.example", "two.example"], &[mx, mx], 1),
            (&["one.example", "mx.host.example:587"], &[mx, submission], 2),
            (
                &["down.example:25", "one.example", "down.example:587"],
                &["down.example:25 dns-failure", mx, "down.example:587 dns-failure"],
                1,
            ),
        ] {
            let (found, count) = asked(zone, targets).await;
            assert_eq!(found, entries, "{targets:?}");
            assert_eq!(count, looks, "{targets:?}");
        }
    }
}
