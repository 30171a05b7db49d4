//! A server that speaks one of the protocols by a table, well or with one trap.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::{Ca, MX, certified};
use crate::model::Service;

/// What is replied to a command, in plain text or inside TLS; `""` is the greeting.
pub(super) type Replies = fn(&str, bool) -> &'static str;

/// How a scripted server behaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Script {
    pub(super) replies: Replies,
    /// TLS comes first.
    pub(super) at_once: bool,
    /// What came with STARTTLS in one piece is obeyed inside TLS.
    pub(super) obeys: bool,
    /// What it says inside TLS by itself.
    pub(super) again: &'static str,
    /// It waits for a PROXY header.
    pub(super) proxy: bool,
    /// How long it takes to greet.
    pub(super) delay: Duration,
    /// It knows no other name.
    pub(super) only_mx: bool,
}

impl Script {
    pub(super) fn new(service: Service) -> Self {
        let replies = match service {
            Service::Imap | Service::Imaps => imap,
            Service::Pop3 | Service::Pop3s => pop,
            Service::Sieve => sieve,
            _ => smtp,
        };
        let again = if service == Service::Sieve { sieve("", true) } else { "" };
        let (delay, at_once) = (Duration::ZERO, false);
        Self { replies, at_once, obeys: false, again, proxy: false, delay, only_mx: false }
    }

    /// Runs at a free port of this address; the count is that of its connections.
    pub(super) async fn run(self, ca: &Ca, at: &str) -> (SocketAddr, Arc<AtomicUsize>) {
        self.run_with(certified(ca, MX, true), at).await
    }

    pub(super) async fn run_with(
        self,
        key: Arc<CertifiedKey>,
        at: &str,
    ) -> (SocketAddr, Arc<AtomicUsize>) {
        let listener = TcpListener::bind(at).await.unwrap();
        let address = listener.local_addr().unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Key(key, self.only_mx)));
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let acceptor = acceptor.clone();
                tokio::spawn(async move { self.serve(stream, acceptor).await.ok() });
            }
        });
        (address, count)
    }

    async fn serve(self, stream: TcpStream, acceptor: TlsAcceptor) -> std::io::Result<()> {
        let mut stream = stream;
        if self.proxy {
            let mut line = String::new();
            // One byte at a time: what follows may be TLS.
            BufReader::with_capacity(1, &mut stream).read_line(&mut line).await?;
            if !(line.starts_with("PROXY TCP4 127.0.0.1 127.0.81.") && line.ends_with("\r\n")) {
                return Ok(());
            }
        }
        if self.at_once {
            let mut stream = BufReader::new(acceptor.accept(stream).await?);
            stream.write_all((self.replies)("", true).as_bytes()).await?;
            return self.answer(&mut stream, true).await.map(drop);
        }
        let mut stream = BufReader::new(stream);
        tokio::time::sleep(self.delay).await;
        stream.write_all((self.replies)("", false).as_bytes()).await?;
        if !self.answer(&mut stream, false).await? {
            return Ok(());
        }
        let injected = String::from_utf8_lossy(stream.buffer()).into_owned();
        let mut stream = BufReader::new(acceptor.accept(stream.into_inner()).await?);
        stream.write_all(self.again.as_bytes()).await?;
        for command in injected.lines().filter(|_| self.obeys) {
            stream.write_all((self.replies)(command, true).as_bytes()).await?;
        }
        self.answer(&mut stream, true).await?;
        stream.shutdown().await
    }

    /// Answers until the goodbye, or (`true`) until TLS is to begin.
    async fn answer<S>(self, stream: &mut BufReader<S>, inside: bool) -> std::io::Result<bool>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        let mut line = String::new();
        while stream.read_line(&mut line).await? > 0 {
            stream.write_all((self.replies)(line.trim_end(), inside).as_bytes()).await?;
            stream.flush().await?;
            match line.trim_end() {
                "STARTTLS" | "STLS" | "b STARTTLS" => return Ok(true),
                "QUIT" | "LOGOUT" | "d LOGOUT" => return Ok(false),
                _ => line.clear(),
            }
        }
        Ok(false)
    }
}

/// The key, and whether it is for one name only.
#[derive(Debug)]
struct Key(Arc<CertifiedKey>, bool);

impl ResolvesServerCert for Key {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let known = hello.server_name().is_none_or(|name| name == MX);
        (known || !self.1).then(|| Arc::clone(&self.0))
    }
}

pub(super) fn smtp(command: &str, inside: bool) -> &'static str {
    match (command, inside) {
        ("", _) => "220 mx ESMTP\r\n",
        ("STARTTLS", false) => "220 go\r\n",
        ("NOOP", _) => "250 ok\r\n",
        ("QUIT", _) => "221 bye\r\n",
        (_, false) => "250-mx\r\n250 STARTTLS\r\n",
        (_, true) => "250-mx\r\n250-SIZE 1000\r\n250 AUTH PLAIN\r\n",
    }
}

fn imap(command: &str, inside: bool) -> &'static str {
    match (command, inside) {
        ("", _) => "* OK ready\r\n",
        ("a CAPABILITY", false) => "* CAPABILITY IMAP4rev1 STARTTLS\r\na OK\r\n",
        ("c CAPABILITY", true) => "* CAPABILITY IMAP4rev1 IDLE\r\nc OK\r\n",
        ("b STARTTLS", false) => "b OK go\r\n",
        ("x NOOP", _) => "x OK done\r\n",
        ("d LOGOUT", _) => "* BYE\r\nd OK\r\n",
        _ => "* BAD\r\n",
    }
}

fn pop(command: &str, inside: bool) -> &'static str {
    match (command, inside) {
        ("CAPA", false) => "+OK\r\nSTLS\r\n.\r\n",
        ("CAPA", true) => "+OK\r\nTOP\r\n.\r\n",
        _ => "+OK\r\n",
    }
}

fn sieve(command: &str, inside: bool) -> &'static str {
    match (command, inside) {
        ("", false) => "\"STARTTLS\"\r\nOK \"ready\"\r\n",
        ("", true) => "\"SASL\" \"PLAIN\"\r\nOK \"ready\"\r\n",
        ("NOOP \"mailcert\"", _) => "OK (TAG \"mailcert\") \"done\"\r\n",
        _ => "OK\r\n",
    }
}
