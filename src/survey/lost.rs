//! What a store that lost something could take over.

use std::collections::BTreeSet;

use crate::model::CertName;
use crate::plan::{Adoptable, Desired, Held};
use crate::servers::Kind;
use crate::survey::{Asked, Look, adoptable, unfit};
use crate::verify;

/// Pairs of the servers' directories that senders accept, where the store lacks something.
pub(super) fn lost(
    desired: &Desired,
    held: &[Held],
    asked: &[Asked],
    look: &Look<'_>,
) -> Vec<Adoptable> {
    if !lacks(desired, held) {
        return Vec::new();
    }
    let wanted = desired.certificates.iter().flat_map(|wish| wish.names.clone()).collect();
    // What a directory of the admin's choice holds may be anybody's.
    let own = asked.iter().filter(|asked| !matches!(asked.server.kind, Kind::Files(_)));
    let directories = own.map(|asked| asked.server.directory.as_path());
    adoptable(directories, &wanted, &|bundle| {
        let facts = verify::facts(bundle).ok()?;
        unfit(&bundle.chain, &facts, look.how.known(), look.now).is_none().then_some(facts)
    })
}

/// Whether the store holds nothing at all, or nothing usable of a certificate that is wanted.
fn lacks(desired: &Desired, held: &[Held]) -> bool {
    let usable = held.iter().filter(|held| !held.versions.is_empty());
    let usable: BTreeSet<&CertName> = usable.map(|held| &held.name).collect();
    usable.is_empty() || desired.certificates.iter().any(|wish| !usable.contains(&wish.name))
}
