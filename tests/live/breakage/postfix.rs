//! Breakages of Postfix.

use std::fs;

use super::{Case, mended, one_name_is_mended_at_once};
use crate::fix::fix;
use crate::world::daemons::run;
use crate::world::{Exim, Wish, World, text};

const BETA: &str = "postfix/etc/mailcert/beta.test.pem";
const DEFAULT: &str = "postfix/etc/mailcert/default.pem";
/// Every name that Postfix serves.
const ALL: &[&str] = &["mx.alpha.test", "mail.alpha.test", "mail.beta.test"];

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn every_breakage_of_postfix_is_named_and_mended() {
    let world = World::start(Wish { exim: Exim::Combined, ..Wish::default() });
    fix(&world);
    mended(&world, CASES);
    one_name_is_mended_at_once(&world, "mail.beta.test", BETA);
}

/// Puts a text in beta's file and builds the map of it.
fn beta(world: &World, content: &str) {
    world.put(BETA, content);
    world.postmap(&["-F"]);
}

fn default(world: &World, content: &str) {
    world.put(DEFAULT, content);
    world.reload("postfix");
}

fn main_cf(world: &World, edits: &[&str]) {
    let etc = world.path("postfix/etc");
    for edit in edits {
        run("postconf", &["-c", text(&etc), "-e", edit]);
    }
    world.reload("postfix");
}

pub(super) const CASES: &[Case] = &[
    Case {
        what: "The certificate has expired",
        breaks: |world| {
            let pair = world.pair(&["mail.beta.test"], -3);
            world.keep("beta.test", &pair);
            beta(world, &pair.combined());
        },
        hit: &["mail.beta.test"],
        code: Some("expired"),
        cause: "issue beta.test for mail.beta.test because it has ended at",
    },
    Case {
        what: "An expired certificate was put back by hand",
        breaks: |world| beta(world, &world.pair(&["mail.beta.test"], -3).combined()),
        hit: &["mail.beta.test"],
        code: Some("expired"),
        cause: "on postfix because senders refuse what is there (expired)",
    },
    Case {
        what: "Key and certificate do not match",
        breaks: |world| {
            let (one, two) =
                (world.pair(&["mail.beta.test"], 60), world.pair(&["mail.beta.test"], 60));
            beta(world, &(one.key + &two.leaf + &two.middle));
        },
        hit: &["mail.beta.test"],
        code: Some("tls-alert"),
        cause: "key and certificate there do not match",
    },
    Case {
        what: "The chain is missing",
        breaks: |world| {
            let pair = world.pair(&["mail.beta.test"], 60);
            beta(world, &(pair.key + &pair.leaf));
        },
        hit: &["mail.beta.test"],
        code: Some("missing-intermediate"),
        cause: "senders refuse what is there (missing-intermediate)",
    },
    Case {
        what: "The file is in the wrong order",
        breaks: |world| {
            let pair = world.pair(&["mail.beta.test"], 60);
            beta(world, &(pair.leaf + &pair.middle + &pair.key));
        },
        hit: &["mail.beta.test"],
        code: Some("tls-alert"),
        cause: "the key there stands behind the certificate, and has to be first",
    },
    Case {
        what: "The issuer stands before the certificate",
        breaks: |world| {
            let pair = world.pair(&["mail.beta.test"], 60);
            beta(world, &(pair.key + &pair.middle + &pair.leaf));
        },
        hit: &["mail.beta.test"],
        code: Some("tls-alert"),
        cause: "the server's own certificate there stands behind another one",
    },
    Case {
        what: "Somebody's self-signed certificate took its place",
        breaks: |world| {
            beta(world, &world.snakeoil());
        },
        hit: &["mail.beta.test"],
        code: Some("self-signed"),
        cause: "senders refuse what is there (self-signed)",
    },
    Case {
        what: "The map is built without -F",
        breaks: |world| world.postmap(&[]),
        hit: ALL,
        code: Some("tls-alert"),
        cause: "the map there was built without postmap -F",
    },
    Case {
        what: "The map is gone",
        breaks: |world| {
            fs::remove_file(world.path("postfix/etc/mailcert/sni.lmdb")).unwrap();
            world.reload("postfix");
        },
        hit: ALL,
        code: Some("tls-alert"),
        cause: "install index on postfix because it is not there",
    },
    Case {
        what: "The file is gone, and postmap dropped the name without an error",
        breaks: |world| {
            fs::remove_file(world.path(BETA)).unwrap();
            world.postmap(&["-F"]);
        },
        hit: &["mail.beta.test"],
        code: Some("name-mismatch"),
        cause: "the map there lacks mail.beta.test",
    },
    Case {
        what: "The map is older than the file",
        breaks: |world| {
            let old = world.pair(&["mail.beta.test"], 60).combined();
            let new = world.read(BETA);
            beta(world, &old);
            world.put(BETA, &new);
        },
        hit: &[],
        code: None,
        cause: "the map there is older than the file of mail.beta.test",
    },
    Case {
        what: "The default certificate is garbage",
        breaks: |world| default(world, "-----BEGIN JUNK-----\n"),
        hit: ALL,
        code: Some("starttls-refused"),
        cause: "install default on postfix because what is there is no PEM that can be read",
    },
    Case {
        what: "The default certificate does not cover the MX names",
        breaks: |world| default(world, &world.read(BETA)),
        hit: &["mx.alpha.test"],
        code: Some("no-sni-differs"),
        cause: "install default on postfix because what is there is a certificate for mail.beta.test",
    },
    Case {
        what: "The lines in main.cf are gone",
        breaks: |world| {
            let etc = world.path("postfix/etc");
            for name in ["tls_server_sni_maps", "smtpd_tls_chain_files"] {
                run("postconf", &["-c", text(&etc), "-X", name]);
            }
            world.reload("postfix");
        },
        hit: ALL,
        code: Some("self-signed"),
        cause: "because the server does not use our files",
    },
    Case {
        what: "smtpd_tls_cert_file and smtpd_tls_chain_files are both set",
        breaks: |world| {
            let all = text(world.directory());
            world.write("both.pem", &world.snakeoil(), 0o600);
            let ours = text(&world.path(DEFAULT)).to_owned();
            let chain = format!("smtpd_tls_chain_files={all}/both.pem");
            main_cf(
                world,
                &[
                    &format!("smtpd_tls_cert_file={ours}"),
                    &format!("smtpd_tls_key_file={ours}"),
                    &chain,
                ],
            );
        },
        hit: &["mx.alpha.test"],
        code: Some("no-sni-differs"),
        cause: "because the server does not use our files",
    },
    Case {
        what: "A service in master.cf has its own certificate",
        breaks: |world| {
            let (etc, all) = (world.path("postfix/etc"), text(world.directory()).to_owned());
            let service = format!("{}:587/inet", world.postfix());
            world.write("both.pem", &world.snakeoil(), 0o600);
            run(
                "postconf",
                &[
                    "-c",
                    text(&etc),
                    "-P",
                    &format!("{service}/smtpd_tls_chain_files={all}/both.pem"),
                ],
            );
            run("postconf", &["-c", text(&etc), "-P", &format!("{service}/tls_server_sni_maps=")]);
            world.reload("postfix");
        },
        hit: ALL,
        code: Some("self-signed"),
        cause: "master.cf sets `-o smtpd_tls_chain_files=",
    },
    Case {
        what: "Others can read the map",
        breaks: |world| world.chmod("postfix/etc/mailcert/sni.lmdb", 0o644),
        hit: &[],
        code: None,
        cause: "because its key could be read by others",
    },
    Case {
        what: "Others can read a key again, within a week",
        breaks: |world| world.chmod(BETA, 0o644),
        hit: &[],
        code: None,
        cause: "within a week of the last new key",
    },
];
