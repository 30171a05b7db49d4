//! A DNS server on a loopback address, for programs under test: it serves the text of a
//! [`Zone`] over UDP and TCP as a resolver would, with the faults a test asks for.
//!
//! It has a thread of its own, so it answers whatever the test is waiting for.

#![allow(dead_code, reason = "each test binary uses the part it needs")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, RwLock};
use std::thread::JoinHandle;

use hickory_proto::op::{Edns, Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::rdata::tlsa::{CertUsage, Matching, Selector};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, MX, NS, NULL, SOA, SRV, TLSA, TXT};
use hickory_proto::rr::{Name, RData, Record as Line, RecordType};
use mailcert::dns::{Absence, Answer, Dns, Failure, Kind, Record, Reply, Zone};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::oneshot;

/// How a server misbehaves. None of it: a validating resolver that gives no reasons.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manners {
    /// Gives reasons (RFC 8914): 6 with BOGUS, 22 with SERVFAIL.
    pub(crate) reasons: bool,
    /// Hears nothing over UDP.
    pub(crate) deaf_udp: bool,
    /// Hears each question over UDP only the second time.
    pub(crate) hard_of_hearing: bool,
    /// Hangs up on TCP.
    pub(crate) no_tcp: bool,
    /// Answers FORMERR to questions with EDNS.
    pub(crate) no_edns: bool,
    /// Sends a wrong id, a wrong question and garbage before the answer.
    pub(crate) forged: bool,
    /// Answers with the first alias only.
    pub(crate) short: bool,
    /// Answers with referrals, as an authoritative server would.
    pub(crate) refers: bool,
    /// Leaves the SOA record out.
    pub(crate) no_soa: bool,
    /// SERVFAIL at the first time of each question, as a slow resolver would.
    pub(crate) slow: bool,
}

/// A running server; it stops when dropped.
#[derive(Debug)]
pub(crate) struct DnsServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    zone: RwLock<Arc<Zone>>,
    manners: Manners,
    heard: Mutex<Vec<String>>,
}

impl DnsServer {
    /// Serves `zone` at `address` (port 0: a free one) with good manners.
    pub(crate) fn start(address: &str, zone: &str) -> Self {
        Self::with_manners(address, zone, Manners::default())
    }

    /// Serves `zone` at `address` (port 0: a free one).
    pub(crate) fn with_manners(address: &str, zone: &str, manners: Manners) -> Self {
        let tcp = std::net::TcpListener::bind(address).expect("a free TCP port");
        let address = tcp.local_addr().expect("a bound socket");
        let udp = std::net::UdpSocket::bind(address).expect("the same UDP port");
        tcp.set_nonblocking(true).expect("a socket");
        udp.set_nonblocking(true).expect("a socket");
        let zone = RwLock::new(Arc::new(Zone::parse(zone).expect("a zone text")));
        let shared = Arc::new(Shared { zone, manners, heard: Mutex::default() });
        let (stop, stopped) = oneshot::channel();
        let theirs = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("tokio");
            runtime.block_on(async move {
                let udp = UdpSocket::from_std(udp).expect("a socket");
                let tcp = TcpListener::from_std(tcp).expect("a socket");
                tokio::select! {
                    () = serve_udp(&udp, &theirs) => {}
                    () = serve_tcp(&tcp, &theirs) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, shared, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves another zone from now on.
    pub(crate) fn serve(&self, zone: &str) {
        *self.shared.zone.write().expect("no panic") =
            Arc::new(Zone::parse(zone).expect("a zone text"));
    }

    /// What was asked so far, one line each: `udp example.org MX`, with `cd` where checking was
    /// to be left out.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.shared.heard.lock().expect("no panic").clone()
    }
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve_udp(socket: &UdpSocket, shared: &Shared) {
    let mut buffer = vec![0; 65_535];
    loop {
        let Ok((length, peer)) = socket.recv_from(&mut buffer).await else { continue };
        let Ok(question) = Message::from_vec(&buffer[..length]) else { continue };
        let again = shared.note("udp", &question);
        if shared.manners.deaf_udp || (shared.manners.hard_of_hearing && !again) {
            continue;
        }
        let Some(mut answer) = shared.answer(&question, again).await else { continue };
        let most = question.edns.as_ref().map_or(512, |edns| edns.max_payload().max(512));
        if shared.manners.forged {
            for forgery in forgeries(&answer) {
                let _ = socket.send_to(&forgery, peer).await;
            }
        }
        if answer.to_vec().map_or(0, |bytes| bytes.len()) > most.into() {
            answer = answer.truncate();
        }
        let _ = socket.send_to(&answer.to_vec().unwrap_or_default(), peer).await;
    }
}

async fn serve_tcp(listener: &TcpListener, shared: &Shared) {
    // Who is answered by silence is not hung up on.
    let mut silent = Vec::new();
    loop {
        let Ok((mut stream, _)) = listener.accept().await else { continue };
        if shared.manners.no_tcp {
            continue;
        }
        let Ok(length) = stream.read_u16().await else { continue };
        let mut buffer = vec![0; length.into()];
        if stream.read_exact(&mut buffer).await.is_err() {
            continue;
        }
        let Ok(question) = Message::from_vec(&buffer) else { continue };
        let again = shared.note("tcp", &question);
        let Some(answer) = shared.answer(&question, again).await else {
            silent.push(stream);
            continue;
        };
        let bytes = answer.to_vec().unwrap_or_default();
        let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        let _ = stream.write_all(&[&length.to_be_bytes(), &bytes[..length.into()]].concat()).await;
    }
}

impl Shared {
    /// Writes a question down; whether it was asked before.
    fn note(&self, way: &str, question: &Message) -> bool {
        let Some(query) = question.queries.first() else { return false };
        let name = query.name.to_ascii();
        let name = name.trim_end_matches('.');
        let cd = if question.metadata.checking_disabled { " cd" } else { "" };
        let line = format!("{way} {name} {}{cd}", query.query_type);
        let mut heard = self.heard.lock().expect("no panic");
        let again = heard.contains(&line);
        heard.push(line);
        again
    }

    /// The answer to a question; `None` means silence.
    async fn answer(&self, question: &Message, again: bool) -> Option<Message> {
        let mut message = Message::response(question.metadata.id, question.metadata.op_code);
        message.metadata.recursion_desired = question.metadata.recursion_desired;
        message.metadata.recursion_available = !self.manners.refers;
        message.metadata.checking_disabled = question.metadata.checking_disabled;
        let query = question.queries.first()?;
        message.add_query(query.clone());
        if self.manners.no_edns && question.edns.is_some() {
            message.metadata.response_code = ResponseCode::FormErr;
            return Some(message);
        }
        if question.edns.is_some() {
            message.set_edns(Edns::new());
        }
        if self.manners.refers {
            let root = Name::root();
            let server = NS(name("ns.example"));
            message.add_authority(Line::from_rdata(root, 300, RData::NS(server)));
            return Some(message);
        }
        let Some(kind) = kind(query.query_type) else {
            message.metadata.response_code = ResponseCode::NotImp;
            return Some(message);
        };
        let zone = Arc::clone(&self.zone.read().expect("no panic"));
        let mut answer = zone.ask(&present(&query.name), kind).await;
        if self.manners.slow && !again && !question.metadata.checking_disabled {
            answer.reply = Reply::Failed(Failure::ServFail);
        }
        self.fill(&mut message, question, &query.name, answer)?;
        Some(message)
    }

    fn fill(
        &self,
        message: &mut Message,
        question: &Message,
        asked: &Name,
        answer: Answer,
    ) -> Option<()> {
        let ttl = u32::try_from(answer.ttl.as_secs()).unwrap_or(u32::MAX);
        let wants_ad = question.metadata.authentic_data
            || question.edns.as_ref().is_some_and(|edns| edns.flags().dnssec_ok);
        message.metadata.authentic_data = answer.authenticated && wants_ad;
        let mut owner = asked.clone();
        let failed = matches!(&answer.reply, Reply::Failed(f) if *f != Failure::AliasLoop);
        let aliases = if failed { &[][..] } else { &answer.aliases[..] };
        for (number, alias) in aliases.iter().enumerate() {
            let alias = name(alias);
            message.add_answer(Line::from_rdata(owner, ttl, RData::CNAME(CNAME(alias.clone()))));
            owner = alias;
            if self.manners.short && number == 0 {
                return Some(());
            }
        }
        match answer.reply {
            Reply::Records(records) => {
                for record in records {
                    message.add_answer(Line::from_rdata(owner.clone(), ttl, rdata(&record)));
                }
            }
            Reply::Absent(absence) => {
                if absence == Absence::NxDomain {
                    message.metadata.response_code = ResponseCode::NXDomain;
                }
                if !self.manners.no_soa {
                    let soa = SOA::new(owner.clone(), owner.clone(), 1, 1, 1, 1, ttl);
                    message.add_authority(Line::from_rdata(owner, 86_400, RData::SOA(soa)));
                }
            }
            Reply::Failed(failure) => self.fail(message, question, &failure)?,
        }
        Some(())
    }

    fn fail(&self, message: &mut Message, question: &Message, failure: &Failure) -> Option<()> {
        let (code, reason) = match failure {
            Failure::Timeout => return None,
            Failure::AliasLoop => return Some(()),
            Failure::Bogus if question.metadata.checking_disabled => return Some(()),
            Failure::Bogus => (ResponseCode::ServFail, Some(6u16)),
            Failure::ServFail => (ResponseCode::ServFail, Some(22)),
            Failure::Refused => (ResponseCode::Refused, None),
            Failure::Other(_) => (ResponseCode::NotAuth, None),
        };
        message.metadata.response_code = code;
        if let (Some(reason), Some(edns), true) = (reason, &mut message.edns, self.manners.reasons)
        {
            let option = EdnsOption::Unknown(15, reason.to_be_bytes().to_vec());
            edns.options_mut().options.push((EdnsCode::Unknown(15), option));
        }
        Some(())
    }
}

/// What somebody who cannot see the question might send.
fn forgeries(answer: &Message) -> Vec<Vec<u8>> {
    let evil = |id: u16, asked: &Name| {
        let mut forged = answer.clone();
        forged.metadata.id = id;
        forged.metadata.response_code = ResponseCode::NXDomain;
        forged.answers.clear();
        forged.queries[0].name = asked.clone();
        forged
    };
    let asked = &answer.queries[0].name;
    let id = answer.metadata.id;
    let mut question = evil(id, asked);
    question.metadata.message_type = MessageType::Query;
    [evil(id.wrapping_add(1), asked), evil(id, &name("other.example")), question]
        .iter()
        .filter_map(|forged| forged.to_vec().ok())
        .chain([vec![], vec![0], b"garbage that is no message".to_vec()])
        .collect()
}

fn rdata(record: &Record) -> RData {
    match record {
        Record::A(address) => RData::A(A(*address)),
        Record::Aaaa(address) => RData::AAAA(AAAA(*address)),
        Record::Mx { preference, exchange } => RData::MX(MX::new(*preference, name(exchange))),
        Record::Srv { priority, weight, port, target } => {
            RData::SRV(SRV::new(*priority, *weight, *port, name(target)))
        }
        Record::Caa { critical, tag, value } => {
            let flags = if *critical { 0x80 } else { 0 };
            let length = u8::try_from(tag.len()).expect("a short tag");
            let bytes = [&[flags, length], tag.as_bytes(), value.as_bytes()].concat();
            RData::Unknown { code: RecordType::CAA, rdata: NULL::with(bytes) }
        }
        Record::Tlsa { usage, selector, matching, data } => RData::TLSA(TLSA::new(
            CertUsage::from(*usage),
            Selector::from(*selector),
            Matching::from(*matching),
            data.clone(),
        )),
        // One string has at most 255 bytes (RFC 1035 section 3.3.14).
        Record::Txt(text) => {
            let strings = text.as_bytes().chunks(255);
            RData::TXT(TXT::from_bytes(strings.collect()))
        }
        Record::Soa(primary) => {
            RData::SOA(SOA::new(name(primary), name("hostmaster.example"), 1, 1, 1, 1, 1))
        }
        Record::Ns(server) => RData::NS(NS(name(server))),
        Record::Cname(target) => RData::CNAME(CNAME(name(target))),
    }
}

fn kind(of: RecordType) -> Option<Kind> {
    Some(match of {
        RecordType::A => Kind::A,
        RecordType::AAAA => Kind::Aaaa,
        RecordType::MX => Kind::Mx,
        RecordType::SRV => Kind::Srv,
        RecordType::CAA => Kind::Caa,
        RecordType::TLSA => Kind::Tlsa,
        RecordType::TXT => Kind::Txt,
        RecordType::SOA => Kind::Soa,
        RecordType::NS => Kind::Ns,
        RecordType::CNAME => Kind::Cname,
        _ => return None,
    })
}

/// The name of a text: dots between labels, `\DDD` for a byte, a backslash before any other sign.
fn name(text: &str) -> Name {
    let mut labels = vec![Vec::new()];
    let mut bytes = text.trim_end_matches('.').bytes();
    while let Some(byte) = bytes.next() {
        let label = labels.last_mut().expect("one label");
        match byte {
            b'.' => labels.push(Vec::new()),
            b'\\' => {
                let next = bytes.next().expect("something after a backslash");
                label.push(if next.is_ascii_digit() {
                    let digits = [next, bytes.next().expect("digit"), bytes.next().expect("digit")];
                    std::str::from_utf8(&digits).expect("digits").parse().expect("a byte")
                } else {
                    next
                });
            }
            byte => label.push(byte),
        }
    }
    labels.retain(|label| !label.is_empty());
    Name::from_labels(labels.iter().map(Vec::as_slice)).expect("a name")
}

fn present(name: &Name) -> String {
    let text = name.to_ascii();
    if text == "." { text } else { text.trim_end_matches('.').to_owned() }
}
