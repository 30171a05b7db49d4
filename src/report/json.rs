//! The JSON form of a report: one object, written as it is walked, since a report of 10,000
//! certificates is too large to be built up first.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

use super::explain;
use super::{Body, CertificateRow, ChangeRow, HostRow, ListenerRow, Report, ServerRow, Verified};
use crate::model::{Finding, Timestamp};

/// The version of the JSON interface.
const SCHEMA: u32 = 1;

/// The JSON form, for a serializer.
#[must_use]
pub fn json(report: &Report) -> impl Serialize + '_ {
    let body = match &report.body {
        Body::Verify(verified) => Said::Verify(verified),
        Body::Discover(hosts) => Said::Discover { hosts },
        Body::Plan(plan) => Said::Plan(super::plan::plan_json(plan)),
        Body::Run { outcomes, verified, wake, ok } => Said::Run {
            steps: super::plan::outcomes_json(outcomes),
            verify: Whole::new("verify", verified, &[]),
            wake: *wake,
            ok: *ok,
        },
        Body::Status(certificates) => Said::Status { certificates },
        Body::Check(servers) => Said::Check { servers },
        Body::Setup { changes, listeners } => Said::Setup { changes, listeners },
        Body::Explain(codes) => Said::Explain { codes: explain::rows(codes) },
        Body::Text { text, files } => Said::Text { text, files },
    };
    Whole::new(report.command, body, &report.findings)
}

/// A body with what every answer has.
#[derive(Serialize)]
struct Whole<'a, B> {
    schema: u32,
    command: &'a str,
    #[serde(flatten)]
    body: B,
    findings: &'a [Finding],
}

impl<'a, B> Whole<'a, B> {
    fn new(command: &'a str, body: B, findings: &'a [Finding]) -> Self {
        Self { schema: SCHEMA, command, body, findings }
    }
}

/// What only one command says.
#[derive(Serialize)]
#[serde(untagged)]
enum Said<'a> {
    Verify(&'a Verified),
    Discover { hosts: &'a [HostRow] },
    Plan(Value),
    Run { steps: Value, verify: Whole<'a, &'a Verified>, wake: Option<Timestamp>, ok: bool },
    Status { certificates: &'a [CertificateRow] },
    Check { servers: &'a [ServerRow] },
    Setup { changes: &'a [ChangeRow], listeners: &'a [ListenerRow] },
    Explain { codes: Value },
    Text { text: &'a str, files: &'a [PathBuf] },
}
