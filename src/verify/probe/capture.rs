//! A verifier that records what the server shows and lets the handshake finish, so that every
//! fault can be told afterwards. It asserts nothing: such a session carries a goodbye and no more.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::model::{Code, Stage};
use crate::verify::{Fault, Side, judge};

/// The most certificates whose key is tried.
const MOST: usize = 4;

/// What one handshake showed.
#[derive(Debug, Default)]
pub(super) struct Capture {
    chain: Mutex<Vec<Vec<u8>>>,
    unproven: Mutex<Option<String>>,
    asked_for_ours: AtomicBool,
}

impl Capture {
    /// The chain as sent, in DER.
    pub(super) fn chain(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut *self.chain.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Why the server did not prove that it has the key, if it did not. A key too short for our
    /// library proves nothing either way.
    pub(super) fn unproven(&self) -> Option<String> {
        let why = self.unproven.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let chain = self.chain.lock().unwrap_or_else(PoisonError::into_inner);
        chain.first().is_some_and(|leaf| !judge::has_weak_key(leaf)).then_some(why)
    }

    /// Whether the server asked for a certificate of the client.
    pub(super) fn asked_for_ours(&self) -> bool {
        self.asked_for_ours.load(Ordering::Relaxed)
    }

    /// Notes whether the server proved that it has the key. One that sends its own certificate
    /// behind another has it all the same.
    fn record(
        &self,
        check: impl Fn(&CertificateDer<'_>) -> Result<HandshakeSignatureValid, Error>,
    ) {
        let chain = self.chain.lock().unwrap_or_else(PoisonError::into_inner);
        let mut checks = chain.iter().take(MOST).map(|der| check(&CertificateDer::from(&**der)));
        // A certificate that webpki cannot use (version 1, a short key) is the judge's business.
        let Some(Err(
            error @ (Error::PeerMisbehaved(_)
            | Error::InvalidCertificate(CertificateError::BadSignature)),
        )) = checks.next()
        else {
            return;
        };
        if !checks.any(|checked| checked.is_ok()) {
            *self.unproven.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
        }
    }
}

/// A configuration for one handshake: no resumption, which would hide the certificate. Of the
/// algorithms all are offered, or those of one side.
pub(super) fn config(
    capture: &Arc<Capture>,
    sni: bool,
    side: Option<Side>,
) -> Result<ClientConfig, Box<Fault>> {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    let other = side.map(|side| if side == Side::Rsa { "_ECDSA_" } else { "_RSA_" });
    provider.cipher_suites.retain(|suite| {
        let name = format!("{:?}", suite.suite());
        other.is_none_or(|other| !name.contains(other))
    });
    let provider = Arc::new(provider);
    let verifier = Verifier { capture: Arc::clone(capture), provider: Arc::clone(&provider), side };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| {
            let found = vec![error.to_string()];
            Box::new(Fault { found, ..Fault::new(Code::HandshakeFailed, Stage::Handshake) })
        })?;
    let mut config = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(NoneOfOurs(Arc::clone(capture))));
    config.enable_sni = sni;
    config.resumption = Resumption::disabled();
    Ok(config)
}

#[derive(Debug)]
struct Verifier {
    capture: Arc<Capture>,
    provider: Arc<CryptoProvider>,
    side: Option<Side>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let all = std::iter::once(end_entity).chain(intermediates);
        *self.capture.chain.lock().unwrap_or_else(PoisonError::into_inner) =
            all.map(|certificate| certificate.to_vec()).collect();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        _: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        self.capture.record(|shown| verify_tls12_signature(message, shown, signed, known));
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        _: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        self.capture.record(|shown| verify_tls13_signature(message, shown, signed, known));
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self.provider.signature_verification_algorithms.supported_schemes();
        schemes.retain(|scheme| self.side.is_none_or(|side| is_of(*scheme, side)));
        schemes
    }
}

fn is_of(scheme: SignatureScheme, side: Side) -> bool {
    let name = format!("{scheme:?}");
    name.starts_with(if side == Side::Rsa { "RSA_" } else { "ECDSA_" })
}

/// Notes that the server asked, and has nothing to show.
#[derive(Debug)]
struct NoneOfOurs(Arc<Capture>);

impl ResolvesClientCert for NoneOfOurs {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.asked_for_ours.store(true, Ordering::Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        // rustls asks resolve() only where there could be one.
        true
    }
}
