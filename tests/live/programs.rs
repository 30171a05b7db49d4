//! `[[files]]` with the programs themselves: nginx, HAProxy and OpenSMTPD of Debian 13.

use std::net::Ipv4Addr;
use std::thread::sleep;
use std::time::Duration;

use crate::clients::{gnutls, openssl};
use crate::mailcert::steps;
use crate::world::daemons::run;
use crate::world::{Wish, World, text};

const MX: &str = "mx.kappa.test";
const WEB: &str = "mta-sts.kappa.test";
/// Where each answers, and by which name it is asked.
const PLACES: [(u16, Option<&str>, &str); 4] =
    [(443, None, WEB), (993, None, MX), (25, Some("smtp"), MX), (465, None, MX)];

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn nginx_haproxy_and_opensmtpd_show_what_was_written_and_what_was_renewed() {
    let mut world = World::start(Wish { trixie: true, ..Wish::default() });
    let at = world.address(30);
    world.add_to_zone(&[
        "kappa MX 10 mx.kappa".to_owned(),
        "_imaps._tcp.kappa SRV 0 1 993 mx.kappa".to_owned(),
        format!("mx.kappa A {at}"),
        format!("mta-sts.kappa A {at}"),
    ]);
    write_configurations(&world, at);
    add_tables(&world, at);

    // OpenSMTPD, which can only be restarted, is started by that; the others follow.
    let told = world.path("smtpd.pid");
    world.daemons.at_the_end(&format!("kill $(cat {})", text(&told)));
    let ran = world.mailcert(&["run", "--json"]);
    assert!(world.path("nginx/kappa.test.crt").exists(), "{ran}");
    for (program, arguments) in [("nginx", &["-c"][..]), ("haproxy", &["-W", "-q", "-f"])] {
        let mut command = world.program(program.as_ref());
        command.args(arguments).arg(world.path(&format!("{program}.conf")));
        let pid = world.daemons.start(&mut command, &format!("{program}.log"), None);
        world.write(&format!("{program}.pid"), &pid.to_string(), 0o644);
    }
    world.daemons.wait(at, &[443, 993, 25, 465]);
    let first = everybody_accepts(&world, at);
    let ran = world.mailcert(&["fix", "kappa.test", "--yes", "--json"]);
    assert!(!steps(&ran.json()).iter().any(|step| step.0 == "issue"), "{ran}");
    let served = |port: u16| {
        let endpoints = ran.json()["verify"]["endpoints"].as_array().cloned().unwrap_or_default();
        endpoints
            .iter()
            .any(|seen| seen["host"] == MX && seen["port"] == port && seen["verdict"] == "accepted")
    };
    assert!(served(993) && served(25) && served(465), "{ran}");

    world.reconfigure("ecdsa-p256", "ecdsa-p384");
    let ran = world.mailcert(&["run", "--json"]);
    let steps = steps(&ran.json());
    for program in ["nginx", "haproxy", "opensmtpd"] {
        for action in ["check", "reload"] {
            let step = (action.to_owned(), format!("files:{program}"));
            assert!(steps.contains(&step), "{step:?} {ran}");
        }
    }
    // nginx and HAProxy serve with old processes for a moment.
    sleep(Duration::from_millis(500));
    let second = everybody_accepts(&world, at);
    for ((first, second), place) in first.iter().zip(&second).zip(PLACES) {
        assert_ne!(first, second, "{place:?} shows the old one: {ran}");
    }
}

fn write_configurations(world: &World, at: Ipv4Addr) {
    let all = text(world.directory());
    let one = world.postfix();
    let nginx = format!(
        "daemon off;\npid {all}/nginx.own;\nerror_log {all}/nginx.errors;\nevents {{}}\nhttp {{\n  \
         access_log off;\n  server {{\n    listen {at}:443 ssl;\n    server_name {WEB};\n    \
         ssl_certificate {all}/nginx/kappa.test.crt;\n    \
         ssl_certificate_key {all}/nginx/kappa.test.key;\n  }}\n}}\n"
    );
    world.write("nginx.conf", &nginx, 0o644);
    let haproxy = format!(
        "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
         listen imaps\n  bind {at}:993 ssl crt {all}/haproxy/default.pem crt {all}/haproxy/\n  \
         server dovecot {one}:143\n"
    );
    world.write("haproxy.conf", &haproxy, 0o644);
    let smtpd = format!(
        "pki \"{MX}\" cert \"{all}/opensmtpd/kappa.test.crt\"\n\
         pki \"{MX}\" key \"{all}/opensmtpd/kappa.test.key\"\n\
         listen on {at} port 25 tls pki \"{MX}\"\n\
         listen on {at} port 465 smtps pki \"{MX}\" auth\n\
         listen on {at} port 587 tls-require pki \"{MX}\" auth\n\
         action \"relay\" relay\nmatch from any for any action \"relay\"\n"
    );
    world.write("smtpd.conf", &smtpd, 0o600);
    // OpenSMTPD's own directories are compiled in; the namespace has its own of them.
    let pid = world.inside.expect("Debian 13 is in a namespace").to_string();
    let script = "for at in /var/lib /var/spool /run; do mount -t tmpfs -o mode=755 none $at; done; \
                  mkdir -p /var/lib/nginx /var/lib/opensmtpd/empty /var/spool/smtpd; \
                  chmod 711 /var/lib/opensmtpd/empty /var/spool/smtpd";
    run("nsenter", &["--mount", "--target", &pid, "sh", "-c", script]);
    for (program, script) in [
        ("nginx", format!("[ ! -e {all}/nginx.pid ] || kill -HUP $(cat {all}/nginx.pid)")),
        ("haproxy", format!("[ ! -e {all}/haproxy.pid ] || kill -USR2 $(cat {all}/haproxy.pid)")),
        (
            "smtpd",
            format!(
                "if [ -e {all}/smtpd.pid ]; then old=$(cat {all}/smtpd.pid); kill $old; \
             while kill -0 $old 2>/dev/null; do sleep 0.05; done; fi\n\
             setsid smtpd -d -f {all}/smtpd.conf >>{all}/smtpd.log 2>&1 </dev/null &\n\
             echo $! >{all}/smtpd.pid\n\
             until grep -q starting {all}/smtpd.log; do sleep 0.05; done; sleep 0.3"
            ),
        ),
    ] {
        world.write(&format!("tell-{program}"), &format!("#!/bin/sh\n{script}\n"), 0o755);
    }
}

fn add_tables(world: &World, at: Ipv4Addr) {
    let (one, two) = (world.postfix(), world.exim());
    let before = format!("\"{one}:80\", \"{two}:80\"");
    world.reconfigure(&before, &format!("{before}, \"{at}:80\""));
    world.reconfigure(
        &format!("addresses = [\"{one}\", \"{two}\"]"),
        &format!("addresses = [\"{one}\", \"{two}\", \"{at}\"]"),
    );
    let all = text(world.directory());
    let tables = format!(
        r#"[[domain]]
name = "kappa.test"
hosts = ["{WEB}"]
[[files]]
name = "nginx"
key = "{all}/nginx/{{name}}.key"
chain = "{all}/nginx/{{name}}.crt"
check = ["nginx", "-q", "-t", "-c", "{all}/nginx.conf"]
reload = ["{all}/tell-nginx"]
[[files]]
name = "haproxy"
combined = "{all}/haproxy/{{name}}.pem"
default = "{MX}"
check = ["haproxy", "-c", "-q", "-f", "{all}/haproxy.conf"]
reload = ["{all}/tell-haproxy"]
listen = ["{at}:993"]
[[files]]
name = "opensmtpd"
key = "{all}/opensmtpd/{{name}}.key"
chain = "{all}/opensmtpd/{{name}}.crt"
certificate = "kappa.test"
check = ["smtpd", "-n", "-f", "{all}/smtpd.conf"]
reload = ["{all}/tell-smtpd"]
listen = ["{at}:25", "{at}:465", "{at}:587"]
"#
    );
    world.write("mailcert.toml", &(world.read("mailcert.toml") + &tables), 0o600);
}

/// What each shows, accepted by OpenSSL and GnuTLS.
fn everybody_accepts(world: &World, at: Ipv4Addr) -> Vec<String> {
    PLACES
        .into_iter()
        .map(|(port, starttls, name)| {
            let place = (port, starttls);
            let shown = openssl(world, at, place, Some(name), name);
            gnutls(world, at, place, Some(name), name).unwrap_or_else(|said| panic!("{said}"));
            shown.unwrap_or_else(|said| panic!("{said}"))
        })
        .collect()
}
