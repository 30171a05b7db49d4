//! [`Wild`]: a wildcard that is wanted, beside which no host stands that it stands for.

use crate::model::{DnsId, Hostname};

/// A wildcard that is wanted, by the domain below which it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wild {
    /// The domain.
    pub domain: Hostname,
    /// The last order for it failed.
    pub fails: bool,
}

/// Whether one of the two stands for the other.
pub(super) fn says_the_same(one: &DnsId, other: &DnsId) -> bool {
    let stands_for = |wild: &DnsId, id: &DnsId| id.host().is_some_and(|host| wild.matches(host));
    one.is_wildcard() && stands_for(one, other) || other.is_wildcard() && stands_for(other, one)
}
