//! `discover`: one row for each host and domain.

use std::net::IpAddr;

use serde::Serialize;

use crate::model::{Host, Hostname, Points};

/// One host of one domain; field names are the JSON interface.
#[derive(Debug, Serialize)]
pub struct HostRow {
    /// The host.
    pub host: Hostname,
    /// The mail domain.
    pub domain: Hostname,
    /// Why it is one of its hosts.
    pub reasons: Vec<String>,
    /// Whether at least one address is this machine's.
    pub points_here: bool,
    /// How many are.
    pub points: Points,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Whether it gets a certificate here.
    pub included: bool,
    /// Why not.
    pub why_not: Option<String>,
}

impl From<&Host> for HostRow {
    fn from(host: &Host) -> Self {
        Self {
            host: host.host.clone(),
            domain: host.domain.clone(),
            reasons: host.reasons.iter().map(ToString::to_string).collect(),
            points_here: host.points_here(),
            points: host.points,
            addresses: host.addresses.clone(),
            included: host.included,
            why_not: host.why_not.clone(),
        }
    }
}

/// The record of dns-persist-01 for one domain; field names are the JSON interface.
#[derive(Debug, Serialize)]
pub struct PersistRow {
    /// The mail domain.
    pub domain: Hostname,
    /// The record's name.
    pub name: String,
    /// Its text.
    pub value: String,
}

impl PersistRow {
    /// For this domain and all names below it.
    #[must_use]
    pub fn new(domain: &Hostname, value: &str) -> Self {
        let name = format!("_validation-persist.{domain}");
        Self { domain: domain.clone(), name, value: value.to_owned() }
    }
}

/// The records of dns-persist-01, each in one line that can be pasted.
pub(super) fn persist_text(rows: &[PersistRow]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut text = String::from(
        "\nfor dns-persist-01, where a CA offers it: one record that stays, for a domain\n\
         and all names below it (mailcert does not answer this challenge yet)\n",
    );
    for row in rows {
        // A string of a TXT record has 255 bytes at most (RFC 1035 section 3.3.14).
        let strings: Vec<&str> = row
            .value
            .as_bytes()
            .chunks(255)
            .filter_map(|part| std::str::from_utf8(part).ok())
            .collect();
        text.push_str(&format!("  {}. IN TXT \"{}\"\n", row.name, strings.join("\" \"")));
    }
    text
}

/// The rows for a terminal: a heading for each domain, then its hosts.
pub(super) fn text(rows: &[HostRow]) -> String {
    let mut text = String::new();
    let mut domain = None;
    for row in rows {
        if domain != Some(&row.domain) {
            let gap = if domain.is_some() { "\n" } else { "" };
            text.push_str(&format!("{gap}{}\n", row.domain));
            domain = Some(&row.domain);
        }
        let mark = if row.included { "ok" } else { "-" };
        let line = format!("{}  ({})", row.host, row.reasons.join(", "));
        let line = super::wrapped(&line, "      ");
        text.push_str(&format!("  {mark:<3} {}", line.trim_start()));
        let addresses: Vec<String> = row.addresses.iter().map(ToString::to_string).collect();
        let here = match row.points {
            Points::All => "this machine",
            Points::Some => "partly this machine",
            Points::None => "not this machine",
        };
        if !addresses.is_empty() {
            let line = format!("{}: {here}", addresses.join(", "));
            text.push_str(&super::wrapped(&line, "      "));
        }
        if let Some(why) = &row.why_not {
            text.push_str(&super::wrapped(&format!("left out: {why}"), "      "));
        }
    }
    if rows.is_empty() {
        text.push_str("no mail host was found\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{HostRow, text};
    use crate::model::{Host, Hostname, Points, Why};

    #[test]
    fn a_host_that_is_left_out_says_why() {
        let host = |name: &str, points, why_not: Option<&str>| Host {
            host: Hostname::parse(name).unwrap(),
            domain: Hostname::parse("example.org").unwrap(),
            reasons: vec![Why::Mx(10), Why::Config],
            addresses: vec!["192.0.2.7".parse().unwrap()],
            points,
            included: why_not.is_none(),
            undecided: false,
            why_not: why_not.map(ToOwned::to_owned),
        };
        let rows = [
            host("mx1.example.org", Points::All, None),
            host("mx2.example.org", Points::None, Some("its address is another machine's")),
        ];
        let rows: Vec<HostRow> = rows.iter().map(HostRow::from).collect();
        expect_test::expect![[r#"
            example.org
              ok  mx1.example.org  (mx 10, config)
                  192.0.2.7: this machine
              -   mx2.example.org  (mx 10, config)
                  192.0.2.7: not this machine
                  left out: its address is another machine's
        "#]]
        .assert_eq(&text(&rows));
    }
}
