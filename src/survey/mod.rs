//! Looks at the machine and changes nothing: server settings, hooks, listeners, installed files,
//! pairs that could be adopted.
//!
//! A server that cannot be asked is a finding and is left out: without its settings nobody knows
//! who may read its keys. Live TLS is not looked at here; that is `verify`.

mod adopt;
mod aged;
mod claims;
mod damage;
mod dovecot;
mod exim;
mod files;
mod find;
mod gate;
pub mod live;
mod lost;
mod machine;
mod observe;
mod postfix;
mod sourced;
mod surroundings;
mod tlsa;

pub use adopt::adoptable;
pub use claims::{Claims, by_name, claims};
pub use files::{Lying, file_print, files_of};
pub use gate::{gated, unfit};
pub use observe::{Anew, Earlier, Look, Observation, damaged, edits, held, is_edited, observe};
pub use sourced::{Others, sourced, unsearchable_places};
pub use surroundings::{Judge, of_held, surroundings, unasked};
pub use tlsa::{TlsaLook, TlsaSeen};

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::command::{self, CommandError, Ran};
use crate::config::{Common, FilePaths, Listen, ServerTable};
use crate::model::{Code, Finding, Level, Timestamp};
use crate::plan::{Edit, Hook};
use crate::servers::{Files, Kind, Listener, Server, ServerId, is_plain_path};

/// A configured or found server with what its own settings say, and the state of its hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Everything known of it.
    pub server: Server,
    /// Whether it uses our files.
    pub hook: Hook,
    /// Whether it runs.
    pub running: bool,
    /// When its configuration was last edited.
    pub edited_at: Option<Edits>,
    /// Addresses of a proxy or NAT in front of it (`proxy_interfaces`): this machine's as well.
    pub proxied: Vec<IpAddr>,
}

/// When the files of a server's own configuration were changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edits {
    /// The last time.
    pub at: Timestamp,
    /// The newest files, the newest first.
    pub files: Vec<Edit>,
}

impl Asked {
    /// Whether a look at its listeners can say anything of our files.
    #[must_use]
    pub fn can_be_looked_at(&self) -> bool {
        let may_show = matches!(self.hook, Hook::There | Hook::Unknown);
        self.running && may_show && !self.server.listeners.is_empty()
    }
}

/// Asks every configured server for its settings, or, where `tables` is empty, finds the servers
/// on this machine that listen on an address in `reached`. What cannot be asked is a finding.
pub async fn servers(tables: &[ServerTable], reached: &[IpAddr]) -> (Vec<Asked>, Vec<Finding>) {
    let (mut all, findings) = in_any_order(tables, reached).await;
    // Dovecot first: others ask it for SASL, and it is better told before they start anew.
    all.sort_by_key(|asked| !matches!(asked.server.kind, Kind::Dovecot(_)));
    (all, findings)
}

/// The servers that are set up on this machine and reach its addresses in `reached`, running or
/// not.
pub async fn standing(reached: &[IpAddr]) -> Vec<Asked> {
    find::standing(Path::new("/"), reached).await
}

async fn in_any_order(tables: &[ServerTable], reached: &[IpAddr]) -> (Vec<Asked>, Vec<Finding>) {
    if tables.is_empty() {
        return find::servers(Path::new("/"), reached).await;
    }
    let mut all = Vec::new();
    let mut findings = Vec::new();
    for table in tables {
        match ask(table, id(table, tables)).await {
            Ok((asked, noticed)) => {
                findings.extend(noticed);
                findings.extend(not_running(&asked, Level::Fail));
                all.push(asked);
            }
            Err(finding) => findings.push(finding),
        }
    }
    (all, findings)
}

/// Asks one server; the findings beside it are what does not keep it from being served.
async fn ask(table: &ServerTable, id: ServerId) -> Result<(Asked, Vec<Finding>), Finding> {
    match table {
        ServerTable::Postfix { config_directory, map_type, common } => {
            postfix::ask(id, config_directory, map_type.as_deref(), common).await
        }
        ServerTable::Exim { binary, config_file, layout, common } => {
            exim::ask(id, binary, config_file.as_deref(), *layout, common).await
        }
        ServerTable::Dovecot { config_file, common } => dovecot::ask(id, config_file, common).await,
        ServerTable::Files { paths, certificate, mode, check, common, .. } => {
            let mode = mode.unwrap_or(if common.group.is_some() { 0o640 } else { 0o600 });
            let check = check.clone().unwrap_or_default();
            let (paths, certificate) = (FilePaths::clone(paths), certificate.clone());
            by_table(id, Files { paths, certificate, mode, check }, common)
        }
    }
}

/// A program of which nothing is known but its table; that its own configuration names the files
/// is taken for granted.
fn by_table(id: ServerId, files: Files, common: &Common) -> Result<(Asked, Vec<Finding>), Finding> {
    let beside = files.paths.directories().first().map(|path| path.to_path_buf());
    let server = from_table(id, Kind::Files(Box::new(files)), beside.unwrap_or_default(), common)?;
    Ok((Asked { hook: Hook::There, ..elsewhere(server) }, Vec::new()))
}

/// `postfix`, or `postfix:/etc/postfix-out` where several stand in the configuration.
fn id(table: &ServerTable, tables: &[ServerTable]) -> ServerId {
    let kind = kind(table);
    let alone = tables.iter().filter(|other| self::kind(other) == kind).count() == 1;
    if alone && !matches!(table, ServerTable::Files { .. }) {
        return ServerId(kind.to_owned());
    }
    let config = match table {
        ServerTable::Postfix { config_directory, .. } => config_directory,
        ServerTable::Exim { binary, config_file, .. } => config_file.as_ref().unwrap_or(binary),
        ServerTable::Dovecot { config_file, .. } => config_file,
        ServerTable::Files { name, .. } => {
            return ServerId(
                name.as_ref().map_or_else(|| kind.to_owned(), |name| format!("{kind}:{name}")),
            );
        }
    };
    ServerId(format!("{kind}:{}", config.display()))
}

fn kind(table: &ServerTable) -> &'static str {
    match table {
        ServerTable::Postfix { .. } => "postfix",
        ServerTable::Exim { .. } => "exim",
        ServerTable::Dovecot { .. } => "dovecot",
        ServerTable::Files { .. } => "files",
    }
}

fn not_running(asked: &Asked, level: Level) -> Option<Finding> {
    let id = &asked.server.id;
    let said = format!("{id} is set up here but does not run; start it, then run mailcert again");
    (!asked.running).then(|| Finding::new(Code::ServerNotRunning, id, said).at(level))
}

/// Runs a question to a server.
async fn question(id: &ServerId, words: &[&str]) -> Result<Ran, Finding> {
    let argv: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
    command::run_ok(&argv, b"", DEADLINE).await.map_err(|error| unanswered(id, &error))
}

fn unanswered(id: &ServerId, error: &CommandError) -> Finding {
    match error {
        CommandError::NotFound { .. } => {
            let message = format!("{error}; install it, or correct what names it in the table");
            Finding::new(Code::ProgramMissing, id, message)
        }
        _ => Finding::new(Code::ServerUnreadable, id, error.to_string()),
    }
}

/// A path as text, since it becomes an argument and stands in configurations.
fn plain<'a>(id: &ServerId, path: &'a Path) -> Result<&'a str, Finding> {
    let unusable = || {
        let message = format!(
            "{} cannot stand in a mail server's configuration; expected an absolute path of \
             letters, digits and / . _ - + @",
            path.display()
        );
        Finding::new(Code::ServerUnreadable, id, message)
    };
    path.to_str().filter(|_| is_plain_path(path)).ok_or_else(unusable)
}

/// Whether the server uses our files, and whether the lines may be put into `config`.
fn hook(server: &Server, hooked: bool, config: &Path) -> Hook {
    match (server.files_only, hooked) {
        (true, _) => Hook::Unknown,
        (false, true) => Hook::There,
        (false, false) => machine::by_hand(config).map_or(Hook::Missing, Hook::ByHand),
    }
}

/// The server as its table alone describes it, with our files in `beside` unless the table says
/// where; what the server itself answers is filled in later.
fn from_table(
    id: ServerId,
    kind: Kind,
    beside: PathBuf,
    common: &Common,
) -> Result<Server, Finding> {
    let directory = common.directory.clone().unwrap_or(beside);
    if !matches!(kind, Kind::Files(_)) {
        plain(&id, &directory)?;
    }
    let number = |found: Option<Result<u32, String>>| {
        let found = found.unwrap_or(Ok(0));
        found.map_err(|message| Finding::new(Code::ServerUnreadable, &id, message))
    };
    let uid = number(common.owner.as_ref().map(machine::uid))?;
    let gid = number(common.group.as_ref().map(machine::gid))?;
    Ok(Server {
        id,
        kind,
        directory,
        reload: common.reload.clone().unwrap_or_default(),
        default: common.default.clone(),
        own_name: None,
        uid,
        gid,
        files_only: common.files_only,
        listeners: common.listen.iter().map(listener).collect(),
    })
}

fn listener(stated: &Listen) -> Listener {
    let Listen { address, port, service } = *stated;
    Listener { address, port, service, proxy: false }
}

/// A server that runs elsewhere: everything is as the configuration says.
fn elsewhere(server: Server) -> Asked {
    Asked { server, hook: Hook::Unknown, running: true, edited_at: None, proxied: Vec::new() }
}

/// How long a question to a server may take; the slowest, `doveconf` with 2,000 blocks, takes two
/// seconds.
const DEADLINE: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write;
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use super::{Asked, servers};
    use crate::command::run_ok;
    use crate::config::{Common, EximLayout, ServerTable};
    use crate::model::Finding;
    use crate::plan::Hook;
    use crate::servers::Kind;

    /// A program that answers like Exim 4.96 with these values; `exit` is its status for `-bP`.
    async fn fake_exim(folder: &Path, values: &str, exit: u8) -> PathBuf {
        let (text, path) = (folder.join("text"), folder.join("exim4"));
        let script = format!(
            "#!/bin/sh\ncase \"$*\" in\n*-bV) echo 'Exim version 4.96 #2 built x';\n\
             echo 'Configuration file is /nonexistent/exim.conf';;\n\
             *) cat <<'END'\n{values}\nEND\necho broken >&2; exit {exit};;\nesac\n"
        );
        let mut options = OpenOptions::new();
        let mut file = options.create(true).write(true).truncate(true).open(&text).unwrap();
        file.write_all(script.as_bytes()).unwrap();
        // Another process writes what is run: a fork of another test could otherwise hold it open
        // for writing, and the kernel would not run it (ETXTBSY).
        let argv = ["install", "-m", "755"].map(str::to_owned).into_iter();
        let argv: Vec<String> =
            argv.chain([&text, &path].map(|path| path.display().to_string())).collect();
        run_ok(&argv, b"", Duration::from_secs(10)).await.unwrap();
        path
    }

    async fn ask(binary: PathBuf, common: Common) -> (Vec<Asked>, Vec<Finding>) {
        let config_file = Some(PathBuf::from("/nonexistent/exim.conf"));
        let table = ServerTable::Exim { binary, config_file, layout: None, common };
        servers(&[table], &[]).await
    }

    fn codes(findings: &[Finding]) -> Vec<&str> {
        findings.iter().map(|finding| finding.code.as_str()).collect()
    }

    #[tokio::test]
    async fn an_exim_with_the_split_layout_of_2020_is_served_where_it_looks() {
        let folder = tempfile::tempdir().unwrap();
        let values = "\
tls_certificate = ${if exists{/D/exim.crt.${tls_sni}}{/D/exim.crt.${tls_sni}}{/D/exim.crt}}
tls_privatekey = ${if exists{/D/exim.key.${tls_sni}}{/D/exim.key.${tls_sni}}{/D/exim.key}}
tls_advertise_hosts = *
tls_on_connect_ports = 465
daemon_smtp_ports = 25 : 465
local_interfaces = 192.0.2.7
primary_hostname = mail.a.test
exim_user = root
exim_group = root
pid_file_path = /nonexistent/exim.pid
spool_directory = /nonexistent";
        let (all, findings) =
            ask(fake_exim(folder.path(), values, 0).await, Common::default()).await;
        assert_eq!(codes(&findings), ["sni-case", "server-not-running"]);
        let [Asked { server, hook, running: false, .. }] = all.as_slice() else { panic!() };
        let Kind::Exim(exim) = &server.kind else { panic!() };
        assert_eq!((exim.layout, exim.fixed_path, hook), (EximLayout::Split, false, &Hook::There));
        assert_eq!((server.directory.as_path(), server.gid), (Path::new("/D"), 0));
        assert_eq!((server.listeners.len(), server.reload.len()), (2, 0));
        assert_eq!(server.own_name.as_ref().map(AsRef::as_ref), Some("mail.a.test"));

        let fixed = values.replace("tls_sni", "x");
        let (all, _) = ask(fake_exim(folder.path(), &fixed, 0).await, Common::default()).await;
        let Kind::Exim(exim) = &all[0].server.kind else { panic!() };
        assert_eq!((exim.layout, exim.fixed_path), (EximLayout::Combined, true));
        assert_eq!(all[0].hook, Hook::Missing);
        assert_eq!(all[0].server.directory, Path::new("/nonexistent/tls"));
    }

    #[tokio::test]
    async fn a_server_that_cannot_be_asked_is_a_finding_and_the_others_are_served() {
        let folder = tempfile::tempdir().unwrap();
        let (all, findings) = ask("/nonexistent/exim4".into(), Common::default()).await;
        assert_eq!((all.len(), codes(&findings)), (0, vec!["program-missing"]));
        let (all, findings) = ask(fake_exim(folder.path(), "", 1).await, Common::default()).await;
        assert_eq!((all.len(), codes(&findings)), (0, vec!["server-unreadable"]));
        assert!(findings[0].message.ends_with("exit status 1: broken"), "{findings:?}");
        let strange = Common { directory: Some("/a b".into()), ..Common::default() };
        let good = "exim_group = root\ntls_certificate = \n";
        let (all, findings) = ask(fake_exim(folder.path(), good, 0).await, strange).await;
        assert_eq!((all.len(), codes(&findings)), (0, vec!["server-unreadable"]));
    }

    #[tokio::test]
    async fn a_server_elsewhere_is_asked_nothing() {
        let common = Common { files_only: true, ..Common::default() };
        let (all, findings) = ask("/nonexistent/exim4".into(), common).await;
        assert_eq!((codes(&findings), &all[0].hook), (vec![], &Hook::Unknown));
        assert!(all[0].running && all[0].server.files_only);
    }
}
