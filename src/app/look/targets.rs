//! What `verify` was asked to look at: read and checked as a whole, handed out one by one.

use std::net::IpAddr;
use std::path::Path;

use crate::app::output::{Failure, why};
use crate::cli;
use crate::config::Config;
use crate::verify::{BadTarget, Target};

/// A target, and the addresses to connect to instead of those in the DNS.
pub(super) type Wanted = (Target, Vec<IpAddr>);

/// All targets. Those of a file are kept as its text, since a hundred thousand parsed ones would be
/// several times as large.
pub(super) struct Targets {
    typed: Vec<Target>,
    text: String,
    connect: Option<IpAddr>,
    count: usize,
    all_domains: bool,
}

impl Targets {
    /// The arguments, then the lines of `--targets`; without either, the configured domains.
    ///
    /// # Errors
    /// [`Failure::Usage`] for the first that is wrong, or when there is none.
    pub(super) fn of(config: &Config, typed: &cli::Verify) -> Result<Self, Failure> {
        let mut targets = Self {
            typed: Vec::new(),
            text: String::new(),
            connect: typed.connect,
            count: 0,
            all_domains: typed.targets_file.is_none() && typed.targets.is_empty(),
        };
        for text in &typed.targets {
            targets.typed.push(Target::parse(text).map_err(Failure::usage)?);
        }
        if let Some(path) = &typed.targets_file {
            (targets.text, targets.count) = checked(path)?;
        } else if typed.targets.is_empty() {
            let all = config.domains.iter();
            targets.typed.extend(all.map(|domain| Target::Domain(domain.name.clone())));
        }
        targets.count += targets.typed.len();
        if targets.count == 0 {
            return Err(Failure::helped(
                "no target is named and no configuration has a domain",
                "`mailcert verify example.org` or `mailcert verify mail.example.org:587`",
            ));
        }
        Ok(targets)
    }

    /// Whether nothing was named: all of the configuration's domains, as they are published.
    pub(super) fn are_all_domains(&self) -> bool {
        self.all_domains && self.connect.is_none()
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Each in turn.
    pub(super) fn iter(&self) -> impl Iterator<Item = Wanted> {
        let typed = self.typed.iter().map(|target| (target.clone(), Vec::new()));
        // The text was checked as a whole before.
        let lines = self.text.lines().filter_map(|line| Target::parse_line(line).ok().flatten());
        typed.chain(lines).map(|(target, addresses)| match self.connect {
            Some(address) => (target, vec![address]),
            None => (target, addresses),
        })
    }
}

/// The text of `--targets FILE` and how many targets it has: `TARGET [ADDR]...` a line; empty lines
/// and `#` comments are passed over.
fn checked(path: &Path) -> Result<(String, usize), Failure> {
    let shown =
        if path == Path::new("-") { "stdin".to_owned() } else { path.display().to_string() };
    let text = match path.to_str() {
        Some("-") => std::io::read_to_string(std::io::stdin()),
        _ => std::fs::read_to_string(path),
    };
    let text = text.map_err(|error| {
        Failure::helped(
            format_args!("--targets {shown}: {}", why(&error)),
            "it takes a file with TARGET [ADDR]... on each line, or - for stdin",
        )
    })?;
    let mut count = 0;
    for (index, line) in text.lines().enumerate() {
        let wrong =
            |error: BadTarget| Failure::usage(format_args!("{shown}:{}: {error}", index + 1));
        count += usize::from(Target::parse_line(line).map_err(wrong)?.is_some());
    }
    if count == 0 {
        return Err(Failure::usage(format_args!(
            "--targets {shown}: there is no target in it; expected TARGET [ADDR]..., one a line"
        )));
    }
    Ok((text, count))
}
