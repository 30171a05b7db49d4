//! `init`, `explain`, `completions`, `man`: commands that answer with a text.

use std::path::Path;

use clap::CommandFactory;

use crate::app::session::{self, CONFIG};
use crate::app::{Failure, Output, environment};
use crate::cli::{self, Cli};
use crate::config::init::{self, Found};
use crate::disk::{self, Access};
use crate::model::{Code, Hostname};
use crate::report::explain;
use crate::servers::{Kind, Server};
use crate::survey;

/// `explain CODE` and `explain --list`.
pub(super) fn explain(code: Option<Code>, output: &Output) -> u8 {
    match code {
        Some(code) => output.text(explain::explain(code)),
        None => output.text(&explain::list()),
    }
    0
}

/// `completions SHELL`.
pub(super) fn completions(shell: clap_complete::Shell, output: &Output) -> u8 {
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mailcert", &mut bytes);
    output.text(&String::from_utf8_lossy(&bytes));
    0
}

/// `man DIR`: one page for the program and one for each command.
pub(super) fn man(directory: &Path, output: &Output) -> Result<u8, Failure> {
    let command = Cli::command();
    let mut pages = vec![("mailcert.1".to_owned(), command.clone())];
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let name = format!("mailcert-{}", sub.get_name());
        let page = sub.clone().display_name(name.clone());
        pages.push((format!("{name}.1"), page));
    }
    for (name, command) in pages {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page).map_err(Failure::work)?;
        let path = directory.join(&name);
        let access = Access { mode: 0o644, uid: None, gid: None };
        disk::replace(&path, &page, access).map_err(Failure::work)?;
        output.text(&format!("{}\n", path.display()));
    }
    Ok(0)
}

/// `init [DOMAIN]...`: looks at this machine and writes a commented configuration.
pub(super) async fn init(
    named: Option<&Path>,
    typed: cli::Init,
    output: &Output,
) -> Result<u8, Failure> {
    let machine = session::machine(&crate::config::builtin());
    let text = init::text(&found(typed.domains, &machine).await);
    let path = named.unwrap_or_else(|| Path::new(CONFIG));
    if typed.print {
        output.text(&text);
        return Ok(0);
    }
    if path.exists() && !typed.force {
        return Err(Failure::Usage(format!(
            "error: {} is there already and stays as it is\n  = help: `--force` writes over it, \
             `--print` shows what would be written, `-c FILE` names another",
            path.display()
        )));
    }
    if let Some(parent) = path.parent() {
        disk::ensure_directory(parent, 0o755, None, None).map_err(Failure::work)?;
    }
    let access = Access { mode: 0o644, uid: Some(environment::caller()), gid: None };
    disk::replace(path, text.as_bytes(), access).map_err(Failure::work)?;
    output.text(&format!(
        "wrote {}: read it, then `mailcert plan` shows what would be done\n",
        path.display()
    ));
    Ok(0)
}

fn table(server: &Server) -> init::Server {
    match &server.kind {
        Kind::Postfix(postfix) => init::Server::Postfix(postfix.config_directory.clone()),
        Kind::Exim(exim) => init::Server::Exim(exim.binary.clone()),
        Kind::Dovecot(dovecot) => init::Server::Dovecot(dovecot.config_file.clone()),
    }
}

async fn found(domains: Vec<Hostname>, machine: &[std::net::IpAddr]) -> Found {
    let (asked, _) = survey::servers(&[], machine).await;
    let mut own: Vec<Hostname> =
        asked.iter().filter_map(|a| a.server.own_name.as_ref()?.parent()).collect();
    own.dedup();
    let domains = if domains.is_empty() { own } else { domains };
    Found {
        contact: domains.first().map(|domain| format!("postmaster@{domain}")),
        servers: asked.iter().map(|asked| table(&asked.server)).collect(),
        port_80: crate::issue::port_holder(([0, 0, 0, 0], 80).into()),
        domains,
    }
}
