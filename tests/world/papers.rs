//! Certificates that no CA made: the self-signed ones of a fresh machine, and the test CA's own.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rcgen::{CertificateParams, DnType, KeyPair};

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
