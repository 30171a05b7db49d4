//! Decides. Pure: what is wanted and what is there go in, a [`Plan`] comes out.

mod group;
mod outcome;
mod world;

pub use group::group;
pub use outcome::{Fate, Outcome};
pub use world::{
    Adoptable, Desired, FileSeen, Held, HeldVersion, Hook, Observed, Pins, Seen, Wish,
};

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::model::{CertName, Finding, Hostname, KeyHash, Timestamp, Version};
use crate::servers::{Part, ServerId};

/// What kind of run it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The timer's: the admin's configuration is not touched, waits are kept, aged proofs are
    /// renewed, a reload that would publish an unfinished edit is deferred.
    Run,
    /// After a breakage: everything is proved; `hook` when the admin consented to hook-in lines.
    Fix {
        /// Whether hook-in lines may be applied.
        hook: bool,
    },
    /// `rollback NAME`: show the previous version of this certificate.
    Rollback(CertName),
}

/// What is to be done, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The steps; a step's `needs` point to earlier ones.
    pub steps: Vec<Step>,
    /// When to look again, whatever happens.
    pub wake: Option<Timestamp>,
    /// What the planner noticed and cannot mend.
    pub findings: Vec<Finding>,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What.
    pub action: Action,
    /// Why.
    pub because: Reason,
    /// Indexes of the steps it stands on: it is skipped when one of them did not work.
    pub needs: Vec<usize>,
}

/// The kinds of step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Order a new version of this certificate.
    Issue {
        /// Which.
        certificate: CertName,
        /// The names to ask for.
        names: Vec<Hostname>,
        /// A key to use again (TLSA pins it): that of this version.
        reuse_key: Option<Version>,
    },
    /// Take an installed pair into the store.
    Adopt {
        /// Under which name.
        certificate: CertName,
        /// The file with the chain (and the key, unless `key` says where it is).
        chain: PathBuf,
        /// The key's file, if it is another.
        key: Option<PathBuf>,
    },
    /// Bring one part of a server's layout on disk. What it holds is computed when it is carried
    /// out, from what the store then holds.
    Install {
        /// Where.
        server: ServerId,
        /// Which part.
        part: Part,
        /// The version of `Part::Certificate`; `None` where an earlier step issues it.
        version: Option<Version>,
    },
    /// Take rights away from a file of ours that others can read or write.
    Tighten {
        /// Whose layout it belongs to.
        server: ServerId,
        /// Which file.
        path: PathBuf,
    },
    /// Ask the server whether its configuration is right.
    Check {
        /// Which server.
        server: ServerId,
    },
    /// Tell the server to read its files again.
    Reload {
        /// Which server.
        server: ServerId,
    },
    /// Look at a certificate on the server's listeners; `None`: without SNI.
    Prove {
        /// Which server.
        server: ServerId,
        /// Which certificate.
        certificate: Option<CertName>,
    },
    /// Apply the hook-in lines to the server's own configuration.
    Hook {
        /// Which server.
        server: ServerId,
    },
    /// Forget an old version.
    Prune {
        /// Which certificate.
        certificate: CertName,
        /// Which version.
        version: Version,
    },
}

/// Why a step is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No certificate covers these hosts.
    Missing(Vec<Hostname>),
    /// It ends at this moment and a third of its life is left.
    Due(Timestamp),
    /// It has ended.
    Expired(Timestamp),
    /// The configuration asks for another kind of key.
    KeyType,
    /// The store holds nothing for it, the server does.
    StoreLost,
    /// The file is not there.
    NotInstalled,
    /// The file holds something else.
    Differs,
    /// Its mode, owner or group is not as it should be.
    Access,
    /// Its content follows from another step.
    Follows,
    /// The files changed since the server last read them.
    ReloadOwed,
    /// A live endpoint still shows another certificate.
    Stale,
    /// Never looked at since it changed.
    Unproved,
    /// Last looked at too long ago.
    ProofAged,
    /// The admin asked.
    Asked,
    /// The server does not use our files.
    NotHooked,
    /// A newer version made a name worse, or the admin rolled back.
    RolledBack,
    /// TLSA pins the key.
    Pinned(KeyHash),
    /// More old versions than are kept.
    Superseded,
}

/// What one server is to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shows {
    /// Its certificates, each in the version to show.
    pub certificates: Vec<crate::servers::Shown>,
    /// The one for clients without SNI.
    pub default: Option<CertName>,
}

/// What `server` is to show, by what is held and pinned.
#[must_use]
pub fn shows(
    desired: &Desired,
    observed: &Observed,
    server: &crate::servers::Server,
    now: Timestamp,
) -> Shows {
    let _ = (desired, observed, server, now);
    todo!()
}

/// Decides what is to be done. The same input gives the same plan.
#[must_use]
pub fn plan(desired: &Desired, observed: &Observed, mode: &Mode, now: Timestamp) -> Plan {
    let _ = (desired, observed, mode, now);
    let _: BTreeSet<ServerId> = BTreeSet::new();
    todo!()
}
