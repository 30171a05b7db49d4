//! Tells a person: by the local `sendmail`, a webhook, a program of the admin's.
//!
//! Each way has its own memory of what was told there (`Entry::Notified`), since one of them may
//! have failed: what a way could not tell, the next run tells there again.

use std::time::Duration;

use ::http::Request;
use ::http::header::CONTENT_TYPE;
use bytes::Bytes;
use futures_util::future::join_all;
use tokio::time::timeout;

use crate::command;
use crate::config::Notify;
use crate::http::Http;
use crate::model::{Code, Finding, Timestamp};
use crate::report::notice::{News, State};

/// What became of one way.
#[derive(Debug)]
pub struct Told {
    /// Which: `mail`, `webhook`, `command`.
    pub who: &'static str,
    /// What is known there now to need a person, where it could be told.
    pub known: Result<Vec<Finding>, Finding>,
}

/// Tells each way what is new to it; those for which nothing is are left out. `known` is what a
/// way was told so far. Nothing takes longer than half a minute.
pub async fn tell(
    notify: &Notify,
    http: &Http,
    (machine, at): (&str, Timestamp),
    state: &State,
    known: impl Fn(&str) -> Vec<Finding>,
) -> Vec<Told> {
    let telling = ways(notify).into_iter().filter_map(|way| {
        let news = state.news(&known(way.name()));
        (!news.is_none()).then_some(async move {
            let said = way.tell(http, (machine, at), &news).await;
            let failed = |why| Finding::new(Code::NotifyFailed, way.name(), why);
            Told { who: way.name(), known: said.map(|()| news.known()).map_err(failed) }
        })
    });
    join_all(telling).await
}

/// One way to tell a person.
enum Way<'a> {
    Mail { sendmail: &'a [String], to: &'a [String] },
    Webhook(&'a str),
    Command(&'a [String]),
}

fn ways(notify: &Notify) -> Vec<Way<'_>> {
    let mail = (!notify.mail.is_empty()).then(|| Way::Mail {
        sendmail: notify.sendmail.as_deref().unwrap_or_default(),
        to: &notify.mail,
    });
    let webhook = notify.webhook.as_deref().map(Way::Webhook);
    let command = notify.command.as_deref().map(Way::Command);
    [mail, webhook, command].into_iter().flatten().collect()
}

impl Way<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::Mail { .. } => "mail",
            Self::Webhook(_) => "webhook",
            Self::Command(_) => "command",
        }
    }

    async fn tell(
        &self,
        http: &Http,
        (machine, at): (&str, Timestamp),
        news: &News,
    ) -> Result<(), String> {
        match self {
            Self::Mail { sendmail, to } => {
                let usual = [SENDMAIL.to_owned(), "-i".to_owned(), "--".to_owned()];
                let program = if sendmail.is_empty() { &usual[..] } else { sendmail };
                let argv = [program, to].concat();
                run(&argv, mail(to, machine, at, news).as_bytes()).await
            }
            Self::Webhook(url) => post(http, url, &news.json(machine, at).to_string()).await,
            Self::Command(argv) => run(argv, news.json(machine, at).to_string().as_bytes()).await,
        }
    }
}

/// Where every MTA has it (Filesystem Hierarchy Standard 3.0, section 4.10).
const SENDMAIL: &str = "/usr/sbin/sendmail";
/// A person is told within this time or not at all.
const PATIENCE: Duration = Duration::from_secs(30);

async fn run(argv: &[String], input: &[u8]) -> Result<(), String> {
    command::run_ok(argv, input, PATIENCE).await.map(|_| ()).map_err(|error| error.to_string())
}

/// A message (RFC 5322); the MTA adds what it lacks: From, Date and Message-ID. Nobody is to
/// answer it by a program (RFC 3834 section 5).
fn mail(to: &[String], machine: &str, at: Timestamp, news: &News) -> String {
    format!(
        "To: {}\nSubject: {}\nAuto-Submitted: auto-generated\nMIME-Version: 1.0\n\
         Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{}",
        to.join(",\n "),
        news.headline(machine),
        news.text(machine, at)
    )
}

/// The URL may hold a password, and is named nowhere.
async fn post(http: &Http, url: &str, body: &str) -> Result<(), String> {
    let request = Request::post(url).header(CONTENT_TYPE, "application/json");
    let request = request.body(Bytes::from(body.to_owned())).map_err(|error| error.to_string())?;
    match timeout(PATIENCE, http.send(request)).await {
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
        Ok(Err(error)) => Err(error.to_string()),
        Ok(Ok(answer)) if answer.status().is_success() => Ok(()),
        Ok(Ok(answer)) => Err(format!("the server answers {}, expected 2xx", answer.status())),
    }
}
