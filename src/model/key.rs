//! [`PrivateKey`]: the one value that must never be seen, and [`Bundle`], a key with its chain.

use zeroize::Zeroizing;

/// A private key in PEM (PKCS#8 when mailcert made it). It has no Debug, Display, Clone or
/// serialisation, and its memory is wiped when it goes.
pub struct PrivateKey(Zeroizing<String>);

impl PrivateKey {
    /// Takes the PEM text of a key.
    #[must_use]
    pub fn from_pem(pem: String) -> Self {
        Self(Zeroizing::new(pem))
    }

    /// The PEM text, for the store and for a server's file and for nothing else.
    #[must_use]
    pub fn expose_pem(&self) -> &str {
        &self.0
    }
}

/// A private key and the certificate chain for it.
pub struct Bundle {
    /// The key.
    pub key: PrivateKey,
    /// The chain in PEM: the leaf first, then its issuers.
    pub chain: String,
}

impl Bundle {
    /// The combined file: key, leaf, chain, in the order Postfix demands
    /// (`smtpd_tls_chain_files` in postconf(5)).
    #[must_use]
    pub fn combined(&self) -> Zeroizing<Vec<u8>> {
        let key = self.key.expose_pem().trim_end();
        let mut bytes = Vec::with_capacity(key.len() + self.chain.len() + 2);
        bytes.extend_from_slice(key.as_bytes());
        bytes.push(b'\n');
        bytes.extend_from_slice(self.chain.trim_end().as_bytes());
        bytes.push(b'\n');
        Zeroizing::new(bytes)
    }
}
