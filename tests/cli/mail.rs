//! Mail servers for one test: SMTP with STARTTLS, and servers that behave worse.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName};
use rcgen::{DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// The alert for a version that is not spoken.
const PROTOCOL_VERSION: &[u8] = b"\x15\x03\x01\x00\x02\x02\x46";

/// A ServerHello of TLS 1.0 with AES-128 by RSA key exchange, then the end of the flight; the
/// certificate is left out.
const TLS10: &[u8] = b"\x16\x03\x01\x00\x2e\x02\x00\x00\x26\x03\x01\
    0123456789abcdef0123456789abcdef\x00\x00\x2f\x00\x0e\x00\x00\x00";

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

    /// A server that wants a PROXY header first.
    pub(crate) fn proxied(&self, names: &[&str]) -> Mail {
        let key = KeyPair::generate().unwrap();
        let leaf = leaf(names, 80).signed_by(&key, &self.0).unwrap();
        Mail::start(Manner::Proxied(tls(vec![leaf.der().clone()], &key)))
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
        (vec![self.sign(names, days, &key), self.0.der().clone()], key)
    }

    /// The same with an empty subject: only its alternative names say whose it is.
    pub(crate) fn without_cn(
        &self,
        names: &[&str],
        days: i64,
    ) -> (Vec<CertificateDer<'static>>, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut params = leaf(names, days);
        params.distinguished_name = DistinguishedName::new();
        let leaf = params.signed_by(&key, &self.0).unwrap();
        (vec![leaf.der().clone(), self.0.der().clone()], key)
    }

    /// A certificate for this key.
    pub(crate) fn sign(&self, names: &[&str], days: i64, key: &KeyPair) -> CertificateDer<'static> {
        leaf(names, days).signed_by(key, &self.0).unwrap().der().clone()
    }
}

/// A server with a self-signed certificate.
pub(crate) fn self_signed(names: &[&str]) -> Mail {
    let key = KeyPair::generate().unwrap();
    let leaf = leaf(names, 80).self_signed(&key).unwrap();
    Mail::start(Manner::Tls(tls(vec![leaf.der().clone()], &key)))
}

/// A server that shows this chain.
pub(crate) fn showing(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> Mail {
    Mail::start(Manner::Tls(tls(chain, key)))
}

/// A server that greets with this line and hangs up.
pub(crate) fn greets(line: &'static str) -> Mail {
    Mail::start(Manner::Greets(line))
}

/// The same after a while.
pub(crate) fn greets_late(after: Duration, line: &'static str) -> Mail {
    Mail::start(Manner::GreetsLate(after, line))
}

/// A server that takes connections and says nothing.
pub(crate) fn silent() -> Mail {
    Mail::start(Manner::Silent)
}

/// A server of old: TLS 1.0 at best, and an alert for whoever offers no RC4.
pub(crate) fn old() -> Mail {
    Mail::start(Manner::Old)
}

/// A listener on a free port of 127.0.0.1. Its threads end with the test.
pub(crate) struct Mail {
    address: SocketAddr,
}

#[derive(Clone)]
enum Manner {
    Tls(Arc<ServerConfig>),
    Proxied(Arc<ServerConfig>),
    Greets(&'static str),
    GreetsLate(Duration, &'static str),
    Silent,
    Old,
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
        Manner::GreetsLate(after, line) => {
            std::thread::sleep(*after);
            stream.write_all(format!("{line}\r\n").as_bytes())?;
        }
        Manner::Greets(line) => stream.write_all(format!("{line}\r\n").as_bytes())?,
        Manner::Old => {
            stream.write_all(b"220 mail.example.org ESMTP\r\n")?;
            if talk(&mut stream, "250-mail.example.org\r\n250 STARTTLS\r\n")? {
                let mut hello = [0; 4096];
                let length = stream.read(&mut hello)?;
                let rc4 = hello[..length].windows(4).any(|suites| suites == [0, 5, 0, 4]);
                stream.write_all(if rc4 { TLS10 } else { PROTOCOL_VERSION })?;
                // What comes after is a farewell.
                let _ = stream.read(&mut hello)?;
            }
        }
        Manner::Proxied(config) => {
            let mut header = String::new();
            BufReader::with_capacity(1, &mut stream).read_line(&mut header)?;
            if header.starts_with("PROXY TCP4 127.0.0.1 127.0.0.1 ") {
                serve(stream, &Manner::Tls(Arc::clone(config)))?;
            }
        }
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
