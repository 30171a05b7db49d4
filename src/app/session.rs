//! What a command works with, opened once: config, resolver, store, CA, solver.

mod authorities;
mod issuers;

pub(super) use issuers::intermediates;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::app::output::{Failure, Output, say, why};
use crate::app::signals::Stop;
use crate::app::{challenges, environment, lock};
use tokio::time::Instant;

use crate::cli;
use crate::config::{self, Config, RootChoice};
use crate::discover;
use crate::dns::{Asker, Resolver};
use crate::flow::{Event, Means};
use crate::http::Http;
use crate::issue::{self, Acme, Ca, Solver};
use crate::model::{CertName, Finding, Hostname, Timestamp, Version};
use crate::source;
use crate::store::{Entry, Files, Lock, Store as _};
use crate::trust::Roots;
use crate::verify::{self, Extras, How};

/// Where the configuration is unless somebody says otherwise.
pub(super) const CONFIG: &str = "/etc/mailcert/mailcert.toml";

/// A configuration as it was read.
pub(super) struct Loaded {
    /// What the admin wants.
    pub(super) config: Config,
    /// The file itself, and those that it names and that were read.
    pub(super) files: BTreeSet<PathBuf>,
}

/// Reads the configuration named on the command line or in the environment, else the usual one.
///
/// # Errors
/// [`Failure::Usage`] with every problem of the file.
pub(super) fn load(named: Option<&Path>, output: &Output) -> Result<Loaded, Failure> {
    let path = named.unwrap_or_else(|| Path::new(CONFIG));
    let bytes = trusted(path)?;
    let text = config::decode(path, &bytes).map_err(|faults| Failure::Usage(faults.to_string()))?;
    let files = RefCell::new(BTreeSet::from([path.to_owned()]));
    let read = |file: &Path| {
        files.borrow_mut().insert(file.to_owned());
        std::fs::read_to_string(file).map_err(|error| why(&error))
    };
    let (config, notes) =
        config::read(path, text, &read).map_err(|faults| Failure::Usage(faults.to_string()))?;
    let mut files = files.into_inner();
    for eab in config.authorities().filter_map(|ca| ca.eab.as_ref()) {
        private(&eab.key_file)?;
        files.insert(eab.key_file.clone());
    }
    for note in &notes {
        output.warn(&note.to_string());
    }
    Ok(Loaded { config, files })
}

/// Checks that the file of a secret is for its owner alone.
///
/// # Errors
/// [`Failure::Usage`] with the command that mends it.
fn private(path: &Path) -> Result<(), Failure> {
    let found = std::fs::metadata(path)
        .map_err(|error| Failure::usage(format_args!("{}: {}", path.display(), why(&error))))?;
    match config::others_may_read(path, found.mode(), found.uid(), environment::caller()) {
        Some(why) => Err(Failure::usage(why)),
        None => Ok(()),
    }
}

/// The bytes of a file that only root and the caller can write, in a directory likewise: its
/// commands run as root.
fn trusted(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error: std::io::Error| {
        let what = format!("{}: {}", path.display(), why(&error));
        match error.kind() {
            ErrorKind::NotFound => Failure::helped(
                what,
                "`mailcert init` writes a configuration, `-c FILE` names another",
            ),
            _ => Failure::usage(what),
        }
    };
    let path = std::fs::canonicalize(path).map_err(failed)?;
    for part in path.ancestors().take(2) {
        let found = std::fs::metadata(part).map_err(failed)?;
        let sticky = found.is_dir() && found.mode() & 0o1000 != 0;
        let mode = if sticky { found.mode() & !0o022 } else { found.mode() };
        if let Some(why) = config::unsafe_access(part, mode, found.uid(), environment::caller()) {
            return Err(Failure::usage(why));
        }
    }
    std::fs::read(&path).map_err(failed)
}

/// The configuration if there is one; commands that need none go on with the defaults. A file
/// that was named must be there.
///
/// # Errors
/// [`Failure::Usage`] when it is there, or was named, and cannot be used.
pub(super) fn load_if_any(
    named: Option<&Path>,
    output: &Output,
) -> Result<Option<Loaded>, Failure> {
    if named.is_none() && !Path::new(CONFIG).exists() {
        return Ok(None);
    }
    load(named, output).map(Some)
}

/// Everything a run needs.
pub(super) struct Session {
    pub(super) config: Config,
    pub(super) dns: Asker<Resolver>,
    pub(super) store: Arc<Files>,
    pub(super) how: How,
    pub(super) machine: Vec<IpAddr>,
    pub(super) now: Timestamp,
    pub(super) only: Vec<Hostname>,
    pub(super) strict: bool,
    /// The certificates that are to get a new key, each with its newest version.
    pub(super) new_keys: BTreeMap<CertName, Version>,
    drop_rsa: bool,
    ca: Acme,
    fallbacks: Vec<Acme>,
    solver: Box<dyn Solver>,
    http: Http,
    patience: cli::Patience,
    stop: Stop,
}

impl Session {
    /// Opens what the configuration names. Nothing is written, nobody is asked.
    ///
    /// # Errors
    /// [`Failure`] when roots, resolver or state cannot be used.
    pub(super) fn open(config: Config) -> Result<Self, Failure> {
        let proxy = environment::proxy();
        let store = Arc::new(
            Files::open(&config.state, |bundle| {
                verify::facts(bundle).map_err(|error| error.to_string())
            })
            .map_err(Failure::store)?,
        );
        let (now, since) = environment::now();
        let client = |settings: &config::Acme| {
            let roots = match &settings.ca_roots {
                Some(pem) => Roots::from_pem("ca-file", pem).map_err(Failure::usage)?,
                None => Roots::mozilla(),
            };
            Http::new(&roots, proxy.as_ref()).map_err(Failure::usage)
        };
        let http = client(&config.acme)?;
        let ca = Acme::new(&config.acme, http.clone(), store.clone(), now);
        let fallbacks = config
            .fallbacks
            .iter()
            .map(|settings| Ok(Acme::new(settings, client(settings)?, store.clone(), now)));
        let fallbacks = fallbacks.collect::<Result<Vec<_>, Failure>>()?;
        let solver = challenges::solvers(&config, store.clone(), now)?;
        Ok(Self {
            dns: resolver(&config.dns)?,
            how: how(&config, (now, since))?,
            machine: machine(&config),
            only: Vec::new(),
            new_keys: BTreeMap::new(),
            drop_rsa: false,
            strict: false,
            config,
            store,
            now,
            ca,
            fallbacks,
            solver: Box::new(solver),
            http,
            patience: cli::Patience::default(),
            stop: Stop::default(),
        })
    }

    /// The same for these domains or hosts; none are all.
    pub(super) fn for_names(self, only: Vec<Hostname>) -> Self {
        Self { only, ..self }
    }

    /// The same, where these certificates get a new key.
    pub(super) fn with_new_keys(self, new_keys: BTreeMap<CertName, Version>) -> Self {
        Self { new_keys, ..self }
    }

    /// The same; whether RSA certificates are to go that the configuration does not ask for.
    pub(super) fn dropping_rsa(self, drop_rsa: bool) -> Self {
        Self { drop_rsa, ..self }
    }

    /// The same, where what is wrong elsewhere counts, too.
    pub(super) fn strictly(self, strict: bool) -> Self {
        Self { strict, ..self }
    }

    /// The same, with this much patience for another mailcert.
    pub(super) fn waiting(self, patience: cli::Patience) -> Self {
        Self { patience, ..self }
    }

    /// The same, where the signals are heeded by who began it.
    pub(super) fn ended_by(self, stop: Stop) -> Self {
        Self { stop, ..self }
    }

    /// Takes away what killed runs left where challenges are answered. Asked for by who has the lock.
    pub(super) async fn sweep(&self) {
        self.solver.sweep().await;
    }

    /// Takes the lock of the store, waiting for it where that was asked for.
    ///
    /// # Errors
    /// [`Failure::Locked`] when another mailcert holds it.
    pub(super) async fn lock(&self, output: &Output) -> Result<Lock, Failure> {
        lock::lock(&*self.store, self.patience, output.quiet()).await
    }

    /// What is known against the profiles of the configuration.
    pub(super) fn profile_unoffered(&self) -> Vec<Finding> {
        let all = self.config.authorities();
        all.filter_map(|ca| issue::profile_unoffered(&*self.store, ca)).collect()
    }

    /// The same, for the flow.
    pub(super) fn means<'a>(&'a self, tell: &'a (dyn Fn(&Event) + Send + Sync)) -> Means<'a> {
        Means {
            config: &self.config,
            dns: &self.dns,
            store: &*self.store,
            ca: &self.ca,
            further: self.fallbacks.iter().map(|ca| ca as &dyn Ca).collect(),
            solver: &*self.solver,
            http: &self.http,
            how: self.how.clone(),
            machine: self.machine.clone(),
            places: others_places(),
            only: self.only.clone(),
            new_keys: self.new_keys.clone(),
            drop_rsa: self.drop_rsa,
            now: self.now,
            tell,
            stop: self.stop.flag(),
        }
    }

    /// Notes what the clock says, where the CA's limits depend on it: it may have jumped.
    ///
    /// # Errors
    /// [`Failure`] when the diary cannot be read or written.
    pub(super) fn note_clock(&self) -> Result<(), Failure> {
        let diary = self.store.diary().map_err(Failure::store)?;
        let clock = environment::clock().filter(|clock| diary.spent.is_news(clock));
        drop(diary);
        clock.map_or(Ok(()), |clock| self.store.note(&Entry::Clock(clock)).map_err(Failure::store))
    }

    /// From now on SIGINT and SIGTERM end the run between two steps instead of at once.
    ///
    /// # Errors
    /// [`Failure`] when the handlers cannot be set.
    pub(super) fn heed_signals(&self) -> Result<(), Failure> {
        if self.stop.is_heeded() {
            return Ok(());
        }
        self.stop.heed()?;
        let stop = self.stop.clone();
        tokio::spawn(async move {
            stop.came().await;
            say("interrupted: what is under way is finished or taken back");
        });
        Ok(())
    }

    /// Whether a signal came.
    pub(super) fn stopped(&self) -> bool {
        self.stop.has_come()
    }
}

/// The resolver, each question asked once.
///
/// # Errors
/// [`Failure::Usage`] when resolv.conf names none.
pub(super) fn resolver(servers: &[SocketAddr]) -> Result<Asker<Resolver>, Failure> {
    Ok(Asker::new(Resolver::new(servers).map_err(Failure::usage)?))
}

/// How the verifier looks, by the configuration.
///
/// # Errors
/// [`Failure::Usage`] when the roots cannot be read.
pub(super) fn how(config: &Config, (now, since): (Timestamp, Instant)) -> Result<How, Failure> {
    Ok(How {
        roots: Arc::new(roots(&config.verify.roots)?),
        profile: config.verify.profile,
        timeout: Duration::from_secs(30),
        concurrency: 128,
        per_address: 4,
        tries: 1,
        without_sni: false,
        extras: Extras::default(),
        now,
        since,
    })
}

/// The roots that decide.
///
/// # Errors
/// [`Failure::Usage`] when they cannot be read.
pub(super) fn roots(choice: &RootChoice) -> Result<Roots, Failure> {
    match choice {
        RootChoice::Mozilla => Ok(Roots::mozilla()),
        RootChoice::System => Roots::system().map_err(Failure::usage),
        RootChoice::File(path, pem) => {
            Roots::from_pem(&path.display().to_string(), pem).map_err(Failure::usage)
        }
    }
}

/// Where others' certificates usually are.
pub(super) fn others_places() -> Vec<PathBuf> {
    source::usual_places(Path::new("/"), environment::home().as_deref())
}

/// This machine's addresses.
pub(super) fn machine(config: &Config) -> Vec<IpAddr> {
    config.machine.clone().unwrap_or_else(discover::interface_addresses)
}

/// A roots file named on the command line.
///
/// # Errors
/// [`Failure::Usage`] when it cannot be read.
pub(super) fn root_choice(typed: &cli::Roots) -> Result<RootChoice, Failure> {
    match typed {
        cli::Roots::Mozilla => Ok(RootChoice::Mozilla),
        cli::Roots::System => Ok(RootChoice::System),
        cli::Roots::File(path) => {
            let pem = std::fs::read_to_string(path).map_err(|error| {
                let (path, why) = (path.display(), why(&error));
                Failure::usage(format_args!(
                    "--roots {path}: {why}; expected mozilla, system, or a PEM file"
                ))
            })?;
            Ok(RootChoice::File(path.clone(), pem))
        }
    }
}

/// Checks that the names a person typed belong to domains of the configuration.
///
/// # Errors
/// [`Failure::Usage`] with the first that does not.
pub(super) fn known(config: &Config, names: &[Hostname]) -> Result<(), Failure> {
    for name in names {
        if !config.domains.iter().any(|domain| domain.holds(name)) {
            return Err(Failure::helped(
                format_args!("{name} belongs to no domain of the configuration"),
                format_args!(
                    "add `[[domain]]` with `name = \"{name}\"`, or `hosts = [\"{name}\"]` to a \
                     domain"
                ),
            ));
        }
    }
    Ok(())
}
