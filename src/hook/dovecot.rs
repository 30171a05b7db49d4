//! Dovecot: one `!include_try` as the last line, so that ours wins.

use std::collections::BTreeMap;
use std::path::Path;

use crate::disk;
use crate::hook::{Change, LIMIT, ask, editable, text};
use crate::servers::hook_in::INCLUDES;
use crate::servers::{Dovecot, dovecot_settings};

pub(in crate::hook) async fn settings(
    dovecot: &Dovecot,
) -> Result<BTreeMap<String, String>, String> {
    let file = &dovecot.config_file;
    let said = ask(&["doveconf", "-c", &file.display().to_string(), "-n"]).await?;
    let mut settings = dovecot_settings::values(&said);
    let bytes = disk::read(file, LIMIT).map_err(|error| error.to_string())?;
    let folder = file.parent().unwrap_or_else(|| Path::new("/"));
    let includes = dovecot_settings::includes(&String::from_utf8_lossy(&bytes), folder);
    settings.insert(INCLUDES.to_owned(), includes);
    Ok(settings)
}

pub(in crate::hook) fn changes(dovecot: &Dovecot, line: &str) -> Result<Vec<Change>, String> {
    let path = dovecot.config_file.clone();
    let before = editable(&path)?.ok_or_else(|| format!("{} is missing", path.display()))?;
    let after = format!("{}{line}\n", text::ended(&before));
    Ok(vec![Change { path, before: Some(before), after }])
}
