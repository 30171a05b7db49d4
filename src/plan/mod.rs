//! Decides. Pure: what is wanted and what is there go in, a [`Plan`] comes out.

mod advice;
mod beside;
mod budget;
mod cover;
mod damage;
mod edits;
mod group;
mod held;
mod issue;
mod layout;
mod let_go;
mod limits;
mod on_hold;
mod outcome;
mod pins;
mod prove;
mod prune;
mod rights;
mod rollover;
mod server;
mod sourced;
mod turn;
mod wild;
mod world;

pub use beside::{dropped, with_those_beside};
pub use budget::{Budget, Schedule};
pub use damage::Damage;
pub use held::{due_at, must_stay, patience, version_to_show};
pub use layout::{Layout, layout};
pub use let_go::let_go;
pub use limits::{Limit, Limits};
pub use outcome::{Fate, Outcome};
pub use pins::Pins;
pub use rollover::shown_everywhere;
pub use server::opens_anew;
pub use sourced::{Having, wishes};
pub use turn::{Instead, Passed};
pub use wild::Wild;
pub use world::{
    Adoptable, Declined, Desired, Edit, Fallback, FileSeen, Held, HeldVersion, Hook, Observed,
    Seen, Sourced, Wish,
};

use std::path::PathBuf;

use crate::model::{
    CertName, DnsId, Finding, KeyHash, KeyType, Owner, Sha256, Timestamp, Version, Way,
};
use crate::plan::layout::Scene;
use crate::servers::{Part, ServerId};

/// What kind of run it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The timer's: the admin's configuration is not touched, waits are kept, aged proofs are
    /// renewed, a reload that would publish an unfinished edit is deferred.
    Run,
    /// After a breakage, and after a rollback; what touches the admin's configuration is done as
    /// far as the admin consented to it.
    Fix {
        /// Whether hook-in lines may be applied.
        hook: bool,
        /// Whether a reload may publish an edit of the admin's own.
        publish: bool,
    },
}

impl Mode {
    /// Whether a step may be carried out: hook-in lines only on consent, and never what a person
    /// has to publish. Such a step is in the plan to be seen, and is skipped.
    #[must_use]
    pub fn consents_to(&self, action: &Action) -> bool {
        match action {
            Action::Hook { .. } => matches!(self, Self::Fix { hook: true, .. }),
            Action::Publish { by_hand, .. } => !by_hand,
            _ => true,
        }
    }
}

impl Action {
    /// Whether nothing is wrong as long as nobody does it: a record that only is there yet is in no
    /// sender's way.
    #[must_use]
    pub fn can_wait(&self) -> bool {
        matches!(self, Self::Publish { by_hand: true, add, .. } if add.is_empty())
    }
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
    /// Keys that others could read, and nobody knew it before: to be noted before the first step.
    pub exposed: Vec<(CertName, Version)>,
    /// Orders that wait for the CA's limits.
    pub schedule: Option<Schedule>,
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
        names: Vec<DnsId>,
        /// The challenge each of them takes, in the order of the names.
        ways: Vec<Way>,
        /// A key to use again (TLSA pins it): that of this version.
        reuse_key: Option<Version>,
        /// The key that was made ahead, where its TLSA records stand.
        next_key: Option<KeyHash>,
        /// The kind of key to make, where none is used again.
        key_type: KeyType,
        /// The CA, where it is not the first.
        ca: Option<Instead>,
    },
    /// Make the next key of a certificate, so that its TLSA records can be published first.
    MakeKey {
        /// Of which.
        certificate: CertName,
        /// The kind of key.
        key_type: KeyType,
    },
    /// Keep a version of a certificate as the one beside it.
    Beside {
        /// The certificate that it becomes the first version of.
        certificate: CertName,
        /// The version of the certificate that it stands beside.
        version: Version,
    },
    /// Publish TLSA records (`3 1 1`), and take away those that nobody needs.
    Publish {
        /// For which certificate.
        certificate: CertName,
        /// Where: `_25._tcp.HOST`, or what that is an alias of.
        owner: String,
        /// How long caches may keep them, in seconds.
        ttl: u32,
        /// The keys to be named.
        add: Vec<KeyHash>,
        /// The keys to be named no more.
        remove: Vec<KeyHash>,
        /// Whether a person has to do it: mailcert may not.
        by_hand: bool,
    },
    /// Take a pair into the store that is installed, or that others made.
    Adopt {
        /// Under which name.
        certificate: CertName,
        /// The file with the chain (and the key, unless `key` says where it is).
        chain: PathBuf,
        /// The key's file, if it is another.
        key: Option<PathBuf>,
        /// Of one that others made, what it is to hold (SHA-256 of key, leaf and chain): what
        /// changed since it was looked at waits for the next look.
        sourced: Option<Sha256>,
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
    /// Let a server list its directory, which it has to.
    Open {
        /// Which server.
        server: ServerId,
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
    /// Take away a file that mailcert installed, which nothing mentions any more.
    Remove {
        /// Of which server.
        server: ServerId,
        /// The certificate in it.
        certificate: CertName,
        /// Which file.
        path: PathBuf,
    },
    /// Forget a version.
    Prune {
        /// Which certificate.
        certificate: CertName,
        /// Which version.
        version: Version,
    },
}

impl Action {
    /// The certificate it is about, if it is about one.
    #[must_use]
    pub fn certificate(&self) -> Option<&CertName> {
        match self {
            Self::Issue { certificate, .. }
            | Self::Adopt { certificate, .. }
            | Self::MakeKey { certificate, .. }
            | Self::Beside { certificate, .. }
            | Self::Publish { certificate, .. }
            | Self::Install { part: Part::Certificate(certificate), .. }
            | Self::Remove { certificate, .. }
            | Self::Prune { certificate, .. } => Some(certificate),
            Self::Prove { certificate, .. } => certificate.as_ref(),
            _ => None,
        }
    }
}

/// Why a step is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No certificate covers these hosts.
    Missing(Vec<DnsId>),
    /// It ends at this moment and a third of its life is left.
    Due(Timestamp),
    /// It ends at this moment, and its CA wants it renewed before the usual time; with the page
    /// that says why, if there is one.
    Suggested(Timestamp, Option<String>),
    /// It has ended.
    Expired(Timestamp),
    /// The last order failed for these hosts, which work: it is tried again while they do.
    Refused(Vec<DnsId>),
    /// Others could read its key.
    Exposed,
    /// A person asked for a new key.
    NewKey,
    /// The configuration asks for another kind of key.
    KeyType,
    /// An algorithm that is shown today is not dropped before a person says so.
    Kept,
    /// A person said so, or what it stands beside does as well.
    Dropped,
    /// The store holds nothing for it, the server does.
    StoreLost,
    /// Somebody else made it, and the configuration says to use it.
    Sourced(Owner),
    /// Its owner has renewed it.
    Renewed(Owner),
    /// The file is not there.
    NotInstalled,
    /// The file holds something else.
    Differs,
    /// It holds something else, and this is what.
    Damaged(Damage),
    /// Its mode, owner or group is not as it should be.
    Access,
    /// The server cannot list its directory, and finds no certificate.
    Unlistable,
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
    /// The server does not use our files.
    NotHooked,
    /// A newer version made a name worse, or the admin rolled back.
    RolledBack,
    /// TLSA pins the key.
    Pinned(KeyHash),
    /// TLSA records are there, and none pins the key that is to be shown.
    NotPinned(KeyHash),
    /// Who looks at TLSA has to know the next key before it is shown.
    NextKey,
    /// Every server shows another key, for two TTLs.
    KeyOver,
    /// More old versions than are kept.
    Superseded,
    /// It has ended at this moment, and nobody wants the names on it.
    Unwanted(Timestamp),
}

/// Decides what is to be done. The same input gives the same plan.
///
/// First the orders, then server by server the files, the hook-in lines, one check and one reload,
/// then the proofs. What fails costs the steps that stand on it; the next round plans the rest.
#[must_use]
pub fn plan(desired: &Desired, observed: &Observed, mode: &Mode, now: Timestamp) -> Plan {
    let mut scene = Scene::new(desired, observed, mode, now);
    let mut draft = Draft::default();
    scene.exposed = rights::tighten(&scene, &mut draft);
    let pending = issue::orders(&scene, &mut draft);
    for held in &observed.held {
        draft.findings.extend(scene.guard.mismatches(held));
        let shown = scene.choice(held).map(|shown| shown.version);
        draft.findings.extend(held::not_shown(held, shown));
    }
    let sheets: Vec<_> = observed
        .servers
        .iter()
        .map(|seen| server::Sheet::draw(&scene, seen, &pending, &mut draft))
        .collect();
    for sheet in &sheets {
        sheet.prove(&scene, &pending, &mut draft);
    }
    rollover::steps(&scene, &mut draft);
    prune::ended(&scene, &sheets, &mut draft);
    prune::superseded(&scene, &sheets, &mut draft);
    let Draft { steps, wake, findings, exposed, schedule } = draft;
    Plan { steps, wake, findings, exposed, schedule }
}

/// A plan while it is made.
#[derive(Default)]
struct Draft {
    steps: Vec<Step>,
    wake: Option<Timestamp>,
    findings: Vec<Finding>,
    exposed: Vec<(CertName, Version)>,
    schedule: Option<Schedule>,
}

impl Draft {
    /// Adds a step and says where it stands.
    fn push(&mut self, action: Action, because: Reason, needs: Vec<usize>) -> usize {
        self.steps.push(Step { action, because, needs });
        self.steps.len() - 1
    }

    fn look_again(&mut self, at: Timestamp) {
        self.wake = Some(self.wake.map_or(at, |earlier| earlier.min(at)));
    }

    /// Looks again at a moment, unless it has passed.
    fn look_again_after(&mut self, at: Timestamp, now: Timestamp) {
        if at > now {
            self.look_again(at);
        }
    }
}
