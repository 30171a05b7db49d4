//! Debian 13's programs in a mount namespace whose /usr is the tree that `tests/run` unpacked:
//! Dovecot 2.4, Postfix 3.10, Exim 4.98. The machine's own /usr is left alone.

use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use crate::world::{World, text};

/// Where that tree is.
pub(crate) fn place() -> PathBuf {
    std::env::var_os("MAILCERT_TRIXIE")
        .map_or_else(|| "/var/cache/mailcert-tests/trixie".into(), PathBuf::from)
}

/// Has the servers that start from now on, and mailcert, run there.
pub(crate) fn enter(world: &mut World) {
    let tree = place();
    assert!(tree.join("usr/sbin/dovecot").exists(), "{}: tests/run unpacks it", tree.display());
    let script = format!("mount --bind {}/usr /usr && exec sleep infinity", text(&tree));
    let mut command = Command::new("unshare");
    let pid = world.daemons.start(command.args(["--mount", "sh", "-c", &script]), "usr.log", None);
    world.inside = Some(pid);
    for _ in 0..500 {
        let said = world.program("dovecot".as_ref()).arg("--version").output().expect("it runs");
        if said.stdout.starts_with(b"2.4.") {
            return;
        }
        sleep(Duration::from_millis(10));
    }
    panic!("Debian 13's programs do not run");
}
