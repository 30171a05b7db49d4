//! Asks Exim: `exim -bV` and `exim -bP`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::config::{Account, Common, EximLayout};
use crate::model::{Code, Finding, Hostname, Level};
use crate::servers::exim_settings::{
    OPTIONS, configuration_file, is_per_name, layout as layout_of, listeners, minds_case,
    proxy_option, values, version,
};
use crate::servers::hook_in::is_hooked;
use crate::servers::{ALT, Exim, Kind, ServerId};
use crate::survey::{Asked, elsewhere, from_table, hook, machine, plain, question};

pub(super) async fn ask(
    id: ServerId,
    binary: &Path,
    config: Option<&Path>,
    layout: Option<EximLayout>,
    common: &Common,
) -> Result<(Asked, Vec<Finding>), Finding> {
    let mut exim = Exim {
        binary: binary.to_owned(),
        config_file: config.map(Path::to_owned),
        layout: layout.unwrap_or_default(),
        // Where it runs elsewhere, nobody knows whether it reads the default file by itself.
        fixed_path: true,
        lists: true,
    };
    if common.files_only {
        let beside =
            default_directory(config.unwrap_or_else(|| Path::new("/etc/exim4/exim4.conf")));
        return Ok((elsewhere(from_table(id, Kind::Exim(exim), beside, common)?), Vec::new()));
    }
    let (file, settings) = settings(&id, binary, config).await?;
    let value = |name: &str| settings.get(name).map_or("", |value| value.as_str());
    let certificate = value("tls_certificate");
    exim.fixed_path = !is_per_name(certificate);
    exim.layout = layout.or_else(|| layout_of(certificate)).unwrap_or_default();
    let beside = directory_in_use(certificate).unwrap_or_else(|| default_directory(&file));
    let mut server = from_table(id, Kind::Exim(exim), beside, common)?;
    if common.group.is_none() {
        server.gid = machine::gid(&Account::Name(value("exim_group").to_owned()))
            .map_err(|message| Finding::new(Code::ServerUnreadable, &server.id, message))?;
    }
    server.own_name = Hostname::parse(value("primary_hostname")).ok();
    server.listeners = listeners(&settings);
    let pid = machine::running(&pid_file(&settings), "exim");
    let mut findings = Vec::new();
    if common.reload.is_none() {
        let risk = pid.filter(|_| config.is_some()).and_then(|pid| dies_on_hup(&server.id, pid));
        server.reload = match (&risk, config) {
            (Some(_), _) => Vec::new(),
            (None, Some(_)) => hang_up(pid),
            (None, None) => packaged_reload(pid).await,
        };
        findings.extend(risk);
    }
    findings.extend(letters_count(&server.id, certificate));
    let is_hooked = is_hooked(&server, &settings);
    if let Kind::Exim(exim) = &mut server.kind {
        // Our own lines do.
        exim.lists = !is_hooked || certificate.contains(ALT);
    }
    let asked = Asked {
        hook: hook(&server, is_hooked, &file),
        running: pid.is_some(),
        edited_at: machine::newest(&sources(config, &file), &server.directory),
        proxied: Vec::new(),
        server,
    };
    Ok((asked, findings))
}

/// An admin's own expression that gives clients who write the name in capitals the default.
fn letters_count(id: &ServerId, certificate: &str) -> Option<Finding> {
    minds_case(certificate).then(|| {
        let message = format!(
            "tls_certificate is {certificate}: a client that writes the name in capitals gets \
             the default certificate; expected ${{lc:$tls_in_sni}} in the place of the name"
        );
        Finding::new(Code::SniCase, id, message)
    })
}

/// The configuration file in use, and the options.
async fn settings(
    id: &ServerId,
    binary: &Path,
    config: Option<&Path>,
) -> Result<(PathBuf, BTreeMap<String, String>), Finding> {
    let program = plain(id, binary)?;
    let mut words = vec![program];
    if let Some(config) = config {
        words.extend(["-C", plain(id, config)?]);
    }
    let mut say_version = words.clone();
    say_version.push("-bV");
    let said = question(id, &say_version).await?.stdout;
    if version(&said).is_some_and(|version| version < (4, 94)) {
        let found = said.lines().next().unwrap_or_default();
        let message = format!("{found:?} is too old; expected Exim 4.94 or newer");
        return Err(Finding::new(Code::ServerUnreadable, id, message));
    }
    words.push("-bP");
    words.extend(OPTIONS);
    words.extend(proxy_option(&said));
    let settings = values(&question(id, &words).await?.stdout);
    let file = config
        .map(Path::to_owned)
        .or_else(|| configuration_file(&said).map(PathBuf::from))
        .unwrap_or_else(|| PathBuf::from("/etc/exim4/exim4.conf"));
    Ok((file, settings))
}

/// The directory an admin's own per-name `tls_certificate` looks into: the one before the default
/// file's name.
fn directory_in_use(certificate: &str) -> Option<PathBuf> {
    layout_of(certificate)?;
    ["/exim.crt", "/default.pem"].into_iter().find_map(|name| {
        let (before, _) = certificate.split_once(name)?;
        let start = before.rfind(['{', '}', ' ', ',', '\t']).map_or(0, |at| at + 1);
        Some(PathBuf::from(&before[start..])).filter(|path| path.is_absolute())
    })
}

/// `tls` beside the configuration; Debian's generated one lies in /var/lib, its sources in /etc.
fn default_directory(config: &Path) -> PathBuf {
    let folder = config.parent().unwrap_or_else(|| Path::new("/"));
    if folder.starts_with("/var") { "/etc/exim4/tls".into() } else { folder.join("tls") }
}

fn pid_file(settings: &BTreeMap<String, String>) -> PathBuf {
    let value = |name: &str| settings.get(name).map_or("", |value| value.as_str());
    match value("pid_file_path") {
        "" => Path::new(value("spool_directory")).join("exim-daemon.pid"),
        stated => PathBuf::from(stated),
    }
}

/// The reload of a packaged Exim: its unit where systemd runs it; Debian's init script, which
/// also generates the configuration anew; else a HUP to the daemon.
async fn packaged_reload(pid: Option<i32>) -> Vec<String> {
    if let Some(argv) = machine::unit_reload(&["exim4.service", "exim.service"]).await {
        return argv;
    }
    if Path::new("/etc/init.d/exim4").exists() {
        return ["/etc/init.d/exim4", "reload"].map(str::to_owned).to_vec();
    }
    hang_up(pid)
}

/// A HUP to the daemon; nothing where it does not run. (Its number holds until it is restarted,
/// and it was looked up in this same run.)
fn hang_up(pid: Option<i32>) -> Vec<String> {
    pid.map_or_else(Vec::new, |pid| ["kill", "-HUP", &pid.to_string()].map(str::to_owned).to_vec())
}

/// After a HUP Exim starts itself anew as its own user, which may use a `-C` file only if it is
/// trusted: a line in `trusted_configs`. Otherwise the daemon ends there (measured with 4.96).
fn dies_on_hup(id: &ServerId, pid: i32) -> Option<Finding> {
    let argv = machine::argv_of(pid);
    let file = dash_c(&argv)?;
    let trusted = fs::read_to_string(TRUSTED).unwrap_or_default();
    if trusted.lines().any(|line| line.trim() == file) {
        return None;
    }
    let message = format!(
        "a reload would end this Exim (pid {pid}): it was started with -C {file}, which is no line \
         of {TRUSTED}; add it there, or set reload in [[exim]]"
    );
    Some(Finding::new(Code::ServerUnreadable, id, message).at(Level::Warn))
}

/// The file after `-C` (or in the same word).
fn dash_c(argv: &[String]) -> Option<&str> {
    let at = argv.iter().position(|word| word.starts_with("-C"))?;
    match argv[at].strip_prefix("-C") {
        Some("") => argv.get(at + 1).map(String::as_str),
        joined => joined,
    }
}

/// The files an admin edits: the one file, or what Debian generates it from.
fn sources(config: Option<&Path>, file: &Path) -> Vec<PathBuf> {
    match config {
        Some(config) => vec![config.to_owned()],
        // The generated file is left out: it is new after every start.
        None if file.starts_with("/var") => vec![PathBuf::from("/etc/exim4")],
        None => vec![file.to_owned()],
    }
}

/// Debian's list of `-C` files that keep their rights.
const TRUSTED: &str = "/etc/exim4/trusted_configs";

/// Where packages keep the program.
pub(super) fn standard(root: &Path) -> Option<PathBuf> {
    ["usr/sbin/exim4", "usr/sbin/exim", "usr/local/sbin/exim"]
        .into_iter()
        .map(|path| root.join(path))
        .find(|path| path.exists())
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{dash_c, default_directory, directory_in_use};

    #[test]
    fn the_directory_in_use_is_read_from_the_option() {
        for (option, expected) in [
            (
                "${if exists{/D/exim.crt.${tls_sni}}{/D/exim.crt.${tls_sni}}{/D/exim.crt}}",
                Some("/D"),
            ),
            (
                "${lookup{${lc:$tls_in_sni}.pem}dsearch{/a/b}{$value}{/a/b/default.pem}}",
                Some("/a/b"),
            ),
            ("/etc/exim4/exim.crt", None),
            ("${lookup{$tls_sni}lsearch{/D/map.pem}{$value}}", None),
        ] {
            assert_eq!(directory_in_use(option), expected.map(PathBuf::from), "{option}");
        }
    }

    #[test]
    fn our_directory_stands_beside_the_configuration() {
        for (config, expected) in [
            ("/etc/exim/exim.conf", "/etc/exim/tls"),
            ("/var/lib/exim4/config.autogenerated", "/etc/exim4/tls"),
            ("/tmp/x/exim.conf", "/tmp/x/tls"),
        ] {
            assert_eq!(default_directory(Path::new(config)), Path::new(expected));
        }
    }

    #[test]
    fn the_c_option_is_found_in_both_forms() {
        for (argv, expected) in [
            ("exim4 -C /x -bdf", Some("/x")),
            ("exim4 -C/x -bd", Some("/x")),
            ("exim4 -bd -q30m", None),
            ("exim4 -C", None),
        ] {
            let words: Vec<String> = argv.split(' ').map(str::to_owned).collect();
            assert_eq!(dash_c(&words), expected, "{argv}");
        }
    }
}
