//! One serializable value; a renderer is `fn(&Report) -> String`, or for JSON what a serializer
//! writes as it walks, as the page of `status` is written. Nothing is printed here.
//!
//! The JSON form is an interface (its field names are those of the structs here); the human form
//! is for a terminal of 80 columns and needs no colour.

mod account;
mod batch;
mod check;
mod diagnosis;
pub mod explain;
mod history;
mod hosts;
pub mod json;
pub mod jsonl;
mod local;
pub mod nagios;
pub mod notice;
mod page;
mod plan;
mod policies;
pub mod prometheus;
mod rehearsal;
mod revoked;
mod setup;
mod status;
mod verdict;
mod web;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::local::{Local, is_of_machine};
use crate::model::{Code, Deed, Finding, Inspection, Level, NotOurs, Policies, Timestamp, Verdict};
use crate::plan::{Outcome, Plan};

pub use account::AccountRow;
pub use batch::{Counts, Kept, Noted, Stopped};
pub use check::{ServerRow, hook_word};
pub use hosts::{HostRow, PersistRow};
pub use json::json;
pub use page::Page;
pub use plan::{reason_text, step_text};
pub use rehearsal::{Rehearsal, RehearsalRow};
pub use revoked::Revoked;
pub use setup::{ChangeRow, ListenerRow, Showing, listeners_text};
pub use status::{CertificateRow, RenewBecause};
pub use web::forwarding;

/// The answer of one command.
#[derive(Debug)]
pub struct Report {
    /// The command that answers.
    pub command: &'static str,
    /// What only this command says.
    pub body: Body,
    /// What was found.
    pub findings: Vec<Finding>,
}

impl Report {
    /// An answer in which nothing stands twice.
    #[must_use]
    pub fn new(command: &'static str, body: Body, mut findings: Vec<Finding>) -> Self {
        findings.sort();
        findings.dedup();
        Self { command, body, findings }
    }
}

/// What only one command says.
#[derive(Debug)]
pub enum Body {
    /// `verify`.
    Verify(Verified),
    /// `discover`.
    Discover {
        /// One row for each host and domain.
        hosts: Vec<HostRow>,
        /// The records that dns-persist-01 would take, where they are known.
        persist: Vec<PersistRow>,
    },
    /// `plan`.
    Plan(Plan),
    /// `fix --dry-run`, and `fix` before it begins.
    Diagnosis {
        /// What is served here now.
        verified: Verified,
        /// What is to be done about it.
        plan: Plan,
    },
    /// `run`, `fix`, `rollback`.
    Run {
        /// What was served here before, where somebody looked: `fix`.
        before: Option<Box<Verified>>,
        /// What became of each step.
        outcomes: Vec<Outcome>,
        /// What is served here now.
        verified: Verified,
        /// When to look again.
        wake: Option<Timestamp>,
        /// Whether all is as wanted.
        ok: bool,
    },
    /// `run --staging`.
    Rehearsal(Rehearsal),
    /// `status`: every certificate held.
    Status(Vec<CertificateRow>),
    /// `check`: every mail server, configured or found.
    Check(Vec<ServerRow>),
    /// `revoke`.
    Revoked(Revoked),
    /// `account`.
    Account(AccountRow),
    /// `setup`: what it would change or has changed.
    Setup {
        /// Every file.
        changes: Vec<ChangeRow>,
        /// Every listener of the servers that change.
        listeners: Vec<ListenerRow>,
    },
    /// `history`.
    History {
        /// What was done, oldest first.
        deeds: Vec<Deed>,
        /// How many earlier ones were not asked for.
        left_out: usize,
    },
    /// `explain`: these codes.
    Explain(Vec<Code>),
    /// `init`, `completions`, `man`.
    Text {
        /// The answer itself.
        text: String,
        /// The files that were written.
        files: Vec<PathBuf>,
    },
}

/// The body of `verify`.
#[derive(Debug, Serialize)]
pub struct Verified {
    /// Which sender was asked for.
    pub profile: &'static str,
    /// The verdict over everything.
    pub verdict: Verdict,
    /// Whether everything that was asked for was looked at: how far a run came that was stopped.
    #[serde(rename = "complete", serialize_with = "complete")]
    pub stopped: Option<Stopped>,
    /// Every endpoint, in the order of the targets; of very many the worst.
    pub endpoints: Vec<Arc<Inspection>>,
    /// What the mail domains among the targets publish about TLS.
    pub policies: Vec<Policies>,
    /// What this machine's own programs trust and speak, where that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub local: Vec<Local>,
    /// Everything that was looked at, in `endpoints` or not.
    #[serde(skip)]
    pub counts: Counts,
    /// How long it took, in milliseconds, where somebody measured.
    #[serde(skip)]
    pub millis: Option<u64>,
    /// Findings that were too many to be kept.
    #[serde(skip_serializing_if = "is_zero")]
    pub findings_left_out: usize,
}

fn complete<S: Serializer>(stopped: &Option<Stopped>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bool(stopped.is_none())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(count: &usize) -> bool {
    *count == 0
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

impl Verified {
    /// The verdict over these endpoints; none at all are unknown.
    #[must_use]
    pub fn of<I: Into<Arc<Inspection>>>(profile: &'static str, endpoints: Vec<I>) -> Self {
        let endpoints: Vec<Arc<Inspection>> = endpoints.into_iter().map(Into::into).collect();
        let mut counts = Counts::default();
        endpoints.iter().for_each(|look| counts.add(look));
        Self::of_many(profile, counts, endpoints, None)
    }

    /// The verdict over everything that was counted, of which only `endpoints` were kept. What was
    /// stopped early is accepted by nobody.
    #[must_use]
    pub fn of_many(
        profile: &'static str,
        counts: Counts,
        endpoints: Vec<Arc<Inspection>>,
        stopped: Option<Stopped>,
    ) -> Self {
        let least = if stopped.is_some() { Verdict::Unknown } else { Verdict::Accepted };
        let verdict = counts.verdict().max(least);
        Self {
            profile,
            verdict,
            stopped,
            endpoints,
            policies: Vec::new(),
            local: Vec::new(),
            counts,
            millis: None,
            findings_left_out: 0,
        }
    }

    /// How many were looked at and are not among `endpoints`.
    #[must_use]
    pub fn left_out(&self) -> usize {
        self.counts.endpoints.saturating_sub(self.endpoints.len())
    }
}

/// What was verified, with a colon: a domain, a host, or how many; nothing where not all is held.
fn subject(verified: &Verified) -> String {
    let named = |look: &Arc<Inspection>| look.domain.as_ref().unwrap_or(&look.host).to_string();
    let names: BTreeSet<String> = verified.endpoints.iter().map(named).collect();
    match (verified.left_out(), names.len()) {
        (0, 1) => names.into_iter().map(|name| name + ": ").collect(),
        (0, many) => format!("{many} domains and hosts: "),
        _ => String::new(),
    }
}

/// The human form.
#[must_use]
pub fn human(report: &Report, detail: Detail) -> String {
    // What a cron job has to say when all is well: nothing, so that nobody gets mail.
    if matches!((&report.body, detail), (Body::Run { ok: true, .. }, Detail::Quiet)) {
        return String::new();
    }
    let body = match &report.body {
        Body::Verify(verified) => {
            verdict::text(verified, detail) + &local::text(&verified.local, detail)
        }
        Body::Discover { hosts, persist } => hosts::text(hosts) + &hosts::persist_text(persist),
        Body::Plan(plan) => plan::plan_text(plan, &report.findings),
        Body::Diagnosis { verified, plan } => {
            return diagnosis::text(verified, plan, &report.findings, detail);
        }
        Body::Run { before, outcomes, verified, wake, ok } => {
            // What was seen before stands above.
            let mut text = String::from(if before.is_some() { "\n" } else { "" });
            text.push_str(&plan::run_text(outcomes, *wake, *ok, detail == Detail::Verbose));
            if !verified.endpoints.is_empty() {
                text.push('\n');
                text.push_str(&verdict::served(verified, detail));
            }
            text
        }
        Body::Rehearsal(rehearsal) => rehearsal::text(rehearsal),
        Body::Status(certificates) => status::text(certificates),
        Body::Check(servers) => check::text(servers),
        Body::Revoked(revoked) => revoked::text(revoked),
        Body::History { deeds, left_out } => history::text(deeds, *left_out),
        Body::Account(row) => account::text(row),
        // It was shown before consent was asked for.
        Body::Setup { .. } => String::new(),
        Body::Explain(codes) => match codes.as_slice() {
            [code] => explain::whole(*code),
            _ => explain::list(detail),
        },
        Body::Text { text, .. } => text.clone(),
    };
    let (others, own): (Vec<Finding>, Vec<Finding>) =
        told_once(report).into_iter().partition(|found| is_of_others(report, found));
    let detail = detail_of_findings(report, detail);
    let mut text = body + &findings(&own, detail);
    let others = findings(&others, detail);
    if !others.is_empty() {
        text += &format!("\n{}{others}", diagnosis::OTHERS);
    }
    text
}

/// What a run found and somebody else has to cure stands apart.
fn is_of_others(report: &Report, found: &Finding) -> bool {
    matches!(report.body, Body::Run { .. }) && NotOurs::holds(found.code)
}

/// The findings without those that the report of `verify` tells already: a host without an
/// address, and what its section on this machine says.
fn told_once(report: &Report) -> Vec<Finding> {
    let Body::Verify(verified) = &report.body else { return report.findings.clone() };
    let nowhere = verified.endpoints.iter().filter(|look| look.address.is_none());
    let told: HashSet<(&str, Code)> = nowhere
        .flat_map(|look| look.problems.iter().map(|problem| (look.host.as_str(), problem.code)))
        .collect();
    let new = |finding: &&Finding| {
        let told = told.contains(&(finding.subject.as_str(), finding.code));
        // The section on this machine has its own findings as rows.
        !told && !is_of_machine(finding.code)
    };
    report.findings.iter().filter(new).cloned().collect()
}

/// Where there was nothing to verify, the notes say why.
fn detail_of_findings(report: &Report, detail: Detail) -> Detail {
    match &report.body {
        Body::Verify(verified) if verified.endpoints.is_empty() => Detail::Verbose,
        _ => detail,
    }
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
        let heading = format!("{} {}: {}", finding.level.mark(), finding.code, finding.subject);
        text.push_str(&format!("\n{}", wrapped(&heading, "  ").trim_start()));
        text.push_str(&wrapped(&finding.message, "  "));
    }
    text
}

/// The text in lines of at most 80 columns, each behind `indent`. Words are not broken, nor is a
/// command between backticks, so that it can be pasted.
#[must_use]
pub fn wrapped(text: &str, indent: &str) -> String {
    let mut lines = String::new();
    for paragraph in text.lines() {
        let mut line = String::from(indent);
        for word in words(paragraph) {
            let blank = line.len() == indent.len();
            if !blank && line.chars().count() + 1 + word.chars().count() > 80 {
                lines.push_str(&line);
                lines.push('\n');
                line = String::from(indent);
                line.push_str(&word);
            } else {
                if !blank {
                    line.push(' ');
                }
                line.push_str(&word);
            }
        }
        lines.push_str(line.trim_end());
        lines.push('\n');
    }
    lines
}

/// The words of a line; what stands between backticks is one.
fn words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut open = false;
    for piece in line.split(' ') {
        match words.last_mut().filter(|_| open) {
            Some(command) => command.extend([" ", piece]),
            None => words.push(piece.to_owned()),
        }
        open ^= piece.matches('`').count() % 2 == 1;
    }
    words
}
