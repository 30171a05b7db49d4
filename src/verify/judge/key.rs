//! What kind of key a certificate has, and what it is signed with, in words.

use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::model::KeyType;

const RSA: &str = "1.2.840.113549.1.1.1";
const RSA_PSS: &str = "1.2.840.113549.1.1.10";
const EC: &str = "1.2.840.10045.2.1";
const P256: &str = "1.2.840.10045.3.1.7";
const P384: &str = "1.3.132.0.34";
const P521: &str = "1.3.132.0.35";
const ED25519: &str = "1.3.101.112";
const ED448: &str = "1.3.101.113";

/// The bits of an RSA key.
pub(super) fn rsa_bits(key: &SubjectPublicKeyInfo<'_>) -> Option<usize> {
    match key.parsed() {
        Ok(PublicKey::RSA(rsa)) => {
            let modulus = rsa.modulus.iter().skip_while(|byte| **byte == 0);
            let mut bits = 0;
            for (index, byte) in modulus.enumerate() {
                bits += if index == 0 { 8 - byte.leading_zeros() as usize } else { 8 };
            }
            Some(bits)
        }
        _ => None,
    }
}

fn curve(key: &SubjectPublicKeyInfo<'_>) -> String {
    let parameters = key.algorithm.parameters.as_ref();
    parameters.and_then(|any| any.as_oid().ok()).map_or_else(String::new, |oid| oid.to_id_string())
}

/// The kind as the configuration knows it.
pub(super) fn key_type(key: &SubjectPublicKeyInfo<'_>, rsa_bits: Option<usize>) -> KeyType {
    match (key.algorithm.algorithm.to_id_string().as_str(), rsa_bits) {
        (RSA, Some(2048)) => KeyType::Rsa2048,
        (RSA, Some(3072)) => KeyType::Rsa3072,
        (RSA, Some(4096)) => KeyType::Rsa4096,
        (EC, _) if curve(key) == P256 => KeyType::EcdsaP256,
        (EC, _) if curve(key) == P384 => KeyType::EcdsaP384,
        _ => KeyType::Other,
    }
}

/// The kind in words.
pub(super) fn key_words(
    kind: KeyType,
    rsa_bits: Option<usize>,
    key: &SubjectPublicKeyInfo<'_>,
) -> String {
    let oid = key.algorithm.algorithm.to_id_string();
    match (kind, rsa_bits, oid.as_str()) {
        (KeyType::Other, Some(bits), _) => format!("rsa-{bits}"),
        (KeyType::Other, None, EC) if curve(key) == P521 => "ecdsa-p521".to_owned(),
        (KeyType::Other, None, EC) => format!("ecdsa on curve {}", curve(key)),
        (KeyType::Other, None, ED25519) => "ed25519".to_owned(),
        (KeyType::Other, None, ED448) => "ed448".to_owned(),
        (KeyType::Other, None, RSA_PSS) => "rsa-pss".to_owned(),
        (KeyType::Other, None, _) => format!("key algorithm {oid}"),
        (known, _, _) => known.to_string(),
    }
}

/// Signature algorithms nobody trusts any more: MD5 and SHA-1 (CA/B baseline requirements 7.1.3).
pub(super) fn broken(oid: &str) -> Option<&'static str> {
    match oid {
        "1.2.840.113549.1.1.2" => Some("MD2 with RSA"),
        "1.2.840.113549.1.1.4" => Some("MD5 with RSA"),
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" => Some("SHA-1 with RSA"),
        "1.2.840.10045.4.1" => Some("SHA-1 with ECDSA"),
        "1.2.840.10040.4.3" => Some("SHA-1 with DSA"),
        _ => None,
    }
}
