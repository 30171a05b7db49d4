//! Installed pairs that could be taken into a store that lacks them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::model::{Bundle, CertName, DnsId, Facts, Hostname, PrivateKey, Sha256};
use crate::plan::Adoptable;
use crate::servers::{DROP_IN, SNI_SOURCE};
use crate::source::pem::blocks;

/// The pairs in these server directories that are pairs and cover one of the `wanted` hosts or
/// stand in an index of ours, each certificate once. `facts` says what a bundle is, that key and
/// chain belong together and that senders trust it (`verify::judge`); `None` where not.
///
/// What the index names is shown today, wanted or not: the domain may be silent just now, and an
/// index written without it would lose a name that works.
///
/// Every file is read: ask only where the store lacks something.
#[must_use]
pub fn adoptable<'a>(
    directories: impl IntoIterator<Item = &'a Path>,
    wanted: &BTreeSet<DnsId>,
    facts: &dyn Fn(&Bundle) -> Option<Facts>,
) -> Vec<Adoptable> {
    let hosts = Wanted::of(wanted.iter().filter_map(DnsId::host));
    let takes =
        |facts: &Facts| hosts.takes(facts) || facts.names.iter().any(|name| wanted.contains(name));
    let mut found: BTreeMap<Sha256, Adoptable> = BTreeMap::new();
    for directory in directories {
        let index = index(directory);
        for (chain, key) in pairs(directory) {
            let Some(bundle) = bundle(&chain, key.as_deref()) else { continue };
            let indexed = index.contains(&chain).then(|| name(&chain)).flatten();
            let Some(facts) = facts(&bundle) else { continue };
            if takes(&facts) || indexed.is_some() {
                let pair = Adoptable { chain, key, facts, indexed };
                let known = found.entry(pair.facts.leaf).or_insert_with(|| pair.clone());
                if known.indexed.is_none() && pair.indexed.is_some() {
                    *known = pair;
                }
            }
        }
    }
    found.into_values().collect()
}

/// The hosts for which certificates are looked for.
pub(super) struct Wanted<'a> {
    hosts: BTreeSet<&'a Hostname>,
    domains: BTreeSet<Hostname>,
}

impl<'a> Wanted<'a> {
    pub(super) fn of(hosts: impl Iterator<Item = &'a Hostname> + Clone) -> Self {
        let domains = hosts.clone().filter_map(Hostname::parent).collect();
        Self { hosts: hosts.collect(), domains }
    }

    /// Whether a certificate covers one of them.
    pub(super) fn takes(&self, facts: &Facts) -> bool {
        facts.names.iter().any(|name| match name {
            DnsId::Host(host) => self.hosts.contains(host),
            DnsId::Wildcard(domain) => self.domains.contains(domain),
        })
    }
}

/// The files that Postfix's map source and Dovecot's drop-in name.
fn index(directory: &Path) -> BTreeSet<PathBuf> {
    let texts = [SNI_SOURCE, DROP_IN].iter().filter_map(|name| read(&directory.join(name)));
    let words = |text: zeroize::Zeroizing<String>| -> Vec<PathBuf> {
        let words = text.split_whitespace();
        words.map(|word| PathBuf::from(word.trim_start_matches(['=', '<']))).collect()
    };
    texts.flat_map(words).filter(|path| path.parent() == Some(directory)).collect()
}

/// The certificate whose file this is: `NAME.pem`, or `NAME.VERSION.pem`.
fn name(path: &Path) -> Option<CertName> {
    let stem = path.file_stem()?.to_str()?;
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let name = match stem.rsplit_once('.') {
        Some((name, version)) if number(version) => name,
        _ => stem,
    };
    CertName::parse(name).ok()
}

/// The paths of chain and key, sorted: `NAME.pem` holds both, `exim.crt.NAME` has its key in
/// `exim.key.NAME`.
fn pairs(directory: &Path) -> Vec<(PathBuf, Option<PathBuf>)> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort_unstable();
    names
        .into_iter()
        .filter(|name| !name.starts_with('.'))
        .filter_map(|name| {
            if let Some(suffix) = name.strip_prefix("exim.crt") {
                let key = directory.join(format!("exim.key{suffix}"));
                return Some((directory.join(&name), Some(key)));
            }
            name.ends_with(".pem").then(|| (directory.join(&name), None))
        })
        .collect()
}

/// The pair in one or two files; `None` where a part is missing, or there are several.
fn bundle(chain: &Path, key: Option<&Path>) -> Option<Bundle> {
    let text = read(chain)?;
    let key = match key {
        Some(path) => read(path)?,
        None => text.clone(),
    };
    let key = blocks(&key, |label| label.ends_with("PRIVATE KEY"));
    let chain = blocks(&text, |label| label == "CERTIFICATE");
    // What puts several together is made of others that have files of their own.
    let whole = key.matches("-----BEGIN ").count() == 1 && !chain.is_empty();
    whole.then(|| Bundle { key: PrivateKey::from_pem(key), chain })
}

/// A regular file's text, up to the size of anything a server could show.
fn read(path: &Path) -> Option<zeroize::Zeroizing<String>> {
    let metadata = fs::symlink_metadata(path).ok()?;
    let small = metadata.file_type().is_file() && metadata.size() <= LARGEST;
    small.then(|| fs::read_to_string(path).ok().map(zeroize::Zeroizing::new)).flatten()
}

/// Most bytes of a file that is read: Postfix was seen to show 202 certificates in 120 kB.
const LARGEST: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::io::Write;
    use std::path::Path;

    use super::{Adoptable, adoptable};
    use crate::model::{Bundle, DnsId, Facts};
    use crate::servers::entries::samples::shown;

    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nkey\n-----END PRIVATE KEY-----\n";

    fn chain(name: &str) -> String {
        format!("-----BEGIN CERTIFICATE-----\n{name}\n-----END CERTIFICATE-----\n")
    }

    /// A fake judge: the second line of the chain is the name; `bad` is no pair.
    fn facts(bundle: &Bundle) -> Option<Facts> {
        let name = bundle.chain.lines().nth(1)?;
        let paired = bundle.key.expose_pem() == KEY && name != "bad.test";
        paired.then(|| shown(name.trim_start_matches("*."), &[name], 1).facts)
    }

    fn write(path: &Path, text: &str) {
        let mut options = fs::OpenOptions::new();
        let mut file = options.create(true).write(true).truncate(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn found(folder: &Path, wanted: &[&str]) -> Vec<String> {
        let wanted: BTreeSet<DnsId> =
            wanted.iter().map(|name| DnsId::parse(name).unwrap()).collect();
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        let mut all: Vec<String> = adoptable([folder], &wanted, &facts)
            .iter()
            .map(|Adoptable { chain, key, .. }| {
                format!("{} {}", name(chain), key.as_deref().map_or_else(String::new, name))
            })
            .collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn pairs_that_cover_a_wanted_host_are_found_once() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("mx.a.test.pem", format!("{KEY}{}", chain("mx.a.test"))),
            ("default.pem", format!("{}{KEY}", chain("mx.a.test"))),
            ("exim.crt.mx.b.test", chain("*.b.test")),
            ("exim.key.mx.b.test", KEY.to_owned()),
            ("exim.crt.alone.test", chain("alone.test")),
            ("bad.test.pem", format!("{KEY}{}", chain("bad.test"))),
            ("other.test.pem", format!("{KEY}{}", chain("other.test"))),
            ("empty.pem", String::new()),
            (".x.pem", format!("{KEY}{}", chain("mx.c.test"))),
        ] {
            write(&folder.path().join(name), &text);
        }
        let wanted = ["mx.a.test", "mx.b.test", "mx.c.test", "alone.test", "bad.test"];
        assert_eq!(
            found(folder.path(), &wanted),
            ["default.pem ", "exim.crt.mx.b.test exim.key.mx.b.test"]
        );
        assert_eq!(found(&folder.path().join("absent"), &wanted), [""; 0]);
    }

    #[test]
    fn what_an_index_of_ours_names_is_found_though_nobody_wishes_it_now() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let pair = |name: &str| format!("{KEY}{}", chain(name));
        for name in ["mx.a.test", "mx.b.test", "mx.c.test"] {
            write(&at(&format!("{}.pem", name.trim_start_matches("mx."))), &pair(name));
        }
        write(&at("default.pem"), &pair("mx.a.test"));
        write(&at("sni"), &format!("mx.a.test {}\n", at("a.test.pem").display()));
        write(&at("mailcert.conf"), &format!("  ssl_cert = <{}\n", at("b.test.pem").display()));
        let mut found: Vec<String> = adoptable([folder.path()], &BTreeSet::new(), &facts)
            .iter()
            .filter_map(|pair| Some(pair.indexed.as_ref()?.to_string()))
            .collect();
        found.sort_unstable();
        assert_eq!(found, ["a.test", "b.test"]);
    }
}
