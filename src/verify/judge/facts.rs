//! Judges a PEM pair before anybody installs it: does the key belong to the leaf, and what does
//! the chain say of itself. Mail servers accept pairs that do not match, so this is the gate.

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::cert::Cert;
use crate::model::{Bundle, Facts, Sha256};

/// Why a key and a chain cannot be used together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadBundle {
    /// No private key block is in the text.
    #[error("no private key in it; expected a BEGIN PRIVATE KEY, RSA or EC PRIVATE KEY block")]
    NoKey,
    /// The key is locked with a pass phrase.
    #[error("the private key is encrypted; expected one without a pass phrase")]
    EncryptedKey,
    /// The key cannot be read or is of a kind nobody signs with.
    #[error("the private key cannot be used: {0}")]
    Key(String),
    /// No certificate block is in the text.
    #[error("no certificate in it; expected at least one BEGIN CERTIFICATE block")]
    NoCertificate,
    /// A certificate cannot be read.
    #[error("certificate {position} of the chain cannot be read: {why}")]
    Certificate {
        /// Which block, from 1.
        position: usize,
        /// What the parser said.
        why: String,
    },
    /// The key belongs to another certificate.
    #[error("the private key does not belong to the first certificate ({subject})")]
    Mismatch {
        /// Whose certificate it is.
        subject: String,
    },
    /// The key belongs to a later certificate of the chain.
    #[error("the private key belongs to certificate {position}; put that one first")]
    LeafNotFirst {
        /// Which block, from 1.
        position: usize,
    },
}

/// What a key and its chain say, once it is certain that they belong together.
///
/// # Errors
/// [`BadBundle`] when either cannot be read or the key is not the leaf's.
pub fn facts(bundle: &Bundle) -> Result<Facts, BadBundle> {
    let certificates = certificates(&bundle.chain)?;
    matched(bundle.key.expose_pem(), &certificates)?;
    let key_file = with_newline(bundle.key.expose_pem());
    let chain_file = with_newline(&bundle.chain);
    Ok(Facts {
        combined: Sha256::of(&bundle.combined()),
        key_file: Sha256::of(&key_file),
        chain_file: Sha256::of(&chain_file),
        ..said(&certificates)
    })
}

/// What a chain alone says, for a look at a file whose key is elsewhere; the three digests of
/// files are those of the chain's file.
///
/// # Errors
/// [`BadBundle`] when it cannot be read.
pub fn facts_of_chain(chain: &str) -> Result<Facts, BadBundle> {
    let file = Sha256::of(&with_newline(chain));
    Ok(Facts { combined: file, key_file: file, chain_file: file, ..said(&certificates(chain)?) })
}

/// Whether the private key (PKCS#8, PKCS#1 or SEC1 in PEM) belongs to the first certificate of
/// the chain.
///
/// # Errors
/// [`BadBundle`] when either cannot be read, or they do not match.
pub fn pair_matches(key_pem: &str, chain: &str) -> Result<(), BadBundle> {
    matched(key_pem, &certificates(chain)?)
}

/// The DER of every certificate of a PEM text, in its order.
///
/// # Errors
/// [`BadBundle`] when there is none or one cannot be read.
pub fn chain_of_pem(chain: &str) -> Result<Vec<Vec<u8>>, BadBundle> {
    Ok(certificates(chain)?.into_iter().map(|certificate| certificate.der).collect())
}

/// The common name of the issuer that the last certificate of a chain (PEM) names: that of the
/// root the chain leads to, where it is complete.
#[must_use]
pub fn top_issuer(chain: &str) -> Option<String> {
    certificates(chain).ok()?.pop()?.issuer_name
}

fn said(certificates: &[Cert]) -> Facts {
    let leaf = &certificates[0];
    let mut names = leaf.dns_ids.clone();
    names.sort();
    names.dedup();
    let nothing = Sha256([0; 32]);
    Facts {
        names,
        not_before: leaf.not_before,
        not_after: leaf.not_after,
        issuer: leaf.issuer.clone(),
        serial: leaf.serial.clone(),
        key_type: leaf.key_type,
        leaf: leaf.sha256(),
        spki: Sha256::of(&leaf.spki),
        combined: nothing,
        key_file: nothing,
        chain_file: nothing,
        chain_length: certificates.len(),
    }
}

/// At least one certificate, or an error.
fn certificates(chain: &str) -> Result<Vec<Cert>, BadBundle> {
    let mut found = Vec::new();
    for (index, block) in CertificateDer::pem_slice_iter(chain.as_bytes()).enumerate() {
        let bad = |why: String| BadBundle::Certificate { position: index + 1, why };
        let der = block.map_err(|error| bad(error.to_string()))?;
        found.push(Cert::parse(&der).map_err(bad)?);
    }
    if found.is_empty() { Err(BadBundle::NoCertificate) } else { Ok(found) }
}

fn matched(key_pem: &str, certificates: &[Cert]) -> Result<(), BadBundle> {
    let spki = spki_of(key_pem)?;
    match certificates.iter().position(|certificate| certificate.spki == spki) {
        Some(0) => Ok(()),
        Some(index) => Err(BadBundle::LeafNotFirst { position: index + 1 }),
        None => Err(BadBundle::Mismatch { subject: of_whom(&certificates[0]) }),
    }
}

fn of_whom(certificate: &Cert) -> String {
    certificate.alt_names.first().cloned().unwrap_or_else(|| certificate.subject.clone())
}

/// The SubjectPublicKeyInfo of a private key. Blocks of other kinds before it (`EC PARAMETERS`, a
/// certificate) are passed over.
fn spki_of(key_pem: &str) -> Result<Vec<u8>, BadBundle> {
    let encrypted = ["-----BEGIN ENCRYPTED PRIVATE KEY-----", "Proc-Type: 4,ENCRYPTED"];
    if encrypted.iter().any(|mark| key_pem.contains(mark)) {
        return Err(BadBundle::EncryptedKey);
    }
    let key = match PrivateKeyDer::from_pem_slice(key_pem.as_bytes()) {
        Ok(key) => key,
        Err(rustls_pki_types::pem::Error::NoItemsFound) => return Err(BadBundle::NoKey),
        // The parser's words may quote the text; a key's bytes reach no message.
        Err(_) => return Err(BadBundle::Key("its PEM block is damaged".to_owned())),
    };
    let signer = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key)
        .map_err(|_| BadBundle::Key("neither RSA, ECDSA nor Ed25519, or damaged".to_owned()))?;
    let public = signer.public_key();
    public
        .map(|spki| spki.as_ref().to_vec())
        .ok_or_else(|| BadBundle::Key("its public half cannot be derived".to_owned()))
}

/// The bytes as they are written to a file: one newline at the end.
fn with_newline(text: &str) -> zeroize::Zeroizing<Vec<u8>> {
    let text = text.trim_end();
    let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(text.len() + 1));
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, RsaKeySize};

    use super::{BadBundle, facts, pair_matches};
    use crate::model::{Bundle, DnsId, KeyType, PrivateKey, Sha256};

    fn chain(key: &KeyPair, names: &[&str]) -> String {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        CertificateParams::new(names).unwrap().self_signed(key).unwrap().pem()
    }

    fn bundle(key: &KeyPair, chain: String) -> Bundle {
        Bundle { key: PrivateKey::from_pem(key.serialize_pem()), chain }
    }

    /// The key inside a PKCS#8 wrapper: SEQUENCE { version, algorithm, OCTET STRING { key } }.
    fn unwrapped(pkcs8: &[u8]) -> Vec<u8> {
        fn split(der: &[u8]) -> (&[u8], &[u8]) {
            let (head, length) = match usize::from(der[1]) {
                short if short < 0x80 => (2, short),
                long => {
                    let bytes = long & 0x7f;
                    let digits = der[2..2 + bytes].iter();
                    (2 + bytes, digits.fold(0, |all, digit| all << 8 | usize::from(*digit)))
                }
            };
            (&der[head..head + length], &der[head + length..])
        }
        let (inner, _) = split(pkcs8);
        let (_, rest) = split(inner);
        let (_, rest) = split(rest);
        split(rest).0.to_vec()
    }

    fn pem(label: &str, der: &[u8]) -> String {
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
    }

    #[test]
    fn a_pair_says_its_names_its_dates_and_its_files() {
        let key = KeyPair::generate().unwrap();
        let bundle = bundle(&key, chain(&key, &["mx.example.org", "*.example.org"]));
        let facts = facts(&bundle).unwrap();
        let names = ["mx.example.org", "*.example.org"].map(|name| DnsId::parse(name).unwrap());
        assert_eq!(facts.names, names);
        assert_eq!(facts.key_type, KeyType::EcdsaP256);
        assert_eq!(facts.chain_length, 1);
        assert_eq!(facts.combined, Sha256::of(&bundle.combined()));
        let key_file = format!("{}\n", key.serialize_pem().trim_end());
        assert_eq!(facts.key_file, Sha256::of(key_file.as_bytes()));
        assert!(facts.not_before < facts.not_after);
    }

    #[test]
    fn every_way_to_write_a_key_is_understood() {
        let p256 = KeyPair::generate().unwrap();
        let p384 = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let rsa = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let sec1 = pem("EC PRIVATE KEY", &unwrapped(p256.serialized_der()));
        let parameters = pem("EC PARAMETERS", &[6, 8, 42, 134, 72, 206, 61, 3, 1, 7]);
        for (key, text) in [
            (&p256, p256.serialize_pem()),
            (&p384, p384.serialize_pem()),
            (&rsa, rsa.serialize_pem()),
            (&p256, sec1.clone()),
            (&p256, format!("{parameters}{sec1}")),
            (&p384, pem("EC PRIVATE KEY", &unwrapped(p384.serialized_der()))),
            (&rsa, pem("RSA PRIVATE KEY", &unwrapped(rsa.serialized_der()))),
        ] {
            let first = text.lines().next().unwrap().to_owned();
            assert_eq!(pair_matches(&text, &chain(key, &["a.example"])), Ok(()), "{first}");
        }
    }

    #[test]
    fn a_pair_that_does_not_match_is_refused() {
        let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let (own, foreign) = (chain(&key, &["a.example"]), chain(&other, &["b.example"]));
        let mismatch = BadBundle::Mismatch { subject: "b.example".to_owned() };
        let text = key.serialize_pem();
        for (key, chain, expected) in [
            (&text, foreign.clone(), mismatch),
            (&text, format!("{foreign}{own}"), BadBundle::LeafNotFirst { position: 2 }),
            (&text, String::new(), BadBundle::NoCertificate),
            (&own, own.clone(), BadBundle::NoKey),
            (&pem("ENCRYPTED PRIVATE KEY", b"x"), own.clone(), BadBundle::EncryptedKey),
        ] {
            assert_eq!(pair_matches(key, &chain), Err(expected));
        }
        let damaged = pair_matches(&pem("PRIVATE KEY", b"\x30\x03abc"), &own).unwrap_err();
        assert!(matches!(damaged, BadBundle::Key(_)), "{damaged}");
        let damaged = facts(&bundle(&key, pem("CERTIFICATE", b"\x30\x03abc"))).map(|_| ());
        assert!(matches!(damaged, Err(BadBundle::Certificate { position: 1, .. })));
    }
}
