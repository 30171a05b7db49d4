//! Trees as the owners leave them.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{directories, is_exposed, lineages, read, usual_places};
use crate::model::Owner;

const KEY: &str = "-----BEGIN PRIVATE KEY-----\nkey\n-----END PRIVATE KEY-----\n";
const CHAIN: &str = "-----BEGIN CERTIFICATE-----\nleaf\n-----END CERTIFICATE-----\n";

fn put(root: &Path, name: &str, text: &str) -> PathBuf {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut options = fs::OpenOptions::new();
    let mut file = options.create(true).write(true).truncate(true).open(&path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    path
}

fn certbot(root: &Path, name: &str, number: u32) {
    for (file, text) in [("fullchain", CHAIN), ("privkey", KEY), ("cert", CHAIN), ("chain", CHAIN)]
    {
        put(root, &format!("archive/{name}/{file}{number}.pem"), text);
        let link = root.join(format!("live/{name}/{file}.pem"));
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&link);
        symlink(format!("../../archive/{name}/{file}{number}.pem"), link).unwrap();
    }
    put(root, "live/README", "words");
}

fn acme_json(pairs: &[(&str, &str)]) -> String {
    let entry = |(chain, key): &(&str, &str)| {
        let (chain, key) = (STANDARD.encode(chain), STANDARD.encode(key));
        format!(
            r#"{{"domain":{{"main":"a.test","sans":["b.test"]}},"certificate":"{chain}","key":"{key}","Store":"default"}}"#
        )
    };
    let entries: Vec<String> = pairs.iter().map(entry).collect();
    format!(
        r#"{{"le":{{"Account":{{"Email":"x","PrivateKey":"AAAA"}},"Certificates":[{}]}},"idle":{{"Account":null,"Certificates":null}},"new":null}}"#,
        entries.join(",")
    )
}

/// Owner, name, and the files below the root.
fn told(root: &Path, place: &str) -> Vec<String> {
    let all = lineages(&[root.join(place)]);
    assert!(all.faults.is_empty(), "{:?}", all.faults);
    let below = |path: &Path| path.strip_prefix(root.join(place)).unwrap().display().to_string();
    let line = |one: &super::Lineage| {
        let key = one.key.as_deref().map_or_else(String::new, below);
        format!("{} {} {} {key}", one.owner.label(), one.name, below(&one.chain))
    };
    all.found.iter().map(line).collect()
}

#[test]
fn every_owner_is_told_by_the_shape_of_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    certbot(&root.join("certbot"), "mail.a.test", 3);
    for name in ["mail.a.test.crt", "mail.a.test.key", "mail.a.test.json", "mail.a.test.issuer.crt"]
    {
        put(root, &format!("lego/certificates/{name}"), "x");
    }
    put(root, "lego/accounts/server/keys/x@a.test.key", KEY);
    for (directory, name) in [("mail.a.test", "mail.a.test"), ("mx.a.test_ecc", "mx.a.test")] {
        for file in ["fullchain.cer", "ca.cer", &format!("{name}.cer"), &format!("{name}.key")] {
            put(root, &format!("acme.sh/{directory}/{file}"), "x");
        }
    }
    put(root, "dehydrated/mail.a.test/fullchain-17.pem", CHAIN);
    put(root, "dehydrated/mail.a.test/privkey-17.pem", KEY);
    for file in ["fullchain", "privkey"] {
        let link = root.join(format!("dehydrated/mail.a.test/{file}.pem"));
        symlink(format!("{file}-17.pem"), link).unwrap();
    }
    for file in ["mail.a.test.crt", "mail.a.test.key", "mail.a.test.json"] {
        let ca = "acme-v02.api.letsencrypt.org-directory";
        put(root, &format!("caddy/certificates/{ca}/mail.a.test/{file}"), "x");
    }
    put(root, "traefik/acme.json", &acme_json(&[(CHAIN, KEY)]));
    for (name, text) in [("fullchain.pem", CHAIN), ("privkey.pem", KEY)] {
        put(root, &format!("own/mail.a.test/{name}"), text);
    }
    put(root, "own/tls.crt", CHAIN);
    put(root, "own/tls.key", KEY);
    put(root, "own/no-key/fullchain.pem", CHAIN);
    put(root, "own/alone.crt", CHAIN);
    put(root, "own/a;b/fullchain.pem", CHAIN);
    put(root, "own/a;b/privkey.pem", KEY);
    symlink(root.join("certbot/live"), root.join("own/link")).unwrap();
    for (place, expected) in [
        (
            "certbot",
            &["certbot mail.a.test live/mail.a.test/fullchain.pem live/mail.a.test/privkey.pem"][..],
        ),
        ("lego", &["lego mail.a.test certificates/mail.a.test.crt certificates/mail.a.test.key"]),
        (
            "acme.sh",
            &[
                "acme-sh mail.a.test mail.a.test/fullchain.cer mail.a.test/mail.a.test.key",
                "acme-sh mx.a.test mx.a.test_ecc/fullchain.cer mx.a.test_ecc/mx.a.test.key",
            ],
        ),
        (
            "dehydrated",
            &["dehydrated mail.a.test mail.a.test/fullchain.pem mail.a.test/privkey.pem"],
        ),
        ("traefik", &["traefik acme acme.json "]),
        ("traefik/acme.json", &["traefik acme  "]),
        (
            "own",
            &[
                "files tls tls.crt tls.key",
                "files mail.a.test mail.a.test/fullchain.pem mail.a.test/privkey.pem",
            ],
        ),
    ] {
        assert_eq!(told(root, place), expected, "{place}");
    }
    let caddy = told(root, "caddy");
    assert!(
        caddy.len() == 1 && caddy[0].starts_with("caddy mail.a.test certificates/"),
        "{caddy:?}"
    );
    let nowhere = lineages(&[root.join("nowhere")]);
    let said: Vec<String> = nowhere.faults.iter().map(ToString::to_string).collect();
    assert_eq!(said, [format!("{}: No such file or directory", root.join("nowhere").display())]);
}

#[test]
fn a_pair_is_read_through_links_and_from_json() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    certbot(root, "mail.a.test", 1);
    let live = root.join("live/mail.a.test");
    let (chain, key) = (live.join("fullchain.pem"), live.join("privkey.pem"));
    let pairs = read(&chain, Some(&key)).unwrap();
    assert_eq!((pairs.len(), pairs[0].key.expose_pem(), pairs[0].chain.as_str()), (1, KEY, CHAIN));

    let combined = put(root, "combined.pem", &format!("words\n{KEY}{CHAIN}{CHAIN}"));
    let pairs = read(&combined, None).unwrap();
    assert_eq!((pairs[0].key.expose_pem(), pairs[0].chain.len()), (KEY, 2 * CHAIN.len()));

    let json =
        put(root, "acme.json", &acme_json(&[(CHAIN, KEY), (&format!("{CHAIN}{CHAIN}"), KEY)]));
    let lengths: Vec<usize> =
        read(&json, None).unwrap().iter().map(|pair| pair.chain.len() / CHAIN.len()).collect();
    assert_eq!(lengths, [1, 2]);
    let old = put(
        root,
        "old.json",
        &format!(
            r#"{{"Account":{{}},"Certificates":[{{"Certificate":"{}","Key":"{}"}}]}}"#,
            STANDARD.encode(CHAIN),
            STANDARD.encode(KEY)
        ),
    );
    assert_eq!(read(&old, None).unwrap().len(), 1);
}

#[test]
fn what_cannot_be_read_says_why_and_nothing_of_its_text() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let (chain, key) = (put(root, "c.pem", CHAIN), put(root, "k.pem", KEY));
    let fifo = root.join("fifo");
    let made = rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    );
    made.unwrap();
    symlink("loop", root.join("loop")).unwrap();
    let secret = r#"{"le":{"Certificates":[{"certificate":"SECRET","key":"!"}]}}"#;
    for (name, chain, key, expected) in [
        ("no key", &chain, Some(&chain), "c.pem: no private key in it"),
        ("no chain", &key, Some(&key), "k.pem: no certificate in it"),
        ("gone", &chain, Some(&root.join("gone")), "gone: No such file or directory"),
        ("pipe", &fifo, None, "fifo: not a regular file"),
        ("directory", &root.to_owned(), None, ": not a regular file"),
        ("loop", &root.join("loop"), None, "loop: Too many levels of symbolic links"),
        ("base64", &put(root, "b.json", secret), None, "b.json: an entry that is no base64"),
        ("json", &put(root, "j.json", "{\"SECRET\":1"), None, "j.json: not the JSON of Traefik"),
    ] {
        let Err(error) = read(chain, key.map(|key| key.as_path())) else { panic!("{name}") };
        let said = error.to_string();
        assert!(said.ends_with(expected) && !said.contains("SECRET"), "{name}: {said}");
    }
}

#[test]
fn a_key_is_exposed_when_the_directories_above_it_let_everybody_through() {
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let root = folder.path();
    certbot(root, "mail.a.test", 1);
    let mode = |path: &str, mode| {
        fs::set_permissions(root.join(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    let key = root.join("live/mail.a.test/privkey.pem");
    for (top, archive, file, expected) in [
        (0o755, 0o755, 0o644, true),
        (0o755, 0o755, 0o640, false),
        (0o755, 0o700, 0o644, false),
        (0o700, 0o755, 0o644, false),
    ] {
        mode("", top);
        mode("archive", archive);
        mode("archive/mail.a.test/privkey1.pem", file);
        assert_eq!(is_exposed(&key), expected, "{top:o} {archive:o} {file:o}");
    }
}

#[test]
fn watched_are_the_directories_of_links_and_of_what_they_lead_to() {
    let folder = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(folder.path()).unwrap();
    certbot(&root, "mail.a.test", 1);
    let found = lineages(&[root.join("live")]).found;
    let expected = ["archive/mail.a.test", "live/mail.a.test"].map(|path| root.join(path));
    assert_eq!(directories(&found), expected.into());
}

#[test]
fn the_usual_places_are_those_of_the_machine_and_of_the_caller() {
    let places = usual_places(Path::new("/"), Some(Path::new("/root")));
    for place in ["/etc/letsencrypt/live", "/root/.acme.sh", "/var/lib/dehydrated/certs"] {
        assert!(places.contains(&PathBuf::from(place)), "{places:?}");
    }
    assert_eq!(usual_places(Path::new("/"), None).len(), places.len() - 2);
    assert_eq!(Owner::ALL.len(), 7);
}
