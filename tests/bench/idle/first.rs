//! The first run, carried out by the library with a DNS and a CA in memory; and the proofs a real
//! one would have noted, since nothing serves the certificates here.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use async_trait::async_trait;
use mailcert::config::{self, Config, Profile};
use mailcert::discover::{self, Rules};
use mailcert::dns::Zone;
use mailcert::flow::{self, Means};
use mailcert::http::Http;
use mailcert::issue::{MemoryCa, Solver};
use mailcert::model::{
    CertName, CertificateSeen, DnsId, Facts, Inspection, Renewal, Service, Sha256, StageMark,
    Stages, Timestamp, Tls, Verdict, Version,
};
use mailcert::plan::Mode;
use mailcert::store::{Entry, Files, Proof, Store, Told};
use mailcert::trust::Roots;
use mailcert::verify::{self, Extras, How};

use crate::Machine;

/// A CA in memory asks nobody.
struct Unasked;

#[async_trait]
impl Solver for Unasked {
    async fn present(&self, _: &DnsId, _: &str, _: &str) -> Result<(), String> {
        Ok(())
    }

    async fn clear(&self, _: &DnsId, _: &str) {}
}

pub(crate) fn run(machine: &Machine) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(first(machine));
}

async fn first(machine: &Machine) {
    let path = machine.path("mailcert.toml");
    let text = std::fs::read_to_string(&path).expect("written before");
    let (config, _) = config::read(&path, &text, &|_| Err("none".to_owned())).expect("it is right");
    let facts = |bundle: &_| verify::facts(bundle).map_err(|error| error.to_string());
    let store = Files::open(&config.state, facts).expect("a store");
    let _lock = store.lock().expect("nobody else");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.expect("after 1970").as_secs();
    let now = Timestamp::from_unix(i64::try_from(now).expect("before the end of time"));
    let zone = zone(machine);
    discover(&config, &zone, machine, &store, now).await;
    // As many orders at once as any CA gets, then the next three hours later: a day is enough for
    // 10,000, and it ended just now.
    let began = now.minus(Duration::from_secs(86_400));
    let ca = MemoryCa::new(began).expect("a CA");
    let roots = Roots::from_pem("the CA in memory", &ca.root_pem()).expect("its root");
    let mut means = Means {
        dns: &zone,
        store: &store,
        ca: &ca,
        further: Vec::new(),
        solver: &Unasked,
        http: &Http::new(&roots, None).expect("a client"),
        how: how(roots, began),
        machine: vec![IpAddr::V4(machine.address)],
        places: Vec::new(),
        only: Vec::new(),
        new_keys: BTreeMap::new(),
        drop_rsa: false,
        now: began,
        tell: &|_| {},
        stop: &AtomicBool::new(false),
        config: &config,
    };
    while store.certificates().expect("readable").len() < machine.domains {
        let done = flow::run(&means, &Mode::Run).await.expect("the state can be written");
        let failed = done.outcomes.iter().find(|outcome| outcome.error.is_some());
        assert!(failed.is_none(), "{failed:?}");
        means.now = means.now.plus(Duration::from_secs(3 * 3_600 + 600));
        (means.how.now, means.how.since) = (means.now, tokio::time::Instant::now());
    }
    prove(machine, &store, now);
}

fn zone(machine: &Machine) -> Zone {
    let lines = (0..machine.domains).map(|n| {
        let (domain, address) = (format!("d{n:05}.test"), machine.address);
        format!("{domain} MX 10 mx.{domain}\nmx.{domain} A {address}\n")
    });
    Zone::parse(&lines.collect::<String>()).expect("it is a zone")
}

fn how(roots: Roots, now: Timestamp) -> How {
    How {
        roots: Arc::new(roots),
        profile: Profile::Gmail,
        timeout: Duration::from_secs(1),
        concurrency: 1,
        per_address: 1,
        tries: 1,
        without_sni: false,
        extras: Extras::default(),
        now,
        since: tokio::time::Instant::now(),
    }
}

/// What the flow would note, without its bound on questions a second.
async fn discover(config: &Config, zone: &Zone, machine: &Machine, store: &Files, now: Timestamp) {
    let own = vec![IpAddr::V4(machine.address)];
    let rules = Rules { machine: &own, guesses: true, concurrency: 64, per_second: 0 };
    let found = discover::discover(&config.domains, zone, &rules).await;
    let entries = found.into_iter().zip(&config.domains).map(|(found, domain)| {
        let with = format!("{:?}", (domain, &own, config.discover.guesses));
        let asked_with = Sha256::of(with.as_bytes());
        let (domain, hosts, findings) = (found.domain, found.hosts, found.findings);
        Entry::Discovered { domain, at: now, asked_with, hosts, findings }
    });
    store.note_all(&entries.collect::<Vec<_>>()).expect("noted");
}

/// Each certificate on each port, and the default for clients without SNI.
fn prove(machine: &Machine, store: &Files, now: Timestamp) {
    let kept = store.certificates().expect("readable");
    assert_eq!(kept.len(), machine.domains, "a certificate for each domain");
    let proof = |version: Version, facts: &Facts| {
        let ports = [(Service::Smtp, 25), (Service::Submissions, 465), (Service::Submission, 587)];
        let seen = |at: (Service, u16)| Arc::new(inspection(machine, at, facts, now));
        let inspections = ports.map(seen).into();
        Some(Proof { version, at: now, void: false, inspections, before: None })
    };
    let entry = |certificate: Option<CertName>, (version, facts): &(Version, Facts)| {
        let proof = proof(*version, facts);
        Entry::Proof { server: "exim".to_owned(), certificate, proof }
    };
    let named = kept.iter().map(|kept| entry(Some(kept.name.clone()), &kept.versions[0]));
    let without_sni = entry(None, &kept[0].versions[0]);
    // As a CA answered that speaks of renewals: each of them, to be asked again in six hours.
    let told = kept.iter().map(|kept| {
        let (version, facts) = &kept.versions[0];
        let start = facts.not_after.minus(Duration::from_secs(30 * 86_400));
        let end = start.plus(Duration::from_secs(2 * 86_400));
        let renewal = Some(Renewal { start, end, explanation: None });
        let again = now.plus(Duration::from_secs(6 * 3_600));
        let told = Some(Told { version: *version, asked: now, again, renewal });
        Entry::Told { certificate: kept.name.clone(), told }
    });
    store.note_all(&named.chain([without_sni]).chain(told).collect::<Vec<_>>()).expect("noted");
}

fn inspection(
    machine: &Machine,
    (service, port): (Service, u16),
    facts: &Facts,
    now: Timestamp,
) -> Inspection {
    let [DnsId::Host(host), ..] = facts.names.as_slice() else { panic!("{facts:?}") };
    let ok = Some(StageMark::Ok);
    Inspection {
        host: host.clone(),
        domain: host.parent(),
        origin: None,
        service,
        port,
        address: Some(IpAddr::V4(machine.address)),
        sni: Some(host.clone()),
        ours: Some(true),
        verdict: Verdict::Accepted,
        stages: Stages {
            connect: ok,
            greeting: ok,
            starttls: ok,
            handshake: ok,
            chain: ok,
            name: ok,
            dates: ok,
        },
        problems: Vec::new(),
        tls: Some(Tls {
            version: "TLSv1.3".to_owned(),
            cipher: "TLS13_AES_256_GCM_SHA384".to_owned(),
        }),
        certificate: Some(Arc::new(CertificateSeen {
            names: facts.names.iter().map(ToString::to_string).collect(),
            issuer: facts.issuer.clone(),
            serial: facts.serial.clone(),
            not_before: facts.not_before,
            not_after: facts.not_after,
            sha256: facts.leaf,
            spki_sha256: facts.spki,
            chain_length: facts.chain_length,
        })),
        proved_at: now,
        millis: 5,
        details: None,
    }
}
