//! `init`, `explain`, `completions`, `man`: commands that answer with a text.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::CommandFactory;

use crate::app::session::{self, CONFIG, Loaded};
use crate::app::{Failure, Output, environment};
use crate::cli::{self, Cli};
use crate::config::Answer;
use crate::config::init::{self, Found};
use crate::disk::{self, Access};
use crate::model::{Code, Hostname, Owner, WebServer};
use crate::report::{self, Body, Report};
use crate::servers::{Kind, Server};
use crate::{source, survey};

/// `explain CODE` and `explain --list`.
pub(super) fn explain(code: Option<Code>, output: &Output) -> Result<u8, Failure> {
    let codes = code.map_or_else(|| Code::ALL.to_vec(), |code| vec![code]);
    output.answer(&Report::new("explain", Body::Explain(codes), Vec::new()))?;
    Ok(0)
}

/// `completions SHELL`.
pub(super) fn completions(shell: clap_complete::Shell, output: &Output) -> Result<u8, Failure> {
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mailcert", &mut bytes);
    answer("completions", String::from_utf8_lossy(&bytes).into_owned(), Vec::new(), output)
}

/// `man DIR`: one page for the program and one for each command.
pub(super) fn man(directory: &Path, output: &Output) -> Result<u8, Failure> {
    if !directory.is_dir() {
        let dir = directory.display();
        return Err(Failure::helped(
            format_args!("{dir} is no directory; expected the one the pages go to"),
            format_args!("`mkdir -p {dir}` makes it"),
        ));
    }
    let mut files = Vec::new();
    for (name, page) in cli::man::pages().map_err(Failure::work)? {
        let path = directory.join(&name);
        let access = Access { mode: 0o644, uid: None, gid: None };
        disk::replace(&path, &page, access).map_err(Failure::work)?;
        files.push(path);
    }
    let text = files.iter().map(|path| format!("{}\n", path.display())).collect();
    answer("man", text, files, output)
}

/// `setup --web-server NAME`: the lines that pass the CA's question on to where it is answered.
pub(super) fn forwarding(
    loaded: Option<Loaded>,
    server: WebServer,
    output: &Output,
) -> Result<u8, Failure> {
    let answer_at = loaded.map(|loaded| loaded.config.http01.answer);
    let behind = match answer_at {
        Some(Answer::Listen(addresses)) if addresses.iter().all(|at| at.port() != 80) => {
            addresses.first().copied()
        }
        _ => None,
    };
    let at = behind.unwrap_or_else(|| SocketAddr::from(USUAL));
    let mut text = report::forwarding(server, at);
    if behind.is_none() {
        text +=
            &format!("\n# And in mailcert.toml:\n# [challenge.http-01]\n# listen = [\"{at}\"]\n");
    }
    answer("setup", text, Vec::new(), output)
}

/// `init [DOMAIN]...`: looks at this machine and writes a commented configuration.
pub(super) async fn init(
    named: Option<&Path>,
    typed: cli::Init,
    output: &Output,
) -> Result<u8, Failure> {
    let path = named.unwrap_or_else(|| Path::new(CONFIG));
    let is_there = path.symlink_metadata().is_ok();
    if is_there && !typed.force && !typed.print {
        return Err(Failure::helped(
            format_args!("{} is there already and stays as it is", path.display()),
            "`--force` writes over it, `--print` shows what would be written, `-c FILE` names \
             another",
        ));
    }
    let machine = session::machine(&crate::config::builtin());
    let found = found(typed.domains, &machine).await;
    let text = init::text(&found);
    if typed.print {
        return answer("init", text, Vec::new(), output);
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        disk::ensure_directory(parent, 0o755, None, None).map_err(Failure::work)?;
    }
    let access = Access { mode: 0o644, uid: Some(environment::caller()), gid: None };
    disk::replace(path, text.as_bytes(), access).map_err(Failure::work)?;
    let next = match named {
        Some(path) => format!("mailcert -c {} plan", path.display()),
        None => "mailcert plan".to_owned(),
    };
    let lacking = match found.domains.is_empty() {
        true => "no mail domain was found on this machine: add a [[domain]] for each of yours\n",
        false => "",
    };
    let text = format!(
        "wrote {}\n\
         `agree-to-terms = true` in it says that you agree to the terms of the CA:\n  {}\n\
         {lacking}read it, then see what would be done: {next}\n",
        path.display(),
        init::TERMS,
    );
    answer("init", text, vec![path.to_owned()], output)
}

fn answer(
    command: &'static str,
    text: String,
    files: Vec<PathBuf>,
    output: &Output,
) -> Result<u8, Failure> {
    output.answer(&Report::new(command, Body::Text { text, files }, Vec::new()))?;
    Ok(0)
}

fn table(server: &Server) -> Option<init::Server> {
    Some(match &server.kind {
        Kind::Postfix(postfix) => init::Server::Postfix(postfix.config_directory.clone()),
        Kind::Exim(exim) => init::Server::Exim(exim.binary.clone()),
        Kind::Dovecot(dovecot) => init::Server::Dovecot(dovecot.config_file.clone()),
        // Never found, only written down.
        Kind::Files(_) => return None,
    })
}

/// The usual places where others' certificates lie, and whose they are.
fn sources() -> Vec<(PathBuf, Owner)> {
    let first = |place: PathBuf| {
        let found = source::lineages(std::slice::from_ref(&place)).found;
        found.first().map(|lineage| (place, lineage.owner))
    };
    session::others_places().into_iter().filter_map(first).collect()
}

async fn found(domains: Vec<Hostname>, machine: &[std::net::IpAddr]) -> Found {
    let (asked, _) = survey::servers(&[], machine).await;
    let mut own: Vec<Hostname> =
        asked.iter().filter_map(|a| a.server.own_name.as_ref()?.parent()).collect();
    own.dedup();
    let domains = if domains.is_empty() { own } else { domains };
    Found {
        contact: domains.first().map(|domain| format!("postmaster@{domain}")),
        servers: asked.iter().filter_map(|asked| table(&asked.server)).collect(),
        sources: sources(),
        port_80: crate::issue::port_holder(([0, 0, 0, 0], 80).into()),
        domains,
    }
}

/// Where answers are given behind a web server unless the configuration says otherwise.
const USUAL: ([u8; 4], u16) = ([127, 0, 0, 1], 8402);
