//! Which hosts share a certificate.

use crate::model::{Host, Hostname};
use crate::plan::{Held, Wish};

/// Groups the included hosts: by the longest configured domain that is a suffix, else by the
/// registered domain; at most `limit` names each. Stable: a name stays on the held certificate
/// that covers it, new names fill up or open a new one.
#[must_use]
pub fn group(hosts: &[Host], domains: &[Hostname], held: &[Held], limit: usize) -> Vec<Wish> {
    let _ = (hosts, domains, held, limit);
    todo!()
}
