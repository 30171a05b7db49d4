//! Breakages of Dovecot.

use std::fs;

use super::{Case, mended};
use crate::clients::openssl;
use crate::fix::fix;
use crate::world::{Exim, Wish, World};

const BETA: &str = "dovecot/mailcert/beta.test.pem";

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn every_breakage_of_dovecot_is_named_and_mended() {
    let world = World::start(Wish { exim: Exim::Combined, ..Wish::default() });
    fix(&world);
    mended(&world, CASES);
}

/// Puts a text in beta's file, and has Dovecot read it.
fn beta(world: &World, content: &str) {
    world.put(BETA, content);
    world.reload("dovecot");
    // The process that reads the files is started by the first client.
    let port = (993, None);
    drop(openssl(world, world.postfix(), port, Some("mail.beta.test"), "mail.beta.test"));
}

pub(super) const CASES: &[Case] = &[
    Case {
        what: "Dovecot still shows the old certificate though the files are new",
        breaks: |world| {
            let new = world.read(BETA);
            beta(world, &world.pair(&["mail.beta.test"], 60).combined());
            world.put(BETA, &new);
        },
        hit: &[],
        code: None,
        cause: "reload dovecot because the server still shows another certificate",
    },
    Case {
        what: "Dovecot shows an expired certificate",
        breaks: |world| beta(world, &world.pair(&["mail.beta.test"], -3).combined()),
        hit: &["mail.beta.test"],
        code: Some("expired"),
        cause: "senders refuse what is there (expired)",
    },
    Case {
        what: "Dovecot's key and certificate do not match",
        breaks: |world| {
            let (one, two) =
                (world.pair(&["mail.beta.test"], 60), world.pair(&["mail.beta.test"], 60));
            beta(world, &(one.key + &two.leaf + &two.middle));
        },
        hit: &["mail.beta.test"],
        code: Some("connection-closed"),
        cause: "key and certificate there do not match",
    },
    Case {
        what: "Dovecot's default certificate is garbage",
        breaks: |world| {
            world.put("dovecot/mailcert/default.pem", "-----BEGIN JUNK-----\n");
            world.reload("dovecot");
        },
        hit: EVERYBODY,
        code: None,
        cause: "install default on dovecot because what is there is no PEM that can be read",
    },
    Case {
        what: "A file that Dovecot names is gone: it refuses to read anything anew",
        breaks: |world| fs::remove_file(world.path(BETA)).unwrap(),
        hit: &[],
        code: None,
        cause: "install beta.test version 1 on dovecot because it is not there",
    },
    Case {
        what: "The line in dovecot.conf is gone",
        breaks: |world| {
            let config = world.read("dovecot/dovecot.conf");
            let line = config.lines().find(|line| line.starts_with("!include_try")).unwrap();
            world.put("dovecot/dovecot.conf", &config.replace(line, ""));
            world.reload("dovecot");
        },
        hit: EVERYBODY,
        code: Some("self-signed"),
        cause: "hook our files into the configuration of dovecot",
    },
];

const EVERYBODY: &[&str] = &[
    "mx.alpha.test",
    "mail.alpha.test",
    "mail.beta.test",
    "mx.gamma.test",
    "mail.gamma.test",
    "mail.delta.test",
];
