//! What stands around the CA: a DNS server, our own view of the DNS, a web server.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use async_trait::async_trait;
use mailcert::dns::{Absence, Answer, Dns, Failure, Kind, Record, Reply};

/// Answers every A question with `address` and all others with nothing, until the process ends.
pub(crate) fn serve_dns(address: Ipv4Addr) -> SocketAddr {
    let socket = UdpSocket::bind((address, 0)).unwrap();
    let at = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut bytes = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut bytes) {
            let Some(labels) = bytes[12..length].iter().position(|byte| *byte == 0) else {
                continue;
            };
            let question = 12..12 + labels + 5;
            let is_a = bytes[12 + labels + 1..12 + labels + 3] == [0, 1];
            let mut answer = bytes[..2].to_vec();
            answer.extend([0x81, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0]);
            answer.extend(&bytes[question]);
            if is_a {
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
                answer.extend(address.octets());
            }
            let _ = socket.send_to(&answer, from);
        }
    });
    at
}

/// Our own view of the DNS: every name is here, some cannot be seen.
pub(crate) struct Here {
    pub(crate) address: Ipv4Addr,
    pub(crate) unseen: Vec<String>,
}

#[async_trait]
impl Dns for Here {
    async fn ask(&self, name: &str, kind: Kind) -> Answer {
        let reply = match kind {
            _ if self.unseen.iter().any(|own| own == name) => Reply::Failed(Failure::ServFail),
            Kind::A => Reply::Records(vec![Record::A(self.address)]),
            _ => Reply::Absent(Absence::NoData),
        };
        let ttl = Duration::from_secs(1);
        Answer { reply, aliases: Vec::new(), authenticated: false, ttl }
    }
}

/// A web server of a few lines: the files below `root`, until the process ends.
pub(crate) fn serve_files(address: Ipv4Addr, root: std::path::PathBuf) {
    let listener = std::net::TcpListener::bind((address, 80)).expect("port 80 needs root");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut bytes = [0; 2048];
            let length = stream.read(&mut bytes).unwrap();
            let request = String::from_utf8_lossy(&bytes[..length]).into_owned();
            let path = request.split(' ').nth(1).unwrap_or("/").trim_start_matches('/');
            let answer = match std::fs::read_to_string(root.join(path)) {
                Ok(text) => format!("HTTP/1.0 200 OK\r\n\r\n{text}"),
                Err(_) => "HTTP/1.0 404 Not Found\r\n\r\n".to_owned(),
            };
            let _ = stream.write_all(answer.as_bytes());
        }
    });
}
