//! Requests that instant-acme cannot make: signed by a certificate's key, by a new account key beside
//! the old one, or asking for what the library drops of an answer. The rest goes through it.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    RSA_PKCS1_SHA256,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, Response};
use instant_acme::Error;
use serde_json::{Value, json};
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::problem::{self, printable};
use super::spy::{self, CaFault};
use super::{Acme, Directory, NONCE_TRIES};
use crate::issue::key::Key;
use crate::issue::{Cause, Refusal};
use crate::model::{Code, Finding, PrivateKey};

/// Why a request was not answered with yes.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// The CA refused it or gave no answer.
    Ca(CaFault),
    /// What comes before the request failed, and said why.
    Refused(Refusal),
    /// Nothing was asked.
    Ours(String),
}

impl Unanswered {
    /// Whether the CA's problem is of this type of RFC 8555 section 6.7.
    pub(super) fn is(&self, kind: &str) -> bool {
        matches!(self, Self::Ca(CaFault::Problem { problem, .. }) if problem.is(kind))
    }

    /// Whether the CA looked at the request and said no; else another try may end better.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::Ca(CaFault::Problem { status, .. }) if status.is_client_error())
            && !self.is("rateLimited")
    }
}

/// How a request says who signed it (RFC 8555 section 6.2).
#[derive(Clone, Copy)]
pub(super) enum Who<'a> {
    /// By the key itself.
    Key,
    /// By the account's URL.
    Account(&'a str),
}

impl Acme {
    /// Asks the CA with a signed request; an empty payload is a POST-as-GET.
    pub(super) async fn post(
        &self,
        directory: &Directory,
        url: &str,
        (signer, who): (&Signer, Who<'_>),
        payload: &str,
    ) -> Result<Response<Bytes>, Unanswered> {
        let no_url = |e: http::Error| Unanswered::Ours(format!("{url:?} is no URL: {e}"));
        let mut nonce = self.nonce(directory).await?;
        for _ in 0..=NONCE_TRIES {
            let body = signer.sign(who, Some(&nonce), url, payload).map_err(Unanswered::Ours)?;
            let request = Request::post(url)
                .header("content-type", "application/jose+json")
                .body(Bytes::from(body.to_string()))
                .map_err(no_url)?;
            let answer = spy::ask(&self.http, &request, self.now).await.map_err(Unanswered::Ca)?;
            if answer.status().is_success() {
                return Ok(answer);
            }
            // What is left here is badNonce: the answer brings a fresh one.
            nonce = match replay_nonce(&answer) {
                Some(fresh) => fresh,
                None => self.nonce(directory).await?,
            };
        }
        Err(Unanswered::Ours("the CA refused every nonce that it gave".to_owned()))
    }

    async fn nonce(&self, directory: &Directory) -> Result<String, Unanswered> {
        let url = &directory.new_nonce;
        let request = Request::head(url).body(Bytes::new());
        let request = request.map_err(|e| Unanswered::Ours(format!("{url:?} is no URL: {e}")))?;
        let answer = spy::ask(&self.http, &request, self.now).await.map_err(Unanswered::Ca)?;
        replay_nonce(&answer).ok_or_else(|| Unanswered::Ours(format!("{url} gave no nonce")))
    }

    /// What it means that the CA did not say yes to `what`.
    pub(super) fn refused(&self, what: &str, why: Unanswered) -> Refusal {
        let url = &self.settings.directory;
        match why {
            Unanswered::Refused(refusal) => refusal,
            Unanswered::Ours(why) => Refusal::of_our_own(url, why),
            Unanswered::Ca(CaFault::Problem { ref problem, retry_after, .. }) if why.is_final() => {
                let message = format!("the CA refused {what}: {problem}");
                let findings = vec![Finding::new(Code::OrderFailed, url, message)];
                Refusal { findings, names: Vec::new(), retry_after, cause: Cause::Ca }
            }
            Unanswered::Ca(fault) => problem::refusal(url, &[], Error::Other(Box::new(fault))),
        }
    }
}

/// Something that signs a JWS (RFC 7515).
pub(super) struct Signer {
    key: SigningKey,
    algorithm: &'static str,
    /// The public half (RFC 7517).
    pub(super) jwk: Value,
}

enum SigningKey {
    Ecdsa(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl Signer {
    /// With a certificate's key, which may be in any of the forms that servers take.
    pub(super) fn of(key: &PrivateKey) -> Result<Self, String> {
        // From here on it is PKCS#8.
        let pair = Key::again(PrivateKey::from_pem(key.expose_pem().to_owned()))?;
        let (secret, public) = (pair.secret(), pair.public());
        let (_, info) = SubjectPublicKeyInfo::from_der(&public)
            .map_err(|e| format!("the certificate's key cannot be read: {e}"))?;
        match info.parsed() {
            Ok(PublicKey::EC(point)) if point.data().len() == 65 => Self::p256(&secret),
            Ok(PublicKey::EC(point)) if point.data().len() == 97 => Self::p384(&secret),
            Ok(PublicKey::RSA(rsa)) => {
                let key = RsaKeyPair::from_pkcs8(&secret).map_err(unusable)?;
                // DER puts a zero before a number with its first bit set, JWK does not.
                let trimmed = |bytes: &[u8]| {
                    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
                    URL_SAFE_NO_PAD.encode(&bytes[zeros..])
                };
                let jwk = json!({
                    "kty": "RSA", "n": trimmed(rsa.modulus), "e": trimmed(rsa.exponent),
                });
                Ok(Self { key: SigningKey::Rsa(key), algorithm: "RS256", jwk })
            }
            _ => Err("no JWS is made with a key of this kind".to_owned()),
        }
    }

    /// With a key on the curve P-256 (PKCS#8, DER), as the keys of accounts are.
    pub(super) fn p256(pkcs8: &[u8]) -> Result<Self, String> {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8);
        Ok(Self::ecdsa(key.map_err(unusable)?, "P-256", "ES256"))
    }

    fn p384(pkcs8: &[u8]) -> Result<Self, String> {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, pkcs8);
        Ok(Self::ecdsa(key.map_err(unusable)?, "P-384", "ES384"))
    }

    fn ecdsa(key: EcdsaKeyPair, curve: &str, algorithm: &'static str) -> Self {
        // Uncompressed (SEC 1 section 2.3.3): 4, x, y.
        let point = key.public_key().as_ref();
        let (x, y) = point[1..].split_at(point.len() / 2);
        let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let jwk = json!({"kty": "EC", "crv": curve, "x": number(x), "y": number(y)});
        Self { key: SigningKey::Ecdsa(key), algorithm, jwk }
    }

    /// The flattened JSON form (RFC 7515 section 7.2.2).
    pub(super) fn sign(
        &self,
        who: Who<'_>,
        nonce: Option<&str>,
        url: &str,
        payload: &str,
    ) -> Result<Value, String> {
        let mut header = json!({"alg": self.algorithm, "url": url});
        match who {
            Who::Key => header["jwk"] = self.jwk.clone(),
            Who::Account(id) => header["kid"] = id.into(),
        }
        if let Some(nonce) = nonce {
            header["nonce"] = nonce.into();
        }
        let protected = URL_SAFE_NO_PAD.encode(header.to_string());
        let payload = URL_SAFE_NO_PAD.encode(payload);
        let text = format!("{protected}.{payload}");
        let failed = |_| "the request cannot be signed".to_owned();
        let random = SystemRandom::new();
        let signature = match &self.key {
            SigningKey::Ecdsa(key) => {
                key.sign(&random, text.as_bytes()).map_err(failed)?.as_ref().to_vec()
            }
            SigningKey::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature)
                    .map_err(failed)?;
                signature
            }
        };
        let signature = URL_SAFE_NO_PAD.encode(signature);
        Ok(json!({"protected": protected, "payload": payload, "signature": signature}))
    }
}

fn unusable(_: aws_lc_rs::error::KeyRejected) -> String {
    "the key cannot be used".to_owned()
}

fn replay_nonce(answer: &Response<Bytes>) -> Option<String> {
    Some(printable(answer.headers().get("replay-nonce")?.to_str().ok()?, 1000))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA256,
        UnparsedPublicKey, VerificationAlgorithm,
    };
    use base64::Engine as _;
    use rcgen::PublicKeyData as _;
    use serde_json::{Value, json};

    use super::{Signer, URL_SAFE_NO_PAD, Who};
    use crate::model::PrivateKey;

    fn text(value: &Value) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(value.as_str().unwrap()).unwrap()
    }

    #[test]
    fn a_request_is_signed_by_the_certificates_key_whatever_its_kind() {
        let kinds: [(_, &str, &dyn VerificationAlgorithm); 3] = [
            (&rcgen::PKCS_ECDSA_P256_SHA256, "ES256", &ECDSA_P256_SHA256_FIXED),
            (&rcgen::PKCS_ECDSA_P384_SHA384, "ES384", &ECDSA_P384_SHA384_FIXED),
            (&rcgen::PKCS_RSA_SHA256, "RS256", &RSA_PKCS1_2048_8192_SHA256),
        ];
        for (kind, algorithm, check) in kinds {
            let pair = rcgen::KeyPair::generate_for(kind).unwrap();
            let signer = Signer::of(&PrivateKey::from_pem(pair.serialize_pem())).unwrap();
            let payload = json!({"reason": 1}).to_string();
            let signed = signer.sign(Who::Key, Some("n1"), "https://ca/revoke", &payload).unwrap();
            let protected: Value = serde_json::from_slice(&text(&signed["protected"])).unwrap();
            assert_eq!(protected["alg"], algorithm);
            assert_eq!(
                (&protected["nonce"], &protected["url"]),
                (&json!("n1"), &json!("https://ca/revoke"))
            );
            assert_eq!(text(&signed["payload"]), br#"{"reason":1}"#);
            let of = |key: &str| signed[key].as_str().unwrap().to_owned();
            let said = format!("{}.{}", of("protected"), of("payload"));
            let public = UnparsedPublicKey::new(check, pair.der_bytes());
            public.verify(said.as_bytes(), &text(&signed["signature"])).expect(algorithm);
            let jwk = &protected["jwk"];
            match algorithm {
                "RS256" => {
                    assert_eq!((text(&jwk["n"]).len(), text(&jwk["e"])), (256, vec![1, 0, 1]))
                }
                _ => {
                    let point = [vec![4], text(&jwk["x"]), text(&jwk["y"])].concat();
                    assert_eq!(point, pair.der_bytes());
                }
            }
        }
    }
}
