//! What `check` finds around real servers: exactly that, and nothing once it is cured.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use crate::fix::fix;
use crate::mailcert::Ran;
use crate::world::daemons::run;
use crate::world::{Exim, Wish, World, text};

/// Each finding as `LEVEL CODE SUBJECT`, sorted.
fn found(ran: &Ran) -> Vec<String> {
    let answer = ran.json();
    let findings = answer["findings"].as_array().expect("findings");
    let word = |finding: &serde_json::Value, key: &str| {
        finding[key].as_str().unwrap_or_default().to_owned()
    };
    let mut all: Vec<String> = findings
        .iter()
        .map(|one| [word(one, "level"), word(one, "code"), word(one, "subject")].join(" "))
        .collect();
    all.sort();
    all
}

fn check(world: &World) -> Ran {
    world.mailcert(&["check", "--json"])
}

/// A fresh Postfix delivers in the clear, and its defaults allow TLS 1.0; nothing else is wrong
/// with any of the three, before mailcert came nor after; but that the Exim expression that many took
/// over in 2020 minds capitals.
#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn fresh_servers_give_exactly_the_expected_findings_and_cured_ones_none() {
    let world = World::start(Wish::default());
    let fresh = [
        "note old-protocol-allowed postfix",
        "note old-protocol-allowed postfix",
        "note sni-case exim",
        "warn outbound-tls-off postfix",
    ];
    assert_eq!(found(&check(&world).exits(3)), fresh);
    fix(&world);
    assert_eq!(found(&check(&world).exits(3)), fresh);

    let config = world.path("postfix/etc");
    let cures = [
        "smtp_tls_security_level = may",
        "smtpd_tls_protocols = >=TLSv1.2",
        "smtpd_tls_mandatory_protocols = >=TLSv1.2",
    ];
    for cure in cures {
        run("postconf", &["-c", text(&config), "-e", cure]);
    }
    let exim = world.read("exim/exim.conf");
    world.write("exim/exim.conf", &exim.replace("${tls_sni}", "${lc:$tls_in_sni}"), 0o644);
    assert_eq!(found(&check(&world).exits(0)), [""; 0]);
}

/// The settings are put in as an admin would, and read by the servers' own programs.
#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn what_is_spoilt_in_real_configurations_is_found() {
    let world = World::start(Wish { exim: Exim::Combined, ..Wish::default() });
    fs::set_permissions(world.path("snakeoil.key"), Permissions::from_mode(0o644)).expect("chmod");
    fs::set_permissions(world.directory(), Permissions::from_mode(0o755)).expect("chmod");
    let config = world.path("postfix/etc");
    for line in ["smtpd_tls_security_level =", "smtp_tls_cert_file = $smtpd_tls_cert_file"] {
        run("postconf", &["-c", text(&config), "-e", line]);
    }
    let exim = world.read("exim/exim.conf");
    let transport = "begin transports\nremote_smtp:\n  driver = smtp\n  hosts_avoid_tls = *\n";
    let exim = exim.replace("begin transports\n", transport);
    world.write("exim/exim.conf", &("tls_ocsp_file = /nonexistent\n".to_owned() + &exim), 0o644);
    let (address, all) = (world.postfix(), text(world.directory()));
    let block = format!(
        "local {address} {{\n  ssl_cert = <{all}/snakeoil.pem\n  ssl_key = <{all}/snakeoil.key\n}}\n\
         ssl_min_protocol = TLSv1\n"
    );
    let dovecot = world.read("dovecot/dovecot.conf") + &block;
    world.write("dovecot/dovecot.conf", &dovecot, 0o644);

    assert_eq!(
        found(&check(&world).exits(3)),
        [
            "note old-protocol-allowed dovecot",
            "note old-protocol-allowed postfix",
            "note old-protocol-allowed postfix",
            "warn client-certificate postfix",
            "warn filter-conflict dovecot",
            "warn inbound-tls-off postfix",
            "warn key-exposed dovecot",
            "warn key-exposed postfix",
            "warn ocsp-leftover exim",
            "warn outbound-tls-off exim",
            "warn outbound-tls-off postfix",
        ]
    );
    let name = format!("local_name a.test {{\n  ssl_cert = <{all}/snakeoil.pem\n}}\n");
    world.write("dovecot/dovecot.conf", &(dovecot + &name), 0o644);
    let found = found(&check(&world).exits(1));
    assert!(found.contains(&"fail filter-conflict dovecot".to_owned()), "{found:?}");
}
