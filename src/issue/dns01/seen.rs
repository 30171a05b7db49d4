//! Whether every server of a zone shows a record.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::Shown;
use crate::dns::{Dns, Failure, Kind, Record, Reply, Resolver};

/// What one server of the zone says.
enum Look {
    Shows,
    Lacks,
    /// It answers, and will not say.
    Refuses,
    Silent,
}

/// Waits until every server of the zone shows the record. One that is silent is no obstacle, since
/// the CA goes on to the next as well; one that answers without the record is.
pub(super) async fn wait_for(shown: &Shown, patience: Duration) -> Result<(), String> {
    let began = Instant::now();
    let txt = &shown.txt;
    let mut pause = FIRST_PAUSE;
    loop {
        let looks = look_at_all(shown).await;
        let lacking = which(&looks, |look| matches!(look, Look::Lacks));
        let silent = which(&looks, |look| matches!(look, Look::Refuses | Look::Silent));
        let shows = looks.iter().any(|(_, look)| matches!(look, Look::Shows));
        if shows && lacking.is_empty() {
            if !silent.is_empty() {
                tracing::warn!("servers of {} that do not answer: {silent}", txt.zone);
            }
            return Ok(());
        }
        if began.elapsed() >= patience {
            let who = if lacking.is_empty() { "no server answers" } else { &lacking };
            return Err(format!(
                "{}: {} is not at every server of {} after {} s (missing at: {who}); is the \
                 primary's NOTIFY reaching them? See `dig @SERVER {} TXT`, or raise `propagation`",
                txt.host,
                txt.record,
                txt.zone,
                patience.as_secs(),
                txt.record
            ));
        }
        tracing::info!("waiting for {} at {lacking}", txt.record);
        sleep(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

/// Looks once at what our own server shows. That it cannot be seen from here says nothing (NAT
/// without a way back); that somebody else answers in its place does.
pub(super) async fn by_itself(shown: &Shown) -> Result<(), String> {
    let txt = &shown.txt;
    let looks = look_at_all(shown).await;
    let others = which(&looks, |look| matches!(look, Look::Lacks | Look::Refuses));
    let silent = which(&looks, |look| matches!(look, Look::Silent));
    if !silent.is_empty() {
        tracing::warn!("whether {} is answered at {silent} cannot be seen from here", txt.record);
    }
    match others.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "{}: {others} answers, and not with our record {}; expected mailcert itself there while \
             challenges are answered: see `listen` and `name` of [challenge.dns-01.serve]",
            txt.host, txt.record
        )),
    }
}

async fn look_at_all(shown: &Shown) -> Vec<(SocketAddr, Look)> {
    let (record, value) = (&shown.txt.record, &shown.txt.value);
    let looks = shown.servers.iter().map(|server| async move {
        let look = match Resolver::new(&[*server]) {
            Ok(resolver) => look(&resolver, record, value).await,
            Err(_) => Look::Silent,
        };
        (*server, look)
    });
    join_all(looks).await
}

/// The servers of which this is so.
fn which(looks: &[(SocketAddr, Look)], wanted: fn(&Look) -> bool) -> String {
    let found = looks.iter().filter(|(_, look)| wanted(look));
    found.map(|(server, _)| server.to_string()).collect::<Vec<_>>().join(", ")
}

async fn look(resolver: &Resolver, record: &str, value: &str) -> Look {
    match resolver.ask(record, Kind::Txt).await.reply {
        Reply::Records(records) if records.contains(&Record::Txt(value.to_owned())) => Look::Shows,
        Reply::Records(_) | Reply::Absent(_) => Look::Lacks,
        Reply::Failed(Failure::Refused | Failure::ServFail) => Look::Refuses,
        Reply::Failed(_) => Look::Silent,
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
