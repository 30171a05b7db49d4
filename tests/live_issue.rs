//! Issuing against a real Pebble (`apt install pebble`), started by each test for itself on a
//! loopback address of its own, with a DNS server of a few lines. They need root for port 80.

#![expect(clippy::unwrap_used, reason = "these are tests")]

#[path = "live_issue/account.rs"]
mod account;
#[path = "live_issue/accounts.rs"]
mod accounts;
#[path = "live_issue/dns01.rs"]
mod dns01;
#[path = "live_issue/exec.rs"]
mod exec;
#[path = "live_issue/neighbours.rs"]
mod neighbours;
#[path = "live_issue/serve.rs"]
mod serve;
#[path = "live_issue/smallest.rs"]
mod smallest;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use mailcert::http::Http;
use mailcert::issue::{Acme, Ca as _, Issued, Listener, Order, Refusal, issue};
use mailcert::model::{DnsId, KeyType, Keys, Timestamp};
use mailcert::trust::Roots;
use mailcert::verify::judge::{facts_of_chain, top_issuer};

use accounts::Accounts;
use neighbours::{Here, serve_dns, serve_files};

/// A Pebble and everything around it; all of it goes with the value.
struct World {
    address: Ipv4Addr,
    pebble: Child,
    settings: BTreeMap<String, String>,
    directory: tempfile::TempDir,
    anchors: rustls::RootCertStore,
    store: Arc<Accounts>,
}

impl World {
    /// Starts Pebble on 127.0.26.`place` with these environment variables and blocked names.
    fn start(place: u8, environment: &[(&str, &str)], blocked: &[&str]) -> Self {
        Self::configured(place, environment, blocked, serde_json::json!({}))
    }

    /// The same with more settings of Pebble's.
    fn configured(
        place: u8,
        environment: &[(&str, &str)],
        blocked: &[&str],
        more: serde_json::Value,
    ) -> Self {
        let address = Ipv4Addr::new(127, 0, 26, place);
        let directory = tempfile::tempdir().unwrap();
        let anchors = make_server_certificate(directory.path(), address);
        let dns = serve_dns(address);
        let mut config = serde_json::json!({"pebble": {
            "listenAddress": format!("{address}:14000"),
            "managementListenAddress": format!("{address}:15000"),
            "certificate": directory.path().join("chain.pem"),
            "privateKey": directory.path().join("key.pem"),
            "httpPort": 80, "tlsPort": 443, "externalAccountBindingRequired": false,
            "domainBlocklist": blocked,
        }});
        for (key, value) in more.as_object().unwrap() {
            config["pebble"][key] = value.clone();
        }
        put(&directory.path().join("config.json"), &config.to_string());
        let mut settings: BTreeMap<_, _> = [
            ("PEBBLE_VA_NOSLEEP", "1"),
            ("PEBBLE_WFE_NONCEREJECT", "0"),
            ("PEBBLE_AUTHZREUSE", "0"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        settings.insert("dns".to_owned(), dns.to_string());
        for (name, value) in environment {
            settings.insert((*name).to_owned(), (*value).to_owned());
        }
        let pebble = spawn(directory.path(), &settings, address);
        let store = Arc::new(Accounts::default());
        Self { address, pebble, settings, directory, anchors, store }
    }

    /// Pebble keeps everything in memory: after this it knows no account.
    fn restart(&mut self) {
        self.pebble.kill().unwrap();
        self.pebble.wait().unwrap();
        self.pebble = spawn(self.directory.path(), &self.settings, self.address);
    }

    fn http(&self) -> Http {
        let roots = Roots { name: "the test's root".to_owned(), anchors: self.anchors.clone() };
        Http::new(&roots, None).unwrap()
    }

    fn url(&self) -> String {
        format!("https://{}:14000/dir", self.address)
    }

    fn acme(&self) -> Acme {
        self.acme_with(&self.store, |_| ())
    }

    /// The same with another store or other settings.
    fn acme_with(
        &self,
        store: &Arc<Accounts>,
        change: impl FnOnce(&mut mailcert::config::Acme),
    ) -> Acme {
        let mut settings = mailcert::config::Acme {
            directory: self.url(),
            ca_roots: None,
            contact: vec!["mailto:postmaster@example.org".to_owned()],
            agree_to_terms: true,
            keys: Keys::one(KeyType::EcdsaP256),
            reuse_key: false,
            profile: None,
            preferred_chain: None,
            names_per_certificate: 25,
            eab: None,
            staging: None,
        };
        change(&mut settings);
        Acme::new(&settings, self.http(), store.clone(), Timestamp::from_unix(1_790_000_000))
    }

    fn listener(&self) -> Listener {
        Listener::new(vec![SocketAddr::new(IpAddr::V4(self.address), 80)])
    }

    async fn issue(&self, acme: &Acme, names: &[&str], unseen: &[&str]) -> Result<Issued, Refusal> {
        let names = names.iter().map(|name| DnsId::parse(name).unwrap()).collect::<Vec<_>>();
        let order = Order::of(names, KeyType::EcdsaP256);
        let unseen = unseen.iter().map(|name| (*name).to_owned()).collect();
        let dns = Here { address: self.address, unseen };
        issue(order, acme, &dns, &self.http(), &self.listener(), &self.store.book()).await
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.pebble.kill();
        let _ = self.pebble.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "a test starts its own CA")]
fn spawn(directory: &Path, settings: &BTreeMap<String, String>, address: Ipv4Addr) -> Child {
    let mut pebble = Command::new("pebble")
        .args(["-config", "config.json", "-strict=false", "-dnsserver", &settings["dns"]])
        .current_dir(directory)
        .envs(settings)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("pebble is missing or cannot be started: apt install pebble");
    for _ in 0..200 {
        if std::net::TcpStream::connect((address, 14000)).is_ok() {
            return pebble;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ = pebble.kill();
    let _ = pebble.wait();
    panic!("pebble did not start on {address}:14000");
}

#[expect(clippy::disallowed_methods, reason = "a test's own files")]
fn put(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

/// The certificate of the directory, by a root of its own.
fn make_server_certificate(directory: &Path, address: Ipv4Addr) -> rustls::RootCertStore {
    let root_key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root = params.self_signed(&root_key).unwrap();
    let issuer = rcgen::Issuer::new(params, root_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec![address.to_string()]).unwrap();
    let leaf = params.signed_by(&key, &issuer).unwrap();
    put(&directory.join("chain.pem"), &leaf.pem());
    put(&directory.join("key.pem"), &key.serialize_pem());
    let mut anchors = rustls::RootCertStore::empty();
    anchors.add(root.der().clone()).unwrap();
    anchors
}

/// What a refusal says, for a failing test.
fn said(refusal: Refusal) -> String {
    refusal.findings.into_iter().map(|finding| finding.message + "\n").collect()
}

fn left_out(issued: &Issued) -> Vec<String> {
    let lines = issued.left_out.iter();
    lines.map(|(name, finding)| format!("{name}: {} {}", finding.code, finding.message)).collect()
}

#[expect(clippy::disallowed_methods, reason = "this test measures")]
async fn millis(work: impl Future<Output = ()>) -> u128 {
    let start = Instant::now();
    work.await;
    start.elapsed().as_millis()
}

fn median(mut times: Vec<u128>) -> u128 {
    times.sort_unstable();
    times[times.len() / 2]
}

#[tokio::test]
#[ignore = "starts Pebble; tests/run runs it"]
async fn twenty_certificates_cost_at_most_twice_the_smallest_program() {
    let world = World::start(20, &[], &[]);
    let acme = world.acme();
    let bare = smallest::account(&world).await;
    let listener = world.listener();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for number in 0..20 {
        let name = format!("mx{number}.example.org");
        ours.push(
            millis(async {
                let issued = world.issue(&acme, &[&name], &[]).await.map_err(said).unwrap();
                assert!(issued.left_out.is_empty() && issued.findings.is_empty());
            })
            .await,
        );
        let name = format!("min{number}.example.org");
        theirs.push(millis(smallest::certify(&bare, &name, &listener)).await);
    }
    println!("ours {ours:?} ms\nsmallest {theirs:?} ms");
    let (ours, theirs) = (median(ours), median(theirs));
    println!("median: ours {ours} ms, the smallest program {theirs} ms");
    assert!(ours <= theirs * 2, "{ours} ms against {theirs} ms");
    assert_eq!(world.store.made(), 1, "one account is enough");
}

#[tokio::test]
#[ignore = "starts Pebble; tests/run runs it"]
async fn twenty_orders_at_once_share_listener_and_account() {
    let world = World::start(21, &[], &[]);
    let acme = world.acme();
    let listener = world.listener();
    let dns = Here { address: world.address, unseen: Vec::new() };
    let http = world.http();
    let book = world.store.book();
    let orders = (0..20).map(|number| {
        let names = ["mx", "imap"].map(|label| format!("{label}.d{number}.example"));
        let names = names.iter().map(|name| DnsId::parse(name).unwrap()).collect::<Vec<_>>();
        let order = Order::of(names, KeyType::EcdsaP384);
        issue(order, &acme, &dns, &http, &listener, &book)
    });
    let spent = millis(async {
        for issued in futures_util::future::join_all(orders).await {
            let issued = issued.map_err(said).unwrap();
            assert_eq!(issued.bundle.chain.matches("BEGIN CERTIFICATE").count(), 2);
        }
    });
    println!("20 certificates of two names at once: {} ms", spent.await);
    assert_eq!(world.store.made(), 1, "one account is enough");
}

#[tokio::test]
#[ignore = "starts Pebble; tests/run runs it"]
async fn half_of_all_nonces_refused_is_no_obstacle() {
    let world = World::start(22, &[("PEBBLE_WFE_NONCEREJECT", "50")], &[]);
    let acme = world.acme();
    for number in 0..10 {
        let name = format!("mx{number}.example.org");
        world.issue(&acme, &[&name, "imap.example.org"], &[]).await.map_err(said).unwrap();
    }
}

#[tokio::test]
#[ignore = "starts Pebble; tests/run runs it"]
async fn a_name_the_ca_blocks_does_not_hold_up_the_others() {
    let world = World::start(23, &[], &["blocked.example"]);
    let names = ["mx.a.example", "mx.blocked.example", "mx.b.example"];
    let issued = world.issue(&world.acme(), &names, &[]).await.map_err(said).unwrap();
    let lines = left_out(&issued);
    println!("{lines:#?}");
    assert_eq!(lines.len(), 1);
    assert!(
        lines[0].starts_with(
            "mx.blocked.example: name-refused mx.blocked.example: the CA refused it: "
        )
    );
    assert!(lines[0].contains("(urn:ietf:params:acme:error:rejectedIdentifier)"));
    let alone = world.issue(&world.acme(), &["mx.blocked.example"], &[]).await;
    let refusal = alone.err().expect("the CA blocks it");
    assert!(refusal.by_ca());
    assert_eq!(refusal.names[0].to_string(), "mx.blocked.example");
}

#[tokio::test]
#[ignore = "starts Pebble; tests/run runs it"]
async fn a_name_whose_answer_the_ca_does_not_find_is_left_out() {
    let world = World::start(24, &[], &[]);
    let acme = world.acme();
    let names = ["mx.a.example", "mx.b.example", "mx.c.example"];
    // The solver shows nothing for b and c, and the preflight cannot see it.
    let solver = Forgetful { inner: world.listener(), forgets: ["mx.b.example", "mx.c.example"] };
    let order = Order {
        must_stay: Vec::new(),
        sake: Vec::new(),
        failed: Vec::new(),
        names: names.iter().map(|name| DnsId::parse(name).unwrap()).collect(),
        key_type: KeyType::EcdsaP256,
        key: None,
        profile: None,
        replaces: None,
    };
    let dns = Here {
        address: world.address,
        unseen: vec!["mx.b.example".to_owned(), "mx.c.example".to_owned()],
    };
    let issued = issue(order, &acme, &dns, &world.http(), &solver, &world.store.book())
        .await
        .map_err(said)
        .unwrap();
    let lines = left_out(&issued);
    println!("{lines:#?}");
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|line| line.contains("urn:ietf:params:acme:error:")), "{lines:?}");
    assert_eq!(issued.findings.len(), 2, "both were unseen");
}

#[tokio::test]
#[ignore = "starts Pebble; tests/run runs it"]
async fn where_nothing_is_seen_one_name_goes_first() {
    let world = World::start(28, &[("PEBBLE_AUTHZREUSE", "100")], &[]);
    let names = ["mx.a.example", "mx.b.example"];
    let issued = world.issue(&world.acme(), &names, &names).await.map_err(said).unwrap();
    assert!(issued.left_out.is_empty());
    assert_eq!(issued.findings.len(), 2, "both were unseen");
}

/// Presents, but not for these hosts.
struct Forgetful {
    inner: Listener,
    forgets: [&'static str; 2],
}

#[async_trait]
impl mailcert::issue::Solver for Forgetful {
    async fn present(&self, host: &DnsId, token: &str, answer: &str) -> Result<(), String> {
        let forgotten = self.forgets.contains(&host.domain().as_str());
        self.inner.present(host, token, if forgotten { "something else" } else { answer }).await
    }

    async fn clear(&self, host: &DnsId, token: &str) {
        self.inner.clear(host, token).await;
    }
}

#[tokio::test]
#[ignore = "starts Pebble; tests/run runs it"]
async fn an_account_the_ca_has_lost_is_made_again_once() {
    let mut world = World::start(25, &[], &[]);
    world.issue(&world.acme(), &["mx.a.example"], &[]).await.map_err(said).unwrap();
    world.issue(&world.acme(), &["mx.b.example"], &[]).await.map_err(said).unwrap();
    assert_eq!(world.store.made(), 1, "the kept account is used");
    world.restart();
    let acme = world.acme();
    world.issue(&acme, &["mx.c.example"], &[]).await.map_err(said).unwrap();
    assert_eq!(world.store.made(), 2, "one new account");
}

#[tokio::test]
#[ignore = "starts Pebble; tests/run runs it"]
async fn a_web_server_can_serve_the_answers() {
    let world = World::start(27, &[], &[]);
    let root = tempfile::tempdir().unwrap();
    serve_files(world.address, root.path().to_owned());
    let webroot = mailcert::issue::Webroot::new(root.path().to_owned(), "webroot");
    let names = vec![DnsId::parse("mx.a.example").unwrap()];
    let order = Order::of(names, KeyType::EcdsaP256);
    let dns = Here { address: world.address, unseen: Vec::new() };
    let issued =
        issue(order, &world.acme(), &dns, &world.http(), &webroot, &world.store.book()).await;
    assert!(issued.map_err(said).unwrap().left_out.is_empty());
    let left = std::fs::read_dir(root.path().join(".well-known/acme-challenge")).unwrap();
    assert_eq!(left.count(), 0, "a token was left behind");
}

#[tokio::test]
#[ignore = "starts Pebble; tests/run runs it"]
async fn a_profile_the_ca_does_not_offer_is_refused_early() {
    let world = World::start(26, &[], &[]);
    let names = vec![DnsId::parse("mx.a.example").unwrap()];
    let profile = Some("shortlived".to_owned());
    let order = Order { profile, ..Order::of(names, KeyType::EcdsaP256) };
    let dns = Here { address: world.address, unseen: Vec::new() };
    let (acme, book) = (world.acme(), world.store.book());
    let refused = issue(order, &acme, &dns, &world.http(), &world.listener(), &book).await;
    assert_eq!(
        said(refused.err().expect("Pebble offers none")),
        "the CA offers no profiles; remove profile = \"shortlived\" from [acme]\n"
    );
}

#[tokio::test]
#[ignore = "starts Pebble; tests/run runs it"]
async fn every_chain_of_the_ca_is_for_the_same_certificate() {
    let world = World::start(29, &[("PEBBLE_ALTERNATE_ROOTS", "2")], &[]);
    let acme = world.acme();
    let issued = world.issue(&acme, &["mx.a.example"], &[]).await.map_err(said).unwrap();
    assert_eq!(issued.alternates.len(), 2, "{:?}", issued.alternates);
    let mut chains = vec![issued.bundle.chain];
    for url in &issued.alternates {
        chains.push(acme.alternate(url).await.map_err(said).unwrap());
    }
    let leaf = |chain: &String| facts_of_chain(chain).unwrap().leaf;
    assert!(chains.iter().all(|chain| leaf(chain) == leaf(&chains[0])));
    let tops: BTreeSet<_> = chains.iter().map(|chain| top_issuer(chain).unwrap()).collect();
    assert_eq!(tops.len(), 3, "{tops:?}");
}
