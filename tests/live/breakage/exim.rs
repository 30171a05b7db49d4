//! Breakages of Exim.

use std::fs;

use super::{Case, mended, one_name_is_mended_at_once};
use crate::clients::{PORTS, names, openssl};
use crate::fix::fix;
use crate::world::daemons::run;
use crate::world::{Exim, Wish, World, text};

const MAIL: &str = "exim/tls/mail.gamma.test.pem";
const DEFAULT: &str = "exim/tls/default.pem";
/// Every name that Exim serves.
const ALL: &[&str] = &["mx.gamma.test", "mail.gamma.test", "mail.delta.test"];

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn every_breakage_of_exim_is_named_and_mended() {
    let world = World::start(Wish { exim: Exim::Combined, ..Wish::default() });
    fix(&world);
    mended(&world, CASES);
    names_in_any_case_get_their_own(&world);
    one_name_is_mended_at_once(&world, "mail.gamma.test", MAIL);
}

/// Clients may write a name as they like (RFC 6066 section 3): Exim's dsearch compares letters.
fn names_in_any_case_get_their_own(world: &World) {
    for (name, address) in names(world) {
        let sni: String = name
            .chars()
            .enumerate()
            .map(|(at, c)| if at % 2 == 0 { c.to_ascii_uppercase() } else { c })
            .collect();
        for &port in PORTS {
            let said = openssl(world, address, port, Some(&sni), name);
            assert!(said.is_ok(), "{sni} on {port:?}: {}", said.unwrap_err());
        }
    }
}

pub(super) const CASES: &[Case] = &[
    Case {
        what: "Exim may not read the key",
        breaks: |world| {
            run("chown", &["root:root", text(&world.path(MAIL))]);
            world.chmod(MAIL, 0o600);
        },
        hit: &["mail.gamma.test"],
        code: Some("tls-alert"),
        cause: "its owner, group or mode is not as it should be",
    },
    Case {
        what: "Exim may not list its directory (dsearch)",
        breaks: |world| world.chmod("exim/tls", 0o710),
        hit: ALL,
        code: Some("starttls-refused"),
        cause: "because it cannot list it, and finds no certificate there",
    },
    Case {
        what: "Exim's default certificate is garbage",
        breaks: |world| world.put(DEFAULT, "-----BEGIN JUNK-----\n"),
        hit: ALL,
        code: Some("starttls-refused"),
        cause: "install default on exim because what is there is no PEM that can be read",
    },
    Case {
        what: "Exim's key and certificate do not match",
        breaks: |world| {
            let (one, two) =
                (world.pair(&["mail.gamma.test"], 60), world.pair(&["mail.gamma.test"], 60));
            world.put(MAIL, &(one.key + &two.leaf + &two.middle));
        },
        hit: &["mail.gamma.test"],
        code: Some("tls-alert"),
        cause: "key and certificate there do not match",
    },
    Case {
        what: "Exim's chain is missing",
        breaks: |world| {
            let pair = world.pair(&["mail.gamma.test"], 60);
            world.put(MAIL, &(pair.key + &pair.leaf));
        },
        hit: &["mail.gamma.test"],
        code: Some("missing-intermediate"),
        cause: "senders refuse what is there (missing-intermediate)",
    },
    Case {
        what: "Exim shows an expired certificate",
        breaks: |world| world.put(MAIL, &world.pair(&["mail.gamma.test"], -3).combined()),
        hit: &["mail.gamma.test"],
        code: Some("expired"),
        cause: "senders refuse what is there (expired)",
    },
    Case {
        what: "Somebody's self-signed certificate took its place in Exim",
        breaks: |world| world.put(MAIL, &world.snakeoil()),
        hit: &["mail.gamma.test"],
        code: Some("self-signed"),
        cause: "senders refuse what is there (self-signed)",
    },
    Case {
        what: "The file of a name is gone, and Exim shows the default",
        breaks: |world| fs::remove_file(world.path("exim/tls/mail.delta.test.pem")).unwrap(),
        hit: &["mail.delta.test"],
        code: Some("name-mismatch"),
        cause: "install delta.test version 1 on exim because it is not there",
    },
    Case {
        what: "Exim's option names a fixed path, which it caches for 5 s",
        breaks: |world| {
            let own = text(&world.path(DEFAULT)).to_owned();
            let config = world.read("exim/exim.conf");
            let option = config.lines().find(|line| line.starts_with("tls_certificate")).unwrap();
            let fixed = config.replace(option, &format!("tls_certificate = {own}"));
            world.put("exim/exim.conf", &fixed);
            world.reload("exim");
        },
        hit: &["mail.delta.test"],
        code: Some("name-mismatch"),
        cause: "hook our files into the configuration of exim because the server does not use",
    },
    Case {
        what: "Others can read a key of Exim",
        breaks: |world| world.chmod(MAIL, 0o644),
        hit: &[],
        code: None,
        cause: "because its key could be read by others",
    },
];
