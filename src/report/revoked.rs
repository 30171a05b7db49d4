//! `revoke`: what was revoked.

use serde::Serialize;

use crate::model::{CertName, Version};

/// The certificate that is revoked; field names are the JSON interface.
#[derive(Debug, Serialize)]
pub struct Revoked {
    /// Its name in the store, where it is no more.
    pub certificate: CertName,
    /// Which version it was.
    pub version: Version,
    /// Its serial number in hexadecimal.
    pub serial: String,
    /// The reason that was given (RFC 5280).
    pub reason: &'static str,
    /// Whose key signed: `account` or `certificate`.
    pub signed_by: &'static str,
}

/// The sentence for a terminal.
pub(super) fn text(revoked: &Revoked) -> String {
    let Revoked { certificate, version, serial, reason, signed_by } = revoked;
    super::wrapped(
        &format!(
            "revoked: version {version} of {certificate} ({reason}, serial {serial}), signed by \
             the {signed_by}; it is forgotten here"
        ),
        "",
    )
}
