//! The move to another machine, by the command of the README: no certificate is ordered again.

use crate::clients::everything_verifies;
use crate::fix::fix;
use crate::mailcert::steps;
use crate::tree::keys_are_private;
use crate::world::daemons::run;
use crate::world::{Wish, World, text};

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn another_machine_shows_what_was_moved_without_an_order() {
    let world = World::start(Wish::default());
    let all = text(world.directory()).to_owned();
    // What another machine's servers have before mailcert comes: their configuration.
    let theirs = "postfix/etc dovecot/dovecot.conf exim/exim.conf exim/tls";
    let sh = |script: &str| run("sh", &["-c", &format!("set -e; cd {all}; {script}")]);
    sh(&format!("mkdir fresh old; cp -a --parents {theirs} fresh"));
    fix(&world);

    // The machine that was: its state and configuration, and nothing of them here.
    sh(&format!("mv state mailcert.toml old; rm -rf dovecot/mailcert {theirs}; cp -a fresh/. ."));
    let readme = include_str!("../../README.md");
    let command = readme.lines().find(|line| line.contains("ssh old.example.org ")).unwrap();
    let moved = command
        .replace("ssh old.example.org ", "sh -c ")
        .replace("tar -C / -cz etc/mailcert var/lib/mailcert", "tar -C old -cz mailcert.toml state")
        .replace("tar -C / -xzp", "tar -C . -xzp");
    assert!(!moved.contains(" / "), "{moved}");
    sh(&moved);

    let answer = world.mailcert(&["fix", "--yes", "--json"]).exits(0).json();
    let done = steps(&answer);
    assert!(!done.iter().any(|(action, _)| action == "issue"), "{done:?}");
    assert!(done.iter().any(|(action, _)| action == "install"), "{done:?}");
    everything_verifies(&world);
    keys_are_private(&world);

    // What can be undone is this machine's, not the other's.
    world.mailcert(&["setup", "--undo", "--yes"]).exits(0);
    for file in ["postfix/etc/main.cf", "dovecot/dovecot.conf", "exim/exim.conf"] {
        assert_eq!(world.read(file), world.read(&format!("fresh/{file}")), "{file}");
    }
}
