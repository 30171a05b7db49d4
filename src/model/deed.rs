//! [`Deed`]: something that was done, as `history` tells it.

use serde::{Deserialize, Serialize};

use crate::model::Timestamp;

/// Something that was done; field names are the JSON interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// When it ended.
    pub at: Timestamp,
    /// What it can be found by: a certificate, a server, the host names of an order.
    pub about: Vec<String>,
    /// What was done, in one line.
    pub what: String,
    /// Why.
    pub because: Option<String>,
    /// Why it did not work, where it did not.
    pub error: Option<String>,
}

impl Deed {
    /// One that worked, and needs no reason: a person asked for it.
    #[must_use]
    pub fn asked_for(at: Timestamp, about: &[&dyn std::fmt::Display], what: String) -> Self {
        let about = about.iter().map(ToString::to_string).collect();
        Self { at, about, what, because: None, error: None }
    }
}
