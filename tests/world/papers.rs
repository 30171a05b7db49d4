//! Certificates that no CA made: the self-signed ones of a fresh machine, and the test CA's own.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

/// What a package's installation leaves behind: self-signed, for a name nobody uses.
pub(crate) fn self_signed(chain: &Path, key: &Path) {
    make(&["localhost.localdomain"], chain, key);
}

/// The certificate of a server that is known by its address.
pub(crate) fn for_address(address: Ipv4Addr, chain: &Path, key: &Path) {
    make(&[&address.to_string()], chain, key);
}

fn make(names: &[&str], chain: &Path, key: &Path) {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names.clone()).expect("these are names");
    params.distinguished_name.push(DnType::CommonName, names[0].as_str());
    let pair = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&pair).expect("a certificate");
    fs::write(chain, certificate.pem()).expect("write it");
    fs::write(key, pair.serialize_pem()).expect("write it");
    fs::set_permissions(key, fs::Permissions::from_mode(0o600)).expect("chmod");
}

/// A CA of the world's own beside Pebble: it signs what Pebble would not, such as what has ended.
/// Everybody here trusts its root.
pub(crate) struct Authority {
    root: Ca,
    middle: Ca,
}

type Ca = CertifiedIssuer<'static, KeyPair>;

/// A key and its chain in PEM, the chain in two pieces.
pub(crate) struct Pair {
    /// The private key.
    pub(crate) key: String,
    /// The server's own certificate.
    pub(crate) leaf: String,
    /// What its issuer is.
    pub(crate) middle: String,
}

impl Authority {
    /// Makes root and intermediate.
    pub(crate) fn new() -> Self {
        // OpenSSL finds an issuer by its name.
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let ca = |name: &str| {
            let name = format!("{name} {number}");
            let mut params = CertificateParams::new(Vec::<String>::new()).expect("no names");
            params.distinguished_name.push(DnType::CommonName, name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
            params
        };
        let key = || KeyPair::generate().expect("a key");
        let root = Ca::self_signed(ca("World Root"), key()).expect("a root");
        let middle = Ca::signed_by(ca("World CA"), key(), &root).expect("an intermediate");
        Self { root, middle }
    }

    /// The root in PEM.
    pub(crate) fn root(&self) -> String {
        self.root.pem()
    }

    /// A pair for these names that ends so many days from now.
    pub(crate) fn pair(&self, names: &[&str], days: i64) -> Pair {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("these are names");
        params.not_after = time::OffsetDateTime::now_utc() + time::Duration::days(days);
        params.not_before = params.not_after - time::Duration::days(90);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().expect("a key");
        let leaf = params.signed_by(&key, &self.middle).expect("a certificate");
        Pair { key: key.serialize_pem(), leaf: leaf.pem(), middle: self.middle.pem() }
    }
}
