//! Behind a web server: does what it is to pass on arrive? Asked as the CA asks, at port 80.

use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};

use crate::app::Failure;
use crate::app::session::Session;
use crate::flow::{self, Fresh, Notes};
use crate::issue::{Seen, preflight};
use crate::model::{AnsweredFrom, Challenge, Code, DnsId, Finding, Hostname};

/// What is wrong with the way to our listener, where it is not at port 80 itself.
pub(super) async fn check(session: &Session) -> Result<Vec<Finding>, Failure> {
    let means = session.means(&|_| ());
    let forwarded = |host: &Hostname| {
        let name = DnsId::Host(host.clone());
        let way = session.config.ways.of(&name);
        let from = means.solver.answered_from(&name);
        way.challenge == Challenge::Http01 && matches!(from, AnsweredFrom::Behind(_))
    };
    let domains = session.config.domains.iter();
    if !domains.flat_map(|domain| domain.hosts.iter().chain([&domain.name])).any(forwarded) {
        return Ok(Vec::new());
    }
    let found = flow::discover(&means, Fresh::Remembered, Notes::None).await;
    let found = found.map_err(Failure::store)?;
    let hosts = found.iter().flat_map(|domain| &domain.hosts).filter(|host| host.included);
    let hosts: BTreeSet<&Hostname> =
        hosts.map(|host| &host.host).filter(|host| forwarded(host)).collect();
    let mut findings = Vec::new();
    if hosts.len() > MOST {
        let message = format!(
            "the first {MOST} of {} hosts were asked for; `mailcert run` asks for each before its \
             order",
            hosts.len()
        );
        findings.push(Finding::new(Code::PreflightUnseen, "check", message));
    }
    let (dns, http, solver) = (means.dns, means.http, means.solver);
    let looks = hosts.into_iter().take(MOST).map(|host| async move {
        let seen = preflight(host, PORT, dns, http, solver).await;
        (host, seen)
    });
    let mut looks = stream::iter(looks).buffered(AT_ONCE);
    while let Some((host, seen)) = looks.next().await {
        match seen {
            Ok(Seen::Right(noticed)) => findings.extend(noticed),
            Ok(Seen::Wrong(finding) | Seen::Unseen(finding)) => findings.push(finding),
            Err(why) => {
                // It is the same for all of them.
                findings.push(Finding::new(Code::PreflightWrong, host, why));
                break;
            }
        }
    }
    Ok(findings)
}

/// Where CAs ask.
const PORT: u16 = 80;
/// Most hosts that are asked for.
const MOST: usize = 200;
/// Hosts asked for side by side.
const AT_ONCE: usize = 8;
