//! [`Authority`]: what a name server of a few TXT records answers, without sockets.
//!
//! It answers for its zones and refuses everything else; it asks nobody. Answers are hardly larger
//! than questions.

use hickory_proto::op::{Edns, Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{NS, SOA, TXT};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use crate::dns::name;
use crate::model::Hostname;

/// A name server's data.
#[derive(Clone, Debug)]
pub struct Authority {
    /// The server's own name, which the zones' NS records say.
    server: Name,
    /// A zone that is there even while it is empty.
    zone: Option<Name>,
    texts: Vec<Text>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Text {
    zone: Name,
    record: Name,
    value: String,
}

/// Over what a question came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// UDP: who sent it is not certain.
    Udp,
    /// TCP.
    Tcp,
}

impl Authority {
    /// One without records.
    #[must_use]
    pub fn new(server: &Hostname, zone: Option<&Hostname>) -> Self {
        let name = |host: &Hostname| name::parse(host.as_str()).unwrap_or_else(Name::root);
        Self { server: name(server), zone: zone.map(name), texts: Vec::new() }
    }

    /// Shows one more text; the same may be shown many times. `false`: these are no names.
    pub fn show(&mut self, zone: &str, record: &str, value: &str) -> bool {
        let text = text(zone, record, value).filter(|text| text.value.len() <= 255);
        let fits = text.is_some();
        self.texts.extend(text);
        fits
    }

    /// Takes back one [`Authority::show`].
    pub fn hide(&mut self, zone: &str, record: &str, value: &str) {
        let text = text(zone, record, value);
        if let Some(at) = self.texts.iter().position(|one| Some(one) == text.as_ref()) {
            self.texts.swap_remove(at);
        }
    }

    /// Whether nothing is shown.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The answer to a question; `None` for what is none and gets none.
    #[must_use]
    pub fn answer(&self, asked: &[u8], over: Over) -> Option<Vec<u8>> {
        let (question, mut answer) = match begin(asked)? {
            Begun::Question(question, answer) => (question, *answer),
            Begun::Refused(answer) => return answer.to_vec().ok(),
        };
        self.fill(&question, &mut answer);
        let bytes = answer.to_vec().ok()?;
        let most = match over {
            Over::Tcp => usize::from(u16::MAX),
            // Without EDNS 512 bytes (RFC 1035 section 4.2.1); never more than passes unbroken.
            Over::Udp => question.max_payload().clamp(512, PAYLOAD).into(),
        };
        if bytes.len() <= most { Some(bytes) } else { answer.truncate().to_vec().ok() }
    }

    /// To a question that is one too many: "ask over TCP", not larger than the question.
    #[must_use]
    pub fn put_off(asked: &[u8]) -> Option<Vec<u8>> {
        match begin(asked)? {
            Begun::Question(_, answer) => answer.truncate().to_vec().ok(),
            Begun::Refused(_) => None,
        }
    }

    fn fill(&self, question: &Message, answer: &mut Message) {
        let Some(query) = question.queries.first() else { return };
        let own = self.zone.iter().chain(self.texts.iter().map(|text| &text.zone));
        let zone =
            own.filter(|zone| zone.zone_of(&query.name)).max_by_key(|zone| zone.num_labels());
        let Some(zone) = zone.filter(|_| query.query_class == DNSClass::IN) else {
            answer.metadata.response_code = ResponseCode::Refused;
            return;
        };
        answer.metadata.authoritative = true;
        let is_apex = *zone == query.name;
        let mut found: Vec<RData> = Vec::new();
        match query.query_type {
            RecordType::TXT => {
                let texts = self.texts.iter().filter(|text| text.record == query.name);
                let mut values: Vec<_> = texts.map(|text| &text.value).collect();
                values.sort();
                values.dedup();
                found.extend(values.into_iter().map(|value| {
                    let strings = vec![value.clone()];
                    RData::TXT(TXT::new(strings))
                }));
            }
            RecordType::SOA if is_apex => found.push(self.soa()),
            RecordType::NS if is_apex => found.push(RData::NS(NS(self.server.clone()))),
            _ => {}
        }
        if found.is_empty() {
            // A name above one that is there exists, too (RFC 8020).
            let exists = is_apex || self.texts.iter().any(|one| query.name.zone_of(&one.record));
            if !exists {
                answer.metadata.response_code = ResponseCode::NXDomain;
            }
            answer.add_authority(Record::from_rdata(zone.clone(), TTL, self.soa()));
        }
        let record = |data| Record::from_rdata(query.name.clone(), TTL, data);
        answer.add_answers(found.into_iter().map(record));
    }

    fn soa(&self) -> RData {
        let (server, mail) = (self.server.clone(), self.server.clone());
        RData::SOA(SOA::new(server, mail, 1, 3600, 600, 86_400, TTL))
    }
}

fn text(zone: &str, record: &str, value: &str) -> Option<Text> {
    let (zone, record) = (name::parse(zone)?, name::parse(record)?);
    Some(Text { zone, record, value: value.to_owned() })
}

/// What was asked, and the answer to it before anything is said.
enum Begun {
    Question(Box<Message>, Box<Message>),
    Refused(Message),
}

/// Answers are not answered (two servers would go on for ever), nor what has no header.
fn begin(asked: &[u8]) -> Option<Begun> {
    let header = asked.get(..12).filter(|header| header[2] & 0x80 == 0)?;
    let id = u16::from_be_bytes([header[0], header[1]]);
    let Ok(question) = Message::from_vec(asked) else {
        let refused = Message::error_msg(id, OpCode::Query, ResponseCode::FormErr);
        return Some(Begun::Refused(refused));
    };
    let said = &question.metadata;
    let mut answer = Message::new(id, MessageType::Response, said.op_code);
    answer.metadata.recursion_desired = said.recursion_desired;
    if question.edns.is_some() {
        let mut ours = Edns::new();
        ours.set_max_payload(PAYLOAD);
        answer.set_edns(ours);
    }
    if said.op_code != OpCode::Query {
        answer.metadata.response_code = ResponseCode::NotImp;
        return Some(Begun::Refused(answer));
    }
    if question.queries.len() != 1 {
        answer.metadata.response_code = ResponseCode::FormErr;
        return Some(Begun::Refused(answer));
    }
    answer.add_queries(question.queries.iter().cloned());
    if question.edns.as_ref().is_some_and(|edns| edns.version() > 0) {
        answer.metadata.response_code = ResponseCode::BADVERS;
        return Some(Begun::Refused(answer));
    }
    Some(Begun::Question(Box::new(question), Box::new(answer)))
}

/// The largest answer over UDP: what passes every path without fragments (DNS flag day 2020).
const PAYLOAD: u16 = 1232;
/// Challenges are gone within minutes; nothing is to be remembered longer.
const TTL: u32 = 1;

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use hickory_proto::op::{Edns, Message, Query};
    use hickory_proto::rr::{DNSClass, Name, RecordType};

    use super::{Authority, Over};
    use crate::model::Hostname;

    fn host(text: &str) -> Hostname {
        Hostname::parse(text).unwrap()
    }

    fn authority() -> Authority {
        let mut authority =
            Authority::new(&host("dns.example.net"), Some(&host("acme.example.net")));
        authority.show("acme.example.net", "mx.example.org.acme.example.net", "one");
        authority.show("acme.example.net", "mx.example.org.acme.example.net", "two");
        authority.show("_acme-challenge.b.test", "_acme-challenge.b.test", "three");
        authority
    }

    fn question(name: &str, kind: RecordType, edns: bool) -> Message {
        let mut question = Message::query();
        question.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
        if edns {
            question.set_edns(Edns::new());
        }
        question
    }

    /// The answer in one line.
    fn said(authority: &Authority, question: &Message, over: Over) -> String {
        let asked = question.to_vec().unwrap();
        let Some(bytes) = authority.answer(&asked, over) else { return "nothing".to_owned() };
        let answer = Message::from_vec(&bytes).unwrap();
        assert_eq!(answer.metadata.id, question.metadata.id);
        assert!(!answer.metadata.recursion_available);
        assert_eq!(answer.edns.is_some(), question.edns.is_some());
        let mut text = format!("{:?}", answer.metadata.response_code);
        for (flag, word) in
            [(answer.metadata.authoritative, " aa"), (answer.metadata.truncation, " tc")]
        {
            text += if flag { word } else { "" };
        }
        for one in &answer.answers {
            write!(text, "; {} {} {}", one.name, one.record_type(), one.data).unwrap();
        }
        for one in &answer.authorities {
            write!(text, "; above {} {}", one.name, one.record_type()).unwrap();
        }
        text
    }

    #[test]
    fn it_answers_for_its_zones_and_refuses_everything_else() {
        let authority = authority();
        for (name, kind, expected) in [
            (
                "mX.example.org.ACME.example.net.",
                RecordType::TXT,
                "NoError aa; mX.example.org.ACME.example.net. TXT one; \
                 mX.example.org.ACME.example.net. TXT two",
            ),
            (
                "_acme-challenge.b.test.",
                RecordType::TXT,
                "NoError aa; _acme-challenge.b.test. TXT three",
            ),
            (
                "_acme-challenge.b.test.",
                RecordType::A,
                "NoError aa; above _acme-challenge.b.test. SOA",
            ),
            (
                "acme.example.net.",
                RecordType::NS,
                "NoError aa; acme.example.net. NS dns.example.net.",
            ),
            (
                "acme.example.net.",
                RecordType::SOA,
                "NoError aa; acme.example.net. SOA dns.example.net. dns.example.net. 1 3600 600 \
                 86400 1",
            ),
            // Names between the zone and a record exist: some ask for them one by one (RFC 9156).
            (
                "example.org.acme.example.net.",
                RecordType::A,
                "NoError aa; above acme.example.net. SOA",
            ),
            ("x.acme.example.net.", RecordType::TXT, "NXDomain aa; above acme.example.net. SOA"),
            (
                "mx.example.org.acme.example.net.",
                RecordType::ANY,
                "NoError aa; above acme.example.net. SOA",
            ),
            ("example.net.", RecordType::NS, "Refused"),
            ("acme.example.net.evil.test.", RecordType::TXT, "Refused"),
            (".", RecordType::NS, "Refused"),
        ] {
            for edns in [false, true] {
                let question = question(name, kind, edns);
                assert_eq!(said(&authority, &question, Over::Udp), expected, "{name} {kind}");
            }
        }
        let mut chaos = question("version.bind.", RecordType::TXT, false);
        chaos.queries[0].query_class = DNSClass::CH;
        assert_eq!(said(&authority, &chaos, Over::Udp), "Refused");
    }

    #[test]
    fn what_is_no_question_gets_no_answer_or_a_short_one() {
        let authority = authority();
        let whole = question("mx.example.org.acme.example.net.", RecordType::TXT, true);
        let bytes = whole.to_vec().unwrap();
        let mut answered = bytes.clone();
        answered[2] |= 0x80;
        for none in [&[][..], &bytes[..11], &answered] {
            assert_eq!(authority.answer(none, Over::Udp), None);
            assert_eq!(Authority::put_off(none), None);
        }
        let mut two = whole.clone();
        two.add_query(whole.queries[0].clone());
        assert_eq!(said(&authority, &two, Over::Udp).split(' ').next(), Some("FormErr"));
        // Cut anywhere or with a byte turned over: an answer or none, and never a large one.
        for at in 0..bytes.len() {
            let mut turned = bytes.clone();
            turned[at] ^= 0xff;
            for damaged in [&bytes[..at], &turned] {
                let answer = authority.answer(damaged, Over::Udp).unwrap_or_default();
                assert!(answer.len() <= 200, "{} bytes for {damaged:?}", answer.len());
            }
        }
    }

    #[test]
    fn a_large_answer_goes_over_tcp_and_one_too_many_is_put_off() {
        let mut authority = authority();
        for number in 0..20 {
            let value = format!("{number:043}");
            authority.show("acme.example.net", "many.acme.example.net", &value);
        }
        let many = question("many.acme.example.net.", RecordType::TXT, false);
        assert_eq!(said(&authority, &many, Over::Udp), "NoError aa tc");
        assert_eq!(said(&authority, &many, Over::Tcp).matches("TXT").count(), 20);
        let asked = many.to_vec().unwrap();
        let put_off = Authority::put_off(&asked).unwrap();
        assert!(put_off.len() <= asked.len(), "{} {}", put_off.len(), asked.len());
        assert!(Message::from_vec(&put_off).unwrap().metadata.truncation);
    }

    #[test]
    fn what_was_shown_twice_is_there_until_it_is_hidden_twice() {
        let mut authority = Authority::new(&host("dns.example.net"), None);
        for _ in 0..2 {
            assert!(authority.show("a.test", "a.test", "one"));
        }
        authority.hide("A.test", "a.test", "one");
        assert!(!authority.is_empty());
        authority.hide("a.test", "a.test", "one");
        assert!(authority.is_empty());
        let question = question("a.test.", RecordType::TXT, false);
        assert_eq!(said(&authority, &question, Over::Udp), "Refused");
    }
}
