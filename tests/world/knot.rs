//! Knot, authoritative for `test.`: the whole DNS of the world.

use std::process::Command;

use crate::world::{World, daemons::run, text};

/// The secret of the key `mailcert`, which may change TXT and TLSA records: 32 times `k`.
pub(crate) const SECRET: &str = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=";

pub(crate) fn start(world: &mut World) {
    let directory = world.directory_of("knot", "root:root", 0o755);
    world.directory_of("knot/db", "root:root", 0o700);
    world.directory_of("knot/run", "root:root", 0o755);
    let (directory, address) = (text(&directory), world.block.address(53));
    let signing = if world.wish.signed { "on" } else { "off" };
    let config = format!(
        r#"server:
    rundir: "{directory}/run"
    listen: {address}@53
    automatic-acl: off
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stdout
    any: info
database:
    storage: "{directory}/db"
key:
  - id: mailcert
    algorithm: hmac-sha256
    secret: {SECRET}
acl:
  - id: update
    key: mailcert
    action: update
    update-type: [TXT, TLSA]
policy:
  - id: fast
    algorithm: ecdsap256sha256
    single-type-signing: on
    nsec3: off
zone:
  - domain: test.
    file: "{directory}/test.zone"
    zonefile-sync: -1
    zonefile-load: difference
    journal-content: all
    acl: update
    dnssec-signing: {signing}
    dnssec-policy: fast
"#
    );
    let config = world.write("knot/knot.conf", &config, 0o644);
    let zone = zone(world);
    world.write("knot/test.zone", &zone, 0o644);
    world.daemons.start(Command::new("knotd").arg("-c").arg(config), "knot.log", None);
    world.daemons.wait(address, &[53]);
}

/// Adds lines to the zone and waits until they are served.
pub(crate) fn add(world: &mut World, lines: &[String]) {
    world.serial += 1;
    let next = format!(" {} 1 1 1 1", world.serial + 1);
    let zone = world.read("knot/test.zone").replace(&format!(" {} 1 1 1 1", world.serial), &next);
    world.write("knot/test.zone", &format!("{zone}{}\n", lines.join("\n")), 0o644);
    let config = world.path("knot/knot.conf");
    run("knotc", &["-b", "-c", text(&config), "zone-reload", "test."]);
}

/// The DS records of the signed zone, as trust anchors.
pub(crate) fn trust_anchors(world: &World) -> Vec<String> {
    let config = world.path("knot/knot.conf");
    let said = run("keymgr", &["-c", text(&config), "test.", "ds"]);
    said.lines().filter(|line| line.contains(" 13 2 ")).map(str::to_owned).collect()
}

fn zone(world: &World) -> String {
    let (dns, one, two) = (world.block.address(53), world.postfix(), world.exim());
    let mut zone = format!(
        "$ORIGIN test.
$TTL 1
@ SOA ns hostmaster 1 1 1 1 1
@ NS ns
ns A {dns}
"
    );
    // Two domains on Postfix, two on Exim; one of each has its MX and its clients apart.
    for (domain, machine, mx) in
        [("alpha", one, "mx"), ("beta", one, "mail"), ("gamma", two, "mx"), ("delta", two, "mail")]
    {
        zone += &format!("{domain} MX 10 {mx}.{domain}\nmail.{domain} A {machine}\n");
        if mx != "mail" {
            zone += &format!("{mx}.{domain} A {machine}\n");
        }
        let services = [("submission", 587), ("submissions", 465), ("imap", 143), ("imaps", 993)];
        for (service, port) in services {
            zone += &format!("_{service}._tcp.{domain} SRV 0 1 {port} mail.{domain}\n");
        }
        zone += &format!("_pop3._tcp.{domain} SRV 0 0 0 .\n");
    }
    for line in &world.wish.zone {
        zone += &format!("{}\n", line.replace("MACHINE", &one.to_string()));
    }
    zone
}
