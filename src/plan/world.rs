//! What the planner is told: [`Desired`] and [`Observed`]. No key bytes, no IO.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use crate::model::{
    CertName, DnsId, Facts, Host, Hostname, Keys, Mark, OnHold, Owner, Renewal, Rollover, Sha256,
    Timestamp, Version, Ways,
};
use crate::plan::held::{due_at, last_call};
use crate::plan::{Budget, Damage, Pins};
use crate::servers::{Server, ServerId};

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// Every host of every domain, included or not.
    pub hosts: Vec<Host>,
    /// The certificates wanted, as `wishes` made them of the included hosts.
    pub certificates: Vec<Wish>,
    /// Whether the CA may be asked: its terms are agreed to.
    pub orders: bool,
    /// Which challenge a name takes.
    pub ways: Ways,
    /// The kinds of key to make.
    pub keys: Keys,
    /// Whether a person wants RSA gone where the configuration does not ask for it.
    pub drop_rsa: bool,
    /// Whether a renewal uses the key again.
    pub reuse_keys: bool,
    /// Certificates that a person wants a new key for, each with the version whose key it is to
    /// replace: the newest one then.
    pub new_keys: BTreeMap<CertName, Version>,
    /// Held certificates that have ended and that nobody wants any more, for certain.
    pub let_go: BTreeSet<CertName>,
    /// How many versions of a certificate are kept, at least 1.
    pub keep: usize,
    /// How old a proof may be.
    pub prove_every: Duration,
}

impl Desired {
    /// The hosts that a certificate is wanted for: those it is to name, and the known ones for which
    /// a wildcard of it is to stand.
    pub fn hosts_of<'a>(&'a self, wish: &'a Wish) -> impl Iterator<Item = &'a Hostname> {
        let wild = wish.names.iter().any(DnsId::is_wildcard);
        let below = self.hosts.iter().filter(move |host| {
            wild && host.included && wish.names.iter().any(|id| id.matches(&host.host))
        });
        wish.names.iter().filter_map(DnsId::host).chain(below.map(|host| &host.host))
    }
}

/// One certificate that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Its name in the store.
    pub name: CertName,
    /// What is to stand on it: hosts, and wildcards that stand for others.
    pub names: Vec<DnsId>,
}

/// What is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The certificates in the store.
    pub held: Vec<Held>,
    /// Orders held back until.
    pub waits: BTreeMap<CertName, Timestamp>,
    /// Names the CA refused at the last try, by certificate: ordered without them while waiting,
    /// and tried again after it.
    pub refused: BTreeMap<CertName, BTreeSet<DnsId>>,
    /// CAs that refused a certificate, or names of it, for reasons of their own.
    pub declined: BTreeMap<CertName, BTreeMap<Mark, Declined>>,
    /// CAs that nothing is asked of, and until when.
    pub holds: BTreeMap<Mark, Timestamp>,
    /// Further CAs, in the order in which they are asked.
    pub fallbacks: Vec<Fallback>,
    /// The mail servers.
    pub servers: Vec<Seen>,
    /// Authenticated TLSA records of hosts served here.
    pub pins: Vec<Pins>,
    /// What is remembered of keys that TLSA records pin.
    pub rollover: Rollover,
    /// Versions whose keys others could read, and since when that is known.
    pub exposed: BTreeMap<(CertName, Version), Timestamp>,
    /// Installed pairs that could be taken into a store that lacks them.
    pub adoptable: Vec<Adoptable>,
    /// Certificates that others made and that can be shown, each name once.
    pub sourced: Vec<Sourced>,
    /// Certificates that a person wants left as they are.
    pub on_hold: BTreeMap<CertName, OnHold>,
    /// What the CA allows, and what was asked of it lately.
    pub budget: Budget,
}

/// A certificate that others made, at a place the configuration names: the pair matches, senders
/// trust it, and it is within its dates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sourced {
    /// Its name in our store.
    pub name: CertName,
    /// Who made it.
    pub owner: Owner,
    /// What its owner calls it.
    pub lineage: String,
    /// The file with the chain.
    pub chain: PathBuf,
    /// The file with the key, if it is another.
    pub key: Option<PathBuf>,
    /// What the chain says.
    pub facts: Facts,
}

/// A certificate in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its name.
    pub name: CertName,
    /// Its usable versions, oldest first.
    pub versions: Vec<HeldVersion>,
}

impl Held {
    /// Takes in when the CA wants a version renewed. A CA that wants each one renewed as soon as it
    /// is issued gets its will once a day.
    pub fn hear(&mut self, version: Version, told: Option<Renewal>) {
        let Some(at) = self.versions.iter().position(|one| one.version == version) else { return };
        let began = |one: &HeldVersion| one.facts.not_before;
        let before = at.checked_sub(1).map(|before| began(&self.versions[before]));
        let this = &mut self.versions[at];
        let rest = Duration::from_secs(24 * 3600);
        let too_soon = before.is_some_and(|before| before.plus(2 * rest) > began(this));
        let earliest = began(this).plus(rest);
        this.told = told.map(|told| if too_soon { told.no_sooner(earliest) } else { told });
    }
}

/// One version of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldVersion {
    /// Its number.
    pub version: Version,
    /// What it says.
    pub facts: Facts,
    /// Marked bad in the diary at this moment: it must not be shown.
    pub bad: Option<Timestamp>,
    /// Why senders would refuse it, where it did not pass the gate: it is never installed.
    pub unfit: Option<String>,
    /// When its CA wants it renewed, where it said so.
    pub told: Option<Renewal>,
}

impl HeldVersion {
    /// When it is to be renewed: when the CA suggests, but never so late that a failure would
    /// leave no time; else by its life.
    #[must_use]
    pub fn due_at(&self) -> Timestamp {
        let suggested = self.told.as_ref().map(|told| told.moment(&self.facts.leaf));
        suggested.map_or_else(|| due_at(&self.facts), |at| at.min(last_call(&self.facts)))
    }

    /// Whether it is to be renewed earlier than its life says.
    pub(super) fn is_hurried(&self, now: Timestamp) -> bool {
        self.due_at() <= now && due_at(&self.facts) > now
    }

    /// Whether it must not be shown.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        self.bad.is_some() || self.unfit.is_some()
    }
}

/// A CA that does not issue a certificate, or one for some of its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declined {
    /// Not before this moment.
    pub until: Timestamp,
    /// The names it did not want; none: it did not want the order.
    pub names: BTreeSet<DnsId>,
}

/// A CA that is asked where those before it refuse or are down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// Its directory.
    pub directory: String,
    /// Names on one certificate at most.
    pub most: usize,
    /// What it allows, and what was asked of it lately.
    pub budget: Budget,
    /// Names that CAA records forbid it to issue for, of those that were asked about.
    pub forbidden: BTreeSet<DnsId>,
}

/// An installed pair that matches and parses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adoptable {
    /// The file with the chain.
    pub chain: PathBuf,
    /// The file with the key, if it is another.
    pub key: Option<PathBuf>,
    /// What the chain says.
    pub facts: Facts,
    /// The certificate's name by its file, where an index of ours names that file: it is shown
    /// today.
    pub indexed: Option<CertName>,
}

/// A mail server as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Everything known of it.
    pub server: Server,
    /// Whether it uses our files.
    pub hook: Hook,
    /// What lies at the paths of its layout. A path that is not here is absent.
    pub files: BTreeMap<PathBuf, FileSeen>,
    /// Those of them that mailcert installed and nobody touched since.
    pub installed: BTreeSet<PathBuf>,
    /// What is wrong with files that somebody touched, where their bytes tell.
    pub damaged: BTreeMap<PathBuf, Damage>,
    /// The server has to list its directory and cannot.
    pub shut: bool,
    /// A reload is owed.
    pub owed: bool,
    /// What of its configuration is newer than its last reload, the newest first.
    pub edited: Vec<Edit>,
    /// The age of the last proof that still stands, by certificate; `None`: without SNI. A proof
    /// that is void is not here.
    pub proofs: BTreeMap<Option<CertName>, (Version, Timestamp)>,
    /// Certificates of which a live listener shows something else than is installed.
    pub stale: BTreeSet<CertName>,
    /// Certificates that were not seen to be accepted everywhere since they changed: no old version
    /// of them is forgotten.
    pub doubted: BTreeSet<CertName>,
    /// Whether it answers at all; `false` leaves reload and proof for when it runs.
    pub running: bool,
}

/// A file of a server's own configuration that somebody changed after the last reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The file.
    pub path: PathBuf,
    /// When.
    pub at: Timestamp,
}

impl Seen {
    /// The server's identity.
    #[must_use]
    pub fn id(&self) -> &ServerId {
        &self.server.id
    }
}

/// Whether a server uses our files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hook {
    /// It does.
    There,
    /// It does not; the lines can be applied.
    Missing,
    /// It does not, and its configuration is not ours to edit: why.
    ByHand(String),
    /// Cannot be known (files-only).
    Unknown,
}

/// What lies at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileSeen {
    /// A regular file.
    Regular {
        /// What it holds: SHA-256 of its bytes, for a built map what the diary says; `None` where
        /// nobody can tell.
        identity: Option<Sha256>,
        /// Permission bits.
        mode: u32,
        /// Owner.
        uid: u32,
        /// Group.
        gid: u32,
    },
    /// A link, a directory, or something else that we never write through.
    Other(String),
}
