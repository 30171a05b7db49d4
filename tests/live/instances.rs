//! Several instances of one server in one configuration: files, maps, checks, reloads and proofs
//! stay apart.

use std::fs;
use std::net::Ipv4Addr;

use crate::clients::{PORTS, everything_verifies, openssl};
use crate::mailcert::steps;
use crate::world::{Exim, Wish, World, dovecot, exim, postfix, text};

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn two_postfix_two_exim_and_two_dovecot_stay_apart() {
    let mut world = World::start(Wish { exim: Exim::Combined, ..Wish::default() });
    let (three, four) = (world.address(30), world.address(40));
    dovecot::instance(&mut world, "2", &[three]);
    postfix::instance(&mut world, "2", three, "mx.epsilon.test");
    exim::instance(&mut world, "exim2", Exim::Combined, four, "mx.zeta.test");
    world.add_to_zone(&[
        "epsilon MX 10 mx.epsilon".to_owned(),
        format!("mx.epsilon A {three}"),
        "_imaps._tcp.epsilon SRV 0 1 993 mx.epsilon".to_owned(),
        "_submissions._tcp.epsilon SRV 0 1 465 mx.epsilon".to_owned(),
        "zeta MX 10 mx.zeta".to_owned(),
        format!("mx.zeta A {four}"),
    ]);
    add_tables(&world, three, four);

    let ran = world.mailcert(&["fix", "--yes", "--json"]).exits(0);
    everything_verifies(&world);
    let shown = |name: &str, address, ports: &[(u16, Option<&str>)]| -> Vec<String> {
        let show = |&port: &_| openssl(&world, address, port, Some(name), name);
        ports.iter().map(|port| show(port).unwrap_or_else(|said| panic!("{said}{ran}"))).collect()
    };
    let first = shown("mx.epsilon.test", three, PORTS);
    shown("mx.zeta.test", four, &PORTS[..3]);
    each_uses_its_own_files(&world);
    let reloaded = |ran: &crate::mailcert::Ran, word: &str| -> Vec<String> {
        let steps = steps(&ran.json()).into_iter().filter(|(action, _)| action == word);
        steps.map(|(_, subject)| subject).collect()
    };
    for id in ["postfix/etc", "postfix2/etc", "dovecot/dovecot.conf", "dovecot2/dovecot.conf"] {
        let told = reloaded(&ran, "reload");
        assert!(told.iter().any(|subject| subject.ends_with(id)), "{id}: {told:?} {ran}");
    }

    // What is damaged in one is mended in that one alone.
    let default = world.path("postfix2/etc/mailcert/default.pem");
    fs::remove_file(&default).unwrap();
    let ran = world.mailcert(&["run", "--json"]).exits(0);
    let touched = steps(&ran.json());
    let second = |(_, subject): &&(String, String)| !subject.contains("postfix2/etc");
    assert_eq!(touched.iter().find(second), None, "{ran}");
    assert_eq!(reloaded(&ran, "reload").len(), 1, "{ran}");
    assert!(default.exists());
    assert_eq!(shown("mx.epsilon.test", three, PORTS), first);

    let ran = world.mailcert(&["run", "--json"]).exits(0);
    assert_eq!(steps(&ran.json()), [], "{ran}");
}

fn add_tables(world: &World, three: Ipv4Addr, four: Ipv4Addr) {
    let (one, two) = (world.postfix(), world.exim());
    world.reconfigure(
        &format!("listen = [\"{one}:80\", \"{two}:80\"]"),
        &format!("listen = [\"{one}:80\", \"{two}:80\", \"{three}:80\", \"{four}:80\"]"),
    );
    world.reconfigure(
        &format!("addresses = [\"{one}\", \"{two}\"]"),
        &format!("addresses = [\"{one}\", \"{two}\", \"{three}\", \"{four}\"]"),
    );
    let all = text(world.directory());
    let tables = format!(
        r#"[[domain]]
name = "epsilon.test"
[[domain]]
name = "zeta.test"
[[postfix]]
config-directory = "{all}/postfix2/etc"
map-type = "hash"
reload = ["postfix", "-c", "{all}/postfix2/etc", "reload"]
[[exim]]
binary = "{exim}"
config-file = "{all}/exim2/exim.conf"
directory = "{all}/exim2/tls"
group = "Debian-exim"
reload = ["sh", "-c", "kill -HUP $(cat {all}/exim2/exim.pid)"]
[[dovecot]]
config-file = "{all}/dovecot2/dovecot.conf"
reload = ["doveadm", "-c", "{all}/dovecot2/dovecot.conf", "reload"]
"#,
        exim = world.exim_binary().display(),
    );
    let config = world.read("mailcert.toml") + &tables;
    world.write("mailcert.toml", &config, 0o600);
}

fn each_uses_its_own_files(world: &World) {
    for (own, other, map) in
        [("postfix", "postfix2", "sni.lmdb"), ("postfix2", "postfix", "sni.db")]
    {
        let main = world.read(&format!("{own}/etc/main.cf"));
        assert!(main.contains(&format!("/{own}/etc/mailcert/sni")), "{main}");
        assert!(!main.contains(&format!("/{other}/etc/")), "{main}");
        assert!(world.path(&format!("{own}/etc/mailcert/{map}")).exists(), "{own} {map}");
    }
    for (own, other) in [("dovecot", "dovecot2"), ("dovecot2", "dovecot")] {
        let drop_in = world.read(&format!("{own}/mailcert/mailcert.conf"));
        assert!(drop_in.contains(&format!("/{own}/mailcert/default.pem")), "{drop_in}");
        assert!(!drop_in.contains(&format!("/{other}/")), "{drop_in}");
    }
    for own in ["exim", "exim2"] {
        assert!(world.path(&format!("{own}/tls/mx.zeta.test.pem")).exists(), "{own}");
    }
}
