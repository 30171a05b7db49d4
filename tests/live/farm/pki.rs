//! The farm's CAs and what they sign: right certificates, and every wrong one.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};
use rustls_pki_types::CertificateDer;
use time::{Duration, OffsetDateTime};

use super::openssl;

/// A CA's certificate and key.
pub(crate) type Ca = CertifiedIssuer<'static, KeyPair>;

/// What a server shows: the chain in the order it is sent, and the private key (PKCS #8).
#[derive(Clone)]
pub(crate) struct Shown {
    /// The certificates.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    /// The key in DER.
    pub(crate) key: Vec<u8>,
}

impl Shown {
    /// Only the server's own certificate.
    pub(crate) fn alone(mut self) -> Self {
        self.chain.truncate(1);
        self
    }

    /// Those of these CAs behind it.
    pub(crate) fn then(mut self, more: &[&Ca]) -> Self {
        self.chain.extend(more.iter().map(|ca| der(ca)));
        self
    }
}

/// Everybody who signs something.
pub(crate) struct Pki {
    /// What `--roots` gets.
    pub(crate) root: Ca,
    /// The intermediate of the good ones.
    pub(crate) middle: Ca,
    /// The same with an RSA key.
    pub(crate) rsa_middle: Ca,
    /// A private CA that nobody knows.
    pub(crate) other_root: Ca,
    /// Its intermediate.
    pub(crate) other_middle: Ca,
    /// RSA keys of 2048 and 4096 bits.
    pub(crate) rsa: [KeyPem; 2],
    /// Where the farm answers over HTTP: `http://127.0.64.2`.
    pub(crate) web: String,
    directory: PathBuf,
}

/// A private key in PEM.
pub(crate) struct KeyPem(pub(crate) String);

impl KeyPem {
    pub(crate) fn pair(&self) -> KeyPair {
        KeyPair::from_pem(&self.0).expect("openssl made it")
    }
}

impl Pki {
    /// Makes the CAs; `directory` takes what openssl has to read.
    pub(crate) fn new(directory: &Path, web: &str) -> Self {
        let rsa = openssl::rsa_keys([2048, 4096]).map(KeyPem);
        let root = root(ca("Farm Root"));
        let other_root = self::root(ca("Private Root"));
        let rsa_middle = Ca::signed_by(ca("Farm CA R1"), rsa[0].pair(), &root).expect("signed");
        let pki = Self {
            middle: under(ca("Farm CA 1"), &root),
            other_middle: under(ca("Private CA 1"), &other_root),
            rsa_middle,
            root,
            other_root,
            rsa,
            web: web.to_owned(),
            directory: directory.to_owned(),
        };
        for (name, ca) in [("middle", &pki.middle), ("rsa_middle", &pki.rsa_middle)] {
            pki.write(&format!("{name}.pem"), &ca.pem());
            pki.write(&format!("{name}.key"), &ca.key().serialize_pem());
        }
        pki
    }

    /// The root in a file, for `--roots`.
    pub(crate) fn roots(&self) -> PathBuf {
        self.write("roots.pem", &self.root.pem())
    }

    /// A right certificate, with its issuer behind it.
    pub(crate) fn good(&self, host: &str) -> Shown {
        signed(leaf(&[host]), &self.middle)
    }

    /// A file in the farm's directory.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.join(name);
        std::fs::write(&path, text).expect("written");
        path
    }

    /// The farm's directory.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }
}

/// A certificate for these names that was issued 30 days ago and ends in 60.
pub(crate) fn leaf(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = dated(CertificateParams::new(names).expect("names"), -30, 60);
    params.distinguished_name = DistinguishedName::new();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    params
}

/// The same from and to these days.
pub(crate) fn dated(mut params: CertificateParams, from: i64, to: i64) -> CertificateParams {
    let now = OffsetDateTime::now_utc();
    params.not_before = now + Duration::days(from);
    params.not_after = now + Duration::days(to);
    params
}

/// What a CA of this name says of itself.
pub(crate) fn ca(name: &str) -> CertificateParams {
    let mut params = dated(CertificateParams::default(), -1000, 1000);
    params.distinguished_name = called(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    params
}

/// A subject that is only a CN.
pub(crate) fn called(name: &str) -> DistinguishedName {
    let mut called = DistinguishedName::new();
    called.push(DnType::CommonName, name);
    called
}

/// A CA that signs itself.
pub(crate) fn root(params: CertificateParams) -> Ca {
    Ca::self_signed(params, KeyPair::generate().expect("a key")).expect("signed")
}

/// A CA under another.
pub(crate) fn under(params: CertificateParams, issuer: &Ca) -> Ca {
    Ca::signed_by(params, KeyPair::generate().expect("a key"), issuer).expect("signed")
}

/// A server's certificate on P-256, with its issuer behind it.
pub(crate) fn signed(params: CertificateParams, issuer: &Ca) -> Shown {
    signed_for(params, &KeyPair::generate().expect("a key"), issuer)
}

/// The same for a key that is there.
pub(crate) fn signed_for(params: CertificateParams, key: &KeyPair, issuer: &Ca) -> Shown {
    let own = params.signed_by(key, issuer).expect("signed");
    Shown { chain: vec![own.der().clone(), der(issuer)], key: key.serialize_der() }
}

/// Signed by its own key.
pub(crate) fn self_signed(params: &CertificateParams) -> Shown {
    let key = KeyPair::generate().expect("a key");
    let own = params.self_signed(&key).expect("signed");
    Shown { chain: vec![own.der().clone()], key: key.serialize_der() }
}

/// A CA's certificate in DER.
pub(crate) fn der(ca: &Ca) -> CertificateDer<'static> {
    let certificate: &rcgen::Certificate = ca.as_ref();
    certificate.der().clone()
}

/// Where the issuer's certificate can be had (RFC 5280 section 4.2.2.1, id-ad-caIssuers).
pub(crate) fn ca_issuers(url: &str) -> CustomExtension {
    let tagged = |tag: u8, content: &[u8]| {
        let length = u8::try_from(content.len()).expect("short");
        assert!(length < 128, "one byte of length");
        [&[tag, length], content].concat()
    };
    let method = tagged(6, &[0x2b, 6, 1, 5, 5, 7, 0x30, 2]);
    let description = [method, tagged(0x86, url.as_bytes())].concat();
    let content = tagged(0x30, &tagged(0x30, &description));
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], content)
}
