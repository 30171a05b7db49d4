//! Revocation (RFC 8555 section 7.6): signed by the account, or by the certificate's own key, which
//! is what is left where the account is lost and all that is needed by whoever holds the key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::Acme;
use super::jws::{Signer, Unanswered, Who};
use crate::issue::{Refusal, SignedBy};
use crate::model::Revocation;

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
        let unusable = |why: String| self.refused("", Unanswered::Ours(why));
        let asked = match by {
            SignedBy::Account => {
                let kept = self.kept_account().await?;
                let signer = kept.signer().map_err(unusable)?;
                self.ask_to_revoke(certificate, reason, &signer, Who::Account(&kept.id)).await
            }
            SignedBy::Certificate(key) => {
                let signer = Signer::of(key).map_err(unusable)?;
                self.ask_to_revoke(certificate, reason, &signer, Who::Key).await
            }
        };
        match asked {
            Err(why) if why.is("alreadyRevoked") => Ok(()),
            asked => asked.map_err(|why| self.refused("the revocation", why)),
        }
    }

    async fn ask_to_revoke(
        &self,
        certificate: &[u8],
        reason: Revocation,
        signer: &Signer,
        who: Who<'_>,
    ) -> Result<(), Unanswered> {
        let directory = self.directory().await.map_err(Unanswered::Refused)?;
        let Some(url) = &directory.revoke_cert else {
            let why = "the CA's directory has no revokeCert: it revokes nothing";
            return Err(Unanswered::Ours(why.to_owned()));
        };
        let payload = json!({
            "certificate": URL_SAFE_NO_PAD.encode(certificate),
            "reason": reason.number(),
        });
        self.post(directory, url, (signer, who), &payload.to_string()).await.map(drop)
    }
}
