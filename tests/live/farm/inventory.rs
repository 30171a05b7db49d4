//! What is where: the rows for programs, the table for people, the zone for the DNS.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use mailcert::model::{Service, Verdict};
use serde::Serialize;

use super::mode::{Kind, Mode};

/// One mode with its addresses.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    /// The word for it.
    pub(crate) mode: String,
    /// Where it stands in the table.
    pub(crate) kind: Kind,
    /// What it does.
    pub(crate) about: &'static str,
    /// The host that clients ask for.
    pub(crate) host: String,
    /// What it speaks.
    pub(crate) service: Service,
    /// Where.
    pub(crate) port: u16,
    /// None: the DNS has no address.
    pub(crate) addresses: Vec<IpAddr>,
    /// The mail domain whose server it is.
    pub(crate) domain: String,
    /// A line of `mailcert verify --targets`.
    pub(crate) target: String,
    /// What `mailcert verify` has to be told besides.
    pub(crate) extra: Vec<String>,
    /// The worst over its addresses, in the gmail profile.
    pub(crate) verdict: Verdict,
    /// Exactly the codes of level fail, unknown and warn over its addresses.
    pub(crate) codes: Vec<&'static str>,
    /// Codes that may come besides: the contract does not decide.
    pub(crate) may: Vec<&'static str>,
}

impl Row {
    /// The row of a mode that is at these addresses.
    /// `dns` is asked for those that have none or are asked for by their domain.
    pub(crate) fn new(mode: &Mode, addresses: Vec<IpAddr>, dns: &str) -> Self {
        let mut target = mode.target();
        let mut extra = mode.extra.clone();
        if mode.by_domain || addresses.is_empty() {
            extra.extend(["--dns".to_owned(), dns.to_owned()]);
        } else {
            let all = addresses.iter().map(|address| format!(" {address}"));
            target.extend(all);
        }
        Self {
            mode: mode.name.clone(),
            kind: mode.kind,
            about: mode.about,
            host: mode.host.clone(),
            service: mode.service,
            port: mode.port,
            addresses,
            domain: mode.domain(),
            target,
            extra,
            verdict: mode.verdict,
            codes: mode.codes.clone(),
            may: mode.may.clone(),
        }
    }
}

/// The zone: every host with its addresses, and for each mode a mail domain `MODE.farm.test` whose
/// MX it is or, for the other services, whose SRV record names it. Policy hosts are at `web`.
pub(crate) fn zone(modes: &[Mode], rows: &[Row], web: Ipv4Addr) -> String {
    let mut zone = String::new();
    let mut line = |text: std::fmt::Arguments<'_>| writeln!(zone, "{text}").expect("into a text");
    for (mode, row) in modes.iter().zip(rows) {
        let (domain, host, port) = (&row.domain, &row.host, row.port);
        if mode.mta_sts.is_some() {
            line(format_args!("_mta-sts.{domain} TXT \"v=STSv1; id=20260101;\""));
            line(format_args!("{} A {web}", mode.policy_host()));
        }
        if let Some(lines) = &mode.zone {
            line(format_args!("{lines}"));
        }
        for address in &row.addresses {
            let kind = if address.is_ipv4() { "A" } else { "AAAA" };
            line(format_args!("{host} {kind} {address}"));
        }
        match row.service {
            Service::Smtp => line(format_args!("{domain} MX 10 {host}")),
            Service::Sieve => {}
            service => {
                line(format_args!("{domain} MX 0 ."));
                line(format_args!("_{service}._tcp.{domain} SRV 0 1 {port} {host}"));
            }
        }
    }
    zone
}

/// The inventory for programs.
pub(crate) fn json(rows: &[Row], roots: &str, dns: &str) -> serde_json::Value {
    serde_json::json!({ "schema": 1, "roots": roots, "dns": dns, "endpoints": rows })
}

/// The table for people, in Markdown.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut table =
        String::from("| mode | service | does | verdict | codes |\n|---|---|---|---|---|\n");
    for row in rows {
        let mut codes = row.codes.join(" ");
        if !row.extra.is_empty() {
            write!(codes, " (with {})", row.extra.join(" ")).expect("into a text");
        }
        let (mode, service, about) = (&row.mode, row.service, row.about);
        let verdict = row.verdict.as_str();
        let written = writeln!(table, "| {mode} | {service} | {about} | {verdict} | {codes} |");
        written.expect("into a text");
    }
    table
}
