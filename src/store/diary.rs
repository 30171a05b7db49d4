//! The diary: what must be remembered between runs, as entries that add up to a [`Diary`].
//!
//! On disk it is a text of one JSON object a line, appended and fsynced, folded together when it
//! has grown; a torn last line is an entry that never was.

mod jump;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::{
    Absence, CertName, Clock, DnsId, Failed, Finding, Host, Hostname, Mark, OnHold, Ordered,
    Rollover, RolloverNote, Sha256, Spent, Timestamp, Version,
};
use crate::store::Proof;
use crate::store::record::{Hold, Installed, Put, PutBy, Remembered, Told, UnderWay, Wait};

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
    /// An order is about to be finalized, or (`None`) over.
    Order {
        /// The certificate.
        certificate: CertName,
        /// What it takes to go on with it.
        order: Option<UnderWay>,
    },
    /// The CA was asked when it wants a certificate renewed.
    Told {
        /// The certificate.
        certificate: CertName,
        /// What it said; `None` when the certificate is no more.
        told: Option<Told>,
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
        /// Since when.
        at: Timestamp,
        /// Why.
        why: String,
    },
    /// A version that was marked is not bad after all.
    Cleared {
        /// The certificate.
        certificate: CertName,
        /// The version.
        version: Version,
    },
    /// What a server's configuration says up to this moment holds no unfinished edit of the
    /// admin: mailcert itself wrote the last one.
    Known {
        /// The server.
        server: String,
        /// That moment.
        until: Timestamp,
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
    /// A name of a certificate is not wanted any more, as the DNS says, or (`None`) is again.
    Absent {
        /// The name.
        name: DnsId,
        /// Since how many days.
        absence: Option<Absence>,
    },
    /// The CA's directory, as JSON, so that a run with nothing to do asks nothing.
    Directory {
        /// Its URL; with `#dns-persist-01` behind it, what a challenge of that kind asked for.
        url: String,
        /// When it was fetched.
        at: Timestamp,
        /// Its `meta` object and what else is used of it.
        body: String,
    },
    /// A TXT record is about to be put into a zone for a challenge, or (`None`) is not there.
    Presented {
        /// The zone.
        zone: String,
        /// The record's name.
        record: String,
        /// Its text: that of a challenge is nobody else's.
        value: String,
        /// Since when.
        since: Option<Timestamp>,
        /// Who puts it there; earlier versions knew no other way than RFC 2136.
        #[serde(default)]
        by: Option<PutBy>,
    },
    /// Others could read the key of this version, as is known since then.
    Exposed(CertName, Version, Timestamp),
    /// A CA is about to be asked for a certificate, which its limits count.
    Ordered(Ordered),
    /// A certificate came of the latest order for a set of names.
    Came {
        /// Of which CA: the mark of its directory's URL.
        ca: Mark,
        /// The set.
        set: Mark,
    },
    /// Names could not be validated, which a CA's limits count.
    Failed(Failed),
    /// A CA is left alone, or (`None`) is well again.
    Hold {
        /// The mark of its directory's URL.
        ca: Mark,
        /// Until when and why.
        hold: Option<Hold>,
    },
    /// Who issued a version, where it is another CA than that of the version before.
    Origin {
        /// The certificate.
        certificate: CertName,
        /// The version.
        version: Version,
        /// The mark of its directory's URL.
        ca: Mark,
    },
    /// A person put a certificate on hold, or (`None`) released it.
    OnHold(CertName, Option<OnHold>),
    /// Something about keys that TLSA records pin.
    Rollover(RolloverNote),
    /// What the clock said: it may have jumped.
    Clock(Clock),
    /// Somebody was told what needs a person.
    Notified {
        /// Who: `mail`, `webhook`, `command`.
        who: String,
        /// What needs a person still, as far as they know.
        open: Vec<Finding>,
    },
    /// Something that was worth telling: earlier versions wrote it here. It counts for nothing.
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
    /// Orders about to be finalized.
    pub orders: BTreeMap<CertName, UnderWay>,
    /// What the CA said of renewals.
    pub told: BTreeMap<CertName, Told>,
    /// Files we installed.
    pub installed: BTreeMap<PathBuf, Installed>,
    /// What was last seen, by server and certificate.
    pub proofs: BTreeMap<(String, Option<CertName>), Proof>,
    /// Versions not to be shown, since when and why.
    pub bad: BTreeMap<(CertName, Version), (Timestamp, String)>,
    /// Versions whose key others could read, and since when that is known.
    pub exposed: BTreeMap<(CertName, Version), Timestamp>,
    /// Up to when the edits of each server's configuration are mailcert's own.
    pub known: BTreeMap<String, Timestamp>,
    /// What the DNS said, by domain.
    pub discovered: BTreeMap<Hostname, Remembered>,
    /// Names of certificates that the DNS leaves out.
    pub absent: BTreeMap<DnsId, Absence>,
    /// CA directories by URL.
    pub directories: BTreeMap<String, (Timestamp, String)>,
    /// CAs that are left alone.
    pub holds: BTreeMap<Mark, Hold>,
    /// From which version on which CA issued a certificate: see [`Diary::origin`].
    pub origins: BTreeMap<(CertName, Version), Mark>,
    /// What the limits of the CAs count.
    pub spent: Spent,
    /// Next keys, and the TLSA records of keys.
    pub rollover: Rollover,
    /// Certificates that a person wants left as they are.
    pub on_hold: BTreeMap<CertName, OnHold>,
    /// TXT records that are ours, by name and text.
    pub presented: BTreeMap<(String, String), Put>,
    /// What those who are told know to need a person.
    pub notified: BTreeMap<String, Vec<Finding>>,
}

impl Diary {
    /// Adds one entry.
    pub fn add(&mut self, entry: Entry) {
        match entry {
            Entry::Reload { server, since: Some(since), .. } => {
                self.owed.insert(server, since);
            }
            Entry::Reload { server, since: None, at } => {
                self.owed.remove(&server);
                self.reloaded.insert(server, at);
            }
            Entry::Wait { certificate, wait } => put(&mut self.waits, certificate, wait),
            Entry::Order { certificate, order } => put(&mut self.orders, certificate, order),
            Entry::Told { certificate, told } => put(&mut self.told, certificate, told),
            Entry::Installed { path, file } => put(&mut self.installed, path, file),
            Entry::Proof { server, certificate, proof } => {
                put(&mut self.proofs, (server, certificate), proof);
            }
            Entry::Bad { certificate, version, at, why } => {
                self.bad.insert((certificate, version), (at, why));
            }
            Entry::Cleared { certificate, version } => {
                self.bad.remove(&(certificate, version));
            }
            Entry::Exposed(certificate, version, at) => {
                self.exposed.insert((certificate, version), at);
            }
            Entry::Known { server, until } => {
                self.known.insert(server, until);
            }
            Entry::Discovered { domain, at, asked_with, hosts, findings } => {
                self.discovered.insert(domain, Remembered { at, asked_with, hosts, findings });
            }
            Entry::Absent { name, absence } => put(&mut self.absent, name, absence),
            Entry::Directory { url, at, body } => {
                self.directories.insert(url, (at, body));
            }
            Entry::Hold { ca, hold } => put(&mut self.holds, ca, hold),
            Entry::Origin { certificate, version, ca } => {
                self.origins.insert((certificate, version), ca);
            }
            Entry::Ordered(order) => self.spent.order(order),
            Entry::Came { ca, set } => self.spent.came(ca, set),
            Entry::Failed(failed) => self.spent.fail(failed),
            Entry::OnHold(name, on_hold) => put(&mut self.on_hold, name, on_hold),
            Entry::Rollover(note) => self.rollover.add(note),
            Entry::Clock(clock) => self.on_clock(clock),
            Entry::Presented { zone, record, value, since, by } => {
                let there = since.map(|since| Put { zone, since, by });
                put(&mut self.presented, (record, value), there);
            }
            Entry::Notified { who, open } => {
                put(&mut self.notified, who, (!open.is_empty()).then_some(open));
            }
            Entry::Event { .. } => {}
        }
    }

    /// The CA that issued a version, by the mark of its directory; where nobody knows it, nothing.
    #[must_use]
    pub fn origin(&self, certificate: &CertName, version: Version) -> Option<Mark> {
        let of = |version| (certificate.clone(), version);
        let until = self.origins.range(of(Version(0))..=of(version));
        until.last().map(|(_, ca)| *ca)
    }

    /// The fewest entries that add up to this diary.
    pub fn into_entries(self) -> impl Iterator<Item = Entry> {
        // Worked comes before owed: it would take the debt away.
        let worked = self.reloaded.into_iter();
        let worked = worked.map(|(server, at)| Entry::Reload { server, since: None, at });
        let owed = self.owed.into_iter();
        let owed = owed.map(|(server, at)| Entry::Reload { server, since: Some(at), at });
        let waits = self.waits.into_iter();
        let waits = waits.map(|(certificate, wait)| Entry::Wait { certificate, wait: Some(wait) });
        let orders = self.orders.into_iter();
        let orders =
            orders.map(|(certificate, order)| Entry::Order { certificate, order: Some(order) });
        let told = self.told.into_iter();
        let told = told.map(|(certificate, told)| Entry::Told { certificate, told: Some(told) });
        let installed = self.installed.into_iter();
        let installed = installed.map(|(path, file)| Entry::Installed { path, file: Some(file) });
        let proofs = self.proofs.into_iter().map(|((server, certificate), proof)| Entry::Proof {
            server,
            certificate,
            proof: Some(proof),
        });
        let bad = self.bad.into_iter();
        let bad = bad.map(|((certificate, version), (at, why))| Entry::Bad {
            certificate,
            version,
            at,
            why,
        });
        let exposed = self.exposed.into_iter();
        let exposed = exposed.map(|((name, version), at)| Entry::Exposed(name, version, at));
        let known = self.known.into_iter();
        let known = known.map(|(server, until)| Entry::Known { server, until });
        let discovered = self.discovered.into_iter().map(|(domain, known)| {
            let Remembered { at, asked_with, hosts, findings } = known;
            Entry::Discovered { domain, at, asked_with, hosts, findings }
        });
        let absent = self.absent.into_iter();
        let absent = absent.map(|(name, absence)| Entry::Absent { name, absence: Some(absence) });
        let directories = self.directories.into_iter();
        let directories = directories.map(|(url, (at, body))| Entry::Directory { url, at, body });
        // The clock comes first of all: a reading of it moves what lies before it.
        let (clock, ordered, failed) = self.spent.into_parts();
        let clock = clock.into_iter().map(Entry::Clock);
        let spent = ordered.into_iter().map(Entry::Ordered);
        let spent = spent.chain(failed.into_iter().map(Entry::Failed));
        let holds = self.holds.into_iter().map(|(ca, hold)| Entry::Hold { ca, hold: Some(hold) });
        let origins = self.origins.into_iter().map(|((certificate, version), ca)| Entry::Origin {
            certificate,
            version,
            ca,
        });
        let presented = self.presented.into_iter().map(|((record, value), there)| {
            let Put { zone, since, by } = there;
            Entry::Presented { zone, record, value, since: Some(since), by }
        });
        let notified = self.notified.into_iter();
        let notified = notified.map(|(who, open)| Entry::Notified { who, open });
        let on_hold = self.on_hold.into_iter().map(|(name, hold)| Entry::OnHold(name, Some(hold)));
        let rollover = self.rollover.into_notes().map(Entry::Rollover);
        clock
            .chain(worked)
            .chain(owed)
            .chain(waits)
            .chain(orders)
            .chain(told)
            .chain(installed)
            .chain(proofs)
            .chain(bad)
            .chain(exposed)
            .chain(known)
            .chain(discovered)
            .chain(absent)
            .chain(directories)
            .chain(holds)
            .chain(origins)
            .chain(spent)
            .chain(presented)
            .chain(rollover)
            .chain(on_hold)
            .chain(notified)
    }
}

/// `None` means that it is over.
fn put<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}

#[cfg(test)]
mod tests;
