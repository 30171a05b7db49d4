//! `verify`, `discover`: looks at the world, with or without a configuration.

mod files;
mod proxied;
mod targets;

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};

use crate::app::output::Progress;
use crate::app::session::{self, Loaded};
use crate::app::{Failure, Output, environment};
use crate::cli;
use crate::config::{self, Config, Domain, Profile};
use crate::discover::{self, Discovered, Rules};
use crate::dns::{Asker, Dns, Resolver};
use crate::flow::{self, Event};
use crate::http::Http;
use crate::model::{Finding, Hostname, Inspection, Level, Policies, Verdict};
use crate::report::{Body, Report, Verified};
use crate::verify::{self, Ask, Extras, Found, How, Target};
use proxied::Proxied;
use targets::Wanted;

/// `discover`: 0, unless the DNS let nothing be found.
pub(super) async fn discover(
    loaded: Option<Loaded>,
    typed: cli::Discover,
    output: &Output,
) -> Result<u8, Failure> {
    let (config, mut findings) = parts(loaded);
    let dns = resolver(&config, &typed.dns)?;
    let world = World { config: &config, dns: &dns, machine: &session::machine(&config) };
    let domains: Vec<Domain> = match typed.domains.as_slice() {
        [] => config.domains.clone(),
        typed => typed.iter().map(|name| world.domain(name)).collect(),
    };
    if domains.is_empty() {
        return Err(Failure::helped(
            "no domain is named and no configuration has one",
            "`mailcert discover example.org`",
        ));
    }
    let progress = Progress::new(output.quiet());
    progress.tell(&Event::Discovering(domains.len()));
    let found = world.discover(&domains).await;
    progress.end();
    findings.extend(found.iter().flat_map(|domain| domain.findings.clone()));
    let hosts: Vec<_> = found.iter().flat_map(|domain| &domain.hosts).map(Into::into).collect();
    let nothing = hosts.is_empty() && findings.iter().any(|finding| finding.level > Level::Warn);
    output.answer(&Report::new("discover", Body::Discover(hosts), findings))?;
    Ok(u8::from(nothing))
}

/// `verify`.
pub(super) async fn verify(
    loaded: Option<Loaded>,
    typed: cli::Verify,
    output: &Output,
) -> Result<u8, Failure> {
    let is_stated = loaded.is_some();
    let held = loaded.as_ref().map(|loaded| session::intermediates(&loaded.config));
    let (config, mut findings) = parts(loaded);
    let how = files::ask_issuers(how(&config, &typed)?, held.unwrap_or_default(), &typed)?;
    if let Some(pem) = &typed.pem {
        return files::verify(pem, &typed, how, findings, output).await;
    }
    let dns = resolver(&config, &typed.dns)?;
    let wanted = wanted(&config, &typed)?;
    let domains = domains_of(&wanted);
    let world = World { config: &config, dns: &dns, machine: &session::machine(&config) };
    let progress = Progress::new(output.quiet());
    progress.tell(&Event::Discovering(wanted.len()));
    let (mut asks, found) = targets::asks(&world, wanted).await;
    findings.extend(found);
    for ask in &mut asks {
        let address = ask.endpoint.address.filter(|_| !world.machine.is_empty());
        ask.ours = address.map(|address| world.machine.contains(&address));
    }
    let stated = is_stated.then_some(&config);
    Proxied::new(stated, world.machine).mark(&mut asks).await;
    let mut endpoints = inspect(&asks, &dns, &how, &progress).await;
    let policies = policies(&domains, &mut endpoints, &dns, &how, &mut findings).await;
    progress.end();
    verify::compare_addresses(&mut endpoints, how.profile);
    if typed.strict {
        endpoints = endpoints.into_iter().map(verify::profiles::strictly).collect();
    }
    let mut verified = Verified::of(how.profile.as_str(), endpoints);
    verified.policies = policies;
    let code = match verified.verdict {
        Verdict::Accepted => 0,
        Verdict::Refused => 1,
        Verdict::Unknown => 4,
    };
    output.answer(&Report::new("verify", Body::Verify(verified), findings))?;
    Ok(code)
}

/// What is looked at, and by what.
pub(super) struct World<'a> {
    pub(super) config: &'a Config,
    pub(super) dns: &'a dyn Dns,
    pub(super) machine: &'a [IpAddr],
}

impl World<'_> {
    /// A domain with its table where the configuration has one.
    pub(super) fn domain(&self, name: &Hostname) -> Domain {
        let known = self.config.domains.iter().find(|domain| domain.name == *name);
        let plain = || Domain { name: name.clone(), hosts: Vec::new(), exclude: Vec::new() };
        known.cloned().unwrap_or_else(plain)
    }

    /// Asks for these domains side by side.
    pub(super) async fn discover(&self, domains: &[Domain]) -> Vec<Discovered> {
        let rules = Rules {
            machine: self.machine,
            guesses: self.config.discover.guesses,
            concurrency: flow::QUESTIONS.0,
            per_second: flow::QUESTIONS.1,
        };
        discover::discover(domains, self.dns, &rules).await
    }
}

/// What was typed, else all domains of the configuration.
fn wanted(config: &Config, typed: &cli::Verify) -> Result<Vec<Wanted>, Failure> {
    let mut wanted = targets::wanted(typed)?;
    if wanted.is_empty() {
        let all = config.domains.iter();
        let at: Vec<IpAddr> = typed.connect.into_iter().collect();
        wanted = all.map(|domain| (Target::Domain(domain.name.clone()), at.clone())).collect();
    }
    if wanted.is_empty() {
        return Err(Failure::helped(
            "no target is named and no configuration has a domain",
            "`mailcert verify example.org` or `mailcert verify mail.example.org:587`",
        ));
    }
    Ok(wanted)
}

/// The mail domains among the targets.
fn domains_of(wanted: &[Wanted]) -> Vec<Hostname> {
    let domains = wanted.iter().filter_map(|(target, _)| match target {
        Target::Domain(domain) => Some(domain.clone()),
        Target::Server { .. } => None,
    });
    let mut domains: Vec<Hostname> = domains.collect();
    let mut seen = HashSet::new();
    domains.retain(|domain| seen.insert(domain.clone()));
    domains
}

/// What the domains publish about TLS, several asked for at a time; what is wrong with it at an
/// endpoint is added to it.
async fn policies(
    domains: &[Hostname],
    endpoints: &mut [Inspection],
    dns: &dyn Dns,
    how: &How,
    findings: &mut Vec<Finding>,
) -> Vec<Policies> {
    if domains.is_empty() {
        return Vec::new();
    }
    // A proxy that cannot be used is gone round.
    let proxy = environment::proxy();
    let http = Http::new(&how.roots, proxy.as_ref()).or_else(|_| Http::new(&how.roots, None));
    let Ok(http) = http else { return Vec::new() };
    let asked: Vec<Found> = {
        let (http, looks) = (&http, &*endpoints);
        let ask = |at: usize| verify::policies(&domains[at], looks, dns, http, how);
        stream::iter(0..domains.len()).map(ask).buffered(POLICIES).collect().await
    };
    let mut policies = Vec::new();
    for found in asked {
        found.settle(endpoints);
        findings.extend(found.findings);
        policies.extend(found.policies);
    }
    policies
}

/// Domains whose policies are asked for at a time.
const POLICIES: usize = 16;

/// Looks at every endpoint; the answers are in the order of `asks`. Of a host without an address
/// the DNS says why it has none.
async fn inspect(asks: &[Ask], dns: &dyn Dns, how: &How, progress: &Progress) -> Vec<Inspection> {
    progress.tell(&Event::Verifying(asks.len()));
    let seen = |_: &Inspection| progress.tell(&Event::Verified);
    let nowhere = |ask: &&Ask| ask.endpoint.address.is_none() && ask.connect.is_none();
    let somewhere: Vec<Ask> = asks.iter().filter(|ask| !nowhere(ask)).cloned().collect();
    let mut endpoints = verify::inspect_all(&somewhere, how, &seen).await;
    for ask in asks.iter().filter(nowhere).filter(|ask| !ask.optional) {
        let (code, why) = targets::why_no_address(dns, ask).await;
        endpoints.push(verify::unresolved(ask, how, code, &why));
    }
    let place: HashMap<_, _> = asks
        .iter()
        .enumerate()
        .map(|(at, Ask { endpoint, .. })| ((&endpoint.host, endpoint.port, endpoint.address), at))
        .collect();
    endpoints.sort_by_key(|look| place.get(&(&look.host, look.port, look.address)).copied());
    endpoints
}

fn parts(loaded: Option<Loaded>) -> (Config, Vec<Finding>) {
    match loaded {
        Some(loaded) => (loaded.config, loaded.findings),
        None => (config::builtin(), Vec::new()),
    }
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
        extras: Extras { thorough: true, second_look: !typed.quick, ..how.extras },
        ..how
    })
}

fn resolver(config: &Config, typed: &[SocketAddr]) -> Result<Asker<Resolver>, Failure> {
    session::resolver(if typed.is_empty() { &config.dns } else { typed })
}
