//! `setup`: the files that change, and what each listener serves before and after.

use std::net::IpAddr;
use std::path::PathBuf;

use serde::Serialize;

use crate::model::{Code, Inspection, Service};
use crate::servers::{Listener, ServerId};

/// One file; field names are the JSON interface.
#[derive(Debug, Serialize)]
pub struct ChangeRow {
    /// Whose configuration it is.
    pub server: ServerId,
    /// The file.
    pub path: PathBuf,
    /// A unified diff.
    pub diff: String,
}

/// One listener, as a client without SNI sees it; field names are the JSON interface.
#[derive(Debug, Serialize)]
pub struct ListenerRow {
    /// Whose listener it is.
    pub server: ServerId,
    /// Its address; `null` means every address of this machine.
    pub address: Option<IpAddr>,
    /// Its port.
    pub port: u16,
    /// The protocol and how TLS begins.
    pub service: Service,
    /// What it shows now; `null` where it did not answer a look.
    pub before: Option<Showing>,
    /// The names of the default certificate it is to show; `null` where none is installed yet:
    /// it goes on showing what it shows until one is.
    pub after: Option<Vec<String>>,
}

/// What a listener shows, or why nobody can tell.
#[derive(Debug, Serialize)]
pub struct Showing {
    /// The names on the certificate; none where there is none.
    pub names: Vec<String>,
    /// What is wrong with it, or why none was shown.
    pub problems: Vec<Code>,
}

impl Showing {
    /// From a look without SNI. That its certificate lacks the name the look was made under says
    /// nothing.
    #[must_use]
    pub fn of(seen: &Inspection) -> Self {
        let names = seen.certificate.as_ref().map_or_else(Vec::new, |shown| shown.names.clone());
        let problems = seen.problems.iter().map(|problem| problem.code);
        let bad = |code: &Code| match seen.certificate {
            Some(_) => OF_THE_CERTIFICATE.contains(code),
            None => true,
        };
        Self { names, problems: problems.filter(bad).collect() }
    }
}

impl ListenerRow {
    /// The row of a listener.
    #[must_use]
    pub fn new(
        server: &ServerId,
        at: &Listener,
        seen: Option<&Inspection>,
        after: Option<Vec<String>>,
    ) -> Self {
        let Listener { address, port, service, .. } = *at;
        Self {
            server: server.clone(),
            address,
            port,
            service,
            before: seen.map(Showing::of),
            after,
        }
    }
}

/// One line for each listener, broken where it is longer than a terminal is wide.
#[must_use]
pub fn listeners_text(rows: &[ListenerRow]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut text = String::from("what a client without SNI is shown:\n");
    for row in rows {
        let at = row.address.map_or_else(|| "*".to_owned(), |address| address.to_string());
        let before = row.before.as_ref().map_or_else(|| "not looked at".to_owned(), showing);
        let after = match &row.after {
            Some(names) => listed(names),
            None => "the same (no certificate yet)".to_owned(),
        };
        let line = format!("{at}:{} {}  before: {before}  after: {after}", row.port, row.service);
        text.push_str(&super::wrapped(&line, "  "));
    }
    text
}

fn showing(seen: &Showing) -> String {
    let codes: Vec<&str> = seen.problems.iter().map(|code| code.as_str()).collect();
    match (seen.names.is_empty(), codes.is_empty()) {
        (true, true) => "no names".to_owned(),
        (true, false) => format!("no names ({})", codes.join(", ")),
        (false, true) => listed(&seen.names),
        (false, false) => format!("{} ({})", listed(&seen.names), codes.join(", ")),
    }
}

/// All names of a usual certificate, and how many more a large one has.
fn listed(names: &[String]) -> String {
    let some = names.iter().take(MOST).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MOST) {
        0 => some,
        more => format!("{some} and {more} more"),
    }
}

/// So many names of a certificate stand in a line.
const MOST: usize = 4;
const OF_THE_CERTIFICATE: [Code; 5] = [
    Code::SelfSigned,
    Code::UntrustedRoot,
    Code::MissingIntermediate,
    Code::Expired,
    Code::NotYetValid,
];

#[cfg(test)]
mod tests {
    use super::{ListenerRow, Showing, listeners_text};
    use crate::model::{Code, Service};
    use crate::servers::ServerId;

    #[test]
    fn each_listener_has_its_before_and_after() {
        let row = |before: Option<(&[&str], &[Code])>, after: Option<&[&str]>| {
            let owned =
                |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
            let before = before.map(|(names, problems)| Showing {
                names: owned(names),
                problems: problems.to_vec(),
            });
            ListenerRow {
                server: ServerId("postfix".to_owned()),
                address: Some([192, 0, 2, 7].into()),
                port: 587,
                service: Service::Submission,
                before,
                after: after.map(owned),
            }
        };
        let names = ["a.test", "b.test", "c.test", "d.test", "e.test"];
        let rows = [
            row(Some((&["a.test"], &[Code::SelfSigned])), Some(&names)),
            row(Some((&[], &[Code::ConnectionRefused])), None),
            row(None, Some(&["b.test"])),
        ];
        let expected = "\
what a client without SNI is shown:
  192.0.2.7:587 submission  before: a.test (self-signed)  after: a.test, b.test,
  c.test, d.test and 1 more
  192.0.2.7:587 submission  before: no names (connection-refused)  after: the
  same (no certificate yet)
  192.0.2.7:587 submission  before: not looked at  after: b.test
";
        assert_eq!(listeners_text(&rows), expected);
        assert_eq!(listeners_text(&[]), "");
    }
}
