//! [`Resolver`]: asks the configured servers over UDP and TCP.
//!
//! Each question has its own socket, connected to the server (so the kernel drops what others
//! send) at a port the kernel picks, and a random id (RFC 5452). Names are fully qualified:
//! no search list, no /etc/hosts, because the senders of mail have neither.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::Name;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::dns::wire::{self, MOST_ALIASES, Manner, Received, Said};
use crate::dns::{Answer, Dns, Failure, Kind, Reply, name};

/// One try at one server. Two tries: UDP, then TCP, which a lossy path or a full socket buffer
/// does not silence.
const TRY: Duration = Duration::from_secs(2);

/// One question with all its tries.
const TOTAL: Duration = Duration::from_secs(6);

/// Questions asked further for one question, where a server leaves aliases open.
const MOST_FURTHER: usize = 8;

/// The servers of resolv.conf that count (MAXNS of the C library).
const MOST_SERVERS: usize = 3;

/// Why there is no resolver.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadResolver {
    /// resolv.conf is there and cannot be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// The file.
        path: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Asks servers in order; the next one when a server is silent, fails (SERVFAIL) or refuses.
///
/// A question takes at most 6 seconds: 2 for each server over UDP, then 2 for each over TCP.
/// SERVFAIL is asked again with CD=1: an answer then means that DNSSEC validation failed.
#[derive(Debug)]
pub struct Resolver {
    servers: Vec<SocketAddr>,
    /// The server asked first: the one that answered last while the one before it was silent.
    first: AtomicUsize,
}

impl Resolver {
    /// A resolver that asks `servers` in order, those of /etc/resolv.conf if there are none.
    ///
    /// # Errors
    /// When resolv.conf is needed and cannot be read. A missing one means 127.0.0.1
    /// (resolv.conf(5)).
    pub fn new(servers: &[SocketAddr]) -> Result<Self, BadResolver> {
        const RESOLV_CONF: &str = "/etc/resolv.conf";
        let servers = if servers.is_empty() {
            match std::fs::read_to_string(RESOLV_CONF) {
                Ok(text) => name_servers(&text),
                Err(error) if error.kind() == io::ErrorKind::NotFound => name_servers(""),
                Err(source) => return Err(BadResolver::Unreadable { path: RESOLV_CONF, source }),
            }
        } else {
            servers.to_vec()
        };
        Ok(Self { servers, first: AtomicUsize::new(0) })
    }

    /// The servers, in the order of the configuration.
    #[must_use]
    pub fn servers(&self) -> &[SocketAddr] {
        &self.servers
    }

    /// The servers to which `zone` is delegated, as the first of these servers has it that answers:
    /// they are the zone's above. `None` where none answers.
    pub async fn delegation(&self, zone: &str) -> Option<Vec<String>> {
        let zone = name::parse(zone)?;
        let message = timeout(TOTAL, self.exchange(&zone, Kind::Ns)).await.ok()?.ok()?;
        Some(wire::delegation(&message, &zone))
    }

    /// Asks, and asks further where the answer ends at an alias.
    async fn follow(&self, mut asked: Name, kind: Kind) -> Answer {
        let mut aliases = Vec::new();
        let mut authenticated = true;
        let mut ttl = Duration::MAX;
        for _ in 0..=MOST_FURTHER {
            let message = match self.exchange(&asked, kind).await {
                Ok(message) => message,
                Err(failure) => return Answer { aliases, ..Answer::failed(failure) },
            };
            let reading = wire::read(&message, &asked, kind);
            aliases.extend(reading.aliases);
            authenticated &= message.metadata.authentic_data;
            ttl = ttl.min(reading.ttl);
            let reply = match reading.said {
                Said::Records(records) => Reply::Records(records),
                Said::Absent(absence) => Reply::Absent(absence),
                Said::Further(name) if aliases.len() < MOST_ALIASES => {
                    asked = name;
                    continue;
                }
                Said::Further(_) | Said::Circle => break,
                Said::Referral => {
                    let text = "the server answers with a referral: it is no resolver".to_owned();
                    Reply::Failed(Failure::Other(text))
                }
            };
            return Answer { reply, aliases, authenticated, ttl };
        }
        Answer { aliases, ..Answer::failed(Failure::AliasLoop) }
    }

    /// One question to the servers in turn, until one says NOERROR or NXDOMAIN.
    async fn exchange(&self, asked: &Name, kind: Kind) -> Result<Message, Failure> {
        let count = self.servers.len();
        let first = self.first.load(Ordering::Relaxed);
        let mut spoke = vec![false; count];
        let mut said = None;
        for way in [Way::Udp, Way::Tcp] {
            for at in (0..count).map(|n| (first + n) % count) {
                if spoke[at] {
                    continue;
                }
                match self.ask_one(self.servers[at], way, asked, kind).await {
                    Ok(message) => {
                        if !spoke[first % count] && at != first {
                            self.first.store(at, Ordering::Relaxed);
                        }
                        return Ok(message);
                    }
                    Err(Failure::Bogus) => return Err(Failure::Bogus),
                    Err(Failure::Timeout) => {}
                    Err(failure) => {
                        // A server that cannot be reached gets its second try, one that said no
                        // does not.
                        spoke[at] = matches!(failure, Failure::ServFail | Failure::Refused);
                        said = Some(failure);
                    }
                }
            }
        }
        Err(said.unwrap_or(Failure::Timeout))
    }

    /// One question to one server, with the second question that explains a SERVFAIL.
    async fn ask_one(
        &self,
        server: SocketAddr,
        way: Way,
        asked: &Name,
        kind: Kind,
    ) -> Result<Message, Failure> {
        let mut manner = Manner { unchecked: false, edns: true };
        let mut message = put(server, way, asked, kind, manner).await?;
        if matches!(rcode(&message), ResponseCode::FormErr | ResponseCode::NotImp) {
            // A server older than EDNS (RFC 6891 section 7).
            manner.edns = false;
            message = put(server, way, asked, kind, manner).await?;
        }
        match rcode(&message) {
            ResponseCode::NoError | ResponseCode::NXDomain => Ok(message),
            ResponseCode::Refused => Err(Failure::Refused),
            ResponseCode::ServFail => match wire::blames_dnssec(&message) {
                Some(true) => Err(Failure::Bogus),
                Some(false) => Err(Failure::ServFail),
                None => unexplained(server, way, asked, kind, manner).await,
            },
            other => Err(Failure::Other(format!("{server} answers {other}"))),
        }
    }
}

#[async_trait]
impl Dns for Resolver {
    async fn ask(&self, name: &str, kind: Kind) -> Answer {
        let Some(asked) = name::parse(name) else {
            return Answer::failed(Failure::Other("it is no name of the DNS".to_owned()));
        };
        timeout(TOTAL, self.follow(asked, kind))
            .await
            .unwrap_or_else(|_| Answer::failed(Failure::Timeout))
    }
}

/// Over what a question goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Udp,
    Tcp,
}

/// Finds out what a SERVFAIL without a reason means: if the server answers with CD=1 and still
/// fails without it, validation failed. The third question tells this from a server that was only
/// slow and knows the answer by now.
async fn unexplained(
    server: SocketAddr,
    way: Way,
    asked: &Name,
    kind: Kind,
    manner: Manner,
) -> Result<Message, Failure> {
    let known = |message: &Message| {
        matches!(rcode(message), ResponseCode::NoError | ResponseCode::NXDomain)
    };
    match put(server, way, asked, kind, Manner { unchecked: true, ..manner }).await {
        Ok(message) if known(&message) => {}
        _ => return Err(Failure::ServFail),
    }
    match put(server, way, asked, kind, manner).await {
        Ok(message) if known(&message) => Ok(message),
        Ok(_) => Err(Failure::Bogus),
        Err(_) => Err(Failure::ServFail),
    }
}

/// Sends one question and waits for its answer, at most 2 seconds over each way: what is cut off
/// over UDP is asked for over TCP, and where TCP is refused UDP gets another chance.
async fn put(
    server: SocketAddr,
    way: Way,
    asked: &Name,
    kind: Kind,
    manner: Manner,
) -> Result<Message, Failure> {
    let question = wire::question(asked, kind, manner);
    let bytes = question.to_vec().map_err(|error| Failure::Other(error.to_string()))?;
    match way {
        Way::Udp => match over_udp(server, &bytes, &question).await? {
            Some(message) => Ok(message),
            None => over_tcp(server, &bytes, &question).await,
        },
        Way::Tcp => match over_tcp(server, &bytes, &question).await {
            Err(Failure::Other(said)) => {
                over_udp(server, &bytes, &question).await?.ok_or(Failure::Other(said))
            }
            answer => answer,
        },
    }
}

/// `None`: the answer is cut off.
async fn over_udp(
    server: SocketAddr,
    bytes: &[u8],
    question: &Message,
) -> Result<Option<Message>, Failure> {
    match timeout(TRY, udp(server, bytes, question)).await {
        Err(_) => Err(Failure::Timeout),
        Ok(Err(error)) => Err(said(server, &error)),
        Ok(Ok(Received::Answer(message))) => Ok(Some(*message)),
        Ok(Ok(Received::CutOff | Received::Foreign)) => Ok(None),
    }
}

async fn over_tcp(
    server: SocketAddr,
    bytes: &[u8],
    question: &Message,
) -> Result<Message, Failure> {
    let heard = match timeout(TRY, tcp(server, bytes)).await {
        Err(_) => return Err(Failure::Timeout),
        Ok(heard) => heard.map_err(|error| said(server, &error))?,
    };
    match wire::receive(&heard, question) {
        Received::Answer(message) => Ok(*message),
        Received::CutOff => Err(Failure::Other(format!("{server}: its answer is damaged"))),
        Received::Foreign => {
            Err(Failure::Other(format!("{server}: its answer is for another question")))
        }
    }
}

fn said(server: SocketAddr, error: &io::Error) -> Failure {
    Failure::Other(format!("{server}: {}", error.kind()))
}

/// Reads datagrams until one answers the question; what does not is ignored.
async fn udp(server: SocketAddr, bytes: &[u8], question: &Message) -> io::Result<Received> {
    let any: SocketAddr = if server.is_ipv4() {
        (Ipv4Addr::UNSPECIFIED, 0).into()
    } else {
        (Ipv6Addr::UNSPECIFIED, 0).into()
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(bytes).await?;
    let mut buffer = vec![0; 4096];
    loop {
        let length = socket.recv(&mut buffer).await?;
        match wire::receive(&buffer[..length], question) {
            Received::Foreign => {}
            received => return Ok(received),
        }
    }
}

/// One message over TCP: two bytes of length before each (RFC 1035 section 4.2.2), which also
/// bound what is read.
async fn tcp(server: SocketAddr, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
    let mut sent = length.to_be_bytes().to_vec();
    sent.extend_from_slice(bytes);
    stream.write_all(&sent).await?;
    let length = stream.read_u16().await?;
    let mut heard = vec![0; length.into()];
    stream.read_exact(&mut heard).await?;
    Ok(heard)
}

fn rcode(message: &Message) -> ResponseCode {
    message.metadata.response_code
}

/// The servers a resolv.conf names, at port 53; 127.0.0.1 if it names none.
fn name_servers(text: &str) -> Vec<SocketAddr> {
    let mut servers: Vec<SocketAddr> = text
        .lines()
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            (words.next() == Some("nameserver")).then(|| words.next().and_then(name_server))?
        })
        .take(MOST_SERVERS)
        .collect();
    if servers.is_empty() {
        servers.push((Ipv4Addr::LOCALHOST, 53).into());
    }
    servers
}

/// An address, with the interface of a link-local one behind `%`.
fn name_server(word: &str) -> Option<SocketAddr> {
    let Some((address, zone)) = word.split_once('%') else {
        return Some((word.parse::<std::net::IpAddr>().ok()?, 53).into());
    };
    let scope =
        zone.parse().ok().or_else(|| nix::net::if_::if_nametoindex(zone).ok()).unwrap_or_default();
    Some(std::net::SocketAddrV6::new(address.parse().ok()?, 53, 0, scope).into())
}

#[cfg(test)]
mod tests {
    use super::name_servers;

    #[test]
    fn resolv_conf_names_its_servers() {
        for (text, servers) in [
            ("", "127.0.0.1:53"),
            ("search example.org\n#nameserver 192.0.2.9\n", "127.0.0.1:53"),
            ("nameserver 192.0.2.1\nnameserver 2001:db8::1", "192.0.2.1:53 [2001:db8::1]:53"),
            ("nameserver\t192.0.2.1  # a\noptions edns0\nnameserver nonsense\n", "192.0.2.1:53"),
            ("nameserver fe80::1%7\n", "[fe80::1%7]:53"),
            (
                "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n",
                "192.0.2.1:53 192.0.2.2:53 192.0.2.3:53",
            ),
        ] {
            let found: Vec<String> = name_servers(text).iter().map(ToString::to_string).collect();
            assert_eq!(found.join(" "), servers, "{text:?}");
        }
    }
}
