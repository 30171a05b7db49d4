//! A chain that no server shows yet: judged as if one had sent it.

use std::sync::Arc;

use tokio::time::Instant;

use super::fetch;
use crate::model::{Details, Hostname, Inspection, Service, Stage, StageMark, Stages};
use crate::verify::judge::judge;
use crate::verify::{Fault, How, profiles};

/// Judges a chain (DER, in the order of the file) as `host` would show it on port 25; `more` are
/// faults of the file beside those of the chain. The moment is `how`'s.
pub async fn inspect_file(
    sent: &[Vec<u8>],
    host: &Hostname,
    file: String,
    more: Vec<Fault>,
    how: &How,
) -> Inspection {
    let begun = Instant::now();
    let judgement = judge(sent, host, how.known(), how.moment());
    let mut faults = more;
    faults.extend(fetch::faults(sent, host, how, begun + how.timeout, &judgement).await);
    let mut stages = Stages::default();
    for stage in [Stage::Chain, Stage::Name, Stage::Dates] {
        stages.mark(stage, StageMark::Ok);
    }
    let service = Service::Smtp;
    for fault in &faults {
        profiles::mark(&mut stages, fault.stage, profiles::level(fault.code, how.profile));
    }
    let weigh = |fault| profiles::weigh(fault, service, how.profile);
    let mut problems: Vec<_> = faults.into_iter().map(weigh).collect();
    problems.sort_by_key(|problem| std::cmp::Reverse(problem.level));
    Inspection {
        host: host.clone(),
        domain: None,
        origin: None,
        service,
        port: service.port(),
        address: None,
        sni: None,
        ours: None,
        verdict: profiles::verdict(&problems),
        stages,
        problems,
        tls: None,
        certificate: judgement.certificate.map(Arc::new),
        proved_at: how.moment(),
        millis: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        details: Some(Box::new(Details { file: Some(file), ..Details::default() })),
    }
}
