//! Who may write what mailcert believes: commands in the configuration run as root.

use std::path::Path;

/// Why the configuration file or the state directory at `path` cannot be trusted, as one sentence
/// with the command that mends it; `None` if it can.
///
/// `mode` and `uid` are those of the file (stat(2)); `caller` is the effective user. It must
/// belong to root or the caller, and nobody else may write to it, its group included.
#[must_use]
pub fn unsafe_access(path: &Path, mode: u32, uid: u32, caller: u32) -> Option<String> {
    let shown = path.display();
    if uid != 0 && uid != caller {
        let expected =
            if caller == 0 { "root".to_owned() } else { format!("root or you ({caller})") };
        return Some(format!(
            "{shown} belongs to user {uid}, expected {expected}; try `chown {caller} {}`",
            quoted(path)
        ));
    }
    let who = match (mode & 0o020 != 0, mode & 0o002 != 0) {
        (false, false) => return None,
        (true, false) => "its group",
        (_, true) => "everybody",
    };
    Some(format!(
        "{shown} can be written by {who} (mode {:04o}), expected its owner only; \
         try `chmod go-w {}`",
        mode & 0o7777,
        quoted(path)
    ))
}

/// Why the file of a secret at `path` cannot be used, as one sentence with the command that mends it;
/// `None` if it can. Whoever can write it is kept from it as from a configuration, and nobody but
/// its owner may read it, its group included.
#[must_use]
pub fn others_may_read(path: &Path, mode: u32, uid: u32, caller: u32) -> Option<String> {
    if let Some(why) = unsafe_access(path, mode, uid, caller) {
        return Some(why);
    }
    let who = match (mode & 0o040 != 0, mode & 0o004 != 0) {
        (false, false) => return None,
        (true, false) => "its group",
        (_, true) => "everybody",
    };
    Some(format!(
        "{} can be read by {who} (mode {:04o}), expected its owner only, since it holds a secret; \
         try `chmod 0600 {}`, and have the secret changed",
        path.display(),
        mode & 0o7777,
        quoted(path)
    ))
}

/// The path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    match text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+@=".contains(c)) {
        true => text,
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::{others_may_read, unsafe_access};
    use std::path::Path;

    #[test]
    fn only_root_and_the_caller_may_own_and_write() {
        let bad = |mode, uid, caller| {
            unsafe_access(Path::new("/etc/mailcert/mailcert.toml"), mode, uid, caller)
        };
        for (mode, uid, caller, expected) in [
            (0o100_644, 0, 0, None),
            (0o100_600, 0, 1000, None),
            (0o040_700, 1000, 1000, None),
            (
                0o100_666,
                0,
                0,
                Some(
                    "/etc/mailcert/mailcert.toml can be written by everybody (mode 0666), \
                     expected its owner only; try `chmod go-w /etc/mailcert/mailcert.toml`",
                ),
            ),
            (
                0o100_664,
                0,
                0,
                Some(
                    "/etc/mailcert/mailcert.toml can be written by its group (mode 0664), \
                     expected its owner only; try `chmod go-w /etc/mailcert/mailcert.toml`",
                ),
            ),
            (
                0o100_644,
                1000,
                0,
                Some(
                    "/etc/mailcert/mailcert.toml belongs to user 1000, expected root; try \
                     `chown 0 /etc/mailcert/mailcert.toml`",
                ),
            ),
            (
                0o100_644,
                33,
                1000,
                Some(
                    "/etc/mailcert/mailcert.toml belongs to user 33, expected root or you (1000); \
                     try `chown 1000 /etc/mailcert/mailcert.toml`",
                ),
            ),
        ] {
            assert_eq!(bad(mode, uid, caller).as_deref(), expected, "{mode:o} {uid} {caller}");
        }
    }

    #[test]
    fn a_secret_is_for_its_owner_alone() {
        let bad = |mode, uid| others_may_read(Path::new("/etc/mailcert/eab.key"), mode, uid, 0);
        assert_eq!((bad(0o100_600, 0), bad(0o100_400, 0)), (None, None));
        assert_eq!(
            bad(0o100_640, 0).as_deref(),
            Some(
                "/etc/mailcert/eab.key can be read by its group (mode 0640), expected its owner \
                 only, since it holds a secret; try `chmod 0600 /etc/mailcert/eab.key`, and have \
                 the secret changed"
            )
        );
        assert!(bad(0o100_644, 0).unwrap().contains("can be read by everybody"));
        assert!(bad(0o100_622, 0).unwrap().contains("can be written by everybody"));
        assert!(bad(0o100_600, 33).unwrap().contains("belongs to user 33"));
    }

    #[test]
    fn the_command_can_be_pasted_whatever_the_path() {
        let bad = unsafe_access(Path::new("/tmp/it's here"), 0o666, 0, 0).unwrap();
        assert!(bad.ends_with(r"try `chmod go-w '/tmp/it'\''s here'`"), "{bad}");
    }
}
