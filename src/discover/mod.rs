//! Which hosts speak for a domain, each with its reasons. One silent domain never fails the rest.

use std::net::IpAddr;

use crate::config::Domain;
use crate::dns::Dns;
use crate::model::{Code, Finding, Host, Hostname};

/// What the DNS said of one domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovered {
    /// The mail domain.
    pub domain: Hostname,
    /// Its hosts, included or not, in order of their reasons.
    pub hosts: Vec<Host>,
    /// What was found besides.
    pub findings: Vec<Finding>,
}

impl Discovered {
    /// Whether every question had an answer, so that it may be remembered.
    #[must_use]
    pub fn answered(&self) -> bool {
        !self.findings.iter().any(|f| matches!(f.code, Code::DnsFailure | Code::DnsBogus))
    }
}

/// How discovery works.
#[derive(Clone, Debug)]
pub struct Rules<'a> {
    /// This machine's addresses.
    pub machine: &'a [IpAddr],
    /// Whether the usual labels are tried.
    pub guesses: bool,
    /// Questions under way at once.
    pub concurrency: usize,
    /// Questions a second at most.
    pub per_second: u32,
}

/// Asks for every domain side by side, each name once; the answers are in the order of `domains`.
pub async fn discover(domains: &[Domain], dns: &dyn Dns, rules: &Rules<'_>) -> Vec<Discovered> {
    let _ = (domains, dns, rules);
    todo!()
}
