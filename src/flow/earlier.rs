//! What the rounds of a run did, for the next one to know.

use crate::plan::{Action, Fate, Outcome};
use crate::survey::Earlier;

/// A failed order is waited for and a look that was taken stands, for the rest of the run.
pub(super) fn remember(outcome: &Outcome, earlier: &mut Earlier) {
    match (&outcome.step.action, outcome.fate) {
        (_, Fate::Skipped) => {}
        (Action::Issue { certificate, .. }, _) => {
            earlier.ordered.insert(certificate.clone());
        }
        (Action::Prove { server, certificate }, _) => {
            earlier.looked_at.insert((server.0.clone(), certificate.clone()));
        }
        (Action::Install { server, .. } | Action::Open { server }, _)
        | (Action::Reload { server } | Action::Hook { server }, _) => {
            earlier.changed.insert(server.0.clone());
        }
        _ => {}
    }
}
