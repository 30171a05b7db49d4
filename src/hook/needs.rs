//! What must lie ready before the lines are put in, and what the server shows until then.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::disk;
use crate::servers::hook_in::{default_files, groundwork};
use crate::servers::{Content, Kind, Server, Want};

/// The files of the pair that a server shows to clients without SNI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InUse {
    /// Files with the leaf and its chain, to be read one after the other; with the key as well
    /// where `key` is `None`.
    pub chain: Vec<PathBuf>,
    /// The key's file.
    pub key: Option<PathBuf>,
}

/// The first file that the lines name and that is not there. A missing default file takes TLS
/// down for every name, a missing map for every client that sends SNI (measured).
pub(in crate::hook) fn missing(server: &Server) -> Result<Option<PathBuf>, String> {
    let map = |want: &Want| matches!(want.content, Content::SniMap { .. });
    let built = groundwork(server).into_iter().filter(map).map(|want| want.path);
    for path in default_files(server).into_iter().chain(built) {
        if disk::look(&path).map_err(|error| error.to_string())?.is_none() {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// What the server's own settings say it shows; `None` where that is no plain file: a certificate
/// that Exim makes up, an expression, nothing at all.
pub(in crate::hook) fn in_use(
    server: &Server,
    settings: &BTreeMap<String, String>,
) -> Option<InUse> {
    let value = |name: &str| settings.get(name).map_or("", |value| value.trim());
    match &server.kind {
        Kind::Postfix(_) => {
            let chain: Option<Vec<PathBuf>> = value("smtpd_tls_chain_files")
                .split([' ', '\t', ','])
                .filter(|word| !word.is_empty())
                .map(file)
                .collect();
            match chain {
                Some(chain) if !chain.is_empty() => Some(InUse { chain, key: None }),
                _ => LEGACY.into_iter().find_map(|(chain, key)| {
                    let key = file(value(key));
                    Some(InUse { chain: vec![file(value(chain))?], key })
                }),
            }
        }
        Kind::Exim(_) => {
            // Of a list the first pair is shown to most.
            let first = |name: &str| value(name).split(" : ").next().and_then(file);
            let key = first("tls_privatekey");
            Some(InUse { chain: vec![first("tls_certificate")?], key })
        }
        Kind::Dovecot(_) | Kind::Files(_) => None,
    }
}

fn file(value: &str) -> Option<PathBuf> {
    let path = Path::new(value.trim());
    (path.is_absolute() && !value.contains('$')).then(|| path.to_owned())
}

/// Postfix's older settings, certificate and key.
const LEGACY: [(&str, &str); 2] = [
    ("smtpd_tls_cert_file", "smtpd_tls_key_file"),
    ("smtpd_tls_eccert_file", "smtpd_tls_eckey_file"),
];

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::in_use;
    use crate::config::EximLayout;
    use crate::servers::{Exim, Kind, Postfix, Server, ServerId};

    fn server(kind: Kind) -> Server {
        Server {
            id: ServerId("it".to_owned()),
            kind,
            directory: PathBuf::from("/d"),
            reload: Vec::new(),
            default: None,
            own_name: None,
            uid: 0,
            gid: 0,
            files_only: false,
            listeners: Vec::new(),
        }
    }

    #[test]
    fn what_is_shown_today_is_read_from_the_settings() {
        let postfix = server(Kind::Postfix(Postfix {
            config_directory: "/p".into(),
            map_type: "lmdb".to_owned(),
            tlsproxy: false,
        }));
        let exim = server(Kind::Exim(Exim {
            binary: "exim4".into(),
            config_file: None,
            layout: EximLayout::Combined,
            fixed_path: true,
            lists: true,
        }));
        for (server, settings, expected) in [
            (&postfix, "smtpd_tls_cert_file=/c smtpd_tls_key_file=/k", Some("/c + /k")),
            (&postfix, "smtpd_tls_chain_files=/k,/c smtpd_tls_cert_file=/x", Some("/k /c")),
            (&postfix, "smtpd_tls_cert_file=none smtpd_tls_eccert_file=/e", Some("/e")),
            (&postfix, "smtpd_tls_cert_file= smtpd_tls_key_file=", None),
            (&exim, "tls_certificate=/c tls_privatekey=/k", Some("/c + /k")),
            (&exim, "tls_certificate=/c tls_privatekey=", Some("/c")),
            (&exim, "tls_certificate=", None),
            (&exim, "tls_certificate=/d/${tls_sni}.pem", None),
        ] {
            let settings = settings
                .split(' ')
                .filter_map(|word| word.split_once('='))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            let found = in_use(server, &settings).map(|found| {
                let words: Vec<String> =
                    found.chain.iter().map(|path| path.display().to_string()).collect();
                let key = found.key.map_or_else(String::new, |key| format!(" + {}", key.display()));
                words.join(" ") + &key
            });
            assert_eq!(found.as_deref(), expected, "{settings:?}");
        }
    }
}
