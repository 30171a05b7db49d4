//! The JSON form of a report: one object, written as it is walked, since a report of 10,000
//! certificates is too large to be built up first.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Map, Value};

use super::explain;
use super::{Body, CertificateRow, ChangeRow, HostRow, ListenerRow, Report, ServerRow, Verified};
use crate::model::{Finding, Timestamp};

/// The version of the JSON interface.
pub(super) const SCHEMA: u32 = 1;

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

/// What comes before the endpoints of `verify`, where they are written as they are found: each is
/// an element, with commas between them, and [`ending`] follows.
pub const BEGINNING: &str = "{\"endpoints\":[";

/// What comes after them: everything else the object says, in a line's end.
///
/// # Errors
/// None in truth: it is written to memory.
pub fn ending(report: &Report) -> serde_json::Result<String> {
    let rest = serde_json::to_string(&beside_endpoints(report)?)?;
    let fields = rest.strip_prefix('{').unwrap_or(&rest);
    Ok(format!("],{fields}\n"))
}

/// The object without its endpoints, so that no field is forgotten where they are streamed.
pub(super) fn beside_endpoints(report: &Report) -> serde_json::Result<Map<String, Value>> {
    let mut fields = match serde_json::to_value(json(report))? {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    fields.remove("endpoints");
    Ok(fields)
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
