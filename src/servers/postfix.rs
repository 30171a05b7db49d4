//! Postfix 3.4 and newer: one PEM per certificate, an SNI map over them, a default chain.
//!
//! The built map holds the PEM bytes themselves, so that a replaced PEM is not served before the
//! map is built again, not even after a reload (measured with 3.7.11). That is why the map's
//! identity covers every bundle it names.
//!
//! Measured with 3.7.11 on this layout (lmdb and hash, ports 25, 587, 465): whole names, the
//! wildcard and the default are served as written below; an exact entry wins over a wildcard.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::model::{CertName, Hostname, Sha256, Version};
use crate::servers::entries::{Entries, Stems, beside_default, differs};
use crate::servers::{Content, Kind, Part, Postfix, Server, Shown, Want, gitignore};

/// The file name of the SNI map's source.
pub const SNI_SOURCE: &str = "sni";

/// The suffix `postmap` gives the built file of a map type; `None` for a type that we do not
/// build: `texthash` and `inline` change only with a reload, and a `texthash` of 10,000 names
/// costs each smtpd two seconds at its start.
#[must_use]
pub fn map_suffix(map_type: &str) -> Option<&'static str> {
    match map_type {
        "hash" | "btree" => Some("db"),
        "lmdb" => Some("lmdb"),
        "cdb" => Some("cdb"),
        _ => None,
    }
}

/// Where the built SNI map of a Postfix lies; `None` for other servers and where it is not built
/// here.
#[must_use]
pub fn map_path(server: &Server) -> Option<PathBuf> {
    let Kind::Postfix(postfix) = &server.kind else { return None };
    let suffix = map_suffix(&postfix.map_type).filter(|_| !server.files_only)?;
    Some(server.directory.join(format!("{SNI_SOURCE}.{suffix}")))
}

/// What a built map holds, in one digest: its type, its source text, and (in the order of the
/// certificates' names) the combined file of every certificate the source names.
#[must_use]
pub fn map_identity<'a>(
    map_type: &str,
    text: &str,
    bundles: impl IntoIterator<Item = (&'a CertName, &'a Sha256)>,
) -> Sha256 {
    let mut whole = format!("postfix sni map\n{map_type}\n{text}\n").into_bytes();
    for (name, combined) in bundles {
        whole.extend_from_slice(name.as_str().as_bytes());
        whole.push(b' ');
        whole.extend_from_slice(&combined.0);
    }
    Sha256::of(&whole)
}

pub(super) fn wants(
    server: &Server,
    postfix: &Postfix,
    certificates: &[&Shown],
    default: Option<&Shown>,
) -> Vec<Want> {
    let stems = Stems::of(certificates);
    let mut wants = stems.wants(server, certificates);
    wants.extend(gitignore(server));
    let entries = Entries::both(certificates);
    let text = sni_text(&server.directory, &entries, &stems);
    // Building the map puts its source in place as well, and before the map: Postfix warns at
    // every open of a map that is older than its source. So the source comes last here, where it
    // is found in place and its file is remembered as it then is.
    wants.extend(built_map(server, postfix, &entries, certificates, text.clone()));
    wants.push(Want::text(server, SNI_SOURCE, text));
    wants.extend(default.map(|shown| {
        let beside = beside_default(certificates, shown);
        Want::two(server, "default.pem", Part::Default, shown, beside)
    }));
    wants
}

/// The PEM files are read by `postmap` alone and the map is opened anew when it is renamed over,
/// except by tlsproxy, which stands before port 25 where postscreen runs. The default chain is
/// read when an smtpd starts, and one that is busy serves 100 connections before it ends.
pub(super) fn needs_reload(postfix: &Postfix, part: &Part) -> bool {
    match part {
        Part::Certificate(_) | Part::Index => postfix.tlsproxy,
        Part::Default => true,
    }
}

/// The map. A server that runs elsewhere builds it itself from the source: it may have another
/// version of the database library.
fn built_map(
    server: &Server,
    postfix: &Postfix,
    (first, beside): &(Entries<'_>, Entries<'_>),
    certificates: &[&Shown],
    text: String,
) -> Option<Want> {
    if server.files_only {
        return None;
    }
    let suffix = map_suffix(&postfix.map_type)?;
    let source = server.directory.join(SNI_SOURCE);
    let named: BTreeSet<(&CertName, Version)> = lines_of(first, beside)
        .flat_map(|(_, shown, beside)| std::iter::once(shown).chain(beside))
        .map(|shown| (&shown.name, shown.version))
        .collect();
    let bundles = certificates
        .iter()
        .filter(|shown| named.contains(&(&shown.name, shown.version)))
        .map(|shown| (&shown.name, &shown.facts.combined));
    let identity = map_identity(&postfix.map_type, &text, bundles);
    let map_type = postfix.map_type.clone();
    let path = PathBuf::from(format!("{}.{suffix}", source.display()));
    let content = Content::SniMap { map_type, source, text };
    Some(Want::new(server, path, Part::Index, content, identity))
}

/// The names with their certificate and the one beside it. A wildcard `*.a.test` is `.a.test` to
/// Postfix, which takes it for every depth below `a.test` (and not for `a.test`): a name two labels
/// below gets this certificate instead of the default one, and neither covers it.
fn lines_of<'a>(
    first: &Entries<'a>,
    beside: &Entries<'a>,
) -> impl Iterator<Item = (String, &'a Shown, Option<&'a Shown>)> {
    let host =
        |(host, shown): (&&Hostname, &&'a Shown)| (host.to_string(), *shown, beside.find(host));
    let wildcard = |(domain, shown): (&&Hostname, &&'a Shown)| {
        (format!(".{domain}"), *shown, beside.wildcards.get(domain).copied())
    };
    let all = first.hosts.iter().map(host).chain(first.wildcards.iter().map(wildcard));
    all.map(|(name, shown, beside)| (name, shown, beside.filter(|beside| differs(shown, beside))))
}

/// Lines of `NAME PATH`, or `NAME PATH PATH`, sorted: `postmap -F` takes files one behind the other.
fn sni_text(
    directory: &Path,
    (first, beside): &(Entries<'_>, Entries<'_>),
    stems: &Stems<'_>,
) -> String {
    let line = |(name, shown, beside): (String, &Shown, Option<&Shown>)| {
        let files = std::iter::once(shown).chain(beside);
        let path = |shown| format!(" {}", directory.join(stems.pem(shown)).display());
        format!("{name}{}\n", files.map(path).collect::<String>())
    };
    let mut lines: Vec<String> = lines_of(first, beside).map(line).collect();
    lines.sort_unstable();
    lines.concat()
}

#[cfg(test)]
mod tests {
    use super::map_suffix;
    use crate::model::CertName;
    use crate::servers::entries::samples::{lines, server, three, two};
    use crate::servers::{Content, Kind, Postfix, Server, Shown, Want, wants};

    fn postfix(map_type: &str) -> Server {
        let (config_directory, map_type) = ("/d".into(), map_type.to_owned());
        let kind = Kind::Postfix(Postfix { config_directory, map_type, tlsproxy: false });
        server(kind, "/d/mailcert")
    }

    fn layout(server: &Server, certificates: &[Shown]) -> Vec<Want> {
        wants(server, certificates, Some(&CertName::parse("a.test").unwrap()))
    }

    #[test]
    fn a_pem_each_then_the_map_then_the_default() {
        let all = layout(&postfix("lmdb"), &two());
        assert_eq!(
            lines(&all),
            [
                "/d/mailcert/a.test.pem a.test 600 pem a.test 1",
                "/d/mailcert/b.test.pem b.test 600 pem b.test 1",
                "/d/mailcert/sni.lmdb index 600 map lmdb",
                "/d/mailcert/sni index 600 text",
                "/d/mailcert/default.pem default 600 pem a.test 1",
            ]
        );
        let text = "\
.b.test /d/mailcert/b.test.pem
b.test /d/mailcert/b.test.pem
mail.a.test /d/mailcert/a.test.pem
mx1.a.test /d/mailcert/a.test.pem
shared.x.test /d/mailcert/b.test.pem
";
        assert_eq!(all[3].content, Content::Text(text.to_owned()));
        let Content::SniMap { source, text: of_map, .. } = &all[2].content else { panic!() };
        assert_eq!((source, of_map.as_str()), (&all[3].path, text));
    }

    #[test]
    fn rsa_beside_ecdsa_is_a_second_file_of_a_name_and_a_second_pair_of_the_default() {
        let all = layout(&postfix("lmdb"), &three());
        let text = "\
.b.test /d/mailcert/b.test.pem
b.test /d/mailcert/b.test.pem
mail.a.test /d/mailcert/a.test.pem /d/mailcert/a.test.rsa.pem
mx1.a.test /d/mailcert/a.test.pem /d/mailcert/a.test.rsa.pem
shared.x.test /d/mailcert/b.test.pem /d/mailcert/a.test.rsa.pem
";
        assert_eq!(all[4].content, Content::Text(text.to_owned()));
        let default = "/d/mailcert/default.pem default 600 pem a.test and a.test.rsa";
        assert_eq!(lines(&all)[5], default);
        let mut renewed = three();
        renewed[1].facts.combined = renewed[0].facts.combined;
        let other = layout(&postfix("lmdb"), &renewed);
        for at in [3, 5] {
            assert_ne!(all[at].identity, other[at].identity, "{}", all[at].path.display());
        }
    }

    #[test]
    fn a_renewed_pem_changes_the_map_and_one_without_entries_does_not() {
        let map = |certificates: &[Shown]| layout(&postfix("hash"), certificates)[2].identity;
        let mut renewed = two();
        renewed[1].facts.combined = renewed[0].facts.combined;
        assert_ne!(map(&two()), map(&renewed));
        // Everything of c.test belongs to b.test, which ends later.
        let unused = crate::servers::entries::samples::shown("c.test", &["b.test"], 1);
        let mut other = unused.clone();
        other.facts.combined = renewed[0].facts.combined;
        let [a, b] = two();
        let with = |c: Shown| layout(&postfix("hash"), &[a.clone(), b.clone(), c])[3].identity;
        assert_eq!(with(unused), with(other));
    }

    #[test]
    fn the_type_decides_the_suffix_and_some_are_never_built() {
        for (map_type, expected) in [
            ("hash", Some("db")),
            ("btree", Some("db")),
            ("lmdb", Some("lmdb")),
            ("cdb", Some("cdb")),
            ("texthash", None),
            ("inline", None),
        ] {
            assert_eq!(map_suffix(map_type), expected, "{map_type}");
        }
    }

    #[test]
    fn a_server_elsewhere_builds_its_map_itself() {
        let mut server = postfix("lmdb");
        server.files_only = true;
        let all = lines(&layout(&server, &two()));
        assert!(!all.iter().any(|line| line.contains("map")), "{all:?}");
        assert!(all.contains(&"/d/mailcert/sni index 600 text".to_owned()), "{all:?}");
    }
}
