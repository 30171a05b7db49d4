//! The smallest program with tokio and rustls that has the same dialogues: greeting, EHLO,
//! STARTTLS, a verified handshake, EHLO the first time, QUIT. It says nothing and keeps nothing.

use std::net::IpAddr;
use std::process::ExitCode;
use std::sync::Arc;

use futures_util::StreamExt as _;
use rustls::client::Resumption;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// As many at once as mailcert has by default.
const AT_ONCE: usize = 128;

/// Looks at each line `HOST:25 ADDRESS` of a file so often; fails where one look fails.
pub(crate) fn main(targets: &str, roots: &str, handshakes: u8) -> ExitCode {
    let text = std::fs::read_to_string(targets).expect("the targets");
    let connector = connector(roots);
    let looks = text.lines().map(|line| {
        let (host, address) = line.split_once(":25 ").expect("HOST:25 ADDRESS");
        let connector = connector.clone();
        async move {
            let at = address.parse().expect("an address");
            for number in 0..handshakes {
                look(host, at, &connector, number == 0).await?;
            }
            Ok::<_, std::io::Error>(())
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let failed = runtime.expect("a runtime").block_on(async {
        let results = futures_util::stream::iter(looks).buffer_unordered(AT_ONCE);
        results.filter(|result| std::future::ready(result.is_err())).count().await
    });
    ExitCode::from(u8::from(failed > 0))
}

fn connector(roots: &str) -> TlsConnector {
    let mut anchors = rustls::RootCertStore::empty();
    for root in CertificateDer::pem_file_iter(roots).expect("the roots") {
        anchors.add(root.expect("a certificate")).expect("a root");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_root_certificates(anchors)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    TlsConnector::from(Arc::new(config))
}

async fn look(
    host: &str,
    at: IpAddr,
    connector: &TlsConnector,
    is_first: bool,
) -> std::io::Result<()> {
    let mut stream = TcpStream::connect((at, 25)).await?;
    stream.set_nodelay(true)?;
    reply(&mut stream).await?;
    say(&mut stream, "EHLO smallest.invalid\r\n").await?;
    say(&mut stream, "STARTTLS\r\n").await?;
    let name = ServerName::try_from(host.to_owned()).expect("a name");
    let mut stream = connector.connect(name, stream).await?;
    if is_first {
        say(&mut stream, "EHLO smallest.invalid\r\n").await?;
    }
    say(&mut stream, "QUIT\r\n").await?;
    stream.shutdown().await
}

async fn say<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    words: &str,
) -> std::io::Result<()> {
    stream.write_all(words.as_bytes()).await?;
    stream.flush().await?;
    reply(stream).await
}

/// Reads to the end of a reply; the benchmark's server sends each in one piece.
async fn reply<S: AsyncRead + Unpin>(stream: &mut S) -> std::io::Result<()> {
    let mut bytes = [0; 1024];
    match stream.read(&mut bytes).await? {
        0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}
