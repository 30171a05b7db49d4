//! `setup` and `setup --undo`: the lines in the admin's own configuration.

use crate::app::Failure;
use crate::app::output::{Output, ask_consent};
use crate::app::session::Session;
use crate::model::{Code, Finding, Level};
use crate::plan::Hook;
use crate::report::{self, Body, ChangeRow, ListenerRow, Report};
use crate::store::Store;
use crate::survey::{self, Asked};
use crate::{deploy, hook, verify};

/// `setup`: shows the lines, and applies them with consent.
pub(super) async fn setup(session: &Session, yes: bool, output: &Output) -> Result<u8, Failure> {
    let (asked, mut findings) = survey::servers(&session.config.servers, &session.machine).await;
    let mut code = u8::from(findings.iter().any(|f| f.level == Level::Fail));
    let (mut changes, mut listeners) = (Vec::new(), Vec::new());
    for asked in &asked {
        let id = &asked.server.id;
        let shown = match shown(session, asked).await {
            Ok(Some(shown)) => shown,
            Ok(None) if asked.hook == Hook::Unknown => {
                let lines = hook::by_hand(&asked.server, "it runs elsewhere (files-only)");
                output.text(&format!("{lines}\n"))?;
                continue;
            }
            Ok(None) => {
                output.text(&format!("{id}: uses the files of mailcert already\n"))?;
                continue;
            }
            Err(why) => {
                findings.push(Finding::new(Code::HookMissing, id, why));
                code = 1;
                continue;
            }
        };
        output.text(&shown.text)?;
        changes.extend(shown.changes);
        listeners.extend(shown.listeners);
        if !yes && !ask_consent(&format!("Apply these lines to {id}?")) {
            output.text(&format!("{id}: not applied; `mailcert setup --yes` does it\n"))?;
            code = code.max(3);
            continue;
        }
        let _lock = session.lock(output).await?;
        match apply(session, asked).await {
            Ok(()) => output.text(&format!(
                "{id}: applied; `mailcert setup --undo` takes it back, `mailcert fix` brings \
                 certificates and reloads\n"
            ))?,
            Err(why) => {
                findings.push(Finding::new(Code::HookMissing, id, why));
                code = 1;
            }
        }
    }
    answer(Body::Setup { changes, listeners }, output, findings)?;
    Ok(code)
}

/// `setup --undo`.
pub(super) async fn undo(session: &Session, yes: bool, output: &Output) -> Result<u8, Failure> {
    let (asked, mut findings) = survey::servers(&session.config.servers, &session.machine).await;
    let mut code = 0;
    for asked in &asked {
        let id = &asked.server.id;
        if !hook::is_applied(&asked.server, &session.config.state) {
            output.text(&format!("{id}: nothing was applied here\n"))?;
            continue;
        }
        if !yes && !ask_consent(&format!("Take mailcert's lines out of {id}'s configuration?")) {
            output
                .text(&format!("{id}: left as it is; `mailcert setup --undo --yes` does it\n"))?;
            code = code.max(3);
            continue;
        }
        let _lock = session.lock(output).await?;
        let (state, store) = (&session.config.state, &*session.store);
        let diary = session.store.diary().map_err(Failure::store)?;
        let edited = survey::is_edited(asked, &diary);
        match hook::undo(&asked.server, state, store, session.how.moment()).await {
            Ok(()) => {
                if !edited {
                    let known = hook::known(&asked.server, session.how.moment());
                    store.note(&known).map_err(Failure::store)?;
                }
                output.text(&format!("{id}: restored; reload it when it suits you\n"))?;
            }
            Err(error) => {
                findings.push(Finding::new(Code::HookMissing, id, error.why));
                code = 1;
            }
        }
    }
    answer(Body::Check(asked.iter().map(super::state::row).collect()), output, findings)?;
    Ok(code)
}

/// The hook-in lines that are missing and could be applied, as text.
pub(super) async fn missing(session: &Session, asked: &[Asked]) -> String {
    let mut text = String::new();
    for asked in asked.iter().filter(|asked| asked.hook == Hook::Missing) {
        if let Ok(Some(shown)) = shown(session, asked).await {
            text.push_str(&shown.text);
        }
    }
    text
}

/// Brings the files the lines name, as copies of what is shown today where there is no
/// certificate yet, then the lines.
async fn apply(session: &Session, asked: &Asked) -> Result<(), String> {
    let server = &asked.server;
    let (store, now) = (&*session.store, session.how.moment());
    if let Some(pair) = hook::in_use(server).await.map_err(|error| error.why)? {
        let seeded = deploy::seed(server, &pair.chain, pair.key.as_deref(), store, now).await;
        seeded.map_err(|error| error.to_string())?;
    }
    let diary = store.diary().map_err(|error| error.to_string())?;
    let edited = survey::is_edited(asked, &diary);
    hook::apply(server, &session.config.state, store, now).await.map_err(|error| error.why)?;
    if !edited {
        let known = hook::known(server, session.how.moment());
        store.note(&known).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// What would change at one server.
struct Shown {
    text: String,
    changes: Vec<ChangeRow>,
    listeners: Vec<ListenerRow>,
}

/// The change of one server as a diff, and what each listener serves; `None` where there is
/// nothing to change.
async fn shown(session: &Session, asked: &Asked) -> Result<Option<Shown>, String> {
    let server = &asked.server;
    match &asked.hook {
        Hook::There | Hook::Unknown => return Ok(None),
        Hook::ByHand(why) => return Err(hook::by_hand(server, why).why),
        Hook::Missing => {}
    }
    let changes = hook::changes(server).await.map_err(|error| error.why)?;
    if changes.is_empty() {
        return Ok(None);
    }
    let mut text = format!("{}:\n{}", server.id, hook::diff(&changes));
    let listeners = listeners(session, asked).await;
    text.push_str(&report::listeners_text(&listeners));
    for sentence in hook::beside(server).await.map_err(|error| error.why)? {
        text.push_str(&report::wrapped(&sentence, "  "));
    }
    let row = |change: &hook::Change| ChangeRow {
        server: server.id.clone(),
        path: change.path.clone(),
        diff: hook::diff(std::slice::from_ref(change)),
    };
    Ok(Some(Shown { text, changes: changes.iter().map(row).collect(), listeners }))
}

/// What each listener shows now, and is to show. One that does not run is not looked at.
async fn listeners(session: &Session, asked: &Asked) -> Vec<ListenerRow> {
    let server = &asked.server;
    let after = survey::live::default_names(server);
    let asks = match asked.running {
        true => survey::live::asks_as_it_is(server, &session.machine),
        false => Vec::new(),
    };
    let looks = verify::inspect_all(&asks, &session.how, &|_| {}).await;
    let row = |(index, at)| ListenerRow::new(&server.id, at, looks.get(index), after.clone());
    server.listeners.iter().enumerate().map(row).collect()
}

fn answer(body: Body, output: &Output, findings: Vec<Finding>) -> Result<(), Failure> {
    let report = Report::new("setup", body, findings);
    if output.is_for_programs() {
        return output.answer(&report);
    }
    output.text(&output.findings(&report))
}
