//! What the tests of the formats report: a look with a certificate and a problem of this code.

use std::sync::Arc;

use crate::model::{
    CertificateSeen, Code, Hostname, Inspection, Level, Problem, Service, Sha256, Stages,
    Timestamp, Verdict,
};

pub(super) const NOW: i64 = 1_800_000_000;

/// Port 25 of a host at 192.0.2.7, certified for 41 days and a bit; what the server says is hostile.
pub(super) fn look(host: &str, code: Option<Code>) -> Inspection {
    let problems: Vec<Problem> = code.into_iter().map(problem).collect();
    Inspection {
        host: Hostname::parse(host).unwrap(),
        domain: Some(Hostname::parse("example.org").unwrap()),
        origin: Some("MX 10 of example.org".to_owned()),
        service: Service::Smtp,
        port: 25,
        address: "192.0.2.7".parse().ok(),
        sni: Some(Hostname::parse(host).unwrap()),
        ours: None,
        verdict: match problems.first().map(|problem| problem.level) {
            Some(Level::Fail) => Verdict::Refused,
            Some(Level::Unknown) => Verdict::Unknown,
            _ => Verdict::Accepted,
        },
        stages: Stages::default(),
        problems,
        tls: None,
        certificate: Some(Arc::new(CertificateSeen {
            names: vec![HOSTILE.to_owned()],
            issuer: HOSTILE.to_owned(),
            serial: "01".to_owned(),
            not_before: Timestamp::from_unix(NOW - 86_400),
            not_after: Timestamp::from_unix(NOW + 41 * 86_400 + 5),
            sha256: Sha256([1; 32]),
            spki_sha256: Sha256([2; 32]),
            chain_length: 2,
        })),
        proved_at: Timestamp::from_unix(NOW),
        millis: 41,
        details: None,
    }
}

/// What no format may let through as it is.
pub(super) const HOSTILE: &str = "a\"b\\c\n\r\x1b[2J\u{0}|d=1;{x}#\u{2028}";

fn problem(code: Code) -> Problem {
    Problem {
        code,
        level: code.level(),
        expected: None,
        found: vec![HOSTILE.to_owned()],
        sender_says: Some(HOSTILE.to_owned()),
        why: None,
    }
}
