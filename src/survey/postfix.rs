//! Asks Postfix: `postconf`, `postconf -M`, `postconf -P`, `postconf -m`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::config::Common;
use crate::model::{Code, Finding, Hostname};
use crate::servers::hook_in::is_hooked;
use crate::servers::postfix_settings::{
    has_tlsproxy, listeners, master, own_files, values, version,
};
use crate::servers::{Kind, Postfix, SNI_SOURCE, Server, ServerId, map_suffix};
use crate::survey::{Asked, elsewhere, from_table, hook, machine, plain, question};
use crate::verify::visible;

pub(super) async fn ask(
    id: ServerId,
    config: &Path,
    map_type: Option<&str>,
    common: &Common,
) -> Result<(Asked, Vec<Finding>), Finding> {
    let mut server = stated(id, config, map_type, common)?;
    if server.files_only {
        return Ok((elsewhere(server), Vec::new()));
    }
    let at = plain(&server.id, config)?.to_owned();
    if !config.join("main.cf").exists() {
        let message = format!("{at}/main.cf is not there; expected Postfix's configuration");
        return Err(Finding::new(Code::DirectoryMissing, &server.id, message));
    }
    let main = main_cf(&server.id, &at).await?;
    let lines = master(&question(&server.id, &["postconf", "-c", &at, "-M"]).await?.stdout);
    let overrides = values(&question(&server.id, &["postconf", "-c", &at, "-P"]).await?.stdout);
    let map_type = map_type.map_or_else(|| map_in_use(&main, &server.directory), ToOwned::to_owned);
    buildable(&server.id, &at, &map_type).await?;
    let tlsproxy = has_tlsproxy(&lines);
    server.kind =
        Kind::Postfix(Postfix { config_directory: config.to_owned(), map_type, tlsproxy });
    server.own_name = main.get("myhostname").and_then(|name| Hostname::parse(name).ok());
    server.listeners = listeners(&lines, &main, &overrides);
    if common.reload.is_none() {
        server.reload = reload(&at).await;
    }
    let pid = main.get("queue_directory").map(|queue| Path::new(queue).join("pid/master.pid"));
    let sources = ["main.cf", "master.cf"].map(|name| config.join(name));
    let own = own_files(&lines, &overrides);
    let findings = own.iter().filter_map(|own| overridden(&server, &at, own)).collect();
    let settings = main.clone().into_iter().chain(overrides).collect();
    let asked = Asked {
        hook: hook(&server, is_hooked(&server, &settings), &sources[0]),
        running: pid.is_some_and(|file| machine::running(&file, "master").is_some()),
        edited_at: machine::newest(&sources, &server.directory),
        proxied: main.get("proxy_interfaces").map_or_else(Vec::new, |text| addresses(text)),
        server,
    };
    Ok((asked, findings))
}

/// TLS files of one service of its own, unless they are ours: they win over main.cf, where ours
/// are hooked in.
fn overridden(server: &Server, at: &str, own: &(String, String, String)) -> Option<Finding> {
    let (service, setting, value) = own;
    let ours = !value.is_empty()
        && value
            .split([' ', '\t', ','])
            .filter_map(|word| word.rsplit(':').next())
            .filter(|word| !word.is_empty())
            .all(|path| Path::new(path).starts_with(&server.directory));
    let message = format!(
        "master.cf sets `-o {setting}={}` for the service {service}, which takes the place of \
         mailcert's files there: `mailcert setup` shows the edit and `mailcert fix --yes` applies \
         it, or by hand: postconf -c {at} -PX '{service}/{setting}' && postfix -c {at} reload",
        visible(value)
    );
    let subject = format!("{} {service}", server.id);
    (!ours).then(|| Finding::new(Code::ServiceOverride, subject, message))
}

/// The server as its table alone describes it.
fn stated(
    id: ServerId,
    config: &Path,
    map_type: Option<&str>,
    common: &Common,
) -> Result<Server, Finding> {
    let kind = Kind::Postfix(Postfix {
        config_directory: config.to_owned(),
        map_type: map_type.unwrap_or("hash").to_owned(),
        tlsproxy: false,
    });
    from_table(id, kind, config.join("mailcert"), common)
}

/// main.cf, with every `$name` expanded.
async fn main_cf(id: &ServerId, at: &str) -> Result<BTreeMap<String, String>, Finding> {
    let words: Vec<&str> = ["postconf", "-c", at, "-x"].into_iter().chain(SETTINGS).collect();
    let main = values(&question(id, &words).await?.stdout);
    let found = main.get("mail_version").map_or("", |text| text);
    if version(found).is_some_and(|version| version < (3, 4)) {
        let message = format!("Postfix {found} has no SNI maps; expected 3.4 or newer");
        return Err(Finding::new(Code::ServerUnreadable, id, message));
    }
    Ok(main)
}

/// The type of the map that is hooked in already, so that a new default of a Postfix upgrade does
/// not unhook us; else Postfix's own default.
fn map_in_use(main: &BTreeMap<String, String>, directory: &Path) -> String {
    let value = |name: &str| main.get(name).map_or("", |text| text.as_str());
    let source = format!(":{}", directory.join(SNI_SOURCE).display());
    value("tls_server_sni_maps")
        .split([' ', '\t', ','])
        .filter_map(|word| word.strip_suffix(&source))
        .find(|map_type| map_suffix(map_type).is_some())
        .unwrap_or_else(|| value("default_database_type"))
        .to_owned()
}

/// Refuses a map type that we do not build or this Postfix does not have: with such a map every
/// client that sends SNI is turned away, of unknown names as well.
async fn buildable(id: &ServerId, at: &str, map_type: &str) -> Result<(), Finding> {
    let known = question(id, &["postconf", "-c", at, "-m"]).await?.stdout;
    let known: Vec<&str> = known.split_whitespace().collect();
    if map_suffix(map_type).is_some() && known.contains(&map_type) {
        return Ok(());
    }
    let good: Vec<&str> =
        ["lmdb", "hash", "cdb", "btree"].into_iter().filter(|word| known.contains(word)).collect();
    let message = format!(
        "map type {map_type:?} cannot hold the certificates (it is not built, or not in this \
         Postfix); set map-type = \"{}\" in [[postfix]]; usable here: {}",
        good.first().unwrap_or(&"lmdb"),
        good.join(" "),
    );
    Err(Finding::new(Code::ServerUnreadable, id, message))
}

/// The argv that reloads it: its unit where systemd runs it (`postfix@NAME` for an instance of
/// postmulti), else Postfix's own command.
async fn reload(at: &str) -> Vec<String> {
    let units = match at {
        "/etc/postfix" => ["postfix@-.service", "postfix.service"].map(str::to_owned).to_vec(),
        _ => match at.strip_prefix("/etc/postfix-") {
            Some(name) => vec![format!("postfix@postfix-{name}.service")],
            None => Vec::new(),
        },
    };
    let units: Vec<&str> = units.iter().map(String::as_str).collect();
    let own = || ["postfix", "-c", at, "reload"].map(str::to_owned).to_vec();
    machine::unit_reload(&units).await.unwrap_or_else(own)
}

fn addresses(text: &str) -> Vec<IpAddr> {
    text.split([' ', '\t', ','])
        .filter_map(|word| word.trim_matches(['[', ']']).parse().ok())
        .collect()
}

/// What is asked of main.cf.
const SETTINGS: [&str; 15] = [
    "mail_version",
    "default_database_type",
    "myhostname",
    "inet_interfaces",
    "proxy_interfaces",
    "queue_directory",
    "smtpd_tls_security_level",
    "smtpd_tls_wrappermode",
    "smtpd_use_tls",
    "smtpd_enforce_tls",
    "smtpd_upstream_proxy_protocol",
    "postscreen_upstream_proxy_protocol",
    "smtpd_tls_chain_files",
    "tls_server_sni_maps",
    "config_directory",
];

/// Where packages keep it.
pub(super) fn standard(root: &Path) -> Option<PathBuf> {
    let config = root.join("etc/postfix");
    config.join("main.cf").exists().then_some(config)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{addresses, map_in_use};
    use crate::servers::postfix_settings::values;

    #[test]
    fn the_map_in_use_keeps_its_type() {
        for (maps, expected) in [
            ("", "lmdb"),
            ("hash:/d/sni", "hash"),
            ("hash:/else/sni, cdb:/d/sni", "cdb"),
            ("texthash:/d/sni", "lmdb"),
        ] {
            let main =
                values(&format!("default_database_type = lmdb\ntls_server_sni_maps = {maps}\n"));
            assert_eq!(map_in_use(&main, Path::new("/d")), expected, "{maps}");
        }
    }

    #[test]
    fn proxy_addresses_are_read() {
        assert_eq!(addresses("192.0.2.7, [2001:db8::7] x").len(), 2);
    }
}
