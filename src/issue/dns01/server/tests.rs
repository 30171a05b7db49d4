//! The server at its sockets: by our own resolver, by too many questions, by idle connections.

use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{CONNECTIONS, PATIENCE, Server};
use crate::dns::{Authority, Dns, Failure, Kind, Record, Reply, Resolver};
use crate::issue::dns01::hand::Txt;
use crate::model::Hostname;

fn server(last: u8) -> (Server, SocketAddr) {
    let at = SocketAddr::from((Ipv4Addr::new(127, 0, 26, last), 5353));
    let authority = Authority::new(&host("dns.example.net"), Some(&host("acme.example.net")));
    (Server::new(vec![at], authority), at)
}

fn host(text: &str) -> Hostname {
    Hostname::parse(text).unwrap()
}

fn txt(label: &str) -> Txt {
    Txt {
        host: host("mx.example.org"),
        zone: "acme.example.net".to_owned(),
        record: format!("{label}.acme.example.net"),
        value: "v".to_owned(),
        primary: Vec::new(),
    }
}

async fn ask(at: SocketAddr, name: &str) -> Reply {
    Resolver::new(&[at]).unwrap().ask(name, Kind::Txt).await.reply
}

#[tokio::test]
async fn it_is_there_while_something_is_shown_and_no_longer() {
    let (server, at) = server(100);
    assert!(TcpStream::connect(at).is_err());
    server.rehearse().await.unwrap();
    assert!(TcpStream::connect(at).is_err(), "a rehearsal leaves nothing behind");
    for round in 0..3 {
        server.show(&txt("one")).await.unwrap();
        server.show(&txt("two")).await.unwrap();
        assert!(matches!(ask(at, "one.acme.example.net").await, Reply::Records(_)), "{round}");
        server.hide(&txt("one"));
        assert!(matches!(ask(at, "one.acme.example.net").await, Reply::Absent(_)));
        assert_eq!(
            ask(at, "two.acme.example.net").await,
            Reply::Records(vec![Record::Txt("v".to_owned())])
        );
        assert_eq!(ask(at, "example.net").await, Reply::Failed(Failure::Refused));
        server.hide(&txt("two"));
        tokio::task::yield_now().await;
    }
    server.rehearse().await.unwrap();
    assert!(TcpStream::connect(at).is_err());
    let holds = std::net::TcpListener::bind(at).unwrap();
    let why = server.rehearse().await.unwrap_err();
    assert!(why.starts_with(&format!("{at} is taken by ")), "{why}");
    drop(holds);
    let authority = Authority::new(&host("dns.example.net"), None);
    let elsewhere = Server::new(vec!["192.0.2.1:53".parse().unwrap()], authority);
    let why = elsewhere.rehearse().await.unwrap_err();
    assert!(why.contains("is no address of this machine"), "{why}");
}

#[tokio::test]
async fn too_many_questions_are_put_off_and_asked_again_over_tcp() {
    let (server, at) = server(101);
    server.show(&txt("one")).await.unwrap();
    let flood = tokio::task::spawn_blocking(move || {
        let socket = UdpSocket::bind("127.0.26.102:0").unwrap();
        socket.connect(at).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let (mut whole, mut cut) = (0, 0);
        let mut buffer = [0; 600];
        for _ in 0..600 {
            socket.send(QUESTION).unwrap();
            // One after another, so that no buffer is the bound.
            let Ok(length) = socket.recv(&mut buffer) else { continue };
            assert!(length <= 2 * QUESTION.len(), "{length}");
            match buffer[2] & 0x02 == 0 {
                true => whole += 1,
                false => cut += 1,
            }
            if cut > 9 {
                break;
            }
        }
        (whole, cut)
    });
    let (whole, cut) = flood.await.unwrap();
    assert!((200..400).contains(&whole), "{whole} answers");
    assert!(cut > 0, "nobody is told to ask over TCP");
    // The resolver of that network asks over TCP then.
    let answer = ask(at, "one.acme.example.net").await;
    assert_eq!(answer, Reply::Records(vec![Record::Txt("v".to_owned())]));
}

#[tokio::test]
async fn idle_connections_of_one_source_keep_nobody_out() {
    let (server, at) = server(103);
    server.show(&txt("one")).await.unwrap();
    // More than are served at all.
    let idle: Vec<_> = (0..CONNECTIONS + 20).map(|_| TcpStream::connect(at).unwrap()).collect();
    let from = tokio::net::TcpSocket::new_v4().unwrap();
    from.bind("127.0.26.104:0".parse().unwrap()).unwrap();
    let mut stream = from.connect(at).await.unwrap();
    let length = u16::try_from(QUESTION.len()).unwrap().to_be_bytes();
    let asking = async {
        for _ in 0..3 {
            stream.write_all(&[&length[..], QUESTION].concat()).await.unwrap();
            let length = stream.read_u16().await.unwrap();
            let mut answer = vec![0; length.into()];
            stream.read_exact(&mut answer).await.unwrap();
            assert_eq!((answer[1], answer[3] & 0x0f), (7, 0));
        }
    };
    tokio::time::timeout(PATIENCE / 2, asking).await.expect("idle connections keep it out");
    drop(idle);
}

/// TXT of one.acme.example.net.
const QUESTION: &[u8] =
    b"\x00\x07\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03one\x04acme\x07example\x03net\x00\x00\x10\x00\x01";
