//! The resolver and the discovery against a real authoritative server (Knot) and a real
//! validating resolver (Unbound), with a signed, an unsigned and a bogus zone. Both are started
//! here, on 127.0.22.53 and .54, and stopped at the end; the TLSA records of a signed zone against
//! mail servers in the test, on 127.0.84.0/24.
//!
//! `cargo test --test live_dns -- --include-ignored`; it needs `knotd`, `keymgr` and `unbound`,
//! and fails without them.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use expect_test::expect;
use mailcert::config::Domain;
use mailcert::discover::{Rules, discover};
use mailcert::dns::{Answer, Dns, Failure, Kind, Record, Reply, Resolver};
use mailcert::model::Hostname;
use rcgen::PublicKeyData as _;
use tokio::time::Instant;

#[allow(dead_code, reason = "only what shows a certificate is needed here")]
#[path = "cli/mail.rs"]
mod mail;

const ZONE: &str = "\
$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 120
@ NS ns
ns A 127.0.22.53
@ MX 10 mx
@ MX 20 alias
@ CAA 0 issue \"ca.example\"
mx 60 A 127.0.22.25
alias CNAME mx
empty TXT \"no address\"
_25._tcp.mx TLSA 3 1 1 0000000000000000000000000000000000000000000000000000000000000000
_imaps._tcp SRV 0 1 993 mx
_pop3s._tcp SRV 0 0 0 .
null MX 0 .
odd MX 10 a\\.b\\032\\000
loop CNAME pool
pool CNAME loop
";

const KNOT: &str = r#"
server:
    rundir: "DIR/run"
    listen: 127.0.22.53@5300
    automatic-acl: off
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: "DIR/db"
policy:
  - id: fast
    algorithm: ecdsap256sha256
    single-type-signing: on
    nsec3: off
template:
  - id: default
    storage: "DIR/zones"
    file: "zone"
    zonefile-sync: -1
    zonefile-load: difference
    journal-content: all
  - id: signed
    storage: "DIR/zones"
    file: "zone"
    zonefile-sync: -1
    zonefile-load: difference
    journal-content: all
    dnssec-signing: on
    dnssec-policy: fast
zone:
  - domain: signed.test
    template: signed
  - domain: bogus.test
    template: signed
  - domain: plain.test
"#;

const UNBOUND: &str = r#"
server:
  interface: 127.0.22.54@5300
  access-control: 127.0.0.0/8 allow
  do-not-query-localhost: no
  do-ip6: no
  chroot: ""
  username: ""
  directory: "DIR"
  pidfile: ""
  use-syslog: no
  logfile: ""
  cache-max-ttl: 1
  cache-max-negative-ttl: 1
  module-config: "validator iterator"
  qname-minimisation: no
  ede: EDE
  local-zone: "test." nodefault
ANCHORS
remote-control:
  control-enable: no
stub-zone:
  name: signed.test.
  stub-addr: 127.0.22.53@5300
stub-zone:
  name: bogus.test.
  stub-addr: 127.0.22.53@5300
stub-zone:
  name: plain.test.
  stub-addr: 127.0.22.53@5300
stub-zone:
  name: dead.test.
  stub-addr: 127.0.22.53@5301
"#;

/// A server that is killed when the test is over.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "the test starts its own servers")]
fn start(program: &str, arguments: &[&str], log: &Path) -> Running {
    let log = std::fs::File::create(log).unwrap();
    let child = std::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap_or_else(|error| panic!("{program} is needed for this test: {error}"));
    Running(child)
}

/// The DS record of a zone that Knot signs, once it has its key.
#[expect(clippy::disallowed_methods, reason = "the test asks its own server's tool")]
async fn ds(config: &str, zone: &str, log: &Path) -> String {
    for _ in 0..100 {
        let output = std::process::Command::new("keymgr")
            .args(["-c", config, zone, "ds"])
            .output()
            .unwrap_or_else(|error| panic!("keymgr is needed for this test: {error}"));
        let text = String::from_utf8(output.stdout).unwrap();
        if let Some(line) = text.lines().find(|line| line.contains(" 13 2 ")) {
            return line.to_owned();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("Knot made no key for {zone}:\n{}", std::fs::read_to_string(log).unwrap())
}

/// A DS record that no key fits.
fn spoiled(ds: &str) -> String {
    let (rest, digest) = ds.rsplit_once(' ').unwrap();
    format!("{rest} {}", "0".repeat(digest.len()))
}

#[expect(clippy::disallowed_methods, reason = "the test writes its servers' files")]
fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

fn show(answer: &Answer) -> String {
    let mut text = match &answer.reply {
        Reply::Records(records) => {
            let mut lines: Vec<String> = records.iter().map(|r| format!("{r:?}")).collect();
            lines.sort();
            lines.join(" ")
        }
        other => format!("{other:?}"),
    };
    if !answer.aliases.is_empty() {
        write!(text, " via {}", answer.aliases.join(" ")).unwrap();
    }
    if answer.authenticated {
        text.push_str(" authenticated");
    }
    text
}

/// Waits until Unbound answers.
async fn wait_for(resolver: &Resolver, mx: &str, log: &Path) {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(20) {
        if let Reply::Records(records) = resolver.ask("mx.plain.test", Kind::A).await.reply {
            assert_eq!(records, [Record::A(mx.parse().unwrap())]);
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("unbound does not answer:\n{}", std::fs::read_to_string(log).unwrap());
}

/// Knot with this zone three times; and the trust anchors of two of them, one of them spoiled.
async fn knot(path: &Path, network: &str, zone: &str) -> (Running, String) {
    for name in ["run", "db", "zones"] {
        std::fs::create_dir(path.join(name)).unwrap();
    }
    write(&path.join("zones/zone"), zone);
    let config = path.join("knot.conf");
    write(&config, &filled(KNOT, path, network));
    let config = config.to_str().unwrap();
    let log = path.join("knot.log");
    let knot = start("knotd", &["-c", config], &log);
    let anchors = format!(
        "  trust-anchor: \"{}\"\n  trust-anchor: \"{}\"\n",
        ds(config, "signed.test.", &log).await,
        spoiled(&ds(config, "bogus.test.", &log).await),
    );
    (knot, anchors)
}

/// Unbound in front of it, once it answers.
async fn unbound(path: &Path, network: &str, anchors: &str, ede: &str) -> (Running, Resolver) {
    let config = path.join("unbound.conf");
    let text = filled(UNBOUND, path, network);
    write(&config, &text.replace("EDE", ede).replace("ANCHORS", anchors));
    let log = path.join("unbound.log");
    let unbound = start("unbound", &["-d", "-p", "-c", config.to_str().unwrap()], &log);
    let resolver = Resolver::new(&[format!("{network}.54:5300").parse().unwrap()]).unwrap();
    wait_for(&resolver, &format!("{network}.25"), &log).await;
    (unbound, resolver)
}

fn filled(text: &str, path: &Path, network: &str) -> String {
    text.replace("DIR", path.to_str().unwrap()).replace("127.0.22", network)
}

#[tokio::test]
#[ignore = "needs knotd, keymgr and unbound"]
async fn real_servers_are_understood() {
    let directory = tempfile::tempdir().unwrap();
    let (_knot, anchors) = knot(directory.path(), "127.0.22", ZONE).await;
    let mut seen = Vec::new();
    for ede in ["no", "yes"] {
        let (unbound, resolver) = unbound(directory.path(), "127.0.22", &anchors, ede).await;
        seen.push(answers(&resolver).await);
        let dead = resolver.ask("dead.test", Kind::Mx).await.reply;
        assert!(matches!(dead, Reply::Failed(Failure::Timeout | Failure::ServFail)), "{dead:?}");
        drop(unbound);
    }
    assert_eq!(seen[0], seen[1], "with and without reasons (RFC 8914)");
    expect![[r#"
        signed.test MX: Mx { preference: 10, exchange: "mx.signed.test" } Mx { preference: 20, exchange: "alias.signed.test" } authenticated
        signed.test CAA: Caa { critical: false, tag: "issue", value: "ca.example" } authenticated
        alias.signed.test A: A(127.0.22.25) via mx.signed.test authenticated
        _25._tcp.mx.signed.test TLSA: Tlsa { usage: 3, selector: 1, matching: 1, data: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] } authenticated
        empty.signed.test A: Absent(NoData) authenticated
        nowhere.signed.test A: Absent(NxDomain) authenticated
        null.signed.test MX: Mx { preference: 0, exchange: "." } authenticated
        odd.signed.test MX: Mx { preference: 10, exchange: "a\\.b\\032\\000.signed.test" } authenticated
        loop.signed.test A: Failed(ServFail)
        plain.test MX: Mx { preference: 10, exchange: "mx.plain.test" } Mx { preference: 20, exchange: "alias.plain.test" }
        _25._tcp.mx.plain.test TLSA: Tlsa { usage: 3, selector: 1, matching: 1, data: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] }
        nowhere.plain.test A: Absent(NxDomain)
        bogus.test MX: Failed(Bogus)
        _25._tcp.mx.bogus.test TLSA: Failed(Bogus)
        nowhere.bogus.test A: Failed(Bogus)
        signed.test complete: true
          mx.signed.test <mx 10, srv _imaps 993, guess mx> All
          alias.signed.test <mx 20> All
          mx-is-alias: alias.signed.test
        bogus.test complete: false
          dns-bogus: bogus.test
        plain.test complete: true
          mx.plain.test <mx 10, srv _imaps 993, guess mx> All
          alias.plain.test <mx 20> All
          mx-is-alias: alias.plain.test
    "#]].assert_eq(&seen[0]);
}

#[tokio::test]
#[ignore = "needs knotd, keymgr and unbound"]
#[expect(clippy::disallowed_methods, reason = "the test calls the program from outside")]
async fn tlsa_records_of_a_signed_zone_are_held_against_what_is_shown() {
    let directory = tempfile::tempdir().unwrap();
    let (ca, names) = (mail::Ca::new(), ["mx.signed.test", "other.signed.test"]);
    let (chain, key) = ca.issue(&names, 80);
    for host in [25, 26] {
        mail::Mail::at(&format!("127.0.84.{host}:25"), chain.clone(), &key);
    }
    let hash = mailcert::model::Sha256::of(&key.subject_public_key_info());
    let zone = format!(
        "$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 120
@ NS ns
ns A 127.0.84.53
@ MX 10 mx
@ MX 20 other
mx A 127.0.84.25
other A 127.0.84.26
_25._tcp.mx TLSA 3 1 1 {hash}
_25._tcp.other TLSA 3 1 1 {}
",
        "00".repeat(32)
    );
    let (_knot, anchors) = knot(directory.path(), "127.0.84", &zone).await;
    let _unbound = unbound(directory.path(), "127.0.84", &anchors, "yes").await;
    write(&directory.path().join("ca.pem"), &ca.pem());
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_mailcert"))
        .args("verify signed.test --json --dns 127.0.84.54:5300 --roots".split(' '))
        .arg(directory.path().join("ca.pem"))
        .output()
        .unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut text = String::new();
    for host in answer["policies"][0]["dane"].as_array().unwrap() {
        let (name, signed, holds) = (&host["host"], &host["authenticated"], &host["holds"]);
        writeln!(text, "{name} authenticated {signed} holds {holds}").unwrap();
    }
    for look in answer["endpoints"].as_array().unwrap() {
        for problem in look["problems"].as_array().unwrap() {
            writeln!(text, "{} {}", look["host"], problem["code"]).unwrap();
        }
    }
    expect![[r#"
        "mx.signed.test" authenticated true holds true
        "other.signed.test" authenticated true holds false
        "mx.signed.test" "root-sent"
        "other.signed.test" "root-sent"
        "other.signed.test" "dane-mismatch"
    "#]]
    .assert_eq(&text);
}

/// What the resolver and the discovery make of the zones.
async fn answers(resolver: &Resolver) -> String {
    let mut text = String::new();
    for (name, kind) in [
        ("signed.test", Kind::Mx),
        ("signed.test", Kind::Caa),
        ("alias.signed.test", Kind::A),
        ("_25._tcp.mx.signed.test", Kind::Tlsa),
        ("empty.signed.test", Kind::A),
        ("nowhere.signed.test", Kind::A),
        ("null.signed.test", Kind::Mx),
        ("odd.signed.test", Kind::Mx),
        ("loop.signed.test", Kind::A),
        ("plain.test", Kind::Mx),
        ("_25._tcp.mx.plain.test", Kind::Tlsa),
        ("nowhere.plain.test", Kind::A),
        ("bogus.test", Kind::Mx),
        ("_25._tcp.mx.bogus.test", Kind::Tlsa),
        ("nowhere.bogus.test", Kind::A),
    ] {
        writeln!(text, "{name} {kind}: {}", show(&resolver.ask(name, kind).await)).unwrap();
    }
    let domains = ["signed.test", "bogus.test", "plain.test"].map(|name| Domain {
        name: Hostname::parse(name).unwrap(),
        hosts: vec![],
        wildcards: Vec::new(),
        exclude: vec![],
    });
    let machine: [IpAddr; 1] = ["127.0.22.25".parse().unwrap()];
    let rules = Rules { machine: &machine, guesses: true, concurrency: 64, per_second: 200 };
    for found in discover(&domains, resolver, &rules).await {
        writeln!(text, "{} complete: {}", found.domain, found.complete).unwrap();
        for host in &found.hosts {
            let reasons: Vec<String> = host.reasons.iter().map(ToString::to_string).collect();
            writeln!(text, "  {} <{}> {:?}", host.host, reasons.join(", "), host.points).unwrap();
        }
        for finding in &found.findings {
            writeln!(text, "  {}: {}", finding.code, finding.subject).unwrap();
        }
    }
    text
}
