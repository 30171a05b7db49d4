//! Asks git whether it holds a key.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::command;
use crate::model::Finding;
use crate::servers::lint;
use crate::survey::DEADLINE;

/// The keys in git repositories: one question for each that holds a key or a directory of ours.
///
/// All paths are without links, since git does not look beyond one.
pub(super) async fn keys(
    keys: &BTreeSet<PathBuf>,
    directories: &BTreeSet<PathBuf>,
) -> Vec<Finding> {
    let mut by_root: BTreeMap<PathBuf, Vec<&Path>> = BTreeMap::new();
    let single = keys.iter().map(PathBuf::as_path);
    let inside = |path: &Path| directories.iter().any(|own| path.starts_with(own));
    let single = single.filter(|path| !inside(path)).take(MOST_KEYS);
    for path in single.chain(directories.iter().map(PathBuf::as_path)) {
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

/// Most files of others that git is asked about.
const MOST_KEYS: usize = 200;
