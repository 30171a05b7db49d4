//! Issuers that are known by name: the intermediates of Let's Encrypt, roots that are not public.

use std::sync::LazyLock;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::verify::judge::cert::Cert;

const PEM: &[u8] = include_bytes!("../../../../templates/intermediates/lets-encrypt.pem");

/// Intermediates of Let's Encrypt that are compiled in; taken apart when they are first needed.
static BUNDLED: LazyLock<Vec<Cert>> = LazyLock::new(|| {
    let blocks = CertificateDer::pem_slice_iter(PEM).filter_map(Result::ok);
    blocks.filter_map(|der| Cert::parse(&der).ok()).collect()
});

/// Intermediates of Let's Encrypt that are compiled in.
pub(super) fn bundled() -> &'static [Cert] {
    &BUNDLED
}

/// The new roots of Let's Encrypt, in no public list yet, and the root that cross-signs each.
const NEW_ROOTS: [(&str, &str); 2] =
    [("C=US, O=ISRG, CN=Root YE", "ISRG Root X2"), ("C=US, O=ISRG, CN=Root YR", "ISRG Root X1")];

/// The root that cross-signs this new root of Let's Encrypt, if it is one.
pub(super) fn cross_signer(subject: &str) -> Option<&'static str> {
    NEW_ROOTS.iter().find(|(root, _)| *root == subject).map(|(_, signer)| *signer)
}

/// The intermediates of Let's Encrypt since 2024 (letsencrypt.org/certificates), by their CN.
const LETS_ENCRYPT: [&str; 16] = [
    "YE1", "YE2", "YE3", "YR1", "YR2", "YR3", "E5", "E6", "E7", "E8", "E9", "R10", "R11", "R12",
    "R13", "R14",
];

/// Which intermediate of Let's Encrypt calls itself so, if one does. A name alone proves nothing.
pub(super) fn lets_encrypt(subject: &str) -> Option<&'static str> {
    let cn = subject.strip_prefix("C=US, O=Let's Encrypt, CN=")?;
    LETS_ENCRYPT.iter().find(|name| **name == cn).copied()
}

/// A CA that is made for tests: which, and what to do.
pub(super) fn testing(name: &str) -> Option<&'static str> {
    if name.contains("(STAGING)") {
        return Some(
            "it comes from Let's Encrypt's staging environment, whose certificates are for tests; \
             order from production",
        );
    }
    let pebble = name.contains("Pebble Root CA") || name.contains("Pebble Intermediate CA");
    pebble.then_some("it comes from Pebble, an ACME server for tests; order from a public CA")
}

/// Roots that once were public and are so no more, by a part of their name.
const RETIRED: [(&str, &str); 9] = [
    ("CN=DST Root CA X3", "it ended in September 2021"),
    ("CN=AddTrust External CA Root", "it ended in May 2020"),
    ("CN=StartCom Certification Authority", "browsers distrust it since 2017"),
    ("CN=Certification Authority of WoSign", "browsers distrust it since 2017"),
    ("CN=DigiNotar Root CA", "it was broken into in 2011"),
    ("CN=TrustCor RootCert CA-1", "browsers distrust it since 2022"),
    ("CN=GeoTrust Global CA", "browsers distrust it since 2018"),
    (
        "CN=VeriSign Class 3 Public Primary Certification Authority - G5",
        "browsers distrust it since 2018",
    ),
    ("CN=thawte Primary Root CA", "browsers distrust it since 2018"),
];

/// Why a root that once was public is so no more, if it is one.
pub(super) fn retired(subject: &str) -> Option<&'static str> {
    RETIRED.iter().find(|(part, _)| subject.contains(part)).map(|(_, why)| *why)
}

#[cfg(test)]
mod tests {
    use super::{BUNDLED, cross_signer, lets_encrypt, retired, testing};
    use crate::model::{Sha256, Timestamp};
    use crate::trust::Roots;
    use crate::verify::judge::cert::Cert;
    use crate::verify::judge::chain::path::Path;

    /// SHA-256 of the SubjectPublicKeyInfo, as Let's Encrypt publishes the certificates.
    const KEYS: [(&str, &str); 2] = [
        ("YE2", "b3fb5d00e994cddf2cc9a4eea9f806bc5727e83cc0e4299bf956f2d524fe5376"),
        ("Root YE", "b0292ae545978e0fbb98abbd94c861605e5b18bb32ed523f50d5b7b5c71d47bc"),
    ];

    #[test]
    fn what_is_compiled_in_is_signed_up_to_mozillas_roots() {
        let roots = Roots::mozilla();
        let now = Timestamp::from_unix(1_795_000_000);
        let names: Vec<&str> = BUNDLED.iter().map(|one| one.common_names[0].as_str()).collect();
        assert_eq!(names, ["YE2", "Root YE", "ISRG Root X2", "E6", "E8", "R12"]);
        for one in BUNDLED.iter() {
            assert!(one.is_ca && one.may_sign, "{}", one.subject);
            let path_from = |one: &Cert| -> Vec<Cert> { vec![one.clone()] };
            let alone = path_from(one);
            let path = Path::find(&alone, &BUNDLED, &roots, now);
            assert!(path.is_trusted(), "{}", one.subject);
            for pair in path.certificates.windows(2) {
                assert_eq!(
                    pair[0].is_signed_with(&pair[1].spki_raw),
                    Some(true),
                    "{}",
                    one.subject
                );
            }
        }
    }

    #[test]
    fn what_is_compiled_in_has_the_published_keys() {
        for (name, expected) in KEYS {
            let one = BUNDLED.iter().find(|one| one.common_names == [name]).unwrap();
            assert_eq!(Sha256::of(&one.spki).to_string(), expected, "{name}");
        }
    }

    #[test]
    fn names_are_recognised_whole() {
        assert_eq!(cross_signer("C=US, O=ISRG, CN=Root YE"), Some("ISRG Root X2"));
        assert_eq!(cross_signer("C=US, O=Somebody, CN=Root YE"), None);
        assert_eq!(lets_encrypt("C=US, O=Let's Encrypt, CN=YR1"), Some("YR1"));
        assert_eq!(lets_encrypt("C=US, O=Let's Encrypt, CN=YR99"), None);
        assert!(
            testing("C=US, O=(STAGING) Let's Encrypt, CN=(STAGING) Mysterious Mulberry E8")
                .is_some()
        );
        assert!(testing("CN=Pebble Intermediate CA 0b1f2e").is_some());
        assert_eq!(testing("CN=Example CA"), None);
        assert!(retired("O=Digital Signature Trust Co., CN=DST Root CA X3").is_some());
    }
}
