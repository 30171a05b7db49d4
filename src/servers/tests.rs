//! The layouts of all kinds, and what they have in common.

use std::path::Path;

use super::entries::samples::{lines, server, shown, two};
use super::{Content, Dovecot, Exim, Kind, Part, Postfix, is_plain_path, needs_reload, wants};
use crate::config::EximLayout;
use crate::model::{CertName, Version};

fn kinds() -> [Kind; 3] {
    [
        Kind::Postfix(Postfix {
            config_directory: "/d".into(),
            map_type: "lmdb".to_owned(),
            tlsproxy: false,
        }),
        Kind::Exim(Exim {
            binary: "exim4".into(),
            config_file: None,
            layout: EximLayout::Combined,
            fixed_path: false,
            lists: true,
        }),
        Kind::Dovecot(Dovecot { config_file: "/d/dovecot.conf".into(), version: (2, 3) }),
    ]
}

#[test]
fn below_etc_git_is_told_not_to_look() {
    for kind in kinds() {
        for (directory, expected) in
            [("/etc/x/mailcert", true), ("/etc/exim4", false), ("/srv/etc/mailcert", false)]
        {
            let all = wants(&server(kind.clone(), directory), &two(), None);
            let found = lines(&all).iter().any(|line| line.ends_with(".gitignore index 644 text"));
            assert_eq!(found, expected, "{directory} {kind:?}");
        }
    }
}

#[test]
fn the_order_of_the_certificates_and_a_strange_default_change_nothing() {
    let [a, b] = two();
    let strange = CertName::parse("else.test").unwrap();
    for kind in kinds() {
        let server = server(kind, "/d/tls");
        let one = wants(&server, &[a.clone(), b.clone()], Some(&strange));
        assert_eq!(one, wants(&server, &[b.clone(), a.clone()], None));
        assert_eq!(wants(&server, &[], Some(&a.name)), []);
    }
}

#[test]
fn a_name_that_a_renewal_left_out_keeps_its_old_version() {
    let old = shown("a.test", &["mx.a.test", "gone.a.test"], 10);
    let mut new = shown("a.test", &["mx.a.test"], 20);
    new.version = Version(2);
    let both = [old, new];
    for (kind, expected) in kinds().into_iter().zip([
        "a.test.pem a.test 600 pem a.test 2, a.test.1.pem a.test 600 pem a.test 1",
        "gone.a.test.pem a.test 640 pem a.test 1, mx.a.test.pem a.test 640 pem a.test 2",
        "a.test.pem a.test 600 pem a.test 2, a.test.1.pem a.test 600 pem a.test 1",
    ]) {
        let all = wants(&server(kind, "/d/tls"), &both, Some(&both[0].name));
        let found = lines(&all)[..2].join(", ").replace("/d/tls/", "");
        assert_eq!(found, expected);
        let default = all.iter().find(|want| want.part == Part::Default);
        let expected = Content::Combined(both[0].name.clone(), Version(2));
        assert_eq!(default.map(|want| &want.content), Some(&expected));
    }
}

#[test]
fn a_reload_is_owed_only_where_it_is_needed() {
    let parts = [Part::Certificate(CertName::parse("a.test").unwrap()), Part::Index, Part::Default];
    let ask = |kind: &Kind, files_only: bool| {
        let mut server = server(kind.clone(), "/d/tls");
        server.files_only = files_only;
        parts.clone().map(|part| needs_reload(&server, &part))
    };
    let [mut postfix, mut exim, dovecot] = kinds();
    assert_eq!(ask(&postfix, false), [false, false, true]);
    assert_eq!(ask(&exim, false), [false, false, false]);
    assert_eq!(ask(&dovecot, false), [true, true, true]);
    assert_eq!(ask(&exim, true), [true, true, true]);
    if let (Kind::Postfix(postfix), Kind::Exim(exim)) = (&mut postfix, &mut exim) {
        postfix.tlsproxy = true;
        exim.fixed_path = true;
    }
    assert_eq!(ask(&postfix, false), [true, true, true]);
    assert_eq!(ask(&exim, false), [false, false, true]);
}

#[test]
fn a_path_that_a_server_would_read_differently_is_not_plain() {
    for (path, plain) in [
        ("/etc/exim4/tls", true),
        ("/srv/a_b-c.d@1+2", true),
        ("etc/tls", false),
        ("/a b", false),
        ("/a:b", false),
        ("/a$b", false),
        ("/ä", false),
    ] {
        assert_eq!(is_plain_path(Path::new(path)), plain, "{path}");
    }
}
