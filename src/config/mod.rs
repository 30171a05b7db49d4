//! The configuration: a text becomes a [`Config`] or all its faults at once, each with its place.
//!
//! Pure: the files the text names are read by a closure that the caller hands in.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::model::{CertName, Hostname, KeyType, Keys, Service, Ways};

mod access;
mod acme;
mod challenge;
mod dane;
#[cfg(test)]
mod documented;
mod eab;
mod fault;
mod file_paths;
mod files;
pub mod init;
mod notify;
mod profile;
mod raw;
mod read;
mod servers;
mod typed;
mod value;
mod wildcard;

pub use access::{others_may_read, unsafe_access};
pub use challenge::dns01::{Dns01, Exec, Rfc2136, Serve, Writer};
pub use challenge::http01::{Answer, Http01};
pub use dane::{Dane, Publisher};
pub use eab::ExternalAccount;
pub(crate) use fault::nearest;
pub use fault::{Fault, Faults, Note};
pub use file_paths::{FilePaths, FilePattern};
pub use notify::Notify;
pub use read::{decode, read};
pub use typed::{acme_directory, contact};

/// What holds without any configuration file: the defaults and no domain. `verify` and `discover`
/// run with it; nothing can be ordered, since no terms are agreed to.
#[must_use]
pub fn builtin() -> Config {
    let every = Duration::from_secs(20 * 3600);
    Config {
        acme: Acme {
            directory: "https://acme-v02.api.letsencrypt.org/directory".to_owned(),
            ca_roots: None,
            contact: Vec::new(),
            agree_to_terms: false,
            keys: Keys::one(KeyType::EcdsaP256),
            reuse_key: false,
            profile: None,
            preferred_chain: None,
            names_per_certificate: 25,
            eab: None,
            staging: None,
        },
        fallbacks: Vec::new(),
        http01: Http01::default(),
        tls_alpn01: None,
        dns01: None,
        dane: None,
        ways: Ways::default(),
        dns: Vec::new(),
        sources: Vec::new(),
        discover: Discover { every, guesses: true },
        machine: None,
        state: PathBuf::from("/var/lib/mailcert"),
        verify: Verify { roots: RootChoice::Mozilla, profile: Profile::Gmail, every },
        notify: None,
        domains: Vec::new(),
        servers: Vec::new(),
    }
}

/// What the admin wants, complete: every default is filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The CA and what is asked of it.
    pub acme: Acme,
    /// `[[acme.fallback]]`: further CAs, asked in this order where those before refuse or are down.
    pub fallbacks: Vec<Acme>,
    /// How http-01 challenges are answered.
    pub http01: Http01,
    /// Where tls-alpn-01 challenges are answered, where they are.
    pub tls_alpn01: Option<Vec<SocketAddr>>,
    /// How dns-01 challenges are answered, where they are.
    pub dns01: Option<Dns01>,
    /// Who publishes TLSA records, where mailcert may.
    pub dane: Option<Dane>,
    /// Which of these a name takes.
    pub ways: Ways,
    /// Resolvers to ask; empty means those of resolv.conf.
    pub dns: Vec<SocketAddr>,
    /// `[source.files]`: where certificates lie that others made, files or directories.
    pub sources: Vec<PathBuf>,
    /// How discovery works.
    pub discover: Discover,
    /// The addresses of this machine; `None` means to ask its interfaces.
    pub machine: Option<Vec<IpAddr>>,
    /// The state directory.
    pub state: PathBuf,
    /// How the verifier judges.
    pub verify: Verify,
    /// Who is told when something needs a person.
    pub notify: Option<Notify>,
    /// The mail domains, in the order of the file.
    pub domains: Vec<Domain>,
    /// The server tables, in the order postfix, exim, dovecot, files, each in the order of
    /// the file.
    /// Empty means the servers found on the machine.
    pub servers: Vec<ServerTable>,
}

impl Config {
    /// Every CA, the first one first.
    pub fn authorities(&self) -> impl Iterator<Item = &Acme> {
        std::iter::once(&self.acme).chain(&self.fallbacks)
    }
}

/// `[acme]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acme {
    /// The directory URL; short names are resolved.
    pub directory: String,
    /// The PEM text of `ca-file`, already read; `None` means Mozilla's roots.
    pub ca_roots: Option<String>,
    /// `mailto:` URLs.
    pub contact: Vec<String>,
    /// Whether the CA's terms are agreed to.
    pub agree_to_terms: bool,
    /// The kinds of key to make.
    pub keys: Keys,
    /// Whether a renewal uses the key again.
    pub reuse_key: bool,
    /// The CA's profile, if one is asked for.
    pub profile: Option<String>,
    /// The common name that the topmost issuer of a chain is to have, if one is preferred.
    pub preferred_chain: Option<String>,
    /// Most names on one certificate.
    pub names_per_certificate: usize,
    /// The account with the CA that ours is bound to, if it is bound to one.
    pub eab: Option<ExternalAccount>,
    /// The directory where names that failed are tried first: its certificates are for nothing,
    /// and so are its failures.
    pub staging: Option<String>,
}

impl Acme {
    /// The directory for rehearsals: the one that is named, else that of a CA with a name.
    #[must_use]
    pub fn staging_directory(&self) -> Option<String> {
        let named = |name| value::acme_directory(name).ok();
        let is_named = named("letsencrypt").as_ref() == Some(&self.directory);
        self.staging.clone().or_else(|| named("letsencrypt-staging").filter(|_| is_named))
    }
}

/// `[discover]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discover {
    /// `run` asks again for a domain last asked longer ago than this.
    pub every: Duration,
    /// Whether the usual labels are tried.
    pub guesses: bool,
}

/// `[verify]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verify {
    /// Which roots decide.
    pub roots: RootChoice,
    /// Which sender is asked for.
    pub profile: Profile,
    /// How often `run` proves each certificate on each listener again.
    pub every: Duration,
}

/// Which root set the verifier trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootChoice {
    /// Mozilla's, as compiled in.
    Mozilla,
    /// The system's trust store.
    System,
    /// The PEM text of a file, already read, and its path.
    File(PathBuf, String),
}

/// Which sender's rules decide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Gmail's "Send mail as".
    #[default]
    Gmail,
    /// Google Workspace's secure transport compliance.
    Workspace,
    /// Everything a strict sender could refuse.
    Strict,
}

impl Profile {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gmail => "gmail",
            Self::Workspace => "workspace",
            Self::Strict => "strict",
        }
    }
}

/// `[[domain]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// The mail domain.
    pub name: Hostname,
    /// Hosts besides those found in the DNS.
    pub hosts: Vec<Hostname>,
    /// Domains of wildcards among `hosts`: `example.org` stands for `*.example.org`.
    pub wildcards: Vec<Hostname>,
    /// Hosts never to include.
    pub exclude: Vec<Hostname>,
}

impl Domain {
    /// Whether a name belongs to it.
    #[must_use]
    pub fn holds(&self, name: &Hostname) -> bool {
        name.is_within(&self.name) || self.hosts.contains(name)
    }
}

/// One server table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerTable {
    /// `[[postfix]]`.
    Postfix {
        /// `-c` of every postfix command.
        config_directory: PathBuf,
        /// `map-type`, if stated.
        map_type: Option<String>,
        /// What every server table takes.
        common: Common,
    },
    /// `[[exim]]`.
    Exim {
        /// The program.
        binary: PathBuf,
        /// `-C` in questions, if stated.
        config_file: Option<PathBuf>,
        /// The layout, if stated.
        layout: Option<EximLayout>,
        /// What every server table takes.
        common: Common,
    },
    /// `[[dovecot]]`.
    Dovecot {
        /// `-c` of every dovecot command.
        config_file: PathBuf,
        /// What every server table takes.
        common: Common,
    },
    /// `[[files]]`: any other program.
    Files {
        /// What the admin calls it, if it has a name.
        name: Option<String>,
        /// Where its files go.
        paths: Box<FilePaths>,
        /// The only certificate to write, if stated.
        certificate: Option<CertName>,
        /// Permission bits of the files, if stated.
        mode: Option<u32>,
        /// The argv that checks the program's configuration, if stated.
        check: Option<Vec<String>>,
        /// What every server table takes.
        common: Common,
    },
}

/// What every server table takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Common {
    /// Where our files go, if stated.
    pub directory: Option<PathBuf>,
    /// The argv that reloads the server, if stated.
    pub reload: Option<Vec<String>>,
    /// Whose certificate clients without SNI get, if stated.
    pub default: Option<Hostname>,
    /// The owner of our files, if stated.
    pub owner: Option<Account>,
    /// The group of our files, if stated.
    pub group: Option<Account>,
    /// Write the files, run nothing but `reload`.
    pub files_only: bool,
    /// Where it listens, if stated: for what cannot be asked.
    pub listen: Vec<Listen>,
}

/// Where a server listens that cannot be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The address; `None` means every address of this machine.
    pub address: Option<IpAddr>,
    /// The port.
    pub port: u16,
    /// The protocol and how TLS begins.
    pub service: Service,
}

/// A user or a group as the configuration names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// By name; looked up on this machine.
    Name(String),
    /// By number; the server may live elsewhere.
    Number(u32),
}

/// How Exim's files are laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EximLayout {
    /// `NAME.pem` and `default.pem`, each key, leaf and chain.
    #[default]
    Combined,
    /// `exim.crt.NAME`, `exim.key.NAME`, `exim.crt`, `exim.key`.
    Split,
}
