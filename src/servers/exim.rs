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
use crate::servers::entries::{Entries, beside_default};
use crate::servers::{Content, Exim, Part, Server, Shown, Want, gitignore};

pub(super) fn wants(
    server: &Server,
    exim: &Exim,
    certificates: &[&Shown],
    default: Option<&Shown>,
) -> Vec<Want> {
    let (first, beside) = Entries::both(certificates);
    let first = named(first.with_known_hosts(certificates), Place::First);
    let beside = named(beside.with_known_hosts(certificates), Place::Beside);
    let mut named: Vec<(&Shown, &Hostname, Place)> = first.chain(beside).collect();
    named.sort_unstable_by(|(a, x, _), (b, y, _)| a.name.cmp(&b.name).then_with(|| x.cmp(y)));
    let mut wants = Vec::with_capacity(2 * named.len() + 3);
    for (shown, host, place) in named {
        let part = Part::Certificate(shown.name.clone());
        wants.extend(files(server, exim.layout, (Some(host), place), &part, shown));
    }
    wants.extend(gitignore(server));
    if let Some(shown) = default {
        wants.extend(files(server, exim.layout, (None, Place::First), &Part::Default, shown));
        let beside = beside_default(certificates, shown).into_iter();
        let at = (None, Place::Beside);
        wants
            .extend(beside.flat_map(|shown| files(server, exim.layout, at, &Part::Default, shown)));
    }
    wants
}

/// Which of the two files of a name: the second one stands behind it in the list of
/// `tls_certificate`.
#[derive(Clone, Copy)]
enum Place {
    First,
    Beside,
}

fn named<'a>(
    entries: Entries<'a>,
    place: Place,
) -> impl Iterator<Item = (&'a Shown, &'a Hostname, Place)> {
    entries.hosts.into_iter().map(move |(host, shown)| (shown, host, place))
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
    (host, place): (Option<&Hostname>, Place),
    part: &Part,
    shown: &Shown,
) -> Vec<Want> {
    let (name, version) = (&shown.name, shown.version);
    let alt = match place {
        Place::First => "",
        Place::Beside => ALT,
    };
    let wants = match layout {
        EximLayout::Combined => {
            let stem = host.map_or_else(|| "default".to_owned(), Hostname::to_string);
            vec![Want::combined(server, &format!("{stem}{alt}.pem"), part.clone(), shown)]
        }
        EximLayout::Split => {
            let suffix = host.map_or_else(String::new, |host| format!(".{host}"));
            let key = server.directory.join(format!("exim.key{suffix}{alt}"));
            let chain = server.directory.join(format!("exim.crt{suffix}{alt}"));
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

/// What stands behind a name in the second file of it. No host ends in it (RFC 9476).
pub const ALT: &str = ".alt";

#[cfg(test)]
mod tests {
    use crate::config::EximLayout;
    use crate::model::CertName;
    use crate::servers::Shown;
    use crate::servers::entries::samples::{lines, server, three, two};
    use crate::servers::{Exim, Kind, wants};

    fn layout(layout: EximLayout) -> Vec<String> {
        layout_of(layout, &two(), "b.test")
    }

    fn layout_of(layout: EximLayout, shown: &[Shown], default: &str) -> Vec<String> {
        let (binary, config_file) = ("exim4".into(), None);
        let kind = Kind::Exim(Exim { binary, config_file, layout, fixed_path: false, lists: true });
        let default = CertName::parse(default).unwrap();
        lines(&wants(&server(kind, "/d/tls"), shown, Some(&default)))
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
    fn rsa_beside_ecdsa_has_a_file_of_its_own_for_each_name() {
        let all = layout_of(EximLayout::Combined, &three(), "a.test");
        let second: Vec<_> = all.iter().filter(|line| line.contains(".alt.")).collect();
        assert_eq!(
            second,
            [
                "/d/tls/mail.a.test.alt.pem a.test.rsa 640 pem a.test.rsa 1",
                "/d/tls/mx1.a.test.alt.pem a.test.rsa 640 pem a.test.rsa 1",
                "/d/tls/shared.x.test.alt.pem a.test.rsa 640 pem a.test.rsa 1",
                "/d/tls/default.alt.pem default 640 pem a.test.rsa 1",
            ]
        );
        let split = layout_of(EximLayout::Split, &three(), "a.test");
        let pair = ["exim.key.mail.a.test.alt", "exim.crt.mail.a.test.alt", "exim.crt.alt"];
        for name in pair {
            let path = format!("/d/tls/{name} ");
            assert!(split.iter().any(|line| line.starts_with(&path)), "{name}: {split:?}");
        }
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
