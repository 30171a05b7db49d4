//! An Exim relay and mailcert in containers of their own, as `examples/docker` has them: separate
//! mount and PID namespaces that share one directory.

use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

use crate::clients::{PORTS, gnutls, openssl};
use crate::mailcert::Ran;
use crate::world::daemons::run;
use crate::world::exim::{self, Layout};
use crate::world::{Wish, World, text};

const NAME: &str = "mx.theta.test";

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn a_renewed_certificate_is_served_by_an_exim_in_another_container_without_any_command() {
    let zone = vec![format!("theta MX 10 {NAME}."), "mx.theta A MACHINE".to_owned()];
    let mut world = World::without_mail(Wish { zone, ..Wish::default() });
    let address = world.postfix();
    let relay = start_relay(&mut world, address);
    let group = run("id", &["-g", "Debian-exim"]).trim().to_owned();
    world.write("mailcert.toml", &config(&world, address, &group), 0o600);

    // Neither sees the other: no process, no configuration, no log; and not the other's keys.
    let said = inside(&world, &["ls", text(&world.path("exim"))]);
    assert_eq!(said.stdout, "", "{said}");
    let said = inside(&world, &["pgrep", "exim4"]);
    assert_eq!((said.code, said.stdout.as_str()), (1, ""), "{said}");
    let said = run("nsenter", &["--mount", "--target", &relay, "ls", text(&world.path("state"))]);
    assert_eq!(said, "");

    let ran = mailcert(&world, &["run", "--json"]).exits(0);
    let proved = |ran: &Ran| {
        let endpoints = ran.json()["verify"]["endpoints"].as_array().cloned().unwrap_or_default();
        let proved = |port: u16| {
            endpoints.iter().any(|at| at["port"] == port && at["verdict"] == "accepted")
        };
        assert!([25, 465, 587].into_iter().all(proved), "{ran}");
        // Not only as what the DNS publishes here, but as what was installed for this server.
        let of_ours = ("prove".to_owned(), "exim theta.test".to_owned());
        let steps = crate::mailcert::steps(&ran.json());
        assert!(steps.contains(&of_ours), "{steps:?} {ran}");
    };
    proved(&ran);
    let file = world.path("volume").join(format!("{NAME}.pem")).metadata().unwrap();
    assert_eq!((file.mode() & 0o7777, file.uid(), file.gid().to_string()), (0o640, 0, group));
    let first = everybody_accepts(&world, address);

    // Another kind of key is another certificate; there is no `reload` in the configuration, and
    // no process to send a signal to.
    world.reconfigure("ecdsa-p256", "ecdsa-p384");
    let ran = mailcert(&world, &["run", "--json"]).exits(0);
    proved(&ran);
    let words: Vec<String> = crate::mailcert::steps(&ran.json()).into_iter().map(|s| s.0).collect();
    assert!(!words.iter().any(|word| word == "reload" || word == "check"), "{ran}");
    let second = everybody_accepts(&world, address);
    for (first, second) in first.iter().zip(&second) {
        assert_ne!(first, second, "the old one is still shown: {ran}");
    }

    let ran = mailcert(&world, &["run", "--json"]).exits(0);
    assert_eq!(crate::mailcert::steps(&ran.json()), [], "{ran}");
}

/// Starts Exim where nothing of mailcert's is to be seen but the volume, at Exim's own path.
/// Returns the pid that nsenter wants.
fn start_relay(world: &mut World, address: Ipv4Addr) -> String {
    world.directory_of("state", "root:root", 0o700);
    world.directory_of("volume", "root:Debian-exim", 0o750);
    let config = exim::prepare(world, "exim", Layout::Combined, address, NAME);
    let (state, volume) = (world.path("state"), world.path("volume"));
    let (own, binary) = (world.path("exim/tls"), exim::binary());
    let _ = std::fs::remove_file(own.join("default.pem"));
    let script = format!(
        "set -e; mount --bind {volume} {own}; mount -t tmpfs none {volume}; \
         mount -t tmpfs none {state}; exec {binary} -C {config} -bdf",
        volume = text(&volume),
        own = text(&own),
        state = text(&state),
        binary = text(&binary),
        config = text(&config),
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    let unshare = world.daemons.start(command.args(["sh", "-c", &script]), "exim.log", None);
    world.daemons.wait(address, &[25, 587, 465]);
    run("pgrep", &["-P", &unshare.to_string()]).trim().to_owned()
}

/// The sidecar's configuration: as in examples/docker, with the world's CA, DNS and addresses.
fn config(world: &World, address: Ipv4Addr, group: &str) -> String {
    let all = text(world.directory());
    format!(
        r#"[acme]
directory = "{ca}"
ca-file = "{all}/ca-https.pem"
agree-to-terms = true
key-types = ["ecdsa-p256"]
[challenge.http-01]
listen = ["{address}:80"]
[dns]
servers = ["{resolver}"]
[machine]
addresses = ["{address}"]
[state]
directory = "{all}/state"
[verify]
roots = "{all}/roots.pem"
[[domain]]
name = "theta.test"
[[exim]]
files-only = true
directory = "{all}/volume"
layout = "combined"
owner = 0
group = {group}
listen = ["{address}:25", "{address}:465", "{address}:587"]
"#,
        ca = world.ca(),
        resolver = world.resolver(),
    )
}

fn mailcert(world: &World, arguments: &[&str]) -> Ran {
    let config = world.path("mailcert.toml");
    let whole = [&[env!("CARGO_BIN_EXE_mailcert"), "-c", text(&config)], arguments].concat();
    inside(world, &whole)
}

/// Runs a program in the sidecar: processes of its own, and of Exim's files only the volume.
fn inside(world: &World, argv: &[&str]) -> Ran {
    let script = r#"mount -t tmpfs none "$1" && shift && exec "$@""#;
    let hidden = world.path("exim");
    let output = Command::new("timeout")
        .args(["-k", "5", "180", "unshare", "--mount", "--pid", "--fork", "--kill-child"])
        .args(["--mount-proc", "sh", "-c", script, "sidecar", text(&hidden)])
        .args(argv)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::null())
        .output()
        .expect("unshare is there");
    Ran::from(output)
}

/// Asks by all clients, with SNI and without; returns the certificate of each port.
fn everybody_accepts(world: &World, address: Ipv4Addr) -> Vec<String> {
    PORTS[..3]
        .iter()
        .map(|&port| {
            gnutls(world, address, port, Some(NAME), NAME).unwrap_or_else(|said| panic!("{said}"));
            let with = openssl(world, address, port, Some(NAME), NAME);
            let with = with.unwrap_or_else(|said| panic!("{said}"));
            let without = openssl(world, address, port, None, NAME);
            assert_eq!(without.as_ref(), Ok(&with));
            with
        })
        .collect()
}
