//! What a domain publishes about its mail: MX records (RFC 5321, RFC 7505) and SRV records
//! (RFC 6186, RFC 8314, RFC 5804).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::join_all;

use crate::dns::{Absence, Dns, Failure, Kind, Record, Reply};
use crate::model::{BadHostname, Code, Finding, Hostname, Service, Why};

/// Records of one kind at one name that are read; a domain with more has a fault.
pub(super) const MOST_RECORDS: usize = 100;

/// Kinds of record that a message names; the rest is counted.
const SHOWN: usize = 2;

/// The services that are published by SRV records; port 25 has MX.
const PUBLISHED: [Service; 7] = [
    Service::Submission,
    Service::Submissions,
    Service::Imap,
    Service::Imaps,
    Service::Pop3,
    Service::Pop3s,
    Service::Sieve,
];

/// What was published.
#[derive(Debug, Default)]
pub(super) struct Published {
    /// The hosts, with the records that name them.
    pub(super) hosts: BTreeMap<Hostname, Vec<Why>>,
    /// What is wrong with the records.
    pub(super) findings: Vec<Finding>,
    /// Services with SRV target `.` (RFC 6186 section 3.4).
    pub(super) not_offered: Vec<Service>,
    /// The domain does not exist, nor anything below it (RFC 8020).
    pub(super) gone: bool,
    /// The DNS is silent: asking further about this domain is a waste of time.
    pub(super) silent: bool,
    /// There is no MX record, by an answer that does not even say how long that holds (no SOA,
    /// RFC 2308 section 5): too little to believe that records are gone that were there.
    doubtful: bool,
    /// Which records could not be read, and why.
    failures: Vec<(String, Failure)>,
}

impl Published {
    /// Whether every question was answered.
    pub(super) fn complete(&self) -> bool {
        self.failures.is_empty() && !self.doubtful
    }
}

/// Asks for the records of `domain`. The SRV records are left alone where the domain does not
/// exist or the question for MX ran into its time-out.
pub(super) async fn ask(domain: &Hostname, dns: &dyn Dns) -> Published {
    let mut published = Published::default();
    let answer = dns.ask(domain.as_str(), Kind::Mx).await;
    published.doubtful =
        answer.reply == Reply::Absent(Absence::NoData) && answer.ttl == Duration::ZERO;
    read_mx(domain, answer.reply, &mut published);
    if !published.gone && !published.silent {
        let questions = PUBLISHED.map(|service| async move {
            let name = format!("_{service}._tcp.{domain}");
            // Too long a name cannot exist (RFC 1035 section 2.3.4).
            let reply = match name.len() {
                0..=253 => dns.ask(&name, Kind::Srv).await.reply,
                _ => Reply::Absent(Absence::NxDomain),
            };
            (service, reply)
        });
        for (service, reply) in join_all(questions).await {
            read_srv(domain, service, reply, &mut published);
        }
    }
    tell_failures(domain, &mut published);
    published
}

fn read_mx(domain: &Hostname, reply: Reply, published: &mut Published) {
    let records = match reply {
        Reply::Records(records) => records,
        Reply::Absent(Absence::NoData) => {
            published.hosts.entry(domain.clone()).or_default().push(Why::NoMx);
            return;
        }
        Reply::Absent(Absence::NxDomain) => {
            published.gone = true;
            published.findings.push(Finding::new(
                Code::NoSuchHost,
                domain,
                format!(
                    "the mail domain {domain} does not exist in the DNS (NXDOMAIN): correct its \
                     name in the configuration, or register and delegate it"
                ),
            ));
            return;
        }
        Reply::Failed(failure) => {
            published.silent = failure == Failure::Timeout;
            published.failures.push(("MX".to_owned(), failure));
            return;
        }
    };
    let mut exchanges: Vec<(u16, String)> = records
        .into_iter()
        .filter_map(|record| match record {
            Record::Mx { preference, exchange } => Some((preference, exchange)),
            _ => None,
        })
        .collect();
    exchanges.sort();
    exchanges.dedup();
    if exchanges.iter().all(|(_, exchange)| is_root(exchange)) {
        published.findings.push(Finding::new(
            Code::NullMx,
            domain,
            format!(
                "{domain} has a null MX: it says that it takes no mail (RFC 7505); nothing to do \
                 unless it should take mail"
            ),
        ));
        return;
    }
    cut(domain, "MX", &mut exchanges, &mut published.findings);
    for (preference, exchange) in exchanges {
        let record = format!("the MX record of {domain} (preference {preference})");
        add(domain, &record, &exchange, Why::Mx(preference), published);
    }
}

fn read_srv(domain: &Hostname, service: Service, reply: Reply, published: &mut Published) {
    let records = match reply {
        Reply::Records(records) => records,
        Reply::Absent(_) => return,
        Reply::Failed(failure) => {
            published.failures.push((format!("SRV _{service}._tcp"), failure));
            return;
        }
    };
    let mut targets: Vec<(u16, String, u16)> = records
        .into_iter()
        .filter_map(|record| match record {
            Record::Srv { priority, port, target, .. } => Some((priority, target, port)),
            _ => None,
        })
        .collect();
    targets.sort();
    targets.dedup();
    if targets.iter().all(|(_, target, _)| is_root(target)) {
        published.not_offered.push(service);
        return;
    }
    let kind = format!("SRV _{service}._tcp");
    cut(domain, &kind, &mut targets, &mut published.findings);
    for (_, target, port) in targets {
        let record = format!("the {kind} record of {domain}");
        if port == 0 && !is_root(&target) {
            let message = format!(
                "{record} names port 0, where nothing can listen; name the port, {} by its \
                 standard, or the target . if the service is not offered",
                service.port()
            );
            published.findings.push(Finding::new(Code::BadName, domain, message));
            continue;
        }
        add(domain, &record, &target, Why::Srv(service, port), published);
    }
}

/// Takes the host a record names, or says what it names instead.
fn add(domain: &Hostname, record: &str, name: &str, why: Why, published: &mut Published) {
    let host = match Hostname::parse(name) {
        Ok(host) => host,
        Err(fault) => {
            published.findings.push(no_host(domain, record, name, &fault));
            return;
        }
    };
    let reasons = published.hosts.entry(host).or_default();
    if !reasons.contains(&why) {
        reasons.push(why);
    }
}

fn no_host(domain: &Hostname, record: &str, name: &str, fault: &BadHostname) -> Finding {
    let literal = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
    if literal || matches!(fault, BadHostname::Address(_)) {
        return Finding::new(
            Code::MxIsAddress,
            domain,
            format!(
                "{record} names the address {}, and a host name is expected (RFC 5321 section \
                 5.1): senders ignore it; give the address a name and put that into the record",
                quoted(name)
            ),
        );
    }
    let said = if is_root(name) {
        "the root (.), which may only stand alone (RFC 7505 section 3)".to_owned()
    } else {
        format!("{}, which is not good for a host: {fault}", quoted(name))
    };
    Finding::new(
        Code::BadName,
        domain,
        format!("{record} names {said}; put the name of a host that has an address there"),
    )
}

/// Names come in presentation format, where nothing needs care any more; what does not look like
/// it is escaped.
fn quoted(name: &str) -> String {
    let cut: String = name.chars().take(80).collect();
    if cut.bytes().all(|byte| byte.is_ascii_graphic()) {
        format!("\"{cut}\"")
    } else {
        format!("\"{}\"", cut.escape_debug())
    }
}

fn is_root(name: &str) -> bool {
    name.is_empty() || name == "."
}

/// Keeps the best records of too many.
fn cut<T>(domain: &Hostname, kind: &str, records: &mut Vec<T>, findings: &mut Vec<Finding>) {
    if records.len() <= MOST_RECORDS {
        return;
    }
    findings.push(Finding::new(
        Code::TooManyRecords,
        domain,
        format!(
            "{domain} has {} {kind} records, at most {MOST_RECORDS} are read, the best first; \
             remove those that are not used",
            records.len()
        ),
    ));
    records.truncate(MOST_RECORDS);
}

/// One finding per kind of failure, whatever the number of questions.
fn tell_failures(domain: &Hostname, published: &mut Published) {
    let mut by_failure: BTreeMap<&Failure, Vec<&str>> = BTreeMap::new();
    for (kind, failure) in &published.failures {
        by_failure.entry(failure).or_default().push(kind);
    }
    for (failure, kinds) in by_failure {
        let code = failure_code(failure);
        let shown = kinds.iter().take(SHOWN).copied();
        let more = match kinds.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let message = format!(
            "the DNS did not answer for {}{more} of {domain} ({failure}): certificates keep the \
             names they cover; {}",
            super::list(shown),
            cure(failure, kinds[0], domain.as_str())
        );
        published.findings.push(Finding::new(code, domain, message));
    }
}

/// What kind of finding a failed question is.
pub(super) fn failure_code(failure: &Failure) -> Code {
    match failure {
        Failure::Bogus => Code::DnsBogus,
        _ => Code::DnsFailure,
    }
}

/// What an admin does about a failed question for `kind`, such as `MX` or `SRV _imap._tcp`.
pub(super) fn cure(failure: &Failure, kind: &str, name: &str) -> String {
    let (kind, name) = match kind.split_once(' ') {
        Some((kind, label)) => (kind, format!("{label}.{name}")),
        None => (kind, name.to_owned()),
    };
    match failure {
        Failure::Bogus => format!(
            "no CA issues for it while its DNSSEC signatures are wrong: dig +cd {kind} {name} \
             shows the records, delv {kind} {name} the fault"
        ),
        _ => format!("ask by hand: dig {kind} {name}"),
    }
}
