//! The JSON form of a report: one object, written as it is walked, since a report of 10,000
//! certificates is too large to be built up first.

use std::io;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Map, Value};

use super::explain;
use super::{
    AccountRow, Body, CertificateRow, ChangeRow, HostRow, ListenerRow, PersistRow, Rehearsal,
    Report, Revoked, ServerRow, Verified,
};
use crate::model::{Deed, Finding, Timestamp};

/// The version of the JSON interface.
pub(super) const SCHEMA: u32 = 1;

/// The JSON form, for a serializer.
#[must_use]
pub fn json(report: &Report) -> impl Serialize + '_ {
    let body = match &report.body {
        Body::Verify(verified) => Said::Verify(verified),
        Body::Discover { hosts, persist } => Said::Discover { hosts, persist },
        Body::Plan(plan) => Said::Plan(super::plan::plan_json(plan)),
        Body::Diagnosis { verified, plan } => Said::Diagnosis {
            plan: super::plan::plan_json(plan),
            verify: Whole::new("verify", verified, &[]),
        },
        Body::Run { before, outcomes, verified, wake, ok } => Said::Run {
            before: before.as_deref().map(|verified| Whole::new("verify", verified, &[])),
            steps: super::plan::outcomes_json(outcomes),
            verify: Whole::new("verify", verified, &[]),
            wake: *wake,
            ok: *ok,
        },
        Body::Rehearsal(rehearsal) => Said::Rehearsal(rehearsal),
        Body::Status(certificates) => Said::Status { certificates },
        Body::Check(servers) => Said::Check { servers },
        Body::Revoked(revoked) => Said::Revoked(revoked),
        Body::History { deeds, left_out } => Said::History { deeds, left_out: *left_out },
        Body::Account(row) => Said::Account(row),
        Body::Setup { changes, listeners } => Said::Setup { changes, listeners },
        Body::Explain(codes) => Said::Explain { codes: explain::rows(codes) },
        Body::Text { text, files } => Said::Text { text, files },
    };
    Whole::new(report.command, body, &report.findings)
}

/// A value as JSON in which nothing that a stranger said can move a terminal's cursor or turn its
/// text around: beyond ASCII only letters and digits stand as they are.
///
/// # Errors
/// None in truth: it is written to memory.
pub fn text(value: &impl Serialize) -> serde_json::Result<String> {
    let mut bytes = Vec::new();
    write(value, &mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The same, written as it is walked.
///
/// # Errors
/// Those of the writer.
pub fn write(value: &impl Serialize, writer: impl io::Write) -> serde_json::Result<()> {
    value.serialize(&mut serde_json::Serializer::with_formatter(writer, Plain))
}

/// Compact, with escapes where serde_json sees no need for them.
struct Plain;

impl serde_json::ser::Formatter for Plain {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        let mut rest = fragment;
        while let Some(at) = rest.find(|c| !is_plain(c)) {
            let (before, after) = rest.split_at(at);
            writer.write_all(before.as_bytes())?;
            let mut chars = after.chars();
            let mut units = [0; 2];
            for unit in chars.next().into_iter().flat_map(|c| c.encode_utf16(&mut units).to_vec()) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = chars.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

/// Whether it stands as it is whatever shows it.
pub(super) fn is_plain(c: char) -> bool {
    if c.is_ascii() { !c.is_ascii_control() } else { c.is_alphanumeric() }
}

/// What comes before the endpoints of `verify`, where they are written as they are found: each is
/// an element, with commas between them, and [`ending`] follows.
pub const BEGINNING: &str = "{\"schema\":1,\"command\":\"verify\",\"endpoints\":[";

/// What comes after them: everything else the object says, in a line's end.
///
/// # Errors
/// None in truth: it is written to memory.
pub fn ending(report: &Report) -> serde_json::Result<String> {
    let mut rest = beside_endpoints(report)?;
    for said in ["schema", "command"] {
        rest.remove(said);
    }
    let rest = text(&rest)?;
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
    Discover {
        hosts: &'a [HostRow],
        persist: &'a [PersistRow],
    },
    Plan(Value),
    Diagnosis {
        #[serde(flatten)]
        plan: Value,
        verify: Whole<'a, &'a Verified>,
    },
    Run {
        #[serde(skip_serializing_if = "Option::is_none")]
        before: Option<Whole<'a, &'a Verified>>,
        steps: Value,
        verify: Whole<'a, &'a Verified>,
        wake: Option<Timestamp>,
        ok: bool,
    },
    Rehearsal(&'a Rehearsal),
    Status {
        certificates: &'a [CertificateRow],
    },
    Check {
        servers: &'a [ServerRow],
    },
    Revoked(&'a Revoked),
    History {
        deeds: &'a [Deed],
        left_out: usize,
    },
    Account(&'a AccountRow),
    Setup {
        changes: &'a [ChangeRow],
        listeners: &'a [ListenerRow],
    },
    Explain {
        codes: Value,
    },
    Text {
        text: &'a str,
        files: &'a [PathBuf],
    },
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn what_a_stranger_said_reads_the_same_and_moves_no_cursor() {
        for (said, expected) in [
            ("müller \"\\", r#""müller \"\\""#),
            ("\x1b[2J\n\u{7f}\u{9b}2J", r#""\u001b[2J\n\u007f\u009b2J""#),
            ("a\u{202e}b\u{2028}\u{1f600}", r#""a\u202eb\u2028\ud83d\ude00""#),
        ] {
            let written = text(&said).unwrap();
            assert_eq!(serde_json::from_str::<String>(&written).unwrap(), said);
            assert_eq!(written, expected);
        }
    }
}
