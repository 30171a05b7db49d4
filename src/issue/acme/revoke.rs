//! Revocation (RFC 8555 section 7.6): signed by the account, or by the certificate's own key, which
//! is what is left where the account is lost and all that is needed by whoever holds the key.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    RSA_PKCS1_SHA256,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::Request;
use instant_acme::{Error, RevocationReason, RevocationRequest};
use rustls_pki_types::CertificateDer;
use serde_json::{Value, json};
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::problem::Problem;
use super::{Acme, NONCE_TRIES, problem, spy};
use crate::issue::key::Key;
use crate::issue::{Refusal, SignedBy};
use crate::model::{PrivateKey, Revocation};

impl Acme {
    /// Revokes a certificate (DER). One that is revoked already is revoked.
    ///
    /// # Errors
    /// [`Refusal`] when the CA refuses or cannot be asked.
    pub async fn revoke(
        &self,
        certificate: &[u8],
        reason: Revocation,
        by: SignedBy<'_>,
    ) -> Result<(), Refusal> {
        match by {
            SignedBy::Account => self.revoke_by_account(certificate, reason).await,
            SignedBy::Certificate(key) => self.revoke_by_key(certificate, reason, key).await,
        }
    }

    async fn revoke_by_account(
        &self,
        certificate: &[u8],
        reason: Revocation,
    ) -> Result<(), Refusal> {
        let session = self.kept_account()?;
        let certificate = CertificateDer::from(certificate);
        let request =
            RevocationRequest { certificate: &certificate, reason: Some(word_of(reason)) };
        let mut tries = 0;
        loop {
            let account = session.open(self, self.spy().await?.0).await?;
            match account.revoke(&request).await {
                Err(e) if problem::is_bad_nonce(&e) && tries < NONCE_TRIES => tries += 1,
                Err(e) => return self.settle(e),
                Ok(()) => return Ok(()),
            }
        }
    }

    async fn revoke_by_key(
        &self,
        certificate: &[u8],
        reason: Revocation,
        key: &PrivateKey,
    ) -> Result<(), Refusal> {
        let directory = self.directory().await?;
        let Some(url) = &directory.revoke_cert else {
            return Err(self.unable("the CA's directory has no revokeCert: it revokes nothing"));
        };
        let signer = Signer::of(key).map_err(|why| self.unable(&why))?;
        let payload = json!({
            "certificate": URL_SAFE_NO_PAD.encode(certificate),
            "reason": reason.number(),
        });
        let mut nonce = self.nonce(&directory.new_nonce).await?;
        for _ in 0..=NONCE_TRIES {
            let body = signer.sign(&nonce, url, &payload).map_err(|why| self.unable(&why))?;
            let request = Request::post(url)
                .header("content-type", "application/jose+json")
                .body(Bytes::from(body.to_string()))
                .map_err(|e| self.unable(&format!("{url:?} is no URL: {e}")))?;
            let answer = match spy::ask(&self.http, &request).await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) => answer,
                Err(fault) => return self.settle(Error::Other(Box::new(fault))),
            };
            // What is left here is badNonce: the answer brings a fresh one.
            nonce = match replay_nonce(&answer) {
                Some(fresh) => fresh,
                None => self.nonce(&directory.new_nonce).await?,
            };
        }
        Err(self.unable("the CA refused every nonce that it gave"))
    }

    async fn nonce(&self, url: &str) -> Result<String, Refusal> {
        let request = Request::head(url)
            .body(Bytes::new())
            .map_err(|e| self.unable(&format!("{url:?} is no URL: {e}")))?;
        let answer = spy::ask(&self.http, &request).await;
        let answer = answer.map_err(|fault| self.unable(&fault.to_string()))?;
        replay_nonce(&answer).ok_or_else(|| self.unable(&format!("{url} gave no nonce")))
    }

    /// What an error means: a certificate that is revoked already is as wanted.
    fn settle(&self, error: Error) -> Result<(), Refusal> {
        if problem::is(&error, "alreadyRevoked") {
            return Ok(());
        }
        let said = match &error {
            Error::Api(theirs) => format!("the CA refused: {}", Problem::from(theirs)),
            other => problem::printable(&other.to_string(), 600),
        };
        Err(self.unable(&said))
    }

    fn unable(&self, why: &str) -> Refusal {
        Refusal::of_our_own(&self.settings.directory, why.to_owned())
    }
}

/// Something that signs a JWS (RFC 7515) with a certificate's key.
struct Signer {
    key: SigningKey,
    algorithm: &'static str,
    /// The public half (RFC 7517).
    jwk: Value,
}

enum SigningKey {
    Ecdsa(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl Signer {
    fn of(key: &PrivateKey) -> Result<Self, String> {
        // The key may be in any of the forms that servers take; from here on it is PKCS#8.
        let pair = Key::again(PrivateKey::from_pem(key.expose_pem().to_owned()))?;
        let (secret, public) = (pair.secret(), pair.public());
        let (_, info) = SubjectPublicKeyInfo::from_der(&public)
            .map_err(|e| format!("the certificate's key cannot be read: {e}"))?;
        let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let rejected = |_| "the certificate's key cannot be used".to_owned();
        match info.parsed() {
            Ok(PublicKey::EC(point)) => {
                // Uncompressed (SEC 1 section 2.3.3): 4, x, y.
                let (x, y) = point.data()[1..].split_at(point.data().len() / 2);
                let (curve, algorithm, signing) = match x.len() {
                    32 => ("P-256", "ES256", &ECDSA_P256_SHA256_FIXED_SIGNING),
                    48 => ("P-384", "ES384", &ECDSA_P384_SHA384_FIXED_SIGNING),
                    other => return Err(format!("no JWS is made with a curve of {other} bytes")),
                };
                let key = EcdsaKeyPair::from_pkcs8(signing, &secret).map_err(rejected)?;
                let jwk = json!({"kty": "EC", "crv": curve, "x": number(x), "y": number(y)});
                Ok(Self { key: SigningKey::Ecdsa(key), algorithm, jwk })
            }
            Ok(PublicKey::RSA(rsa)) => {
                let key = RsaKeyPair::from_pkcs8(&secret).map_err(rejected)?;
                // DER puts a zero before a number with its first bit set, JWK does not.
                let trimmed = |bytes: &[u8]| {
                    number(&bytes[bytes.iter().take_while(|byte| **byte == 0).count()..])
                };
                let jwk = json!({
                    "kty": "RSA", "n": trimmed(rsa.modulus), "e": trimmed(rsa.exponent),
                });
                Ok(Self { key: SigningKey::Rsa(key), algorithm: "RS256", jwk })
            }
            _ => Err("no JWS is made with a key of this kind".to_owned()),
        }
    }

    /// The flattened JSON form (RFC 7515 section 7.2.2).
    fn sign(&self, nonce: &str, url: &str, payload: &Value) -> Result<Value, String> {
        let protected = json!({"alg": self.algorithm, "jwk": self.jwk, "nonce": nonce, "url": url});
        let protected = URL_SAFE_NO_PAD.encode(protected.to_string());
        let payload = URL_SAFE_NO_PAD.encode(payload.to_string());
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

fn replay_nonce(answer: &http::Response<Bytes>) -> Option<String> {
    Some(answer.headers().get("replay-nonce")?.to_str().ok()?.to_owned())
}

fn word_of(reason: Revocation) -> RevocationReason {
    match reason {
        Revocation::Unspecified => RevocationReason::Unspecified,
        Revocation::KeyCompromise => RevocationReason::KeyCompromise,
        Revocation::Superseded => RevocationReason::Superseded,
        Revocation::CessationOfOperation => RevocationReason::CessationOfOperation,
    }
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

    use super::{Signer, URL_SAFE_NO_PAD};
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
            let signed = signer.sign("n1", "https://ca/revoke", &json!({"reason": 1})).unwrap();
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
