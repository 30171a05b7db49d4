//! The client against small servers in this process.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{Http, HttpError, Proxy};
use crate::model::Hostname;
use crate::trust::Roots;

fn no_roots() -> Roots {
    Roots { name: "no roots".to_owned(), anchors: rustls::RootCertStore::empty() }
}

/// Answers every connection with `answer` once something was asked; returns its address.
async fn server(answer: Vec<u8>) -> (SocketAddr, tokio::task::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.26.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = vec![0; 4096];
        let count = stream.read(&mut bytes).await.unwrap();
        bytes.truncate(count);
        stream.write_all(&answer).await.unwrap();
        bytes
    });
    (address, asked)
}

#[tokio::test]
async fn it_says_who_it_is() {
    let (address, asked) = server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".to_vec()).await;
    let http = Http::trusting_nobody();
    assert_eq!(http.fetch(&format!("http://{address}/x")).await.unwrap(), "hi");
    let asked = String::from_utf8(asked.await.unwrap()).unwrap();
    assert!(asked.contains("user-agent: mailcert/"), "{asked}");
    assert!(asked.contains("(+https://github.com/mailcert/mailcert)"), "{asked}");
}

#[tokio::test]
async fn failures_are_sentences() {
    let http = Http::trusting_nobody();
    let closed = TcpListener::bind("127.0.26.1:0").await.unwrap().local_addr().unwrap();
    let (html, _html) = server(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".into()).await;
    let (long, _long) =
        server([&b"HTTP/1.1 200 OK\r\n\r\n"[..], &vec![b'x'; super::BODY_LIMIT + 1]].concat())
            .await;
    let (plain, _plain) = server(b"220 mx.example.org ESMTP\r\n".to_vec()).await;
    let (smtp, _smtp) = server(b"220 mx.example.org ESMTP\r\n".to_vec()).await;
    for (url, expected) in [
        (format!("http://{closed}/"), format!("cannot connect to {closed}: Connection refused (os error 111)")),
        (format!("http://{html}/x"), format!("http://{html}/x answered 404 Not Found")),
        (format!("http://{long}/"), format!("the answer of {long} is longer than 1048576 bytes")),
        (format!("https://{plain}/"), format!("TLS with {plain} failed: what it speaks on this port is not TLS")),
        (format!("http://{smtp}/"), format!("the connection to {smtp} broke: invalid HTTP version parsed")),
        ("ht tp://x/".to_owned(), "\"ht tp://x/\" cannot be asked: invalid uri character; expected http://HOST/... or https://HOST/...".to_owned()),
    ] {
        assert_eq!(http.fetch(&url).await.unwrap_err().to_string(), expected);
    }
}

#[tokio::test]
async fn a_self_signed_server_is_not_believed() {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.26.1".to_owned()]).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = rustls_pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
    let listener = TcpListener::bind("127.0.26.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let _ = acceptor.accept(stream).await;
    });
    let http = Http::trusting_nobody();
    assert_eq!(
        http.fetch(&format!("https://{address}/")).await.unwrap_err().to_string(),
        format!(
            "TLS with {address} failed: its certificate comes from no issuer that no roots know (see ca-file)"
        )
    );
}

#[tokio::test]
async fn https_goes_through_the_proxy_and_this_machine_does_not() {
    let (address, asked) = server(b"HTTP/1.1 502 Bad Gateway\r\n\r\n".to_vec()).await;
    let proxy = Proxy { https: format!("http://u:p@{address}"), no: ".direct.invalid".into() };
    let http = Http::new(&no_roots(), Some(&proxy)).unwrap();
    let refused = http.fetch("https://127.0.26.99:1/").await.unwrap_err();
    assert!(refused.to_string().starts_with("cannot connect to 127.0.26.99:1: Conn"), "{refused}");
    let direct = http.fetch("https://a.direct.invalid/").await.unwrap_err();
    assert!(!direct.to_string().contains("proxy"), "{direct}");
    let tunnel = http.fetch("https://ca.invalid/dir").await.unwrap_err();
    assert_eq!(tunnel.to_string(), "cannot connect to ca.invalid: the proxy refuses the tunnel");
    let gone = http.fetch("https://ca.invalid/dir").await.unwrap_err();
    assert_eq!(
        gone.to_string(),
        "cannot connect to ca.invalid: the proxy does not answer: Connection refused (os error 111)"
    );
    let asked = String::from_utf8(asked.await.unwrap()).unwrap();
    assert!(asked.starts_with("CONNECT ca.invalid:443 HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("Proxy-Authorization: Basic dTpw\r\n"), "{asked}");
}

#[test]
fn a_proxy_that_cannot_be_used_is_refused_without_its_password() {
    for (https, expected) in [
        (
            "https://u:secret@proxy:3128",
            "the proxy \"proxy:3128\" cannot be used: https proxies are not available yet; expected http://HOST:PORT",
        ),
        (
            "socks5://proxy:1080",
            "the proxy \"socks5://proxy:1080\" cannot be used: socks5 proxies are not available yet; expected http://HOST:PORT",
        ),
    ] {
        let proxy = Proxy { https: https.to_owned(), no: String::new() };
        assert_eq!(Http::new(&no_roots(), Some(&proxy)).unwrap_err().to_string(), expected);
    }
    assert!(Http::new(&no_roots(), Some(&Proxy::default())).is_ok());
}

#[tokio::test]
async fn a_host_is_where_it_is_said_to_be_and_the_others_where_the_system_says() {
    let (address, asked) = server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".to_vec()).await;
    let host = Hostname::parse("policy.example.invalid").unwrap();
    let http = Http::trusting_nobody().at(&no_roots(), &host, &[address.ip()]);
    let url = format!("http://policy.example.invalid:{}/x", address.port());
    assert_eq!(http.fetch(&url).await.unwrap(), "hi");
    let asked = String::from_utf8(asked.await.unwrap()).unwrap();
    assert!(asked.contains("host: policy.example.invalid:"), "{asked}");
    let other = http.fetch("http://other.example.invalid/x").await.unwrap_err();
    assert!(other.to_string().starts_with("cannot connect to other.example.invalid: "), "{other}");
}

#[tokio::test]
async fn a_given_address_is_asked_whatever_the_dns_says() {
    let (address, asked) = server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".to_vec()).await;
    let http = Http::trusting_nobody();
    let url = http::Uri::from_static("http://mx.example.invalid/a/b");
    let answer = http.get_at(address, &url, super::CONNECT).await.unwrap();
    assert_eq!(answer.into_body(), "hi");
    let asked = String::from_utf8(asked.await.unwrap()).unwrap();
    assert!(asked.starts_with("GET /a/b HTTP/1.1\r\nhost: mx.example.invalid\r\n"), "{asked}");
    let closed = TcpListener::bind("127.0.26.1:0").await.unwrap().local_addr().unwrap();
    let refused = http.get_at(closed, &url, super::CONNECT).await.unwrap_err();
    assert!(matches!(
        refused,
        HttpError::Connect { kind: std::io::ErrorKind::ConnectionRefused, .. }
    ));
}
