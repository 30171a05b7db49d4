//! What is held of many looks: a count of all of them, the worst inspections and the gravest
//! findings, in bounded memory.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use crate::model::{Finding, Inspection, Level, Timestamp, Verdict};

/// Everything that was looked at, in numbers. Field names are the JSON interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Looked at.
    pub endpoints: usize,
    /// The sender accepts them.
    pub accepted: usize,
    /// The sender refuses them.
    pub refused: usize,
    /// They could not be tested.
    pub unknown: usize,
    /// Accepted, with a warning.
    pub warned: usize,
    /// Without any problem.
    pub clean: usize,
    /// When the first of the certificates ends.
    pub first_end: Option<Timestamp>,
    /// When the last look was made.
    pub proved_at: Option<Timestamp>,
}

impl Counts {
    /// One more.
    pub fn add(&mut self, look: &Inspection) {
        self.endpoints += 1;
        match look.verdict {
            Verdict::Accepted => self.accepted += 1,
            Verdict::Refused => self.refused += 1,
            Verdict::Unknown => self.unknown += 1,
        }
        let warns = look.problems.iter().any(|problem| problem.level == Level::Warn);
        self.warned += usize::from(look.verdict == Verdict::Accepted && warns);
        self.clean += usize::from(look.problems.is_empty());
        let end = look.certificate.as_ref().map(|seen| seen.not_after);
        self.first_end = self.first_end.into_iter().chain(end).min();
        self.proved_at = self.proved_at.max(Some(look.proved_at));
    }

    /// The verdict over everything; nothing at all is unknown.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self {
            Self { refused: 1.., .. } => Verdict::Refused,
            Self { unknown: 1.., .. } | Self { endpoints: 0, .. } => Verdict::Unknown,
            _ => Verdict::Accepted,
        }
    }
}

/// How far a run came that a signal ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// How many were looked at to the end.
    pub done: usize,
    /// How many there are.
    pub all: usize,
    /// Of what: `target` or `endpoint`.
    pub what: &'static str,
}

impl Stopped {
    /// In words, as reports say it.
    #[must_use]
    pub fn words(&self) -> String {
        let plural = if self.all == 1 { "" } else { "s" };
        format!("stopped after {} of {} {}{plural}", self.done, self.all, self.what)
    }
}

/// The worst of many inspections: the refused, then the unknown, then those with a warning.
#[derive(Debug)]
pub struct Kept {
    most: usize,
    rows: Vec<((usize, usize), Arc<Inspection>)>,
}

impl Kept {
    /// Keeps at most so many.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, rows: Vec::new() }
    }

    /// One more; `place` is where it stands in the report: its target, and which endpoint of it.
    pub fn add(&mut self, place: (usize, usize), look: Inspection) {
        if self.most == 0 {
            return;
        }
        self.rows.push((place, Arc::new(look)));
        // Not at each one too many, since sorting costs.
        if self.rows.len() >= self.most.saturating_mul(2) {
            self.cut();
        }
    }

    /// What was kept, in the order of their places.
    #[must_use]
    pub fn into_endpoints(mut self) -> Vec<Arc<Inspection>> {
        self.cut();
        self.rows.sort_by_key(|(place, _)| *place);
        self.rows.into_iter().map(|(_, look)| look).collect()
    }

    fn cut(&mut self) {
        if self.rows.len() > self.most {
            let clean = |look: &Inspection| look.problems.is_empty();
            self.rows.sort_by_key(|(place, look)| (Reverse(look.verdict), clean(look), *place));
            self.rows.truncate(self.most);
        }
    }
}

/// Findings, each once; where there are too many the gravest.
#[derive(Debug)]
pub struct Noted {
    most: usize,
    all: BTreeSet<(Reverse<Level>, Finding)>,
    left_out: usize,
}

impl Noted {
    /// Keeps at most so many.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, all: BTreeSet::new(), left_out: 0 }
    }

    /// Some more.
    pub fn extend(&mut self, findings: Vec<Finding>) {
        for finding in findings {
            self.all.insert((Reverse(finding.level), finding));
            if self.all.len() > self.most {
                self.all.pop_last();
                self.left_out += 1;
            }
        }
    }

    /// What was kept, and how many were not.
    #[must_use]
    pub fn into_findings(self) -> (Vec<Finding>, usize) {
        (self.all.into_iter().map(|(_, finding)| finding).collect(), self.left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::{Counts, Kept, Noted};
    use crate::model::{Code, Finding, Level, Verdict};
    use crate::report::tests::look;

    #[test]
    fn what_is_counted_decides_however_little_of_it_is_kept() {
        let mut counts = Counts::default();
        assert_eq!(counts.verdict(), Verdict::Unknown);
        for (code, verdict) in [
            (None, Verdict::Accepted),
            (Some(Code::ExpiresSoon), Verdict::Accepted),
            (Some(Code::Timeout), Verdict::Unknown),
            (Some(Code::Expired), Verdict::Refused),
            (None, Verdict::Refused),
        ] {
            counts.add(&look("mx.example.org", code));
            assert_eq!(counts.verdict(), verdict, "{code:?}");
        }
        let Counts { endpoints, accepted, refused, unknown, warned, clean, .. } = counts;
        assert_eq!((endpoints, accepted, refused, unknown, warned, clean), (5, 3, 1, 1, 1, 2));
    }

    #[test]
    fn the_worst_are_kept_in_the_order_of_their_places() {
        let mut kept = Kept::new(3);
        let codes = [None, Some(Code::Expired), None, Some(Code::ExpiresSoon), Some(Code::Timeout)];
        for round in 0..4 {
            for (at, code) in codes.into_iter().enumerate() {
                let code = code.filter(|_| round == 2);
                kept.add((10 - round, at), look(&format!("h{round}-{at}.example.org"), code));
            }
        }
        let hosts: Vec<String> =
            kept.into_endpoints().iter().map(|look| look.host.to_string()).collect();
        assert_eq!(hosts, ["h2-1.example.org", "h2-3.example.org", "h2-4.example.org"]);
    }

    #[test]
    fn of_too_many_findings_the_notes_go_first() {
        let mut noted = Noted::new(2);
        for (code, subject) in [
            (Code::NullMx, "a"),
            (Code::NoMx, "b"),
            (Code::NullMx, "c"),
            (Code::NoMx, "d"),
            (Code::NoMx, "b"),
        ] {
            noted.extend(vec![Finding::new(code, subject, "so")]);
        }
        let (findings, left_out) = noted.into_findings();
        let subjects: Vec<&str> = findings.iter().map(|finding| finding.subject.as_str()).collect();
        assert_eq!((subjects, left_out), (vec!["b", "d"], 2));
        assert!(findings.iter().all(|finding| finding.level == Level::Warn));
    }
}
