//! Mail servers for one test: SMTP with STARTTLS, and servers that behave worse.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName};
use rcgen::{DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// A private CA; its root is what `--roots` gets.
pub(crate) struct Ca(CertifiedIssuer<'static, KeyPair>);

impl Ca {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name = called("Test Root");
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
        let key = KeyPair::generate().unwrap();
        let leaf = leaf(names, days).signed_by(&key, &self.0).unwrap();
        Mail::start(Manner::Tls(tls(leaf.der().clone(), &key)))
    }
}

/// A server with a self-signed certificate.
pub(crate) fn self_signed(names: &[&str]) -> Mail {
    let key = KeyPair::generate().unwrap();
    let leaf = leaf(names, 80).self_signed(&key).unwrap();
    Mail::start(Manner::Tls(tls(leaf.der().clone(), &key)))
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

/// A listener on a free port of 127.0.0.1. Its threads end with the test.
pub(crate) struct Mail {
    address: SocketAddr,
}

#[derive(Clone)]
enum Manner {
    Tls(Arc<ServerConfig>),
    Greets(&'static str),
    GreetsLate(Duration, &'static str),
    Silent,
}

impl Mail {
    /// A port where nobody listens.
    pub(crate) fn nobody() -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Self { address }
    }

    fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
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

fn tls(leaf: rustls_pki_types::CertificateDer<'static>, key: &KeyPair) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf], key)
        .unwrap();
    Arc::new(config)
}
