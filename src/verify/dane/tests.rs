//! Records against chains made for it.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::{Outcome, Tlsa};
use crate::dns::Record;
use crate::model::{Hostname, Timestamp};

const NOW: i64 = 1_800_000_000;
const MX: &str = "mx.example.org";

fn ca() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A chain of two for a host that ends `days` after now.
fn chain(ca: &CertifiedIssuer<'static, KeyPair>, host: &str, days: i64) -> Vec<Vec<u8>> {
    let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
    let day = |days| time::OffsetDateTime::from_unix_timestamp(NOW + days * 86_400).unwrap();
    (params.not_before, params.not_after) = (day(-90), day(days));
    let leaf = params.signed_by(&KeyPair::generate().unwrap(), ca).unwrap();
    vec![leaf.der().to_vec(), ca.der().to_vec()]
}

fn tlsa(usage: u8, selector: u8, matching: u8, of: &[u8]) -> Tlsa {
    Tlsa { usage, selector, matching, data: Vec::new() }.of_certificate(of).unwrap()
}

fn compare(record: &Tlsa, chain: &[Vec<u8>], host: &str) -> Outcome {
    let hosts = [Hostname::parse("other.example").unwrap(), Hostname::parse(host).unwrap()];
    record.compare(chain, &[&hosts[0], &hosts[1]], Timestamp::from_unix(NOW))
}

#[test]
fn each_kind_of_record_finds_its_certificate_and_no_other() {
    let (ca, other) = (ca(), ca());
    let (right, wrong) = (chain(&ca, MX, 60), chain(&other, MX, 60));
    for selector in [0, 1] {
        for matching in [0, 1, 2] {
            for (usage, at) in [(3, 0), (2, 1)] {
                let record = tlsa(usage, selector, matching, &right[at]);
                assert_eq!(compare(&record, &right, MX), Outcome::Matches, "{record}");
                assert_eq!(compare(&record, &wrong, MX), Outcome::Differs, "{record}");
                let crossed = Tlsa { usage: 5 - usage, ..record };
                assert_eq!(compare(&crossed, &right, MX), Outcome::Differs, "{crossed}");
            }
        }
    }
}

#[test]
fn usage_3_asks_for_neither_names_nor_dates_and_usage_2_for_both() {
    let ca = ca();
    let (old, elsewhere) = (chain(&ca, MX, -1), chain(&ca, "www.example.org", 60));
    for chain in [&old, &elsewhere] {
        assert_eq!(compare(&tlsa(3, 1, 1, &chain[0]), chain, MX), Outcome::Matches);
    }
    let broken = |chain: &[Vec<u8>]| match compare(&tlsa(2, 1, 1, &chain[1]), chain, MX) {
        Outcome::Broken(why) => why,
        other => panic!("{other:?}"),
    };
    assert_eq!(broken(&old), "a certificate of the chain has ended");
    assert_eq!(broken(&elsewhere), "the certificate is not for other.example or mx.example.org");
    // A CA that is only sent along.
    let mixed = vec![elsewhere[0].clone(), self::ca().der().to_vec()];
    assert_eq!(broken(&mixed), "the certificates sent do not lead to it");
}

#[test]
fn what_does_not_count_says_why() {
    for (rdata, expected) in [
        (&[3, 1, 1][..], "0 bytes of data for matching type 1; expected 32"),
        (&[3, 1, 2, 7], "1 bytes of data for matching type 2; expected 64"),
        (&[2, 0, 0], "0 bytes of data for matching type 0; expected a certificate or a key"),
        (&[1, 1, 1, 7], "usage 1 does not count between mail servers; expected 3 or 2"),
        (&[255, 1, 1, 7], "usage 255 does not count between mail servers; expected 3 or 2"),
        (&[3, 2, 1, 7], "selector 2 is unknown; expected 1 or 0"),
        (&[3, 1, 3, 7], "matching type 3 is unknown; expected 1, 2 or 0"),
    ] {
        let record = Tlsa::parse(rdata).unwrap();
        assert_eq!(record.unusable().unwrap().to_string(), expected);
        assert_eq!(compare(&record, &chain(&ca(), MX, 60), MX), Outcome::Differs, "{record}");
    }
    assert_eq!(Tlsa::parse(&[3, 1]), None);
    let record = Tlsa::parse(&[[3, 1, 1].as_slice(), &[0xab; 32]].concat()).unwrap();
    assert_eq!(record.unusable(), None);
    assert_eq!(record.to_string(), format!("3 1 1 {}", "ab".repeat(32)));
    let same = Record::Tlsa { usage: 3, selector: 1, matching: 1, data: vec![0xab; 32] };
    assert_eq!(Tlsa::of(&same), Some(record));
}

#[test]
fn what_is_no_certificate_matches_nothing() {
    let ca = ca();
    let right = chain(&ca, MX, 60);
    let junk = vec![vec![0x30, 0x82, 0xff, 0xff], Vec::new(), vec![0; 500]];
    for usage in [2, 3] {
        let record = tlsa(usage, 1, 1, &right[0]);
        assert_eq!(compare(&record, &junk, MX), Outcome::Differs);
        assert_eq!(compare(&record, &[], MX), Outcome::Differs);
    }
    // A leaf of junk below the right CA.
    let record = tlsa(2, 1, 1, &right[1]);
    let below = vec![vec![0x30, 0x80], right[1].clone()];
    assert!(matches!(compare(&record, &below, MX), Outcome::Broken(_)));
}
