//! Reads what `servers::lint` judges: all settings of each server, the files they name, git, and
//! who owns `sendmail`. `check` asks; nothing here is needed to issue or to deploy.
//!
//! It costs three processes of Postfix, two of Exim and two of Dovecot, one of git where a
//! repository holds any of the files.

mod git;
mod held;

pub use held::{of_held, unasked};

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use zeroize::Zeroizing;

use crate::model::{Code, Finding, Hostname, Level, Timestamp};
use crate::servers::lint::{self, Mta, Named, SeenFile};
use crate::servers::{Kind, Server, dovecot_settings, exim_settings, postfix_settings};
use crate::survey::{Asked, plain, question};
use crate::verify::judge::{self, Known};

/// By what the surroundings are judged.
pub struct Judge<'a> {
    /// The roots that senders know.
    pub known: Known<'a>,
    /// The moment it is.
    pub now: Timestamp,
}

/// What is found around the servers; `own` are directories of ours with keys, besides theirs.
pub async fn surroundings(asked: &[Asked], own: &[&Path], judge: &Judge<'_>) -> Vec<Finding> {
    let here: Vec<&Asked> = asked.iter().filter(|asked| !asked.server.files_only).collect();
    let answers = here.iter().map(|asked| ask(&asked.server));
    let mut findings = Vec::new();
    let (mut keys, mut told) = (BTreeSet::new(), BTreeSet::new());
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
        // Git knows the file itself, not the links that certbot leads to it by.
        for (named, file) in &seen {
            let Ok(path) = fs::canonicalize(&named.path) else { continue };
            if file.key {
                keys.insert(path.clone());
            }
            told.insert(path);
        }
        findings.extend(lint::files(&asked.server, &seen));
    }
    let mtas = here.iter().map(|asked| Mta { server: &asked.server, running: asked.running });
    findings.extend(lint::shadowed(&mtas.collect::<Vec<_>>(), owner_of_sendmail(Path::new("/"))));
    let directories = here.iter().map(|asked| asked.server.directory.as_path());
    let directories: BTreeSet<PathBuf> = directories
        .chain(own.iter().copied())
        .filter_map(|own| fs::canonicalize(own).ok())
        .collect();
    for own in &directories {
        let more: Vec<PathBuf> =
            readable(own).into_iter().filter(|path| !told.contains(path)).collect();
        findings.extend(lint::exposed_in(own, &more));
    }
    findings.extend(git::keys(&keys, &directories).await);
    findings
}

/// What one server's settings say, and the files they name.
async fn ask(server: &Server) -> Result<(Vec<Finding>, Vec<Named>), Finding> {
    let id = &server.id;
    match &server.kind {
        // A program that reads files is asked for nothing.
        Kind::Files(_) => Ok((Vec::new(), Vec::new())),
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
    let reachable = path.parent().is_some_and(is_open);
    // In one piece, so that no copy of a key is left behind while it grows.
    let size = metadata.len().min(LARGEST) + 2;
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(size).ok()?));
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

/// The files of a directory of ours that everybody on this machine can read.
fn readable(directory: &Path) -> Vec<PathBuf> {
    if !is_open(directory) {
        return Vec::new();
    }
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let open = |entry: &fs::DirEntry| {
        entry.metadata().is_ok_and(|found| found.is_file() && found.mode() & 0o004 != 0)
    };
    let mut all: Vec<PathBuf> = entries.filter(open).map(|entry| entry.path()).collect();
    all.sort();
    all
}

/// Whether everybody may walk down to it.
fn is_open(folder: &Path) -> bool {
    let walks = |folder: &Path| fs::metadata(folder).is_ok_and(|found| found.mode() & 0o001 != 0);
    folder.ancestors().all(walks)
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

/// No key and chain is longer.
const LARGEST: u64 = 1 << 20;

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
