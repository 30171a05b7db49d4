//! Where a host points, and what follows from it.

use std::net::IpAddr;

use futures_util::future::join;

use crate::discover::records::{MOST_RECORDS, cure, failure_code, quoted};
use crate::discover::{list, sort_addresses};
use crate::dns::{Absence, Answer, Dns, Failure, Kind, Record, Reply};
use crate::model::{Code, Finding, Host, Hostname, NotOurs, Points, Why};

/// The A and AAAA answers of one host.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    /// What was found, sorted, IPv6 first.
    pub(super) found: Vec<IpAddr>,
    /// A question that failed.
    pub(super) failure: Option<(Kind, Failure)>,
    /// Where the name is an alias: for what.
    alias: Option<String>,
    /// The name does not exist at all.
    gone: bool,
    /// How many there were, if too many.
    too_many: Option<usize>,
}

impl Addresses {
    /// Asks for both kinds at once.
    pub(super) async fn ask(host: &Hostname, dns: &dyn Dns) -> Self {
        let (v6, v4) =
            join(dns.ask(host.as_str(), Kind::Aaaa), dns.ask(host.as_str(), Kind::A)).await;
        let mut addresses = Self { gone: true, ..Self::default() };
        addresses.take(Kind::Aaaa, v6);
        addresses.take(Kind::A, v4);
        sort_addresses(&mut addresses.found);
        if addresses.found.len() > MOST_RECORDS {
            addresses.too_many = Some(addresses.found.len());
            addresses.found.truncate(MOST_RECORDS);
        }
        addresses
    }

    fn take(&mut self, kind: Kind, answer: Answer) {
        self.gone &= answer.reply == Reply::Absent(Absence::NxDomain);
        if let Some(first) = answer.aliases.into_iter().next() {
            self.alias = Some(first);
        }
        match answer.reply {
            Reply::Records(records) => {
                self.found.extend(records.into_iter().filter_map(|record| match record {
                    Record::A(address) => Some(IpAddr::V4(address)),
                    Record::Aaaa(address) => Some(IpAddr::V6(address)),
                    _ => None,
                }));
            }
            Reply::Absent(_) => {}
            // A forged answer says more than none.
            Reply::Failed(failure) => match self.failure {
                Some((_, Failure::Bogus)) => {}
                _ => self.failure = Some((kind, failure)),
            },
        }
    }

    /// How many of the addresses are among the machine's.
    pub(super) fn points(&self, machine: &[IpAddr]) -> Points {
        match self.found.iter().filter(|address| is_here(**address, machine)).count() {
            0 => Points::None,
            here if here == self.found.len() => Points::All,
            _ => Points::Some,
        }
    }
}

fn is_here(address: IpAddr, machine: &[IpAddr]) -> bool {
    let address = address.to_canonical();
    machine.iter().any(|ours| ours.to_canonical() == address)
}

/// A host with what is to be said of it.
#[derive(Debug)]
pub(super) struct Judged {
    /// The host.
    pub(super) host: Host,
    /// What was found.
    pub(super) findings: Vec<Finding>,
}

/// Decides whether a host is included: it points here at least partly and is not excluded.
pub(super) fn judge(
    host: Hostname,
    domain: &Hostname,
    reasons: Vec<Why>,
    addresses: &Addresses,
    machine: &[IpAddr],
    excluded: bool,
) -> Judged {
    let points = addresses.points(machine);
    let mut findings = Vec::new();
    let mut undecided = false;
    let why_not = if excluded {
        Some("the configuration excludes it".to_owned())
    } else {
        tell_oddities(&host, &reasons, addresses, &mut findings);
        match (&addresses.failure, points) {
            (Some((_, failure)), Points::None) => {
                undecided = true;
                Some(format!("the DNS did not answer ({failure}): kept as it is"))
            }
            (None, Points::None) => {
                undecided = addresses.found.is_empty() && !addresses.gone;
                Some(tell_elsewhere(&host, addresses, machine, &mut findings))
            }
            (_, Points::Some) => {
                tell_partly(&host, &reasons, addresses, machine, &mut findings);
                None
            }
            (_, Points::All) => None,
        }
    };
    let host = Host {
        host,
        domain: domain.clone(),
        reasons,
        addresses: addresses.found.clone(),
        points,
        included: why_not.is_none(),
        undecided,
        why_not,
    };
    Judged { host, findings }
}

/// What is odd wherever the host points.
fn tell_oddities(
    host: &Hostname,
    reasons: &[Why],
    addresses: &Addresses,
    findings: &mut Vec<Finding>,
) {
    let by_record = reasons.iter().any(|why| matches!(why, Why::Mx(_) | Why::Srv(..)));
    if let (Some(alias), true) = (&addresses.alias, by_record) {
        findings.push(Finding::new(
            Code::MxIsAlias,
            host,
            format!(
                "{host} is named by an MX or SRV record and is an alias (CNAME) of {}, which \
                 RFC 2181 section 10.3 and RFC 2782 forbid: some senders refuse it; give it \
                 A and AAAA records of its own, or name the other host in the record",
                quoted(alias)
            ),
        ));
    }
    if let Some(count) = addresses.too_many {
        findings.push(Finding::new(
            Code::TooManyRecords,
            host,
            format!(
                "{host} has {count} addresses, at most {MOST_RECORDS} are read; remove those \
                 that are not used"
            ),
        ));
    }
    if let Some((kind, failure)) = &addresses.failure {
        findings.push(Finding::new(
            failure_code(failure),
            host,
            format!(
                "the DNS did not answer for the {kind} records of {host} ({failure}): \
                 certificates keep the names they cover; {}",
                cure(failure, &kind.to_string(), host.as_str())
            ),
        ));
    }
}

/// Why a host that does not point here is left out.
fn tell_elsewhere(
    host: &Hostname,
    addresses: &Addresses,
    machine: &[IpAddr],
    findings: &mut Vec<Finding>,
) -> String {
    if addresses.found.is_empty() {
        let (found, short) = if addresses.gone {
            ("does not exist in the DNS (NXDOMAIN)", "it does not exist in the DNS")
        } else {
            ("has no address in the DNS", "it has no address in the DNS")
        };
        findings.push(Finding::new(
            Code::NoSuchHost,
            host,
            format!("{host} {found}: add A and AAAA records, or remove what names it"),
        ));
        return short.to_owned();
    }
    findings.push(Finding::new(
        Code::PointsElsewhere,
        host,
        NotOurs::PointsElsewhere { host, found: &addresses.found, machine }.to_string(),
    ));
    "none of its addresses is this machine's".to_owned()
}

/// What to know of a host that points here and elsewhere.
fn tell_partly(
    host: &Hostname,
    reasons: &[Why],
    addresses: &Addresses,
    machine: &[IpAddr],
    findings: &mut Vec<Finding>,
) {
    let (here, elsewhere): (Vec<IpAddr>, Vec<IpAddr>) =
        addresses.found.iter().partition(|address| is_here(**address, machine));
    let v6_first = elsewhere.iter().any(IpAddr::is_ipv6) && !here.iter().any(IpAddr::is_ipv6);
    let (here, elsewhere) = (list(here), list(elsewhere));
    let asked_for = match v6_first {
        true => format!(" CAs ask IPv6 first, so that machine has to answer them for {host}, too:"),
        false => String::new(),
    };
    findings.push(Finding::new(
        Code::PointsPartly,
        host,
        format!(
            "{host} points to this machine ({here}) and to {elsewhere}, which is not this \
             machine's: the certificate is shown here only;{asked_for} take care of it there, or \
             state the address in [machine] addresses if it is this machine's"
        ),
    ));
    if reasons.iter().any(|why| matches!(why, Why::Mx(_) | Why::NoMx)) {
        let lands = if v6_first { "lands" } else { "may land" };
        findings.push(Finding::new(
            Code::MxElsewhere,
            host,
            format!(
                "{host} takes mail at {elsewhere} as well, so the CA's http-01 question {lands} \
                 there: have that machine pass /.well-known/acme-challenge/ on to {here}, or give \
                 each machine a name of its own"
            ),
        ));
    }
}
