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
    let mut all = postfix_settings::values(&ask(&["postconf", "-c", &directory, "-x"]).await?);
    let services = ask(&["postconf", "-c", &directory, "-P"]).await?;
    all.extend(postfix_settings::values(&services));
    Ok(all)
}

pub(in crate::hook) async fn check(postfix: &Postfix) -> Result<(), String> {
    let directory = postfix.config_directory.display().to_string();
    ask(&["postfix", "-c", &directory, "check"]).await.map(|_| ())
}

pub(in crate::hook) async fn changes(
    postfix: &Postfix,
    lines: &[Setting],
    overridden: &[String],
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
    let mut changes = Vec::new();
    if !edits.is_empty() {
        let after = edited(&before, &edits).await?;
        changes.push(Change { path, before: Some(before), after });
    }
    changes.extend(services(postfix, overridden).await?);
    Ok(changes)
}

/// master.cf without the settings of single services that win over ours.
async fn services(postfix: &Postfix, overridden: &[String]) -> Result<Option<Change>, String> {
    if overridden.is_empty() {
        return Ok(None);
    }
    let path = postfix.config_directory.join("master.cf");
    let before = editable(&path)?.ok_or_else(|| format!("{} is missing", path.display()))?;
    let copy = tempfile::tempdir().map_err(|error| format!("a temporary directory: {error}"))?;
    put(&copy.path().join("main.cf"), "")?;
    let master = copy.path().join("master.cf");
    put(&master, &before)?;
    let directory = copy.path().display().to_string();
    for key in overridden {
        ask(&["postconf", "-c", &directory, "-PX", key]).await?;
    }
    Ok(Some(Change { path, before: Some(before), after: text(&master)? }))
}

fn put(path: &Path, text: &str) -> Result<(), String> {
    let put = disk::replace(path, text.as_bytes(), Access::PRIVATE);
    put.map(|_| ()).map_err(|error| error.to_string())
}

fn text(path: &Path) -> Result<String, String> {
    let bytes = disk::read(path, u64::MAX - 1).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|_| "postconf wrote what is not UTF-8".to_owned())
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

/// What the lines of master.cf mean beside ours, one sentence each.
pub(in crate::hook) async fn beside(postfix: &Postfix) -> Result<Vec<String>, String> {
    let directory = postfix.config_directory.display().to_string();
    Ok(overrides(&ask(&["postconf", "-c", &directory, "-P"]).await?))
}

/// From the lines of `postconf -P`: `587/inet/smtpd_tls_cert_file = /x.pem`. A chain in main.cf
/// wins over the older settings even where a service states them for itself (only a log line
/// tells), and a service's own chain or map wins over ours.
fn overrides(output: &str) -> Vec<String> {
    let sentence = |line: &str| {
        let (setting, value) = line.split_once(" =")?;
        let (service, name) = setting.rsplit_once('/')?;
        let value = value.trim();
        match name {
            name if LEGACY.contains(&name) && !value.is_empty() => Some(format!(
                "{service}: -o {name}={value} no longer counts beside smtpd_tls_chain_files; \
                 this listener changes its certificate"
            )),
            "smtpd_tls_chain_files" | "tls_server_sni_maps" => Some(format!(
                "{service}: -o {name}={value} wins over ours, so it is taken out; this listener changes its certificate"
            )),
            _ => None,
        }
    };
    output.lines().filter_map(sentence).collect()
}

const LEGACY: [&str; 6] = [
    "smtpd_tls_cert_file",
    "smtpd_tls_key_file",
    "smtpd_tls_eccert_file",
    "smtpd_tls_eckey_file",
    "smtpd_tls_dcert_file",
    "smtpd_tls_dkey_file",
];

async fn edited(before: &str, edits: &[String]) -> Result<String, String> {
    let copy = tempfile::tempdir().map_err(|error| format!("a temporary directory: {error}"))?;
    let main = copy.path().join("main.cf");
    put(&main, before)?;
    // One by one: postconf adds several new settings in an order that changes from run to run
    // (measured with 3.7.11), and the diff must be what is applied.
    for edit in edits {
        postconf(copy.path(), edit).await?;
    }
    text(&main)
}

async fn postconf(directory: &Path, edit: &str) -> Result<(), String> {
    let directory = directory.display().to_string();
    ask(&["postconf", "-c", &directory, "-e", edit]).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::overrides;

    #[test]
    fn a_listener_that_states_its_own_certificate_is_told() {
        for (line, expected) in [
            ("587/inet/smtpd_tls_cert_file = /x.pem", Some("changes its certificate")),
            ("587/inet/smtpd_tls_cert_file =", None),
            (
                "smtps/inet/smtpd_tls_chain_files = /x.pem",
                Some("so it is taken out; this listener changes its certificate"),
            ),
            ("smtps/inet/smtpd_tls_wrappermode = yes", None),
        ] {
            let said = overrides(line);
            assert_eq!(said.is_empty(), expected.is_none(), "{said:?}");
            assert!(expected.is_none_or(|expected| said[0].ends_with(expected)), "{said:?}");
        }
    }
}
