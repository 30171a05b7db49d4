//! Servers as they may be found.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use mailcert::config::{EximLayout, FilePaths, FilePattern};
use mailcert::model::{Hostname, Service, Timestamp};
use mailcert::plan::{Edit, Hook, Seen};
use mailcert::servers::{Dovecot, Exim, Files, Kind, Listener, Postfix, Server, ServerId};

use super::chance::Chance;

/// A server in good order that holds nothing of ours yet.
pub(crate) fn server(id: &str, kind: Kind, service: Service) -> Seen {
    Seen {
        server: Server {
            id: ServerId(id.to_owned()),
            kind,
            directory: PathBuf::from(format!("/etc/{id}/mailcert")),
            reload: vec![id.to_owned(), "reload".to_owned()],
            default: None,
            own_name: None,
            uid: 0,
            gid: 0,
            files_only: false,
            listeners: vec![Listener {
                address: None,
                port: service.port(),
                service,
                proxy: false,
            }],
        },
        hook: Hook::There,
        files: BTreeMap::new(),
        installed: BTreeSet::new(),
        damaged: BTreeMap::new(),
        shut: false,
        owed: false,
        edited: Vec::new(),
        proofs: BTreeMap::new(),
        stale: BTreeSet::new(),
        doubted: BTreeSet::new(),
        running: true,
    }
}

/// An edit of the admin's that awaits a reload.
pub(crate) fn edits() -> Vec<Edit> {
    vec![Edit { path: PathBuf::from("/etc/some.cf"), at: Timestamp::from_unix(1) }]
}

pub(crate) fn postfix(tlsproxy: bool) -> Seen {
    let (config_directory, map_type) = (PathBuf::from("/etc/postfix"), "lmdb".to_owned());
    let kind = Kind::Postfix(Postfix { config_directory, map_type, tlsproxy });
    server("postfix", kind, Service::Smtp)
}

pub(crate) fn exim(layout: EximLayout, fixed_path: bool) -> Seen {
    let binary = PathBuf::from("/usr/sbin/exim4");
    let kind = Kind::Exim(Exim { binary, config_file: None, layout, fixed_path, lists: true });
    server("exim", kind, Service::Smtp)
}

pub(crate) fn dovecot() -> Seen {
    let config_file = PathBuf::from("/etc/dovecot/dovecot.conf");
    let kind = Kind::Dovecot(Dovecot { config_file, version: (2, 3) });
    server("dovecot", kind, Service::Imaps)
}

/// Any other program, with a path for each certificate.
pub(crate) fn files(is_split: bool) -> Seen {
    let pattern = |text: &str| FilePattern::parse(text);
    let paths = match is_split {
        true => FilePaths {
            key: pattern("/etc/nginx/mailcert/{name}.key"),
            chain: pattern("/etc/nginx/mailcert/{name}.crt"),
            combined: None,
        },
        false => FilePaths { combined: pattern("/etc/haproxy/{name}.pem"), ..FilePaths::default() },
    };
    let check = vec!["haproxy".to_owned(), "-c".to_owned()];
    let kind = Kind::Files(Box::new(Files { paths, certificate: None, mode: 0o640, check }));
    server("files", kind, Service::Imaps)
}

/// Up to four servers, in any state but their files.
pub(crate) fn some(chance: &mut Chance, hosts: &[Hostname]) -> Vec<Seen> {
    let layout = if chance.once_in(2) { EximLayout::Split } else { EximLayout::Combined };
    let (tlsproxy, fixed_path) = (chance.once_in(2), chance.once_in(3));
    let all = [postfix(tlsproxy), exim(layout, fixed_path), dovecot()];
    let mut servers = Vec::new();
    for mut seen in all {
        if chance.once_in(3) {
            continue;
        }
        seen.hook = match chance.below(8) {
            0 => Hook::Missing,
            1 => Hook::ByHand("main.cf is a link".to_owned()),
            _ => Hook::There,
        };
        if chance.once_in(10) {
            seen.hook = Hook::Unknown;
            seen.server.files_only = true;
        }
        let is_exim = matches!(seen.server.kind, Kind::Exim(_));
        seen.shut = is_exim && !seen.server.files_only && chance.once_in(8);
        seen.owed = chance.once_in(4);
        seen.edited = if chance.once_in(4) { edits() } else { Vec::new() };
        seen.running = !chance.once_in(6);
        if chance.once_in(4) {
            seen.server.default = hosts.get(chance.below(hosts.len())).cloned();
        }
        if chance.once_in(4) {
            seen.server.own_name = hosts.get(chance.below(hosts.len())).cloned();
        }
        servers.push(seen);
    }
    servers.extend(some_files(chance));
    servers
}

/// Perhaps a program of which nothing is known, told or not.
fn some_files(chance: &Chance) -> Option<Seen> {
    // Apart, so that the seeds of earlier faults still mean the same worlds.
    let mut own = chance.apart();
    let mut seen = files(own.once_in(2));
    if own.once_in(3) {
        seen.server.reload.clear();
    }
    seen.owed = own.once_in(4);
    own.once_in(2).then_some(seen)
}
