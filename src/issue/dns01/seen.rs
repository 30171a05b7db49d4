//! Whether every server of a zone shows a record.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::Shown;
use crate::dns::{Dns, Kind, Record, Reply, Resolver};

/// What one server of the zone says.
enum Look {
    Shows,
    Lacks,
    Silent,
}

/// Waits until every server of the zone shows the record. One that is silent is no obstacle, since
/// the CA goes on to the next as well; one that answers without the record is.
pub(super) async fn wait_for(shown: &Shown, patience: Duration) -> Result<(), String> {
    let began = Instant::now();
    let (txt, servers) = (&shown.txt, &shown.servers);
    let mut pause = FIRST_PAUSE;
    loop {
        let looks = join_all(servers.iter().map(|server| async move {
            let look = match Resolver::new(&[*server]) {
                Ok(resolver) => look(&resolver, &txt.record, &txt.value).await,
                Err(_) => Look::Silent,
            };
            (*server, look)
        }));
        let looks = looks.await;
        let which = |wanted: fn(&Look) -> bool| {
            let found = looks.iter().filter(|(_, look)| wanted(look));
            found.map(|(server, _)| server.to_string()).collect::<Vec<_>>().join(", ")
        };
        let lacking = which(|look| matches!(look, Look::Lacks));
        let silent = which(|look| matches!(look, Look::Silent));
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

async fn look(resolver: &Resolver, record: &str, value: &str) -> Look {
    match resolver.ask(record, Kind::Txt).await.reply {
        Reply::Records(records) if records.contains(&Record::Txt(value.to_owned())) => Look::Shows,
        Reply::Records(_) | Reply::Absent(_) => Look::Lacks,
        Reply::Failed(_) => Look::Silent,
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
