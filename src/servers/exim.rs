//! Exim 4.94 and newer: one file (or pair) per host name, found by `dsearch` for each handshake.
//!
//! Exim reads as its own user: root and its group, 0640, in a directory that the group can list.
//! `dsearch` knows no wildcards, so that a wildcard certificate is written under every known name.
//!
//! Measured with 4.96 (GnuTLS) on both layouts (ports 25, 587, 465): each name gets its own
//! certificate, in any case of letters, everything else `default.pem`; a replaced file is served
//! by the next handshake. Two files cannot change at once: in the split layout 6 of 92 handshakes
//! failed while key and certificate were swapped, in the combined one none of 83.

use crate::config::EximLayout;
use crate::model::Hostname;
use crate::servers::entries::Entries;
use crate::servers::{Content, Exim, Part, Server, Shown, Want, gitignore};

pub(super) fn wants(
    server: &Server,
    exim: &Exim,
    certificates: &[&Shown],
    default: Option<&Shown>,
) -> Vec<Want> {
    let entries = Entries::of(certificates).with_known_hosts(certificates);
    let mut named: Vec<(&Shown, &Hostname)> =
        entries.hosts.into_iter().map(|(host, shown)| (shown, host)).collect();
    named.sort_unstable_by(|(a, x), (b, y)| a.name.cmp(&b.name).then_with(|| x.cmp(y)));
    let mut wants = Vec::with_capacity(2 * named.len() + 3);
    for (shown, host) in named {
        let part = Part::Certificate(shown.name.clone());
        wants.extend(files(server, exim.layout, Some(host), &part, shown));
    }
    wants.extend(gitignore(server));
    if let Some(shown) = default {
        wants.extend(files(server, exim.layout, None, &Part::Default, shown));
    }
    wants
}

/// With an expression that asks for the SNI the files are read at every handshake. A fixed path
/// is cached; Exim notices some changes by itself after five seconds, and not all of them.
pub(super) fn needs_reload(exim: &Exim, part: &Part) -> bool {
    exim.fixed_path && *part == Part::Default
}

/// The file or the pair for one host; `None`: for clients without SNI. The key comes first: a
/// renewal keeps it, so that usually the certificate alone changes, in one rename.
fn files(
    server: &Server,
    layout: EximLayout,
    host: Option<&Hostname>,
    part: &Part,
    shown: &Shown,
) -> Vec<Want> {
    let (name, version) = (&shown.name, shown.version);
    let wants = match layout {
        EximLayout::Combined => {
            let file = host.map_or_else(|| "default.pem".to_owned(), |host| format!("{host}.pem"));
            vec![Want::combined(server, &file, part.clone(), shown)]
        }
        EximLayout::Split => {
            let suffix = host.map_or_else(String::new, |host| format!(".{host}"));
            let key = server.directory.join(format!("exim.key{suffix}"));
            let chain = server.directory.join(format!("exim.crt{suffix}"));
            let key_of = Content::Key(name.clone(), version);
            let chain_of = Content::Chain(name.clone(), version);
            vec![
                Want::new(server, key, part.clone(), key_of, shown.facts.key_file),
                Want::new(server, chain, part.clone(), chain_of, shown.facts.chain_file),
            ]
        }
    };
    wants.into_iter().map(|want| want.with_mode(0o640)).collect()
}

#[cfg(test)]
mod tests {
    use crate::config::EximLayout;
    use crate::model::CertName;
    use crate::servers::entries::samples::{lines, server, two};
    use crate::servers::{Exim, Kind, wants};

    fn layout(layout: EximLayout) -> Vec<String> {
        let (binary, config_file) = ("exim4".into(), None);
        let kind = Kind::Exim(Exim { binary, config_file, layout, fixed_path: false });
        let default = CertName::parse("b.test").unwrap();
        lines(&wants(&server(kind, "/d/tls"), &two(), Some(&default)))
    }

    #[test]
    fn combined_is_one_file_for_each_host_and_known_host_of_a_wildcard() {
        assert_eq!(
            layout(EximLayout::Combined),
            [
                "/d/tls/mail.a.test.pem a.test 640 pem a.test 1",
                "/d/tls/mx1.a.test.pem a.test 640 pem a.test 1",
                "/d/tls/b.test.pem b.test 640 pem b.test 1",
                "/d/tls/mx.b.test.pem b.test 640 pem b.test 1",
                "/d/tls/shared.x.test.pem b.test 640 pem b.test 1",
                "/d/tls/default.pem default 640 pem b.test 1",
            ]
        );
    }

    #[test]
    fn split_is_the_pair_of_2020() {
        let all = layout(EximLayout::Split);
        assert_eq!(
            all[..4],
            [
                "/d/tls/exim.key.mail.a.test a.test 640 key a.test 1",
                "/d/tls/exim.crt.mail.a.test a.test 640 chain a.test 1",
                "/d/tls/exim.key.mx1.a.test a.test 640 key a.test 1",
                "/d/tls/exim.crt.mx1.a.test a.test 640 chain a.test 1",
            ]
        );
        assert_eq!(
            all[10..],
            [
                "/d/tls/exim.key default 640 key b.test 1",
                "/d/tls/exim.crt default 640 chain b.test 1",
            ]
        );
    }
}
