//! Which store accepts what, and what it lacks.

use expect_test::expect;

use super::{Ca, NOW, store};
use crate::local::stores::{Case, certificates, compiled_in, links, needed, row};
use crate::local::{Kind, StoreRow, Unread};
use crate::model::{Hostname, Timestamp};
use crate::trust::Roots;

fn said(row: &StoreRow) -> String {
    let accepts = row.accepts.map_or("?", |accepts| if accepts { "ok" } else { "FAIL" });
    format!("{accepts} {}", row.why.as_deref().unwrap_or_default())
}

#[test]
fn each_store_says_by_which_root_or_what_it_lacks() {
    let (ca, twin, other) =
        (Ca::until("Test Root", 2030), Ca::until("Test Root", 2030), Ca::until("Other", 2030));
    let chain = ca.chain("mx.test");
    let host = Hostname::parse("mx.test").unwrap();
    let decisive = ca.roots("ca.pem");
    let links = links(&chain);
    let needed = needed(&links, &decisive);
    let case = Case {
        chain: &chain,
        host: &host,
        needed: &needed,
        now: Timestamp::from_unix(NOW),
        accepted: true,
    };
    let mut lines = vec![
        said(&compiled_in(Kind::Reference, &decisive, case)),
        said(&compiled_in(Kind::Mozilla, &Roots::mozilla(), case)),
    ];
    for held in [
        Ok(vec![other.der(), ca.der()]),
        Ok(vec![other.der()]),
        Ok(vec![twin.der()]),
        Ok(vec![]),
        Err(Unread::Empty("no certificate is in it".to_owned())),
        Err(Unread::Unknown("keytool is not installed".to_owned())),
    ] {
        lines.push(said(&row(&store(Kind::System, held), case)));
    }
    let refused = Case { accepted: false, ..case };
    lines.push(said(&row(&store(Kind::System, Ok(vec![other.der()])), refused)));
    expect![[r#"
        ok by Test Root
        FAIL Test Root is none of them
        ok by Test Root
        FAIL Test Root is missing
        FAIL Test Root is in it with another key
        FAIL Test Root is missing
        FAIL no certificate is in it
        ? keytool is not installed
        FAIL Test Root is not in it"#]]
    .assert_eq(&lines.join("\n"));
}

#[test]
fn a_root_that_has_ended_is_none_for_openssl_and_one_for_java() {
    let ca = Ca::until("Old Root", 2021);
    let chain = ca.chain("mx.test");
    let host = Hostname::parse("mx.test").unwrap();
    let needed = needed(&links(&chain), &ca.roots("ca.pem"));
    let case = Case {
        chain: &chain,
        host: &host,
        needed: &needed,
        now: Timestamp::from_unix(NOW),
        accepted: true,
    };
    let rows = [Kind::System, Kind::Java].map(|kind| row(&store(kind, Ok(vec![ca.der()])), case));
    expect![[r#"
        FAIL Old Root in it ended 2021-12-31T00:00:00Z
        ok by Old Root"#]]
    .assert_eq(&rows.map(|row| said(&row)).join("\n"));
}

#[test]
fn the_way_upwards_names_every_root_that_would_do() {
    let ca = Ca::until("Test Root", 2030);
    let mut chain = ca.chain("mx.test");
    chain.push(Ca::until("A Stranger", 2030).der().to_vec());
    chain.push(ca.der().to_vec());
    chain.push(b"\x30\x03abc".to_vec());
    let links = links(&chain);
    let subjects: Vec<&str> = links.iter().map(|link| link.subject.as_str()).collect();
    assert_eq!(subjects, ["rcgen self signed cert", "Test Root"]);
    assert_eq!((links[0].key.as_str(), links[0].strength), ("EC-256", 128));
    let of = |roots: &Roots| -> Vec<String> {
        needed(&links, roots).iter().map(|root| root.name.clone()).collect()
    };
    assert_eq!(of(&ca.roots("ca.pem")), ["Test Root", "Test Root"]);
    assert_eq!(of(&Roots::mozilla()), ["Test Root"]);
    assert!(needed(&[], &Roots::mozilla()).is_empty());
}

#[test]
fn what_keytool_lists_is_read_and_what_is_damaged_is_passed_over() {
    let ca = Ca::until("Test Root", 2030);
    let listed = format!(
        "Keystore type: PKCS12\n\nYour keystore contains 2 entries\n\nAlias name: one\n\
         Creation date: Jun 24, 2025\nEntry type: trustedCertEntry\n\n{}\n\n\n\
         *******************************************\n\nAlias name: two\n\
         -----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n{}",
        ca.pem(),
        Ca::until("Other", 2030).pem(),
    );
    let found = certificates(&listed);
    assert_eq!(found.len(), 2);
    assert_eq!(found[0], ca.der());
    assert!(certificates("keytool error: java.io.IOException\n").is_empty());
}
