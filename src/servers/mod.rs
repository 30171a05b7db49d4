//! What each mail server wants on disk and how it is told: pure knowledge, one file per server.

use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::EximLayout;
use crate::model::{CertName, Facts, Hostname, Service, Sha256, Version};

/// Which server: `postfix`, `exim`, `dovecot`, with `:CONFIG` behind it where several of a kind
/// stand in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ServerId(pub String);

impl std::fmt::Display for ServerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A mail server with everything known of it: what the configuration says, completed by what the
/// server itself answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its identity in diary, plan and reports.
    pub id: ServerId,
    /// What only its kind has.
    pub kind: Kind,
    /// Where our files go.
    pub directory: PathBuf,
    /// The argv that reloads it.
    pub reload: Vec<String>,
    /// The configured default host.
    pub default: Option<Hostname>,
    /// Its own host name (`myhostname`, `primary_hostname`), if it is one.
    pub own_name: Option<Hostname>,
    /// Owner of our files.
    pub uid: u32,
    /// Group of our files.
    pub gid: u32,
    /// Write the files, run nothing but `reload`.
    pub files_only: bool,
    /// Where it listens.
    pub listeners: Vec<Listener>,
}

/// What only one kind of server has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Postfix 3.4 or newer.
    Postfix(Postfix),
    /// Exim 4.94 or newer.
    Exim(Exim),
    /// Dovecot 2.3.
    Dovecot(Dovecot),
}

/// What only Postfix has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Postfix {
    /// main.cf and master.cf live here.
    pub config_directory: PathBuf,
    /// The map type: `lmdb`, `hash`, ...
    pub map_type: String,
    /// Whether tlsproxy serves port 25 (postscreen): a reload is owed after every map change.
    pub tlsproxy: bool,
}

/// What only Exim has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exim {
    /// The program.
    pub binary: PathBuf,
    /// `-C` in questions.
    pub config_file: Option<PathBuf>,
    /// How the files are laid out.
    pub layout: EximLayout,
    /// Whether `tls_certificate` names a fixed path (no SNI): the server needs a HUP.
    pub fixed_path: bool,
}

/// What only Dovecot has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dovecot {
    /// The main configuration file.
    pub config_file: PathBuf,
    /// `dovecot --version`, major and minor.
    pub version: (u32, u32),
}

/// One listening socket of a server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Listener {
    /// The address; `None` means every address of this machine.
    pub address: Option<IpAddr>,
    /// The port.
    pub port: u16,
    /// The protocol and how TLS begins.
    pub service: Service,
}

/// A certificate as a server is to show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its name in the store.
    pub name: CertName,
    /// The version to show.
    pub version: Version,
    /// What it says; the names for the server's entries come from here and nowhere else.
    pub facts: Facts,
    /// The known hosts a wildcard name of it stands for (a layout without wildcards lists them).
    pub hosts: Vec<Hostname>,
}

/// What one file of a layout holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Key, leaf, chain.
    Combined(CertName, Version),
    /// The key alone.
    Key(CertName, Version),
    /// Leaf and chain.
    Chain(CertName, Version),
    /// A text without secrets.
    Text(String),
    /// A Postfix map of this type, built by `postmap -F` from the source text: lines of
    /// `NAME PATH`. The built file holds the keys themselves.
    SniMap {
        /// The map type: `lmdb`, `hash`, `cdb`, ...
        map_type: String,
        /// The source's path (the built file is the source's path with the type's suffix).
        source: PathBuf,
        /// The source's text.
        text: String,
    },
}

/// Which part of a server's layout a file belongs to. The planner installs part by part.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Part {
    /// The files of one certificate.
    Certificate(CertName),
    /// The index over all of them: Postfix's SNI map, Dovecot's drop-in.
    Index,
    /// The certificate for clients without SNI. It is changed last.
    Default,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Certificate(name) => name.fmt(f),
            Self::Index => f.write_str("index"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One file a server wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// Where.
    pub path: PathBuf,
    /// Which part it belongs to.
    pub part: Part,
    /// What it holds.
    pub content: Content,
    /// SHA-256 of the bytes it will hold; for a built map: of its source text and of every
    /// bundle it names (`servers::map_identity`).
    pub identity: Sha256,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// The files `server` wants on disk to show `certificates`, with `default` for clients without
/// SNI. Pure; the order is the order of installation. Entries come from the certificates' own
/// names; a name on two certificates goes to the one that ends later.
#[must_use]
pub fn wants(server: &Server, certificates: &[Shown], default: Option<&CertName>) -> Vec<Want> {
    let want = |file: &str, part, content, identity| Want {
        path: server.directory.join(file),
        part,
        content,
        identity,
        mode: 0o600,
        uid: server.uid,
        gid: server.gid,
    };
    let mut all = Vec::new();
    let mut text = String::new();
    for shown in certificates {
        let (name, facts) = (&shown.name, &shown.facts);
        let content = Content::Combined(name.clone(), shown.version);
        all.push(want(
            &format!("{name}.pem"),
            Part::Certificate(name.clone()),
            content,
            facts.combined,
        ));
        for id in &facts.names {
            text += &format!("{id} {name}\n");
        }
    }
    if !certificates.is_empty() && !matches!(server.kind, Kind::Exim(_)) {
        let identity = Sha256::of(text.as_bytes());
        all.push(want("index", Part::Index, Content::Text(text), identity));
    }
    if let Some(shown) = certificates.iter().find(|shown| Some(&shown.name) == default) {
        let content = Content::Combined(shown.name.clone(), shown.version);
        all.push(want("default.pem", Part::Default, content, shown.facts.combined));
    }
    all
}

/// Whether a change of `part` takes effect only after a reload of `server`.
#[must_use]
pub fn needs_reload(server: &Server, part: &Part) -> bool {
    match &server.kind {
        Kind::Postfix(postfix) => {
            *part == Part::Default || (postfix.tlsproxy && *part == Part::Index)
        }
        Kind::Exim(exim) => exim.fixed_path && *part == Part::Default,
        Kind::Dovecot(_) => true,
    }
}
