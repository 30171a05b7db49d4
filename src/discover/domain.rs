//! One domain: what it publishes, what the configuration adds, what is guessed, and where each
//! of these hosts points.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use futures_util::future::join_all;

use crate::config::Domain;
use crate::discover::address::{Addresses, Judged, judge};
use crate::discover::guess::{Guesses, guess};
use crate::discover::records::{self, Published};
use crate::discover::{Discovered, Rules};
use crate::dns::{Answer, Dns, Kind};
use crate::model::{Code, Finding, Hostname, Why};

/// Asks everything about one domain. Whatever fails is in the answer.
pub(super) async fn discover_one(domain: &Domain, dns: &dyn Dns, rules: &Rules<'_>) -> Discovered {
    let name = &domain.name;
    let vouched = Vouched { dns, authenticated: AtomicBool::new(true) };
    let dns: &dyn Dns = &vouched;
    let mut published = records::ask(name, dns).await;
    let mut reasons = std::mem::take(&mut published.hosts);
    for host in &domain.hosts {
        reasons.entry(host.clone()).or_default().push(Why::Config);
    }
    let guesses = if rules.guesses && !published.gone && !published.silent {
        guess(name, &domain.exclude, dns, rules.machine).await
    } else {
        Guesses::default()
    };
    let mut undecided = guesses.undecided;
    undecided.retain(|host| !reasons.contains_key(host));
    for (host, label, _) in guesses.taken {
        reasons.entry(host).or_default().push(Why::Guess(label));
    }

    let mut hosts = Vec::new();
    let mut findings = published.findings.clone();
    for judged in judge_all(domain, reasons, dns, rules).await {
        let Judged { host, findings: found } = judged;
        if host.reasons.contains(&Why::NoMx) {
            let nowhere = found.iter().any(|finding| finding.code == Code::NoSuchHost);
            findings.push(no_mx(name, nowhere));
            // Without an address the domain itself is no host, unless something else says so.
            if nowhere && host.reasons.len() == 1 {
                continue;
            }
        }
        if host.undecided {
            undecided.push(host.host.clone());
        }
        findings.extend(found);
        hosts.push(host);
    }
    hosts.sort_by(|one, other| (&one.reasons, &one.host).cmp(&(&other.reasons, &other.host)));
    undecided.sort();
    let complete = published.complete();
    let Published { not_offered, .. } = published;
    let (domain, authenticated) = (name.clone(), vouched.authenticated.load(Ordering::Relaxed));
    Discovered { domain, hosts, findings, not_offered, undecided, complete, authenticated }
}

/// Notices whether DNSSEC vouches for every answer.
struct Vouched<'a> {
    dns: &'a dyn Dns,
    authenticated: AtomicBool,
}

#[async_trait]
impl Dns for Vouched<'_> {
    async fn ask(&self, name: &str, kind: Kind) -> Answer {
        let answer = self.dns.ask(name, kind).await;
        self.authenticated.fetch_and(answer.authenticated, Ordering::Relaxed);
        answer
    }
}

async fn judge_all(
    domain: &Domain,
    reasons: BTreeMap<Hostname, Vec<Why>>,
    dns: &dyn Dns,
    rules: &Rules<'_>,
) -> Vec<Judged> {
    let questions = reasons.into_iter().map(|(host, mut reasons)| async move {
        reasons.sort();
        reasons.dedup();
        let addresses = Addresses::ask(&host, dns).await;
        let excluded = domain.exclude.contains(&host);
        judge(host, &domain.name, reasons, &addresses, rules.machine, excluded)
    });
    join_all(questions).await
}

fn no_mx(domain: &Hostname, nowhere: bool) -> Finding {
    let message = if nowhere {
        format!(
            "{domain} has neither an MX record nor an address, so no mail reaches it; publish an \
             MX record that names the mail host, or the null MX 0 . if it takes no mail"
        )
    } else {
        format!(
            "{domain} has no MX record, so mail goes to its own address (RFC 5321 section 5.1); \
             publish one that names the mail host, or the null MX 0 . if it takes no mail"
        )
    };
    Finding::new(Code::NoMx, domain, message)
}
