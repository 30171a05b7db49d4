//! Real pairs, real `postmap`, a private main.cf.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::deploy::{DeployError, adopt, install, remove, tighten};
use crate::disk::{self, Access};
use crate::model::{Bundle, CertName, Facts, PrivateKey, Sha256, Timestamp, Version};
use crate::servers::{Content, Exim, Kind, Part, Postfix, Server, ServerId, Want};
use crate::store::{Memory, Store};
use crate::verify::judge;

pub(in crate::deploy) fn now() -> Timestamp {
    Timestamp::from_unix(1_000)
}

pub(in crate::deploy) fn pair(name: &str) -> Bundle {
    let key = rcgen::KeyPair::generate().unwrap();
    let made = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    let chain = made.self_signed(&key).unwrap().pem();
    Bundle { key: PrivateKey::from_pem(key.serialize_pem()), chain }
}

fn name(text: &str) -> CertName {
    CertName::parse(text).unwrap()
}

fn keep(store: &Memory, text: &str) -> Facts {
    let bundle = pair(text);
    let facts = judge::facts(&bundle).unwrap();
    store.keep(&name(text), &bundle, &facts).unwrap();
    facts
}

fn server(directory: &Path, kind: Kind) -> Server {
    Server {
        id: ServerId("it".to_owned()),
        kind,
        directory: directory.to_owned(),
        reload: vec!["true".to_owned()],
        default: None,
        own_name: None,
        uid: 0,
        gid: 12,
        files_only: false,
        listeners: Vec::new(),
    }
}

pub(in crate::deploy) fn exim(directory: &Path) -> Server {
    let (binary, config_file) = (PathBuf::from("exim4"), None);
    let layout = Default::default();
    server(
        directory,
        Kind::Exim(Exim { binary, config_file, layout, fixed_path: false, lists: true }),
    )
}

/// A Postfix whose main.cf lies in `root`.
pub(in crate::deploy) fn postfix(root: &Path, map_type: &str) -> Server {
    let main = root.join("main.cf");
    disk::replace(&main, b"compatibility_level = 3.6\n", Access::PRIVATE).unwrap();
    // Postfix waits until main.cf is two seconds old.
    fs::File::open(&main).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    let config_directory = root.to_owned();
    let map_type = map_type.to_owned();
    let kind = Kind::Postfix(Postfix { config_directory, map_type, tlsproxy: false });
    server(&root.join("mailcert"), kind)
}

fn want(server: &Server, file: &str, content: Content, identity: Sha256) -> Want {
    let part = match &content {
        Content::Combined(name, _) | Content::Key(name, _) | Content::Chain(name, _) => {
            Part::Certificate(name.clone())
        }
        _ => Part::Index,
    };
    let (uid, gid) = (server.uid, server.gid);
    Want { path: server.directory.join(file), part, content, identity, mode: 0o640, uid, gid }
}

fn combined(server: &Server, text: &str, facts: &Facts) -> Want {
    let content = Content::Combined(name(text), Version(1));
    want(server, &format!("{text}.pem"), content, facts.combined)
}

fn map(server: &Server, text: &str, bundles: &[(&str, &Facts)]) -> Want {
    let Kind::Postfix(postfix) = &server.kind else { panic!("no Postfix") };
    let suffix = if postfix.map_type == "hash" { "db" } else { &postfix.map_type };
    let source = server.directory.join("sni");
    let map_type = postfix.map_type.clone();
    let bundles: Vec<_> = bundles.iter().map(|(at, facts)| (name(at), facts.combined)).collect();
    let named = bundles.iter().map(|(name, combined)| (name, combined));
    let identity = crate::servers::map_identity(&map_type, text, named);
    let content = Content::SniMap { map_type, source, text: text.to_owned() };
    Want { mode: 0o600, ..want(server, &format!("sni.{suffix}"), content, identity) }
}

fn line(server: &Server, key: &str, file: &str) -> String {
    format!("{key} {}\n", server.directory.join(file).display())
}

fn names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

async fn asked(server: &Server, root: &Path, key: &str) -> String {
    let Kind::Postfix(postfix) = &server.kind else { panic!("no Postfix") };
    let table = format!("{}:{}", postfix.map_type, server.directory.join("sni").display());
    let root = root.display().to_string();
    let argv = ["postmap", "-c", &root, "-Fq", key, &table].map(str::to_owned);
    crate::command::run(&argv, b"", std::time::Duration::from_secs(10)).await.unwrap().stdout
}

#[tokio::test]
async fn files_are_installed_noted_and_owed_and_then_the_same() {
    let root = tempfile::tempdir().unwrap();
    let store = Memory::new();
    let server = exim(&root.path().join("tls"));
    let facts = keep(&store, "a.test");
    let wants = [
        want(&server, "exim.key.a.test", Content::Key(name("a.test"), Version(1)), facts.key_file),
        want(
            &server,
            "exim.crt.a.test",
            Content::Chain(name("a.test"), Version(1)),
            facts.chain_file,
        ),
        combined(&server, "a.test", &facts),
    ];
    assert_eq!(install(&server, &wants, true, &store, now()).await.unwrap(), 3);
    let directory = fs::metadata(&server.directory).unwrap();
    assert_eq!((directory.mode() & 0o7777, directory.gid()), (0o750, 12));
    let diary = store.diary().unwrap();
    assert_eq!(diary.owed.get("it"), Some(&now()));
    for want in &wants {
        let found = fs::metadata(&want.path).unwrap();
        assert_eq!((found.mode() & 0o7777, found.uid(), found.gid()), (0o640, 0, 12));
        assert_eq!(Sha256::of(&fs::read(&want.path).unwrap()), want.identity);
        let noted = &diary.installed[&want.path];
        assert_eq!((noted.identity, noted.print.inode), (want.identity, found.ino()));
    }
    for (chain, key) in [(2, None), (1, Some(0))] {
        let key = key.map(|index: usize| wants[index].path.as_path());
        let adopted = adopt(&wants[chain].path, key).unwrap();
        assert_eq!(judge::facts(&adopted).unwrap(), facts, "adopted from {chain} and {key:?}");
    }
    assert!(adopt(&wants[1].path, None).is_err());

    super::reload(&server, &store, now()).await.unwrap();
    assert_eq!(store.diary().unwrap().reloaded.get("it"), Some(&now()));
    assert_eq!(install(&server, &wants, true, &store, now()).await.unwrap(), 0);
    assert!(store.diary().unwrap().owed.is_empty(), "nothing changed, nothing is owed");
}

#[tokio::test]
async fn a_reload_that_did_not_work_is_still_owed() {
    let root = tempfile::tempdir().unwrap();
    for (reload, files_only, expected) in [
        (vec!["true"], false, true),
        (vec!["false"], false, false),
        (vec!["/nowhere/reload"], false, false),
        (vec![], false, false),
        (vec![], true, true),
    ] {
        let store = Memory::new();
        let wants = [combined(&exim(root.path()), "a.test", &keep(&store, "a.test"))];
        let reload: Vec<String> = reload.into_iter().map(str::to_owned).collect();
        let server = Server { reload, files_only, ..exim(&root.path().join("tls")) };
        install(&server, &wants, true, &store, now()).await.unwrap();
        fs::remove_file(&wants[0].path).unwrap();
        let worked = super::reload(&server, &store, now()).await.is_ok();
        assert_eq!(worked, expected, "{:?}", server.reload);
        assert_eq!(store.diary().unwrap().owed.is_empty(), expected, "{:?}", server.reload);
    }
}

#[tokio::test]
async fn no_gate_lets_a_wrong_file_through_nor_writes_the_right_ones_before_it() {
    let root = tempfile::tempdir().unwrap();
    let store = Memory::new();
    let server = exim(&root.path().join("tls"));
    let (a, b) = (keep(&store, "a.test"), keep(&store, "b.test"));
    let mixed = Bundle { key: pair("c.test").key, chain: pair("c.test").chain };
    let c = Facts { combined: Sha256::of(&mixed.combined()), ..a.clone() };
    store.keep(&name("c.test"), &mixed, &c).unwrap();
    let text = want(&server, "t", Content::Text("one".to_owned()), Sha256::of(b"two"));
    for (wrong, said) in [
        (combined(&server, "b.test", &a), "not what was planned"),
        (combined(&server, "c.test", &c), "does not belong to the first certificate"),
        (combined(&server, "d.test", &b), "d.test, version 1, is not in the store"),
        (text, "not what was planned"),
    ] {
        let wants = [combined(&server, "a.test", &a), wrong];
        let error = install(&server, &wants, true, &store, now()).await.unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
        assert!(!server.directory.exists());
        assert!(store.diary().unwrap().owed.is_empty());
    }
}

#[tokio::test]
async fn what_was_installed_before_the_failure_is_noted() {
    let root = tempfile::tempdir().unwrap();
    let store = Memory::new();
    let server = exim(&root.path().join("tls"));
    let facts = keep(&store, "a.test");
    fs::create_dir(&server.directory).unwrap();
    symlink("/etc/passwd", server.directory.join("b.pem")).unwrap();
    let first = combined(&server, "a.test", &facts);
    let second = Want { path: server.directory.join("b.pem"), ..first.clone() };
    let error = install(&server, &[first.clone(), second], true, &store, now()).await.unwrap_err();
    assert!(error.to_string().contains("a link, expected a regular file"), "{error}");
    let noted: Vec<_> = store.diary().unwrap().installed.keys().cloned().collect();
    assert_eq!(noted, [first.path]);
}

#[tokio::test]
async fn a_directory_that_others_write_or_exim_cannot_list_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let store = Memory::new();
    let server = exim(&root.path().join("tls"));
    let wants = [combined(&server, "a.test", &keep(&store, "a.test"))];
    fs::create_dir(&server.directory).unwrap();
    for (mode, said) in [
        (0o757, Some("nobody else can write")),
        (0o700, Some("must be able to list it")),
        (0o710, Some("must be able to list it")),
        (0o755, None),
    ] {
        fs::set_permissions(&server.directory, fs::Permissions::from_mode(mode)).unwrap();
        let answer = install(&server, &wants, false, &store, now()).await;
        match said {
            Some(said) => assert!(answer.unwrap_err().to_string().contains(said), "{mode:o}"),
            None => assert_eq!(answer.unwrap(), 1),
        }
    }
}

#[tokio::test]
async fn a_map_is_built_aside_read_back_and_private() {
    for map_type in ["hash", "lmdb", "cdb"] {
        let root = tempfile::tempdir().unwrap();
        let store = Memory::new();
        let server = postfix(root.path(), map_type);
        let (a, b) = (keep(&store, "a.test"), keep(&store, "b.test"));
        let text = [
            line(&server, ".a.test", "a.test.pem"),
            line(&server, "a.test", "a.test.pem"),
            line(&server, "b.test", "b.test.pem"),
        ]
        .concat();
        let wants = [
            combined(&server, "a.test", &a),
            combined(&server, "b.test", &b),
            map(&server, &text, &[("a.test", &a), ("b.test", &b)]),
        ];
        assert_eq!(install(&server, &wants, false, &store, now()).await.unwrap(), 3);
        let built = wants[2].path.file_name().unwrap().to_str().unwrap();
        let mut expected = ["a.test.pem", "b.test.pem", "sni", built];
        expected.sort_unstable();
        assert_eq!(names(&server.directory), expected, "nothing else stays");
        for file in ["sni", built] {
            let found = fs::metadata(server.directory.join(file)).unwrap();
            assert_eq!(found.mode() & 0o7777, 0o600, "{map_type} {file}");
        }
        for (key, file) in [("b.test", "b.test.pem"), (".a.test", "a.test.pem")] {
            let pem = fs::read_to_string(server.directory.join(file)).unwrap();
            assert_eq!(asked(&server, root.path(), key).await.trim(), pem.trim(), "{map_type}");
        }
        assert_eq!(store.diary().unwrap().installed[&wants[2].path].identity, wants[2].identity);
        assert_eq!(install(&server, &wants, true, &store, now()).await.unwrap(), 0);
        fs::File::open(&wants[2].path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        assert_eq!(install(&server, &wants, true, &store, now()).await.unwrap(), 1, "touched");

        let (path, access) = (&wants[2].path, Access { mode: 0o600, uid: None, gid: None });
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
        tighten(&server, path, access, &store).unwrap();
        assert_eq!(fs::metadata(path).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(store.diary().unwrap().installed[path].identity, wants[2].identity);
    }
}

#[tokio::test]
async fn a_map_that_is_not_right_leaves_the_old_one_in_place() {
    let root = tempfile::tempdir().unwrap();
    let store = Memory::new();
    let server = postfix(root.path(), "lmdb");
    let a = keep(&store, "a.test");
    let bundles = [("a.test", &a)];
    let good = [
        combined(&server, "a.test", &a),
        map(&server, &line(&server, "a.test", "a.test.pem"), &bundles),
    ];
    install(&server, &good, false, &store, now()).await.unwrap();
    let before = fs::read(&good[1].path).unwrap();
    let empty = server.directory.join("c.test.pem");
    disk::replace(&empty, b"", Access::PRIVATE).unwrap();
    let twice = line(&server, "a.test", "a.test.pem").repeat(2);
    let listing = names(&server.directory);
    for (text, said) in [
        (line(&server, "b.test", "b.test.pem"), "No such file"),
        (twice, "a.test is named twice"),
        (line(&server, "b.test", "c.test.pem"), "are not those that were planned"),
        ("b.test\n".to_owned(), "is no line of a map"),
    ] {
        let bad = [map(&server, &text, &bundles)];
        let error = install(&server, &bad, false, &store, now()).await.unwrap_err();
        assert!(matches!(error, DeployError::Gate { .. }), "{error}");
        assert!(error.to_string().contains(said), "{error}");
        assert_eq!(fs::read(&good[1].path).unwrap(), before);
        assert_eq!(names(&server.directory), listing);
    }
    let elsewhere = Server { files_only: true, ..server.clone() };
    let other = [map(&server, &format!("{}\n", line(&server, "a.test", "a.test.pem")), &bundles)];
    let error = install(&elsewhere, &other, false, &store, now()).await.unwrap_err().to_string();
    assert!(error.contains("postmap -F lmdb:"), "{error}");
}

#[tokio::test]
async fn a_file_is_tightened_and_the_diary_still_knows_it() {
    let root = tempfile::tempdir().unwrap();
    let store = Memory::new();
    let server = exim(&root.path().join("tls"));
    let wants = [combined(&server, "a.test", &keep(&store, "a.test"))];
    install(&server, &wants, false, &store, now()).await.unwrap();
    let path = &wants[0].path;
    let access = |mode| Access { mode, uid: Some(0), gid: Some(12) };
    tighten(&server, path, access(0o600), &store).unwrap();
    let noted = store.diary().unwrap().installed[path].clone();
    assert_eq!((noted.print.mode, fs::metadata(path).unwrap().mode() & 0o7777), (0o600, 0o600));
    fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap();
    tighten(&server, path, access(0o600), &store).unwrap();
    let noted = store.diary().unwrap().installed[path].clone();
    assert_eq!((noted.print.mode, noted.identity), (0o600, wants[0].identity));
    let link = root.path().join("link");
    symlink(path, &link).unwrap();
    assert!(tighten(&server, &link, access(0o666), &store).is_err());
    assert_eq!(fs::metadata(path).unwrap().mode() & 0o7777, 0o600);
}

#[tokio::test]
async fn only_what_was_installed_and_is_as_it_was_left_is_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let (server, store) = (exim(&folder.path().join("tls")), Memory::default());
    let facts = keep(&store, "a.test");
    let own = combined(&server, "a.test", &facts);
    install(&server, std::slice::from_ref(&own), true, &store, now()).await.unwrap();
    let bytes = fs::read(&own.path).unwrap();
    let copy = server.directory.join("copy.pem");
    disk::replace(&copy, &bytes, Access::PRIVATE).unwrap();
    assert!(matches!(remove(&copy, &store), Err(DeployError::Gate { .. })), "nobody noted it");
    disk::replace(&own.path, b"theirs", Access::PRIVATE).unwrap();
    assert!(matches!(remove(&own.path, &store), Err(DeployError::Gate { .. })), "it was changed");
    assert!(own.path.exists() && copy.exists());

    disk::replace(&own.path, &bytes, Access::PRIVATE).unwrap();
    remove(&own.path, &store).unwrap();
    assert!(!own.path.exists() && copy.exists());
    assert!(!store.diary().unwrap().installed.contains_key(&own.path));
    // Killed in between, it is not there any more.
    remove(&own.path, &store).unwrap();
}
