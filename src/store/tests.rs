//! The promises of the store on disk.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::model::{
    Bundle, CertName, DnsId, Facts, KeyType, NextKey, PrivateKey, Sha256, Timestamp, Version,
};
use crate::store::{Account, Diary, Entry, Files, Store, StoreError, UnderWay};

/// Reads `NAMES` from a chain of the form `chain of NAMES`, so that no real one is needed.
fn facts(bundle: &Bundle) -> Result<Facts, String> {
    let names = bundle.chain.trim().strip_prefix("chain of ");
    let names = names.ok_or_else(|| "no certificate".to_owned())?;
    let moment = Timestamp::from_unix(0);
    let hash = Sha256::of(bundle.chain.as_bytes());
    Ok(Facts {
        names: names.split(' ').map(|name| DnsId::parse(name).unwrap()).collect(),
        not_before: moment,
        not_after: moment,
        issuer: "CN=Test".to_owned(),
        serial: "01".to_owned(),
        key_type: KeyType::EcdsaP256,
        leaf: hash,
        spki: hash,
        combined: Sha256::of(&bundle.combined()),
        key_file: Sha256::of(bundle.key.expose_pem().as_bytes()),
        chain_file: hash,
        chain_length: 1,
    })
}

fn bundle(name: &str) -> Bundle {
    let key = PrivateKey::from_pem(format!("key of {name}\n"));
    Bundle { key, chain: format!("chain of {name}\n") }
}

fn name(text: &str) -> CertName {
    CertName::parse(text).unwrap()
}

fn store(root: &Path) -> Files {
    Files::open(root, facts).unwrap()
}

fn keep(store: &Files, certificate: &str) -> Version {
    let bundle = bundle(certificate);
    store.keep(&name(certificate), &bundle, &facts(&bundle).unwrap()).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "the world before the test")]
fn put(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
}

/// Every path below `root` with its content's hash, without the diary and the lock.
fn everything(root: &Path) -> Vec<(PathBuf, Option<Sha256>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(everything(&path));
            found.push((path, None));
        } else {
            let hash = Sha256::of(&fs::read(&path).unwrap());
            found.push((path, Some(hash)));
        }
    }
    found.sort();
    found
}

#[test]
fn a_missing_directory_is_an_empty_store_and_reading_makes_none() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("state");
    let store = store(&path);
    assert_eq!(store.certificates().unwrap(), []);
    assert_eq!(*store.diary().unwrap(), Diary::default());
    assert!(store.account("https://ca.test/dir").unwrap().is_none());
    assert!(matches!(
        store.bundle(&name("a.test"), Version(1)),
        Err(StoreError::Missing(said)) if said == "a.test, version 1,"
    ));
    assert!(!path.exists());
    keep(&store, "a.test");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&path), 0o700);
    assert_eq!(mode(&path.join("certificates/a.test/1")), 0o700);
    assert_eq!(mode(&path.join("certificates/a.test/1/key.pem")), 0o600);
}

#[test]
fn the_diary_is_read_again_only_after_somebody_else_wrote() {
    let root = tempfile::tempdir().unwrap();
    let (one, other) = (store(root.path()), store(root.path()));
    let known =
        |server: &str| Entry::Known { server: server.to_owned(), until: Timestamp::from_unix(1) };
    let said = |store: &Files| {
        let diary = store.diary().unwrap();
        diary.known.keys().cloned().collect::<Vec<_>>().concat()
    };
    one.note(&known("a")).unwrap();
    assert_eq!((said(&one), said(&other)), ("a".to_owned(), "a".to_owned()));
    let held = one.diary().unwrap();
    assert!(Arc::ptr_eq(&held, &one.diary().unwrap()), "nothing was written");
    one.note(&known("b")).unwrap();
    assert_eq!(held.known.len(), 1, "what somebody holds does not change under him");
    other.note(&known("c")).unwrap();
    one.note(&known("d")).unwrap();
    assert_eq!((said(&one), said(&other)), ("abcd".to_owned(), "abcd".to_owned()));
}

#[test]
fn what_was_kept_is_found_again_by_another_run() {
    let root = tempfile::tempdir().unwrap();
    for expected in [1, 2] {
        assert_eq!(keep(&store(root.path()), "a.test"), Version(expected));
    }
    assert_eq!(keep(&store(root.path()), "b.test"), Version(1));
    let kept = store(root.path()).certificates().unwrap();
    let said: Vec<_> = kept
        .iter()
        .map(|kept| (kept.name.as_str(), kept.versions.iter().map(|v| v.0.0).collect()))
        .collect::<Vec<(&str, Vec<u32>)>>();
    assert_eq!(said, [("a.test", vec![1, 2]), ("b.test", vec![1])]);
    assert_eq!(kept[0].versions[0].1, facts(&bundle("a.test")).unwrap());
    let found = store(root.path()).bundle(&name("a.test"), Version(2)).unwrap();
    assert_eq!(found.combined(), bundle("a.test").combined());
}

#[test]
fn a_bundle_that_its_facts_do_not_describe_is_not_kept() {
    let root = tempfile::tempdir().unwrap();
    let store = store(root.path());
    let said = facts(&bundle("a.test")).unwrap();
    let error = store.keep(&name("a.test"), &bundle("b.test"), &said).unwrap_err().to_string();
    assert_eq!(error, "a.test: key and chain are not what their facts say");
    assert_eq!(store.certificates().unwrap(), []);
}

#[test]
fn a_version_number_is_never_given_twice() {
    let root = tempfile::tempdir().unwrap();
    let store = store(root.path());
    keep(&store, "a.test");
    keep(&store, "a.test");
    store.forget(&name("a.test"), Version(2)).unwrap();
    store.forget(&name("a.test"), Version(1)).unwrap();
    assert_eq!(store.certificates().unwrap(), []);
    assert!(matches!(store.forget(&name("a.test"), Version(2)), Err(StoreError::Missing(_))));
    assert_eq!(keep(&store, "a.test"), Version(3));
}

#[test]
fn damage_is_told_and_lost_facts_are_made_again_with_and_without_the_cache() {
    for cached in [true, false] {
        let root = tempfile::tempdir().unwrap();
        let store = store(root.path());
        let path = |file: &str| root.path().join("certificates/a.test").join(file);
        for expected in 1..=4 {
            assert_eq!(keep(&store, "a.test"), Version(expected));
        }
        if !cached {
            fs::remove_file(root.path().join("diary-certificates.jsonl")).unwrap();
        }
        fs::remove_file(path("1/facts.json")).unwrap();
        put(&path("2/chain.pem"), "rubbish");
        fs::remove_file(path("3/key.pem")).unwrap();
        put(&path("4/chain.pem"), "chain of b.test\n");
        fs::create_dir(path("05")).unwrap();
        let kept = store.certificates().unwrap().remove(0);
        let good: Vec<_> = kept.versions.iter().map(|(v, f)| (v.0, f.names.clone())).collect();
        let id = |text: &str| vec![DnsId::parse(text).unwrap()];
        assert_eq!(good, [(1, id("a.test")), (4, id("b.test"))]);
        let bad: Vec<_> = kept.damaged.iter().map(|(v, why)| (v.0, why.as_str())).collect();
        assert_eq!(bad[0], (2, "no certificate"));
        assert!(bad[1].0 == 3 && bad[1].1.contains("key.pem"), "{bad:?}");
        assert_eq!(keep(&store, "a.test"), Version(5), "behind the damaged ones");
    }
}

#[test]
fn reading_writes_nothing_and_a_second_run_changes_only_the_diary() {
    let root = tempfile::tempdir().unwrap();
    let store = store(root.path());
    keep(&store, "a.test");
    fs::remove_file(root.path().join("diary-certificates.jsonl")).unwrap();
    let before = everything(root.path());
    store.certificates().unwrap();
    store.diary().unwrap();
    assert_eq!(everything(root.path()), before);
    let _lock = store.lock().unwrap();
    store.certificates().unwrap();
    let diary = |path: &Path| path.file_name().unwrap().to_str().unwrap().starts_with("diary");
    let mut after = everything(root.path());
    after.retain(|(path, _)| !diary(path) && !path.ends_with("lock"));
    assert_eq!(after, before);
    assert!(root.path().join("diary-certificates.jsonl").exists());
}

#[test]
fn the_lock_names_its_holder_and_is_free_when_it_goes() {
    let root = tempfile::tempdir().unwrap();
    let (one, two) = (store(root.path()), store(root.path()));
    let lock = one.lock().unwrap();
    let error = two.lock().unwrap_err().to_string();
    assert_eq!(error, format!("another mailcert is at work (pid {})", std::process::id()));
    assert!(two.certificates().is_ok(), "reading needs no lock");
    drop(lock);
    assert!(two.lock().is_ok());
}

#[test]
fn a_killed_run_leaves_nothing_that_the_next_one_does_not_sweep() {
    let root = tempfile::tempdir().unwrap();
    let store = store(root.path());
    keep(&store, "a.test");
    let leftover = "certificates/a.test/.2.mailcert-0123456789abcdef";
    fs::create_dir(root.path().join(leftover)).unwrap();
    put(&root.path().join(leftover).join("key.pem"), "half a ke");
    assert_eq!(store.certificates().unwrap()[0].versions.len(), 1);
    assert!(root.path().join(leftover).exists());
    let _lock = store.lock().unwrap();
    store.certificates().unwrap();
    assert!(!root.path().join(leftover).exists());
}

#[test]
fn accounts_are_private_and_kept_apart() {
    let root = tempfile::tempdir().unwrap();
    let store = store(root.path());
    let urls = ["https://ca.test/a", "https://ca.test/b", "https://../../etc/x", "odd"];
    for url in urls {
        let credentials = Zeroizing::new(format!("{{\"url\":\"{url}\"}}"));
        store.keep_account(url, &Account { credentials }).unwrap();
    }
    for url in urls {
        let found = store.account(url).unwrap().unwrap();
        assert!(found.credentials.contains(url));
    }
    let accounts = fs::read_dir(root.path().join("accounts")).unwrap();
    let modes = accounts.map(|entry| entry.unwrap().metadata().unwrap().mode() & 0o7777);
    assert_eq!(modes.collect::<Vec<_>>(), [0o600; 4]);
}

#[test]
fn a_directory_of_others_and_a_foreign_diary_are_refused_and_not_touched() {
    let root = tempfile::tempdir().unwrap();
    let mode = |mode| fs::set_permissions(root.path(), fs::Permissions::from_mode(mode));
    for (bits, said) in [(0o770, "mode 0770"), (0o707, "mode 0707")] {
        mode(bits).unwrap();
        let error = Files::open(root.path(), facts).err().unwrap().to_string();
        assert!(error.contains(said), "{error}");
    }
    mode(0o700).unwrap();
    std::os::unix::fs::chown(root.path(), Some(12), None).unwrap();
    assert!(Files::open(root.path(), facts).is_err());
    std::os::unix::fs::chown(root.path(), Some(0), None).unwrap();
    put(&root.path().join("diary.jsonl"), "{\"schema\":9,\"folded\":0}\n");
    let before = everything(root.path());
    let store = store(root.path());
    let event = Entry::Event { at: Timestamp::from_unix(0), text: String::new() };
    assert!(matches!(store.lock(), Err(StoreError::Schema { .. })));
    assert!(matches!(store.diary(), Err(StoreError::Schema { .. })));
    assert!(matches!(store.note(&event), Err(StoreError::Schema { .. })));
    assert_eq!(everything(root.path()), before);
}

#[test]
fn the_diary_is_folded_under_the_lock_and_says_the_same() {
    let root = tempfile::tempdir().unwrap();
    let store = store(root.path());
    let entry = |n: i64| Entry::Directory {
        url: format!("https://ca.test/{}", n % 5),
        at: Timestamp::from_unix(n),
        body: "x".repeat(100),
    };
    store.note_all(&(0..1000).map(entry).collect::<Vec<_>>()).unwrap();
    let path = root.path().join("diary.jsonl");
    let (size, before) = (fs::metadata(&path).unwrap().len(), store.diary().unwrap());
    drop(store.lock().unwrap());
    assert!(fs::metadata(&path).unwrap().len() < size / 100);
    assert_eq!(store.diary().unwrap(), before);
    store.note(&entry(1000)).unwrap();
    assert_eq!(store.diary().unwrap().directories.len(), 5);
}

fn under_way(key: &str) -> UnderWay {
    UnderWay {
        ca: None,
        url: format!("https://ca.test/order/{key}"),
        account: None,
        wanted: Vec::new(),
        names: Vec::new(),
        left_out: Vec::new(),
        profile: None,
        key_type: KeyType::EcdsaP256,
        key: Sha256::of(key.as_bytes()),
        becomes: Version(0),
        since: Timestamp::from_unix(1),
    }
}

fn key(text: &str) -> PrivateKey {
    PrivateKey::from_pem(text.to_owned())
}

fn order_keys(root: &Path) -> usize {
    fs::read_dir(root.join("orders")).unwrap().count()
}

#[test]
fn the_key_of_an_order_is_there_for_as_long_as_the_order() {
    let root = tempfile::tempdir().unwrap();
    let (store, one) = (store(root.path()), name("one.test"));
    let _lock = store.lock().unwrap();
    store.begin_order(&one, &under_way("a"), &key("first")).unwrap();
    for file in fs::read_dir(root.path().join("orders")).unwrap() {
        assert_eq!(file.unwrap().metadata().unwrap().mode() & 0o7777, 0o600);
    }
    store.begin_order(&one, &under_way("b"), &key("second")).unwrap();
    assert_eq!(order_keys(root.path()), 1, "the key of the order before it is gone");
    store.begin_order(&name("two.test"), &under_way("c"), &key("third")).unwrap();

    // Another process finds both.
    let later = self::store(root.path());
    let diary = later.diary().unwrap();
    assert_eq!(diary.orders[&one].becomes, Version(1));
    let read = later.order_key(&one, &diary.orders[&one]).unwrap();
    assert_eq!(read.expose_pem(), "second");

    keep(&store, "one.test");
    assert!(!store.diary().unwrap().orders.contains_key(&one), "a kept version ends it");
    assert_eq!(order_keys(root.path()), 1);
    store.end_order(&name("two.test")).unwrap();
    assert_eq!(order_keys(root.path()), 0);
    let damage = later.order_key(&one, &diary.orders[&one]).err().unwrap();
    assert!(matches!(damage, StoreError::Missing(_)), "{damage}");
}

#[test]
fn what_a_kill_leaves_of_an_order_goes_with_the_next_lock() {
    let root = tempfile::tempdir().unwrap();
    let (one, two) = (name("one.test"), name("two.test"));
    {
        let store = store(root.path());
        let _lock = store.lock().unwrap();
        store.begin_order(&one, &under_way("a"), &key("kept")).unwrap();
        let left = store.diary().unwrap().orders[&one].clone();
        let path = root
            .path()
            .join("orders")
            .join(format!("one.test-{}.pem", &left.key.to_string()[..16]));
        assert!(path.exists());
        keep(&store, "one.test");
        // Killed after the version was kept and before the order was ended.
        store.note(&Entry::Order { certificate: one.clone(), order: Some(left) }).unwrap();
        put(&path, "kept");
        // Killed between the key and its entry.
        put(&root.path().join("orders/two.test-0123456789abcdef.pem"), "stray");
        // This one goes on.
        store.begin_order(&two, &under_way("b"), &key("goes on")).unwrap();
        put(&root.path().join("orders/two.test-0123456789abcdef.pem"), "stray");
    }
    let store = store(root.path());
    let _lock = store.lock().unwrap();
    let diary = store.diary().unwrap();
    assert_eq!(diary.orders.keys().collect::<Vec<_>>(), [&two]);
    assert_eq!(order_keys(root.path()), 1);
    assert_eq!(store.order_key(&two, &diary.orders[&two]).unwrap().expose_pem(), "goes on");
}

#[test]
fn the_next_key_is_private_and_goes_when_a_version_has_it() {
    let root = tempfile::tempdir().unwrap();
    let (store, one) = (store(root.path()), name("one.test"));
    let next = |text: &str| NextKey {
        key: Sha256::of(text.as_bytes()),
        key_type: KeyType::EcdsaP256,
        made: Timestamp::from_unix(1),
    };
    store.keep_next(&one, &next("first"), &key("first")).unwrap();
    store.keep_next(&one, &next("second"), &key("second")).unwrap();
    let files: Vec<_> = fs::read_dir(root.path().join("next")).unwrap().collect();
    assert_eq!(files.len(), 1, "the one it takes the place of is gone");
    let mode = files[0].as_ref().unwrap().metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let later = self::store(root.path());
    assert_eq!(later.next_key(&one, &next("second").key).unwrap().expose_pem(), "second");
    later.end_next(&one, &next("first").key).unwrap();
    assert!(later.diary().unwrap().rollover.next.contains_key(&one), "another key has ended");
    later.end_next(&one, &next("second").key).unwrap();
    assert_eq!(fs::read_dir(root.path().join("next")).unwrap().count(), 0);
    assert!(later.next_key(&one, &next("second").key).is_err());
}
