//! One certificate as it was recorded, taken apart once.

use std::sync::LazyLock;

use rustls::crypto::{WebPkiSupportedAlgorithms, aws_lc_rs};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{DistributionPointName, GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;

use super::der::{content, halves};
use super::key::{broken, key_type, key_words, rsa_bits};
use crate::model::{DnsId, Hostname, KeyType, Sha256, Timestamp};
use crate::verify::text::visible;

/// The signatures that can be checked; taken from the library once.
pub(super) static ALGORITHMS: LazyLock<WebPkiSupportedAlgorithms> =
    LazyLock::new(|| aws_lc_rs::default_provider().signature_verification_algorithms);

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
    /// The issuer's common name.
    pub(super) issuer_name: Option<String>,
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
    /// The bytes that are signed.
    tbs: Vec<u8>,
    /// The signature's algorithm (content of its SEQUENCE) and the signature.
    signature: (Vec<u8>, Vec<u8>),
    /// The broken signature algorithm it is signed with.
    pub(super) broken_signature: Option<&'static str>,
    /// The key identifier of its issuer, where it says one.
    pub(super) authority_key: Option<Vec<u8>>,
    /// Its own key identifier, where it says one.
    pub(super) subject_key: Option<Vec<u8>>,
    /// Whether it may sign certificates as far as its keyUsage goes (RFC 5280 section 4.2.1.3).
    pub(super) may_sign: bool,
    /// How many CAs may follow below it (RFC 5280 section 4.2.1.9).
    pub(super) path_length: Option<u32>,
    /// Where its issuer's certificate is published (caIssuers, http only).
    pub(super) issuer_url: Option<String>,
    /// Where its issuer publishes what is revoked (cRLDistributionPoints, http only).
    pub(super) crl_url: Option<String>,
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
        let said = said(&x509);
        let key = x509.public_key();
        let [tbs, algorithm] = halves(content(der)).ok_or("it is no SEQUENCE of three")?;
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
            issuer_name: x509
                .issuer()
                .iter_common_name()
                .find_map(|cn| cn.as_str().ok())
                .map(visible),
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
            tbs: tbs.to_vec(),
            signature: (content(algorithm).to_vec(), x509.signature_value.data.to_vec()),
            broken_signature: broken(&x509.signature_algorithm.algorithm.to_id_string()),
            authority_key: said.authority_key,
            subject_key: said.subject_key,
            may_sign: said.may_sign,
            path_length: said.path_length,
            issuer_url: said.issuer_url,
            crl_url: said.crl_url,
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

    /// Whether the key of `issuer` made its signature; `None` where the algorithm is one that
    /// nobody here can check.
    pub(super) fn is_signed_with(&self, issuer_spki: &[u8]) -> Option<bool> {
        let [algorithm, bits] = halves(issuer_spki)?;
        // A BIT STRING begins with the number of unused bits.
        let key = content(bits).get(1..)?;
        if content(algorithm).starts_with(RSA_OID) && key.len() < SHORTEST_RSA {
            return None;
        }
        let mut known = None;
        for candidate in ALGORITHMS.all {
            if candidate.public_key_alg_id().as_ref() == content(algorithm)
                && candidate.signature_alg_id().as_ref() == self.signature.0
            {
                let valid = candidate.verify_signature(key, &self.tbs, &self.signature.1).is_ok();
                known = Some(known.unwrap_or(false) || valid);
            }
        }
        known
    }

    /// The SHA-256 of the certificate.
    pub(super) fn sha256(&self) -> Sha256 {
        Sha256::of(&self.der)
    }
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

/// What the extensions say, beside names and purposes.
struct Said {
    authority_key: Option<Vec<u8>>,
    subject_key: Option<Vec<u8>>,
    may_sign: bool,
    path_length: Option<u32>,
    issuer_url: Option<String>,
    crl_url: Option<String>,
}

fn said(x509: &X509Certificate<'_>) -> Said {
    let mut said = Said {
        authority_key: None,
        subject_key: None,
        may_sign: true,
        path_length: None,
        issuer_url: None,
        crl_url: None,
    };
    for extension in x509.iter_extensions() {
        match extension.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(found) => {
                said.authority_key = found.key_identifier.as_ref().map(|id| id.0.to_vec());
            }
            ParsedExtension::SubjectKeyIdentifier(found) => {
                said.subject_key = Some(found.0.to_vec());
            }
            ParsedExtension::KeyUsage(found) => said.may_sign = found.key_cert_sign(),
            ParsedExtension::BasicConstraints(found) => {
                said.path_length = found.path_len_constraint;
            }
            ParsedExtension::AuthorityInfoAccess(found) => {
                let issuers =
                    found.iter().filter(|one| one.access_method.to_id_string() == CA_ISSUERS);
                said.issuer_url = issuers.filter_map(|one| http_url(&one.access_location)).next();
            }
            ParsedExtension::CRLDistributionPoints(found) => {
                // A list of only some reasons, or signed by somebody else, is not the issuer's.
                let whole =
                    found.iter().filter(|one| one.reasons.is_none() && one.crl_issuer.is_none());
                let names = whole.filter_map(|one| match &one.distribution_point {
                    Some(DistributionPointName::FullName(names)) => Some(names),
                    _ => None,
                });
                said.crl_url = names.flatten().filter_map(http_url).next();
            }
            _ => {}
        }
    }
    said
}

/// id-ad-caIssuers (RFC 5280 section 4.2.2.1).
const CA_ISSUERS: &str = "1.3.6.1.5.5.7.48.2";
/// No URL of a CA is longer; a stranger's could be.
const LONGEST_URL: usize = 1024;

/// An http URL: CAs publish under http on purpose, since https would need what is asked for.
fn http_url(name: &GeneralName<'_>) -> Option<String> {
    let GeneralName::URI(url) = name else { return None };
    let begins = url.get(..7).is_some_and(|begin| begin.eq_ignore_ascii_case("http://"));
    let plain = url.len() <= LONGEST_URL && url.bytes().all(|byte| byte.is_ascii_graphic());
    (begins && plain).then(|| (*url).to_owned())
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
pub(super) fn serial(raw: &[u8]) -> String {
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

/// rsaEncryption as DER.
const RSA_OID: &[u8] = &[6, 9, 42, 134, 72, 134, 247, 13, 1, 1, 1];
/// The bytes of the modulus of 2048 bits: shorter keys are refused by the library, valid or not.
const SHORTEST_RSA: usize = 256;
