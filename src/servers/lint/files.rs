//! The key and certificate files that settings name, as they were seen.

use std::path::{Path, PathBuf};

use crate::model::{Code, Finding, Level};
use crate::servers::lint::postfix::postconf;
use crate::servers::{Kind, Server, ServerId};

/// A file that a setting names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The setting.
    pub setting: String,
    /// The file.
    pub path: PathBuf,
    /// What it is for.
    pub side: Side,
}

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// It is shown to those who connect.
    Server,
    /// It is shown to the servers this one delivers to.
    Client,
    /// A built map, which holds keys whatever it looks like.
    Map,
}

impl Named {
    /// The absolute paths among the words of a value.
    pub(super) fn all<'a>(
        setting: &'a str,
        words: impl Iterator<Item = &'a str> + 'a,
        side: Side,
    ) -> impl Iterator<Item = Self> + 'a {
        words.filter(|word| word.starts_with('/') && !word.contains('$')).map(move |word| Self {
            setting: setting.to_owned(),
            path: word.into(),
            side,
        })
    }
}

/// What a look at one such file gave. The bytes of a key stay with who looked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenFile {
    /// Its mode, the permissions alone.
    pub mode: u32,
    /// Whether others may walk down to it.
    pub reachable: bool,
    /// Whether a private key is in it.
    pub key: bool,
    /// Whether the first certificate demands a stapled OCSP response (RFC 7633).
    pub must_staple: bool,
    /// Whether the first certificate is one for TLS clients; `None` where it does not say.
    pub for_clients: Option<bool>,
    /// The root that its chain ends at, where senders do not know that root, with the reason.
    pub unknown_root: Option<String>,
}

/// What is wrong with the files that a server's settings name; a file that is not there was not
/// seen.
#[must_use]
pub fn files(server: &Server, seen: &[(Named, SeenFile)]) -> Vec<Finding> {
    let id = &server.id;
    let mut findings = Vec::new();
    for (named, file) in seen {
        findings.extend(exposed(id, named, file));
        if named.side == Side::Server {
            findings.extend(served(id, named, file));
        }
        let is_servers =
            |(other, _): &(Named, SeenFile)| other.side == Side::Server && other.path == named.path;
        if named.side == Side::Client {
            findings.extend(as_client(server, named, file, seen.iter().any(is_servers)));
        }
    }
    // Two settings may name one file.
    let mut told: Vec<(Code, PathBuf)> = Vec::new();
    findings
        .into_iter()
        .filter(|(path, finding)| {
            let new = !told.contains(&(finding.code, path.clone()));
            told.push((finding.code, path.clone()));
            new
        })
        .map(|(_, finding)| finding)
        .collect()
}

/// A finding about a file.
type About = (PathBuf, Finding);

fn about(path: &Path, code: Code, id: &ServerId, message: String) -> About {
    (path.to_owned(), Finding::new(code, id, message))
}

fn exposed(id: &ServerId, named: &Named, file: &SeenFile) -> Option<About> {
    let holds = file.key || named.side == Side::Map;
    if !holds || file.mode & 0o004 == 0 || !file.reachable {
        return None;
    }
    let (path, setting, mode) = (named.path.display(), &named.setting, file.mode);
    let message = format!(
        "{path} ({setting}) holds a private key and has mode {mode:04o}: everybody on this machine \
         can read it; expected 0600, or 0640 and the group that reads it; `chmod o= {path}`, and \
         a new key if strangers can log in"
    );
    let (path, finding) = about(&named.path, Code::KeyExposed, id, message);
    Some((path, finding.at(Level::Warn)))
}

fn served(id: &ServerId, named: &Named, file: &SeenFile) -> Vec<About> {
    let (path, setting) = (named.path.display(), &named.setting);
    let mut all = Vec::new();
    if file.must_staple {
        let message = format!(
            "the certificate in {path} ({setting}) demands a stapled OCSP response (must-staple), \
             and its CA may answer none any more; expected one without; `mailcert explain \
             ocsp-leftover` says how it is ordered"
        );
        all.push(about(&named.path, Code::OcspLeftover, id, message));
    }
    if let Some(root) = &file.unknown_root {
        let message = format!(
            "the chain in {path} ({setting}) ends at {root}; expected one that ends at a root \
             senders know; choose another chain at the CA (certbot: --preferred-chain)"
        );
        let (path, finding) = about(&named.path, Code::UntrustedRoot, id, message);
        all.push((path, finding.at(Level::Warn)));
    }
    all
}

fn as_client(server: &Server, named: &Named, file: &SeenFile, is_servers: bool) -> Option<About> {
    let found = match file.for_clients {
        Some(false) => "is none for TLS clients",
        _ if is_servers => {
            "is the one that is shown to those who connect, and CAs no longer make \
                            such certificates for clients"
        }
        _ => return None,
    };
    let (path, setting) = (named.path.display(), &named.setting);
    let cure = match &server.kind {
        Kind::Postfix(postfix) => {
            format!("`{} -X {setting}`", postconf(&postfix.config_directory.to_string_lossy()))
        }
        _ => "take tls_certificate and tls_privatekey out of that transport".to_owned(),
    };
    let message = format!(
        "{setting} shows {path} to the servers this one delivers to, and that certificate \
         {found}; expected none; {cure}"
    );
    Some(about(&named.path, Code::ClientCertificate, &server.id, message))
}

#[cfg(test)]
mod tests {
    use super::{Named, SeenFile, Side, files};
    use crate::servers::entries::samples::server;
    use crate::servers::{Kind, Postfix};

    fn told(seen: &[(&str, &str, Side, SeenFile)]) -> Vec<String> {
        let seen: Vec<(Named, SeenFile)> = seen
            .iter()
            .cloned()
            .map(|(setting, path, side, file)| {
                (Named { setting: setting.to_owned(), path: path.into(), side }, file)
            })
            .collect();
        let postfix = Postfix {
            config_directory: "/etc/postfix".into(),
            map_type: "lmdb".to_owned(),
            tlsproxy: false,
        };
        let all = files(&server(Kind::Postfix(postfix), "/d"), &seen);
        all.iter().map(|f| format!("{} {}", f.level.mark(), f.code)).collect()
    }

    #[test]
    fn a_key_is_exposed_where_others_may_read_it_and_walk_to_it() {
        let key = SeenFile { mode: 0o644, reachable: true, key: true, ..SeenFile::default() };
        for (side, file, expected) in [
            (Side::Server, key.clone(), vec!["warn key-exposed"]),
            (Side::Client, key.clone(), vec!["warn key-exposed"]),
            (Side::Server, SeenFile { mode: 0o640, ..key.clone() }, vec![]),
            (Side::Server, SeenFile { reachable: false, ..key.clone() }, vec![]),
            (Side::Server, SeenFile { key: false, ..key.clone() }, vec![]),
            (Side::Map, SeenFile { key: false, ..key.clone() }, vec!["warn key-exposed"]),
            (Side::Map, SeenFile { mode: 0o600, ..key.clone() }, vec![]),
        ] {
            assert_eq!(told(&[("x", "/k.pem", side, file.clone())]), expected, "{file:?}");
        }
        let twice = [
            ("smtpd_tls_cert_file", "/k.pem", Side::Server, key.clone()),
            ("smtpd_tls_key_file", "/k.pem", Side::Server, key),
        ];
        assert_eq!(told(&twice), ["warn key-exposed"]);
    }

    #[test]
    fn a_clients_certificate_is_one_for_clients_and_not_the_servers() {
        let of = |for_clients| SeenFile { for_clients, ..SeenFile::default() };
        let (setting, found) = ("smtp_tls_cert_file", vec!["warn client-certificate"]);
        for (path, for_clients, expected) in [
            ("/server.pem", Some(true), found.clone()),
            ("/server.pem", None, found.clone()),
            ("/other.pem", Some(false), found),
            ("/other.pem", Some(true), vec![]),
            ("/other.pem", None, vec![]),
        ] {
            let seen = [
                ("smtpd_tls_cert_file", "/server.pem", Side::Server, of(for_clients)),
                (setting, path, Side::Client, of(for_clients)),
            ];
            assert_eq!(told(&seen), expected, "{path} {for_clients:?}");
        }
        let served = ("smtpd_tls_cert_file", "/server.pem", Side::Server, of(Some(false)));
        assert_eq!(told(&[served]), [""; 0]);
    }

    #[test]
    fn a_chain_is_judged_where_it_is_served() {
        let staple = SeenFile { must_staple: true, ..SeenFile::default() };
        let root = SeenFile { unknown_root: Some("Root YE".to_owned()), ..SeenFile::default() };
        for (side, file, expected) in [
            (Side::Server, staple.clone(), vec!["warn ocsp-leftover"]),
            (Side::Client, staple, vec![]),
            (Side::Server, root.clone(), vec!["warn untrusted-root"]),
            (Side::Client, root, vec![]),
            (Side::Server, SeenFile::default(), vec![]),
        ] {
            assert_eq!(told(&[("x", "/c.pem", side, file.clone())]), expected, "{file:?}");
        }
    }
}
