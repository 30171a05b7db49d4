//! Good mail servers for the benchmarks: SMTP with STARTTLS, each with a key and a certificate of
//! its own, leaf and intermediate.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use time::OffsetDateTime;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

/// Serves `host(n)` on port 25 of the n-th address until the process ends, each reply `delay`
/// later than it could be; the root that all certificates end at is written to `roots`.
pub(crate) fn serve(
    addresses: &[Ipv4Addr],
    host: impl Fn(usize) -> String,
    roots: &Path,
    delay: Duration,
) {
    let ca = Ca::new(roots);
    let server = |(number, at): (usize, &Ipv4Addr)| {
        let listener = TcpListener::bind((*at, 25)).expect("port 25");
        (listener, ca.acceptor(&host(number)))
    };
    let servers: Vec<_> = addresses.iter().enumerate().map(server).collect();
    std::thread::spawn(move || serve_all(servers, delay));
}

/// A root that is written down, and its intermediate.
struct Ca {
    intermediate: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    fn new(roots: &Path) -> Self {
        let key = KeyPair::generate().expect("a key");
        let root = authority("the benchmark's root");
        std::fs::write(roots, root.self_signed(&key).expect("a root").pem()).expect("written");
        let root = Issuer::new(root, key);
        let key = KeyPair::generate().expect("a key");
        let params = authority("the benchmark's intermediate");
        let intermediate = params.signed_by(&key, &root).expect("signed").der().to_vec();
        Self { intermediate, issuer: Issuer::new(params, key) }
    }

    fn acceptor(&self, host: &str) -> TlsAcceptor {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![host.to_owned()]).expect("a name");
        let leaf = dated(params, host).signed_by(&key, &self.issuer).expect("a leaf");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = key.serialize_der().try_into().expect("PKCS #8");
        let chain = vec![leaf.der().clone(), self.intermediate.clone().into()];
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has them")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("key and leaf match");
        TlsAcceptor::from(Arc::new(config))
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = dated(CertificateParams::default(), name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn dated(mut params: CertificateParams, name: &str) -> CertificateParams {
    let now = OffsetDateTime::now_utc();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = now - time::Duration::days(1);
    params.not_after = now + time::Duration::days(80);
    params
}

fn serve_all(servers: Vec<(TcpListener, TlsAcceptor)>, delay: Duration) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        for (listener, acceptor) in servers {
            listener.set_nonblocking(true).expect("a socket can");
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            tokio::spawn(async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    let acceptor = acceptor.clone();
                    tokio::spawn(async move {
                        stream.set_nodelay(true)?;
                        tokio::time::sleep(delay).await;
                        stream.write_all(b"220 mx.bench.test ESMTP\r\n").await?;
                        if talk(&mut stream, delay).await? {
                            talk(&mut acceptor.accept(stream).await?, delay).await?;
                        }
                        Ok::<_, std::io::Error>(())
                    });
                }
            });
        }
        std::future::pending::<()>().await;
    });
}

/// A dialogue until its end, or (`true`) until TLS is to begin. A command comes in one piece.
async fn talk<S>(stream: &mut S, delay: Duration) -> std::io::Result<bool>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut bytes = [0; 1024];
    loop {
        let length = stream.read(&mut bytes).await?;
        let command = bytes[..length].to_ascii_uppercase();
        let answer: &[u8] = match command.get(..4) {
            Some(b"EHLO") => b"250-mx.bench.test\r\n250 STARTTLS\r\n",
            Some(b"STAR") => b"220 go ahead\r\n",
            Some(b"QUIT") => b"221 bye\r\n",
            None => return Ok(false),
            Some(_) => b"502 no\r\n",
        };
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        stream.write_all(answer).await?;
        stream.flush().await?;
        match command.get(..4) {
            Some(b"STAR") => return Ok(true),
            Some(b"QUIT") => return Ok(false),
            _ => {}
        }
    }
}
