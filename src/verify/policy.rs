//! What a mail domain publishes about the TLS of its MX hosts, read only: asks DNS and HTTPS, and
//! compares with what the looks at these hosts found. `sts`, `dane` and `tlsrpt` do the reading.

mod mta_sts;
mod tlsa;

use std::net::IpAddr;

use futures_util::future::join3;

use crate::dns::{Dns, Kind, Record, Reply};
use crate::http::Http;
use crate::model::{
    Code, Finding, Hostname, Inspection, Policies, Problem, Service, Stage, TlsRpt,
};
use crate::verify::{How, profiles, tlsrpt};

/// What was found of one domain.
#[derive(Debug)]
pub struct Found {
    /// What it publishes; `None` where the DNS does not answer for the domain at all.
    pub policies: Option<Policies>,
    /// What is wrong with it, apart from the endpoints.
    pub findings: Vec<Finding>,
    /// What is wrong at an endpoint: its place among the looks, the stage to be marked, if any,
    /// and the problem.
    problems: Vec<(usize, Option<Stage>, Problem)>,
}

impl Found {
    /// Adds what is wrong at the endpoints to the looks that were given to [`policies`], and
    /// settles their verdicts anew.
    pub fn settle(&self, looks: &mut [Inspection]) {
        for (at, stage, problem) in &self.problems {
            let Some(look) = looks.get_mut(*at) else { continue };
            if let Some(stage) = stage {
                profiles::mark(&mut look.stages, *stage, problem.level);
            }
            look.problems.push(problem.clone());
            look.problems.sort_by_key(|problem| std::cmp::Reverse(problem.level));
            look.verdict = profiles::verdict(&look.problems);
        }
    }
}

/// Asks for the policies of a mail domain: MTA-STS (RFC 8461), TLS-RPT (RFC 8460) and DANE (RFC
/// 7672). `looks` are finished and hold those at its MX hosts; others are passed over. `http` says
/// by which proxy, if any; what vouches for the policy host are the roots of `how`.
pub async fn policies(
    domain: &Hostname,
    looks: &[Inspection],
    dns: &dyn Dns,
    http: &Http,
    how: &How,
) -> Found {
    let mut found = Found { policies: None, findings: Vec::new(), problems: Vec::new() };
    let Some(exchanges) = Exchanges::ask(domain, dns).await else { return found };
    let mut policies = Policies::none(domain.clone());
    let mx = exchanges.looks(looks);
    let (mta_sts, tls_rpt, dane) = join3(
        mta_sts::ask(domain, dns, http, how),
        tls_rpt(domain, dns),
        tlsa::ask(domain, &exchanges, &mx, dns, how),
    )
    .await;
    if let Some(asked) = mta_sts {
        policies.mta_sts = Some(asked.tell(domain, &mx, &mut found));
    }
    if let Some(problem) = tls_rpt.as_ref().and_then(|record| record.problem.as_ref()) {
        let message = format!("{problem}: nobody sends reports; see RFC 8460 section 3");
        found.findings.push(Finding::new(Code::TlsRptBroken, domain, message));
    }
    policies.tls_rpt = tls_rpt;
    policies.dane = dane.into_iter().map(|host| host.tell(how.profile, &mut found)).collect();
    Found { policies: Some(policies), ..found }
}

/// The hosts that take mail for a domain.
#[derive(Debug)]
struct Exchanges {
    /// Those of the MX records, or the domain itself where there is none (RFC 5321 section 5.1).
    hosts: Vec<Hostname>,
    /// Whether DNSSEC vouches for that.
    authenticated: bool,
}

/// One MX host with the looks at its port 25, each with its place.
struct MxHost<'a> {
    host: &'a Hostname,
    looks: Vec<(usize, &'a Inspection)>,
}

impl Exchanges {
    /// `None` where nobody knows: that is told elsewhere.
    async fn ask(domain: &Hostname, dns: &dyn Dns) -> Option<Self> {
        let answer = dns.ask(domain.as_str(), Kind::Mx).await;
        let mut records: Vec<_> = match answer.reply {
            Reply::Records(records) => records,
            Reply::Absent(_) => Vec::new(),
            Reply::Failed(_) => return None,
        };
        records.sort();
        let hosts = records.iter().filter_map(|record| match record {
            Record::Mx { exchange, .. } => Hostname::parse(exchange).ok(),
            _ => None,
        });
        let hosts = if records.is_empty() { vec![domain.clone()] } else { hosts.collect() };
        Some(Self { hosts, authenticated: answer.authenticated })
    }

    /// The hosts that were looked at.
    fn looks<'a>(&'a self, all: &'a [Inspection]) -> Vec<MxHost<'a>> {
        let mut found: Vec<MxHost<'_>> = Vec::new();
        for host in &self.hosts {
            let at_host = |look: &Inspection| look.service == Service::Smtp && look.host == *host;
            let looks: Vec<_> = all.iter().enumerate().filter(|(_, look)| at_host(look)).collect();
            if !looks.is_empty() && found.iter().all(|other| other.host != host) {
                found.push(MxHost { host, looks });
            }
        }
        found
    }
}

async fn tls_rpt(domain: &Hostname, dns: &dyn Dns) -> Option<TlsRpt> {
    let name = format!("_smtp._tls.{domain}");
    let broken = |problem| Some(TlsRpt { rua: Vec::new(), problem: Some(problem) });
    match texts(&name, dns).await {
        Ok(texts) => match tlsrpt::Record::of(texts.iter().map(String::as_str)) {
            Ok(record) => record.map(|record| TlsRpt { rua: record.rua, problem: None }),
            Err(bad) => broken(format!("the record {name}: {bad}")),
        },
        Err(why) => broken(why),
    }
}

/// The texts at a name; an error says why nobody knows.
async fn texts(name: &str, dns: &dyn Dns) -> Result<Vec<String>, String> {
    match dns.ask(name, Kind::Txt).await.reply {
        Reply::Records(records) => Ok(records
            .into_iter()
            .filter_map(|record| match record {
                Record::Txt(text) => Some(text),
                _ => None,
            })
            .collect()),
        Reply::Absent(_) => Ok(Vec::new()),
        Reply::Failed(failure) => Err(format!("the DNS did not answer for TXT {name} ({failure})")),
    }
}

/// The addresses of a host, IPv6 first.
#[derive(Debug)]
struct Addresses {
    found: Vec<IpAddr>,
    /// Whether DNSSEC vouches for every answer.
    authenticated: bool,
    /// The name the host is an alias of, at the end.
    alias: Option<String>,
}

impl Addresses {
    async fn ask(host: &Hostname, dns: &dyn Dns) -> Self {
        let mut addresses = Self { found: Vec::new(), authenticated: true, alias: None };
        for kind in [Kind::Aaaa, Kind::A] {
            let answer = dns.ask(host.as_str(), kind).await;
            addresses.authenticated &= answer.authenticated;
            addresses.found.extend(answer.records().iter().filter_map(|record| match record {
                Record::A(address) => Some(IpAddr::V4(*address)),
                Record::Aaaa(address) => Some(IpAddr::V6(*address)),
                _ => None,
            }));
            addresses.alias = answer.aliases.into_iter().next_back().or(addresses.alias);
        }
        addresses
    }
}

/// At most five, and how many more.
fn few<T: ToString>(all: &[T]) -> String {
    let shown: Vec<String> = all.iter().take(5).map(ToString::to_string).collect();
    let shown = shown.join(", ");
    match all.len() {
        0..=5 => shown,
        more => format!("{shown} and {} more", more - 5),
    }
}
