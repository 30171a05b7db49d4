//! Mail domains that publish what TLS their MX hosts have: MTA-STS (RFC 8461), DANE (RFC 7672).

use mailcert::model::Sha256;
use rcgen::{KeyPair, PublicKeyData as _};

use super::mode::{Kind, Mode};
use super::pki::{Pki, dated, leaf, signed, signed_for};

/// The table.
pub(crate) fn modes(pki: &Pki) -> Vec<Mode> {
    let mut modes = mta_sts(pki);
    modes.extend(dane(pki));
    modes
}

fn mta_sts(pki: &Pki) -> Vec<Mode> {
    let named = |name: &str, about: &'static str, policy: Option<&str>| {
        Mode::new(Kind::Policy, name, about).by_domain().mta_sts(policy)
    };
    let policy = |mode: &str, mx: &str| {
        format!("version: STSv1\r\nmode: {mode}\r\nmx: {mx}\r\nmax_age: 604800\r\n")
    };
    let ours = "*.mta-sts.farm.test";
    let host = |name: &str| format!("{name}.mta-sts.farm.test");
    let with = |name: &str, about, mode: &str, mx: &str| {
        named(name, about, Some(&policy(mode, mx))).host(&host(name))
    };
    vec![
        with("sts-enforce", "MTA-STS: enforce, and all is as it says", "enforce", ours).good(pki),
        with("sts-unlisted", "MTA-STS: enforce, the MX is not listed", "enforce", "mx.farm.test")
            .good(pki)
            .refused(&["mta-sts-mismatch"]),
        with("sts-expired", "MTA-STS: enforce, the MX's certificate has ended", "enforce", ours)
            .shows(|host| signed(dated(leaf(&[host]), -100, -10), &pki.middle))
            .refused(&["mta-sts-mismatch", "expired"]),
        with("sts-testing", "MTA-STS: testing, the MX is not listed", "testing", "mx.farm.test")
            .good(pki)
            .warns(&["mta-sts-mismatch"]),
        with("sts-none", "MTA-STS: none, the MX is not listed", "none", "mx.farm.test").good(pki),
        named("sts-404", "MTA-STS: a record without a policy", None)
            .good(pki)
            .warns(&["mta-sts-broken"]),
        named("sts-garbage", "MTA-STS: a policy that is none", Some("\x1b[2J<html>\r\n"))
            .good(pki)
            .warns(&["mta-sts-broken"]),
    ]
}

fn dane(pki: &Pki) -> Vec<Mode> {
    let mode = |name: &str, about| Mode::new(Kind::Policy, name, about).by_domain();
    let key = KeyPair::generate().expect("a key");
    let hash = Sha256::of(&key.subject_public_key_info());
    let right = format!("_25._tcp.{{host}} TLSA 3 1 1 {hash}");
    let wrong = format!("_25._tcp.{{host}} TLSA 3 1 1 {}", "00".repeat(32));
    let signed = "{domain} secure";
    vec![
        mode("dane", "DANE: the record is that of the key")
            .shows(|host| signed_for(leaf(&[host]), &key, &pki.middle))
            .zone(&format!("{right}\n{signed}")),
        mode("dane-rollover", "DANE: one record of two is that of the key")
            .shows(|host| signed_for(leaf(&[host]), &key, &pki.middle))
            .zone(&format!("{wrong}\n{right}\n{signed}")),
        mode("dane-mismatch", "DANE: the record is that of another key")
            .good(pki)
            .zone(&format!("{wrong}\n{signed}"))
            .warns(&["dane-mismatch"]),
        mode("dane-unsigned", "DANE: the same, and DNSSEC does not vouch for it")
            .good(pki)
            .zone(&wrong),
        mode("dane-broken", "DANE: the zone is signed, the record cannot be had")
            .good(pki)
            .zone(&format!("_25._tcp.{{host}} SERVFAIL\n{signed}"))
            .warns(&["dane-broken"]),
    ]
}
