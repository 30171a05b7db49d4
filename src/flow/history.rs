//! What is worth telling later of a step that ended.

use crate::model::{Deed, Timestamp};
use crate::plan::{Action, Fate, Outcome};
use crate::report;
use crate::servers::ServerId;

/// The deed of this outcome; looks that found what was expected are none, nor is what was not
/// tried.
pub(super) fn deed(outcome: &Outcome, at: Timestamp) -> Option<Deed> {
    let step = &outcome.step;
    let is_look = matches!(step.action, Action::Check { .. } | Action::Prove { .. });
    let tells = match outcome.fate {
        Fate::Done => !is_look,
        Fate::Failed => true,
        Fate::Skipped => false,
    };
    tells.then(|| Deed {
        at,
        about: about(&step.action),
        what: report::step_text(step),
        because: report::reason_text(step),
        error: outcome.error.clone(),
    })
}

/// Certificate, server and host names.
fn about(action: &Action) -> Vec<String> {
    let certificate = action.certificate().map(ToString::to_string);
    let server = server(action).map(ToString::to_string);
    let names = match action {
        Action::Issue { names, .. } => names.as_slice(),
        _ => &[],
    };
    let names = names.iter().map(ToString::to_string);
    certificate.into_iter().chain(server).chain(names).collect()
}

fn server(action: &Action) -> Option<&ServerId> {
    match action {
        Action::Install { server, .. }
        | Action::Tighten { server, .. }
        | Action::Remove { server, .. }
        | Action::Open { server }
        | Action::Check { server }
        | Action::Reload { server }
        | Action::Prove { server, .. }
        | Action::Hook { server } => Some(server),
        _ => None,
    }
}
