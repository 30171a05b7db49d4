//! `verify`, `discover`: looks at the world, with or without a configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::app::progress::Progress;
use crate::app::session::{self, Loaded};
use crate::app::{Failure, Output, environment};
use crate::cli;
use crate::config::{self, Config, Domain, Profile};
use crate::discover::{self, Discovered, Rules};
use crate::dns::{Asker, Dns, Kind, Record, Reply, Resolver};
use crate::flow::{self, Event};
use crate::model::{Code, Finding, Host, Hostname, Inspection, Service, Verdict};
use crate::report::{Body, Report, Verified};
use crate::verify::{self, Ask, How, Target};

/// `discover`.
pub(super) async fn discover(
    loaded: Option<Loaded>,
    typed: cli::Discover,
    output: &Output,
) -> Result<u8, Failure> {
    let (config, mut findings) = parts(loaded);
    let dns = resolver(&config, &typed.dns)?;
    let domains = domains(&config, &typed.domains);
    if domains.is_empty() {
        return Err(Failure::Usage(
            "error: no domain is named and no configuration has one\n  = help: `mailcert discover \
             example.org`"
                .to_owned(),
        ));
    }
    let machine = session::machine(&config);
    let found = found(&domains, &dns, &config, &machine).await;
    findings.extend(found.iter().flat_map(|domain| domain.findings.clone()));
    let hosts = found.iter().flat_map(|domain| &domain.hosts).map(Into::into).collect();
    output.answer(&Report { command: "discover", body: Body::Discover(hosts), findings });
    Ok(0)
}

/// `verify`.
pub(super) async fn verify(
    loaded: Option<Loaded>,
    typed: cli::Verify,
    output: &Output,
) -> Result<u8, Failure> {
    let (config, mut findings) = parts(loaded);
    let dns = resolver(&config, &typed.dns)?;
    let how = how(&config, &typed)?;
    let targets = targets(&typed)?;
    let machine = session::machine(&config);
    let (mut asks, mut silent) = (Vec::new(), Silent::default());
    let mut known = Vec::new();
    if targets.is_empty() {
        if config.domains.is_empty() {
            return Err(Failure::Usage(
                "error: no target is named and no configuration has a domain\n  = help: `mailcert \
                 verify example.org` or `mailcert verify mail.example.org:587`"
                    .to_owned(),
            ));
        }
        known = found(&config.domains, &dns, &config, &machine).await;
    }
    for (target, addresses) in targets {
        match target {
            Target::Domain(domain) => {
                let domains = domains(&config, &[domain]);
                known.extend(found(&domains, &dns, &config, &machine).await);
            }
            Target::Server { host, service, port } => {
                let at = if addresses.is_empty() && typed.connect.is_none() {
                    addresses_of(&dns, &host, &mut silent).await
                } else {
                    addresses
                };
                asks.extend(verify::asks_of_server(&host, service, port, &at));
            }
        }
    }
    for domain in known {
        silent.note(&domain.findings);
        asks.extend(verify_domain(&domain, &silent));
        findings.extend(domain.findings);
    }
    if let Some(address) = typed.connect {
        connect_to(&mut asks, address);
    }
    for ask in &mut asks {
        let address = ask.endpoint.address.filter(|_| !machine.is_empty());
        ask.ours = address.map(|address| machine.contains(&address));
    }
    let progress = Progress::new(output.quiet());
    let (nowhere, asks): (Vec<Ask>, Vec<Ask>) =
        asks.into_iter().partition(|ask| silent.said(ask).is_some());
    progress.tell(&Event::Verifying(asks.len()));
    let seen = |inspection: &Inspection| progress.tell(&Event::Verified(inspection.clone()));
    let mut endpoints = verify::inspect_all(&asks, &how, &seen).await;
    endpoints.extend(nowhere.iter().filter_map(|ask| {
        silent.said(ask).map(|(code, said)| verify::unresolved(ask, &how, *code, said))
    }));
    if typed.strict {
        endpoints = endpoints.into_iter().map(verify::profiles::strictly).collect();
    }
    let verified = Verified::of(how.profile.as_str(), endpoints);
    let code = exit_code(verified.verdict);
    output.answer(&Report { command: "verify", body: Body::Verify(verified), findings });
    Ok(code)
}

fn exit_code(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Accepted => 0,
        Verdict::Refused => 1,
        Verdict::Unknown => 4,
    }
}

/// The endpoints of a domain; where the DNS does not say who takes its mail, that is one that
/// could not be tested.
fn verify_domain(found: &Discovered, silent: &Silent) -> Vec<Ask> {
    let mut asks = verify::asks_of(&found.domain, &found.hosts, &found.not_offered, None);
    if !found.hosts.iter().any(Host::is_mx) && silent.0.contains_key(found.domain.as_str()) {
        let service = Service::Smtp;
        for ask in verify::asks_of_server(&found.domain, service, service.port(), &[]) {
            asks.push(Ask { domain: Some(found.domain.clone()), ..ask });
        }
    }
    asks
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

/// Every endpoint once, at this address instead of those in the DNS.
fn connect_to(asks: &mut Vec<Ask>, address: IpAddr) {
    for ask in asks.iter_mut() {
        ask.endpoint.address = Some(address);
    }
    let mut seen = BTreeSet::new();
    asks.retain(|ask| seen.insert(ask.endpoint.clone()));
}

fn parts(loaded: Option<Loaded>) -> (Config, Vec<Finding>) {
    match loaded {
        Some(loaded) => (loaded.config, loaded.findings),
        None => (config::builtin(), Vec::new()),
    }
}

/// The domains to ask for: those typed, with their tables where the configuration has them.
fn domains(config: &Config, typed: &[Hostname]) -> Vec<Domain> {
    if typed.is_empty() {
        return config.domains.clone();
    }
    let domain = |name: &Hostname| {
        let known = config.domains.iter().find(|domain| domain.name == *name);
        let plain = || Domain { name: name.clone(), hosts: Vec::new(), exclude: Vec::new() };
        known.cloned().unwrap_or_else(plain)
    };
    typed.iter().map(domain).collect()
}

async fn found(
    domains: &[Domain],
    dns: &dyn Dns,
    config: &Config,
    machine: &[IpAddr],
) -> Vec<Discovered> {
    let rules = Rules {
        machine,
        guesses: config.discover.guesses,
        concurrency: flow::QUESTIONS.0,
        per_second: flow::QUESTIONS.1,
    };
    discover::discover(domains, dns, &rules).await
}

async fn addresses_of(dns: &dyn Dns, host: &Hostname, silent: &mut Silent) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for kind in [Kind::Aaaa, Kind::A] {
        let answer = dns.ask(host.as_str(), kind).await;
        if let Reply::Failed(failure) = &answer.reply {
            let said = format!("the DNS did not answer for {kind} of {host} ({failure})");
            silent.0.insert(host.to_string(), (Code::DnsFailure, said));
        }
        for record in answer.records() {
            match record {
                Record::A(address) => addresses.push(IpAddr::V4(*address)),
                Record::Aaaa(address) => addresses.push(IpAddr::V6(*address)),
                _ => {}
            }
        }
    }
    addresses
}

/// What is asked for: the arguments, then the lines of `--targets`.
fn targets(typed: &cli::Verify) -> Result<Vec<(Target, Vec<IpAddr>)>, Failure> {
    let mut targets = Vec::new();
    for text in &typed.targets {
        targets.push((Target::parse(text).map_err(Failure::usage)?, Vec::new()));
    }
    if let Some(path) = &typed.targets_file {
        targets.extend(targets_file(path)?);
    }
    Ok(targets)
}

/// How to look: the configuration, and what was typed over it.
fn how(config: &Config, typed: &cli::Verify) -> Result<How, Failure> {
    let mut how = session::how(config, environment::now())?;
    if let Some(roots) = &typed.roots {
        how.roots = Arc::new(session::roots(&session::root_choice(roots)?)?);
    }
    if let Some(profile) = typed.profile {
        how.profile = match profile {
            cli::Profile::Gmail => Profile::Gmail,
            cli::Profile::Workspace => Profile::Workspace,
            cli::Profile::Strict => Profile::Strict,
        };
    }
    Ok(How {
        timeout: Duration::from_secs(typed.timeout),
        concurrency: typed.concurrency.into(),
        tries: typed.tries.into(),
        without_sni: true,
        ..how
    })
}

fn resolver(config: &Config, typed: &[SocketAddr]) -> Result<Asker<Resolver>, Failure> {
    session::resolver(if typed.is_empty() { &config.dns } else { typed })
}

/// The lines of `--targets FILE`: `TARGET [ADDR]...`; empty lines and `#` comments are passed over.
///
/// # Errors
/// [`Failure::Usage`] with file and line of the first that is wrong.
pub(super) fn targets_file(path: &Path) -> Result<Vec<(Target, Vec<IpAddr>)>, Failure> {
    let text = if path == Path::new("-") {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(path)
    };
    let text = text
        .map_err(|error| Failure::Usage(format!("error: --targets {}: {error}", path.display())))?;
    let mut targets = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let parsed = Target::parse_line(line).map_err(|error| {
            Failure::Usage(format!("error: {}:{}: {error}", path.display(), index + 1))
        })?;
        targets.extend(parsed);
    }
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use super::{Silent, found, verify_domain};
    use crate::config::{self, Domain};
    use crate::dns::Zone;
    use crate::model::Hostname;

    /// The endpoints of a domain, and what the DNS said of those that have no address.
    async fn asked(zone: &str, domain: &str) -> Vec<String> {
        let name = Hostname::parse(domain).unwrap();
        let domain = Domain { name, hosts: Vec::new(), exclude: Vec::new() };
        let zone = Zone::parse(zone).unwrap();
        let found = found(&[domain], &zone, &config::builtin(), &[]).await;
        let mut silent = Silent::default();
        silent.note(&found[0].findings);
        let asks = verify_domain(&found[0], &silent);
        let written = |ask| {
            let code = silent.said(ask).map_or("tested", |(code, _)| code.as_str());
            format!("{} {code}", ask.endpoint)
        };
        asks.iter().filter(|ask| !ask.optional).map(written).collect()
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
            assert_eq!(asked(zone, domain).await, expected, "{domain}");
        }
    }
}
