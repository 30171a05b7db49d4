//! What is taken of others' certificates and what is said of the rest.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, IsCa, KeyPair,
};
use time::OffsetDateTime;

use super::sourced;
use crate::config::Profile;
use crate::model::{Host, Hostname, Points, Timestamp, Version, Why};
use crate::plan::{Held, HeldVersion};
use crate::trust::Roots;
use crate::verify::{Extras, How};

type Ca = CertifiedIssuer<'static, KeyPair>;

const NOW: i64 = 1_800_000_000;

fn day(days: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(NOW + days * 86_400).unwrap()
}

fn ca() -> Ca {
    let mut params = CertificateParams::default();
    (params.not_before, params.not_after) = (day(-1000), day(1000));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Ca::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Chain and key of a certificate that ends in so many days.
fn pair(ca: &Ca, names: &[&str], days: i64) -> (String, String) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = DistinguishedName::new();
    (params.not_before, params.not_after) = (day(days - 90), day(days));
    let key = KeyPair::generate().unwrap();
    (params.signed_by(&key, ca).unwrap().pem(), key.serialize_pem())
}

fn put(root: &Path, name: &str, text: &str, mode: u32) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut options = fs::OpenOptions::new();
    let mut file = options.create(true).write(true).truncate(true).open(&path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A lineage of acme.sh.
fn lineage(root: &Path, name: &str, (chain, key): &(String, String)) {
    let own = name.trim_end_matches("_ecc");
    put(root, &format!("{name}/fullchain.cer"), chain, 0o644);
    put(root, &format!("{name}/{own}.key"), key, 0o600);
}

fn host(name: &str) -> Host {
    Host {
        host: Hostname::parse(name).unwrap(),
        domain: Hostname::parse("a.test").unwrap(),
        reasons: vec![Why::Config],
        addresses: vec![],
        points: Points::All,
        included: true,
        undecided: false,
        why_not: None,
    }
}

fn how(ca: &Ca) -> How {
    How {
        roots: Arc::new(Roots::from_pem("the test's roots", &ca.pem()).unwrap()),
        profile: Profile::Gmail,
        timeout: Duration::from_secs(1),
        concurrency: 1,
        per_address: 1,
        tries: 1,
        without_sni: false,
        extras: Extras::default(),
        now: Timestamp::from_unix(NOW),
        since: tokio::time::Instant::now(),
    }
}

/// The names under which pairs are usable, and what is said, the root left out.
fn seen(root: &Path, ca: &Ca, hosts: &[&str]) -> (Vec<String>, Vec<String>) {
    let hosts: Vec<Host> = hosts.iter().map(|name| host(name)).collect();
    let others = sourced(&[root.to_owned()], hosts.iter(), &[], &how(ca));
    let names = others.sourced.iter().map(|pair| pair.name.to_string()).collect();
    let root = format!("{}/", root.display());
    let said = others.findings.iter();
    let said = said.map(|found| format!("{}: {}", found.code, found.message.replace(&root, "")));
    (names, said.collect())
}

#[tokio::test]
async fn good_pairs_for_our_hosts_are_taken_each_name_once() {
    let (folder, ca) = (tempfile::tempdir().unwrap(), ca());
    let root = folder.path();
    lineage(root, "mail.a.test", &pair(&ca, &["mail.a.test"], 50));
    lineage(root, "mail.a.test_ecc", &pair(&ca, &["mail.a.test", "www.a.test"], 60));
    lineage(root, "wild", &pair(&ca, &["*.b.test"], 60));
    lineage(root, "www.a.test", &pair(&ca, &["www.a.test"], -5));
    let (names, said) = seen(root, &ca, &["mail.a.test", "mx.b.test"]);
    assert_eq!(names, ["b.test.acme-sh", "mail.a.test.acme-sh"]);
    assert_eq!(said, [""; 0], "what is for other hosts is none of our business");
    let hosts = [host("mail.a.test")];
    let others = sourced(&[root.to_owned()], hosts.iter(), &[], &how(&ca));
    assert_eq!(others.sourced[0].facts.names.len(), 2, "the one that ends last");
    assert_eq!(seen(root, &ca, &["mx.c.test"]), (vec![], vec![]));
}

#[tokio::test]
async fn what_cannot_be_used_is_said_with_its_owner_and_how_it_is_renewed() {
    let (folder, ca, other) = (tempfile::tempdir().unwrap(), ca(), ca());
    let root = folder.path();
    let good = pair(&ca, &["a.a.test"], 60);
    lineage(root, "a.a.test", &(good.0.clone(), pair(&ca, &["a.a.test"], 60).1));
    lineage(root, "b.a.test", &pair(&ca, &["b.a.test"], -1));
    lineage(root, "c.a.test", &pair(&other, &["c.a.test"], 60));
    lineage(root, "d.a.test", &("junk".to_owned(), good.1.clone()));
    lineage(root, "e.a.test", &pair(&ca, &["e.a.test"], 60));
    fs::remove_file(root.join("e.a.test/e.a.test.key")).unwrap();
    let hosts = ["a.a.test", "b.a.test", "c.a.test", "d.a.test", "e.a.test"];
    let (names, said) = seen(root, &ca, &hosts);
    assert_eq!(names, [""; 0]);
    let starts = [
        "source-unusable: a.a.test/fullchain.cer: the private key does not belong to the first \
         certificate (a.a.test); `acme.sh --renew -d a.a.test` renews it",
        "source-unusable: the certificate in b.a.test/fullchain.cer has ended at 2027-01-14T",
        "source-unusable: senders refuse what c.a.test/fullchain.cer holds (untrusted-root, see",
        "source-unusable: d.a.test/fullchain.cer: no certificate in it; `acme.sh --renew",
        "source-unusable: e.a.test/e.a.test.key: No such file or directory; `acme.sh --renew",
    ];
    assert_eq!(said.len(), starts.len(), "{said:#?}");
    for (said, expected) in said.iter().zip(starts) {
        assert!(said.starts_with(expected), "{said}\n{expected}");
    }
}

#[tokio::test]
async fn a_key_that_anybody_can_read_is_a_finding_and_used_all_the_same() {
    let (folder, ca) = (tempfile::tempdir().unwrap(), ca());
    let root = folder.path();
    fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap();
    lineage(root, "mail.a.test", &pair(&ca, &["mail.a.test"], 60));
    put(
        root,
        "mail.a.test/mail.a.test.key",
        &fs::read_to_string(root.join("mail.a.test/mail.a.test.key")).unwrap(),
        0o644,
    );
    let (names, said) = seen(root, &ca, &["mail.a.test"]);
    assert_eq!(names, ["mail.a.test.acme-sh"]);
    assert!(
        said.len() == 1 && said[0].starts_with("key-exposed: anybody on this machine"),
        "{said:?}"
    );
}

#[tokio::test]
async fn the_key_of_what_is_held_already_is_not_read_again() {
    let (folder, ca) = (tempfile::tempdir().unwrap(), ca());
    let root = folder.path();
    lineage(root, "mail.a.test", &pair(&ca, &["mail.a.test"], 60));
    let hosts = [host("mail.a.test")];
    let look = |held: &[Held]| sourced(&[root.to_owned()], hosts.iter(), held, &how(&ca));
    let new = look(&[]).sourced;
    fs::remove_file(root.join("mail.a.test/mail.a.test.key")).unwrap();
    assert_eq!(look(&[]).findings.len(), 1);
    let versions = vec![HeldVersion {
        version: Version(1),
        facts: new[0].facts.clone(),
        bad: None,
        unfit: None,
        told: None,
    }];
    let again = look(&[Held { name: new[0].name.clone(), versions }]);
    assert_eq!((again.sourced, again.findings), (new, vec![]));
}

#[tokio::test]
async fn every_pair_of_an_acme_json_has_a_name_of_its_own() {
    let (folder, ca) = (tempfile::tempdir().unwrap(), ca());
    let root = folder.path();
    let entry = |(chain, key): (String, String)| {
        let (chain, key) = (STANDARD.encode(chain), STANDARD.encode(key));
        format!(r#"{{"certificate":"{chain}","key":"{key}"}}"#)
    };
    let entries = [&["mail.a.test"][..], &["*.b.test"], &["www.a.test"]];
    let entries = entries.map(|names| entry(pair(&ca, names, 60))).join(",");
    put(root, "acme.json", &format!(r#"{{"le":{{"Certificates":[{entries}]}}}}"#), 0o600);
    let (names, said) = seen(root, &ca, &["mail.a.test", "mx.b.test"]);
    assert_eq!(names, ["b.test.traefik", "mail.a.test.traefik"]);
    assert_eq!(said, [""; 0]);
}
