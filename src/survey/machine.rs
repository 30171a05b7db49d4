//! What the machine itself tells: accounts, units, processes, the age of files.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use nix::unistd::{Group, User};
use rustix::process::{Pid, test_kill_process};

use crate::command;
use crate::config::Account;
use crate::model::Timestamp;
use crate::plan::Edit;
use crate::servers::hook_in::managed_by;
use crate::survey::Edits;

/// The number of a user.
pub(super) fn uid(account: &Account) -> Result<u32, String> {
    match account {
        Account::Number(number) => Ok(*number),
        Account::Name(name) => match User::from_name(name) {
            Ok(Some(user)) => Ok(user.uid.as_raw()),
            Ok(None) => Err(format!("no user {name:?} on this machine; a number works as well")),
            Err(error) => Err(format!("user {name:?} cannot be looked up: {error}")),
        },
    }
}

/// The number of a group.
pub(super) fn gid(account: &Account) -> Result<u32, String> {
    match account {
        Account::Number(number) => Ok(*number),
        Account::Name(name) => match Group::from_name(name) {
            Ok(Some(group)) => Ok(group.gid.as_raw()),
            Ok(None) => Err(format!("no group {name:?} on this machine; a number works as well")),
            Err(error) => Err(format!("group {name:?} cannot be looked up: {error}")),
        },
    }
}

/// `systemctl reload` of the first of `units` that systemd runs; `None` without systemd.
///
/// Debian's `postfix.service` is an empty shell around `postfix@-.service`: its reload returns
/// before the other's has begun. Hence the inner one is asked for first.
pub(super) async fn unit_reload(units: &[&str]) -> Option<Vec<String>> {
    if !Path::new("/run/systemd/system").is_dir() {
        return None;
    }
    for unit in units {
        let argv = ["systemctl", "is-active", "--quiet", unit].map(str::to_owned);
        let asked = command::run(&argv, b"", Duration::from_secs(5)).await;
        if asked.is_ok_and(|ran| ran.status == Some(0)) {
            return Some(["systemctl", "reload", unit].map(str::to_owned).to_vec());
        }
    }
    None
}

/// The pid in `file`, if a process of it runs whose name begins with `name`. The name is looked at
/// because a number in a stale file may have gone to somebody else, who would get our signal.
pub(super) fn running(file: &Path, name: &str) -> Option<i32> {
    let number: i32 = fs::read_to_string(file).ok()?.split_whitespace().next()?.parse().ok()?;
    let pid = Pid::from_raw(number)?;
    let alive = match test_kill_process(pid) {
        Ok(()) | Err(rustix::io::Errno::PERM) => true,
        Err(_) => false,
    };
    let other = fs::read_to_string(format!("/proc/{number}/comm"))
        .is_ok_and(|comm| !comm.trim_end().starts_with(name));
    (alive && !other).then_some(number)
}

/// The argv of a running process; empty where it cannot be seen.
pub(super) fn argv_of(pid: i32) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    bytes
        .split(|byte| *byte == 0)
        .filter(|word| !word.is_empty())
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect()
}

/// Why a configuration file is not ours to edit, if it is not.
pub(super) fn by_hand(config: &Path) -> Option<String> {
    let shown = config.display();
    if let Ok(target) = fs::read_link(config) {
        return Some(format!("{shown} is a link to {}", target.display()));
    }
    let manager = managed_by(&fs::read_to_string(config).ok()?)?;
    Some(format!("{shown} is managed by {manager}"))
}

/// When these files were changed; directories stand for the files in them and below, except for
/// `own`, which holds ours. `None` where there is none.
pub(super) fn newest(paths: &[PathBuf], own: &Path) -> Option<Edits> {
    let mut files = Vec::new();
    let mut open: Vec<(PathBuf, usize)> = paths.iter().map(|path| (path.clone(), 0)).collect();
    while let Some((path, depth)) = open.pop() {
        // The link's target counts: it is what the server reads.
        let Ok(metadata) = fs::metadata(&path) else { continue };
        if path == own || depth > DEEPEST {
            continue;
        }
        if metadata.is_dir() {
            let entries = fs::read_dir(&path).into_iter().flatten().flatten();
            open.extend(entries.map(|entry| (entry.path(), depth + 1)));
            continue;
        }
        let age = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let seconds = age.and_then(|age| i64::try_from(age.as_secs()).ok());
        files.extend(seconds.map(|at| Edit { path, at: Timestamp::from_unix(at) }));
    }
    files.sort_by(|one, other| (other.at, &one.path).cmp(&(one.at, &other.path)));
    files.truncate(MOST_EDITS);
    let at = files.first()?.at;
    Some(Edits { at, files })
}

/// So many of the newest files are remembered: a report names a few.
const MOST_EDITS: usize = 16;

/// How deep configuration directories are looked into: `conf.d/main/`, and one more.
const DEEPEST: usize = 3;

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process;

    use super::{argv_of, by_hand, gid, newest, running, uid};
    use crate::config::Account;

    #[test]
    fn accounts_are_found_by_name_and_taken_by_number() {
        let name = |text: &str| Account::Name(text.to_owned());
        assert_eq!((uid(&name("root")), gid(&name("root"))), (Ok(0), Ok(0)));
        assert_eq!(uid(&Account::Number(4_000_000)), Ok(4_000_000));
        let error = gid(&name("no-such-group")).unwrap_err();
        assert!(error.starts_with("no group \"no-such-group\""), "{error}");
    }

    #[test]
    fn a_stale_pid_file_never_names_a_stranger() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let own = i32::try_from(process::id()).unwrap();
        let comm = std::fs::read_to_string("/proc/self/comm").unwrap();
        for (text, name, expected) in [
            (format!(" {own}\n"), comm.trim(), Some(own)),
            (format!("{own}"), "exim", None),
            ("junk".to_owned(), comm.trim(), None),
            ("0".to_owned(), comm.trim(), None),
            ("999999999".to_owned(), comm.trim(), None),
        ] {
            write(&file, &text);
            assert_eq!(running(&file, name), expected, "{text:?} {name}");
        }
        assert_eq!(running(&folder.path().join("none"), comm.trim()), None);
        assert!(!argv_of(own).is_empty());
    }

    #[test]
    fn a_link_and_a_managed_file_are_not_ours() {
        let folder = tempfile::tempdir().unwrap();
        let (plain, managed, link) =
            (folder.path().join("a"), folder.path().join("b"), folder.path().join("c"));
        write(&plain, "myhostname = x\n");
        write(&managed, "# Ansible managed\n");
        std::os::unix::fs::symlink(&plain, &link).unwrap();
        assert_eq!(by_hand(&plain), None);
        assert!(by_hand(&managed).unwrap().ends_with("is managed by Ansible"));
        assert!(by_hand(&link).unwrap().contains("is a link to"));
    }

    #[test]
    fn our_own_files_do_not_count_as_an_edit() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("mailcert");
        std::fs::create_dir(&own).unwrap();
        write(&own.join("x"), "");
        assert_eq!(newest(&[folder.path().to_owned()], &own), None);
        assert!(newest(&[folder.path().to_owned()], Path::new("/else")).is_some());
    }

    fn write(path: &Path, text: &str) {
        let access = std::fs::OpenOptions::new().create(true).write(true).truncate(true).open(path);
        std::io::Write::write_all(&mut access.unwrap(), text.as_bytes()).unwrap();
    }
}
