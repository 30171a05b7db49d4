//! One certificate as it was recorded, taken apart once.

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::model::{DnsId, Hostname, KeyType, Sha256, Timestamp};
use crate::verify::text::visible;

/// What one certificate says. Texts have their control characters made visible.
#[derive(Clone, Debug)]
pub(super) struct Cert {
    /// The bytes.
    pub(super) der: Vec<u8>,
    /// The subject, raw (the content of its SEQUENCE).
    pub(super) subject_raw: Vec<u8>,
    /// The issuer, raw (the content of its SEQUENCE).
    pub(super) issuer_raw: Vec<u8>,
    /// The subject as text.
    pub(super) subject: String,
    /// The issuer as text.
    pub(super) issuer: String,
    /// The subject's common names.
    pub(super) common_names: Vec<String>,
    /// The issuer's shortest name people know it by: its CN, else its O, else the whole.
    pub(super) issuer_short: String,
    /// Every subjectAltName as text, as it came; dNSNames first.
    pub(super) alt_names: Vec<String>,
    /// The dNSNames that are names at all.
    pub(super) dns_ids: Vec<DnsId>,
    /// Whether there is a subjectAltName with anything in it.
    pub(super) has_san: bool,
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
    /// In hexadecimal.
    pub(super) serial: String,
    /// Whether it says that it is a CA (basicConstraints).
    pub(super) is_ca: bool,
    /// The purposes it is limited to, where it does not allow TLS servers.
    pub(super) wrong_purposes: Option<Vec<String>>,
    pub(super) key_type: KeyType,
    /// The key in words, and its strength in bits where it is RSA.
    pub(super) key_words: String,
    pub(super) rsa_bits: Option<usize>,
    /// The SubjectPublicKeyInfo in DER.
    pub(super) spki: Vec<u8>,
    /// The content of its SEQUENCE.
    pub(super) spki_raw: Vec<u8>,
    /// The broken signature algorithm it is signed with.
    pub(super) broken_signature: Option<&'static str>,
    /// The key identifier of its issuer, where it says one.
    pub(super) authority_key: Option<Vec<u8>>,
    /// Its own key identifier, where it says one.
    pub(super) subject_key: Option<Vec<u8>>,
}

impl Cert {
    /// Takes a certificate apart.
    ///
    /// # Errors
    /// What the parser said.
    pub(super) fn parse(der: &[u8]) -> Result<Self, String> {
        let (rest, x509) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
        if !rest.is_empty() {
            return Err(format!("{} bytes follow it", rest.len()));
        }
        let (alt_names, dns_ids) = alternative_names(&x509);
        let (authority_key, subject_key) = key_identifiers(&x509);
        let key = x509.public_key();
        let rsa_bits = rsa_bits(key);
        let key_type = key_type(key, rsa_bits);
        Ok(Self {
            subject_raw: content(x509.subject().as_raw()).to_vec(),
            issuer_raw: content(x509.issuer().as_raw()).to_vec(),
            subject: visible(&x509.subject().to_string()),
            issuer: visible(&x509.issuer().to_string()),
            common_names: x509
                .subject()
                .iter_common_name()
                .filter_map(|cn| cn.as_str().ok().map(visible))
                .collect(),
            issuer_short: short(&x509),
            has_san: !alt_names.is_empty(),
            alt_names,
            dns_ids,
            not_before: Timestamp::from_unix(x509.validity().not_before.timestamp()),
            not_after: Timestamp::from_unix(x509.validity().not_after.timestamp()),
            serial: serial(x509.raw_serial()),
            is_ca: x509.is_ca(),
            wrong_purposes: wrong_purposes(&x509),
            key_type,
            key_words: key_words(key_type, rsa_bits, key),
            rsa_bits,
            spki: key.raw.to_vec(),
            spki_raw: content(key.raw).to_vec(),
            broken_signature: broken(&x509.signature_algorithm.algorithm.to_id_string()),
            authority_key,
            subject_key,
            der: der.to_vec(),
        })
    }

    /// Whether it is one for `host` (RFC 9525 section 6.3; subjectAltName only).
    pub(super) fn covers(&self, host: &Hostname) -> bool {
        self.dns_ids.iter().any(|id| id.matches(host))
    }

    /// Whether it names itself as its issuer.
    pub(super) fn names_itself(&self) -> bool {
        self.subject_raw == self.issuer_raw
    }

    /// Whether `issuer` could have signed it, as far as names and key identifiers tell.
    pub(super) fn fits_under(&self, issuer: &Self) -> bool {
        self.issuer_raw == issuer.subject_raw
            && match (&self.authority_key, &issuer.subject_key) {
                (Some(wanted), Some(has)) => wanted == has,
                _ => true,
            }
    }

    /// The SHA-256 of the certificate.
    pub(super) fn sha256(&self) -> Sha256 {
        Sha256::of(&self.der)
    }
}

/// The content of a DER SEQUENCE: what stands behind its tag and length. Anything else comes back
/// as it is.
fn content(der: &[u8]) -> &[u8] {
    let skip = match der.get(1) {
        Some(length) if length & 0x80 == 0 => 2,
        Some(length) => 2 + usize::from(length & 0x7f),
        None => 0,
    };
    der.get(skip..).unwrap_or(der)
}

fn alternative_names(x509: &X509Certificate<'_>) -> (Vec<String>, Vec<DnsId>) {
    let (mut names, mut others, mut ids) = (Vec::new(), Vec::new(), Vec::new());
    let Ok(Some(extension)) = x509.subject_alternative_name() else {
        return (names, ids);
    };
    for name in &extension.value.general_names {
        match name {
            GeneralName::DNSName(text) => {
                names.push(visible(text));
                ids.extend(DnsId::parse(text));
            }
            GeneralName::IPAddress(bytes) => others.push(address(bytes)),
            other => others.push(visible(&other.to_string())),
        }
    }
    names.append(&mut others);
    (names, ids)
}

fn address(bytes: &[u8]) -> String {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return format!("IP {}", std::net::Ipv4Addr::from(four));
    }
    match <[u8; 16]>::try_from(bytes) {
        Ok(sixteen) => format!("IP {}", std::net::Ipv6Addr::from(sixteen)),
        Err(_) => "a malformed IP address".to_owned(),
    }
}

fn key_identifiers(x509: &X509Certificate<'_>) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let (mut authority, mut subject) = (None, None);
    for extension in x509.iter_extensions() {
        match extension.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(found) => {
                authority = found.key_identifier.as_ref().map(|id| id.0.to_vec());
            }
            ParsedExtension::SubjectKeyIdentifier(found) => subject = Some(found.0.to_vec()),
            _ => {}
        }
    }
    (authority, subject)
}

fn short(x509: &X509Certificate<'_>) -> String {
    let issuer = x509.issuer();
    let organization = issuer.iter_organization().find_map(|found| found.as_str().ok());
    let common = issuer.iter_common_name().find_map(|found| found.as_str().ok());
    visible(&match (organization, common) {
        (Some(organization), Some(common)) if !common.contains(organization) => {
            format!("{organization} {common}")
        }
        (_, Some(common)) => common.to_owned(),
        (Some(organization), None) => organization.to_owned(),
        (None, None) => issuer.to_string(),
    })
}

/// The serial number in hexadecimal, without the zero byte that keeps it positive.
fn serial(raw: &[u8]) -> String {
    let digits = if raw.len() > 1 { raw.strip_prefix(&[0]).unwrap_or(raw) } else { raw };
    digits.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The purposes, where they leave out TLS servers (RFC 5280 section 4.2.1.12). `any` does not
/// count: neither webpki nor the CA/B forum takes it.
fn wrong_purposes(x509: &X509Certificate<'_>) -> Option<Vec<String>> {
    let usage = x509.extended_key_usage().ok()??.value;
    if usage.server_auth {
        return None;
    }
    let words = [
        (usage.client_auth, "TLS clients"),
        (usage.email_protection, "e-mail protection"),
        (usage.code_signing, "code signing"),
        (usage.time_stamping, "time stamping"),
        (usage.ocsp_signing, "OCSP signing"),
        (usage.any, "any purpose"),
        (!usage.other.is_empty(), "other purposes"),
    ];
    Some(words.iter().filter(|(set, _)| *set).map(|(_, word)| (*word).to_owned()).collect())
}

const RSA: &str = "1.2.840.113549.1.1.1";
const RSA_PSS: &str = "1.2.840.113549.1.1.10";
const EC: &str = "1.2.840.10045.2.1";
const P256: &str = "1.2.840.10045.3.1.7";
const P384: &str = "1.3.132.0.34";
const P521: &str = "1.3.132.0.35";
const ED25519: &str = "1.3.101.112";
const ED448: &str = "1.3.101.113";

fn rsa_bits(key: &SubjectPublicKeyInfo<'_>) -> Option<usize> {
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

fn key_type(key: &SubjectPublicKeyInfo<'_>, rsa_bits: Option<usize>) -> KeyType {
    match (key.algorithm.algorithm.to_id_string().as_str(), rsa_bits) {
        (RSA, Some(2048)) => KeyType::Rsa2048,
        (RSA, Some(3072)) => KeyType::Rsa3072,
        (RSA, Some(4096)) => KeyType::Rsa4096,
        (EC, _) if curve(key) == P256 => KeyType::EcdsaP256,
        (EC, _) if curve(key) == P384 => KeyType::EcdsaP384,
        _ => KeyType::Other,
    }
}

fn key_words(kind: KeyType, rsa_bits: Option<usize>, key: &SubjectPublicKeyInfo<'_>) -> String {
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
fn broken(oid: &str) -> Option<&'static str> {
    match oid {
        "1.2.840.113549.1.1.2" => Some("MD2 with RSA"),
        "1.2.840.113549.1.1.4" => Some("MD5 with RSA"),
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" => Some("SHA-1 with RSA"),
        "1.2.840.10045.4.1" => Some("SHA-1 with ECDSA"),
        "1.2.840.10040.4.3" => Some("SHA-1 with DSA"),
        _ => None,
    }
}
