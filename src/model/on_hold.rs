//! [`OnHold`]: a person wants a certificate left as it is.

use serde::{Deserialize, Serialize};

use crate::model::Timestamp;

/// That nothing is to take the place of what is held of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnHold {
    /// Since when.
    pub since: Timestamp,
    /// Why, in the person's own words.
    pub why: Option<String>,
}

impl OnHold {
    /// Since when and why, in a part of a sentence.
    #[must_use]
    pub fn text(&self) -> String {
        let why = self.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        format!("on hold since {}{why}", self.since)
    }
}
