//! `verify`, `discover`: looks at the world, with or without a configuration.

mod batch;
pub(super) mod files;
mod listening;
mod machine;
mod targets;
mod unit;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;

use crate::app::output::{Bar, Progress, Reader};
use crate::app::session::{self, Loaded};
use crate::app::signals::Stop;
use crate::app::{Failure, Output, challenges, environment};
use crate::cli;
use crate::config::{self, Config, Domain, Profile};
use crate::discover::{self, Discovered, Rules};
use crate::dns::{Asker, Dns, Resolver};
use crate::flow::{self, Event};
use crate::model::{Hostname, Level};
use crate::report::{Body, PersistRow, Report};
use crate::verify::{Extras, How};
use batch::{Batch, Sink};
use targets::Targets;

/// `discover`: 0, unless the DNS let nothing be found.
pub(super) async fn discover(
    loaded: Option<Loaded>,
    typed: cli::Discover,
    output: &Output,
) -> Result<u8, Failure> {
    let (config, mut findings) = (config_of(loaded), Vec::new());
    let dns = resolver(&config, &typed.dns)?;
    let machine = session::machine(&config);
    let world = World::new(&config, &dns, &machine);
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
    let value = challenges::persistent_value(&config);
    let persist = value
        .iter()
        .flat_map(|value| domains.iter().map(move |domain| PersistRow::new(&domain.name, value)));
    let body = Body::Discover { hosts, persist: persist.collect() };
    output.answer(&Report::new("discover", body, findings))?;
    Ok(u8::from(nothing))
}

/// `verify`: a stream of targets; each becomes one that was looked at, and goes into the answer.
pub(super) async fn verify(
    loaded: Option<Loaded>,
    typed: cli::Verify,
    output: &Output,
) -> Result<u8, Failure> {
    let is_stated = loaded.is_some();
    let held = loaded.as_ref().map(|loaded| session::intermediates(&loaded.config));
    let config = config_of(loaded);
    let how = files::ask_issuers(how(&config, &typed, output)?, held.unwrap_or_default(), &typed)?;
    if let Some(pem) = &typed.pem {
        return files::verify(pem, &typed, how, output).await;
    }
    let dns = resolver(&config, &typed.dns)?;
    let targets = Targets::of(&config, &typed)?;
    let machine = session::machine(&config);
    let world = World::new(&config, &dns, &machine);
    let stop = Stop::default();
    stop.heed()?;
    let bar = Bar::new(output.quiet(), targets.count());
    let stated = is_stated.then_some(&config);
    // The whole of this machine: its listeners are one more target.
    let own = stated.filter(|_| targets.are_all_domains()).map(|_| targets.count());
    let count = targets.count() + usize::from(own.is_some());
    let mut sink = Sink::new(output, typed.strict, count);
    let batch = Batch::new(&world, stated, &how, &typed, stop, &bar);
    let mut looks = std::pin::pin!(batch.looks(&targets, output.in_order()));
    let mut ticks = bar.ticks();
    loop {
        let looked = tokio::select! {
            looked = looks.next() => looked,
            () = ticks.next() => {
                bar.draw();
                continue;
            }
        };
        let Some(looked) = looked else { break };
        // A reader that went away wants no more of it.
        if sink.take(looked)? == Reader::Gone {
            break;
        }
    }
    if let Some(at) = own {
        sink.take(batch.look_at_listeners(at).await)?;
    }
    sink.end(how.profile.as_str(), &bar)
}

/// What is looked at, and by what.
pub(super) struct World<'a> {
    /// The domains of the configuration by their names.
    known: HashMap<&'a Hostname, &'a Domain>,
    guesses: bool,
    pub(super) dns: &'a dyn Dns,
    pub(super) machine: &'a [IpAddr],
}

impl<'a> World<'a> {
    fn new(config: &'a Config, dns: &'a dyn Dns, machine: &'a [IpAddr]) -> Self {
        let known = config.domains.iter().map(|domain| (&domain.name, domain)).collect();
        Self { known, guesses: config.discover.guesses, dns, machine }
    }

    /// A domain with its table where the configuration has one.
    pub(super) fn domain(&self, name: &Hostname) -> Domain {
        let plain = || Domain {
            name: name.clone(),
            hosts: Vec::new(),
            wildcards: Vec::new(),
            exclude: Vec::new(),
        };
        self.known.get(name).map_or_else(plain, |domain| (*domain).clone())
    }

    /// Asks for these domains side by side.
    pub(super) async fn discover(&self, domains: &[Domain]) -> Vec<Discovered> {
        let rules = Rules {
            machine: self.machine,
            guesses: self.guesses,
            concurrency: flow::QUESTIONS.0,
            per_second: flow::QUESTIONS.1,
        };
        discover::discover(domains, self.dns, &rules).await
    }
}

/// The configuration; the defaults where there is none.
fn config_of(loaded: Option<Loaded>) -> Config {
    loaded.map_or_else(config::builtin, |loaded| loaded.config)
}

/// How to look: the configuration, and what was typed over it.
fn how(config: &Config, typed: &cli::Verify, output: &Output) -> Result<How, Failure> {
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
    let wanted = u64::from(typed.concurrency) * CONNECTIONS;
    // Where fewer sockets can be open, fewer are looked at: one that cannot be opened would look
    // like a server that cannot be reached.
    let room =
        environment::sockets(wanted + SPARE).saturating_sub(SPARE).clamp(1, wanted) / CONNECTIONS;
    Ok(How {
        timeout: Duration::from_secs(typed.timeout),
        concurrency: usize::try_from(room.max(1)).unwrap_or(1),
        tries: typed.tries.into(),
        without_sni: true,
        extras: Extras {
            thorough: true,
            second_look: !typed.quick,
            transcript: output.is_verbose(),
            ..how.extras
        },
        ..how
    })
}

/// At most so many for one endpoint.
const CONNECTIONS: u64 = 4;

/// Sockets and files beside those of the looks: questions to the DNS, and what is open anyway.
const SPARE: u64 = 128;

fn resolver(config: &Config, typed: &[SocketAddr]) -> Result<Asker<Resolver>, Failure> {
    session::resolver(if typed.is_empty() { &config.dns } else { typed })
}
