//! The admin's own edits of a server's configuration, which a reload puts into effect.

use crate::model::{Code, Finding, Level};
use crate::plan::{Edit, Seen};

/// What of the admin's own awaits a reload, and whether this plan's reload publishes it.
pub(super) fn unpublished(seen: &Seen, publishes: bool) -> Finding {
    let id = seen.id();
    let shown = |edit: &Edit| format!("{} (edited {})", edit.path.display(), edit.at);
    let files: Vec<String> = seen.edited.iter().take(EDITS).map(shown).collect();
    let more = match seen.edited.len().saturating_sub(EDITS) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let files = files.join(", ") + &more;
    let end = match publishes {
        true => "the reload puts that edit into effect, too",
        false => {
            "mailcert leaves the reload to you, and until then the old certificates are shown \
             (`mailcert fix` asks, `mailcert fix --yes` reloads)"
        }
    };
    let message = format!("{files}: newer than the last reload of {id}; {end}");
    let level = if publishes { Level::Note } else { Code::UnpublishedEdit.level() };
    Finding::new(Code::UnpublishedEdit, id, message).at(level)
}

/// So many edited files are named.
const EDITS: usize = 3;
