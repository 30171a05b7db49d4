//! What goes over the wire and what came back, without sockets: the question, whether a message
//! is its answer, and what the answer says.

use std::collections::HashMap;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{DNSClass, Name, RData, RecordType};

use crate::dns::name::present;
use crate::dns::{Absence, Kind, Record};

/// Most aliases followed for one question, in one answer or over several.
pub(super) const MOST_ALIASES: usize = 16;

/// The size of UDP answers we take: what passes every path without fragments (DNS flag day 2020).
const UDP_PAYLOAD: u16 = 1232;

/// The longest an answer may be kept, against nonsense TTLs (RFC 8767 section 4).
const LONGEST_TTL: u32 = 7 * 86_400;

/// How a question is put.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// Asks a validating resolver for the answer as it is, validated or not (CD, RFC 4035
    /// section 3.2.2).
    pub(super) unchecked: bool,
    /// With an OPT record (RFC 6891): larger answers, and room for reasons (RFC 8914).
    pub(super) edns: bool,
}

/// A question with a random id.
///
/// AD=1 asks for the AD bit in the answer (RFC 6840 section 5.7) without the weight of all
/// signatures. TLSA asks with DO=1 as well, since some forwarders give AD only then, and it is
/// the kind where AD decides.
pub(super) fn question(name: &Name, kind: Kind, manner: Manner) -> Message {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.metadata.authentic_data = true;
    message.metadata.checking_disabled = manner.unchecked;
    message.add_query(Query::query(name.clone(), record_type(kind)));
    if manner.edns {
        let mut edns = Edns::new();
        edns.set_max_payload(UDP_PAYLOAD);
        edns.set_dnssec_ok(kind == Kind::Tlsa);
        message.set_edns(edns);
    }
    message
}

/// What a datagram or a TCP message is.
#[derive(Debug)]
pub(super) enum Received {
    /// The answer to our question.
    Answer(Box<Message>),
    /// Cut off, or it carries our id and does not parse: to be asked for over TCP.
    CutOff,
    /// Not ours: another id or another question. Somebody else's, or a forgery.
    Foreign,
}

/// Tells whether `bytes` answer `asked`: same id, same question (RFC 5452 section 4.2).
pub(super) fn receive(bytes: &[u8], asked: &Message) -> Received {
    let id = asked.metadata.id.to_be_bytes();
    if bytes.get(..2) != Some(&id[..]) {
        return Received::Foreign;
    }
    let Ok(message) = Message::from_vec(bytes) else {
        return Received::CutOff;
    };
    let metadata = &message.metadata;
    if metadata.message_type != MessageType::Response || metadata.op_code != OpCode::Query {
        return Received::Foreign;
    }
    // A server that does not understand the question may leave it out (RFC 1035 section 4.1.1).
    let misunderstood = matches!(
        metadata.response_code,
        ResponseCode::FormErr | ResponseCode::NotImp | ResponseCode::Refused
    );
    let same = match (message.queries.as_slice(), asked.queries.as_slice()) {
        ([], _) => misunderstood,
        ([heard], [put]) => {
            same_name(&heard.name, &put.name)
                && heard.query_type == put.query_type
                && heard.query_class == put.query_class
        }
        _ => false,
    };
    if !same {
        return Received::Foreign;
    }
    if metadata.truncation { Received::CutOff } else { Received::Answer(Box::new(message)) }
}

/// What an answer with NOERROR or NXDOMAIN says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Records of the kind asked for, at the end of the aliases.
    Records(Vec<Record>),
    /// None, and that is certain.
    Absent(Absence),
    /// The aliases end at this name, and the answer says nothing of it.
    Further(Name),
    /// The aliases lead in a circle.
    Circle,
    /// A referral: the server is no resolver.
    Referral,
}

/// An answer as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// What it says.
    pub(super) said: Said,
    /// The aliases followed, in order.
    pub(super) aliases: Vec<String>,
    /// The shortest life of what it stands on.
    pub(super) ttl: Duration,
}

/// Reads an answer: follows the aliases in it from the name asked for, and takes only records
/// that belong to the name they lead to.
pub(super) fn read(message: &Message, asked: &Name, kind: Kind) -> Reading {
    let links = aliases_of(message);
    let mut aliases = Vec::new();
    let mut ttl = LONGEST_TTL;
    let mut at = asked.clone();
    while let Some((target, life)) = links.get(&key(&at)).filter(|_| kind != Kind::Cname) {
        if aliases.len() >= MOST_ALIASES {
            return Reading { said: Said::Circle, aliases, ttl: Duration::ZERO };
        }
        aliases.push(present(target));
        ttl = ttl.min(*life);
        at = (*target).clone();
    }
    let mut records = Vec::new();
    for record in &message.answers {
        if record.dns_class == DNSClass::IN
            && same_name(&record.name, &at)
            && let Some(found) = data(&record.data, kind)
        {
            records.push(found);
            ttl = ttl.min(life(record.ttl));
        }
    }
    if !records.is_empty() {
        return Reading { said: Said::Records(records), aliases, ttl: seconds(ttl) };
    }
    let (said, negative) = nothing(message, at, !aliases.is_empty());
    Reading { said, aliases, ttl: seconds(ttl.min(negative)) }
}

/// The servers to which a zone is delegated, in an answer or a referral of the zone above.
pub(super) fn delegation(message: &Message, zone: &Name) -> Vec<String> {
    let records = message.answers.iter().chain(&message.authorities);
    let found = records.filter(|record| same_name(&record.name, zone));
    let servers = found.filter_map(|record| match &record.data {
        RData::NS(server) => Some(present(&server.0)),
        _ => None,
    });
    servers.collect()
}

/// Why there is no record at `at`, and how long that holds (RFC 2308 section 5).
fn nothing(message: &Message, at: Name, behind_alias: bool) -> (Said, u32) {
    let soa = message.authorities.iter().find_map(|record| match &record.data {
        RData::SOA(soa) => Some(life(record.ttl).min(life(soa.minimum))),
        _ => None,
    });
    let negative = soa.unwrap_or(0);
    if message.metadata.response_code == ResponseCode::NXDomain {
        return (Said::Absent(Absence::NxDomain), negative);
    }
    if soa.is_none() && behind_alias {
        // How long that holds is for the next answer to say.
        return (Said::Further(at), LONGEST_TTL);
    }
    let refers = message.authorities.iter().any(|r| r.record_type() == RecordType::NS);
    if soa.is_none() && refers && !message.metadata.authoritative {
        return (Said::Referral, negative);
    }
    (Said::Absent(Absence::NoData), negative)
}

/// The aliases of an answer: from whom, to whom, for how long.
fn aliases_of(message: &Message) -> HashMap<String, (&Name, u32)> {
    let mut links = HashMap::new();
    for record in &message.answers {
        if let RData::CNAME(target) = &record.data
            && record.dns_class == DNSClass::IN
        {
            let link = (&target.0, life(record.ttl));
            links.entry(key(&record.name)).or_insert(link);
        }
    }
    links
}

/// Whether an Extended DNS Error decides why the resolver failed: `Some(true)` when it says that
/// validation failed (RFC 8914 codes 6 to 12), `Some(false)` when it says that nobody answered
/// it (22, 23) or that it is not ready (14).
pub(super) fn blames_dnssec(message: &Message) -> Option<bool> {
    let options = &message.edns.as_ref()?.options().options;
    let mut blamed = None;
    for (code, option) in options {
        if let (EdnsCode::Unknown(15), EdnsOption::Unknown(_, text)) = (code, option) {
            match text.get(..2).map(|info| u16::from_be_bytes([info[0], info[1]])) {
                Some(6..=12) => return Some(true),
                Some(14 | 22 | 23) => blamed = Some(false),
                _ => {}
            }
        }
    }
    blamed
}

fn data(data: &RData, kind: Kind) -> Option<Record> {
    Some(match (data, kind) {
        (RData::A(address), Kind::A) => Record::A(address.0),
        (RData::AAAA(address), Kind::Aaaa) => Record::Aaaa(address.0),
        (RData::MX(mx), Kind::Mx) => {
            Record::Mx { preference: mx.preference, exchange: present(&mx.exchange) }
        }
        (RData::SRV(srv), Kind::Srv) => Record::Srv {
            priority: srv.priority,
            weight: srv.weight,
            port: srv.port,
            target: present(&srv.target),
        },
        (RData::CAA(caa), Kind::Caa) => Record::Caa {
            critical: caa.issuer_critical,
            tag: caa.tag.clone(),
            value: String::from_utf8_lossy(&caa.value).into_owned(),
        },
        (RData::TLSA(tlsa), Kind::Tlsa) => Record::Tlsa {
            usage: tlsa.cert_usage.into(),
            selector: tlsa.selector.into(),
            matching: tlsa.matching.into(),
            data: tlsa.cert_data.clone(),
        },
        (RData::TXT(text), Kind::Txt) => {
            Record::Txt(String::from_utf8_lossy(&text.txt_data.concat()).into_owned())
        }
        (RData::SOA(soa), Kind::Soa) => Record::Soa(present(&soa.mname)),
        (RData::NS(server), Kind::Ns) => Record::Ns(present(&server.0)),
        (RData::CNAME(target), Kind::Cname) => Record::Cname(present(&target.0)),
        _ => return None,
    })
}

fn record_type(kind: Kind) -> RecordType {
    match kind {
        Kind::A => RecordType::A,
        Kind::Aaaa => RecordType::AAAA,
        Kind::Mx => RecordType::MX,
        Kind::Srv => RecordType::SRV,
        Kind::Caa => RecordType::CAA,
        Kind::Tlsa => RecordType::TLSA,
        Kind::Txt => RecordType::TXT,
        Kind::Soa => RecordType::SOA,
        Kind::Ns => RecordType::NS,
        Kind::Cname => RecordType::CNAME,
    }
}

/// A TTL with its highest bit set counts as zero (RFC 2181 section 8).
fn life(ttl: u32) -> u32 {
    if ttl > i32::MAX as u32 { 0 } else { ttl.min(LONGEST_TTL) }
}

fn seconds(ttl: u32) -> Duration {
    Duration::from_secs(ttl.into())
}

fn key(name: &Name) -> String {
    present(name).to_ascii_lowercase()
}

fn same_name(one: &Name, other: &Name) -> bool {
    one.eq_ignore_root(other)
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::{Message, MessageType};
    use hickory_proto::rr::rdata::{A, CNAME, MX};
    use hickory_proto::rr::{Name, RData, Record as Line};

    use super::{Manner, Received, Said, question, read, receive};
    use crate::dns::name::parse;
    use crate::dns::{Kind, Record};

    fn name(text: &str) -> Name {
        parse(text).unwrap()
    }

    fn line(owner: &str, ttl: u32, data: RData) -> Line {
        Line::from_rdata(name(owner), ttl, data)
    }

    fn answer(kind: Kind, lines: Vec<Line>) -> Message {
        let mut message =
            question(&name("a.example"), kind, Manner { unchecked: false, edns: true });
        message.metadata.message_type = MessageType::Response;
        message.add_answers(lines);
        message
    }

    #[test]
    fn a_question_asks_for_recursion_and_for_ad() {
        for (kind, dnssec_ok) in [(Kind::Mx, false), (Kind::Tlsa, true)] {
            let message =
                question(&name("a.example"), kind, Manner { unchecked: false, edns: true });
            assert!(message.metadata.recursion_desired && message.metadata.authentic_data);
            assert!(!message.metadata.checking_disabled);
            assert_eq!(message.edns.unwrap().flags().dnssec_ok, dnssec_ok, "{kind}");
        }
    }

    #[test]
    fn records_of_other_names_are_not_taken() {
        let ours = RData::A(A::new(192, 0, 2, 7));
        let evil = RData::A(A::new(192, 0, 2, 66));
        let alias = RData::CNAME(CNAME(name("b.example")));
        let message = answer(
            Kind::A,
            vec![
                line("evil.example", 5, evil.clone()),
                line("a.example", 9, evil),
                line("B.example", 60, ours),
                line("A.EXAMPLE", 30, alias),
            ],
        );
        let reading = read(&message, &name("a.example"), Kind::A);
        assert_eq!(reading.said, Said::Records(vec![Record::A([192, 0, 2, 7].into())]));
        assert_eq!(reading.aliases, ["b.example"]);
        assert_eq!(reading.ttl.as_secs(), 30);
    }

    #[test]
    fn a_ttl_with_its_highest_bit_set_is_zero() {
        let data = RData::A(A::new(192, 0, 2, 7));
        for (ttl, life) in [(0x8000_0001, 0), (60, 60), (100_000_000, 604_800)] {
            let message = answer(Kind::A, vec![line("a.example", ttl, data.clone())]);
            let reading = read(&message, &name("a.example"), Kind::A);
            assert_eq!(reading.ttl.as_secs(), life, "{ttl}");
        }
    }

    /// Every single-byte change of an answer, at every place, and every cut.
    #[test]
    fn damaged_answers_never_panic() {
        let message = answer(
            Kind::Mx,
            vec![
                line("a.example", 60, RData::CNAME(CNAME(name("b\\000\\.c.example")))),
                line("b\\000\\.c.example", 60, RData::MX(MX::new(10, name("mx.example")))),
            ],
        );
        let bytes = message.to_vec().unwrap();
        let (mut read_well, mut damaged) = (0, 0);
        let mut hear = |bytes: &[u8]| match receive(bytes, &message) {
            Received::Answer(heard) => {
                read(&heard, &name("a.example"), Kind::Mx);
                super::blames_dnssec(&heard);
                read_well += 1;
            }
            Received::CutOff | Received::Foreign => damaged += 1,
        };
        for at in 0..bytes.len() {
            hear(&bytes[..at]);
            for value in 0..=255 {
                let mut changed = bytes.clone();
                changed[at] = value;
                hear(&changed);
            }
        }
        assert!(read_well > 1000 && damaged > 1000, "{read_well} {damaged}");
    }
}
