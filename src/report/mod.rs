//! One serializable value; each renderer is `fn(&Report) -> String` and prints nothing.
//!
//! The JSON form is an interface (its field names are those of the structs here); the human form
//! is for a terminal of 80 columns and needs no colour.

mod check;
pub mod explain;
mod hosts;
mod plan;
mod status;
mod verdict;

use serde::Serialize;

use crate::model::{Finding, Inspection, Level, Timestamp, Verdict};

pub use check::{ServerRow, hook_word};
pub use hosts::HostRow;
pub use plan::StepRow;
pub use status::CertificateRow;

/// The answer of one command.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The version of the JSON interface.
    pub schema: u32,
    /// The command that answers.
    pub command: &'static str,
    /// What only this command says.
    #[serde(flatten)]
    pub body: Body,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// What only one command says.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Body {
    /// `verify`.
    Verify(Verified),
    /// `discover`.
    Discover {
        /// One row for each host and domain.
        hosts: Vec<HostRow>,
    },
    /// `plan`.
    Plan {
        /// What is to be done.
        steps: Vec<StepRow>,
        /// When to look again.
        wake: Option<Timestamp>,
    },
    /// `run`, `fix`, `rollback`.
    Run {
        /// What became of each step.
        steps: Vec<StepRow>,
        /// What is served here now.
        verify: Box<Report>,
        /// When to look again.
        wake: Option<Timestamp>,
        /// Whether all is as wanted.
        ok: bool,
    },
    /// `status`.
    Status {
        /// Every certificate held.
        certificates: Vec<CertificateRow>,
    },
    /// `check`.
    Check {
        /// Every mail server, configured or found.
        servers: Vec<ServerRow>,
    },
}

/// The body of `verify`.
#[derive(Debug, Serialize)]
pub struct Verified {
    /// Which sender was asked for.
    pub profile: &'static str,
    /// The verdict over everything.
    pub verdict: Verdict,
    /// Every endpoint, in the order of the targets.
    pub endpoints: Vec<Inspection>,
}

/// How much a human report says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// One line for the verdict.
    Quiet,
    /// What matters.
    Usual,
    /// What is right, too.
    Verbose,
}

impl Report {
    /// A report of this version of the interface.
    #[must_use]
    pub fn new(command: &'static str, body: Body, findings: Vec<Finding>) -> Self {
        Self { schema: 1, command, body, findings }
    }

    /// The body of `verify` over these endpoints.
    #[must_use]
    pub fn of_verify(
        profile: &'static str,
        endpoints: Vec<Inspection>,
        findings: Vec<Finding>,
    ) -> Self {
        let verdict = if endpoints.is_empty() {
            Verdict::Unknown
        } else {
            Verdict::of(endpoints.iter().map(|endpoint| endpoint.verdict))
        };
        Self::new("verify", Body::Verify(Verified { profile, verdict, endpoints }), findings)
    }
}

/// The JSON form: one object and a line end.
#[must_use]
pub fn json(report: &Report) -> String {
    let mut text = serde_json::to_string(report).unwrap_or_else(|error| {
        format!("{{\"schema\":1,\"command\":\"{}\",\"error\":\"{error}\"}}", report.command)
    });
    text.push('\n');
    text
}

/// The human form.
#[must_use]
pub fn human(report: &Report, detail: Detail) -> String {
    let body = match &report.body {
        Body::Verify(verified) => verdict::text(verified, detail),
        Body::Discover { hosts } => hosts::text(hosts),
        Body::Plan { steps, wake } => plan::text(steps, *wake),
        Body::Run { steps, verify, wake, ok } => {
            let mut text = plan::outcomes(steps, *wake, *ok);
            if let Body::Verify(verified) = &verify.body
                && !verified.endpoints.is_empty()
            {
                text.push('\n');
                text.push_str(&verdict::text(verified, detail));
            }
            text
        }
        Body::Status { certificates } => status::text(certificates),
        Body::Check { servers } => check::text(servers),
    };
    body + &findings(&report.findings, detail)
}

/// The findings, worst first; notes only where asked for.
#[must_use]
pub fn findings(all: &[Finding], detail: Detail) -> String {
    let mut all: Vec<&Finding> = all.iter().collect();
    all.retain(|finding| detail == Detail::Verbose || finding.level > Level::Note);
    all.sort_by(|a, b| b.level.cmp(&a.level).then_with(|| a.cmp(b)));
    all.dedup();
    let mut text = String::new();
    for finding in all {
        text.push_str(&format!(
            "\n{} {}: {}\n",
            finding.level.mark(),
            finding.code,
            finding.subject
        ));
        text.push_str(&wrapped(&finding.message, "  "));
    }
    text
}

/// The text in lines of at most 80 columns, each behind `indent`. Words are not broken: a command
/// or a record that is longer stays whole, so that it can be pasted.
#[must_use]
pub fn wrapped(text: &str, indent: &str) -> String {
    let mut lines = String::new();
    for paragraph in text.lines() {
        let mut line = String::from(indent);
        for word in paragraph.split(' ') {
            let blank = line.len() == indent.len();
            if !blank && line.chars().count() + 1 + word.chars().count() > 80 {
                lines.push_str(&line);
                lines.push('\n');
                line = String::from(indent);
                line.push_str(word);
            } else {
                if !blank {
                    line.push(' ');
                }
                line.push_str(word);
            }
        }
        lines.push_str(line.trim_end());
        lines.push('\n');
    }
    lines
}
