//! The diary: what must be remembered between runs, as entries that add up to a [`Diary`].
//!
//! On disk it is a text of one JSON object a line, appended and fsynced, folded together when it
//! has grown; a torn last line is an entry that never was.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::disk::Look;
use crate::model::{CertName, Finding, Host, Hostname, Sha256, Timestamp, Version};
use crate::store::Proof;

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
        /// Since when.
        at: Timestamp,
        /// Why.
        why: String,
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
    /// The CA's directory, as JSON, so that a run with nothing to do asks nothing.
    Directory {
        /// Its URL.
        url: String,
        /// When it was fetched.
        at: Timestamp,
        /// Its `meta` object and what else is used of it.
        body: String,
    },
    /// Others could read the key of this version, as is known since then.
    Exposed(CertName, Version, Timestamp),
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
    /// Versions not to be shown, since when and why.
    pub bad: BTreeMap<(CertName, Version), (Timestamp, String)>,
    /// Versions whose key others could read, and since when that is known.
    pub exposed: BTreeMap<(CertName, Version), Timestamp>,
    /// Up to when the edits of each server's configuration are mailcert's own.
    pub known: BTreeMap<String, Timestamp>,
    /// What the DNS said, by domain.
    pub discovered: BTreeMap<Hostname, Remembered>,
    /// CA directories by URL.
    pub directories: BTreeMap<String, (Timestamp, String)>,
    /// What was worth telling, oldest first, the latest 1,000 of them.
    pub events: VecDeque<(Timestamp, String)>,
}

/// How many events are remembered.
const EVENTS: usize = 1000;

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
            Entry::Installed { path, file } => put(&mut self.installed, path, file),
            Entry::Proof { server, certificate, proof } => {
                put(&mut self.proofs, (server, certificate), proof);
            }
            Entry::Bad { certificate, version, at, why } => {
                self.bad.insert((certificate, version), (at, why));
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
            Entry::Directory { url, at, body } => {
                self.directories.insert(url, (at, body));
            }
            Entry::Event { at, text } => {
                self.events.push_back((at, text));
                if self.events.len() > EVENTS {
                    self.events.pop_front();
                }
            }
        }
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
        let directories = self.directories.into_iter();
        let directories = directories.map(|(url, (at, body))| Entry::Directory { url, at, body });
        let events = self.events.into_iter().map(|(at, text)| Entry::Event { at, text });
        worked
            .chain(owed)
            .chain(waits)
            .chain(installed)
            .chain(proofs)
            .chain(bad)
            .chain(exposed)
            .chain(known)
            .chain(discovered)
            .chain(directories)
            .chain(events)
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
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(seconds)
    }

    fn certificate(name: &str) -> CertName {
        CertName::parse(name).unwrap()
    }

    fn installed(size: u64) -> Installed {
        let print = FilePrint { inode: 7, size, mtime_nanos: 9, mode: 0o600, uid: 0, gid: 0 };
        Installed { server: "exim".to_owned(), identity: Sha256::of(b"x"), print }
    }

    fn proof(version: u32) -> Proof {
        Proof { version: Version(version), at: at(50), void: false, inspections: Vec::new() }
    }

    fn wait(refusals: u32) -> Wait {
        let (findings, refused) = (Vec::new(), Vec::new());
        Wait { until: at(99), refusals, findings, refused }
    }

    fn asked(domain: Hostname, seconds: i64) -> Entry {
        let (hosts, findings) = (Vec::new(), Vec::new());
        Entry::Discovered { domain, at: at(seconds), asked_with: Sha256::of(b"y"), hosts, findings }
    }

    /// Every kind of entry twice: the second takes away or replaces what the first said.
    fn life() -> Vec<Entry> {
        let domain = Hostname::parse("example.org").unwrap();
        let exim = || "exim".to_owned();
        let name = || certificate("example.org");
        let path = || PathBuf::from("/etc/exim4/tls/a.pem");
        vec![
            Entry::Reload { server: exim(), since: Some(at(1)), at: at(1) },
            Entry::Reload { server: exim(), since: None, at: at(2) },
            Entry::Reload { server: "postfix".to_owned(), since: None, at: at(3) },
            Entry::Reload { server: "postfix".to_owned(), since: Some(at(4)), at: at(4) },
            Entry::Wait { certificate: name(), wait: Some(wait(1)) },
            Entry::Wait { certificate: name(), wait: None },
            Entry::Wait { certificate: certificate("b.test"), wait: Some(wait(2)) },
            Entry::Installed { path: path(), file: Some(installed(1)) },
            Entry::Installed { path: path(), file: Some(installed(2)) },
            Entry::Installed { path: PathBuf::from("/gone"), file: Some(installed(1)) },
            Entry::Installed { path: PathBuf::from("/gone"), file: None },
            Entry::Proof { server: exim(), certificate: None, proof: Some(proof(1)) },
            Entry::Proof { server: exim(), certificate: Some(name()), proof: Some(proof(1)) },
            Entry::Proof { server: exim(), certificate: Some(name()), proof: None },
            Entry::Bad { certificate: name(), version: Version(3), at: at(5), why: "x".to_owned() },
            Entry::Exposed(name(), Version(3), at(5)),
            Entry::Known { server: exim(), until: at(5) },
            Entry::Known { server: exim(), until: at(6) },
            asked(domain.clone(), 5),
            asked(domain, 6),
            Entry::Directory { url: "https://ca".to_owned(), at: at(7), body: "{}".to_owned() },
            Entry::Event { at: at(8), text: "first".to_owned() },
            Entry::Event { at: at(9), text: "second".to_owned() },
        ]
    }

    fn sum(entries: impl IntoIterator<Item = Entry>) -> Diary {
        let mut diary = Diary::default();
        entries.into_iter().for_each(|entry| diary.add(entry));
        diary
    }

    #[test]
    fn a_later_entry_replaces_the_earlier_one() {
        let diary = sum(life());
        assert_eq!(diary.owed, BTreeMap::from([("postfix".to_owned(), at(4))]));
        let worked = [("exim".to_owned(), at(2)), ("postfix".to_owned(), at(3))];
        assert_eq!(diary.reloaded, BTreeMap::from(worked));
        assert_eq!(diary.waits, BTreeMap::from([(certificate("b.test"), wait(2))]));
        let file = (PathBuf::from("/etc/exim4/tls/a.pem"), installed(2));
        assert_eq!(diary.installed, BTreeMap::from([file]));
        assert_eq!(diary.proofs, BTreeMap::from([(("exim".to_owned(), None), proof(1))]));
        assert_eq!(diary.bad.values().next(), Some(&(at(5), "x".to_owned())));
        assert_eq!(diary.known, BTreeMap::from([("exim".to_owned(), at(6))]));
        assert_eq!(diary.discovered.values().next().map(|found| found.at), Some(at(6)));
        assert_eq!(diary.events.len(), 2);
    }

    #[test]
    fn folded_at_any_moment_it_says_the_same() {
        for cut in 0..=life().len() {
            let mut folded = sum(sum(life().into_iter().take(cut)).into_entries());
            life().into_iter().skip(cut).for_each(|entry| folded.add(entry));
            assert_eq!(folded, sum(life()), "folded after {cut} entries");
        }
    }

    #[test]
    fn every_entry_survives_being_written_and_read() {
        for entry in life() {
            let text = serde_json::to_string(&entry).unwrap();
            assert!(!text.contains('\n'));
            assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry, "{text}");
        }
    }

    #[test]
    fn events_do_not_pile_up() {
        let many = (0..2000).map(|n| Entry::Event { at: at(n), text: n.to_string() });
        let diary = sum(many);
        assert_eq!(diary.events.len(), EVENTS);
        assert_eq!(diary.events.front().map(|event| event.0), Some(at(1000)));
    }
}
