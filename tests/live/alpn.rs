//! tls-alpn-01 (RFC 8737) with Pebble as the CA, and IPv6 first as CAs ask.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

use crate::clients::everything_verifies;
use crate::crash::Small;
use crate::fix::fix;
use crate::mailcert::finds;
use crate::world::{Wish, World};

/// The names of the small world's certificate.
const NAMES: [&str; 3] = ["mx.alpha.test", "mail.alpha.test", "relay.alpha.test"];

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn every_name_is_proved_at_port_443_which_nobody_holds_afterwards() {
    let world = World::start(Wish::default());
    by_tls(&world, "");
    let ran = world.mailcert(&["plan", "--json"]).exits(3);
    let steps = ran.json()["steps"].as_array().cloned().unwrap();
    let ways: Vec<_> =
        steps.iter().filter_map(|step| step["challenges"].as_array()).flatten().collect();
    assert_eq!(ways.len(), 6, "{ran}");
    assert!(ways.iter().all(|way| way["challenge"] == "tls-alpn-01"), "{ran}");
    fix(&world);
    everything_verifies(&world);
    for address in [world.postfix(), world.exim()] {
        assert!(TcpStream::connect((address, 443)).is_err(), "{address} is still open");
        assert!(TcpStream::connect((address, 80)).is_err());
    }
    let said = world.ca_log();
    assert!(said.contains("tls-alpn-01") || !said.contains("http-01"), "{said}");
}

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn a_taken_port_443_names_the_process_and_costs_only_the_names_that_need_it() {
    let mut small = Small::start();
    let (one, two) = (small.world.postfix(), small.world.exim());
    // relay.alpha.test is at the second address, the others go on by http-01.
    let table = format!(
        "[challenge.tls-alpn-01]\nlisten = [\"{two}:443\"]\nhosts = [\"{}\"]\n\n[dns]",
        NAMES[2]
    );
    small.world.reconfigure("[dns]", &table);
    small.change();
    let taken = TcpListener::bind((two, 443)).unwrap();
    let ran = small.world.mailcert(&["run", "--json"]).exits(1);
    let (at, pid) = (format!("{two}:443 is taken by "), format!("(pid {})", std::process::id()));
    assert!(finds(&ran.json(), &[NAMES[2], &at, &pid, "take http-01"]), "{ran}");
    small.works("port 443 is taken");
    drop(taken);

    // Somebody else's TLS where the CA asks, as long as ours is elsewhere.
    small.world.reconfigure(&format!("\"{two}:443\""), &format!("\"{two}:8443\""));
    let mut server = std::process::Command::new("openssl");
    let (chain, key) = (small.world.path("snakeoil.pem"), small.world.path("snakeoil.key"));
    server.args(["s_server", "-quiet", "-accept", &format!("{two}:443")]);
    server.arg("-cert").arg(chain).arg("-key").arg(key);
    let pid = small.world.daemons.start(&mut server, "other.log", None);
    small.world.daemons.wait(two, &[443]);
    let ran = small.world.mailcert(&["fix", "--yes", "--json"]).exits(1);
    let seen = format!("the server at {two}:443 ");
    assert!(finds(&ran.json(), &["preflight-wrong", NAMES[2], &seen, "acme-tls/1"]), "{ran}");
    small.works("another server has port 443");
    crate::ca::signal("-KILL", &pid.to_string());
    small.world.daemons.gone(two, 443);

    small.world.reconfigure(&format!("\"{two}:8443\""), &format!("\"{two}:443\""));
    small.world.mailcert(&["fix", "--yes"]).exits(0);
    small.finishes("port 443 is free");
    assert!(TcpStream::connect((one, 443)).is_err());
}

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn an_aaaa_record_that_leads_elsewhere_is_named_with_what_answers_there() {
    let mut small = Small::start();
    let elsewhere = TcpListener::bind("[::1]:80").expect("nobody else has it");
    small.world.add_to_zone(&["relay.alpha AAAA ::1".to_owned()]);
    small.world.reconfigure("[machine]", "[discover]\nevery = \"0s\"\n\n[machine]");
    for call in [&["discover", "--json"][..], &["plan", "--json"]] {
        let ran = small.world.mailcert(call);
        let words = ["points-partly", NAMES[2], "::1", "CAs ask IPv6 first"];
        assert!(finds(&ran.json(), &words), "{call:?} {ran}");
    }
    small.change();
    // IPv4 would answer rightly, and no CA asks it then.
    let server = std::thread::spawn(move || answer_one(&elsewhere));
    let ran = small.world.mailcert(&["run", "--json"]).exits(1);
    let words = ["preflight-wrong", NAMES[2], "(Server: elsewhere) answers at [::1]:80 with 410"];
    assert!(finds(&ran.json(), &words), "{ran}");
    small.works("another server has the IPv6 address");
    server.join().unwrap();
    let ran = small.world.mailcert(&["fix", "--yes", "--json"]).exits(1);
    let words = ["preflight-wrong", NAMES[2], "nothing listens on [::1]:80", "IPv6 first"];
    assert!(finds(&ran.json(), &words), "{ran}");
    assert_eq!(small.issued_since_the_change(), 0);

    // From here on both families answer.
    small.world.reconfigure("listen = [", "listen = [\"[::1]:80\", ");
    small.world.mailcert(&["fix", "--yes"]).exits(0);
    small.finishes("with a listener on IPv6");
}

/// Answers one request as another machine would, and is gone.
fn answer_one(listener: &TcpListener) {
    let (stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(&stream);
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|length| length > 2) {}
    let answer =
        "HTTP/1.1 410 Gone\r\nServer: elsewhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    (&stream).write_all(answer.as_bytes()).unwrap();
}

/// All names of a world take tls-alpn-01 from now on.
fn by_tls(world: &World, more: &str) {
    let config = world.read("mailcert.toml");
    let listen = config.lines().find(|line| line.starts_with("listen")).unwrap();
    let (one, two) = (world.postfix(), world.exim());
    world.reconfigure(
        &format!("[challenge.http-01]\n{listen}\n"),
        &format!("[challenge.tls-alpn-01]\nlisten = [\"{one}:443\", \"{two}:443\"]\n{more}"),
    );
}
