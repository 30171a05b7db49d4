//! Which files a resident mailcert looks at: what it installed, what the servers are configured
//! by, and what others' certificates lie in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::config::{Config, ServerTable};
use crate::source;
use crate::store::{FilePrint, Files, Store as _};

/// What was installed, as it was left. A state that cannot be read names nothing: the round says
/// that it cannot.
pub(super) fn installed(config: &Config) -> BTreeMap<PathBuf, FilePrint> {
    // Nothing of a certificate is asked for, so that none is read.
    let opened = Files::open(&config.state, |_| Err("nobody asks".to_owned()));
    let Ok(diary) = opened.and_then(|store| store.diary()) else { return BTreeMap::new() };
    let installed = diary.installed.iter();
    installed.map(|(path, one)| (path.clone(), one.print.clone())).collect()
}

/// What others write.
pub(super) fn of_others(config: &Config) -> BTreeSet<PathBuf> {
    let mut paths = BTreeSet::new();
    for lineage in source::lineages(&config.sources).found {
        paths.extend(std::iter::once(lineage.chain).chain(lineage.key));
    }
    if config.servers.is_empty() {
        let usual = ["/etc/postfix/main.cf", "/etc/postfix/master.cf", "/etc/dovecot/dovecot.conf"];
        paths.extend(usual.map(PathBuf::from));
        paths.extend(["/etc/exim4", "/etc/dovecot/conf.d"].into_iter().flat_map(files_in));
    }
    paths.extend(config.servers.iter().flat_map(of_server));
    paths
}

/// The server's own configuration.
fn of_server(table: &ServerTable) -> Vec<PathBuf> {
    match table {
        ServerTable::Postfix { config_directory, .. } => {
            ["main.cf", "master.cf"].map(|name| config_directory.join(name)).to_vec()
        }
        ServerTable::Exim { config_file: Some(file), .. } => vec![file.clone()],
        ServerTable::Exim { config_file: None, .. } => files_in("/etc/exim4"),
        ServerTable::Dovecot { config_file, .. } => {
            let mut files = files_in(config_file.with_file_name("conf.d"));
            files.push(config_file.clone());
            files
        }
        // Of the program behind it nothing is known.
        ServerTable::Files { .. } => Vec::new(),
    }
}

/// The files in a directory, if it is one. What editors leave is none.
fn files_in(directory: impl AsRef<Path>) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten().take(MOST);
    let paths = entries.map(|entry| entry.path()).filter(|path| path.is_file());
    let plain = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        !name.starts_with('.') && !name.ends_with('~')
    };
    paths.filter(plain).collect()
}

/// A directory of configuration has no more files.
const MOST: usize = 1000;
