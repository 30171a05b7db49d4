//! `revoke`: what was revoked.

use serde::Serialize;

use crate::model::{CertName, Version};

/// The certificate that is revoked; field names are the JSON interface.
#[derive(Debug, Serialize)]
pub struct Revoked {
    /// Its name in the store, where it is no more; none for a file.
    pub certificate: Option<CertName>,
    /// Which version it was.
    pub version: Option<Version>,
    /// The file that it is in, where it was not held.
    pub file: Option<String>,
    /// Its serial number in hexadecimal.
    pub serial: String,
    /// The reason that was given (RFC 5280).
    pub reason: &'static str,
    /// Whose key signed: `account` or `certificate`.
    pub signed_by: &'static str,
}

/// The sentence for a terminal.
pub(super) fn text(revoked: &Revoked) -> String {
    let Revoked { certificate, version, file, serial, reason, signed_by } = revoked;
    let (what, after) = match (certificate, version, file) {
        (Some(name), Some(version), _) => {
            (format!("version {version} of {name}"), "it is forgotten here")
        }
        (_, _, file) => (
            format!("the certificate in {}", file.as_deref().unwrap_or("a file")),
            "the file is left as it is",
        ),
    };
    super::wrapped(
        &format!("revoked: {what} ({reason}, serial {serial}), signed by the {signed_by}; {after}"),
        "",
    )
}
