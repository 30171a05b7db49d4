//! Any program that reads certificates from files: nginx, HAProxy, OpenSMTPD, Courier, Cyrus.
//!
//! The admin says where the key, the chain or both go. Paths with `{name}` are written for every
//! certificate, and where `default` is stated for the name `default` too, which a program can be
//! given by a fixed path; paths without are those of one certificate.
//!
//! Two files cannot change at once. The key comes first, and a renewal uses it again, so that only
//! a change of the key can meet a reader between the two; one combined file meets none.
//!
//! Tried (`tests/live/programs.rs`): nginx 1.26 (split), HAProxy 3.0 (a directory, in which files
//! that begin with a dot, as ours do while they are written, are passed over), OpenSMTPD 7.6 (split,
//! told by a restart).

use crate::servers::entries::{Stems, apart};
use crate::servers::{Content, Files, Part, Server, Shown, Want};

pub(super) fn wants(
    server: &Server,
    files: &Files,
    certificates: &[&Shown],
    default: Option<&Shown>,
) -> Vec<Want> {
    if !files.paths.are_for_each() {
        let one = default.or_else(|| apart(certificates).1.first().copied());
        let own = |shown: &Shown| of(server, files, "", &certificate(shown), shown);
        return one.map(own).unwrap_or_default();
    }
    let stems = Stems::of(certificates);
    let mut wants: Vec<Want> = certificates
        .iter()
        .flat_map(|shown| of(server, files, &stems.stem(shown), &certificate(shown), shown))
        .collect();
    if let Some(shown) = default {
        wants.extend(of(server, files, "default", &Part::Default, shown));
    }
    wants
}

fn certificate(shown: &Shown) -> Part {
    Part::Certificate(shown.name.clone())
}

/// The files of one certificate.
fn of(server: &Server, files: &Files, name: &str, part: &Part, shown: &Shown) -> Vec<Want> {
    let (of, version, facts) = (shown.name.clone(), shown.version, &shown.facts);
    let paths = &files.paths;
    let key = (&paths.key, Content::Key(of.clone(), version), facts.key_file);
    let chain = (&paths.chain, Content::Chain(of.clone(), version), facts.chain_file);
    let combined = (&paths.combined, Content::Combined(of, version), facts.combined);
    [key, chain, combined]
        .into_iter()
        .filter_map(|(pattern, content, identity)| {
            let path = pattern.as_ref()?.path(name);
            Some(Want::new(server, path, part.clone(), content, identity).with_mode(files.mode))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{FilePaths, FilePattern};
    use crate::model::{CertName, Version};
    use crate::servers::entries::samples::{lines, server, shown, two};
    use crate::servers::{Files, Kind, Server, directory_mode, needs_reload, wants};

    fn files(key: &str, chain: &str, combined: &str) -> Server {
        let pattern = |text: &str| (!text.is_empty()).then(|| FilePattern::parse(text).unwrap());
        let paths =
            FilePaths { key: pattern(key), chain: pattern(chain), combined: pattern(combined) };
        let files = Files { paths, certificate: None, mode: 0o640, check: Vec::new() };
        let kind = Kind::Files(Box::new(files));
        server(kind, "/d")
    }

    fn layout(server: &Server, default: Option<&str>) -> Vec<String> {
        let default = default.map(|name| CertName::parse(name).unwrap());
        lines(&wants(server, &two(), default.as_ref()))
    }

    #[test]
    fn a_path_with_a_name_is_written_for_every_certificate() {
        assert_eq!(
            layout(&files("/k/{name}.key", "/c/{name}.crt", ""), Some("b.test")),
            [
                "/k/a.test.key a.test 640 key a.test 1",
                "/c/a.test.crt a.test 640 chain a.test 1",
                "/k/b.test.key b.test 640 key b.test 1",
                "/c/b.test.crt b.test 640 chain b.test 1",
                "/k/default.key default 640 key b.test 1",
                "/c/default.crt default 640 chain b.test 1",
            ]
        );
        let haproxy = files("", "", "/h/{name}.pem");
        assert_eq!(layout(&haproxy, None).len(), 2);
        let mut renewed = shown("a.test", &["mx.a.test"], 20);
        renewed.version = Version(2);
        let both = [shown("a.test", &["mx.a.test", "gone.a.test"], 10), renewed];
        assert_eq!(
            lines(&wants(&haproxy, &both, None)),
            ["/h/a.test.pem a.test 640 pem a.test 2", "/h/a.test.1.pem a.test 640 pem a.test 1"]
        );
    }

    #[test]
    fn a_fixed_path_is_for_one_certificate() {
        let fixed = files("", "", "/etc/courier/imapd.pem");
        for (default, expected) in [(Some("b.test"), "b.test"), (None, "a.test")] {
            let expected = format!("/etc/courier/imapd.pem {expected} 640 pem {expected} 1");
            assert_eq!(layout(&fixed, default), [expected]);
        }
    }

    #[test]
    fn what_else_lies_in_the_directories_is_not_ours() {
        let server = files("/k/{name}.key", "/c/site.crt", "");
        assert_eq!(server.directories(), [Path::new("/c"), Path::new("/k")]);
        for (path, ours) in [
            ("/k/a.test.key", true),
            ("/k/.key", false),
            ("/k/a.test.pem", false),
            ("/c/a.test.key", false),
            ("/c/site.crt", true),
            ("/c/other.crt", false),
        ] {
            assert_eq!(server.is_ours(Path::new(path)), ours, "{path}");
        }
    }

    #[test]
    fn it_is_told_if_there_is_a_way_to_tell_it() {
        let mut server = files("", "", "/h/{name}.pem");
        let part = super::certificate(&two()[0]);
        assert!(needs_reload(&server, &part) && server.is_told_by_argv() && !server.has_check());
        assert_eq!(directory_mode(&server), 0o750);
        server.reload.clear();
        assert!(!needs_reload(&server, &part));
    }
}
