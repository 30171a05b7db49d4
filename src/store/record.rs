//! What an entry of the diary holds: the files installed, what the DNS and the CA said.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::disk::Look;
use crate::model::{
    DnsId, Finding, Host, Hostname, KeyHash, KeyType, Mark, Renewal, Sha256, Timestamp, Version,
};

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

impl From<Look> for FilePrint {
    fn from(look: Look) -> Self {
        let Look { inode, size, mtime_nanos, mode, uid, gid, .. } = look;
        Self { inode, size, mtime_nanos, mode, uid, gid }
    }
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
    /// Not before this moment.
    pub until: Timestamp,
    /// Refusals in a row.
    pub refusals: u32,
    /// What was said, one finding for each name or for the order.
    pub findings: Vec<Finding>,
    /// The names that were refused; the others may be ordered without them.
    pub refused: Vec<DnsId>,
    /// CAs that refused for a reason of their own: another one may be asked meanwhile.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub declined: BTreeMap<Mark, Declined>,
}

/// A CA that does not issue a certificate, or one for these names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declined {
    /// Not before this moment.
    pub until: Timestamp,
    /// Refusals in a row.
    pub refusals: u32,
    /// The names it did not want; none: it did not want the order.
    pub names: Vec<DnsId>,
}

/// A CA that answers nobody, or takes no order of ours: it is left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Since when, in its latest try.
    pub at: Timestamp,
    /// Not before this moment.
    pub until: Timestamp,
    /// Tries in a row.
    pub tries: u32,
    /// What it said.
    pub findings: Vec<Finding>,
}

/// What a CA said of the renewal of a certificate, and until when it is not asked again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The version it was asked about.
    pub version: Version,
    /// When it was asked.
    pub asked: Timestamp,
    /// When to ask again.
    pub again: Timestamp,
    /// The window it suggests; `None` where it has none or gave no answer.
    pub renewal: Option<Renewal>,
}

/// A TXT record of ours in somebody's zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// The zone.
    pub zone: String,
    /// Since when.
    pub since: Timestamp,
    /// Who put it there, where that was written down.
    pub by: Option<PutBy>,
}

/// Who puts a record into the DNS, and who takes it away again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutBy {
    /// The way, as its table below `[challenge.dns-01]` is called.
    pub way: String,
    /// The server that was told, or the program that was run.
    pub at: String,
    /// The name that is proved by it.
    pub host: Hostname,
}

impl Put {
    /// The way it was put there.
    #[must_use]
    pub fn way(&self) -> &str {
        self.by.as_ref().map_or("rfc2136", |by| by.way.as_str())
    }
}

/// An order at a CA that was ready to be finalized: whatever ends us, its certificate is ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnderWay {
    /// Where the CA has it.
    pub url: String,
    /// Which CA: the mark of its directory's URL; old versions did not say.
    #[serde(default)]
    pub ca: Option<Mark>,
    /// The account that made it, where the CA has accounts.
    pub account: Option<String>,
    /// The names the plan asked for, sorted.
    pub wanted: Vec<DnsId>,
    /// The names that were ordered.
    pub names: Vec<DnsId>,
    /// The others, and why each was left out.
    pub left_out: Vec<(DnsId, Finding)>,
    /// The profile.
    pub profile: Option<String>,
    /// The kind of its key.
    pub key_type: KeyType,
    /// Its key, which lies in the store's `orders/NAME-KEY.pem` (the first 16 digits of this).
    pub key: KeyHash,
    /// The version that it is to become, which the store knows best: where a version of that
    /// number was kept, the order is over.
    pub becomes: Version,
    /// Since when.
    pub since: Timestamp,
}
