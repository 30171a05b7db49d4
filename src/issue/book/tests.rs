//! Runs that end while an order is finalized, against the CA in memory.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;

use super::{Book, FORGOTTEN};
use crate::dns::{Absence, Answer, Dns, Kind, Reply};
use crate::http::Http;
use crate::issue::{
    Ca, CaIdentity, Chain, Issued, MemoryCa, Order, Refusal, Solver, Wanted, issue,
};
use crate::model::{CertName, DnsId, KeyType, Mark, PrivateKey, Timestamp};
use crate::store::{Entry, Memory, Store};

/// Nothing is there, and nobody forbids anything.
struct Nothing;

#[async_trait]
impl Dns for Nothing {
    async fn ask(&self, _: &str, _: Kind) -> Answer {
        let reply = Reply::Absent(Absence::NoData);
        Answer { reply, aliases: Vec::new(), authenticated: false, ttl: Duration::from_secs(1) }
    }
}

#[async_trait]
impl Solver for Nothing {
    async fn present(&self, _: &DnsId, _: &str, _: &str) -> Result<(), String> {
        Ok(())
    }

    async fn clear(&self, _: &DnsId, _: &str) {}
}

/// When the run ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Killed {
    BeforeFinalize,
    AfterFinalize,
}

/// A CA whose client is killed.
struct Deadly<'a>(&'a MemoryCa, Killed);

#[async_trait]
impl Ca for Deadly<'_> {
    async fn order(&self, wanted: Wanted<'_>, solver: &dyn Solver) -> Result<String, Refusal> {
        self.0.order(wanted, solver).await
    }

    async fn finish(&self, url: &str, names: &[DnsId], csr: &[u8]) -> Result<Chain, Refusal> {
        if self.1 == Killed::AfterFinalize {
            self.0.finish(url, names, csr).await?;
        }
        std::future::pending().await
    }

    async fn identity(&self) -> Result<CaIdentity, Refusal> {
        self.0.identity().await
    }
}

const NOW: Timestamp = Timestamp::from_unix(1_790_000_000);

fn host(name: &str) -> DnsId {
    DnsId::parse(name).unwrap()
}

fn certificate() -> CertName {
    CertName::parse("a.example").unwrap()
}

fn order(names: &[&str]) -> Order {
    let names: Vec<_> = names.iter().map(|name| host(name)).collect();
    Order::of(names, KeyType::EcdsaP256)
}

async fn run(ca: &dyn Ca, store: &Memory, order: Order, now: Timestamp) -> Result<Issued, Refusal> {
    let certificate = certificate();
    let book = Book { store, certificate: &certificate, ca: Mark::of("ca"), now };
    issue(order, ca, &Nothing, &Http::trusting_nobody(), &Nothing, &book).await
}

/// A run that is killed, and what it leaves.
fn killed(ca: &MemoryCa, when: Killed) -> Memory {
    let store = Memory::new();
    let deadly = Deadly(ca, when);
    let ended = run(&deadly, &store, order(&["a.example", "b.example"]), NOW).now_or_never();
    assert!(ended.is_none(), "it was not killed");
    store
}

fn key_left(store: &Memory) -> String {
    let diary = store.diary().unwrap();
    let left = &diary.orders[&certificate()];
    store.order_key(&certificate(), left).unwrap().expose_pem().to_owned()
}

#[tokio::test]
async fn a_run_killed_at_the_finish_has_its_certificate_fetched_by_the_next() {
    for when in [Killed::BeforeFinalize, Killed::AfterFinalize] {
        let ca = MemoryCa::new(NOW).unwrap();
        let store = killed(&ca, when);
        let key = key_left(&store);
        let later = NOW.plus(Duration::from_secs(3600));
        let issued = run(&ca, &store, order(&["b.example", "a.example"]), later).await.unwrap();
        assert_eq!(issued.bundle.key.expose_pem(), key, "{when:?}");
        assert_eq!(ca.orders().len(), 1, "{when:?}: another was ordered");
        // Until it is kept, it can be fetched again.
        assert_eq!(key_left(&store), key);
        let facts = crate::verify::facts(&issued.bundle).unwrap();
        store.keep(&certificate(), &issued.bundle, &facts).unwrap();
        assert!(store.diary().unwrap().orders.is_empty());
    }
}

#[tokio::test]
async fn names_that_were_left_out_are_left_out_by_the_next_run_too() {
    let ca = MemoryCa::new(NOW).unwrap();
    ca.refuse(host("b.example"));
    let store = killed(&ca, Killed::AfterFinalize);
    let issued = run(&ca, &store, order(&["a.example", "b.example"]), NOW).await.unwrap();
    let left_out: Vec<_> = issued.left_out.iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(left_out, ["b.example"]);
    assert_eq!(ca.orders().len(), 2, "with it and without it");
}

/// What is wanted by the next run, and when.
type Next = (&'static str, fn() -> Order, Duration);

#[tokio::test]
async fn an_order_for_something_else_is_forgotten() {
    let soon = Duration::from_secs(60);
    let cases: [Next; 5] = [
        ("fewer names", || order(&["a.example"]), soon),
        (
            "another kind of key",
            || Order { key_type: KeyType::EcdsaP384, ..order(&["a.example", "b.example"]) },
            soon,
        ),
        (
            "a key to use again",
            || Order { key: Some(some_key()), ..order(&["a.example", "b.example"]) },
            soon,
        ),
        (
            "a profile",
            || Order { profile: Some("short".to_owned()), ..order(&["a.example", "b.example"]) },
            soon,
        ),
        ("too late", || order(&["a.example", "b.example"]), FORGOTTEN),
    ];
    for (what, wanted, after) in cases {
        let ca = MemoryCa::new(NOW).unwrap();
        let store = killed(&ca, Killed::AfterFinalize);
        let key = key_left(&store);
        let issued = run(&ca, &store, wanted(), NOW.plus(after)).await.unwrap();
        assert_ne!(issued.bundle.key.expose_pem(), key, "{what}");
        assert_eq!(ca.orders().len(), 2, "{what}");
    }
}

fn some_key() -> PrivateKey {
    PrivateKey::from_pem(rcgen::KeyPair::generate().unwrap().serialize_pem())
}

#[tokio::test]
async fn an_order_the_ca_does_not_know_is_forgotten_and_one_it_cannot_be_asked_about_is_kept() {
    let ca = MemoryCa::new(NOW).unwrap();
    let store = killed(&ca, Killed::BeforeFinalize);
    let key = key_left(&store);
    struct Down<'a>(&'a MemoryCa);
    #[async_trait]
    impl Ca for Down<'_> {
        async fn order(&self, wanted: Wanted<'_>, solver: &dyn Solver) -> Result<String, Refusal> {
            self.0.order(wanted, solver).await
        }

        async fn finish(&self, _: &str, _: &[DnsId], _: &[u8]) -> Result<Chain, Refusal> {
            Err(Refusal::of_our_own("ca", "no answer".to_owned()))
        }

        async fn identity(&self) -> Result<CaIdentity, Refusal> {
            self.0.identity().await
        }
    }
    let wanted = || order(&["a.example", "b.example"]);
    assert!(run(&Down(&ca), &store, wanted(), NOW).await.is_err());
    assert_eq!((key_left(&store), ca.orders().len()), (key.clone(), 1));

    ca.forget_orders();
    let issued = run(&ca, &store, wanted(), NOW).await.unwrap();
    assert_ne!(issued.bundle.key.expose_pem(), key);
    assert_eq!(ca.orders().len(), 2);
}

#[tokio::test]
async fn an_order_without_its_key_is_forgotten() {
    let ca = MemoryCa::new(NOW).unwrap();
    let store = killed(&ca, Killed::AfterFinalize);
    let mut left = store.diary().unwrap().orders[&certificate()].clone();
    left.key = crate::model::Sha256::of(b"another");
    store.note(&Entry::Order { certificate: certificate(), order: Some(left) }).unwrap();
    run(&ca, &store, order(&["a.example", "b.example"]), NOW).await.unwrap();
    assert_eq!(ca.orders().len(), 2);
}

#[tokio::test]
async fn an_order_with_a_held_key_is_not_taken_up_where_a_new_one_is_wanted() {
    let ca = MemoryCa::new(NOW).unwrap();
    let store = Memory::new();
    let first = run(&ca, &store, order(&["a.example"]), NOW).await.unwrap();
    let facts = crate::verify::facts(&first.bundle).unwrap();
    store.keep(&certificate(), &first.bundle, &facts).unwrap();
    let again = || PrivateKey::from_pem(first.bundle.key.expose_pem().to_owned());
    let renewal = Order { key: Some(again()), ..order(&["a.example"]) };
    let killed = run(&Deadly(&ca, Killed::AfterFinalize), &store, renewal, NOW).now_or_never();
    assert!(killed.is_none() && key_left(&store) == first.bundle.key.expose_pem());
    let issued = run(&ca, &store, order(&["a.example"]), NOW).await.unwrap();
    assert_ne!(issued.bundle.key.expose_pem(), first.bundle.key.expose_pem());
}
