//! Who is named in `[notify]` hears of what needs a person.

use crate::app::session::Session;
use crate::app::{Failure, environment};
use crate::http::Http;
use crate::model::Finding;
use crate::notify::{self, Told};
use crate::plan::Outcome;
use crate::report::Verified;
use crate::report::notice::State;
use crate::store::{Entry, Store as _};
use crate::trust::Roots;

/// Tells them what a whole run found, and says who could not be told.
pub(super) async fn tell(
    session: &Session,
    findings: &[Finding],
    outcomes: &[Outcome],
    verified: &Verified,
) -> Result<Vec<Finding>, Failure> {
    let Some(notify) = &session.config.notify else { return Ok(Vec::new()) };
    let state = State::after(findings, outcomes, verified);
    let diary = session.store.diary().map_err(Failure::store)?;
    let known = |who: &str| diary.notified.get(who).cloned().unwrap_or_default();
    // Not the roots of the CA: a webhook is somebody's on the web.
    let proxy = environment::proxy();
    let http = Http::new(&Roots::mozilla(), proxy.as_ref()).map_err(Failure::usage)?;
    let machine = environment::machine();
    let told = notify::tell(notify, &http, (&machine, session.now), &state, known).await;
    let mut failed = Vec::new();
    for Told { who, known } in told {
        match known {
            Err(finding) => failed.push(finding),
            Ok(open) => {
                let entry = Entry::Notified { who: who.to_owned(), open };
                session.store.note(&entry).map_err(Failure::store)?;
            }
        }
    }
    Ok(failed)
}
