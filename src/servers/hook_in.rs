//! The lines of the admin's own configuration that make a server use our files.
//!
//! Only what they are and whether they are there; `hook` shows and applies them.

mod exim;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::config::EximLayout;
use crate::servers::dovecot::DROP_IN;
use crate::servers::{Kind, Postfix, SNI_SOURCE, Server, Want, gitignore, postfix};

/// One setting of a server's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// The value it is to have.
    pub value: String,
    /// It is set only where it has no value yet.
    pub only_if_empty: bool,
}

/// What hooks our files into a server's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookIn {
    /// Settings of main.cf.
    Postfix(Vec<Setting>),
    /// Main options of Exim, and the same as macros of Debian's configuration.
    Exim {
        /// For a configuration of the admin's own.
        options: Vec<Setting>,
        /// For `conf.d/main` or `exim4.conf.localmacros`.
        macros: Vec<Setting>,
    },
    /// The last line of dovecot.conf.
    Dovecot(String),
    /// None: the admin names the files in a configuration that nobody here knows.
    Nothing,
}

/// The lines that hook our files into `server`.
#[must_use]
pub fn hook_in(server: &Server) -> HookIn {
    match &server.kind {
        Kind::Postfix(postfix) => HookIn::Postfix(postfix_lines(&server.directory, postfix)),
        Kind::Exim(exim) => {
            let (options, macros) = exim::lines(&server.directory, exim.layout);
            HookIn::Exim { options, macros }
        }
        Kind::Dovecot(_) => HookIn::Dovecot(format!("!include_try {}", drop_in(server))),
        Kind::Files(_) => HookIn::Nothing,
    }
}

/// The default file the lines name, or chain and key; none for Dovecot, whose `!include_try` takes
/// the want of it in silence.
#[must_use]
pub fn default_files(server: &Server) -> Vec<PathBuf> {
    let names: &[&str] = match &server.kind {
        Kind::Exim(exim) if exim.layout == EximLayout::Split => &["exim.crt", "exim.key"],
        Kind::Postfix(_) | Kind::Exim(_) => &["default.pem"],
        Kind::Dovecot(_) | Kind::Files(_) => &[],
    };
    names.iter().map(|name| server.directory.join(name)).collect()
}

/// What must be there besides them, as it is without any certificate: Postfix turns away every
/// client that sends SNI while the map is missing.
#[must_use]
pub fn groundwork(server: &Server) -> Vec<Want> {
    match &server.kind {
        Kind::Postfix(of) => postfix::wants(server, of, &[], None),
        Kind::Exim(_) => gitignore(server).into_iter().collect(),
        Kind::Dovecot(_) | Kind::Files(_) => Vec::new(),
    }
}

/// Whether `settings` (what the server says of itself) use our files already.
///
/// For Postfix and Exim these are its values by name: Postfix's expanded (`postconf -x`), Exim's
/// unexpanded (`-bP`). For Dovecot the values of `doveconf` and, under [`INCLUDES`], the paths its
/// main file includes, one a line: the drop-in shows nothing of itself before it is installed.
#[must_use]
pub fn is_hooked(server: &Server, settings: &BTreeMap<String, String>) -> bool {
    let value = |name: &str| settings.get(name).map_or("", |value| value.trim());
    let directory = &server.directory;
    match &server.kind {
        Kind::Postfix(postfix) => {
            let chain = directory.join("default.pem").display().to_string();
            let map = sni_map(directory, postfix);
            words(value("tls_server_sni_maps")).any(|word| word == map)
                && words(value("smtpd_tls_chain_files")).next() == Some(&chain)
                && says_tls(&value)
                && overridden(server, settings).is_empty()
        }
        Kind::Exim(exim) => {
            let (certificate, key) = (value("tls_certificate"), value("tls_privatekey"));
            let (of_certificate, of_key) = exim::stems(exim.layout);
            // The combined file holds the key.
            let in_one = exim.layout == EximLayout::Combined && key.is_empty();
            !value("tls_advertise_hosts").is_empty()
                && exim::asks_for_sni(certificate, directory, of_certificate)
                && (in_one || exim::asks_for_sni(key, directory, of_key))
        }
        Kind::Dovecot(_) => {
            let path = drop_in(server);
            let ours = format!("{}/", directory.display());
            let named = [value("ssl_cert").trim_start_matches('<'), value("ssl_server_cert_file")];
            value(INCLUDES).lines().any(|line| line == path)
                || named.iter().any(|file| file.starts_with(&ours))
        }
        Kind::Files(_) => true,
    }
}

/// The settings of single services in master.cf that win over our lines, as `postconf -P` writes
/// them (`587/inet/smtpd_tls_chain_files`): `settings` has to hold those as well.
#[must_use]
pub fn overridden(server: &Server, settings: &BTreeMap<String, String>) -> Vec<String> {
    let Kind::Postfix(postfix) = &server.kind else { return Vec::new() };
    let chain = server.directory.join("default.pem").display().to_string();
    let map = sni_map(&server.directory, postfix);
    let wins = |(key, value): &(&String, &String)| {
        let mut parts = key.rsplitn(3, '/');
        let (name, kind) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let ours = match name {
            "smtpd_tls_chain_files" => words(value).next() == Some(&chain),
            "tls_server_sni_maps" => words(value).any(|word| word == map),
            _ => true,
        };
        matches!(kind, "inet" | "pass") && !ours
    };
    settings.iter().filter(wins).map(|(key, _)| key.clone()).collect()
}

/// The tool that says in a comment of `text` that it manages the file: an edit would be undone by
/// it, or refused.
#[must_use]
pub fn managed_by(text: &str) -> Option<&'static str> {
    let comments: Vec<String> = text
        .lines()
        .filter(|line| line.trim_start().starts_with('#'))
        .map(str::to_ascii_lowercase)
        .filter(|line| {
            ["managed by", "ansible managed", "generated by"].iter().any(|w| line.contains(w))
        })
        .collect();
    ["Ansible", "Puppet", "Chef", "Salt", "CFEngine", "NixOS"]
        .into_iter()
        .find(|tool| comments.iter().any(|line| line.contains(&tool.to_ascii_lowercase())))
}

fn postfix_lines(directory: &Path, postfix: &Postfix) -> Vec<Setting> {
    let default = directory.join("default.pem").display().to_string();
    vec![
        set("tls_server_sni_maps", sni_map(directory, postfix)),
        set("smtpd_tls_chain_files", default),
        Setting { only_if_empty: true, ..set("smtpd_tls_security_level", "may".to_owned()) },
    ]
}

fn set(name: &str, value: String) -> Setting {
    Setting { name: name.to_owned(), value, only_if_empty: false }
}

fn sni_map(directory: &Path, postfix: &Postfix) -> String {
    format!("{}:{}", postfix.map_type, directory.join(SNI_SOURCE).display())
}

/// Whether the admin has said what smtpd does about TLS: `none` counts (services in master.cf may
/// say otherwise), and so do the old switches. We fill in only where nothing is said.
fn says_tls<'a>(value: &impl Fn(&str) -> &'a str) -> bool {
    !value("smtpd_tls_security_level").is_empty()
        || value("smtpd_use_tls") == "yes"
        || value("smtpd_enforce_tls") == "yes"
}

fn drop_in(server: &Server) -> String {
    server.directory.join(DROP_IN).display().to_string()
}

/// The elements of a Postfix list.
fn words(value: &str) -> impl Iterator<Item = &str> {
    value.split([' ', '\t', ',']).filter(|word| !word.is_empty())
}

/// The key under which [`is_hooked`] finds the paths that dovecot.conf includes.
pub const INCLUDES: &str = "!include";

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use super::{HookIn, INCLUDES, hook_in, is_hooked};
    use crate::config::EximLayout;
    use crate::servers::{Dovecot, Exim, Kind, Postfix, Server, ServerId};

    fn server(kind: Kind) -> Server {
        Server {
            id: ServerId("it".to_owned()),
            kind,
            directory: PathBuf::from("/d/tls"),
            reload: vec!["true".to_owned()],
            default: None,
            own_name: None,
            uid: 0,
            gid: 0,
            files_only: false,
            listeners: Vec::new(),
        }
    }

    fn exim(layout: EximLayout) -> Server {
        let (binary, config_file) = (PathBuf::from("exim4"), None);
        server(Kind::Exim(Exim { binary, config_file, layout, fixed_path: false, lists: true }))
    }

    fn postfix() -> Server {
        let kind = Postfix {
            config_directory: PathBuf::from("/d"),
            map_type: "lmdb".to_owned(),
            tlsproxy: false,
        };
        server(Kind::Postfix(kind))
    }

    fn dovecot() -> Server {
        let config_file = PathBuf::from("/d/dovecot.conf");
        server(Kind::Dovecot(Dovecot { config_file, version: (2, 3) }))
    }

    fn settings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_we_hook_in_is_recognised_as_hooked() {
        for server in [postfix(), exim(EximLayout::Combined), exim(EximLayout::Split), dovecot()] {
            let own = match hook_in(&server) {
                HookIn::Postfix(lines) | HookIn::Exim { options: lines, .. } => {
                    lines.into_iter().map(|line| (line.name, line.value)).collect()
                }
                HookIn::Dovecot(line) => {
                    let (_, path) = line.split_once(' ').unwrap();
                    settings(&[(INCLUDES, path)])
                }
                HookIn::Nothing => continue,
            };
            assert!(is_hooked(&server, &own), "{own:?}");
            assert!(!is_hooked(&server, &BTreeMap::new()), "{:?}", server.kind);
        }
    }

    #[test]
    fn an_exim_option_must_name_directory_stem_and_sni() {
        let seed = "${if exists{/d/tls/exim.crt.${tls_sni}}{/d/tls/exim.crt.${tls_sni}}{/x}}";
        let key = "${if exists{/d/tls/exim.key.${tls_sni}}{/d/tls/exim.key.${tls_sni}}{/x}}";
        let single = "${lookup{$tls_in_sni.pem}dsearch{/d/tls}{$value}{/d/tls/default.pem}}";
        use EximLayout::{Combined, Split};
        for (layout, certificate, private, expected) in [
            (Split, seed, key, true),
            (Split, seed, "", false),
            (Split, &seed.replace("tls_sni", "x"), key, false),
            (Split, &seed.replace("/d/tls/", "/d/tls-old/"), key, false),
            (Split, single, single, false),
            (Combined, single, "", true),
            (Combined, single, "/etc/exim4/exim.key", false),
            (Combined, "/d/tls/default.pem", "", false),
            (Combined, seed, key, false),
        ] {
            let all = [
                ("tls_certificate", certificate),
                ("tls_privatekey", private),
                ("tls_advertise_hosts", "*"),
            ];
            assert_eq!(is_hooked(&exim(layout), &settings(&all)), expected, "{certificate}");
        }
    }

    #[test]
    fn postfix_needs_map_and_chain_and_a_word_about_tls() {
        let all = [
            ("tls_server_sni_maps", "hash:/x, lmdb:/d/tls/sni"),
            ("smtpd_tls_chain_files", "/d/tls/default.pem"),
            ("smtpd_tls_security_level", "may"),
        ];
        assert!(is_hooked(&postfix(), &settings(&all)));
        for (index, wrong) in [(0, "hash:/d/tls/sni"), (1, "/etc/x.pem"), (1, ""), (2, "")] {
            let mut other = all;
            other[index].1 = wrong;
            assert!(!is_hooked(&postfix(), &settings(&other)), "{wrong:?}");
        }
        for (service, value, expected) in [
            ("587/inet/smtpd_tls_chain_files", "/x.pem", false),
            ("587/inet/smtpd_tls_chain_files", "/d/tls/default.pem", true),
            ("587/inet/tls_server_sni_maps", "", false),
            ("587/inet/smtpd_tls_wrappermode", "yes", true),
        ] {
            let settings = settings(&[all.as_slice(), &[(service, value)]].concat());
            assert_eq!(is_hooked(&postfix(), &settings), expected, "{service} {value}");
        }
    }

    #[test]
    fn debians_macros_carry_the_same_expressions() {
        for (layout, expected) in [
            (EximLayout::Combined, "MAIN_TLS_ENABLE MAIN_TLS_CERTKEY"),
            (EximLayout::Split, "MAIN_TLS_ENABLE MAIN_TLS_CERTIFICATE MAIN_TLS_PRIVATEKEY"),
        ] {
            let HookIn::Exim { options, macros } = hook_in(&exim(layout)) else { panic!() };
            let names: Vec<&str> = macros.iter().map(|set| set.name.as_str()).collect();
            assert_eq!(names.join(" "), expected);
            assert_eq!(macros[1].value, options[1].value);
        }
    }

    #[test]
    fn a_drop_in_that_is_included_or_in_use_is_hooked() {
        for (name, value, expected) in [
            (INCLUDES, "/d/conf.d/*.conf\n/d/tls/mailcert.conf", true),
            (INCLUDES, "/d/tls/mailcert.conf.old", false),
            ("ssl_cert", "</d/tls/default.pem", true),
            ("ssl_cert", "</d/tls-old/default.pem", false),
            ("ssl_server_cert_file", "/d/tls/default.pem", true),
            ("ssl_server_cert_file", "/d/other/default.pem", false),
        ] {
            assert_eq!(is_hooked(&dovecot(), &settings(&[(name, value)])), expected, "{value}");
        }
    }
}
