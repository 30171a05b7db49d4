//! What each mail server wants on disk and how it is told: pure knowledge, one file per server,
//! and one for every other program that reads certificates from files.
//!
//! [`wants`] is the layout, [`needs_reload`] says what takes effect by itself, [`hook_in`] holds
//! the lines of the admin's own configuration, and the `*_settings` modules read what the servers
//! say of themselves; [`lint`] judges what else they say. Nothing here looks at a disk; `survey` looks
//! and `deploy` writes.

pub mod claims;
pub mod dovecot_settings;
pub mod exim_settings;
pub mod hook_in;
pub mod lint;
pub mod postfix_settings;

mod dovecot;
pub(crate) mod entries;
mod exim;
mod files;
mod listener;
mod postfix;

pub use dovecot::{DROP_IN, blocks, cost_of_blocks};
pub use exim::ALT;
pub use listener::Listener;
pub use postfix::{SNI_SOURCE, map_identity, map_path, map_suffix};

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::{EximLayout, FilePaths};
use crate::model::{CertName, Facts, Hostname, Sha256, Version};

/// Which server: `postfix`, `exim`, `dovecot`, with `:CONFIG` behind it where several of a kind
/// stand in the configuration; `files:NAME`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ServerId(pub String);

impl ServerId {
    /// Whether it is a `[[files]]` table: of the program behind it nothing else is known.
    #[must_use]
    pub fn is_files(&self) -> bool {
        self.0 == "files" || self.0.starts_with("files:")
    }
}

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
    /// Dovecot 2.3 or 2.4.
    Dovecot(Dovecot),
    /// Any other program: files at paths of the admin's choice.
    Files(Box<Files>),
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
    /// Whether it looks for a second file of each name: `tls_certificate` is a list.
    pub lists: bool,
}

/// What only Dovecot has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dovecot {
    /// The main configuration file.
    pub config_file: PathBuf,
    /// `dovecot --version`, major and minor.
    pub version: (u32, u32),
}

/// What only a `[[files]]` table has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// Where the files go.
    pub paths: FilePaths,
    /// The only certificate to write, if one is stated.
    pub certificate: Option<CertName>,
    /// Permission bits of every file.
    pub mode: u32,
    /// The argv that checks the program's configuration before it is told; may be empty.
    pub check: Vec<String>,
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
    /// The same of two certificates of one name, one behind the other.
    Two([(CertName, Version); 2]),
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
    /// What it will hold (`Sha256::of_content`); for a built map: of its source text and of every
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
/// SNI. Pure; the order is the order of installation: what is read at once comes after the files
/// it names. Entries come from the certificates' own names; a name on two certificates goes to
/// the one that ends later, and the same holds among the RSA ones beside them. A certificate may be
/// there in several versions: a name that a renewal left out keeps its old one. A `default` that is not among the certificates counts as none.
#[must_use]
pub fn wants(server: &Server, certificates: &[Shown], default: Option<&CertName>) -> Vec<Want> {
    let mut sorted: Vec<&Shown> = certificates.iter().collect();
    sorted.sort_unstable_by(|a, b| (&a.name, b.version).cmp(&(&b.name, a.version)));
    let default = default.and_then(|name| sorted.iter().copied().find(|s| s.name == *name));
    if sorted.is_empty() {
        return Vec::new();
    }
    match &server.kind {
        Kind::Postfix(postfix) => postfix::wants(server, postfix, &sorted, default),
        Kind::Exim(exim) => exim::wants(server, exim, &sorted, default),
        Kind::Dovecot(dovecot) => dovecot::wants(server, dovecot, &sorted, default),
        Kind::Files(files) => files::wants(server, files, &sorted, default),
    }
}

/// Whether a change of `part` takes effect only after a reload of `server`. A server that runs
/// elsewhere (files-only) has to be told of everything, if there is a way to tell it.
#[must_use]
pub fn needs_reload(server: &Server, part: &Part) -> bool {
    if server.files_only {
        return !server.reload.is_empty();
    }
    match &server.kind {
        Kind::Postfix(postfix) => postfix::needs_reload(postfix, part),
        Kind::Exim(exim) => exim::needs_reload(exim, part),
        Kind::Dovecot(_) => true,
        Kind::Files(_) => !server.reload.is_empty(),
    }
}

/// The permission bits of the server's directory. Exim must be able to list it (dsearch), and
/// reads as its own group; the others read as root.
#[must_use]
pub fn directory_mode(server: &Server) -> u32 {
    match &server.kind {
        Kind::Exim(_) => 0o750,
        Kind::Files(files) if files.mode & 0o040 != 0 => 0o750,
        Kind::Postfix(_) | Kind::Dovecot(_) | Kind::Files(_) => 0o700,
    }
}

/// Whether a path can stand unquoted in every server's configuration. Postfix splits values at
/// blanks and commas and expands `$`, Exim expands `$` and splits lists at `:`, Dovecot's
/// `!include_try` knows no quotes (measured with 2.3.19).
#[must_use]
pub fn is_plain_path(path: &Path) -> bool {
    path.is_absolute()
        && path.to_str().is_some_and(|text| {
            text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+@".contains(c))
        })
}

impl Server {
    /// The directories its files lie in.
    #[must_use]
    pub fn directories(&self) -> Vec<&Path> {
        match &self.kind {
            Kind::Files(files) => files.paths.directories(),
            _ => vec![&self.directory],
        }
    }

    /// Whether a file in them may be one of its layout: the rest is nobody's business here.
    #[must_use]
    pub fn is_ours(&self, path: &Path) -> bool {
        match &self.kind {
            Kind::Files(files) => files.paths.all().any(|pattern| pattern.matches(path)),
            _ => true,
        }
    }

    /// Whether it is told by an argv of the configuration or not at all: nothing else is known of
    /// it.
    #[must_use]
    pub fn is_told_by_argv(&self) -> bool {
        self.files_only || matches!(self.kind, Kind::Files(_))
    }

    /// Whether its own check of its configuration can be asked for.
    #[must_use]
    pub fn has_check(&self) -> bool {
        match &self.kind {
            _ if self.files_only => false,
            Kind::Files(files) => !files.check.is_empty(),
            _ => true,
        }
    }
}

impl Want {
    /// A file of `server` with the given permission bits.
    fn new(server: &Server, path: PathBuf, part: Part, content: Content, identity: Sha256) -> Self {
        Self { path, part, content, identity, mode: 0o600, uid: server.uid, gid: server.gid }
    }

    /// A text file; its identity is that of its bytes.
    fn text(server: &Server, name: &str, text: String) -> Self {
        let identity = Sha256::of(text.as_bytes());
        let path = server.directory.join(name);
        Self::new(server, path, Part::Index, Content::Text(text), identity)
    }

    /// Key, leaf and chain of `shown` in one file.
    fn combined(server: &Server, name: &str, part: Part, shown: &Shown) -> Self {
        let content = Content::Combined(shown.name.clone(), shown.version);
        Self::new(server, server.directory.join(name), part, content, shown.facts.combined)
    }

    /// The same with the certificate beside it, where there is one.
    fn two(server: &Server, name: &str, part: Part, shown: &Shown, beside: Option<&Shown>) -> Self {
        let Some(beside) = beside else { return Self::combined(server, name, part, shown) };
        let two = [shown, beside];
        let content = Content::Two(two.map(|one| (one.name.clone(), one.version)));
        let identity = Sha256::of_pairs(two.map(|one| one.facts.combined));
        Self::new(server, server.directory.join(name), part, content, identity)
    }

    fn with_mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }
}

/// etckeeper commits what lies under /etc, private keys included, unless git is told not to look.
/// Not in a directory that holds the server's own configuration: that would be lost from sight.
fn gitignore(server: &Server) -> Option<Want> {
    let config = match &server.kind {
        Kind::Postfix(postfix) => Some(postfix.config_directory.as_path()),
        Kind::Exim(exim) => exim.config_file.as_deref().and_then(Path::parent),
        Kind::Dovecot(dovecot) => dovecot.config_file.parent(),
        // The admin's directories, where other files may lie.
        Kind::Files(_) => return None,
    };
    let standard = ["/etc", "/etc/postfix", "/etc/exim4", "/etc/exim", "/etc/dovecot"];
    let shared = config == Some(&server.directory)
        || standard.iter().any(|path| server.directory == Path::new(path));
    let needed = server.directory.starts_with("/etc") && !shared;
    needed.then(|| Want::text(server, ".gitignore", "*\n".to_owned()).with_mode(0o644))
}

#[cfg(test)]
mod tests;
