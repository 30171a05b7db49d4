//! Looks at servers made for it on 127.0.23.0/24, good ones and broken ones.

mod modes;
mod scripted;
mod traps;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::inspect_all;
use crate::config::Profile;
use crate::model::{Code, Endpoint, Hostname, Inspection, Service, Timestamp, TlsMode, Verdict};
use crate::trust::Roots;
use crate::verify::{Ask, Extras, How};

pub(super) const NOW: i64 = 1_800_000_000;
pub(super) const MX: &str = "mx.example.org";

/// How a server behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Mode {
    Good,
    /// Clients without SNI get this name's certificate.
    Default(&'static str),
    /// Every name gets it.
    Only(&'static str),
    /// Every second connection gets it.
    Every2nd(&'static str),
    WithoutSniNothing,
    WantsClientCert,
    Says(&'static str),
    AfterEhlo(&'static str),
    AfterStarttls(&'static str),
    Silent,
    Trickles,
    ClosesAtOnce,
    ClosesAfterStarttls,
    StallsHandshake,
    /// Announces a handshake message of 16 MiB.
    HugeHandshake,
    WrongKey,
}

pub(super) type Ca = CertifiedIssuer<'static, KeyPair>;

pub(super) fn ca() -> Ca {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Ca::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

pub(super) fn certified(ca: &Ca, name: &str, right_key: bool) -> Arc<CertifiedKey> {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.not_before = time::OffsetDateTime::from_unix_timestamp(NOW - 30 * 86_400).unwrap();
    params.not_after = time::OffsetDateTime::from_unix_timestamp(NOW + 60 * 86_400).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, ca).unwrap().der().clone();
    let key = if right_key { key } else { KeyPair::generate().unwrap() };
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&der).unwrap();
    Arc::new(CertifiedKey::new(vec![certificate], key))
}

#[derive(Debug)]
struct Shown {
    mode: Mode,
    right: Arc<CertifiedKey>,
    other: Arc<CertifiedKey>,
    count: AtomicUsize,
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let other = match self.mode {
            Mode::Only(_) => true,
            Mode::Default(_) => hello.server_name().is_none(),
            Mode::Every2nd(_) => count % 2 == 1,
            Mode::WithoutSniNothing if hello.server_name().is_none() => return None,
            _ => false,
        };
        Some(if other { Arc::clone(&self.other) } else { Arc::clone(&self.right) })
    }
}

fn tls(ca: &Ca, mode: Mode) -> Arc<ServerConfig> {
    let other = match mode {
        Mode::Default(name) | Mode::Only(name) | Mode::Every2nd(name) => name,
        _ => "other.example.org",
    };
    let shown = Shown {
        mode,
        right: certified(ca, MX, mode != Mode::WrongKey),
        other: certified(ca, other, true),
        count: AtomicUsize::new(0),
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(ca.der().clone()).unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let builder =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = match mode {
        Mode::WantsClientCert => {
            builder.unwrap().with_client_cert_verifier(verifier.build().unwrap())
        }
        _ => builder.unwrap().with_no_client_auth(),
    };
    Arc::new(builder.with_cert_resolver(Arc::new(shown)))
}

/// Answers SMTP until STARTTLS is asked for, or for good.
async fn smtp<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, mode: Mode, inside: bool) -> bool {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while stream.read_line(&mut line).await.is_ok_and(|count| count > 0) {
        let reply = match (line.trim_end(), mode) {
            ("STARTTLS", Mode::AfterStarttls(reply)) => reply,
            ("STARTTLS", _) => {
                let _ = stream.write_all(b"220 go ahead\r\n").await;
                return true;
            }
            ("QUIT", _) => {
                let _ = stream.write_all(b"221 bye\r\n").await;
                return false;
            }
            (_, Mode::AfterEhlo(reply)) if !inside => reply,
            _ => "250-mx.example.org\r\n250-SIZE\r\n250 STARTTLS\r\n",
        };
        let _ = stream.write_all(reply.as_bytes()).await;
        line.clear();
    }
    false
}

async fn answer(mut stream: TcpStream, mode: Mode, implicit: bool, tls: Arc<ServerConfig>) {
    match mode {
        Mode::ClosesAtOnce => return,
        Mode::Silent => return std::future::pending().await,
        Mode::Trickles => loop {
            if stream.write_all(b"2").await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        },
        _ => {}
    }
    if !implicit {
        let greeting = if let Mode::Says(text) = mode { text } else { "220 mx ESMTP\r\n" };
        let _ = stream.write_all(greeting.as_bytes()).await;
        if !smtp(&mut stream, mode, false).await || mode == Mode::ClosesAfterStarttls {
            return;
        }
        if mode == Mode::StallsHandshake {
            return std::future::pending().await;
        }
        if mode == Mode::HugeHandshake {
            let mut record = b"\x16\x03\x03\x40\x00\x0b\xff\xff\xff".to_vec();
            record.resize(5 + 0x4000, 0);
            let _ = stream.write_all(&record).await;
            return std::future::pending().await;
        }
    }
    if let Ok(mut stream) = TlsAcceptor::from(tls).accept(stream).await {
        if implicit {
            let _ = stream.write_all(b"220 mx ESMTP\r\n").await;
        }
        smtp(&mut stream, mode, true).await;
        let _ = stream.shutdown().await;
    }
}

/// A server in this mode; its address.
pub(super) async fn server(ca: &Ca, mode: Mode, implicit: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.23.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tls = tls(ca, mode);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, mode, implicit, Arc::clone(&tls)));
        }
    });
    address
}

pub(super) fn ask(to: SocketAddr, service: Service) -> Ask {
    Ask {
        endpoint: Endpoint {
            host: Hostname::parse(MX).unwrap(),
            service,
            port: to.port(),
            address: Some(to.ip()),
        },
        domain: None,
        ours: None,
        connect: None,
        origin: None,
        optional: false,
        sni: crate::verify::Sni::Host,
        side: None,
        proxy_header: false,
    }
}

pub(super) fn how(ca: &Ca) -> How {
    How {
        roots: Arc::new(Roots::from_pem("the test's roots", &ca.pem()).unwrap()),
        profile: Profile::Gmail,
        timeout: Duration::from_millis(700),
        concurrency: 16,
        per_address: 4,
        tries: 2,
        without_sni: true,
        extras: Extras::default(),
        now: Timestamp::from_unix(NOW),
        since: tokio::time::Instant::now(),
    }
}

/// The stages as a row of the matrix, and the codes.
pub(super) fn told(inspection: &Inspection) -> (String, Vec<&'static str>) {
    let marks = inspection
        .stages
        .in_order()
        .map(|mark| mark.map_or_else(|| "-".to_owned(), |mark| format!("{mark:?}").to_lowercase()));
    (marks.join(" "), inspection.problems.iter().map(|problem| problem.code.as_str()).collect())
}

#[tokio::test]
async fn every_way_a_server_can_behave_is_told() {
    let ca = ca();
    let implicit = Service::Submissions;
    let all = "ok ok ok ok ok ok ok";
    let cases: &[(Mode, Service, &str, &[&str])] = &[
        (Mode::Good, Service::Smtp, all, &[]),
        (Mode::Good, implicit, "ok ok - ok ok ok ok", &[]),
        (Mode::Default("other.example.org"), Service::Smtp, all, &["no-sni-differs"]),
        (Mode::Default(MX), Service::Smtp, all, &[]),
        (Mode::WithoutSniNothing, Service::Smtp, all, &["no-sni-fails"]),
        (Mode::Only("a.example.org"), Service::Smtp, "ok ok ok ok ok fail ok", &["name-mismatch"]),
        (Mode::Every2nd("a.example.org"), Service::Smtp, "ok ok ok ok fail ok ok", &["flapping"]),
        (Mode::WantsClientCert, Service::Smtp, "ok ok ok fail ok ok ok", &["client-cert-required"]),
        (Mode::WantsClientCert, implicit, "ok - - fail ok ok ok", &["client-cert-required"]),
        (Mode::Says("554 no\r\n"), Service::Smtp, "ok fail - - - - -", &["greeting-refused"]),
        (Mode::Says("421 full\r\n"), Service::Smtp, "ok unknown - - - - -", &["temporary-refusal"]),
        (Mode::AfterEhlo("250 mx\r\n"), Service::Smtp, "ok ok fail - - - -", &["no-starttls"]),
        (
            Mode::AfterStarttls("454 not now\r\n"),
            Service::Smtp,
            "ok ok fail - - - -",
            &["starttls-refused"],
        ),
        (
            Mode::AfterStarttls("220 go\r\n500 what\r\n"),
            Service::Smtp,
            "ok ok ok fail - - -",
            &["not-tls"],
        ),
        (Mode::Silent, Service::Smtp, "ok unknown - - - - -", &["timeout"]),
        (Mode::Silent, implicit, "ok - - unknown - - -", &["timeout"]),
        (Mode::Trickles, Service::Smtp, "ok unknown - - - - -", &["timeout"]),
        (Mode::StallsHandshake, Service::Smtp, "ok ok ok unknown - - -", &["timeout"]),
        (Mode::ClosesAtOnce, Service::Smtp, "ok fail - - - - -", &["connection-closed"]),
        (Mode::ClosesAtOnce, implicit, "ok - - fail - - -", &["connection-closed"]),
        (Mode::ClosesAfterStarttls, Service::Smtp, "ok ok ok fail - - -", &["connection-closed"]),
        (Mode::HugeHandshake, Service::Smtp, "ok ok ok fail - - -", &["handshake-failed"]),
        (Mode::WrongKey, Service::Smtp, "ok ok ok fail - - -", &["handshake-failed"]),
    ];
    let mut asks = Vec::new();
    for (mode, service, _, _) in cases {
        let to = server(&ca, *mode, service.tls_mode() == TlsMode::Implicit).await;
        asks.push(ask(to, *service));
    }
    // A server that greets in plain text where TLS is expected, and one that is not there.
    asks.push(ask(server(&ca, Mode::Good, false).await, implicit));
    let gone = TcpListener::bind("127.0.23.1:0").await.unwrap().local_addr().unwrap();
    asks.push(ask(gone, Service::Smtp));
    let found = inspect_all(&asks, &how(&ca), &|_| {}).await;
    for ((mode, service, stages, codes), inspection) in cases.iter().zip(&found) {
        let expected = ((*stages).to_owned(), codes.to_vec());
        assert_eq!(told(inspection), expected, "{mode:?} {service} {:?}", inspection.problems);
    }
    let [.., plain, gone] = &found[..] else { panic!("two are missing") };
    assert_eq!(told(plain), ("ok - - fail - - -".to_owned(), vec!["not-tls"]));
    assert_eq!(plain.problems[0].found, ["220 mx ESMTP"]);
    assert_eq!(told(gone), ("fail - - - - - -".to_owned(), vec!["connection-refused"]));
    let tls = found[0].tls.as_ref().unwrap();
    assert_eq!((tls.version.as_str(), tls.cipher.as_str()), ("TLSv1.3", "TLS_AES_256_GCM_SHA384"));
    assert_eq!(found[0].certificate.as_ref().unwrap().names, [MX]);
    assert_eq!(found[0].verdict, Verdict::Accepted);
}

#[tokio::test]
async fn a_host_without_an_address_is_unknown_and_an_optional_one_that_is_silent_is_left_out() {
    let ca = ca();
    let gone = TcpListener::bind("127.0.23.1:0").await.unwrap().local_addr().unwrap();
    let mut nowhere = ask(gone, Service::Smtp);
    nowhere.endpoint.address = None;
    let mut optional = ask(gone, Service::Submissions);
    optional.optional = true;
    let mut silent = ask(server(&ca, Mode::Silent, true).await, Service::Submissions);
    silent.optional = true;
    let seen = AtomicUsize::new(0);
    let count = |_: &Inspection| {
        seen.fetch_add(1, Ordering::Relaxed);
    };
    let found = inspect_all(&[nowhere, optional, silent], &how(&ca), &count).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].problems[0].code, Code::NoSuchHost);
    assert_eq!((found[0].verdict, found[0].address), (Verdict::Unknown, None));
    assert_eq!(seen.into_inner(), 1);
}

#[tokio::test]
async fn an_address_never_sees_more_connections_than_it_should() {
    let ca = ca();
    let listener = TcpListener::bind("127.0.23.2:0").await.unwrap();
    let to = listener.local_addr().unwrap();
    let (open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (now_open, ever) = (Arc::clone(&open), Arc::clone(&most));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (now_open, ever) = (Arc::clone(&now_open), Arc::clone(&ever));
            tokio::spawn(async move {
                ever.fetch_max(now_open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(20)).await;
                now_open.fetch_sub(1, Ordering::SeqCst);
                let _ = stream.write_all(b"421 later\r\n").await;
            });
        }
    });
    let asks: Vec<Ask> = (0..40).map(|_| ask(to, Service::Smtp)).collect();
    let found = inspect_all(&asks, &how(&ca), &|_| {}).await;
    assert_eq!(found.len(), 40);
    assert_eq!(most.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn the_whole_chain_is_shown_where_it_comes_to_a_session() {
    let ca = ca();
    let good = server(&ca, Mode::Good, false).await;
    let shown = super::shown(&ask(good, Service::Smtp), &how(&ca)).await.unwrap();
    assert_eq!((shown.chain.len(), shown.tls.version.as_str()), (1, "TLSv1.3"));
    for mode in [Mode::WrongKey, Mode::Says("554 no\r\n")] {
        let to = server(&ca, mode, false).await;
        assert_eq!(super::shown(&ask(to, Service::Smtp), &how(&ca)).await, None);
    }
}
