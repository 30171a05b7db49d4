//! What stands behind the URLs in the farm's certificates, a few files over plain HTTP; and the
//! MTA-STS policies of its domains, over HTTPS.

use std::sync::Arc;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::mode::Mode;
use super::pki::{Pki, leaf, signed};
use super::trap::{self, Trap};

/// Paths and contents.
pub(crate) type Files = Vec<(String, Vec<u8>)>;

/// Serves until the process ends. `/endless` has no end.
pub(crate) async fn serve(listener: &TcpListener, files: &Files) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let files = files.clone();
        // A client that hangs up is not a failure of the server.
        tokio::spawn(async move { answer(stream, &files).await.ok() });
    }
}

/// Policies by their host, behind one certificate.
pub(crate) struct Policies {
    tls: Arc<ServerConfig>,
    all: Vec<(String, String)>,
}

impl Policies {
    /// Those of all modes.
    pub(crate) fn of(modes: &[Mode], pki: &Pki) -> Self {
        let hosts: Vec<String> =
            modes.iter().filter(|mode| mode.mta_sts.is_some()).map(Mode::policy_host).collect();
        let names: Vec<&str> = hosts.iter().map(String::as_str).collect();
        let policy = |mode: &Mode| Some((mode.policy_host(), mode.mta_sts.clone()??));
        Self {
            tls: super::tls::plain(&signed(leaf(&names), &pki.middle)),
            all: modes.iter().filter_map(policy).collect(),
        }
    }

    /// Serves until the process ends.
    pub(crate) async fn serve(self, listener: TcpListener) {
        let this = Arc::new(self);
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let this = Arc::clone(&this);
            // A client that hangs up is not a failure of the server.
            tokio::spawn(async move { this.answer(stream).await.ok() });
        }
    }

    async fn answer(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut stream = TlsAcceptor::from(Arc::clone(&self.tls)).accept(stream).await?;
        let request = request(&mut stream).await?.to_ascii_lowercase();
        let asked = |host: &str| {
            request.starts_with("get /.well-known/mta-sts.txt ")
                && request.contains(&format!("host: {host}\r\n"))
        };
        let policy = self.all.iter().find(|(host, _)| asked(host));
        let policy = policy.map(|(_, policy)| policy.as_bytes());
        stream.write_all(&response(policy, "text/plain")).await?;
        stream.shutdown().await
    }
}

async fn answer(mut stream: TcpStream, files: &Files) -> std::io::Result<()> {
    let request = request(&mut stream).await?;
    let path = request.split(' ').nth(1).unwrap_or_default();
    if path == "/endless" {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/pkix-cert\r\n\r\n").await?;
        return Trap::Endless(vec![0x30; 1024]).spring(&mut stream).await;
    }
    let file = files.iter().find(|(name, _)| name == path).map(|(_, content)| content.as_slice());
    stream.write_all(&response(file, "application/octet-stream")).await?;
    trap::leave(&mut stream).await
}

async fn request<S: AsyncRead + Unpin>(stream: &mut S) -> std::io::Result<String> {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") && request.len() < 16 * 1024 {
        if stream.read_buf(&mut request).await? == 0 {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&request).into_owned())
}

fn response(content: Option<&[u8]>, kind: &str) -> Vec<u8> {
    let (status, content) =
        content.map_or(("404 Not Found", &b"no\n"[..]), |content| ("200 OK", content));
    let length = content.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    );
    [head.as_bytes(), content].concat()
}
