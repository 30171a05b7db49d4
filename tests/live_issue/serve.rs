//! dns-01 by our own name server: Knot has the zone above, Unbound follows its delegations, and
//! Pebble asks Unbound.

#![expect(clippy::disallowed_methods, reason = "a test starts its own resolver")]

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use mailcert::config::{Serve, Writer};
use mailcert::dns::{Dns, Kind, Record, Reply, Resolver};
use mailcert::issue::{Order, Records, Solver, issue};
use mailcert::model::{DnsId, KeyType};
use mailcert::store::{Memory, Store};

use crate::dns01::{Server, records, start, start_knot};
use crate::{World, put, said};

/// Knot, our own server and Unbound.
struct Place {
    knot: Ipv4Addr,
    ours: Ipv4Addr,
    resolver: Ipv4Addr,
    _servers: [Server; 2],
}

/// `a` is an alias into our zone, `b` is delegated by itself, `c` is neither, `d` leads into a zone
/// that is delegated to nobody, and `e` to Knot.
fn place(first: u8) -> Place {
    let [knot, ours, resolver] = [0, 1, 2].map(|more| Ipv4Addr::new(127, 0, 26, first + more));
    let zone = format!(
        "@ 1 SOA ns0 hostmaster 1 2 2 60 1\n@ 1 NS ns0\nns0 1 A {knot}\nacme-dns 1 A {ours}\n\
         acme 1 NS acme-dns\n_acme-challenge.a 1 CNAME a.example.org.acme\n\
         _acme-challenge.b 1 NS acme-dns\nc 1 A {knot}\n\
         _acme-challenge.d 1 CNAME d.example.org.later\n_acme-challenge.e 1 NS ns0\n"
    );
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().display().to_string();
    put(&directory.path().join("example.org"), &zone);
    let theirs = "@ 1 SOA ns0.example.org. hostmaster 1 2 2 60 1\n@ 1 NS ns0.example.org.\n";
    put(&directory.path().join("theirs"), theirs);
    let config = format!(
        "server:\n  rundir: {at}\n  listen: {knot}@53\ndatabase:\n  storage: {at}\n\
         zone:\n  - domain: example.org\n    file: {at}/example.org\n  \
         - domain: _acme-challenge.e.example.org\n    file: {at}/theirs\n"
    );
    let above = start_knot(directory, &config, knot);
    Place { knot, ours, resolver, _servers: [above, unbound(resolver, knot)] }
}

fn unbound(address: Ipv4Addr, knot: Ipv4Addr) -> Server {
    let directory = tempfile::tempdir().unwrap();
    let config = format!(
        "server:\n  interface: {address}@53\n  access-control: 127.0.0.0/8 allow\n  \
         do-not-query-localhost: no\n  do-ip6: no\n  chroot: \"\"\n  username: \"\"\n  \
         directory: \"{0}\"\n  pidfile: \"\"\n  use-syslog: no\n  cache-max-ttl: 1\n  \
         cache-max-negative-ttl: 1\n  infra-host-ttl: 1\n  module-config: \"iterator\"\n\
         remote-control:\n  control-enable: no\n\
         stub-zone:\n  name: example.org.\n  stub-addr: {knot}@53\n",
        directory.path().display()
    );
    put(&directory.path().join("unbound.conf"), &config);
    let mut command = Command::new("unbound");
    command.args(["-d", "-p", "-c"]).arg(directory.path().join("unbound.conf"));
    start(directory, command, address)
}

impl Place {
    fn serve(&self) -> Serve {
        let listen = vec![SocketAddr::from((self.ours, 53))];
        Serve {
            name: host("acme-dns").domain().clone(),
            zone: Some(host("acme").domain().clone()),
            listen,
        }
    }

    fn solver(&self, change: impl FnOnce(&mut Serve)) -> (Arc<Memory>, Records) {
        let (store, mut serve) = (Arc::new(Memory::new()), self.serve());
        change(&mut serve);
        let way = Writer::Serve(serve);
        (store.clone(), records(store, self.resolver, way, Duration::from_secs(5)))
    }

    fn is_open(&self) -> bool {
        TcpStream::connect((self.ours, 53)).is_ok()
    }
}

/// What differs from the usual settings.
type Change<'a> = &'a dyn Fn(&mut Serve);

fn host(label: &str) -> DnsId {
    DnsId::parse(&format!("{label}.example.org")).unwrap()
}

#[tokio::test]
#[ignore = "starts Pebble, Knot and Unbound; tests/run runs it"]
async fn the_ca_finds_our_answers_by_an_alias_and_by_a_delegation() {
    let place = place(110);
    let world = World::start(113, &[("dns", &format!("{}:53", place.resolver))], &[]);
    let (store, solver) = place.solver(|_| ());
    let order = Order::of(["a", "b", "c"].map(host).to_vec(), KeyType::EcdsaP256);
    let dns = Resolver::new(&[SocketAddr::from((place.resolver, 53))]).unwrap();
    let (acme, book) = (world.acme(), world.store.book());
    let issued = issue(order, &acme, &dns, &world.http(), &solver, &book).await;
    let issued = issued.map_err(said).unwrap();
    assert_eq!(
        crate::left_out(&issued),
        [
            "c.example.org: dns-01-failed c.example.org: _acme-challenge.c.example.org is neither an \
          alias into acme.example.org nor delegated to acme-dns.example.org; expected in the zone \
          example.org the line `_acme-challenge.c.example.org. CNAME \
          c.example.org.acme.example.org.`"
        ]
    );
    let facts = mailcert::verify::facts(&issued.bundle).unwrap();
    assert!(facts.carries(&host("a")) && facts.carries(&host("b")));
    assert!(!place.is_open(), "the server runs on");
    assert!(store.diary().unwrap().presented.is_empty());
}

#[tokio::test]
#[ignore = "starts Knot and Unbound; tests/run runs it"]
async fn what_is_missing_in_the_dns_is_said_as_it_can_be_pasted() {
    let place = place(114);
    let later = |serve: &mut Serve| serve.zone = Some(host("later").domain().clone());
    let nameless = |serve: &mut Serve| serve.name = host("nobody").domain().clone();
    let alone = |serve: &mut Serve| serve.zone = None;
    let busy = |serve: &mut Serve| serve.listen = vec![SocketAddr::from((place.knot, 53))];
    let cases: [(&str, Change<'_>, &str); 5] = [
        (
            "d",
            &later,
            "later.example.org is not delegated to acme-dns.example.org; expected in the zone \
             example.org the line `later.example.org. NS acme-dns.example.org.`",
        ),
        (
            "a",
            &nameless,
            "acme.example.org is not delegated to nobody.example.org (but to \
             acme-dns.example.org); expected in the zone example.org the line `acme.example.org. \
             NS nobody.example.org.`",
        ),
        (
            "c",
            &alone,
            "_acme-challenge.c.example.org is not delegated to acme-dns.example.org; expected in \
             the zone example.org the line `_acme-challenge.c.example.org. NS \
             acme-dns.example.org.`",
        ),
        ("a", &busy, "is taken by knotd (pid "),
        ("a", &|_| (), ""),
    ];
    for (label, change, expected) in cases {
        let (_, solver) = place.solver(|serve| change(serve));
        let said = solver.rehearse(&host(label)).await.err().unwrap_or_default();
        assert!(said.contains(expected) && said.is_empty() == expected.is_empty(), "{said}");
        assert!(!place.is_open(), "{expected}");
    }
}

#[tokio::test]
#[ignore = "starts Knot and Unbound; tests/run runs it"]
async fn another_server_in_our_place_is_named_and_the_ca_is_not_told() {
    let place = place(117);
    let (_, solver) = place.solver(|serve| serve.name = host("ns0").domain().clone());
    solver.present(&host("e"), "t", "t.k").await.unwrap();
    assert!(place.is_open());
    let unseen = solver.settle(&[host("e")]).await.unwrap_err();
    let expected = format!("{}:53 answers, and not with our record", place.knot);
    assert!(unseen[0].1.contains(&expected), "{unseen:?}");
    solver.clear(&host("e"), "t").await;
    tokio::task::yield_now().await;
    assert!(!place.is_open());

    // What is shown is found by whoever follows the delegation, in any case of letters.
    let (_, solver) = place.solver(|_| ());
    solver.present(&host("b"), "t", "t.k").await.unwrap();
    solver.settle(&[host("b")]).await.unwrap();
    let dns = Resolver::new(&[SocketAddr::from((place.resolver, 53))]).unwrap();
    let reply = dns.ask("_ACME-challenge.b.Example.org", Kind::Txt).await.reply;
    assert!(matches!(&reply, Reply::Records(found) if found.len() == 1), "{reply:?}");
    let Reply::Records(found) = reply else { panic!() };
    assert!(matches!(&found[0], Record::Txt(text) if text.len() == 43));
    solver.clear(&host("b"), "t").await;
}
