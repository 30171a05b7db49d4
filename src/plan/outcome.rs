//! [`Outcome`]: a step that was carried out, or was to be.

use serde::{Deserialize, Serialize};

use crate::plan::Step;

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// It worked.
    Done,
    /// It did not.
    Failed,
    /// It was not tried, because a step it stands on did not work, or nobody consented.
    Skipped,
}

impl Fate {
    /// The word in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// A step and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The step as it was planned.
    pub step: Step,
    /// What became of it.
    pub fate: Fate,
    /// Why it failed, or why it was not tried; one sentence.
    pub error: Option<String>,
}
