//! Keys made here, the CSR for them, and the check that the CA's answer fits both.

use rcgen::{
    CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384,
    PKCS_RSA_SHA256, PublicKeyData, RsaKeySize,
};
use x509_parser::extensions::GeneralName;
use x509_parser::pem::Pem;
use zeroize::Zeroizing;

use crate::model::{DnsId, KeyHash, KeyType, PrivateKey, Sha256};

/// Makes a key ahead of its order: itself and the hash of its public half.
///
/// # Errors
/// One sentence.
pub async fn make_key(kind: KeyType) -> Result<(PrivateKey, KeyHash), String> {
    let key = Key::make(kind).await?;
    let hash = key.hash();
    Ok((key.pem, hash))
}

/// A key in both its forms: as text for the store, and as something that signs.
pub(super) struct Key {
    pub(super) pem: PrivateKey,
    pair: KeyPair,
}

impl Key {
    /// Makes a new key; one that takes up to seconds (RSA) on a thread of its own, since others are
    /// waited for meanwhile.
    pub(super) async fn make(kind: KeyType) -> Result<Self, String> {
        if matches!(kind, KeyType::EcdsaP256 | KeyType::EcdsaP384) {
            return Self::make_here(kind);
        }
        let made = tokio::task::spawn_blocking(move || Self::make_here(kind)).await;
        made.unwrap_or_else(|e| Err(format!("no key was made: {e}")))
    }

    fn make_here(kind: KeyType) -> Result<Self, String> {
        let rsa = |size| KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, size);
        let pair = match kind {
            KeyType::EcdsaP256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
            KeyType::EcdsaP384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384),
            KeyType::Rsa2048 => rsa(RsaKeySize::_2048),
            KeyType::Rsa3072 => rsa(RsaKeySize::_3072),
            KeyType::Rsa4096 => rsa(RsaKeySize::_4096),
            KeyType::Other => return Err("nothing is known of this kind of key".to_owned()),
        };
        let pair = pair.map_err(|e| format!("no key was made: {e}"))?;
        Ok(Self { pem: PrivateKey::from_pem(pair.serialize_pem()), pair })
    }

    /// Takes a key that is there already.
    pub(super) fn again(pem: PrivateKey) -> Result<Self, String> {
        let text = pem.expose_pem();
        // Some files have an EC PARAMETERS block before the key (openssl ecparam).
        let start = text
            .match_indices("-----BEGIN ")
            .find(|(at, _)| {
                text[*at..].lines().next().is_some_and(|l| l.ends_with("PRIVATE KEY-----"))
            })
            .map_or(0, |(at, _)| at);
        match KeyPair::from_pem(&text[start..]) {
            Ok(pair) => Ok(Self { pem, pair }),
            Err(e) => Err(format!("the key that is to be used again cannot be read: {e}")),
        }
    }

    /// Itself (PKCS#8, DER), wiped when it goes.
    pub(super) fn secret(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.pair.serialize_der())
    }

    /// Its public half (SubjectPublicKeyInfo, DER).
    pub(super) fn public(&self) -> Vec<u8> {
        self.pair.subject_public_key_info()
    }

    /// The hash of its public half.
    pub(super) fn hash(&self) -> KeyHash {
        Sha256::of(&self.pair.subject_public_key_info())
    }

    /// A certificate signing request (PKCS #10, DER) with these names and an empty subject: a
    /// name stands in one place only.
    pub(super) fn request(&self, names: &[DnsId]) -> Result<Vec<u8>, String> {
        let texts: Vec<String> = names.iter().map(ToString::to_string).collect();
        let made = CertificateParams::new(texts).and_then(|mut params| {
            params.distinguished_name = DistinguishedName::new();
            params.serialize_request(&self.pair)
        });
        match made {
            Ok(request) => Ok(request.der().to_vec()),
            Err(e) => Err(format!("no signing request was made: {e}")),
        }
    }

    /// Whether `chain` is a certificate for all of `names` with this key, with nothing but
    /// certificates behind it.
    pub(super) fn fits(&self, chain: &str, names: &[DnsId]) -> Result<(), String> {
        let mut leaf = None;
        for (place, block) in Pem::iter_from_buffer(chain.as_bytes()).enumerate() {
            let block = block.map_err(|e| format!("the CA's chain is no PEM: {e}"))?;
            let certificate = block.parse_x509().map_err(|e| {
                format!("block {} of the CA's chain is no certificate: {e}", place + 1)
            })?;
            if place == 0 {
                let own = certificate.public_key().raw == self.pair.subject_public_key_info();
                let ids = certificate.subject_alternative_name().ok().flatten();
                let ids =
                    ids.map(|ids| ids.value.general_names.iter().filter_map(dns_id).collect());
                leaf = Some((own, ids.unwrap_or_default()));
            }
        }
        let Some((own, ids)): Option<(bool, Vec<DnsId>)> = leaf else {
            return Err("the CA's chain holds no certificate".to_owned());
        };
        if !own {
            return Err("the CA's certificate is for another key than ours".to_owned());
        }
        let missing: Vec<_> = names
            .iter()
            .filter(|name| match name {
                DnsId::Host(host) => !ids.iter().any(|id| id.matches(host)),
                DnsId::Wildcard(_) => !ids.contains(name),
            })
            .map(ToString::to_string)
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(format!("the CA's certificate lacks {}", missing.join(", ")))
    }
}

fn dns_id(name: &GeneralName<'_>) -> Option<DnsId> {
    match name {
        GeneralName::DNSName(text) => DnsId::parse(text).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::CertificateParams;
    use x509_parser::certification_request::X509CertificationRequest;
    use x509_parser::prelude::FromDer;

    use super::Key;
    use crate::model::{Bundle, DnsId, KeyType, PrivateKey};

    fn names(texts: &[&str]) -> Vec<DnsId> {
        texts.iter().map(|text| DnsId::parse(text).unwrap()).collect()
    }

    #[tokio::test]
    async fn every_kind_is_made_and_its_request_has_no_subject() {
        for kind in KeyType::CONFIGURABLE {
            let key = Key::make(kind).await.unwrap();
            let der = key.request(&names(&["a.example", "b.example"])).unwrap();
            let (_, request) = X509CertificationRequest::from_der(&der).unwrap();
            assert_eq!(request.certification_request_info.subject.to_string(), "");
            let pem = PrivateKey::from_pem(key.pem.expose_pem().to_owned());
            assert_eq!(Key::again(pem).unwrap().hash(), key.hash(), "{kind}");
            let params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
            let chain = params.self_signed(&key.pair).unwrap().pem();
            let facts = crate::verify::facts(&Bundle { key: key.pem, chain }).unwrap();
            assert_eq!(facts.key_type, kind);
        }
    }

    #[test]
    fn a_key_is_used_again_even_behind_parameters() {
        let made = Key::make_here(KeyType::EcdsaP384).unwrap();
        let parameters =
            "-----BEGIN EC PARAMETERS-----\nBgUrgQQAIg==\n-----END EC PARAMETERS-----\n";
        let text = format!("{parameters}{}", made.pem.expose_pem());
        let again = Key::again(PrivateKey::from_pem(text)).unwrap();
        assert_eq!(
            again.pair.public_key_raw(),
            made.pair.public_key_raw(),
            "another key came back"
        );
        assert!(Key::again(PrivateKey::from_pem("rubbish".to_owned())).is_err());
    }

    #[test]
    fn a_chain_must_have_our_key_and_all_names() {
        let key = Key::make_here(KeyType::EcdsaP256).unwrap();
        let other = Key::make_here(KeyType::EcdsaP256).unwrap();
        let chain = |key: &Key, name: &str| {
            let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            params.self_signed(&key.pair).unwrap().pem()
        };
        let wanted = names(&["a.example"]);
        for (chain, expected) in [
            (chain(&key, "a.example"), Ok(())),
            (chain(&key, "*.example"), Err("the CA's certificate lacks a.example")),
            (chain(&key, "b.example"), Err("the CA's certificate lacks a.example")),
            (chain(&other, "a.example"), Err("the CA's certificate is for another key than ours")),
            (String::new(), Err("the CA's chain holds no certificate")),
        ] {
            assert_eq!(key.fits(&chain, &wanted), expected.map_err(ToOwned::to_owned));
        }
        assert!(key.fits(key.pem.expose_pem(), &wanted).is_err());
    }
}
