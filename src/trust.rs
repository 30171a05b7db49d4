//! Root sets: Mozilla's, the system's, a file's. It judges nothing; `verify::judge` does.

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// The roots that decide, and the name to call them by.
#[derive(Debug)]
pub struct Roots {
    /// How reports name them: `Mozilla's roots`, `the system's roots`, a path.
    pub name: String,
    /// The anchors.
    pub anchors: RootCertStore,
}

/// Why there are no roots to judge by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// No certificate was found: an empty file, or one of another kind.
    #[error("{name}: no certificate in it; expected at least one BEGIN CERTIFICATE block")]
    Empty {
        /// The file or the store.
        name: String,
    },
    /// A block is no certificate.
    #[error("{name}: certificate {position} cannot be read: {why}")]
    Damaged {
        /// The file.
        name: String,
        /// Which block, from 1.
        position: usize,
        /// What the parser said.
        why: String,
    },
    /// The system's store could not be read.
    #[error("the system's trust store cannot be read: {why}; install ca-certificates")]
    System {
        /// What was said.
        why: String,
    },
}

impl Roots {
    /// Mozilla's roots as compiled in: the nearest public stand-in for what Gmail trusts.
    #[must_use]
    pub fn mozilla() -> Self {
        let anchors = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
        Self { name: "Mozilla's roots".to_owned(), anchors }
    }

    /// The system's trust store (`SSL_CERT_FILE` and `SSL_CERT_DIR` change it, local private CAs
    /// are in it: it says what this machine trusts, not what Gmail does).
    ///
    /// # Errors
    /// [`TrustError`] when nothing could be read.
    pub fn system() -> Result<Self, TrustError> {
        let found = rustls_native_certs::load_native_certs();
        let mut anchors = RootCertStore::empty();
        anchors.add_parsable_certificates(found.certs);
        if let (true, Some(error)) = (anchors.is_empty(), found.errors.first()) {
            return Err(TrustError::System { why: error.to_string() });
        }
        let name = "the system's roots".to_owned();
        if anchors.is_empty() {
            Err(TrustError::Empty { name })
        } else {
            Ok(Self { name, anchors })
        }
    }

    /// The certificates of a PEM text; `name` is what reports call it, mostly its path.
    ///
    /// # Errors
    /// [`TrustError`] when it holds none, or one that cannot be read.
    pub fn from_pem(name: &str, text: &str) -> Result<Self, TrustError> {
        let mut anchors = RootCertStore::empty();
        let damaged =
            |position, why: String| TrustError::Damaged { name: name.to_owned(), position, why };
        for (index, block) in CertificateDer::pem_slice_iter(text.as_bytes()).enumerate() {
            let certificate = block.map_err(|error| damaged(index + 1, error.to_string()))?;
            anchors.add(certificate).map_err(|error| damaged(index + 1, error.to_string()))?;
        }
        if anchors.is_empty() {
            return Err(TrustError::Empty { name: name.to_owned() });
        }
        Ok(Self { name: name.to_owned(), anchors })
    }

    /// Whether a root has this subject: the content of the DER SEQUENCE, without its header.
    #[must_use]
    pub fn has_subject(&self, subject: &[u8]) -> bool {
        self.anchors.roots.iter().any(|anchor| anchor.subject.as_ref() == subject)
    }

    /// Whether a root has this subject and this key (contents of the two SEQUENCEs): the same
    /// name with another key is another root.
    #[must_use]
    pub fn has(&self, subject: &[u8], spki: &[u8]) -> bool {
        self.anchors.roots.iter().any(|anchor| {
            anchor.subject.as_ref() == subject && anchor.subject_public_key_info.as_ref() == spki
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Roots, TrustError};

    #[test]
    fn mozilla_has_a_hundred_roots_and_more() {
        assert!(Roots::mozilla().anchors.len() > 100);
    }

    #[test]
    fn an_empty_file_says_so() {
        for text in ["", "no certificate\n"] {
            let error = Roots::from_pem("/etc/ca.pem", text).unwrap_err();
            assert_eq!(error, TrustError::Empty { name: "/etc/ca.pem".to_owned() });
            assert_eq!(
                error.to_string(),
                "/etc/ca.pem: no certificate in it; expected at least one BEGIN CERTIFICATE block"
            );
        }
    }

    #[test]
    fn a_damaged_block_is_named_by_its_number() {
        let key = rcgen::KeyPair::generate().unwrap();
        let good = rcgen::CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap().pem();
        assert_eq!(Roots::from_pem("ca.pem", &good).unwrap().anchors.len(), 1);
        let bad = format!("{good}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        let error = Roots::from_pem("ca.pem", &bad).unwrap_err();
        assert!(matches!(error, TrustError::Damaged { position: 2, .. }), "{error}");
    }
}
