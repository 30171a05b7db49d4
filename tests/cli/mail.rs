//! Mail servers for one test: SMTP with STARTTLS, and servers that behave worse.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName};
use rcgen::{DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// A private CA; its root is what `--roots` gets.
pub(crate) struct Ca(CertifiedIssuer<'static, KeyPair>);

impl Ca {
    pub(crate) fn new() -> Self {
        Self::called("Test Root")
    }

    pub(crate) fn called(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name = called(name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Its root.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A server whose certificate ends in five days.
    pub(crate) fn expiring(&self, names: &[&str]) -> Mail {
        self.shown_for(names, 5)
    }

    /// A server with a certificate for `names`.
    pub(crate) fn server(&self, names: &[&str]) -> Mail {
        self.shown_for(names, 80)
    }

    fn shown_for(&self, names: &[&str], days: i64) -> Mail {
        let (chain, key) = self.issue(names, days);
        Mail::start(Manner::Tls(tls(chain[..1].to_vec(), &key)))
    }

    /// A certificate that ends in so many days, with the root behind it, and its key.
    pub(crate) fn issue(
        &self,
        names: &[&str],
        days: i64,
    ) -> (Vec<CertificateDer<'static>>, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let leaf = leaf(names, days).signed_by(&key, &self.0).unwrap();
        (vec![leaf.der().clone(), self.0.der().clone()], key)
    }
}

/// A server with a self-signed certificate.
pub(crate) fn self_signed(names: &[&str]) -> Mail {
    let key = KeyPair::generate().unwrap();
    let leaf = leaf(names, 80).self_signed(&key).unwrap();
    Mail::start(Manner::Tls(tls(vec![leaf.der().clone()], &key)))
}

/// A server that greets with this line and hangs up.
pub(crate) fn greets(line: &'static str) -> Mail {
    Mail::start(Manner::Greets(line))
}

/// A server that takes connections and says nothing.
pub(crate) fn silent() -> Mail {
    Mail::start(Manner::Silent)
}

/// A listener on a free port of 127.0.0.1. Its threads end with the test.
pub(crate) struct Mail {
    address: SocketAddr,
}

#[derive(Clone)]
enum Manner {
    Tls(Arc<ServerConfig>),
    Greets(&'static str),
    Silent,
}

impl Mail {
    /// A port where nobody listens.
    pub(crate) fn nobody() -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Self { address }
    }

    /// A server that shows this chain, at an address with its port.
    pub(crate) fn at(address: &str, chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> Self {
        Self::listen(address, Manner::Tls(tls(chain, key)))
    }

    fn start(manner: Manner) -> Self {
        Self::listen("127.0.0.1:0", manner)
    }

    fn listen(address: &str, manner: Manner) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let manner = manner.clone();
                // A client that hangs up is not a failure of the server.
                std::thread::spawn(move || serve(stream, &manner).ok());
            }
        });
        Self { address }
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }
}

fn serve(mut stream: TcpStream, manner: &Manner) -> std::io::Result<()> {
    match manner {
        Manner::Silent => std::thread::sleep(Duration::from_secs(60)),
        Manner::Greets(line) => stream.write_all(format!("{line}\r\n").as_bytes())?,
        Manner::Tls(config) => {
            stream.write_all(b"220 mail.example.org ESMTP\r\n")?;
            if talk(&mut stream, "250-mail.example.org\r\n250 STARTTLS\r\n")? {
                let tls =
                    ServerConnection::new(Arc::clone(config)).map_err(std::io::Error::other)?;
                let mut stream = StreamOwned::new(tls, stream);
                talk(&mut stream, "250-mail.example.org\r\n250 AUTH PLAIN LOGIN\r\n")?;
            }
        }
    }
    Ok(())
}

/// Answers commands until QUIT or STARTTLS, and says whether it was STARTTLS.
fn talk(stream: &mut (impl Read + Write), ehlo: &str) -> std::io::Result<bool> {
    loop {
        let mut line = String::new();
        // One byte at a time: what follows STARTTLS belongs to TLS.
        if BufReader::with_capacity(1, &mut *stream).read_line(&mut line)? == 0 {
            return Ok(false);
        }
        let word = line.trim().split(' ').next().unwrap_or_default().to_uppercase();
        let reply = match word.as_str() {
            "EHLO" => ehlo,
            "STARTTLS" => "220 go ahead\r\n",
            "QUIT" => "221 bye\r\n",
            _ => "500 unknown\r\n",
        };
        stream.write_all(reply.as_bytes())?;
        stream.flush()?;
        if matches!(word.as_str(), "STARTTLS" | "QUIT") {
            return Ok(word == "STARTTLS");
        }
    }
}

fn called(name: &str) -> DistinguishedName {
    let mut called = DistinguishedName::new();
    called.push(DnType::CommonName, name);
    called
}

fn leaf(names: &[&str], days: i64) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names.clone()).unwrap();
    params.distinguished_name = called(&names[0]);
    let now = time::OffsetDateTime::now_utc();
    params.not_before = now - time::Duration::days(10);
    params.not_after = now + time::Duration::days(days);
    params
}

/// A TLS server that shows this chain.
pub(crate) fn tls(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    Arc::new(config)
}
