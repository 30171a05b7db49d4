//! `verify --pem`: files instead of servers.

use expect_test::expect;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SerialNumber,
};
use time::{Date, Month, OffsetDateTime};

use crate::case::Case;

pub(crate) type Issuer = CertifiedIssuer<'static, KeyPair>;

pub(crate) fn day(year: i32, month: u8, day: u8) -> OffsetDateTime {
    let month = Month::try_from(month).unwrap();
    Date::from_calendar_date(year, month, day).unwrap().midnight().assume_utc()
}

pub(crate) fn ca(cn: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, cn);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    (params.not_before, params.not_after) = (day(2020, 1, 1), day(2040, 1, 1));
    params
}

pub(crate) fn leaf(host: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params.serial_number = Some(SerialNumber::from(0x1234_u64));
    (params.not_before, params.not_after) = (day(2027, 1, 1), day(2027, 4, 1));
    params
}

/// A root (`root.pem`), an intermediate, and a pair for mx1.example.org, valid from January to
/// March 2027: `leaf.pem`, `fullchain.pem`, `key.pem`, `combined.pem`.
pub(crate) struct Pki {
    pub(crate) middle: Issuer,
    pub(crate) der: Vec<u8>,
    pub(crate) case: Case,
}

pub(crate) fn pki_with(params: &CertificateParams) -> Pki {
    let root = Issuer::self_signed(ca("Test Root"), KeyPair::generate().unwrap()).unwrap();
    let middle = Issuer::signed_by(ca("Test CA 1"), KeyPair::generate().unwrap(), &root).unwrap();
    let key = KeyPair::generate().unwrap();
    let signed = params.signed_by(&key, &middle).unwrap();
    let (leaf, key) = (signed.pem(), key.serialize_pem());
    let case = Case::new()
        .file("root.pem", &root.pem())
        .file("leaf.pem", &leaf)
        .file("fullchain.pem", &format!("{leaf}{}", middle.pem()))
        .file("backwards.pem", &format!("{}{leaf}", middle.pem()))
        .file("key.pem", &key)
        .mode("key.pem", 0o600)
        .file("combined.pem", &format!("{key}{leaf}{}", middle.pem()))
        .mode("combined.pem", 0o600);
    Pki { middle, der: signed.der().to_vec(), case }
}

pub(crate) fn pki() -> Pki {
    pki_with(&leaf("mx1.example.org"))
}

pub(crate) const AT: &str = "--roots root.pem --at 2027-02-01T00:00:00Z";

#[test]
fn a_good_pair_is_accepted_in_two_files_and_in_one() {
    let case = pki().case;
    for files in ["fullchain.pem --key key.pem", "combined.pem", "fullchain.pem"] {
        let ran = case.run(&format!("verify --pem {files} --host mx1.example.org {AT}"));
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
    }
    let arguments = format!("verify --pem combined.pem --host mx1.example.org {AT}");
    case.run(&arguments).is(expect![[r#"
        --- stdout
        ok    combined.pem: Gmail would accept it as mx1.example.org
              chain ok, name ok, dates ok; judged for TIME
              for mx1.example.org; issued by CN=Test CA 1, ends TIME
        --- exit 0
    "#]]);
}

#[test]
fn the_json_is_that_of_an_endpoint_without_an_address() {
    let case = pki().case;
    let arguments = format!("verify --pem fullchain.pem --host mx1.example.org {AT} --json");
    let answer = case.run(&arguments).json();
    let endpoint = &answer["endpoints"][0];
    assert_eq!(
        (&answer["verdict"], &endpoint["host"]),
        (&"accepted".into(), &"mx1.example.org".into())
    );
    for field in ["address", "sni", "tls"] {
        assert!(endpoint[field].is_null(), "{field}");
    }
    for stage in ["connect", "greeting", "starttls", "handshake"] {
        assert!(endpoint["stages"][stage].is_null(), "{stage}");
    }
    assert_eq!(endpoint["stages"]["chain"], "ok");
    assert_eq!(endpoint["details"]["file"], "fullchain.pem");
    assert_eq!(endpoint["certificate"]["chain_length"], 2);
}

#[test]
fn a_leaf_alone_under_another_name_is_told_as_it_would_be_of_a_server() {
    let case = pki().case;
    let arguments = format!("verify --pem leaf.pem --host mx2.example.org {AT}");
    case.run(&arguments).is(expect![[r#"
        --- stdout
        FAIL  leaf.pem: Gmail would refuse it as mx2.example.org
              chain FAIL, name FAIL, dates ok; judged for TIME
              for mx1.example.org; issued by CN=Test CA 1, ends TIME

        FAIL missing-intermediate: The issuer's certificate is not sent along
          where     leaf.pem (for mx2.example.org)
          expected  the certificate of CN=Test CA 1 sent along
          found     only the server's own certificate
          why       Test CA 1 signed it and is no root that senders know. Whether it
                    leads to one, or is a private CA, is not known here
          fix       use the CA's whole chain (fullchain.pem), which has each issuer but
                    the root
          more      mailcert explain missing-intermediate

        FAIL name-mismatch: The certificate lacks the name senders use
          where     leaf.pem (for mx2.example.org)
          expected  mx2.example.org
          found     mx1.example.org (issued by CN=Test CA 1, ends TIME)
          fix       order a certificate with the name mx2.example.org
          more      mailcert explain name-mismatch
        --- exit 1
    "#]]);
}

#[test]
fn the_moment_is_the_one_that_is_named() {
    let case = pki().case;
    for (at, code) in [
        ("2026-12-31T23:00:00Z", "not-yet-valid"),
        ("2027-05-01T00:00:00Z", "expired"),
        ("2027-03-30T00:00:00Z", "expires-soon"),
    ] {
        let ran = case.run(&format!(
            "verify --pem fullchain.pem --host mx1.example.org --roots root.pem --at {at} --json"
        ));
        let answer = ran.json();
        assert_eq!(answer["endpoints"][0]["problems"][0]["code"], code, "{at}");
        assert_eq!(ran.code, i32::from(code != "expires-soon"), "{at}");
    }
}

#[test]
fn a_chain_that_stands_the_wrong_way_round_and_a_key_of_another_certificate_are_both_told() {
    let case = pki().case.file("other.pem", &KeyPair::generate().unwrap().serialize_pem());
    let case = case.mode("other.pem", 0o644);
    let arguments =
        format!("verify --pem backwards.pem --key other.pem --host mx1.example.org {AT}");
    case.run(&arguments).is(expect![[r#"
        --- stdout
        FAIL  backwards.pem: Gmail would refuse it as mx1.example.org
              chain FAIL, name ok, dates ok; judged for TIME
              for mx1.example.org; issued by CN=Test CA 1, ends TIME

        FAIL key-mismatch: The private key is not the certificate's
          where     backwards.pem (for mx1.example.org)
          expected  the private key of the first certificate
          found     other.pem: a key of none of the certificates
          fix       take key and certificate of one version
          more      mailcert explain key-mismatch

        FAIL leaf-not-first: The first certificate sent is not the leaf
          where     backwards.pem (for mx1.example.org)
          expected  the server's own certificate first
          found     CN=Test CA 1, which is a CA
          why       the server's own is certificate 2: put it first
          fix       keep the server's own certificate first, then each issuer once,
                    without the root
          more      mailcert explain leaf-not-first

        warn key-exposed: other.pem
          other.pem holds a private key and has mode 0644; expected 0600 or 0640
        --- exit 1
    "#]]);
}

#[test]
fn a_host_may_be_typed_as_people_write_it() {
    let case = pki_with(&leaf("xn--mller-kva.example")).case;
    let ran = case.run(&format!("verify --pem fullchain.pem --host müller.example {AT}"));
    assert_eq!(ran.code, 0, "{} {}", ran.stdout, ran.stderr);
}

/// Everything that is no chain in PEM is a usage error which says what it is.
#[test]
fn files_of_another_kind_are_named_and_how_to_convert_them() {
    let pki = pki();
    let case = pki.case.file("empty.pem", "").file("words.pem", "hello\n");
    let write = |name: &str, bytes: &[u8]| std::fs::write(case.path(name), bytes).unwrap();
    write("leaf.der", &pki.der);
    write("store.p12", &[0x30, 0x82, 0x0a, 0x01, 2, 1, 3, 0x30, 0x82, 9, 0xf0]);
    write("chain.p7b", b"\x30\x82\x0a\x01\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0");
    std::fs::create_dir(case.path("directory")).unwrap();
    let mut said = String::new();
    for file in [
        "missing.pem",
        "directory",
        "empty.pem",
        "words.pem",
        "key.pem",
        "leaf.der",
        "store.p12",
        "chain.p7b",
    ] {
        let ran = case.run(&format!("verify --pem {file} --host mx1.example.org"));
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{file}");
        said.push_str(&ran.stderr);
    }
    expect![[r#"
        error: missing.pem: No such file or directory
          = help: name a PEM file that you may read, such as fullchain.pem
        error: directory: Is a directory
          = help: name a PEM file that you may read, such as fullchain.pem
        error: empty.pem: it is empty; expected a PEM file
        error: words.pem: no PEM block in it; expected BEGIN CERTIFICATE
        error: key.pem: no certificate in it; expected at least one BEGIN CERTIFICATE
        block
          = help: name the chain, such as fullchain.pem; the key goes to `--key`
        error: leaf.der: a certificate in DER; expected PEM (BEGIN CERTIFICATE)
          = help: `openssl x509 -inform der -in leaf.der -out cert.pem` converts it
        error: store.p12: a PKCS#12 container (.p12, .pfx); expected PEM (BEGIN
        CERTIFICATE)
          = help: `umask 077; openssl pkcs12 -in store.p12 -nodes -out combined.pem`
                  converts it
        error: chain.p7b: a PKCS#7 container (.p7b); expected PEM (BEGIN CERTIFICATE)
          = help: `openssl pkcs7 -inform der -in chain.p7b -print_certs -out chain.pem`
                  converts it
    "#]]
    .assert_eq(&said);
}

fn block(label: &str) -> String {
    format!("-----BEGIN {label}-----\nc2VjcmV0\n-----END {label}-----\n")
}

#[test]
fn a_key_that_cannot_be_read_is_a_usage_error_and_its_bytes_are_not_shown() {
    let case = pki()
        .case
        .file("locked.pem", &block("ENCRYPTED PRIVATE KEY"))
        .file("damaged.pem", &block("PRIVATE KEY"));
    let key = KeyPair::generate().unwrap().serialize_der();
    std::fs::write(case.path("key.der"), key).unwrap();
    let mut said = String::new();
    for key in ["leaf.pem", "locked.pem", "damaged.pem", "missing.pem", "key.der"] {
        let ran =
            case.run(&format!("verify --pem fullchain.pem --key {key} --host mx1.example.org"));
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{key}");
        assert!(!ran.stderr.contains("c2VjcmV0"), "{key}");
        said.push_str(&ran.stderr);
    }
    expect![[r#"
        error: leaf.pem: no private key in it; expected a BEGIN PRIVATE KEY, RSA or EC
        PRIVATE KEY block
        error: locked.pem: the private key is encrypted; expected one without a pass
        phrase
          = help: `umask 077; openssl pkey -in locked.pem -out plain.pem` takes it off
        error: damaged.pem: the private key cannot be used: neither RSA, ECDSA nor
        Ed25519, or damaged
        error: missing.pem: No such file or directory
          = help: name a PEM file that you may read, such as privkey.pem
        error: key.der: a private key in DER; expected PEM (BEGIN PRIVATE KEY)
          = help: `umask 077; openssl pkey -inform der -in key.der -out key.pem`
                  converts it
    "#]]
    .assert_eq(&said);
}
