//! Postfix: main.cf, as `postconf -e` edits it.
//!
//! `postconf -e` runs on a private copy, so that the diff shows exactly what it does, comments and
//! all; the result then replaces main.cf in one rename. On the file itself it would turn a link
//! into a plain file.

use std::collections::BTreeMap;
use std::path::Path;

use crate::disk::{self, Access};
use crate::hook::{Change, ask, editable};
use crate::servers::hook_in::Setting;
use crate::servers::{Postfix, postfix_settings};

pub(in crate::hook) async fn settings(
    postfix: &Postfix,
) -> Result<BTreeMap<String, String>, String> {
    let directory = postfix.config_directory.display().to_string();
    Ok(postfix_settings::values(&ask(&["postconf", "-c", &directory, "-x"]).await?))
}

pub(in crate::hook) async fn changes(
    postfix: &Postfix,
    lines: &[Setting],
    settings: &BTreeMap<String, String>,
) -> Result<Vec<Change>, String> {
    let path = postfix.config_directory.join("main.cf");
    let before = editable(&path)?.ok_or_else(|| format!("{} is missing", path.display()))?;
    let edits: Vec<String> = lines
        .iter()
        .filter_map(|line| {
            let value = settings.get(&line.name).map_or("", |value| value.trim());
            let new = wanted(line, value)?;
            Some(format!("{}={new}", line.name))
        })
        .collect();
    let after = edited(&before, &edits).await?;
    Ok(vec![Change { path, before: Some(before), after }])
}

/// The new value, if one is needed. A map of the admin's own stays, behind ours.
fn wanted(line: &Setting, value: &str) -> Option<String> {
    if line.name == "tls_server_sni_maps" && !value.is_empty() {
        let ours = value.split([' ', '\t', ',']).any(|word| word == line.value);
        return (!ours).then(|| format!("{}, {value}", line.value));
    }
    let has = if line.only_if_empty { !value.is_empty() } else { value == line.value };
    (!has).then(|| line.value.clone())
}

async fn edited(before: &str, edits: &[String]) -> Result<String, String> {
    let failed = |error: disk::DiskError| error.to_string();
    let copy = tempfile::tempdir().map_err(|error| format!("a temporary directory: {error}"))?;
    let main = copy.path().join("main.cf");
    disk::replace(&main, before.as_bytes(), Access::PRIVATE).map_err(failed)?;
    // One by one: postconf adds several new settings in an order that changes from run to run
    // (measured with 3.7.11), and the diff must be what is applied.
    for edit in edits {
        postconf(copy.path(), edit).await?;
    }
    let bytes = disk::read(&main, u64::MAX - 1).map_err(failed)?;
    String::from_utf8(bytes).map_err(|_| "postconf wrote what is not UTF-8".to_owned())
}

async fn postconf(directory: &Path, edit: &str) -> Result<(), String> {
    let directory = directory.display().to_string();
    ask(&["postconf", "-c", &directory, "-e", edit]).await.map(|_| ())
}
