//! The Debian package: built as a maintainer would, installed into a clean Debian 12.
//!
//! `tests/run` brings cargo-deb and the tree (debootstrap); what it keeps is copied, so nothing of
//! a test is left in it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::mailcert::Ran;
use crate::world::daemons::run;
use crate::world::text;

#[test]
#[ignore = "needs cargo-deb and a tree of Debian 12; tests/run brings them"]
fn the_debian_package_installs_into_a_clean_tree_and_purges_to_the_state() {
    let tree = Tree::copied();
    let package = build(&tree);
    let clean = tree.files();

    let said = tree.run(&["dpkg", "--install", &package]).exits(0);
    said.says("mailcert: nothing runs by itself yet");
    let installed: BTreeSet<String> = tree.files().difference(&clean).cloned().collect();
    for file in [
        "usr/bin/mailcert",
        "usr/lib/systemd/system/mailcert.service",
        "usr/lib/systemd/system/mailcert.timer",
        "usr/lib/systemd/system/mailcert-watch.service",
        "usr/share/man/man1/mailcert-verify.1.gz",
        "usr/share/man/man5/mailcert.toml.5.gz",
        "usr/share/bash-completion/completions/mailcert",
        "usr/share/doc/mailcert/copyright",
        "usr/share/doc/mailcert/examples/full.toml",
        "etc/mailcert",
    ] {
        assert!(installed.contains(file), "no {file} in {installed:?}");
    }
    // Nothing is enabled: neither a link for systemd nor a line for cron.
    let outside = |file: &&String| !file.starts_with("usr/") && *file != "etc/mailcert";
    assert_eq!(installed.iter().filter(outside).collect::<Vec<_>>(), Vec::<&String>::new());
    let said = tree.run(&["dpkg", "--verify", "mailcert"]).exits(0);
    assert_eq!(said.stdout, "");

    tree.run(&["mailcert", "--version"]).exits(0).says(env!("CARGO_PKG_VERSION"));
    tree.run(&["mailcert", "check"]).exits(2).says("mailcert init");
    tree.run(&["mailcert", "init", "example.org"])
        .exits(0)
        .says("wrote /etc/mailcert/mailcert.toml");
    let said = tree.run(&["mailcert", "check", "--json"]).exits(3).json();
    assert_eq!(said["findings"][0]["code"], "no-server", "{said}");
    assert!(!tree.path("var/lib/mailcert").exists(), "check writes nothing");

    // What a run would leave.
    tree.run(&["install", "-d", "-m", "700", "/var/lib/mailcert"]).exits(0);
    let state = BTreeSet::from(["var/lib/mailcert".to_owned()]);

    // An upgrade (to itself) and a removal keep the configuration, a purge does not.
    tree.run(&["dpkg", "--install", &package]).exits(0);
    tree.run(&["dpkg", "--remove", "mailcert"]).exits(0);
    let left: BTreeSet<String> = tree.files().difference(&clean).cloned().collect();
    let kept = ["etc/mailcert", "etc/mailcert/mailcert.toml", "var/lib/mailcert"];
    assert_eq!(left, kept.map(str::to_owned).into());
    tree.run(&["dpkg", "--purge", "mailcert"]).exits(0).says("/var/lib/mailcert is left");
    let left: BTreeSet<String> = tree.files().difference(&clean).cloned().collect();
    assert_eq!(left, state);
    assert_eq!(clean.difference(&tree.files()).collect::<Vec<_>>(), Vec::<&String>::new());
}

/// Builds the package of the program under test; where it is in the tree.
fn build(tree: &Tree) -> String {
    let tool = cache("tools/bin/cargo-deb");
    let target = Path::new(env!("CARGO_BIN_EXE_mailcert")).ancestors().nth(2).unwrap();
    let output = Command::new(&tool)
        .args(["deb", "--no-build", "--profile", "dev", "--fast", "--no-dbgsym", "--output"])
        .arg(tree.path("root"))
        .env("CARGO_TARGET_DIR", target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}; tests/run installs it", tool.display()));
    let said = Ran::from(output).exits(0);
    let built = Path::new(said.stdout.trim());
    format!("/root/{}", built.file_name().unwrap_or_else(|| panic!("{said}")).to_str().unwrap())
}

/// What `tests/run` has brought.
fn cache(name: &str) -> PathBuf {
    let place = std::env::var_os("MAILCERT_PACKAGE");
    Path::new(&place.unwrap_or_else(|| "/var/cache/mailcert-tests/package".into())).join(name)
}

/// A Debian of one's own.
struct Tree(tempfile::TempDir);

impl Tree {
    fn copied() -> Self {
        let base = cache("bookworm");
        assert!(base.is_dir(), "no {}: tests/run makes it", base.display());
        let tree = Self(tempfile::tempdir().unwrap());
        run("cp", &["-a", "--reflink=auto", &format!("{}/.", text(&base)), text(tree.0.path())]);
        tree
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.0.path().join(relative)
    }

    /// Runs a program in it, without a network.
    fn run(&self, argv: &[&str]) -> Ran {
        let output = Command::new("timeout")
            .args(["-k", "5", "120", "unshare", "--mount", "--net", "--pid", "--fork"])
            .arg("--kill-child")
            .args(["chroot", text(self.0.path())])
            .args(argv)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .output();
        Ran::from(output.expect("unshare is there"))
    }

    /// Every path but the package itself and what dpkg writes for itself.
    fn files(&self) -> BTreeSet<String> {
        let found = run("find", &[text(self.0.path()), "-mindepth", "1", "-printf", "%P\n"]);
        let own = ["var/lib/dpkg/", "var/log/dpkg.log", "root/"];
        let others = found.lines().filter(|file| !own.iter().any(|own| file.starts_with(own)));
        others.map(str::to_owned).collect()
    }
}
