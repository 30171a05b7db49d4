//! The three answers, with real sockets on loopback addresses and literal names.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use http::Uri;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::http01::target;
use super::{Asked, Seen, look, preflight};
use crate::dns::{Absence, Answer, Dns, Failure, Kind, Record, Reply};
use crate::http::Http;
use crate::issue::{Alpn, Listener, Solver, Webroot};
use crate::model::{AnsweredFrom, Challenge, DnsId, Hostname, Level};

/// `name address...`; the addresses `SERVFAIL` and `BOGUS` fail.
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
            _ if words.contains(&"BOGUS") => Reply::Failed(Failure::Bogus),
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
    async fn present(&self, _: &DnsId, _: &str, _: &str) -> Result<(), String> {
        Ok(())
    }

    async fn clear(&self, _: &DnsId, _: &str) {}
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
    let host = DnsId::parse("mx.a.example").unwrap();
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
            "wrong: mx.a.example: another server (Server: nginx/1.22) answers at {at} with 404 Not Found instead of the token, and the CA would get the same: whoever keeps that server, on this machine, has to serve /.well-known/acme-challenge/ from a directory, which becomes webroot in [challenge.http-01], or to pass it on to us (`mailcert setup --web-server nginx`)"
        )
    );
}

#[tokio::test]
async fn behind_a_web_server_it_says_which_lines_it_lacks() {
    let page =
        "HTTP/1.1 404 Not Found\r\nServer: Apache/2.4.62 (Debian)\r\nContent-Length: 0\r\n\r\n";
    let at = server("127.0.26.11:0", page.to_owned()).await;
    let names = || Names(vec![("mx.a.example", vec!["127.0.26.11"])]);
    let own = SocketAddr::new("127.0.26.11".parse().unwrap(), free_port("127.0.26.11"));
    let listener = Listener::new(vec![own]);
    let said = seen(at.port(), names(), &listener).await;
    let cure = format!(
        "whoever keeps that server, on this machine, has to pass /.well-known/acme-challenge/ on \
         to {own} (`mailcert setup --web-server apache` prints the lines)"
    );
    assert!(said.ends_with(&cure), "{said}");
    let closed = free_port("127.0.26.11");
    let said = seen(closed, names(), &listener).await;
    let cure = format!("start the web server that is to pass the question on to {own}");
    assert!(said.ends_with(&cure), "{said}");
    let root = tempfile::tempdir().unwrap();
    let webroot = Webroot::new(root.path().to_owned(), "webroot");
    let said = seen(at.port(), names(), &webroot).await;
    let cure = format!("serve /.well-known/acme-challenge/ from {}", root.path().display());
    assert!(said.ends_with(&cure), "{said}");
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
        "unseen: mx.a.example: its AAAA records could not be read (SERVFAIL); its A records could not be read (SERVFAIL)"
    );
    assert_eq!(
        seen(80, Names(Vec::new()), &Nowhere).await,
        "unseen: mx.a.example: it has no address in the DNS we ask"
    );
    // No CA may pass over this one.
    let bogus = Names(vec![("mx.a.example", vec!["BOGUS"])]);
    let said = seen(80, bogus, &Nowhere).await;
    let expected = "wrong: mx.a.example: its AAAA records fail the validation of DNSSEC, and so";
    assert!(said.starts_with(expected), "{said}");
    // Nothing can be connected to the broadcast address.
    let far = Names(vec![("mx.a.example", vec!["255.255.255.255"])]);
    let said = seen(80, far, &Nowhere).await;
    assert!(said.starts_with("unseen: mx.a.example: "), "{said}");
}

#[tokio::test]
async fn v6_decides_and_v4_only_where_nobody_answers_by_v6() {
    let port = free_port("127.0.26.6");
    let page = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nelse".to_owned();
    let other = server(&format!("[::1]:{port}"), page).await;
    let at = SocketAddr::new("127.0.26.6".parse().unwrap(), port);
    let listener = Listener::new(vec![at]);
    let both = || Names(vec![("mx.a.example", vec!["::1", "127.0.26.6"])]);
    let said = seen(port, both(), &listener).await;
    let wrong = format!("wrong: mx.a.example: another server answers at {other} with 200 OK");
    assert!(said.starts_with(&wrong) && said.ends_with(super::FIRST), "{said}");
    // Nothing can be connected to a multicast address: that says nothing of what the CA sees.
    let half = Names(vec![("mx.a.example", vec!["ff0e::1", "127.0.26.6"])]);
    let said = seen(port, half, &listener).await;
    assert!(said.starts_with("unseen: mx.a.example: cannot connect to [ff0e::1]:"), "{said}");
    assert!(said.ends_with(super::FIRST), "{said}");

    let closed = free_port("::1");
    let own = Listener::new(vec![SocketAddr::new("127.0.26.6".parse().unwrap(), closed)]);
    let said = seen(closed, both(), &own).await;
    let refused = format!("wrong: mx.a.example: nothing listens on [::1]:{closed}, an address of");
    assert!(said.starts_with(&refused) && said.ends_with(super::FIRST), "{said}");
}

#[tokio::test]
async fn v4_is_asked_where_a_v6_address_is_silent() {
    // A socket whose queue is full drops what comes.
    let socket = tokio::net::TcpSocket::new_v6().unwrap();
    socket.bind("[::1]:0".parse().unwrap()).unwrap();
    let full = socket.listen(0).unwrap();
    let silent = full.local_addr().unwrap();
    let mut waiting = Vec::new();
    for _ in 0..8 {
        let connecting = tokio::net::TcpStream::connect(silent);
        match tokio::time::timeout(Duration::from_millis(100), connecting).await {
            Ok(stream) => waiting.push(stream.unwrap()),
            Err(_) => break,
        }
    }
    assert!(waiting.len() < 8, "the queue is not full");
    let at = SocketAddr::new("127.0.26.6".parse().unwrap(), silent.port());
    let names = Names(vec![("mx.a.example", vec!["::1", "127.0.26.6"])]);
    assert_eq!(
        seen(silent.port(), names, &Listener::new(vec![at])).await,
        format!("right; Note mx.a.example: cannot connect to {silent}: nobody answered within 5 s")
    );
}

/// What the preflight of tls-alpn-01 says of one name at this address.
async fn by_tls(at: SocketAddr, solver: &dyn Solver) -> String {
    let name = DnsId::parse("mx.a.example").unwrap();
    let host = name.domain();
    solver.present(&name, "token", "token.answer").await.unwrap();
    let (token, from) = ("token", AnsweredFrom::Port);
    let asked = Asked { host, port: at.port(), token, answer: "token.answer", from };
    let ip = at.ip().to_string();
    let names = Names(vec![("mx.a.example", vec![Box::leak(ip.into_boxed_str())])]);
    let seen = look(&asked, Challenge::TlsAlpn01, &names, &Http::trusting_nobody()).await;
    solver.clear(&name, "token").await;
    match seen {
        Seen::Right(notes) => format!("right {}", notes.len()),
        Seen::Wrong(finding) | Seen::Unseen(finding) => finding.message,
    }
}

#[tokio::test]
async fn tls_alpn_01_is_looked_at_as_a_ca_does() {
    for ip in ["127.0.26.9", "::1"] {
        let at = SocketAddr::new(ip.parse().unwrap(), free_port(ip));
        assert_eq!(by_tls(at, &Alpn::new(vec![at]).unwrap()).await, "right 0");
        // The socket is closed when the task that holds it has seen that it is to end.
        tokio::task::yield_now().await;
        let nobody = by_tls(at, &Nowhere).await;
        let closed = format!("mx.a.example: nothing listens on {at}, an address of this machine;");
        assert!(nobody.starts_with(&closed), "{nobody}");
    }
    let page = "220 mx.a.example ESMTP\r\n".to_owned();
    let other = server("127.0.26.9:0", page).await;
    let said = by_tls(other, &Nowhere).await;
    let expected = format!("mx.a.example: the server at {other} refuses it (");
    assert!(said.starts_with(&expected), "{said}");
    // Another order's answer is no answer.
    let at = SocketAddr::new("127.0.26.9".parse().unwrap(), free_port("127.0.26.9"));
    let others = Alpn::new(vec![at]).unwrap();
    let host = DnsId::parse("mx.a.example").unwrap();
    others.present(&host, "other", "other.answer").await.unwrap();
    let said = by_tls(at, &Nowhere).await;
    assert!(said.contains("shows another certificate than the challenge's"), "{said}");
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
