//! What is said of a chain that reaches no root, and every fault of its issuers beside it.

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyPair, KeyUsagePurpose, NameConstraints,
};

use crate::model::{Code, Hostname};
use crate::trust::Roots;
use crate::verify::Fault;
use crate::verify::judge::tests::{
    Ca, ca_params, dated, der, leaf, leaf_params, moment, pki, root, under,
};
use crate::verify::judge::{Known, judge};

const MX: &str = "mx.example.org";

/// What it is, the chain as sent, the issuers that are known beside it, and what is told.
type Case<'a> = (&'a str, Vec<Vec<u8>>, Vec<Vec<u8>>, &'a [&'a str]);

fn judged(sent: &[Vec<u8>], known: &[Vec<u8>], roots: &Roots) -> Vec<Fault> {
    let known = Known { roots, intermediates: known };
    judge(sent, &Hostname::parse(MX).unwrap(), known, moment()).faults
}

/// The faults, each as `code: why`.
fn told(sent: &[Vec<u8>], known: &[Vec<u8>], roots: &Roots) -> Vec<String> {
    let faults = judged(sent, known, roots);
    let told = faults.into_iter().map(|fault| {
        assert!(!fault.found.is_empty() && fault.expected.is_some(), "{fault:?}");
        format!("{}: {}", fault.code, fault.why.unwrap_or_default())
    });
    told.collect()
}

fn codes(sent: &[Vec<u8>], roots: &Roots) -> Vec<Code> {
    judged(sent, &[], roots).into_iter().map(|fault| fault.code).collect()
}

fn mx() -> CertificateParams {
    leaf_params(&[MX])
}

/// C=US, O=.., CN=.. in this order.
fn of(organization: &str, cn: &str) -> CertificateParams {
    let mut params = ca_params(cn);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CountryName, "US");
    params.distinguished_name.push(DnType::OrganizationName, organization);
    params.distinguished_name.push(DnType::CommonName, cn);
    params
}

fn self_made(params: CertificateParams) -> Ca {
    Ca::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

#[test]
fn what_is_missing_is_named_where_a_known_issuer_finishes_the_chain() {
    let pki = pki();
    let low = under(ca_params("Good CA 1 A"), &pki.middle);
    let (top, low_der, stranger) = (der(&pki.middle), der(&low), der(&pki.other_middle));
    let signed = leaf(&mx(), &low);
    for (sent, known, expected) in [
        (
            vec![signed.clone()],
            vec![top.clone(), low_der.clone()],
            "missing-intermediate: missing: CN=Good CA 1 A and CN=Good CA 1; with them the chain \
             reaches CN=Good Root",
        ),
        (
            vec![signed.clone(), low_der.clone()],
            vec![top.clone()],
            "missing-intermediate: missing: CN=Good CA 1; with it the chain reaches CN=Good Root",
        ),
        (
            vec![signed.clone(), top.clone()],
            vec![low_der.clone()],
            "wrong-intermediate: the certificate sent after the leaf did not sign it: the names \
             differ; missing: CN=Good CA 1 A; with it the chain reaches CN=Good Root",
        ),
        (
            vec![signed.clone(), stranger],
            vec![top.clone(), low_der.clone()],
            "wrong-intermediate: the certificate sent after the leaf did not sign it: the names \
             differ; missing: CN=Good CA 1 A and CN=Good CA 1; with them the chain reaches \
             CN=Good Root",
        ),
        (
            vec![signed.clone()],
            vec![low_der],
            "missing-intermediate: missing: CN=Good CA 1 A; whether that leads to a public root \
             is not known here",
        ),
        (
            vec![signed],
            vec![],
            "missing-intermediate: Good CA 1 A signed it and is no root that senders know. Whether \
             it leads to one, or is a private CA, is not known here",
        ),
    ] {
        assert_eq!(told(&sent, &known, &pki.roots), [expected]);
    }
}

#[test]
fn a_wrong_intermediate_says_in_what_it_differs() {
    let pki = pki();
    let twin = under(ca_params("Good CA 1"), &pki.root);
    let sent = [leaf(&mx(), &pki.middle), der(&twin)];
    let [told_of_ids] = &told(&sent, &[der(&pki.middle)], &pki.roots)[..] else { panic!() };
    assert!(
        told_of_ids
            .starts_with("wrong-intermediate: the name is right, but the key identifiers differ: ")
            && told_of_ids
                .ends_with("; missing: CN=Good CA 1; with it the chain reaches CN=Good Root"),
        "{told_of_ids}"
    );
    let mut plain = mx();
    plain.use_authority_key_identifier_extension = false;
    let sent = [leaf(&plain, &pki.middle), der(&twin)];
    let [told_of_key] = &told(&sent, &[], &pki.roots)[..] else { panic!() };
    assert!(told_of_key.contains("the name is right, but another key made the signature; "));
}

#[test]
fn a_root_that_is_not_public_says_which_it_is() {
    let pki = pki();
    let private = "untrusted-root: a private CA, or one that is not public: only those who were \
                   given its root know it";
    let staging = "untrusted-root: it comes from Let's Encrypt's staging environment, whose \
                   certificates are for tests; order from production";
    let short = "untrusted-root: the short chain of Let's Encrypt: public lists do not have Root \
                 YE yet. Its default chain goes on with Root YE signed by ISRG Root X2; install \
                 that one (no preferred chain)";
    let pretend = self_made(of("(STAGING) Internet Security Research Group", "(STAGING) Pear"));
    let mulberry = under(of("(STAGING) Let's Encrypt", "(STAGING) Mulberry E8"), &pretend);
    let new_root = self_made(of("ISRG", "Root YE"));
    let ye1 = under(of("Let's Encrypt", "YE1"), &new_root);
    let twin = root("Good Root");
    let retired = self_made(of("Digital Signature Trust Co.", "DST Root CA X3"));
    let alone = |ca: &Ca| leaf(&mx(), ca);
    let with = |ca: &Ca| vec![leaf(&mx(), ca), der(ca)];
    let cases: &[Case<'_>] = &[
        ("private", with(&pki.other_middle), vec![], &[private]),
        ("private, its root known", with(&pki.other_middle), vec![der(&pki.other)], &[private]),
        ("under a private root", vec![alone(&pki.other)], vec![der(&pki.other)], &[private]),
        (
            "private and nothing sent",
            vec![alone(&pki.other_middle)],
            vec![der(&pki.other), der(&pki.other_middle)],
            &[
                "missing-intermediate: missing: CN=Private CA 1; with it the chain reaches \
                 CN=Private Root",
                private,
            ],
        ),
        ("staging", with(&mulberry), vec![], &[staging]),
        (
            "staging, leaf alone",
            vec![alone(&mulberry)],
            vec![],
            &[
                "missing-intermediate: (STAGING) Let's Encrypt (STAGING) Mulberry E8 signed it",
                staging,
            ],
        ),
        ("Root YE not sent", with(&ye1), vec![], &[short]),
        (
            "Root YE sent",
            vec![alone(&ye1), der(&ye1), der(&new_root)],
            vec![],
            &[short, "root-sent: "],
        ),
        (
            "YE1, leaf alone",
            vec![alone(&ye1)],
            vec![],
            &["missing-intermediate: by its name YE1 is an intermediate of Let's Encrypt; --aia \
               fetches it as a proof"],
        ),
        (
            "YE1 and Root YE known",
            vec![alone(&ye1)],
            vec![der(&ye1), der(&new_root)],
            &["missing-intermediate: missing: C=US, O=Let's Encrypt, CN=YE1; with it the chain \
               reaches C=US, O=ISRG, CN=Root YE; C=US, O=ISRG, CN=Root YE signed by ISRG Root X2 \
               belongs to it, too"],
        ),
        (
            "a root's name",
            vec![alone(&twin)],
            vec![],
            &["untrusted-root: a root of this name is trusted, but it has another key"],
        ),
        (
            "retired",
            with(&retired),
            vec![],
            &[
                "untrusted-root: it was public once and is no more: it ended in September 2021",
                "root-sent: ",
            ],
        ),
    ];
    for (what, sent, known, expected) in cases {
        assert_eq!(told(sent, known, &pki.roots), *expected, "{what}");
    }
}

#[test]
fn a_way_beside_an_expired_root_is_no_fault() {
    let pki = pki();
    let old = self_made(dated(ca_params("Old Root"), -3000, -10));
    let key = KeyPair::try_from(pki.root.key().serialize_der().as_slice()).unwrap();
    let crossed = Ca::signed_by(ca_params("Good Root"), key, &old).unwrap();
    let sent = [leaf(&mx(), &pki.middle), der(&pki.middle), der(&crossed)];
    assert_eq!(codes(&sent, &pki.roots), []);
    // Nor is it where another fault of the leaf makes us look closer.
    let late = leaf(&dated(mx(), -90, -1), &pki.middle);
    assert_eq!(codes(&[late, der(&pki.middle), der(&crossed)], &pki.roots), [Code::Expired]);
}

fn constrained(
    cn: &str,
    permitted: &[GeneralSubtree],
    excluded: &[GeneralSubtree],
) -> CertificateParams {
    let mut params = ca_params(cn);
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: permitted.to_vec(),
        excluded_subtrees: excluded.to_vec(),
    });
    params
}

fn dns(domain: &str) -> GeneralSubtree {
    GeneralSubtree::DnsName(domain.to_owned())
}

#[test]
fn each_fault_of_an_issuer_is_told_beside_the_others() {
    let pki = pki();
    let mut wrong = constrained("Bad CA", &[dns("example.com")], &[]);
    wrong.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    wrong.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let wrong = under(dated(wrong, -900, -1), &pki.root);
    let mut worse = dated(leaf_params(&["www.example.org"]), -100, -10);
    worse.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let all = [
        Code::IntermediateExpired,
        Code::NotACa,
        Code::WrongPurpose,
        Code::NameConstraint,
        Code::WrongPurpose,
        Code::NameMismatch,
        Code::Expired,
    ];
    assert_eq!(codes(&[leaf(&worse, &wrong), der(&wrong)], &pki.roots), all);
    // The same where its own issuer is missing, too.
    let mut low = constrained("Bad CA 2", &[dns("example.com")], &[]);
    low.is_ca = IsCa::ExplicitNoCa;
    let low = under(dated(low, -900, -1), &pki.middle);
    let sent = [leaf(&mx(), &low), der(&low)];
    let all = [Code::UntrustedRoot, Code::IntermediateExpired, Code::NotACa, Code::NameConstraint];
    assert_eq!(codes(&sent, &pki.roots), all);
}

#[test]
fn an_issuer_signs_what_it_may_and_no_more() {
    let pki = pki();
    let ip = |text: &str| {
        let subnet: CidrSubnet = text.parse().unwrap();
        GeneralSubtree::IpAddress(subnet)
    };
    let mut no_sign = ca_params("No signer");
    no_sign.key_usages = vec![KeyUsagePurpose::CrlSign];
    let mut flat = ca_params("Flat CA");
    flat.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let mut clients = ca_params("Client CA");
    clients.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let cases: Vec<(&str, CertificateParams, &[&str], &[Code])> = vec![
        ("as it should", constrained("A", &[dns("example.org")], &[]), &[MX], &[]),
        ("a wildcard", constrained("B", &[dns("org")], &[]), &["*.example.org"], &[]),
        ("no address is asked", constrained("C", &[ip("192.0.2.0/24")], &[]), &[MX], &[]),
        ("excluded", constrained("D", &[], &[dns("example.org")]), &[MX], &[Code::NameConstraint]),
        (
            "one of two names",
            constrained("E", &[dns("example.org")], &[]),
            &[MX, "mx.example.net"],
            &[Code::NameConstraint],
        ),
        (
            "an address",
            constrained("F", &[ip("192.0.2.0/24")], &[]),
            &[MX, "198.51.100.7"],
            &[Code::NameConstraint],
        ),
        (
            "an address within",
            constrained("G", &[ip("192.0.2.0/24")], &[]),
            &[MX, "192.0.2.7"],
            &[],
        ),
        ("not for signing", no_sign, &[MX], &[Code::NotACa]),
        ("for clients", clients, &[MX], &[Code::WrongPurpose]),
        ("no CA below it, and none is", flat.clone(), &[MX], &[]),
        ("not yet", dated(ca_params("H"), 5, 500), &[MX], &[Code::NotYetValid]),
    ];
    for (what, params, names, expected) in cases {
        let issuer = under(params, &pki.root);
        let sent = [leaf(&leaf_params(names), &issuer), der(&issuer)];
        assert_eq!(codes(&sent, &pki.roots), expected, "{what}");
    }
    let flat = under(flat, &pki.root);
    let low = under(ca_params("Below it"), &flat);
    let sent = [leaf(&mx(), &low), der(&low), der(&flat)];
    assert_eq!(codes(&sent, &pki.roots), [Code::NotACa]);
}

#[test]
fn a_ca_in_the_place_of_the_servers_certificate_is_told_whatever_else_is_wrong() {
    let pki = pki();
    let mut params = ca_params("A server");
    params.subject_alt_names = mx().subject_alt_names;
    let sent = [leaf(&params, &pki.middle)];
    assert_eq!(codes(&sent, &pki.roots), [Code::MissingIntermediate, Code::WrongPurpose]);
}

/// Certificates are a stranger's bytes: whatever one of them is changed to, there is an answer.
#[test]
fn no_change_of_a_byte_breaks_the_judge() {
    let pki = pki();
    let narrow = under(constrained("Narrow CA", &[dns("example.org")], &[]), &pki.middle);
    let good = [leaf(&mx(), &narrow), der(&narrow), der(&pki.middle)];
    let mut seed = 1_u64;
    let mut random = move |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % below
    };
    for _ in 0..500 {
        let mut sent = good.to_vec();
        let which = random(sent.len());
        let at = random(sent[which].len());
        sent[which][at] = u8::try_from(random(256)).unwrap();
        if random(8) == 0 {
            sent[which].truncate(at);
        }
        // A byte that is the same, or not signed, changes nothing; all else has a fault.
        let changed = sent != good;
        let faults = judged(&sent, &[der(&pki.middle)], &pki.roots);
        assert!(changed || faults.is_empty(), "{faults:?}");
        let _ = crate::verify::judge::certificate_of(&sent[which]);
        let _ = crate::verify::judge::Crl::read(&sent[which], &pki.roots);
    }
}
