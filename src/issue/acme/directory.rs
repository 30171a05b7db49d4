//! [`Directory`]: what the CA says of itself (RFC 8555 section 7.1.1).

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Request;
use serde::{Deserialize, Serialize};

use super::problem::printable;
use super::spy;
use crate::config;
use crate::http::Http;
use crate::issue::{Cause, Refusal};
use crate::model::{Code, Finding, Timestamp};
use crate::store::Store;

/// The parts of a directory that are used; all else is dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Directory {
    /// Where nonces come from.
    pub new_nonce: String,
    /// Where accounts are made.
    pub new_account: String,
    /// Where orders are made.
    pub new_order: String,
    /// Where certificates are revoked, if they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoke_cert: Option<String>,
    /// Where accounts get another key, if they do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_change: Option<String>,
    /// Where renewal windows are told (RFC 9773), if they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renewal_info: Option<String>,
    /// What it says besides.
    #[serde(default)]
    pub meta: Meta,
}

/// A directory's `meta`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Meta {
    /// The terms to agree to.
    pub terms_of_service: Option<String>,
    /// Whether accounts need an external account binding.
    pub external_account_required: bool,
    /// The names CAA records may give it (RFC 8555 section 7.1.1).
    pub caa_identities: Vec<String>,
    /// The profiles it offers, with a description each (draft-ietf-acme-profiles).
    pub profiles: BTreeMap<String, String>,
}

impl Directory {
    /// Reads the directory at `url`; `now` is what our clock says.
    ///
    /// # Errors
    /// [`Refusal`] (not by the CA) when it cannot be had or is none.
    pub async fn ask(http: &Http, url: &str, now: Timestamp) -> Result<Self, Refusal> {
        Ok(Self::ask_whole(http, url, now).await?.0)
    }

    /// The same with its text, for instant-acme.
    pub(super) async fn ask_whole(
        http: &Http,
        url: &str,
        now: Timestamp,
    ) -> Result<(Self, Bytes), Refusal> {
        let request = Request::get(url)
            .body(Bytes::new())
            .map_err(|e| unusable(url, format!("{url:?} is no directory URL: {e}")))?;
        let answer = match spy::ask(http, &request, now).await {
            Ok(answer) => answer,
            Err(fault) => {
                let error = instant_acme::Error::Other(Box::new(fault));
                return Err(super::problem::refusal(url, &[], error));
            }
        };
        if !answer.status().is_success() {
            let status = answer.status();
            return Err(unusable(
                url,
                format!("{url} answered {status}, expected an ACME directory"),
            ));
        }
        let directory = serde_json::from_slice(answer.body()).map_err(|e| {
            unusable(url, format!("{url} is no ACME directory: {}", printable(&e.to_string(), 200)))
        })?;
        Ok((directory, answer.into_body()))
    }

    /// Whether the CA offers this profile.
    ///
    /// # Errors
    /// [`Refusal`] (nothing was asked of the CA) that names those it offers.
    pub fn offers(&self, url: &str, profile: &str) -> Result<(), Refusal> {
        if self.meta.profiles.contains_key(profile) {
            return Ok(());
        }
        let offered: Vec<_> = self.meta.profiles.keys().map(|name| printable(name, 60)).collect();
        let near: Vec<&str> = offered.iter().map(String::as_str).collect();
        let near = config::nearest(profile, &near);
        let near = near.map_or_else(String::new, |near| format!(" (did you mean {near:?}?)"));
        Err(unusable(
            url,
            match offered.as_slice() {
                [] => {
                    format!("the CA offers no profiles; remove profile = {profile:?} from [acme]")
                }
                _ => format!(
                    "the CA offers no profile {profile:?}{near}; it offers {} (profile in [acme])",
                    offered.join(", ")
                ),
            },
        ))
    }
}

/// A refusal of our own: the CA was not asked for anything.
pub(super) fn unusable(url: &str, message: String) -> Refusal {
    let findings = vec![Finding::new(Code::OrderFailed, url, message)];
    Refusal { findings, names: Vec::new(), retry_after: None, cause: Cause::Ours }
}

/// What the directory that an earlier run saw says against the profile of the configuration; nothing
/// where none is remembered: an order asks anew.
#[must_use]
pub fn profile_unoffered(store: &dyn Store, settings: &config::Acme) -> Option<Finding> {
    let (profile, url) = (settings.profile.as_deref()?, &settings.directory);
    let diary = store.diary().ok()?;
    let (at, body) = diary.directories.get(url)?;
    let known: Directory = serde_json::from_str(body).ok()?;
    let refusal = known.offers(url, profile).err()?;
    let message = format!("{}; so its directory of {at} says", refusal.sentence());
    Some(Finding::new(Code::OrderFailed, url, message))
}

#[cfg(test)]
mod tests {
    use super::Directory;

    #[test]
    fn a_profile_that_is_not_offered_is_answered_with_the_nearest() {
        let text = r#"{"newNonce":"n","newAccount":"a","newOrder":"o",
            "meta":{"profiles":{"classic":"","tlsserver":""}}}"#;
        let directory: Directory = serde_json::from_str(text).unwrap();
        assert!(directory.offers("ca", "tlsserver").is_ok());
        for (profile, near) in [("tlsservr", " (did you mean \"tlsserver\"?)"), ("six-days", "")] {
            let said = directory.offers("ca", profile).unwrap_err().sentence();
            let expected = format!(
                "the CA offers no profile {profile:?}{near}; it offers classic, tlsserver \
                 (profile in [acme])"
            );
            assert_eq!(said, expected);
        }
    }
}
