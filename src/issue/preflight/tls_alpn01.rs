//! One look at an address as a CA takes it for tls-alpn-01 (RFC 8737 section 3).

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature_with_raw_key};
use rustls::version::TLS13;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{Asked, Look, PATIENCE, is_ours};
use crate::issue::alpn::ACME_TLS;
use crate::issue::digest;
use crate::model::Hostname;

/// What the address shows for the name.
pub(super) async fn look(at: SocketAddr, asked: &Asked<'_>) -> Look {
    let (host, answer) = (asked.host, asked.answer);
    let stream = match tokio::time::timeout(PATIENCE, TcpStream::connect(at)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            let why = format!("cannot connect to {at}: {error}");
            let cure = "add it to listen in [challenge.tls-alpn-01]";
            return Look::of_connecting(at, error.kind(), why, cure);
        }
        Err(_) => return Look::NoAnswer(format!("{at} gave no answer within 5 s")),
    };
    let (Ok(name), Ok(config)) = (ServerName::try_from(host.to_string()), config()) else {
        return Look::Unseen(format!("{host} cannot be asked for by TLS"));
    };
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
    let stream = match tokio::time::timeout(PATIENCE, connecting).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return other_server(at, &format!("refuses it ({error})")),
        Err(_) => return other_server(at, "does not finish the handshake"),
    };
    let (_, session) = stream.get_ref();
    if session.alpn_protocol() != Some(ACME_TLS) {
        return other_server(at, "does not speak acme-tls/1");
    }
    let leaf = session.peer_certificates().and_then(|chain| chain.first());
    match leaf.map(|leaf| says(leaf, host, answer)) {
        Some(true) => Look::Right,
        _ => other_server(at, "shows another certificate than the challenge's"),
    }
}

fn other_server(at: SocketAddr, what: &str) -> Look {
    let whose = match is_ours(at.ip()) {
        true => {
            "on this machine: add the address to listen in [challenge.tls-alpn-01], and stop \
                 who has it, or let the name take another challenge"
        }
        false => {
            "and is not this machine: whoever keeps the zone has to point the name here, or \
                  let the name take dns-01"
        }
    };
    Look::Wrong(format!(
        "the server at {at} {what}, the CA would see the same (openssl s_client -alpn acme-tls/1 \
         -connect {at}); it is {whose}"
    ))
}

/// Whether a certificate is for this name alone and says the answer.
fn says(leaf: &CertificateDer<'_>, host: &Hostname, answer: &str) -> bool {
    let Ok((_, leaf)) = X509Certificate::from_der(leaf) else { return false };
    let names = leaf.subject_alternative_name().ok().flatten();
    let names = names.map(|names| names.value.general_names.as_slice()).unwrap_or_default();
    let alone =
        matches!(names, [GeneralName::DNSName(name)] if name.eq_ignore_ascii_case(host.as_str()));
    let mut expected = vec![0x04, 0x20]; // an OCTET STRING of 32 bytes
    expected.extend(digest(answer));
    let said = leaf.extensions().iter().any(|extension| {
        extension.critical
            && extension.oid.to_id_string() == ACME_IDENTIFIER
            && extension.value == expected
    });
    alone && said
}

/// What our own listener speaks, and no more: what does not, is not it.
fn config() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(Anybody(provider.clone()));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![ACME_TLS.to_vec()];
    Ok(config)
}

/// The certificate of a challenge is signed by itself: what it says is looked at afterwards, as
/// CAs do.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not offered".to_owned()))
    }

    /// By the bare key: the library takes no certificate with an extension that is critical and
    /// unknown to it, which is what this one is for.
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let (_, leaf) = X509Certificate::from_der(leaf)
            .map_err(|_| rustls::Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let key = SubjectPublicKeyInfoDer::from(leaf.public_key().raw);
        let known = &self.0.signature_verification_algorithms;
        verify_tls13_signature_with_raw_key(message, &key, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// id-pe-acmeIdentifier (RFC 8737 section 3).
const ACME_IDENTIFIER: &str = "1.3.6.1.5.5.7.1.31";
