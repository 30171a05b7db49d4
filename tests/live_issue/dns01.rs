//! dns-01 by updates of real zones: at Knot and at BIND, with a secondary that is slow, an alias
//! into another zone, and keys that do not fit.

#![expect(clippy::disallowed_methods, reason = "a test starts its own name servers")]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use mailcert::config::{Dns01, Rfc2136, Writer};
use mailcert::dns::{Dns, Kind, Record, Resolver};
use mailcert::issue::{Order, Records, Solver, issue};
use mailcert::model::{DnsId, KeyType, Timestamp, TsigAlgorithm, TsigKey};
use mailcert::store::{Memory, Store};

use crate::{World, put, said};

/// A name server of `example.org` and `delegated.test`, which stops with the value.
pub(crate) struct Server {
    process: Child,
    /// BIND listens at addresses of interfaces only: one that is made for it.
    made: Option<Ipv4Addr>,
    pub(crate) directory: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if let Some(address) = self.made {
            let _ = interface_address("del", address);
        }
    }
}

/// The zone: what others have at the name of a challenge, and an alias.
fn zones(servers: &[Ipv4Addr]) -> [(&'static str, String); 2] {
    let mut zone = "@ 1 SOA ns0 hostmaster 1 2 2 60 1\n".to_owned();
    for (number, address) in servers.iter().enumerate() {
        zone += &format!("@ 1 NS ns{number}\nns{number} 1 A {address}\n");
    }
    let aliased = "_acme-challenge.mx 1 TXT theirs\n_acme-challenge.imap 1 CNAME imap.acme\n\
                   _acme-challenge.pop 1 CNAME pop.delegated.test.\n";
    [("example.org", format!("{zone}{aliased}")), ("delegated.test", zone)]
}

pub(crate) fn knot(address: Ipv4Addr, servers: &[Ipv4Addr]) -> Server {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().display();
    let mut config = format!(
        "server:\n  rundir: {at}\n  listen: {address}@53\nlog:\n  - target: stdout\n    any: info\n\
         database:\n  storage: {at}\nkey:\n  - id: mailcert\n    algorithm: hmac-sha256\n    \
         secret: {SECRET}\nacl:\n  - id: update\n    key: mailcert\n    action: update\n  \
         - id: transfer\n    address: 127.0.0.0/8\n    action: transfer\nzone:\n"
    );
    for (name, zone) in zones(servers) {
        put(&directory.path().join(name), &zone);
        put(&directory.path().join("closed.test"), &zone);
        config += &format!(
            "  - domain: {name}\n    file: {at}/{name}\n    zonefile-sync: -1\n    \
             journal-content: all\n    zonefile-load: difference\n    acl: [update, transfer]\n"
        );
    }
    config += &format!("  - domain: closed.test\n    file: {at}/closed.test\n");
    let server = start_knot(directory, &config, address);
    loaded(address);
    server
}

/// A secondary of `example.org` that nobody notifies: it asks every 2 seconds.
fn secondary(address: Ipv4Addr, primary: Ipv4Addr) -> Server {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().display();
    let mut config = format!(
        "server:\n  rundir: {at}\n  listen: {address}@53\ndatabase:\n  storage: {at}\n\
         remote:\n  - id: primary\n    address: {primary}@53\nzone:\n"
    );
    for (name, _) in zones(&[]) {
        config += &format!("  - domain: {name}\n    master: primary\n    storage: {at}\n");
    }
    start_knot(directory, &config, address)
}

/// A Knot that knows the key and has none of the zones.
fn bare_knot(address: Ipv4Addr) -> Server {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().display();
    let config = format!(
        "server:\n  rundir: {at}\n  listen: {address}@53\ndatabase:\n  storage: {at}\n\
         key:\n  - id: mailcert\n    algorithm: hmac-sha256\n    secret: {SECRET}\n"
    );
    start_knot(directory, &config, address)
}

pub(crate) fn start_knot(directory: tempfile::TempDir, config: &str, address: Ipv4Addr) -> Server {
    put(&directory.path().join("knot.conf"), config);
    let mut command = Command::new("knotd");
    command.arg("-c").arg(directory.path().join("knot.conf"));
    start(directory, command, address)
}

fn bind(address: Ipv4Addr, servers: &[Ipv4Addr]) -> Server {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().display();
    let mut config = format!(
        "options {{ directory \"{at}\"; pid-file \"{at}/pid\"; session-keyfile \"{at}/session\"; \
         listen-on {{ {address}; }}; listen-on-v6 {{ none; }}; recursion no; \
         dnssec-validation no; }};\ncontrols {{ }};\n\
         key \"mailcert\" {{ algorithm hmac-sha256; secret \"{SECRET}\"; }};\n"
    );
    for (name, zone) in zones(servers) {
        put(&directory.path().join(name), &zone);
        put(&directory.path().join("closed.test"), &zone);
        config += &format!(
            "zone \"{name}\" {{ type primary; file \"{at}/{name}\"; \
             update-policy {{ grant mailcert zonesub TXT; }}; }};\n"
        );
    }
    config += &format!("zone \"closed.test\" {{ type primary; file \"{at}/closed.test\"; }};\n");
    put(&directory.path().join("named.conf"), &config);
    let root = std::env::var("MAILCERT_BIND")
        .unwrap_or_else(|_| "/var/cache/mailcert-tests/bind".to_owned());
    let mut command = Command::new(Path::new(&root).join("usr/sbin/named"));
    command
        .env("LD_LIBRARY_PATH", Path::new(&root).join("usr/lib/x86_64-linux-gnu"))
        .args(["-g", "-c"])
        .arg(directory.path().join("named.conf"));
    interface_address("add", address).expect("ip is missing");
    let mut server = start(directory, command, address);
    server.made = Some(address);
    loaded(address);
    server
}

/// Waits until the zones are served: a name server listens before it has read them.
fn loaded(address: Ipv4Addr) {
    let names = zones(&[]).into_iter().map(|(name, _)| name.to_owned());
    for name in names.chain(["closed.test".to_owned()]) {
        let is_served = (0..200).any(|_| {
            let is_served = soa(address, &name).contains("hostmaster");
            if !is_served {
                std::thread::sleep(Duration::from_millis(50));
            }
            is_served
        });
        assert!(is_served, "{name} at {address}");
    }
}

fn interface_address(verb: &str, address: Ipv4Addr) -> std::io::Result<std::process::ExitStatus> {
    let address = format!("{address}/32");
    Command::new("ip").args(["address", verb, &address, "dev", "lo"]).stderr(Stdio::null()).status()
}

pub(crate) fn start(
    directory: tempfile::TempDir,
    mut command: Command,
    address: Ipv4Addr,
) -> Server {
    let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let server =
        Server { process: process.expect("the name server is missing"), made: None, directory };
    for _ in 0..200 {
        if std::net::TcpStream::connect((address, 53)).is_ok() {
            return server;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("no name server at {address}");
}

fn key(name: &str, secret: &[u8]) -> TsigKey {
    let secret = secret.to_vec().into();
    TsigKey { name: name.to_owned(), algorithm: TsigAlgorithm::Sha256, secret }
}

fn right_key() -> TsigKey {
    key("mailcert", &[b'k'; 32])
}

fn updates(at: Ipv4Addr, key: TsigKey, change: impl FnOnce(&mut Rfc2136)) -> Records {
    updates_of(Arc::new(Memory::new()), at, key, change)
}

fn updates_of(
    store: Arc<Memory>,
    at: Ipv4Addr,
    key: TsigKey,
    change: impl FnOnce(&mut Rfc2136),
) -> Records {
    let key = Some(Arc::new(key));
    let mut rfc2136 = Rfc2136 { server: None, zone: None, key, key_file: None, ttl: 1 };
    change(&mut rfc2136);
    records(store, at, Writer::Rfc2136(rfc2136), Duration::from_secs(20))
}

/// The solver that puts records there in this way, and asks the server at `at`.
pub(crate) fn records(
    store: Arc<Memory>,
    at: Ipv4Addr,
    way: Writer,
    propagation: Duration,
) -> Records {
    let dns = Arc::new(Resolver::new(&[SocketAddr::from((at, 53))]).unwrap());
    Records::new(&Dns01 { way, propagation }, dns, store, now())
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    Timestamp::from_unix(i64::try_from(since.as_secs()).unwrap())
}

pub(crate) async fn texts(at: Ipv4Addr, name: &str) -> Vec<Record> {
    let resolver = Resolver::new(&[SocketAddr::from((at, 53))]).unwrap();
    resolver.ask(name, Kind::Txt).await.records().to_vec()
}

/// One certificate for a host whose challenge has company and one whose challenge is elsewhere.
async fn certify(place: u8, server: Ipv4Addr) {
    certify_by(place, server, &updates(server, right_key(), |_| ())).await;
}

/// The same, with the records put there by `solver`.
pub(crate) async fn certify_by(place: u8, server: Ipv4Addr, solver: &Records) {
    let world = World::start(place, &[("dns", &format!("{server}:53"))], &[]);
    let names =
        ["mx.example.org", "imap.example.org"].map(|name| DnsId::parse(name).unwrap()).to_vec();
    let order = Order::of(names, KeyType::EcdsaP256);
    let dns = Resolver::new(&[SocketAddr::from((server, 53))]).unwrap();
    let (acme, book) = (world.acme(), world.store.book());
    let issued = issue(order, &acme, &dns, &world.http(), solver, &book).await;
    let issued = issued.map_err(said).unwrap();
    assert!(issued.left_out.is_empty(), "{:?}", crate::left_out(&issued));
    let theirs = [Record::Txt("theirs".to_owned())];
    assert_eq!(texts(server, "_acme-challenge.mx.example.org").await, theirs);
    assert_eq!(texts(server, "imap.acme.example.org").await, []);
}

#[tokio::test]
#[ignore = "starts Pebble and Knot; tests/run runs it"]
async fn knot_and_its_slow_secondary_show_what_the_ca_asks_for() {
    let [one, two] = [Ipv4Addr::new(127, 0, 26, 60), Ipv4Addr::new(127, 0, 26, 61)];
    let _primary = knot(one, &[one, two]);
    let _secondary = secondary(two, one);
    certify(62, one).await;
    let solver = updates(one, right_key(), |_| ());
    let host = DnsId::parse("mx.example.org").unwrap();
    solver.present(&host, "t", "t.k").await.unwrap();
    solver.settle(std::slice::from_ref(&host)).await.unwrap();
    assert_eq!(texts(two, "_acme-challenge.mx.example.org").await.len(), 2);
    solver.clear(&host, "t").await;
}

#[tokio::test]
#[ignore = "starts Pebble and BIND; tests/run runs it"]
async fn bind_shows_what_the_ca_asks_for_though_a_secondary_is_dead() {
    let [one, dead] = [Ipv4Addr::new(127, 0, 26, 63), Ipv4Addr::new(127, 0, 26, 64)];
    let _primary = bind(one, &[one, dead]);
    certify(65, one).await;
}

#[tokio::test]
#[ignore = "starts Knot; tests/run runs it"]
async fn a_secondary_without_the_record_is_named_and_the_ca_is_not_told() {
    let [one, two] = [Ipv4Addr::new(127, 0, 26, 66), Ipv4Addr::new(127, 0, 26, 67)];
    let _primary = knot(one, &[one, two]);
    let _stale = knot(two, &[one, two]);
    let way = Writer::Rfc2136(Rfc2136 {
        server: None,
        zone: None,
        key: Some(Arc::new(right_key())),
        key_file: None,
        ttl: 1,
    });
    let solver = records(Arc::new(Memory::new()), one, way, Duration::from_secs(1));
    let host = DnsId::parse("mx.example.org").unwrap();
    solver.present(&host, "t", "t.k").await.unwrap();
    let unseen = solver.settle(std::slice::from_ref(&host)).await.unwrap_err();
    let [(unseen, why)] = unseen.as_slice() else { panic!("{unseen:?}") };
    assert_eq!(*unseen, host);
    assert!(why.contains("(missing at: 127.0.26.67:53)"), "{why}");
    solver.clear(&host, "t").await;
    let elsewhere = DnsId::parse("pop.example.org").unwrap();
    solver.present(&elsewhere, "t", "t.k").await.unwrap();
    assert_eq!(texts(one, "pop.delegated.test").await.len(), 1);
    solver.clear(&elsewhere, "t").await;
    assert_eq!(texts(one, "pop.delegated.test").await, []);
    assert_eq!(texts(one, "_acme-challenge.mx.example.org").await.len(), 1);
}

/// What each kind of trouble is called, at both servers.
async fn troubles(at: Ipv4Addr, without_a_rule: &str) {
    let host = DnsId::parse("mx.example.org").unwrap();
    let closed = DnsId::parse("mx.closed.test").unwrap();
    let nobody = SocketAddr::from((Ipv4Addr::new(127, 0, 26, 79), 53));
    let unserved = Ipv4Addr::new(127, 0, 26, at.octets()[3] + 20);
    let _unserved = bare_knot(unserved);
    let elsewhere = SocketAddr::from((unserved, 53));
    for (solver, host, expected) in [
        (updates(at, key("mailcert", b"swordfish"), |_| ()), &host, "(BADSIG)"),
        (updates(at, key("somebody", b"swordfish"), |_| ()), &host, "(BADKEY)"),
        (updates(at, right_key(), |how| how.server = Some(nobody)), &host, "takes no updates"),
        (updates(at, right_key(), |_| ()), &closed, without_a_rule),
        (
            updates(at, right_key(), |how| how.server = Some(elsewhere)),
            &host,
            "is not the primary of the zone example.org (NOTAUTH)",
        ),
    ] {
        let why = solver.present(host, "t", "t.k").await.unwrap_err();
        assert!(why.contains(expected), "{why}");
        assert!(!why.contains("swordfish"), "{why}");
        assert_eq!(solver.rehearse(host).await.unwrap_err(), why, "the rehearsal says the same");
    }
    let theirs = [Record::Txt("theirs".to_owned())];
    assert_eq!(texts(at, "_acme-challenge.mx.example.org").await, theirs);
}

/// A killed run clears nothing: the next one does, and leaves alone what others have there.
async fn leftovers(at: Ipv4Addr) {
    let name = "_acme-challenge.mx.example.org";
    let host = DnsId::parse("mx.example.org").unwrap();
    let elsewhere = DnsId::parse("pop.example.org").unwrap();
    let store = Arc::new(Memory::new());
    let before = serial(at);
    let killed = updates_of(store.clone(), at, right_key(), |_| ());
    killed.rehearse(&host).await.unwrap();
    assert_eq!(serial(at), before, "a rehearsal changes the zone");
    killed.present(&host, "t", "t.k").await.unwrap();
    killed.present(&elsewhere, "u", "u.k").await.unwrap();
    drop(killed);
    // Another mailcert, with a state of its own, is at work for the same name.
    let neighbour = updates(at, right_key(), |_| ());
    neighbour.present(&host, "n", "n.k").await.unwrap();
    assert_eq!(texts(at, name).await.len(), 3);
    assert_eq!(store.diary().unwrap().presented.len(), 2);

    // With a wrong key they stay, and are not forgotten.
    updates_of(store.clone(), at, key("mailcert", b"swordfish"), |_| ()).sweep().await;
    assert_eq!((texts(at, name).await.len(), store.diary().unwrap().presented.len()), (3, 2));
    updates_of(store.clone(), at, right_key(), |_| ()).sweep().await;
    assert_eq!(texts(at, name).await.len(), 2, "ours is gone, theirs and the neighbour's are not");
    assert_eq!(texts(at, "pop.delegated.test").await, []);
    assert!(store.diary().unwrap().presented.is_empty());
    neighbour.clear(&host, "n").await;
    assert_eq!(texts(at, name).await, [Record::Txt("theirs".to_owned())]);
}

fn serial(at: Ipv4Addr) -> String {
    soa(at, "example.org").split_whitespace().nth(2).expect("an SOA").to_owned()
}

fn soa(at: Ipv4Addr, zone: &str) -> String {
    let said = Command::new("kdig").args([&format!("@{at}"), "+short", zone, "SOA"]).output();
    String::from_utf8(said.expect("kdig is missing").stdout).unwrap()
}

#[tokio::test]
#[ignore = "starts Knot; tests/run runs it"]
async fn what_a_killed_run_left_at_knot_goes_and_what_others_have_stays() {
    let at = Ipv4Addr::new(127, 0, 26, 70);
    let _server = knot(at, &[at]);
    leftovers(at).await;
}

#[tokio::test]
#[ignore = "starts BIND; tests/run runs it"]
async fn what_a_killed_run_left_at_bind_goes_and_what_others_have_stays() {
    let at = Ipv4Addr::new(127, 0, 26, 71);
    let _server = bind(at, &[at]);
    leftovers(at).await;
}

#[tokio::test]
#[ignore = "starts Knot; tests/run runs it"]
async fn knots_refusals_say_what_to_change() {
    let at = Ipv4Addr::new(127, 0, 26, 68);
    let _server = knot(at, &[at]);
    troubles(at, "has no rule for it in this zone (BADKEY)").await;
}

#[tokio::test]
#[ignore = "starts BIND; tests/run runs it"]
async fn binds_refusals_say_what_to_change() {
    let at = Ipv4Addr::new(127, 0, 26, 69);
    let _server = bind(at, &[at]);
    troubles(at, "refuses updates of closed.test here (REFUSED)").await;
}

/// 32 times `k`.
const SECRET: &str = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=";
