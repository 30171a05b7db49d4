//! What an admin should know of a server's names: what so many cost a Dovecot, a certificate that
//! nobody has, and one that is not shown since the program cannot be told.

use crate::model::{Code, Finding, Level};
use crate::plan::Seen;
use crate::plan::layout::Scene;
use crate::servers::hook_in::{HookIn, hook_in};
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

/// A certificate that a `[[files]]` table asks for and that is neither held nor to come.
pub(super) fn nobodys(scene: &Scene<'_>, seen: &Seen, shown: &[Shown]) -> Option<Finding> {
    let Kind::Files(files) = &seen.server.kind else { return None };
    let name = files.certificate.as_ref().filter(|_| shown.is_empty())?;
    if scene.held.contains_key(name) || scene.wished.contains_key(name) {
        return None;
    }
    let names: Vec<String> = scene.wished.keys().map(ToString::to_string).take(5).collect();
    let message = format!(
        "no certificate is called {name}; expected one that mailcert status lists, such as {}",
        if names.is_empty() { "that of a [[domain]]".to_owned() } else { names.join(", ") }
    );
    Some(Finding::new(Code::StepFailed, seen.id(), message))
}

/// What an Exim with the admin's own expression does not show, and what would.
pub(super) fn one_algorithm(scene: &Scene<'_>, seen: &Seen) -> Option<Finding> {
    let Kind::Exim(exim) = &seen.server.kind else { return None };
    let beside =
        scene.wished.keys().find(|name| name.is_beside() && scene.held.contains_key(*name));
    let name = beside.filter(|_| !exim.lists)?;
    let HookIn::Exim { options, .. } = hook_in(&seen.server) else { return None };
    let line = options.iter().find(|set| set.name == "tls_certificate")?;
    let message = format!(
        "{name} is not shown, since tls_certificate of {} names one file for a name; one that \
         looks for the second as well is: {}",
        seen.id(),
        line.value
    );
    Some(Finding::new(Code::RsaNotShown, seen.id(), message))
}

/// What a program shows that was not told, and cannot be.
pub(super) fn deaf(seen: &Seen, shown: &[Shown]) -> Option<Finding> {
    if !seen.server.is_told_by_argv() || !seen.server.reload.is_empty() {
        return None;
    }
    let stale = shown.iter().find(|shown| seen.stale.contains(&shown.name))?;
    let message = format!(
        "another certificate is shown than the one installed for {}, and there is no way to tell \
         {}: reload it, and set reload in its table",
        stale.name,
        seen.id()
    );
    Some(Finding::new(Code::StepFailed, seen.id(), message).at(Level::Warn))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::{deaf, many};
    use crate::plan::{Hook, Seen};
    use crate::servers::entries::samples::{server, shown};
    use crate::servers::{Dovecot, Kind, Server};

    fn seen(server: Server) -> Seen {
        Seen {
            server,
            files: BTreeMap::new(),
            hook: Hook::There,
            owed: false,
            edited: Vec::new(),
            proofs: BTreeMap::new(),
            stale: BTreeSet::new(),
            doubted: BTreeSet::new(),
            installed: BTreeSet::new(),
            damaged: BTreeMap::new(),
            shut: false,
            running: true,
        }
    }

    #[test]
    fn what_cannot_be_told_is_said_where_it_shows_something_else() {
        let dovecot = Dovecot { config_file: "/d.conf".into(), version: (2, 3) };
        let mut seen = seen(server(Kind::Dovecot(dovecot), "/d"));
        let all = [shown("a.test", &["imap.a.test"], 1)];
        seen.stale.insert(all[0].name.clone());
        for (elsewhere, told, expected) in
            [(false, false, false), (true, true, false), (true, false, true)]
        {
            seen.server.files_only = elsewhere;
            seen.server.reload = if told { vec!["true".to_owned()] } else { Vec::new() };
            assert_eq!(deaf(&seen, &all).is_some(), expected, "{elsewhere} {told}");
        }
        seen.stale.clear();
        assert_eq!(deaf(&seen, &all), None);
    }

    #[test]
    fn from_a_thousand_blocks_on_their_cost_is_told() {
        for (minor, count, said) in
            [(3, 999, None), (3, 1000, Some("2.3")), (4, 4999, None), (4, 5000, Some("4 s"))]
        {
            let dovecot = Dovecot { config_file: "/d.conf".into(), version: (2, minor) };
            let seen = seen(server(Kind::Dovecot(dovecot), "/d"));
            let all: Vec<_> = (0..count)
                .map(|n| shown(&format!("d{n}.test"), &[&format!("imap.d{n}.test")], 1))
                .collect();
            let found = many(&seen, &all).map(|finding| finding.message);
            assert_eq!(found.is_some(), said.is_some(), "2.{minor} {count}");
            assert!(found.unwrap_or_default().contains(said.unwrap_or_default()));
        }
    }
}
