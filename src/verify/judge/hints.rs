//! What a certificate says that no sender looks at, and that breaks mail elsewhere.

use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::{Oid, oid};
use x509_parser::prelude::FromDer;

/// What a certificate says of its use beside being a server's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// It demands a stapled OCSP response: the TLS feature `status_request` (RFC 7633).
    pub must_staple: bool,
    /// Whether it is one for TLS clients; `None` where it limits its purposes in no way.
    pub for_clients: Option<bool>,
}

/// The hints of a certificate (DER); none where it cannot be read.
#[must_use]
pub fn hints(der: &[u8]) -> Hints {
    let Ok((_, x509)) = X509Certificate::from_der(der) else { return Hints::default() };
    let feature = x509.get_extension_unique(&TLS_FEATURE).ok().flatten();
    // SEQUENCE OF INTEGER: status_request is 5, status_request_v2 is 17.
    let demands =
        |value: &[u8]| value.windows(3).any(|part| part == [2, 1, 5] || part == [2, 1, 17]);
    let usage = x509.extended_key_usage().ok().flatten();
    Hints {
        must_staple: feature.is_some_and(|extension| demands(extension.value)),
        for_clients: usage.map(|usage| usage.value.client_auth || usage.value.any),
    }
}

/// id-pe-tlsfeature (RFC 7633 section 6).
const TLS_FEATURE: Oid<'static> = oid!(1.3.6.1.5.5.7.1.24);

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, KeyPair};

    use super::{Hints, hints};

    fn hints_of(staple: Option<&[u8]>, purposes: Vec<ExtendedKeyUsagePurpose>) -> Hints {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
        params.extended_key_usages = purposes;
        let extension = |value: &[u8]| {
            CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 24], value.to_vec())
        };
        params.custom_extensions.extend(staple.map(extension));
        hints(params.self_signed(&key).unwrap().der())
    }

    #[test]
    fn must_staple_and_the_clients_purpose_are_read() {
        use ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
        for (staple, purposes, must_staple, for_clients) in [
            (None, vec![], false, None),
            (None, vec![ServerAuth], false, Some(false)),
            (None, vec![ServerAuth, ClientAuth], false, Some(true)),
            (Some(&[0x30, 3, 2, 1, 5][..]), vec![ServerAuth], true, Some(false)),
            (Some(&[0x30, 3, 2, 1, 16][..]), vec![], false, None),
        ] {
            let expected = Hints { must_staple, for_clients };
            assert_eq!(hints_of(staple, purposes), expected, "{staple:?}");
        }
        assert_eq!(hints(b"junk"), Hints::default());
    }
}
