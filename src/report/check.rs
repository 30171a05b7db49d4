//! `check`: every mail server, and whether it uses the files mailcert writes.

use std::path::PathBuf;

use serde::Serialize;

use crate::plan::Hook;
use crate::servers::{Listener, ServerId};

/// One server; field names are the JSON interface.
#[derive(Debug, Serialize)]
pub struct ServerRow {
    /// Which.
    pub server: ServerId,
    /// Where our files go.
    pub directory: PathBuf,
    /// `there`, `missing`, `by-hand` or `unknown`.
    pub hook: &'static str,
    /// Why the hook-in lines cannot be applied, where they cannot.
    pub why: Option<String>,
    /// Whether it runs.
    pub running: bool,
    /// Where it listens.
    pub listeners: Vec<Listener>,
}

/// The word for the state of a hook, and why it is so.
#[must_use]
pub fn hook_word(hook: &Hook) -> (&'static str, Option<String>) {
    match hook {
        Hook::There => ("there", None),
        Hook::Missing => ("missing", None),
        Hook::ByHand(why) => ("by-hand", Some(why.clone())),
        Hook::Unknown => ("unknown", None),
    }
}

/// The rows for a terminal.
pub(super) fn text(rows: &[ServerRow]) -> String {
    let mut text = String::from("the configuration can be read\n");
    for row in rows {
        let hook = match row.hook {
            "there" if row.server.is_files() => "that it reads the files is up to you",
            "there" => "uses our files",
            "missing" => "does not use our files yet: mailcert setup",
            "by-hand" => "does not use our files, and its configuration is not ours to edit",
            _ => "so it is not asked (files-only)",
        };
        let running = match (row.hook, row.running) {
            _ if row.server.is_files() => "is not asked",
            ("unknown", _) => "runs elsewhere",
            (_, true) => "runs",
            (_, false) => "does not run",
        };
        text.push_str(&format!("{}: {running}, {hook}\n", row.server));
        text.push_str(&format!("  files    {}\n", row.directory.display()));
        let ports: Vec<String> = row
            .listeners
            .iter()
            .map(|at| match at.address {
                Some(address) => format!("{address}:{} ({})", at.port, at.service),
                None => format!("*:{} ({})", at.port, at.service),
            })
            .collect();
        if !ports.is_empty() {
            text.push_str(&super::wrapped(&format!("listens  {}", ports.join(", ")), "  "));
        }
        if let Some(why) = &row.why {
            text.push_str(&super::wrapped(&format!("why      {why}"), "  "));
        }
    }
    text
}
