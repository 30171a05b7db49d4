//! Servers as they may be found.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use mailcert::config::EximLayout;
use mailcert::model::{Hostname, Service};
use mailcert::plan::{Hook, Seen};
use mailcert::servers::{Dovecot, Exim, Kind, Listener, Postfix, Server, ServerId};

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
        damaged: BTreeMap::new(),
        shut: false,
        owed: false,
        edited: false,
        proofs: BTreeMap::new(),
        stale: BTreeSet::new(),
        running: true,
    }
}

pub(crate) fn postfix(tlsproxy: bool) -> Seen {
    let (config_directory, map_type) = (PathBuf::from("/etc/postfix"), "lmdb".to_owned());
    let kind = Kind::Postfix(Postfix { config_directory, map_type, tlsproxy });
    server("postfix", kind, Service::Smtp)
}

pub(crate) fn exim(layout: EximLayout, fixed_path: bool) -> Seen {
    let binary = PathBuf::from("/usr/sbin/exim4");
    let kind = Kind::Exim(Exim { binary, config_file: None, layout, fixed_path });
    server("exim", kind, Service::Smtp)
}

pub(crate) fn dovecot() -> Seen {
    let config_file = PathBuf::from("/etc/dovecot/dovecot.conf");
    let kind = Kind::Dovecot(Dovecot { config_file, version: (2, 3) });
    server("dovecot", kind, Service::Imaps)
}

/// Up to three servers, in any state but their files.
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
        seen.edited = chance.once_in(4);
        seen.running = !chance.once_in(6);
        if chance.once_in(4) {
            seen.server.default = hosts.get(chance.below(hosts.len())).cloned();
        }
        if chance.once_in(4) {
            seen.server.own_name = hosts.get(chance.below(hosts.len())).cloned();
        }
        servers.push(seen);
    }
    servers
}
