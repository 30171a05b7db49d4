//! `fix` on a machine without a configuration: which domains are taken, and why, is said first.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use crate::app::output::{Failure, Output, Progress, why};
use crate::app::session::{self, CONFIG};
use crate::cli;
use crate::config::{self, Config, Domain, init};
use crate::discover::{self, Discovered, Rules};
use crate::flow::{Event, QUESTIONS};
use crate::model::{Finding, Host, Hostname, NotOurs, Why};
use crate::{report, survey};

/// The configuration that the options and the machine itself make.
///
/// # Errors
/// [`Failure::Usage`] where the terms are not agreed to, an option cannot be used, or no domain
/// is to be taken.
pub(super) async fn config(typed: &cli::Fix, output: &Output) -> Result<Config, Failure> {
    let config = stated(typed)?;
    let machine = session::machine(&config);
    let dns = session::resolver(&config.dns)?;
    let claimed = match typed.names.as_slice() {
        [] => claimed(&machine).await,
        names => named(names),
    };
    let plain = |name: &Hostname| Domain {
        name: name.clone(),
        hosts: Vec::new(),
        wildcards: Vec::new(),
        exclude: Vec::new(),
    };
    let candidates: Vec<Domain> = claimed.names.keys().map(plain).collect();
    let progress = Progress::new(output.quiet());
    progress.tell(&Event::Discovering(candidates.len()));
    let (concurrency, per_second) = QUESTIONS;
    let rules = Rules { machine: &machine, guesses: true, concurrency, per_second };
    let found = discover::discover(&candidates, &dns, &rules).await;
    progress.end();
    let chosen = Chosen::among(&found);
    let told = chosen.text(&claimed, &found);
    let left_out = typed.names.iter().find(|name| !chosen.holds(name));
    if chosen.domains.is_empty() || left_out.is_some() {
        return Err(nothing(&told, left_out, &machine));
    }
    if !output.quiet() {
        output.text(&format!("{told}{}\n", report::wrapped(LATER, "")))?;
    }
    Ok(Config { domains: chosen.domains, ..config })
}

/// What the options say, and the defaults.
fn stated(typed: &cli::Fix) -> Result<Config, Failure> {
    let bare = &typed.bare;
    let mut config = config::builtin();
    if !bare.agree_to_terms && !typed.dry_run {
        return Err(Failure::helped(
            format_args!("{CONFIG} is not there, and nobody agreed to the terms of a CA"),
            format_args!(
                "read {} and call `mailcert fix --agree-to-terms`, or write a configuration by \
                 `mailcert init`; `mailcert fix --dry-run` shows what would be done",
                init::TERMS
            ),
        ));
    }
    config.acme.agree_to_terms = bare.agree_to_terms;
    let usage = |option: &str, why: String| Failure::usage(format_args!("{option}: {why}"));
    if let Some(url) = &bare.acme_directory {
        config.acme.directory =
            config::acme_directory(url).map_err(|why| usage("--acme-directory", why))?;
    }
    if let Some(address) = &bare.contact {
        let contact = config::contact(address).map_err(|why| usage("--contact", why))?;
        config.acme.contact.push(contact);
    }
    if let Some(path) = &bare.ca_file {
        let read = std::fs::read_to_string(path);
        let failed = |error| usage("--ca-file", format!("{}: {}", path.display(), why(&error)));
        config.acme.ca_roots = Some(read.map_err(failed)?);
    }
    if let Some(path) = &bare.state {
        let absolute = std::path::absolute(path);
        config.state = absolute.map_err(|error| usage("--state", why(&error)))?;
    }
    if let Some(roots) = &bare.roots {
        config.verify.roots = session::root_choice(roots)?;
    }
    config.dns.clone_from(&bare.dns);
    config.machine = (!bare.address.is_empty()).then(|| bare.address.clone());
    Ok(config)
}

/// The names that may be domains, each with what names it, and what could not be read.
#[derive(Default)]
struct Claimed {
    names: BTreeMap<Hostname, Vec<String>>,
    unread: Vec<(String, String)>,
}

/// What the machine's own servers name.
async fn claimed(machine: &[IpAddr]) -> Claimed {
    let mut all = Vec::new();
    for asked in survey::standing(machine).await {
        all.push(survey::claims(&asked.server).await);
    }
    let unread = all.iter_mut().flat_map(|claims| std::mem::take(&mut claims.unread)).collect();
    Claimed { names: survey::by_name(all), unread }
}

fn named(names: &[Hostname]) -> Claimed {
    let names = names.iter().map(|name| (name.clone(), vec!["you named it".to_owned()]));
    Claimed { names: names.collect(), unread: Vec::new() }
}

/// What is taken of what was found.
struct Chosen {
    domains: Vec<Domain>,
}

impl Chosen {
    /// A domain is taken if one of its mail hosts is here; a name without mail records of its own
    /// that lies in a domain that is taken is a host of that.
    fn among(found: &[Discovered]) -> Self {
        let here = |found: &&Discovered| found.hosts.iter().any(|host| host.included);
        let (hosts, own): (Vec<&Discovered>, Vec<&Discovered>) =
            found.iter().filter(here).partition(|found| is_bare_host(found));
        let mut domains: Vec<Domain> = own.into_iter().map(|found| domain(&found.domain)).collect();
        for host in hosts {
            let holds = |domain: &&mut Domain| host.domain.is_within(&domain.name);
            let nearest =
                domains.iter_mut().filter(holds).max_by_key(|domain| domain.name.as_str().len());
            match nearest {
                Some(domain) => domain.hosts.push(host.domain.clone()),
                None => domains.push(domain(&host.domain)),
            }
        }
        domains.sort_by(|one, other| one.name.cmp(&other.name));
        Self { domains }
    }

    /// Whether a name is one of these domains or of their hosts.
    fn holds(&self, name: &Hostname) -> bool {
        self.domains.iter().any(|domain| domain.name == *name || domain.hosts.contains(name))
    }

    /// What was taken and what was not, one line each, and why.
    fn text(&self, claimed: &Claimed, found: &[Discovered]) -> String {
        let mut text = report::wrapped(
            &format!("{CONFIG} is not there: taken are the domains whose mail comes here."),
            "",
        );
        for found in found.iter().take(MOST) {
            let from = claimed.names.get(&found.domain).map_or(String::new(), |s| s.join(", "));
            let name = &found.domain;
            let of = self.domains.iter().find(|domain| domain.hosts.contains(name));
            let taken = self.domains.iter().any(|domain| domain.name == *name);
            let (mark, why) = match of {
                Some(domain) => ("ok", format!("a host of {}", domain.name)),
                None if taken => ("ok", where_to(found)),
                None => ("-", why_not(found)),
            };
            let line = report::wrapped(&format!("{name}  {why} ({from})"), "     ");
            text += &format!("  {mark:<2} {}", line.trim_start());
        }
        if let more @ 1.. = found.len().saturating_sub(MOST) {
            text += &format!("  and {more} more\n");
        }
        for (what, setting) in claimed.unread.iter().take(MOST) {
            let line = format!("{setting}: {what} cannot be read here; name its domains yourself");
            text += &format!("  ?  {}", report::wrapped(&line, "     ").trim_start());
        }
        text
    }
}

fn domain(name: &Hostname) -> Domain {
    Domain { name: name.clone(), hosts: Vec::new(), wildcards: Vec::new(), exclude: Vec::new() }
}

/// Whether it is a host and no mail domain: the DNS names no mail host for it but itself.
fn is_bare_host(found: &Discovered) -> bool {
    let itself =
        |host: &Host| host.host == found.domain && host.reasons.iter().all(|why| *why == Why::NoMx);
    found.hosts.iter().filter(|host| host.included).all(itself)
}

/// The first of its hosts that is here.
fn where_to(found: &Discovered) -> String {
    let host = found.hosts.iter().find(|host| host.included);
    host.map_or_else(String::new, |host| {
        let why = host.reasons.first().map_or_else(String::new, ToString::to_string);
        format!("{why}: {} is here", host.host)
    })
}

fn why_not(found: &Discovered) -> String {
    match found.hosts.first() {
        _ if !found.complete => "left out: the DNS did not answer".to_owned(),
        None => "left out: the DNS names no mail host for it".to_owned(),
        Some(host) => {
            let others = |found: &&Finding| NotOurs::holds(found.code);
            if let Some(others) = found.findings.iter().find(others) {
                return format!("left out: {}", others.message);
            }
            let why = host.why_not.as_deref().unwrap_or("not here");
            format!("left out: {}: {why}", host.host)
        }
    }
}

fn nothing(told: &str, left_out: Option<&Hostname>, machine: &[IpAddr]) -> Failure {
    let addresses: Vec<String> = machine.iter().map(ToString::to_string).collect();
    let here = match addresses.as_slice() {
        [] => "this machine, which has no address that others reach".to_owned(),
        all => format!("this machine ({})", all.join(", ")),
    };
    let what = match left_out {
        Some(name) => format!("the mail of {name} does not come to {here}"),
        None => format!("no domain was found whose mail comes to {here}"),
    };
    Failure::told(
        &format!("{told}\n"),
        what,
        "`mailcert fix --agree-to-terms example.org` takes a domain you name; `--address` states \
         the public address of a machine behind NAT",
    )
}

/// Whether there is a configuration: named, or at the usual place.
pub(super) fn is_needed(named: Option<&Path>) -> bool {
    named.is_none() && !Path::new(CONFIG).exists()
}

/// So many lines of a kind are told.
const MOST: usize = 30;

/// What does not come by itself.
const LATER: &str = "Nothing renews them by itself yet: `mailcert init` writes a configuration for \
                     `mailcert run`, the timer's job.";
