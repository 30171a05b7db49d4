//! `verify`, `discover`: looks at the world, with or without a configuration.

mod machine;
mod targets;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::app::output::Progress;
use crate::app::session::{self, Loaded};
use crate::app::{Failure, Output, environment};
use crate::cli;
use crate::config::{self, Config, Domain, Profile};
use crate::discover::{self, Discovered, Rules};
use crate::dns::{Asker, Dns, Resolver};
use crate::flow::{self, Event};
use crate::local;
use crate::model::{Finding, Hostname, Inspection, Level, Verdict};
use crate::report::{Body, Report, Verified};
use crate::verify::{self, Ask, How, Target};
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
    let (config, mut findings) = parts(loaded);
    let dns = resolver(&config, &typed.dns)?;
    let how = how(&config, &typed)?;
    let wanted = wanted(&config, &typed)?;
    let world = World { config: &config, dns: &dns, machine: &session::machine(&config) };
    let progress = Progress::new(output.quiet());
    progress.tell(&Event::Discovering(wanted.len()));
    let (mut asks, found) = targets::asks(&world, wanted).await;
    findings.extend(found);
    for ask in &mut asks {
        let address = ask.endpoint.address.filter(|_| !world.machine.is_empty());
        ask.ours = address.map(|address| world.machine.contains(&address));
    }
    let mut endpoints = inspect(&asks, &dns, &how, &progress).await;
    let local = machine::look(&asks, &endpoints, &how, typed.local_trust).await;
    progress.end();
    if typed.strict {
        endpoints = endpoints.into_iter().map(verify::profiles::strictly).collect();
    }
    let of_machine: Vec<Finding> = local.iter().flat_map(local::findings).collect();
    let warned = typed.strict && of_machine.iter().any(|finding| finding.level == Level::Warn);
    findings.extend(of_machine);
    let verified = Verified { local, ..Verified::of(how.profile.as_str(), endpoints) };
    let code = match verified.verdict {
        Verdict::Accepted => u8::from(warned),
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
        ..how
    })
}

fn resolver(config: &Config, typed: &[SocketAddr]) -> Result<Asker<Resolver>, Failure> {
    session::resolver(if typed.is_empty() { &config.dns } else { typed })
}
