//! The three answers, with real sockets on loopback addresses and literal names.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use http::Uri;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{Seen, preflight, target};
use crate::dns::{Absence, Answer, Dns, Failure, Kind, Record, Reply};
use crate::http::Http;
use crate::issue::{Listener, Solver};
use crate::model::{Hostname, Level};

/// `name address...`; the address `SERVFAIL` fails.
struct Names(Vec<(&'static str, Vec<&'static str>)>);

#[async_trait]
impl Dns for Names {
    async fn ask(&self, name: &str, kind: Kind) -> Answer {
        let words = self.0.iter().find(|(own, _)| *own == name).map(|(_, words)| words.as_slice());
        let words = words.unwrap_or_default();
        let records: Vec<_> = words
            .iter()
            .filter_map(|word| match (kind, word.parse().ok()?) {
                (Kind::A, std::net::IpAddr::V4(ip)) => Some(Record::A(ip)),
                (Kind::Aaaa, std::net::IpAddr::V6(ip)) => Some(Record::Aaaa(ip)),
                _ => None,
            })
            .collect();
        let reply = match records.is_empty() {
            _ if words.contains(&"SERVFAIL") => Reply::Failed(Failure::ServFail),
            true => Reply::Absent(Absence::NoData),
            false => Reply::Records(records),
        };
        let ttl = Duration::from_secs(1);
        Answer { reply, aliases: Vec::new(), authenticated: false, ttl }
    }
}

fn free_port(ip: &str) -> u16 {
    std::net::TcpListener::bind((ip, 0)).unwrap().local_addr().unwrap().port()
}

/// Shows nothing: another server has the port.
struct Nowhere;

#[async_trait]
impl Solver for Nowhere {
    async fn present(&self, _: &Hostname, _: &str, _: &str) -> Result<(), String> {
        Ok(())
    }

    async fn clear(&self, _: &Hostname, _: &str) {}
}

/// Answers everything with `answer`, for ever.
async fn server(address: &str, answer: String) -> SocketAddr {
    let listener = TcpListener::bind(address).await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = [0; 2048];
            let _ = stream.read(&mut bytes).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    at
}

async fn seen(port: u16, names: Names, solver: &dyn Solver) -> String {
    let host = Hostname::parse("mx.a.example").unwrap();
    match preflight(&host, port, &names, &Http::trusting_nobody(), solver).await {
        Ok(Seen::Right(notes)) => {
            let notes = notes.iter().map(|note| format!("; {:?} {}", note.level, note.message));
            format!("right{}", notes.collect::<String>())
        }
        Ok(Seen::Wrong(finding)) => format!("wrong: {}", finding.message),
        Ok(Seen::Unseen(finding)) => {
            assert_eq!(finding.level, Level::Note);
            format!("unseen: {}", finding.message)
        }
        Err(why) => format!("error: {why}"),
    }
}

#[tokio::test]
async fn our_own_answer_is_right_and_gone_afterwards() {
    let port = free_port("127.0.26.4");
    let at = SocketAddr::new("127.0.26.4".parse().unwrap(), port);
    let listener = Listener::new(vec![at]);
    let names = Names(vec![("mx.a.example", vec!["127.0.26.4"])]);
    assert_eq!(seen(port, names, &listener).await, "right");
    let host = Hostname::parse("mx.a.example").unwrap();
    listener.present(&host, "again", "again.k").await.unwrap();
    listener.clear(&host, "again").await;
}

#[tokio::test]
async fn another_server_is_wrong() {
    let page =
        "HTTP/1.1 404 Not Found\r\nServer: nginx/1.22\r\nContent-Length: 0\r\n\r\n".to_owned();
    let at = server("127.0.26.5:0", page).await;
    let names = Names(vec![("mx.a.example", vec!["127.0.26.5"])]);
    assert_eq!(
        seen(at.port(), names, &Nowhere).await,
        format!(
            "wrong: mx.a.example: another server (Server: nginx/1.22) answers at {at} with 404 Not Found instead of the token, and the CA would get the same: whoever keeps that server, on this machine, has to serve /.well-known/acme-challenge/ from a directory, which becomes webroot in [challenge.http-01]"
        )
    );
}

#[tokio::test]
async fn a_closed_port_of_this_machine_is_wrong() {
    let port = free_port("127.0.26.5");
    let names = Names(vec![("mx.a.example", vec!["127.0.26.5"])]);
    assert_eq!(
        seen(port, names, &Nowhere).await,
        format!(
            "wrong: mx.a.example: nothing listens on 127.0.26.5:{port}, an address of this machine; add it to listen in [challenge.http-01]"
        )
    );
}

#[tokio::test]
async fn what_cannot_be_seen_is_not_wrong() {
    let failing = Names(vec![("mx.a.example", vec!["SERVFAIL"])]);
    assert_eq!(
        seen(80, failing, &Nowhere).await,
        "unseen: mx.a.example: its Aaaa records could not be read (ServFail); its A records could not be read (ServFail)"
    );
    assert_eq!(
        seen(80, Names(Vec::new()), &Nowhere).await,
        "unseen: mx.a.example: it has no address in the DNS we ask"
    );
    // Nothing can be connected to the broadcast address.
    let far = Names(vec![("mx.a.example", vec!["255.255.255.255"])]);
    let said = seen(80, far, &Nowhere).await;
    assert!(said.starts_with("unseen: mx.a.example: "), "{said}");
}

#[tokio::test]
async fn v6_decides_and_v4_only_where_v6_is_silent() {
    let port = free_port("127.0.26.6");
    let page = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nelse".to_owned();
    server(&format!("[::1]:{port}"), page).await;
    let at = SocketAddr::new("127.0.26.6".parse().unwrap(), port);
    let listener = Listener::new(vec![at]);
    let both = Names(vec![("mx.a.example", vec!["::1", "127.0.26.6"])]);
    let said = seen(port, both, &listener).await;
    assert!(said.starts_with("wrong: mx.a.example: another server answers at [::1]:"), "{said}");
    // Nothing can be connected to a multicast address.
    let half = Names(vec![("mx.a.example", vec!["ff0e::1", "127.0.26.6"])]);
    let said = seen(port, half, &listener).await;
    assert!(said.starts_with("right; Note mx.a.example: "), "{said}");
}

#[tokio::test]
async fn redirects_are_followed_as_a_ca_follows_them() {
    let redirect =
        |to: &str| format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
    for (to, expected) in [
        (
            "https://www.a.example/x",
            "unseen: mx.a.example: AT redirects to https://www.a.example/x, which is not looked at from here",
        ),
        (
            "http://www.a.example:8080/x",
            "wrong: mx.a.example: AT redirects to http://www.a.example:8080/x; CAs follow to ports 80 and 443 only",
        ),
        (
            "http://192.0.2.1/x",
            "wrong: mx.a.example: AT redirects to http://192.0.2.1/x, no CA follows that",
        ),
        (
            "http://unknown.example/",
            "unseen: mx.a.example: AT redirects to http://unknown.example/, whose address is not known here",
        ),
        ("", "wrong: mx.a.example: AT redirects more than 10 times"),
    ] {
        let at = server("127.0.26.7:0", redirect(to)).await;
        let names = Names(vec![("mx.a.example", vec!["127.0.26.7"])]);
        let said = seen(at.port(), names, &Nowhere).await;
        assert_eq!(said.replace(&at.to_string(), "AT"), expected, "{to}");
    }
}

#[test]
fn a_location_is_read_against_its_url() {
    let from = Uri::from_static("http://a.example/b/c");
    for (location, expected) in [
        ("https://x.example/y#z", Some("https://x.example/y")),
        ("//x.example/y", Some("http://x.example/y")),
        ("/y", Some("http://a.example/y")),
        ("y", Some("http://a.example/b/y")),
        ("ht tp://", None),
        ("http://", None),
    ] {
        let to = target(&from, location).map(|uri| uri.to_string());
        assert_eq!(to.as_deref(), expected, "{location}");
    }
}
