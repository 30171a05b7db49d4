//! The diary: what must be remembered between runs, as entries that add up to a [`Diary`].
//!
//! On disk it is a text of one JSON object a line, appended and fsynced, folded together when it
//! has grown; a torn last line is an entry that never was.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::{CertName, Finding, Host, Hostname, Inspection, Sha256, Timestamp, Version};

/// What a stat says of an installed file: equal prints mean an untouched file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they are the fields of stat(2)")]
pub struct FilePrint {
    pub inode: u64,
    pub size: u64,
    pub mtime_nanos: i128,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
}

/// A file mailcert installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    /// The server it belongs to (`ServerId`).
    pub server: String,
    /// What it held when it was installed (`Want::identity`).
    pub identity: Sha256,
    /// How it looked then.
    pub print: FilePrint,
}

/// When and how one certificate was last seen on one server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Which version the server was to show.
    pub version: Version,
    /// When.
    pub at: Timestamp,
    /// The files changed since: it says what worked once, not what is so now.
    pub void: bool,
    /// What each endpoint showed.
    pub inspections: Vec<Inspection>,
}

/// What the DNS said of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// When it was asked.
    pub at: Timestamp,
    /// What the answer depends on besides the DNS.
    pub asked_with: Sha256,
    /// The domain's hosts.
    pub hosts: Vec<Host>,
    /// What was found besides.
    pub findings: Vec<Finding>,
}

/// Waiting after a refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// When this was written.
    pub noted: Timestamp,
    /// Not before this moment.
    pub until: Timestamp,
    /// Refusals in a row.
    pub refusals: u32,
    /// What was said, one finding for each name or for the order.
    pub findings: Vec<Finding>,
    /// The names that were refused; the others may be ordered without them.
    pub refused: Vec<Hostname>,
}

/// One line of the diary. A later line about the same thing replaces the earlier one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    /// A reload of the server is owed, or no longer (`since`: the files changed then; `None`:
    /// it worked at `at`).
    Reload {
        /// The server.
        server: String,
        /// Owed since this moment; `None` when it worked.
        since: Option<Timestamp>,
        /// When this was written.
        at: Timestamp,
    },
    /// An order is held back, or no longer.
    Wait {
        /// The certificate.
        certificate: CertName,
        /// Until when and why; `None` when it is over.
        wait: Option<Wait>,
    },
    /// A file was installed, or (`None`) removed.
    Installed {
        /// Where.
        path: PathBuf,
        /// What.
        file: Option<Installed>,
    },
    /// A certificate was seen on a server.
    Proof {
        /// The server.
        server: String,
        /// The certificate; `None`: the listeners without SNI.
        certificate: Option<CertName>,
        /// What was seen; `None` voids it.
        proof: Option<Proof>,
    },
    /// A version made a name worse and must not be shown again.
    Bad {
        /// The certificate.
        certificate: CertName,
        /// The version.
        version: Version,
        /// Why.
        why: String,
    },
    /// What the DNS said of a domain.
    Discovered {
        /// The mail domain.
        domain: Hostname,
        /// When the DNS was asked.
        at: Timestamp,
        /// A digest of what the answer depends on besides the DNS: the domain's table, the
        /// machine's addresses.
        asked_with: Sha256,
        /// Its hosts.
        hosts: Vec<Host>,
        /// What was found besides.
        findings: Vec<Finding>,
    },
    /// The CA's directory, as JSON, so that a run with nothing to do asks nothing.
    Directory {
        /// Its URL.
        url: String,
        /// When it was fetched.
        at: Timestamp,
        /// Its `meta` object and what else is used of it.
        body: String,
    },
    /// Something worth telling later (`history`).
    Event {
        /// When.
        at: Timestamp,
        /// What, in one line.
        text: String,
    },
}

/// The sum of all entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diary {
    /// Reloads owed, with the moment the files changed.
    pub owed: BTreeMap<String, Timestamp>,
    /// When each server was last reloaded by us.
    pub reloaded: BTreeMap<String, Timestamp>,
    /// Orders held back.
    pub waits: BTreeMap<CertName, Wait>,
    /// Files we installed.
    pub installed: BTreeMap<PathBuf, Installed>,
    /// What was last seen, by server and certificate.
    pub proofs: BTreeMap<(String, Option<CertName>), Proof>,
    /// Versions not to be shown, with the reason.
    pub bad: BTreeMap<(CertName, Version), String>,
    /// What the DNS said, by domain.
    pub discovered: BTreeMap<Hostname, Remembered>,
    /// CA directories by URL.
    pub directories: BTreeMap<String, (Timestamp, String)>,
}

impl Diary {
    /// Adds one entry.
    pub fn add(&mut self, entry: Entry) {
        let _ = entry;
        todo!()
    }
}
