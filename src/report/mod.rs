//! One serializable value; each renderer is `fn(&Report) -> String`.

mod plan;

pub use plan::{outcomes_json, outcomes_text, plan_json, plan_text};
