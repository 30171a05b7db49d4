//! What so many names cost a Dovecot.

use crate::model::{Code, Finding};
use crate::plan::Seen;
use crate::servers::{Kind, Shown, blocks, cost_of_blocks};

/// A warning, where the blocks of what a Dovecot is to show slow it down.
pub(super) fn many(seen: &Seen, shown: &[Shown]) -> Option<Finding> {
    let Kind::Dovecot(dovecot) = &seen.server.kind else { return None };
    let (count, warned) = blocks(dovecot, shown);
    let id = seen.id();
    let message = || {
        let cost = cost_of_blocks(dovecot);
        format!("{count} local_name blocks for what {id} is to show; {cost}")
    };
    (count >= warned).then(|| Finding::new(Code::ManyBlocks, id, message()))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::many;
    use crate::plan::{Hook, Seen};
    use crate::servers::entries::samples::{server, shown};
    use crate::servers::{Dovecot, Kind};

    #[test]
    fn from_a_thousand_blocks_on_their_cost_is_told() {
        for (minor, count, said) in
            [(3, 999, None), (3, 1000, Some("2.3")), (4, 4999, None), (4, 5000, Some("4 s"))]
        {
            let dovecot = Dovecot { config_file: "/d.conf".into(), version: (2, minor) };
            let seen = Seen {
                server: server(Kind::Dovecot(dovecot), "/d"),
                files: BTreeMap::new(),
                hook: Hook::There,
                owed: false,
                edited: false,
                proofs: BTreeMap::new(),
                stale: BTreeSet::new(),
                running: true,
            };
            let all: Vec<_> = (0..count)
                .map(|n| shown(&format!("d{n}.test"), &[&format!("imap.d{n}.test")], 1))
                .collect();
            let found = many(&seen, &all).map(|finding| finding.message);
            assert_eq!(found.is_some(), said.is_some(), "2.{minor} {count}");
            assert!(found.unwrap_or_default().contains(said.unwrap_or_default()));
        }
    }
}
