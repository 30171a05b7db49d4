//! A life of entries, added up, folded and read back.

use super::*;
use crate::model::{Announced, DnsId, KeyType, NextKey, OnHold, Renewal};
use crate::store::{Declined, FilePrint};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds)
}

fn certificate(name: &str) -> CertName {
    CertName::parse(name).unwrap()
}

fn installed(size: u64) -> Installed {
    let print = FilePrint { inode: 7, size, mtime_nanos: 9, mode: 0o600, uid: 0, gid: 0 };
    Installed { server: "exim".to_owned(), identity: Sha256::of(b"x"), print }
}

fn proof(version: u32) -> Proof {
    Proof {
        version: Version(version),
        at: at(50),
        void: false,
        inspections: Vec::new(),
        before: None,
    }
}

fn wait(refusals: u32) -> Wait {
    let (findings, refused) = (Vec::new(), Vec::new());
    Wait { until: at(99), refusals, findings, refused, declined: BTreeMap::new() }
}

/// Two CAs have refused it for reasons of their own.
fn declined() -> Wait {
    let names = vec![DnsId::parse("mx.example.org").unwrap()];
    let one = |refusals| Declined { until: at(98), refusals, names: names.clone() };
    let declined = [("one", 1), ("two", 2)].map(|(ca, refusals)| (Mark::of(ca), one(refusals)));
    Wait { declined: declined.into(), ..wait(2) }
}

fn hold(ca: &str, tries: u32) -> Entry {
    let hold = Hold { at: at(1), until: at(99), tries, findings: Vec::new() };
    Entry::Hold { ca: Mark::of(ca), hold: Some(hold) }
}

fn origin(version: u32, ca: &str) -> Entry {
    let certificate = certificate("example.org");
    Entry::Origin { certificate, version: Version(version), ca: Mark::of(ca) }
}

fn under_way(url: &str) -> UnderWay {
    let names = vec![DnsId::parse("mx.example.org").unwrap()];
    UnderWay {
        ca: None,
        url: url.to_owned(),
        account: None,
        wanted: names.clone(),
        names,
        left_out: Vec::new(),
        profile: None,
        key_type: KeyType::EcdsaP256,
        key: Sha256::of(b"key"),
        becomes: Version(1),
        since: at(4),
    }
}

fn asked(domain: Hostname, seconds: i64) -> Entry {
    let (hosts, findings) = (Vec::new(), Vec::new());
    Entry::Discovered { domain, at: at(seconds), asked_with: Sha256::of(b"y"), hosts, findings }
}

fn presented(value: &str, since: Option<Timestamp>) -> Entry {
    let [zone, record] = ["example.org", "_acme-challenge.mx.example.org"].map(str::to_owned);
    Entry::Presented { zone, record, value: value.to_owned(), since, by: None }
}

fn told(second: i64) -> Told {
    let renewal = Renewal { start: at(second), end: at(second + 1), explanation: None };
    let (asked, again) = (at(second), at(second + 2));
    Told { version: Version(1), asked, again, renewal: Some(renewal) }
}

fn absent(name: &str, days: Option<u32>) -> Entry {
    let domain = Hostname::parse("a.test").unwrap();
    let absence = days.map(|days| Absence { domain, days, last: at(days.into()), sure: false });
    Entry::Absent { name: DnsId::parse(name).unwrap(), absence }
}

fn announced(second: i64) -> Entry {
    let (owner, key) = ("_25._tcp.mx.example.org".to_owned(), Sha256::of(b"next"));
    let announced = Announced { since: None, looked: at(second), ttl: 60, ours: true, gone: None };
    let announced = (second > 0).then_some(announced);
    Entry::Rollover(RolloverNote::Announced { owner, key, announced })
}

fn next(second: i64) -> Entry {
    let next = NextKey { key: Sha256::of(b"n"), key_type: KeyType::EcdsaP256, made: at(second) };
    let next = (second > 0).then_some(next);
    Entry::Rollover(RolloverNote::Next { certificate: certificate("b.test"), next })
}

/// Every kind of entry twice: the second takes away or replaces what the first said.
fn life() -> Vec<Entry> {
    let domain = Hostname::parse("example.org").unwrap();
    let exim = || "exim".to_owned();
    let name = || certificate("example.org");
    let path = || PathBuf::from("/etc/exim4/tls/a.pem");
    vec![
        Entry::Reload { server: exim(), since: Some(at(1)), at: at(1) },
        Entry::Reload { server: exim(), since: None, at: at(2) },
        Entry::Reload { server: "postfix".to_owned(), since: None, at: at(3) },
        Entry::Reload { server: "postfix".to_owned(), since: Some(at(4)), at: at(4) },
        Entry::Wait { certificate: name(), wait: Some(wait(1)) },
        Entry::Wait { certificate: name(), wait: None },
        Entry::Wait { certificate: certificate("b.test"), wait: Some(declined()) },
        hold("down", 1),
        hold("down", 2),
        hold("well", 1),
        Entry::Hold { ca: Mark::of("well"), hold: None },
        origin(2, "first"),
        origin(2, "further"),
        origin(4, "first"),
        Entry::Order { certificate: name(), order: Some(under_way("one")) },
        Entry::Order { certificate: name(), order: Some(under_way("two")) },
        Entry::Order { certificate: certificate("b.test"), order: Some(under_way("three")) },
        Entry::Order { certificate: certificate("b.test"), order: None },
        absent("mx.a.test", Some(1)),
        absent("mx.a.test", Some(2)),
        absent("*.b.test", Some(3)),
        absent("*.b.test", None),
        Entry::Told { certificate: name(), told: Some(told(1)) },
        Entry::Told { certificate: name(), told: Some(told(2)) },
        Entry::Told { certificate: certificate("b.test"), told: Some(told(3)) },
        Entry::Told { certificate: certificate("b.test"), told: None },
        announced(1),
        announced(0),
        announced(2),
        next(1),
        next(0),
        Entry::Rollover(RolloverNote::Pinned { host: domain.clone(), at: at(1), pinned: true }),
        Entry::Rollover(RolloverNote::Pinned { host: domain.clone(), at: at(2), pinned: false }),
        Entry::Rollover(RolloverNote::Shown {
            certificate: name(),
            key: Sha256::of(b"n"),
            since: at(3),
        }),
        Entry::Installed { path: path(), file: Some(installed(1)) },
        Entry::Installed { path: path(), file: Some(installed(2)) },
        Entry::Installed { path: PathBuf::from("/gone"), file: Some(installed(1)) },
        Entry::Installed { path: PathBuf::from("/gone"), file: None },
        Entry::Proof { server: exim(), certificate: None, proof: Some(proof(1)) },
        Entry::Proof { server: exim(), certificate: Some(name()), proof: Some(proof(1)) },
        Entry::Proof { server: exim(), certificate: Some(name()), proof: None },
        Entry::Bad { certificate: name(), version: Version(3), at: at(5), why: "x".to_owned() },
        Entry::Exposed(name(), Version(3), at(5)),
        Entry::OnHold(certificate("example.org"), Some(OnHold { since: at(5), why: None })),
        Entry::OnHold(
            certificate("example.org"),
            Some(OnHold { since: at(6), why: Some("audit".to_owned()) }),
        ),
        Entry::OnHold(certificate("b.test"), Some(OnHold { since: at(6), why: None })),
        Entry::OnHold(certificate("b.test"), None),
        Entry::Known { server: exim(), until: at(5) },
        Entry::Known { server: exim(), until: at(6) },
        asked(domain.clone(), 5),
        asked(domain, 6),
        Entry::Directory { url: "https://ca".to_owned(), at: at(7), body: "{}".to_owned() },
        presented("left", Some(at(7))),
        presented("gone", Some(at(7))),
        presented("gone", None),
        Entry::Event { at: at(8), text: "of an earlier version".to_owned() },
    ]
}

fn sum(entries: impl IntoIterator<Item = Entry>) -> Diary {
    let mut diary = Diary::default();
    entries.into_iter().for_each(|entry| diary.add(entry));
    diary
}

#[test]
fn a_later_entry_replaces_the_earlier_one() {
    let diary = sum(life());
    assert_eq!(diary.owed, BTreeMap::from([("postfix".to_owned(), at(4))]));
    let worked = [("exim".to_owned(), at(2)), ("postfix".to_owned(), at(3))];
    assert_eq!(diary.reloaded, BTreeMap::from(worked));
    assert_eq!(diary.waits, BTreeMap::from([(certificate("b.test"), declined())]));
    let tries: Vec<_> = diary.holds.iter().map(|(ca, hold)| (*ca, hold.tries)).collect();
    assert_eq!(tries, [(Mark::of("down"), 2)]);
    let origin = |name, version| diary.origin(&certificate(name), Version(version));
    let (first, further) = (Some(Mark::of("first")), Some(Mark::of("further")));
    let audit = OnHold { since: at(6), why: Some("audit".to_owned()) };
    assert_eq!(diary.on_hold, BTreeMap::from([(certificate("example.org"), audit)]));
    let of_each = [1, 2, 3, 4, 9].map(|version| origin("example.org", version));
    assert_eq!(of_each, [None, further, further, first, first]);
    assert_eq!([origin("example.net", 9), origin("example.orga", 9)], [None, None]);
    assert_eq!(diary.orders, BTreeMap::from([(certificate("example.org"), under_way("two"))]));
    let file = (PathBuf::from("/etc/exim4/tls/a.pem"), installed(2));
    assert_eq!(diary.installed, BTreeMap::from([file]));
    assert_eq!(diary.proofs, BTreeMap::from([(("exim".to_owned(), None), proof(1))]));
    assert_eq!(diary.bad.values().next(), Some(&(at(5), "x".to_owned())));
    assert_eq!(diary.known, BTreeMap::from([("exim".to_owned(), at(6))]));
    assert_eq!(diary.discovered.values().next().map(|found| found.at), Some(at(6)));
    let left: Vec<&str> = diary.presented.keys().map(|(_, value)| value.as_str()).collect();
    assert_eq!(left, ["left"]);
    let announced: Vec<i64> =
        diary.rollover.announced.values().map(|known| known.looked.unix()).collect();
    assert_eq!((announced, diary.rollover.next.len()), (vec![2], 0));
    assert!(diary.rollover.pinned.values().all(|known| *known == (at(2), false)));
}

#[test]
fn folded_at_any_moment_it_says_the_same() {
    for cut in 0..=life().len() {
        let mut folded = sum(sum(life().into_iter().take(cut)).into_entries());
        life().into_iter().skip(cut).for_each(|entry| folded.add(entry));
        assert_eq!(folded, sum(life()), "folded after {cut} entries");
    }
}

#[test]
fn every_entry_survives_being_written_and_read() {
    for entry in life() {
        let text = serde_json::to_string(&entry).unwrap();
        assert!(!text.contains('\n'));
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry, "{text}");
    }
}
