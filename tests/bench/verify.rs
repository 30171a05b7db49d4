//! What `mailcert verify` of one endpoint costs in CPU, beside `openssl s_client` and
//! `posttls-finger` against the same server; and what a thousand endpoints cost. Needs root (port
//! 25). Ends with 1 where one endpoint costs over 60 ms.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark runs programs and says what they cost"
)]

#[path = "../world/block.rs"]
mod block;
mod measure;

use std::fmt::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use time::{Duration, OffsetDateTime};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use block::Block;
use measure::{Spent, millis, often, spent, within};

/// CPU of one endpoint at most, in milliseconds.
const BOUND: f64 = 60.0;
const TIMES: u32 = 20;
/// Endpoints at once in the second part, and the addresses they are on.
const MANY: usize = 1000;
const ADDRESSES: u8 = 100;
const HOST: &str = "mx.bench.test";

fn main() -> ExitCode {
    let directory = tempfile::tempdir().expect("a directory");
    let block = Block::take(52..=55);
    let roots = directory.path().join("root.pem");
    let acceptor = acceptor(&roots);
    let addresses: Vec<Ipv4Addr> = (1..=ADDRESSES).map(|n| block.address(100 + n)).collect();
    let listeners = addresses.iter().map(|&at| TcpListener::bind((at, 25)).expect("port 25"));
    let listeners: Vec<TcpListener> = listeners.collect();
    std::thread::spawn(move || serve_all(listeners, acceptor));

    // posttls-finger wants a Postfix, however empty.
    std::fs::write(directory.path().join("main.cf"), "").expect("written");
    let good = one(addresses[0], &roots, directory.path());
    many(&addresses, &roots, directory.path());
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn mailcert(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailcert"));
    command.args(["verify", "--quiet"]).args(arguments);
    command
}

/// One endpoint, each program with the test's root; and mailcert with Mozilla's, its default.
fn one(address: Ipv4Addr, roots: &Path, directory: &Path) -> bool {
    let roots = roots.to_str().expect("it is text");
    let (at, bracketed) = (format!("{address}:25"), format!("[{address}]:25"));
    let (target, address) = (format!("{HOST}:25"), address.to_string());
    let asked = [&target, "--connect", &address];
    let ours = often(TIMES, 0, || mailcert(&[&asked[..], &["--roots", roots]].concat()));
    let once = [&asked[..], &["--roots", roots, "--tries", "1"]].concat();
    let once = often(TIMES, 0, || mailcert(&once));
    let mozilla = often(TIMES, 1, || mailcert(&asked));
    let openssl = often(TIMES, 0, || {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-starttls", "smtp", "-connect", &at, "-servername", HOST]);
        command.args(["-verify_hostname", HOST, "-verify_return_error", "-CAfile", roots]);
        command
    });
    let finger = often(TIMES, 0, || {
        let mut command = Command::new("posttls-finger");
        command.env("MAIL_CONFIG", directory);
        command.args(["-c", "-l", "secure", "-s", HOST, "-F", roots, &bracketed, HOST]);
        command
    });
    println!("one endpoint, SMTP with STARTTLS (means of {TIMES} runs; a tick is 0.5 ms of them):");
    let line = |what: &str, found: &Spent| {
        let ratio = found.cpu.as_secs_f64() / ours.cpu.as_secs_f64().max(0.0005);
        println!(
            "  {what:<42} CPU {:>8} ({ratio:.2} of the first), wall {:>8}, peak {} KiB",
            millis(found.cpu),
            millis(found.wall),
            found.peak
        );
    };
    line("mailcert verify (3 handshakes)", &ours);
    line("mailcert verify --tries 1 (2 handshakes)", &once);
    line("mailcert verify, Mozilla's roots", &mozilla);
    line("openssl s_client (1 handshake)", &openssl);
    line("posttls-finger (1 handshake)", &finger);
    let cpu = |found: &Spent| found.cpu.as_secs_f64() * 1000.0;
    let own = within("verify of one endpoint, ms of CPU", cpu(&ours), BOUND);
    within("the same with Mozilla's roots, ms of CPU", cpu(&mozilla), BOUND) && own
}

fn many(addresses: &[Ipv4Addr], roots: &Path, directory: &Path) {
    let mut lines = String::new();
    for number in 0..MANY {
        let address = addresses[number % addresses.len()];
        writeln!(lines, "mx{number}.bench.test:25 {address}").expect("into a text");
    }
    let file = directory.join("targets");
    std::fs::write(&file, lines).expect("written");
    let mut command = mailcert(&["--targets"]);
    let found = spent(command.arg(file).arg("--roots").arg(roots));
    assert_eq!(found.status, 0, "{command:?}");
    println!(
        "{MANY} endpoints: wall {}, CPU {} ({:.2} ms each), peak {} KiB",
        millis(found.wall),
        millis(found.cpu),
        found.cpu.as_secs_f64() * 1000.0 / MANY as f64,
        found.peak
    );
}

/// A server certificate for every host of `bench.test`, by a root that is written to `roots`.
fn acceptor(roots: &Path) -> TlsAcceptor {
    let now = OffsetDateTime::now_utc();
    let dated = |mut params: CertificateParams, name: &str| {
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = now - Duration::days(1);
        params.not_after = now + Duration::days(80);
        params
    };
    let key = KeyPair::generate().expect("a key");
    let mut params = dated(CertificateParams::default(), "the benchmark's root");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    std::fs::write(roots, params.self_signed(&key).expect("a root").pem()).expect("written");
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["*.bench.test".to_owned()]).expect("a name");
    let leaf = dated(params, "bench.test").signed_by(&key, &issuer).expect("a leaf");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = key.serialize_der().try_into().expect("PKCS #8");
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .expect("key and leaf match");
    TlsAcceptor::from(Arc::new(config))
}

/// Answers on every listener until the process ends.
fn serve_all(listeners: Vec<TcpListener>, acceptor: TlsAcceptor) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        for listener in listeners {
            listener.set_nonblocking(true).expect("a socket can");
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    let acceptor = acceptor.clone();
                    tokio::spawn(async move {
                        stream.write_all(b"220 mx.bench.test ESMTP\r\n").await?;
                        if talk(&mut stream).await? {
                            talk(&mut acceptor.accept(stream).await?).await?;
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
async fn talk(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> std::io::Result<bool> {
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
        stream.write_all(answer).await?;
        match command.get(..4) {
            Some(b"STAR") => return Ok(true),
            Some(b"QUIT") => return Ok(false),
            _ => {}
        }
    }
}
