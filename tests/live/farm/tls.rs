//! How a server does TLS: which certificate it shows to whom, and in which versions.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::openssl::Peer;
use super::pki::{Pki, Shown, der};

/// What speaks TLS.
#[derive(Clone)]
pub(crate) enum Tls {
    /// rustls.
    Ours(Arc<ServerConfig>),
    /// rustls, with the next configuration after each handshake that came to its end.
    Turns(Vec<Arc<ServerConfig>>, Arc<AtomicUsize>),
    /// An openssl of its own for each connection.
    Openssl(Arc<Peer>),
}

impl Tls {
    /// TLS 1.2 and 1.3 with this certificate for everybody.
    pub(crate) fn showing(shown: &Shown) -> Self {
        Self::Ours(plain(shown))
    }

    /// The same in these versions alone.
    pub(crate) fn only(shown: &Shown, versions: &[&'static SupportedProtocolVersion]) -> Self {
        Self::Ours(config(Shelf::one(shown), versions, None))
    }

    /// By the server name that is asked for.
    pub(crate) fn by_name(shelf: Shelf) -> Self {
        Self::Ours(config(shelf, rustls::ALL_VERSIONS, None))
    }

    /// These in turn.
    pub(crate) fn turns(shown: &[Shown]) -> Self {
        Self::Turns(shown.iter().map(plain).collect(), Arc::default())
    }

    /// Asks the client for a certificate of the farm's CA.
    pub(crate) fn demanding(
        pki: &Pki,
        shown: &Shown,
        versions: &[&'static SupportedProtocolVersion],
        demand: Demand,
    ) -> Self {
        Self::Ours(config(Shelf::one(shown), versions, Some((pki, demand))))
    }
}

/// How much a certificate of the client is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Demand {
    /// Asked for; none is fine.
    Optional,
    /// None is refused.
    Required,
}

/// Certificates by server name; none is answered by an alert.
#[derive(Debug)]
pub(crate) struct Shelf {
    host: String,
    named: Option<Arc<CertifiedKey>>,
    unnamed: Option<Arc<CertifiedKey>>,
    unknown: Option<Arc<CertifiedKey>>,
}

impl Shelf {
    /// One for everybody.
    pub(crate) fn one(shown: &Shown) -> Self {
        let key = certified(shown);
        let [named, unnamed, unknown] = [0; 3].map(|_| Some(Arc::clone(&key)));
        Self { host: String::new(), named, unnamed, unknown }
    }

    /// One for clients that ask for `host`, one for those without a server name, one for those
    /// that ask for another.
    pub(crate) fn of(
        host: &str,
        named: Option<&Shown>,
        unnamed: Option<&Shown>,
        unknown: Option<&Shown>,
    ) -> Self {
        let [named, unnamed, unknown] = [named, unnamed, unknown].map(|shown| shown.map(certified));
        Self { host: host.to_owned(), named, unnamed, unknown }
    }
}

impl ResolvesServerCert for Shelf {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        match hello.server_name() {
            None => self.unnamed.clone(),
            Some(name) if self.host == name => self.named.clone(),
            Some(_) => self.unknown.clone(),
        }
    }
}

/// TLS 1.2 and 1.3 with this certificate for everybody.
pub(crate) fn plain(shown: &Shown) -> Arc<ServerConfig> {
    config(Shelf::one(shown), rustls::ALL_VERSIONS, None)
}

/// Chain and key as they are: whether they fit together is nobody's business here.
fn certified(shown: &Shown) -> Arc<CertifiedKey> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(shown.key.clone()));
    let key = provider.key_provider.load_private_key(key).expect("a key for signing");
    Arc::new(CertifiedKey::new(shown.chain.clone(), key))
}

fn config(
    shelf: Shelf,
    versions: &[&'static SupportedProtocolVersion],
    demand: Option<(&Pki, Demand)>,
) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .expect("the provider has them");
    let builder = match demand {
        None => builder.with_no_client_auth(),
        Some((pki, demand)) => {
            let mut roots = RootCertStore::empty();
            roots.add(der(&pki.root)).expect("a root");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = match demand {
                Demand::Optional => verifier.allow_unauthenticated(),
                Demand::Required => verifier,
            };
            builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
        }
    };
    Arc::new(builder.with_cert_resolver(Arc::new(shelf)))
}
