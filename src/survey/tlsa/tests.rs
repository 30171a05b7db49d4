//! What a literal zone pins.

use super::*;
use crate::dns::Zone;
use crate::model::DnsId;
use crate::model::{KeyType, Keys, Version};
use crate::plan::{HeldVersion, Wish};
use crate::store::Memory;

const KEY: &str = "0101010101010101010101010101010101010101010101010101010101010101";
const OTHER: &str = "0202020202020202020202020202020202020202020202020202020202020202";
const ALIAS: &str = "mx.a.test CNAME real.b.test\nreal.b.test A 192.0.2.7\na.test secure\n";
const R3: &str = "8d02536c887482bc34ff54e41d2ba659bf85b341a0a20afadb5813dcfbcf286d";

fn host(text: &str) -> Hostname {
    Hostname::parse(text).unwrap()
}

fn held(name: &str) -> Held {
    let digest = Sha256([0; 32]);
    let facts = Facts {
        names: vec![DnsId::parse(name).unwrap()],
        not_before: Timestamp::from_unix(0),
        not_after: Timestamp::from_unix(99),
        issuer: String::new(),
        serial: String::new(),
        key_type: KeyType::EcdsaP256,
        leaf: digest,
        spki: Sha256([1; 32]),
        combined: digest,
        key_file: digest,
        chain_file: digest,
        chain_length: 2,
    };
    let version = HeldVersion { version: Version(1), facts, bad: None, unfit: None, told: None };
    Held { name: CertName::parse(name).unwrap(), versions: vec![version] }
}

/// What is pinned for mx.a.test by a zone, in a few words; `known`: the diary says that it is.
async fn seen(zone: &str, holds: bool, known: bool) -> String {
    let dns = Zone::parse(zone).unwrap();
    let held: Vec<Held> = holds.then(|| held("mx.a.test")).into_iter().collect();
    let (store, mut diary) = (Memory::new(), Diary::default());
    if known {
        let note = RolloverNote::Pinned {
            host: host("mx.a.test"),
            at: Timestamp::from_unix(1),
            pinned: true,
        };
        diary.add(Entry::Rollover(note));
    }
    let look = TlsaLook {
        dns: &dns,
        store: &store,
        diary: &diary,
        dane: None,
        held: &held,
        lying: Vec::new(),
        ports: [25, 465].into(),
        every: Duration::from_secs(60),
        now: Timestamp::from_unix(50),
    };
    let mut seen = TlsaSeen::default();
    look.look([&host("mx.a.test")].into(), false, &mut seen).await;
    let pins = seen.pins.iter().map(|pins| {
        let keys: Vec<String> =
            pins.keys.iter().map(|key| key.to_string()[..2].to_owned()).collect();
        let unknown = if pins.unknown { " unknown" } else { "" };
        let anchored = if pins.anchored { " CA" } else { "" };
        format!("{} {}{unknown}{anchored}", pins.owner, keys.join(","))
    });
    let found = seen.findings.iter().map(|found| found.code.to_string());
    pins.chain(found).collect::<Vec<_>>().join("; ")
}

#[tokio::test]
async fn only_signed_records_count_at_every_port_and_an_answer_that_fails_is_none() {
    let signed = "mx.a.test A 192.0.2.7\na.test secure\n";
    for (zone, holds, known, expected) in [
        (
            format!("{signed}_25._tcp.mx.a.test TLSA 3 1 1 {KEY}"),
            true,
            false,
            "_25._tcp.mx.a.test 01; tlsa-waits",
        ),
        (format!("mx.a.test A 192.0.2.7\n_25._tcp.mx.a.test TLSA 3 1 1 {KEY}"), true, false, ""),
        (signed.to_owned(), true, false, ""),
        (
            format!("{signed}_465._tcp.mx.a.test TLSA 3 1 1 {OTHER}"),
            true,
            false,
            "_465._tcp.mx.a.test 02",
        ),
        // The records stand where the alias leads.
        (
            format!("{signed}_25._tcp.mx.a.test CNAME dane.a.test\ndane.a.test TLSA 3 1 1 {OTHER}"),
            true,
            false,
            "dane.a.test 02",
        ),
        // What an alias leads to comes first, as far as DNSSEC vouches for the whole way; at each
        // port the records of one name count.
        (
            format!(
                "{ALIAS}b.test secure\n_25._tcp.real.b.test TLSA 3 1 1 {OTHER}\n\
                 _25._tcp.mx.a.test TLSA 3 1 1 {KEY}\n_465._tcp.mx.a.test TLSA 3 1 1 {KEY}"
            ),
            true,
            false,
            "_25._tcp.real.b.test 02; _465._tcp.mx.a.test 01; tlsa-waits",
        ),
        (
            format!(
                "{ALIAS}_25._tcp.real.b.test TLSA 3 1 1 {OTHER}\n\
                 _25._tcp.mx.a.test TLSA 3 1 1 {KEY}"
            ),
            true,
            false,
            "_25._tcp.mx.a.test 01; tlsa-waits",
        ),
        (
            format!("{ALIAS}b.test secure\n_tcp.real.b.test SERVFAIL"),
            true,
            false,
            "_25._tcp.mx.a.test 01 unknown",
        ),
        // A pin of a CA that matches nothing held holds nothing up; it keeps other CAs away.
        (
            format!("{signed}_25._tcp.mx.a.test TLSA 2 1 1 {R3}"),
            true,
            false,
            "_25._tcp.mx.a.test  CA; tlsa-retired-ca",
        ),
        (
            format!(
                "{signed}_25._tcp.mx.a.test TLSA 3 1 1 {OTHER}\n_25._tcp.mx.a.test TLSA 0 0 1 {KEY}"
            ),
            true,
            false,
            "_25._tcp.mx.a.test 02 CA",
        ),
        // No answer: what is held may be shown, and nothing new.
        (format!("{signed}_tcp.mx.a.test SERVFAIL"), true, false, "_25._tcp.mx.a.test 01 unknown"),
        (format!("{signed}_tcp.mx.a.test SERVFAIL"), false, false, "_25._tcp.mx.a.test  unknown"),
        // Where the addresses are not signed no sender asks; unless there were records before.
        ("mx.a.test A 192.0.2.7\n_tcp.mx.a.test SERVFAIL".to_owned(), true, false, ""),
        (
            "mx.a.test A 192.0.2.7\n_tcp.mx.a.test SERVFAIL".to_owned(),
            true,
            true,
            "_25._tcp.mx.a.test 01 unknown",
        ),
        // The whole DNS is silent: a first certificate does not wait for it.
        ("test TIMEOUT".to_owned(), true, false, "_25._tcp.mx.a.test 01 unknown"),
        ("test TIMEOUT".to_owned(), false, false, ""),
    ] {
        assert_eq!(seen(&zone, holds, known).await, expected, "{zone}, held: {holds}");
    }
}

#[tokio::test]
async fn nobody_is_asked_for_hosts_of_which_nothing_changes() {
    let dns = Zone::parse("a.test secure").unwrap();
    let (store, diary) = (Memory::new(), Diary::default());
    let look = TlsaLook {
        dns: &dns,
        store: &store,
        diary: &diary,
        dane: None,
        held: &[],
        lying: Vec::new(),
        ports: [25].into(),
        every: Duration::from_secs(60),
        now: Timestamp::from_unix(50),
    };
    let desired = Desired {
        hosts: Vec::new(),
        certificates: vec![Wish {
            name: CertName::parse("a.test").unwrap(),
            names: vec![DnsId::Host(host("mx.a.test"))],
        }],
        orders: true,
        ways: crate::model::Ways::default(),
        reuse_keys: false,
        new_keys: BTreeMap::new(),
        keys: Keys::one(KeyType::EcdsaP256),
        drop_rsa: false,
        keep: 2,
        let_go: BTreeSet::new(),
        prove_every: Duration::from_secs(60),
    };
    assert!(look.watched(&desired).await.asked.is_empty());
}
