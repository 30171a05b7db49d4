//! Every fault of a chain, from certificates made for it.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyPair, KeyUsagePurpose, NameConstraints,
    PKCS_ED25519,
};
use time::{Duration, OffsetDateTime};

use super::{Known, judge};
use crate::model::{Code, Hostname, Timestamp};
use crate::trust::Roots;

pub(super) type Ca = CertifiedIssuer<'static, KeyPair>;
/// What it is, the chain as sent, and what is found.
type Case<'a> = (&'a str, Vec<Vec<u8>>, &'a [Code]);

fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap()
}

pub(super) fn moment() -> Timestamp {
    Timestamp::from_unix(now().unix_timestamp())
}

fn named(cn: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, cn);
    name
}

pub(super) fn dated(mut params: CertificateParams, from: i64, to: i64) -> CertificateParams {
    params.not_before = now() + Duration::days(from);
    params.not_after = now() + Duration::days(to);
    params
}

pub(super) fn ca_params(cn: &str) -> CertificateParams {
    let mut params = dated(CertificateParams::default(), -1000, 1000);
    params.distinguished_name = named(cn);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.use_authority_key_identifier_extension = true;
    params
}

pub(super) fn leaf_params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = dated(CertificateParams::new(names).unwrap(), -30, 60);
    params.distinguished_name = DistinguishedName::new();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params
}

pub(super) fn root(cn: &str) -> Ca {
    Ca::self_signed(ca_params(cn), KeyPair::generate().unwrap()).unwrap()
}

pub(super) fn under(params: CertificateParams, issuer: &Ca) -> Ca {
    Ca::signed_by(params, KeyPair::generate().unwrap(), issuer).unwrap()
}

pub(super) fn leaf(params: &CertificateParams, issuer: &Ca) -> Vec<u8> {
    params.signed_by(&KeyPair::generate().unwrap(), issuer).unwrap().der().to_vec()
}

pub(super) fn der(ca: &Ca) -> Vec<u8> {
    ca.der().to_vec()
}

/// A public root, an intermediate under it, and the same of somebody else.
pub(super) struct Pki {
    pub(super) root: Ca,
    pub(super) middle: Ca,
    pub(super) other: Ca,
    pub(super) other_middle: Ca,
    pub(super) roots: Roots,
}

pub(super) fn pki() -> Pki {
    let root = root("Good Root");
    let other = self::root("Private Root");
    let roots = Roots::from_pem("the test's roots", &root.pem()).unwrap();
    Pki {
        middle: under(ca_params("Good CA 1"), &root),
        other_middle: under(ca_params("Private CA 1"), &other),
        root,
        other,
        roots,
    }
}

fn found(pki: &Pki, chain: &[Vec<u8>], host: &str) -> Vec<Code> {
    let moment = moment();
    let judgement = judge(chain, &Hostname::parse(host).unwrap(), Known::only(&pki.roots), moment);
    assert!(judgement.faults.iter().all(|fault| !fault.found.is_empty()), "{judgement:?}");
    assert!(judgement.faults.iter().all(|fault| fault.expected.is_some()), "{judgement:?}");
    judgement.faults.iter().map(|fault| fault.code).collect()
}

#[test]
fn a_chain_is_judged_by_what_is_sent() {
    let pki = pki();
    let (middle, root, other) = (der(&pki.middle), der(&pki.root), der(&pki.other_middle));
    let mx = leaf_params(&["mx.example.org"]);
    let good = leaf(&mx, &pki.middle);
    let private = leaf(&mx, &pki.other_middle);
    let alone = mx.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
    let ended = under(dated(ca_params("Good CA 0"), -900, -1), &pki.root);
    let mut toothless = ca_params("Good CA 2");
    toothless.is_ca = IsCa::ExplicitNoCa;
    let toothless = under(toothless, &pki.root);
    let mut narrow = ca_params("Good CA 3");
    narrow.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName("example.com".to_owned())],
        excluded_subtrees: vec![],
    });
    let narrow = under(narrow, &pki.root);
    let mut namesake = leaf_params(&["mx.example.org"]);
    namesake.distinguished_name = named("Private Root");
    namesake.use_authority_key_identifier_extension = false;
    let namesake = leaf(&namesake, &pki.other);
    let twin = under(ca_params("Good CA 1"), &pki.root);
    let cases: &[Case] = &[
        ("good", vec![good.clone(), middle.clone()], &[]),
        ("under the root itself", vec![leaf(&mx, &pki.root)], &[]),
        ("self-signed", vec![alone.clone()], &[Code::SelfSigned]),
        (
            "self-signed and sent with a CA",
            vec![alone, middle.clone()],
            &[Code::SelfSigned, Code::ChainExtra],
        ),
        ("named as its issuer", vec![namesake], &[Code::MissingIntermediate]),
        ("leaf alone", vec![good.clone()], &[Code::MissingIntermediate]),
        ("with the root only", vec![good.clone(), root.clone()], &[Code::MissingIntermediate]),
        ("another CA's", vec![good.clone(), other.clone()], &[Code::WrongIntermediate]),
        ("a CA's twin", vec![good.clone(), der(&twin)], &[Code::WrongIntermediate]),
        ("private", vec![private.clone(), other.clone()], &[Code::UntrustedRoot]),
        (
            "private with root",
            vec![private, other.clone(), der(&pki.other)],
            &[Code::UntrustedRoot, Code::RootSent],
        ),
        ("leaf last", vec![middle.clone(), good.clone()], &[Code::LeafNotFirst]),
        ("with root", vec![good.clone(), middle.clone(), root.clone()], &[Code::RootSent]),
        (
            "root before",
            vec![good.clone(), root, middle.clone()],
            &[Code::RootSent, Code::ChainOrder],
        ),
        ("twice", vec![good.clone(), good.clone(), middle.clone()], &[Code::ChainDuplicate]),
        ("a stranger", vec![good.clone(), middle, other], &[Code::ChainExtra]),
        ("expired CA", vec![leaf(&mx, &ended), der(&ended)], &[Code::IntermediateExpired]),
        ("no CA", vec![leaf(&mx, &toothless), der(&toothless)], &[Code::NotACa]),
        ("constrained", vec![leaf(&mx, &narrow), der(&narrow)], &[Code::NameConstraint]),
        ("garbage", vec![b"\x30\x03abc".to_vec()], &[Code::ProtocolViolation]),
        ("nothing", vec![], &[Code::ProtocolViolation]),
    ];
    for (what, chain, expected) in cases {
        assert_eq!(found(&pki, chain, "mx.example.org"), *expected, "{what}");
    }
}

#[test]
fn many_certificates_are_too_many() {
    let pki = pki();
    let mut chain = vec![leaf(&leaf_params(&["mx.example.org"]), &pki.middle), der(&pki.middle)];
    chain.extend((0..60).map(|n| der(&root(&format!("Stranger {n}")))));
    assert_eq!(found(&pki, &chain, "mx.example.org"), [Code::ChainExtra, Code::ChainTooLong]);
    let names: Vec<String> = (0..1500).map(|n| format!("n{n}.example.org")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let chain = vec![leaf(&leaf_params(&names), &pki.middle), der(&pki.middle)];
    assert_eq!(found(&pki, &chain, "n7.example.org"), [Code::LargeCertificate]);
}

#[test]
fn only_the_alternative_names_count_and_a_wildcard_is_one_whole_label() {
    let pki = pki();
    for (names, cn, host, expected) in [
        (&["mx.example.org"][..], "", "mx.example.org", None),
        (&["MX.Example.ORG"], "", "mx.example.org", None),
        (&["*.example.org"], "", "mx.example.org", None),
        (&["xn--mx-eka.example.org"], "", "xn--mx-eka.example.org", None),
        (&["www.example.org"], "", "mx.example.org", Some((Code::NameMismatch, None))),
        (
            &["www.example.org"],
            "mx.example.org",
            "mx.example.org",
            Some((Code::NameMismatch, Some("the CN matches, but the subjectAltName alone counts"))),
        ),
        (
            &[],
            "mx.example.org",
            "mx.example.org",
            Some((
                Code::NoSan,
                Some("the CN matches, but there is no subjectAltName, and nothing else counts"),
            )),
        ),
        (
            &["*.example.org"],
            "",
            "a.mx.example.org",
            Some((Code::NameMismatch, Some("*.example.org stands for one label, not for two"))),
        ),
        (
            &["*.example.org"],
            "",
            "example.org",
            Some((Code::NameMismatch, Some("*.example.org does not stand for example.org itself"))),
        ),
        (
            &["mx*.example.org"],
            "",
            "mx1.example.org",
            Some((Code::NameMismatch, Some("mx*.example.org: a wildcard is one whole label"))),
        ),
        (&["*.test"], "", "mx.test", Some((Code::NameMismatch, None))),
        (&["192.0.2.7"], "", "mx.example.org", Some((Code::NameMismatch, None))),
        (
            &["example.org"],
            "",
            "mx.example.org",
            Some((
                Code::NameMismatch,
                Some("it is for example.org; a sender asks for mx.example.org"),
            )),
        ),
    ] {
        let mut params = leaf_params(names);
        if !cn.is_empty() {
            params.distinguished_name = named(cn);
        }
        let chain = [leaf(&params, &pki.middle), der(&pki.middle)];
        let moment = moment();
        let host = Hostname::parse(host).unwrap();
        let judgement = judge(&chain, &host, Known::only(&pki.roots), moment);
        let seen: Vec<_> =
            judgement.faults.iter().map(|fault| (fault.code, fault.why.as_deref())).collect();
        assert_eq!(seen, expected.into_iter().collect::<Vec<_>>(), "{names:?} {cn} {host}");
    }
}

#[test]
fn dates_are_told_in_days() {
    let pki = pki();
    let moment = moment();
    let host = Hostname::parse("mx.example.org").unwrap();
    for (from, to, expected) in [
        (-30, 60, None),
        (-87, 3, Some((Code::ExpiresSoon, "it ends 2027-01-18T08:00:00Z, in 3 days"))),
        (-76, 14, Some((Code::ExpiresSoon, "it ends 2027-01-29T08:00:00Z, in 14 days"))),
        (-3, 4, None),
        (-5, 2, Some((Code::ExpiresSoon, "it ends 2027-01-17T08:00:00Z, in 2 days"))),
        (-3000, 40, None),
        (-100, -10, Some((Code::Expired, "it ended 2027-01-05T08:00:00Z, 10 days ago"))),
        (5, 95, Some((Code::NotYetValid, "it begins 2027-01-20T08:00:00Z, in 5 days"))),
    ] {
        let params = dated(leaf_params(&["mx.example.org"]), from, to);
        let chain = [leaf(&params, &pki.middle), der(&pki.middle)];
        let judgement = judge(&chain, &host, Known::only(&pki.roots), moment);
        let seen: Vec<_> =
            judgement.faults.iter().map(|fault| (fault.code, fault.found[0].as_str())).collect();
        assert_eq!(seen, expected.into_iter().collect::<Vec<_>>(), "{from} {to}");
    }
}

#[test]
fn purpose_and_key_are_told() {
    let pki = pki();
    let mut params = leaf_params(&["mx.example.org"]);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let chain = [leaf(&params, &pki.middle), der(&pki.middle)];
    assert_eq!(found(&pki, &chain, "mx.example.org"), [Code::WrongPurpose]);
    let mut params = leaf_params(&["mx.example.org"]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let chain = [leaf(&params, &pki.middle), der(&pki.middle)];
    assert_eq!(found(&pki, &chain, "mx.example.org"), [Code::WrongPurpose]);
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let params = leaf_params(&["mx.example.org"]);
    let chain = [params.signed_by(&key, &pki.middle).unwrap().der().to_vec(), der(&pki.middle)];
    assert_eq!(found(&pki, &chain, "mx.example.org"), [Code::UnusualKey]);
}

#[test]
fn all_faults_of_one_certificate_are_told_at_once() {
    let pki = pki();
    let mut params = dated(leaf_params(&["www.example.org"]), -100, -10);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let all = [Code::MissingIntermediate, Code::WrongPurpose, Code::NameMismatch, Code::Expired];
    assert_eq!(found(&pki, &[leaf(&params, &pki.middle)], "mx.example.org"), all);
    let mut params = ca_params("mx.example.org");
    params.not_after = now() - Duration::days(1);
    let snake_oil = params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
    let all = [Code::SelfSigned, Code::NoSan, Code::Expired];
    assert_eq!(found(&pki, &[snake_oil], "mx.example.org"), all);
}

/// Made by openssl, since our own library refuses to make them.
#[test]
fn weak_keys_and_signatures_are_told() {
    let pki = pki();
    for (what, pem, expected) in [
        ("RSA-1024", include_str!("weak/rsa1024.pem"), Code::WeakKey),
        ("SHA-1", include_str!("weak/sha1.pem"), Code::WeakSignature),
    ] {
        let chain = super::chain_of_pem(pem).unwrap();
        let codes = found(&pki, &chain, "mx.example.org");
        assert_eq!(codes[..2], [Code::MissingIntermediate, expected], "{what}");
    }
}

/// The key of a certificate, as a CA gets it in a request.
struct KeyOf(Vec<u8>);

impl rcgen::PublicKeyData for KeyOf {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_RSA_SHA256
    }
}

/// webpki asks nothing of the leaf's key, so a chain that holds says nothing of it.
#[test]
fn a_weak_key_is_told_in_a_chain_that_holds() {
    let pki = pki();
    let old = super::chain_of_pem(include_str!("weak/rsa1024.pem")).unwrap();
    let (_, old) = x509_parser::parse_x509_certificate(&old[0]).unwrap();
    let key = KeyOf(old.public_key().subject_public_key.data.to_vec());
    let weak = leaf_params(&["mx.example.org"]).signed_by(&key, &pki.middle).unwrap();
    let chain = [weak.der().to_vec(), der(&pki.middle)];
    assert_eq!(found(&pki, &chain, "mx.example.org"), [Code::WeakKey]);
}
