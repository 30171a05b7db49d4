//! What the tests of the room are written in: literal servers, stores and inspections.

mod machine;
mod sentences;
mod stores;

use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rcgen::{DistinguishedName, KeyUsagePurpose, date_time_ymd};
use rustls_pki_types::CertificateDer;

use super::stores::Link;
use super::{Kind, Own, PortRow, Store, Unread};
use crate::config::Profile;
use crate::model::{Code, Hostname, Inspection, Level, Problem, Service, Stage, StageMark, Tls};
use crate::model::{Stages, Timestamp, Verdict};
use crate::trust::Roots;
use crate::verify::{Ask, Extras, How, asks_of_server};

/// 2026-06-01.
pub(super) const NOW: i64 = 1_780_272_000;

/// One step of a chain, for the policies.
pub(super) fn link(subject: &str, key: &str, strength: u16) -> Link {
    let (issuer_raw, issuer) = (Vec::new(), String::new());
    Link { subject: subject.to_owned(), issuer_raw, issuer, key: key.to_owned(), strength }
}

/// A CA and what it signs.
struct Ca(CertifiedIssuer<'static, KeyPair>);

impl Ca {
    /// Its certificate is valid until the end of this year.
    fn until(name: &str, year: i32) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(2010, 1, 1);
        params.not_after = date_time_ymd(year, 12, 31);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// The chain that a server shows.
    fn chain(&self, host: &str) -> Vec<Vec<u8>> {
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2026, 5, 1);
        params.not_after = date_time_ymd(2026, 9, 1);
        let key = KeyPair::generate().unwrap();
        vec![params.signed_by(&key, &self.0).unwrap().der().to_vec()]
    }

    fn roots(&self, name: &str) -> Roots {
        Roots::from_pem(name, &self.pem()).unwrap()
    }
}

fn store(kind: Kind, held: Result<Vec<CertificateDer<'static>>, Unread>) -> Store {
    let name = match kind {
        Kind::Java => "Java 17",
        _ => "this system",
    };
    Store { kind, name: name.to_owned(), path: None, held }
}

fn how(roots: Roots) -> How {
    How {
        roots: Arc::new(roots),
        profile: Profile::Gmail,
        timeout: Duration::from_secs(5),
        concurrency: 1,
        per_address: 1,
        tries: 1,
        without_sni: false,
        extras: Extras::default(),
        now: Timestamp::from_unix(NOW),
        since: tokio::time::Instant::now(),
    }
}

fn ask(host: &str, port: u16, address: Option<&str>) -> Ask {
    let host = Hostname::parse(host).unwrap();
    let addresses: Vec<_> = address.iter().map(|address| address.parse().unwrap()).collect();
    asks_of_server(&host, Service::Submission, port, &addresses).remove(0)
}

fn tls(version: &str) -> Tls {
    Tls { version: version.to_owned(), cipher: "TLS_AES_128_GCM_SHA256".to_owned() }
}

/// An inspection of this endpoint: up to where the problem is, if there is one.
fn inspection(ask: &Ask, problem: Option<(Code, Stage, &str)>) -> Inspection {
    let mut stages = Stages::default();
    if problem.is_none_or(|(_, stage, _)| stage != Stage::Connect) {
        stages.mark(Stage::Connect, StageMark::Ok);
    }
    let problems = problem.map(|(code, stage, found)| {
        stages.mark(stage, StageMark::Fail);
        let found = vec![found.to_owned()];
        Problem { code, level: code.level(), expected: None, found, sender_says: None, why: None }
    });
    let failed = problems.as_ref().is_some_and(|problem| problem.level == Level::Fail);
    Inspection {
        host: ask.endpoint.host.clone(),
        domain: None,
        origin: None,
        service: ask.endpoint.service,
        port: ask.endpoint.port,
        address: ask.endpoint.address,
        sni: None,
        ours: None,
        verdict: if failed { Verdict::Refused } else { Verdict::Accepted },
        stages,
        tls: problems.is_none().then(|| tls("TLSv1.3")),
        problems: problems.into_iter().collect(),
        certificate: None,
        proved_at: Timestamp::from_unix(NOW),
        millis: 0,
        details: None,
    }
}

/// Ports with their state; the first is the one that was asked for.
fn ports(states: &[(u16, &'static str)]) -> Vec<PortRow> {
    let row = |(port, found): &(u16, &'static str)| PortRow {
        port: *port,
        open: *found == "open",
        found,
    };
    states.iter().map(row).collect()
}

/// A machine with these stores.
fn own(stores: Vec<Store>) -> Own {
    Own { stores, ..Own::default() }
}
