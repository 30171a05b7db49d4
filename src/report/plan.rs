//! x
use crate::model::Timestamp;
/// x
#[derive(Debug, serde::Serialize)]
pub struct StepRow {}
pub(super) fn text(steps: &[StepRow], wake: Option<Timestamp>) -> String {
    let _ = (steps, wake);
    todo!()
}
pub(super) fn outcomes(steps: &[StepRow], wake: Option<Timestamp>, ok: bool) -> String {
    let _ = (steps, wake, ok);
    todo!()
}
