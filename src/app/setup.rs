//! `setup` and `setup --undo`: the lines in the admin's own configuration.

use crate::app::Failure;
use crate::app::output::{Output, ask_consent};
use crate::app::session::Session;
use crate::hook;
use crate::model::{Code, Finding, Level};
use crate::plan::Hook;
use crate::report::{Body, Report};
use crate::store::Store;
use crate::survey::{self, Asked};

/// `setup`: shows the lines, and applies them with consent.
pub(super) async fn setup(
    session: &Session,
    yes: bool,
    output: &Output,
    mut findings: Vec<Finding>,
) -> Result<u8, Failure> {
    let (mut asked, found) = survey::servers(&session.config.servers, &session.machine).await;
    findings.extend(found);
    let mut code = u8::from(findings.iter().any(matters));
    let mut applied = false;
    for asked in &asked {
        let id = &asked.server.id;
        match shown(asked).await {
            Ok(None) => output.text(&format!("{id}: uses the files of mailcert already\n"))?,
            Ok(Some(diff)) => {
                output.text(&diff)?;
                if yes || ask_consent(&format!("Apply these lines to {id}?")) {
                    let _lock = session.store.lock().map_err(Failure::store)?;
                    hook::apply(&asked.server, &session.config.state, &*session.store, session.now)
                        .await
                        .map_err(Failure::work)?;
                    applied = true;
                    output.text(&format!(
                        "{id}: applied; `mailcert setup --undo` takes it back, `mailcert fix` \
                         brings certificates and reloads\n"
                    ))?;
                } else {
                    output.text(&format!("{id}: not applied; `mailcert setup --yes` does it\n"))?;
                    code = if code == 1 { 1 } else { 3 };
                }
            }
            Err(why) => {
                findings.push(Finding::new(Code::HookMissing, id, why));
                code = 1;
            }
        }
    }
    if applied {
        asked = survey::servers(&session.config.servers, &session.machine).await.0;
    }
    answer(&asked, output, findings)?;
    Ok(code)
}

/// `setup --undo`.
pub(super) async fn undo(
    session: &Session,
    yes: bool,
    output: &Output,
    mut findings: Vec<Finding>,
) -> Result<u8, Failure> {
    let (asked, found) = survey::servers(&session.config.servers, &session.machine).await;
    findings.extend(found);
    let mut code = u8::from(findings.iter().any(matters));
    for asked in &asked {
        let id = &asked.server.id;
        if !hook::is_applied(&asked.server, &session.config.state) {
            output.text(&format!("{id}: nothing was applied here\n"))?;
            continue;
        }
        if !yes && !ask_consent(&format!("Take mailcert's lines out of {id}'s configuration?")) {
            output
                .text(&format!("{id}: left as it is; `mailcert setup --undo --yes` does it\n"))?;
            code = if code == 1 { 1 } else { 3 };
            continue;
        }
        let _lock = session.store.lock().map_err(Failure::store)?;
        let (state, store) = (&session.config.state, &*session.store);
        match hook::undo(&asked.server, state, store, session.now).await {
            Ok(()) => output.text(&format!("{id}: restored; reload it when it suits you\n"))?,
            Err(error) => {
                findings.push(Finding::new(Code::HookMissing, id, error.to_string()));
                code = 1;
            }
        }
    }
    answer(&asked, output, findings)?;
    Ok(code)
}

/// A server that does not run can be set up all the same.
fn matters(finding: &Finding) -> bool {
    finding.level == Level::Fail && finding.code != Code::ServerNotRunning
}

/// The hook-in lines that are missing and could be applied, as text.
pub(super) async fn missing(session: &Session) -> Result<String, Failure> {
    let (asked, _) = survey::servers(&session.config.servers, &session.machine).await;
    let mut text = String::new();
    for asked in asked.iter().filter(|asked| asked.hook == Hook::Missing) {
        if let Ok(Some(diff)) = shown(asked).await {
            text.push_str(&diff);
        }
    }
    Ok(text)
}

/// The change of one server as a diff, and what each listener serves; `None` where there is
/// nothing to change.
async fn shown(asked: &Asked) -> Result<Option<String>, String> {
    match &asked.hook {
        Hook::There | Hook::Unknown => return Ok(None),
        Hook::ByHand(why) => return Err(why.clone()),
        Hook::Missing => {}
    }
    let changes = hook::changes(&asked.server).await.map_err(|error| error.to_string())?;
    if changes.is_empty() {
        return Ok(None);
    }
    let mut text = format!("{}:\n", asked.server.id);
    text.push_str(&hook::diff(&changes));
    Ok(Some(text))
}

fn answer(asked: &[Asked], output: &Output, findings: Vec<Finding>) -> Result<(), Failure> {
    let servers = asked.iter().map(super::state::row).collect();
    let report = Report::new("setup", Body::Check(servers), findings);
    if output.is_json() {
        return output.answer(&report);
    }
    output.text(&output.findings(&report))
}
