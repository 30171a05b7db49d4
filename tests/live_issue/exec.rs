//! dns-01 by a program of the admin's: the hook of examples/dns-01 at a real Knot.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mailcert::config::{Exec, Writer};
use mailcert::dns::Record;
use mailcert::issue::{Records, Solver};
use mailcert::model::DnsId;
use mailcert::store::{Memory, Store};

use crate::dns01::{Server, certify_by, knot, records, texts};

const NAME: &str = "_acme-challenge.mx.example.org";

/// By the hook, with the control socket of this Knot.
fn by_hook(store: Arc<Memory>, at: Ipv4Addr, server: &Server) -> Records {
    let hook = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/dns-01/knot-hook");
    let socket = server.directory.path().join("knot.sock");
    let argv = [hook.to_str().unwrap(), "-s", socket.to_str().unwrap()].map(str::to_owned);
    with(store, at, argv.to_vec())
}

fn with(store: Arc<Memory>, at: Ipv4Addr, argv: Vec<String>) -> Records {
    let timeout = Duration::from_secs(20);
    let exec = Exec { present: argv.clone(), remove: argv, timeout };
    records(store, at, Writer::Exec(exec), timeout)
}

#[tokio::test]
#[ignore = "starts Pebble and Knot; tests/run runs it"]
async fn a_hook_puts_records_there_and_takes_them_away() {
    let at = Ipv4Addr::new(127, 0, 26, 90);
    let server = knot(at, &[at]);
    certify_by(91, at, &by_hook(Arc::new(Memory::new()), at, &server)).await;
}

#[tokio::test]
#[ignore = "starts Knot; tests/run runs it"]
async fn what_a_killed_run_left_goes_by_the_hook_and_by_no_other_way() {
    let at = Ipv4Addr::new(127, 0, 26, 92);
    let server = knot(at, &[at]);
    let store = Arc::new(Memory::new());
    let elsewhere = DnsId::parse("pop.example.org").unwrap();
    let host = DnsId::parse("mx.example.org").unwrap();
    let killed = by_hook(store.clone(), at, &server);
    killed.rehearse(&host).await.unwrap();
    killed.present(&host, "t", "t.k").await.unwrap();
    killed.present(&elsewhere, "u", "u.k").await.unwrap();
    killed.settle(&[host.clone(), elsewhere.clone()]).await.unwrap();
    drop(killed);
    assert_eq!(texts(at, "pop.delegated.test").await.len(), 1, "the alias is followed");
    let left = store.diary().unwrap().presented.clone();
    let by: Vec<_> = left.values().map(|put| put.by.clone().unwrap()).collect();
    assert_eq!(by.iter().map(|by| by.host.as_str()).max(), Some("pop.example.org"));
    assert!(by.iter().all(|by| by.way == "exec" && by.at.contains("knot-hook")), "{by:?}");

    // A hook that fails leaves them, and forgets none.
    with(store.clone(), at, vec!["false".to_owned()]).sweep().await;
    assert_eq!(store.diary().unwrap().presented.len(), 2);
    by_hook(store.clone(), at, &server).sweep().await;
    assert_eq!(texts(at, NAME).await, [Record::Txt("theirs".to_owned())]);
    assert_eq!(texts(at, "pop.delegated.test").await, []);
    assert!(store.diary().unwrap().presented.is_empty());
}
