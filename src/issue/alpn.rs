//! [`Alpn`]: answers tls-alpn-01 challenges (RFC 8737) on our own socket at port 443, bound only
//! while one is presented. It speaks TLS to the CA and nothing else to anybody.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256,
};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

use crate::issue::door::Door;
use crate::issue::{Solver, digest};
use crate::model::{Challenge, DnsId};

/// The protocol that CAs ask for (RFC 8737 section 6.2).
pub(super) const ACME_TLS: &[u8] = b"acme-tls/1";

/// The tls-alpn-01 listener.
pub struct Alpn {
    door: Door,
    shown: Arc<Shown>,
    /// Told whenever something is cleared.
    cleared: Notify,
    tls: Arc<ServerConfig>,
}

/// What is presented: for each name one certificate, with its token.
#[derive(Default)]
struct Shown(Mutex<HashMap<DnsId, (String, Arc<CertifiedKey>)>>);

impl Alpn {
    /// A listener on these addresses.
    ///
    /// # Errors
    /// A sentence when TLS cannot be set up.
    pub fn new(addresses: Vec<SocketAddr>) -> Result<Self, String> {
        let shown = Arc::new(Shown::default());
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| format!("the listener of tls-alpn-01 cannot be set up: {e}"))?
            .with_no_client_auth()
            .with_cert_resolver(shown.clone());
        tls.alpn_protocols = vec![ACME_TLS.to_vec()];
        // Nobody comes twice.
        tls.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        tls.send_tls13_tickets = 0;
        let door = Door::new(addresses, "[challenge.tls-alpn-01]", YIELD);
        Ok(Self { door, shown, cleared: Notify::new(), tls: Arc::new(tls) })
    }
}

#[async_trait]
impl Solver for Alpn {
    fn kind(&self, _: &DnsId) -> Challenge {
        Challenge::TlsAlpn01
    }

    /// A name shows one certificate at a time: another order of it waits for its turn.
    async fn present(&self, host: &DnsId, token: &str, answer: &str) -> Result<(), String> {
        let certificate = certificate(host, answer)
            .map_err(|why| format!("{host}: the certificate of its challenge: {why}"))?;
        let shown = async {
            loop {
                let cleared = self.cleared.notified();
                if self.shown.lock().contains_key(host) {
                    cleared.await;
                    continue;
                }
                let tls = TlsAcceptor::from(self.tls.clone());
                self.door.open(move |stream| serve(stream, tls.clone())).await?;
                // From here on nothing is waited for: who is dropped leaves nothing behind.
                match self.shown.lock().entry(host.clone()) {
                    Entry::Vacant(free) => {
                        free.insert((token.to_owned(), certificate));
                        return Ok(());
                    }
                    Entry::Occupied(_) => self.door.close(),
                }
            }
        };
        tokio::time::timeout(TURN, shown).await.unwrap_or_else(|_| {
            Err(format!(
                "{host}: another order's challenge has been shown for {} s",
                TURN.as_secs()
            ))
        })
    }

    async fn clear(&self, host: &DnsId, token: &str) {
        {
            let mut shown = self.shown.lock();
            if shown.get(host).is_none_or(|(own, _)| own != token) {
                return;
            }
            shown.remove(host);
        }
        self.door.close();
        self.cleared.notify_waiters();
    }
}

impl Shown {
    fn lock(&self) -> MutexGuard<'_, HashMap<DnsId, (String, Arc<CertifiedKey>)>> {
        // A panic elsewhere does not make the map wrong.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.lock().keys()).finish()
    }
}

impl ResolvesServerCert for Shown {
    /// Who does not ask for a challenge, or for no name that has one, is refused.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut offered = hello.alpn()?;
        if offered.next() != Some(ACME_TLS) || offered.next().is_some() {
            return None; // RFC 8737 section 4: a CA offers this one and no other
        }
        let host = DnsId::parse(hello.server_name()?).ok()?;
        self.lock().get(&host).map(|(_, certificate)| certificate.clone())
    }
}

/// A certificate for this name alone that says the challenge's answer (RFC 8737 section 3).
fn certificate(host: &DnsId, answer: &str) -> Result<Arc<CertifiedKey>, String> {
    let make = || {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::new(vec![host.to_string()])?;
        params.distinguished_name = DistinguishedName::new();
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(&digest(answer))];
        Ok::<_, rcgen::Error>((params.self_signed(&key)?, key))
    };
    let (certificate, key) = make().map_err(|e| e.to_string())?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let key = aws_lc_rs::sign::any_ecdsa_type(&key).map_err(|e| e.to_string())?;
    Ok(Arc::new(CertifiedKey::new(vec![certificate.der().clone()], key)))
}

/// One handshake, which is all that a CA wants; then the other side ends, or we do.
async fn serve(stream: TcpStream, tls: TlsAcceptor) {
    // What strangers send wrong is theirs; there is nobody to tell.
    if let Ok(mut stream) = tls.accept(stream).await {
        let _ = tokio::time::timeout(FAREWELL, stream.read(&mut [0; 64])).await;
    }
}

/// What else is to be done where another program has port 443.
const YIELD: &str = "have the names take http-01, which a web server can serve ([challenge.http-01] \
                     webroot = \"/var/www/html\"), or dns-01";
/// How long another order of the same name is waited for.
const TURN: Duration = Duration::from_secs(60);
/// How long the other side is waited for after the handshake.
const FAREWELL: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
