//! Asks Dovecot: `dovecot --version` and `doveconf`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::config::Common;
use crate::model::{Code, Finding};
use crate::servers::dovecot_settings::{QUESTIONS, includes, listeners, values, version};
use crate::servers::hook_in::{INCLUDES, is_hooked};
use crate::servers::{Dovecot, Kind, ServerId};
use crate::survey::{Asked, elsewhere, from_table, hook, machine, plain, question};

pub(super) async fn ask(
    id: ServerId,
    config: &Path,
    common: &Common,
) -> Result<(Asked, Vec<Finding>), Finding> {
    let folder = config.parent().unwrap_or_else(|| Path::new("/"));
    let kind = Kind::Dovecot(Dovecot { config_file: config.to_owned(), version: (2, 3) });
    let mut server = from_table(id, kind, folder.join("mailcert"), common)?;
    if server.files_only {
        return Ok((elsewhere(server), Vec::new()));
    }
    let at = plain(&server.id, config)?.to_owned();
    let Ok(text) = fs::read_to_string(config) else {
        let message = format!("{at} cannot be read; expected Dovecot's configuration");
        return Err(Finding::new(Code::ServerUnreadable, &server.id, message));
    };
    let version = ask_version(&server.id).await?;
    let words: Vec<&str> = ["doveconf", "-c", &at].into_iter().chain(QUESTIONS).collect();
    let output = question(&server.id, &words).await?.stdout;
    let mut settings = values(&output);
    server.kind = Kind::Dovecot(Dovecot { config_file: config.to_owned(), version });
    server.listeners = listeners(&output);
    if common.reload.is_none() {
        server.reload = reload(&at).await;
    }
    let mut findings = Vec::new();
    if settings.get("ssl").is_some_and(|ssl| ssl == "no") {
        let message = format!("TLS is switched off (ssl = no); expected ssl = yes in {at}");
        findings.push(Finding::new(Code::NoStarttls, &server.id, message));
    }
    let pid = settings.get("base_dir").map(|base| Path::new(base).join("master.pid"));
    settings.insert(INCLUDES.to_owned(), includes(&text, folder));
    let asked = Asked {
        hook: hook(&server, is_hooked(&server, &settings), config),
        running: pid.is_some_and(|file| machine::running(&file, "dovecot").is_some()),
        edited_at: machine::newest(&sources(config), &server.directory),
        proxied: Vec::new(),
        server,
    };
    Ok((asked, findings))
}

/// The version; one whose settings nobody here knows is said to be unknown rather than served
/// wrongly.
async fn ask_version(id: &ServerId) -> Result<(u32, u32), Finding> {
    let said = question(id, &["dovecot", "--version"]).await?.stdout;
    match version(&said) {
        Some(known @ (2, 3 | 4)) => Ok(known),
        _ => {
            let found = said.trim().escape_debug().to_string();
            let message = format!("Dovecot {found} is not supported yet; expected 2.3 or 2.4");
            Err(Finding::new(Code::ServerUnreadable, id, message))
        }
    }
}

async fn reload(at: &str) -> Vec<String> {
    let units: &[&str] = if at == STANDARD { &["dovecot.service"] } else { &[] };
    let own = || ["doveadm", "-c", at, "reload"].map(str::to_owned).to_vec();
    machine::unit_reload(units).await.unwrap_or_else(own)
}

/// The main file, and `conf.d` beside it.
fn sources(config: &Path) -> Vec<PathBuf> {
    vec![config.to_owned(), config.with_file_name("conf.d")]
}

const STANDARD: &str = "/etc/dovecot/dovecot.conf";

/// Where packages keep it.
pub(super) fn standard(root: &Path) -> Option<PathBuf> {
    Some(root.join("etc/dovecot/dovecot.conf")).filter(|path| path.exists())
}
