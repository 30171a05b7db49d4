//! What became of a step.

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It worked.
    Done,
    /// It did not; the world is as it was before it.
    Failed,
    /// A step it stands on did not work, or it was not allowed.
    Skipped,
}

/// A step and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The step.
    pub step: super::Step,
    /// How it ended.
    pub fate: Fate,
    /// Why it failed or was skipped.
    pub error: Option<String>,
}
