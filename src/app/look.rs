//! `verify`, `discover`: looks at the world, with or without a configuration.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::app::asked::Asked;
use crate::app::progress::Progress;
use crate::app::session::{self, Loaded};
use crate::app::{Failure, Output, environment};
use crate::cli;
use crate::config::{self, Config, Domain, Profile};
use crate::discover::{self, Discovered, Rules};
use crate::dns::{Asker, Dns, Resolver};
use crate::flow::{self, Event};
use crate::model::{Finding, Hostname, Inspection, Verdict};
use crate::report::{Body, Report, Verified};
use crate::verify::{self, How, Target};

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
    let domains =
        if targets.is_empty() { config.domains.clone() } else { named(&config, &targets) };
    if domains.is_empty() && targets.is_empty() {
        return Err(Failure::Usage(
            "error: no target is named and no configuration has a domain\n  = help: `mailcert \
             verify example.org` or `mailcert verify mail.example.org:587`"
                .to_owned(),
        ));
    }
    let machine = session::machine(&config);
    let known = found(&domains, &dns, &config, &machine).await;
    findings.extend(known.iter().flat_map(|domain| domain.findings.clone()));
    let asked = Asked::gather(&targets, &known, &dns, typed.connect, &machine).await;
    let progress = Progress::new(output.quiet());
    progress.tell(&Event::Verifying(asked.asks.len()));
    let seen = |inspection: &Inspection| progress.tell(&Event::Verified(inspection.clone()));
    let looks = verify::inspect_all(&asked.asks, &how, &seen).await;
    let mut endpoints = asked.entries(looks, &how);
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

/// The mail domains among the targets, in their order.
fn named(config: &Config, targets: &[(Target, Vec<IpAddr>)]) -> Vec<Domain> {
    let typed: Vec<Hostname> = targets
        .iter()
        .filter_map(|(target, _)| match target {
            Target::Domain(domain) => Some(domain.clone()),
            Target::Server { .. } => None,
        })
        .collect();
    if typed.is_empty() { Vec::new() } else { domains(config, &typed) }
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
