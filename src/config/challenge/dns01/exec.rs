//! `[challenge.dns-01.exec]`: a program of the admin's that puts records into the DNS.

use std::time::Duration;

use crate::config::fault::Trouble;
use crate::config::files::argv;
use crate::config::raw::{self, Table};
use crate::config::value;

/// `[challenge.dns-01.exec]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exec {
    /// The argv that puts a record there.
    pub present: Vec<String>,
    /// The argv that takes it away; it may not be there.
    pub remove: Vec<String>,
    /// How long each may take.
    pub timeout: Duration,
}

pub(super) fn exec(table: &Table<'_>) -> Option<Exec> {
    let both = ["present", "remove"].map(|key| {
        if table.value(key).is_none() && !table.misspelt(key, raw::EXEC) {
            let expected = format!("expected `{key} = [\"/usr/local/bin/dns-hook\", ...]` below");
            let trouble = Trouble::new(format!("`{key}` is missing"), expected);
            table.log.missing(Some(table.span.clone()), trouble);
        }
        argv(table, key)
    });
    let timeout = table.text("timeout", value::duration).unwrap_or(TIMEOUT);
    let [present, remove] = both;
    Some(Exec { present: present?, remove: remove?, timeout })
}

/// The interfaces of DNS providers are slow.
const TIMEOUT: Duration = Duration::from_secs(60);
