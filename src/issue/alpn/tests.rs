//! What a CA sees, and what everybody else does not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{ACME_TLS, Alpn};
use crate::issue::Solver;
use crate::model::DnsId;

fn host(name: &str) -> DnsId {
    DnsId::parse(name).unwrap()
}

fn free() -> SocketAddr {
    std::net::TcpListener::bind("127.0.26.9:0").unwrap().local_addr().unwrap()
}

/// What a client says that is shown the certificate of a challenge, which no browser takes.
const SHOWN: &str = "UnsupportedCriticalExtension";

/// How a handshake with these protocols ends.
async fn handshake(at: SocketAddr, name: &str, protocols: &[&[u8]]) -> String {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|one| one.to_vec()).collect();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let stream = TcpStream::connect(at).await.unwrap();
    let done = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    done.map_or_else(|error| error.to_string(), |_| "done".to_owned())
}

#[tokio::test]
async fn only_who_asks_for_a_challenge_of_a_name_that_has_one_is_shown_a_certificate() {
    let at = free();
    let solver = Alpn::new(vec![at]).unwrap();
    solver.present(&host("mx.a.example"), "t", "t.answer").await.unwrap();
    for (name, protocols, shown) in [
        ("mx.a.example", &[ACME_TLS][..], true),
        ("MX.A.Example", &[ACME_TLS], true),
        ("mx.b.example", &[ACME_TLS], false),
        ("127.0.26.9", &[ACME_TLS], false),
        ("mx.a.example", &[], false),
        ("mx.a.example", &[b"h2", b"http/1.1"], false),
        ("mx.a.example", &[b"h2", ACME_TLS], false),
    ] {
        let said = handshake(at, name, protocols).await;
        let case = format!("{name} {protocols:?}: {said}");
        assert_eq!(said.contains(SHOWN), shown, "{case}");
        assert_eq!(said.contains("alert"), !shown, "{case}");
    }
    let mut plain = TcpStream::connect(at).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: mx.a.example\r\n\r\n").await.unwrap();
    let mut said = Vec::new();
    let _ = plain.read_to_end(&mut said).await;
    assert!(!said.starts_with(b"HTTP"), "{said:?}");
}

#[tokio::test]
async fn the_port_is_held_only_while_something_is_presented() {
    let at = free();
    let solver = Alpn::new(vec![at]).unwrap();
    let (a, b) = (host("mx.a.example"), host("mx.b.example"));
    for _ in 0..5 {
        assert!(TcpStream::connect(at).await.is_err());
        solver.present(&a, "a", "a.k").await.unwrap();
        solver.present(&b, "b", "b.k").await.unwrap();
        solver.clear(&a, "a").await;
        solver.clear(&a, "a").await;
        assert!(handshake(at, "mx.b.example", &[ACME_TLS]).await.contains(SHOWN));
        assert!(handshake(at, "mx.a.example", &[ACME_TLS]).await.contains("alert"));
        solver.clear(&b, "b").await;
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_second_order_of_a_name_waits_for_its_turn() {
    let at = free();
    let solver = Arc::new(Alpn::new(vec![at]).unwrap());
    let name = host("mx.a.example");
    solver.present(&name, "first", "first.k").await.unwrap();
    let second = tokio::spawn({
        let (solver, name) = (solver.clone(), name.clone());
        async move { solver.present(&name, "second", "second.k").await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!second.is_finished());
    solver.clear(&name, "second").await;
    assert!(!second.is_finished(), "that is not what is shown");
    solver.clear(&name, "first").await;
    second.await.unwrap().unwrap();
    assert!(handshake(at, "mx.a.example", &[ACME_TLS]).await.contains(SHOWN));
}

#[tokio::test]
async fn a_taken_port_names_its_holder_and_another_way() {
    let socket = std::net::TcpListener::bind("127.0.26.9:0").unwrap();
    let at = socket.local_addr().unwrap();
    let solver = Alpn::new(vec![at]).unwrap();
    let refused = solver.present(&host("mx.a.example"), "t", "t.k").await.unwrap_err();
    let pid = format!("(pid {})", std::process::id());
    assert!(refused.starts_with(&format!("{at} is taken by ")), "{refused}");
    assert!(refused.contains(&pid) && refused.contains("take http-01"), "{refused}");
}
