//! Reads what `servers::lint` judges: all settings of each server, the files they name, git, and
//! who owns `sendmail`. `check` asks; nothing here is needed to issue or to deploy.
//!
//! It costs three processes of Postfix, two of Exim and two of Dovecot, one of git where a
//! repository holds any of the files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use zeroize::Zeroizing;

use crate::command;
use crate::model::{Code, DnsId, Finding, Hostname, Level, Timestamp};
use crate::servers::lint::{self, Mta, Named, SeenFile};
use crate::servers::{Kind, Server, dovecot_settings, exim_settings, postfix_settings};
use crate::store::{Diary, Kept, Store};
use crate::survey::{Asked, DEADLINE, plain, question};
use crate::verify::judge::{self, Known};

/// By what the surroundings are judged.
pub struct Judge<'a> {
    /// The roots that senders know.
    pub known: Known<'a>,
    /// The moment it is.
    pub now: Timestamp,
}

/// What is found around the servers, and which files they name: `held_keys` are directories of
/// ours with keys besides theirs.
pub async fn surroundings(asked: &[Asked], own: &[&Path], judge: &Judge<'_>) -> Vec<Finding> {
    let here: Vec<&Asked> = asked.iter().filter(|asked| !asked.server.files_only).collect();
    let answers = here.iter().map(|asked| ask(&asked.server));
    let mut findings = Vec::new();
    let mut keys = BTreeSet::new();
    for (asked, answer) in here.iter().zip(futures_util::future::join_all(answers).await) {
        let (found, named) = match answer {
            Ok(answer) => answer,
            Err(finding) => {
                findings.push(finding.at(Level::Note));
                continue;
            }
        };
        findings.extend(found);
        let seen: Vec<(Named, SeenFile)> = named
            .into_iter()
            .filter_map(|named| Some((named.clone(), seen(&named.path, judge)?)))
            .collect();
        keys.extend(seen.iter().filter(|(_, file)| file.key).map(|(named, _)| named.path.clone()));
        findings.extend(lint::files(&asked.server, &seen));
    }
    let mtas = here.iter().map(|asked| Mta { server: &asked.server, running: asked.running });
    findings.extend(lint::shadowed(&mtas.collect::<Vec<_>>(), owner_of_sendmail(Path::new("/"))));
    let mut directories: Vec<&Path> = here.iter().map(|a| a.server.directory.as_path()).collect();
    directories.extend(own);
    findings.extend(in_git(&keys, &directories).await);
    findings
}

/// What is found among the certificates that are held, each of which is shown or will be.
///
/// A damaged one is told elsewhere.
pub fn of_held(kept: &[Kept], store: &dyn Store, judge: &Judge<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    // A thousand certificates of one CA have one chain.
    let mut judged: BTreeMap<Vec<Vec<u8>>, Option<String>> = BTreeMap::new();
    for kept in kept {
        let Some((version, _)) = kept.versions.last() else { continue };
        let Ok(bundle) = store.bundle(&kept.name, *version) else { continue };
        let Ok(chain) = judge::chain_of_pem(&bundle.chain) else { continue };
        if chain.first().is_some_and(|leaf| judge::hints(leaf).must_staple) {
            let message = format!(
                "{} (version {version}) demands a stapled OCSP response (must-staple), which no \
                 mail server here sends and Let's Encrypt no longer answers; expected one \
                 without; `mailcert explain ocsp-leftover` says how it is replaced",
                kept.name
            );
            findings.push(Finding::new(Code::OcspLeftover, &kept.name, message));
        }
        let issuers = chain.get(1..).unwrap_or_default().to_vec();
        let root = judged.entry(issuers).or_insert_with(|| unknown_root(&chain, judge)).as_ref();
        if let Some(root) = root {
            let message = format!(
                "the chain of {} (version {version}) ends at {root}; expected one that ends at a \
                 root senders know; set another directory in [acme], or put the full chain in \
                 place",
                kept.name
            );
            let finding = Finding::new(Code::UntrustedRoot, &kept.name, message);
            findings.push(finding.at(Level::Warn));
        }
    }
    findings
}

/// Held certificates that nobody asks for, by the configuration and what the diary remembers of
/// the DNS: nobody is asked.
#[must_use]
pub fn unasked(
    kept: &[Kept],
    diary: &Diary,
    domains: &[Hostname],
    hosts: &[Hostname],
) -> Vec<Finding> {
    let (asked, open): (Vec<&Hostname>, Vec<&Hostname>) =
        domains.iter().partition(|domain| diary.discovered.contains_key(*domain));
    let remembered = asked.iter().filter_map(|domain| diary.discovered.get(*domain));
    let mut wished: BTreeSet<Hostname> = remembered
        .flat_map(|known| &known.hosts)
        .filter(|host| host.included || host.undecided)
        .map(|host| host.host.clone())
        .collect();
    wished.extend(hosts.iter().cloned());
    let newest = |kept: &Kept| -> Option<(_, Vec<DnsId>)> {
        Some((kept.name.clone(), kept.versions.last()?.1.names.clone()))
    };
    let held: Vec<_> = kept.iter().filter_map(newest).collect();
    let open: Vec<Hostname> = open.into_iter().cloned().collect();
    lint::unasked(&held, &wished, &open)
}

/// What one server's settings say, and the files they name.
async fn ask(server: &Server) -> Result<(Vec<Finding>, Vec<Named>), Finding> {
    let id = &server.id;
    match &server.kind {
        Kind::Postfix(postfix) => {
            let at = plain(id, &postfix.config_directory)?;
            let words = ["-x", "-M", "-P", "-m"].map(|what| ["postconf", "-c", at, what]);
            let [main, services, overrides, types] = words.each_ref().map(|w| question(id, w));
            let (main, services, overrides, types) =
                tokio::try_join!(main, services, overrides, types)?;
            let main = postfix_settings::values(&main.stdout);
            let types: Vec<&str> = types.stdout.split_whitespace().collect();
            let found = lint::postfix(lint::Postfix {
                id,
                config_directory: at,
                main: &main,
                services: &postfix_settings::master(&services.stdout),
                overrides: &postfix_settings::values(&overrides.stdout),
                map_types: &types,
            });
            Ok((found, lint::postfix_files(&main)))
        }
        Kind::Exim(exim) => {
            let mut words = vec![plain(id, &exim.binary)?];
            if let Some(config) = &exim.config_file {
                words.extend(["-C", plain(id, config)?]);
            }
            words.push("-bP");
            let main = question(id, &words).await?.stdout;
            words.push("transports");
            let transports = lint::transports(&question(id, &words).await?.stdout);
            let main = exim_settings::values(&main);
            Ok((lint::exim(id, &main, &transports), lint::exim_files(&main, &transports)))
        }
        Kind::Dovecot(dovecot) => {
            let at = plain(id, &dovecot.config_file)?;
            let changed = question(id, &["doveconf", "-n", "-c", at]).await?.stdout;
            // -P: the paths of keys are hidden without it.
            let mut words = vec!["doveconf", "-P", "-c", at, "ssl_min_protocol"];
            words.extend(match dovecot.version {
                (2, 3) => ["ssl_cert", "ssl_key"],
                _ => ["ssl_server_cert_file", "ssl_server_key_file"],
            });
            let values = dovecot_settings::values(&question(id, &words).await?.stdout);
            Ok((lint::dovecot(id, &changed, &values), lint::dovecot_files(&values)))
        }
    }
}

/// A look at a file that a setting names; `None` where there is none, which others tell.
fn seen(path: &Path, judge: &Judge<'_>) -> Option<SeenFile> {
    let path = fs::canonicalize(path).ok()?;
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let flags = i32::try_from(flags.bits()).ok()?;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(&path).ok()?;
    let metadata = file.metadata().ok().filter(fs::Metadata::is_file)?;
    let reachable = path
        .ancestors()
        .skip(1)
        .all(|folder| fs::metadata(folder).is_ok_and(|folder| folder.mode() & 0o001 != 0));
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(LARGEST + 2).ok()?));
    file.take(LARGEST + 1).read_to_end(&mut bytes).ok()?;
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    let chain = judge::chain_of_pem(text).unwrap_or_default();
    let hints = chain.first().map(|leaf| judge::hints(leaf)).unwrap_or_default();
    Some(SeenFile {
        mode: metadata.mode() & 0o7777,
        reachable,
        key: text.contains("PRIVATE KEY-----"),
        must_staple: hints.must_staple,
        for_clients: hints.for_clients,
        unknown_root: unknown_root(&chain, judge),
    })
}

/// The root a chain ends at, with why senders do not know it. A certificate signed by itself is
/// what packages leave behind until `setup` replaces it, and is told by `verify`.
fn unknown_root(chain: &[Vec<u8>], judge: &Judge<'_>) -> Option<String> {
    let host = Hostname::parse("any.invalid").ok()?;
    let judged = judge::judge(chain, &host, judge.known, judge.now);
    let fault = judged.faults.into_iter().find(|fault| fault.code == Code::UntrustedRoot)?;
    let root = fault.found.first()?;
    Some(fault.why.map_or_else(|| root.clone(), |why| format!("{root} ({why})")))
}

/// Whose program `/usr/sbin/sendmail` below `root` is, where its name tells.
fn owner_of_sendmail(root: &Path) -> Option<&'static str> {
    let program = fs::canonicalize(root.join("usr/sbin/sendmail")).ok()?;
    let name = program.file_name()?.to_str()?;
    let postfix = root.join("etc/postfix/main.cf").exists();
    match name {
        "sendmail.postfix" => Some("postfix"),
        // Sendmail itself has that name, too, and a file of its own.
        "sendmail" if postfix && !root.join("etc/mail/sendmail.cf").exists() => Some("postfix"),
        _ if name.starts_with("exim") => Some("exim"),
        _ => None,
    }
}

/// The keys in git repositories: one question for each that holds a key or a directory of ours.
async fn in_git(keys: &BTreeSet<PathBuf>, directories: &[&Path]) -> Vec<Finding> {
    let mut by_root: BTreeMap<PathBuf, Vec<&Path>> = BTreeMap::new();
    let single = keys.iter().map(PathBuf::as_path);
    let inside = |path: &Path| directories.iter().any(|own| path.starts_with(own));
    let single = single.filter(|path| !inside(path)).take(MOST_KEYS);
    for path in single.chain(directories.iter().copied()) {
        if let Some(root) = repository(path) {
            by_root.entry(root).or_default().push(path);
        }
    }
    let mut findings = Vec::new();
    for (root, paths) in by_root {
        let Some(listed) = listed(&root, &paths).await else { continue };
        findings.extend(lint::in_git(&root, &listed, keys, directories));
    }
    findings
}

/// The nearest directory above that is a git work tree.
fn repository(path: &Path) -> Option<PathBuf> {
    path.ancestors().find(|folder| folder.join(".git").exists()).map(Path::to_owned)
}

/// What git says of these paths; nothing where it is not installed, or does not trust the owner
/// of the repository. A repository may name programs to run (core.fsmonitor): none is.
async fn listed(root: &Path, paths: &[&Path]) -> Option<String> {
    let words = ["git", "-c", "core.fsmonitor=false", "-C", root.to_str()?, "ls-files", "-tz"];
    let which = ["--cached", "--others", "--exclude-standard", "--"];
    let mut argv: Vec<String> = words.into_iter().chain(which).map(str::to_owned).collect();
    argv.extend(paths.iter().filter_map(|path| path.to_str()).map(str::to_owned));
    command::run_ok(&argv, b"", DEADLINE).await.ok().map(|ran| ran.stdout)
}

/// No key and chain is longer.
const LARGEST: u64 = 1 << 20;
/// Most files of others that git is asked about.
const MOST_KEYS: usize = 200;

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::owner_of_sendmail;

    #[test]
    fn the_owner_of_sendmail_is_told_by_its_target() {
        for (target, besides, expected) in [
            ("exim4", vec![], Some("exim")),
            ("sendmail.postfix", vec![], Some("postfix")),
            ("msmtp", vec!["etc/postfix/main.cf"], None),
            ("", vec!["etc/postfix/main.cf"], Some("postfix")),
            ("", vec!["etc/postfix/main.cf", "etc/mail/sendmail.cf"], None),
            ("", vec![], None),
            ("gone", vec![], None),
        ] {
            let root = tempfile::tempdir().unwrap();
            let path = root.path().join("usr/sbin/sendmail");
            let touch = |path: &Path| {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                OpenOptions::new().create(true).append(true).open(path).unwrap();
            };
            besides.iter().for_each(|file| touch(&root.path().join(file)));
            match target {
                "" => touch(&path),
                "gone" => {}
                target => {
                    touch(&path.with_file_name(target));
                    symlink(target, &path).unwrap();
                }
            }
            assert_eq!(owner_of_sendmail(root.path()), expected, "{target} {besides:?}");
        }
    }
}
