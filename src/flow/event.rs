//! [`Event`]: progress leaves the flow as values.

use crate::model::{CertName, DnsId};
use crate::plan::{Outcome, Step};

/// What happens, for a person to follow.
#[derive(Debug)]
pub enum Event {
    /// Domains are asked for.
    Discovering(usize),
    /// The machine is looked at.
    Surveying,
    /// A plan was made.
    Planned(usize),
    /// A step begins.
    Begins(Step),
    /// An answer to a question of the CA is shown, so that it can validate the host.
    Presented(DnsId),
    /// It is shown no more.
    Cleared(DnsId),
    /// An order came to its end, one of several under way.
    Answered(CertName),
    /// A step ended.
    Ended(Outcome),
    /// Endpoints are looked at.
    Verifying(usize),
    /// One was.
    Verified,
}
