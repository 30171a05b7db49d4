//! `run --staging`: which names the staging directory validated.

use serde::Serialize;

use crate::model::{CertName, DnsId};

/// What was validated; field names are the JSON interface.
#[derive(Debug, Serialize)]
pub struct Rehearsal {
    /// Where.
    pub staging: String,
    /// Each certificate that is wanted.
    pub rehearsed: Vec<RehearsalRow>,
    /// Whether every name passed.
    pub ok: bool,
}

/// One certificate.
#[derive(Debug, Serialize)]
pub struct RehearsalRow {
    /// Its name in the store.
    pub certificate: CertName,
    /// What is to stand on it.
    pub names: Vec<DnsId>,
    /// The names that passed.
    pub passed: Vec<DnsId>,
}

impl Rehearsal {
    /// The same with the verdict over all.
    #[must_use]
    pub fn of(staging: String, rehearsed: Vec<RehearsalRow>) -> Self {
        let ok = rehearsed.iter().all(|row| row.failed().next().is_none());
        Self { staging, rehearsed, ok }
    }
}

impl RehearsalRow {
    fn failed(&self) -> impl Iterator<Item = &DnsId> {
        self.names.iter().filter(|name| !self.passed.contains(name))
    }
}

/// The answer for a terminal.
pub(super) fn text(rehearsal: &Rehearsal) -> String {
    let Rehearsal { staging, rehearsed, .. } = rehearsal;
    let all: usize = rehearsed.iter().map(|row| row.names.len()).sum();
    let passed: usize = rehearsed.iter().map(|row| row.passed.len()).sum();
    let what = format!(
        "{passed} of {all} names passed at {staging}; nothing was issued, and nothing is changed."
    );
    let mut text = super::wrapped(&what, "");
    for row in rehearsed {
        let listed = |names: Vec<&DnsId>| {
            names.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        let failed: Vec<&DnsId> = row.failed().collect();
        let (mark, names) = match failed.is_empty() {
            true => ("ok  ", listed(row.names.iter().collect())),
            false => ("FAIL", listed(failed)),
        };
        text += &super::wrapped(&format!("{mark}  {}: {names}", row.certificate), "  ");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Rehearsal, RehearsalRow, text};
    use crate::model::{CertName, DnsId};

    fn row(certificate: &str, names: &[&str], passed: &[&str]) -> RehearsalRow {
        let ids = |names: &[&str]| names.iter().map(|name| DnsId::parse(name).unwrap()).collect();
        let certificate = CertName::parse(certificate).unwrap();
        RehearsalRow { certificate, names: ids(names), passed: ids(passed) }
    }

    #[test]
    fn what_did_not_pass_is_named() {
        let staging = "https://ca.test/dir".to_owned();
        let rows = vec![
            row("a.test", &["mx.a.test"], &["mx.a.test"]),
            row("b.test", &["mx.b.test", "mail.b.test"], &["mail.b.test"]),
        ];
        let rehearsal = Rehearsal::of(staging.clone(), rows);
        assert!(!rehearsal.ok);
        assert_eq!(
            text(&rehearsal),
            "2 of 3 names passed at https://ca.test/dir; nothing was issued, and nothing is\n\
             changed.\n  ok    a.test: mx.a.test\n  FAIL  b.test: mx.b.test\n"
        );
        assert!(Rehearsal::of(staging, Vec::new()).ok, "nothing is wanted");
    }
}
