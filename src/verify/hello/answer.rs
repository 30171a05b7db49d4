//! Reads what a server answers to a hello, however its bytes are cut: records (RFC 5246 section
//! 6.2.1), in them alerts and handshake messages. Bounded, whatever it says.

use rustls::AlertDescription;

use super::Version;
use super::message::{Chosen, Flight, length_of};

pub(super) const ALERT: u8 = 21;
pub(super) const HANDSHAKE: u8 = 22;

/// The longest record: 16 KiB and what old implementations add (RFC 5246 section 6.2.3).
const LONGEST_RECORD: usize = 16 * 1024 + 2048;
/// The most bytes of an answer, and so the longest handshake message.
const MOST_BYTES: usize = 128 * 1024;
/// As many bytes as are kept of what is no TLS.
const KEPT: usize = 256;
/// Type, version and length of a record.
const HEADER: usize = 5;

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It chose a version and a cipher suite.
    Chose(Chosen),
    /// It ended the handshake with this alert.
    Refused(AlertDescription),
    /// Something else than TLS came, and these are its first bytes: the first line of a text.
    NotTls(Vec<u8>),
    /// An answer in the form of SSL 2, which died in 1996.
    Ssl2,
    /// It breaks the protocol or its limits, and how.
    Broken(&'static str),
}

/// Reads one answer.
#[derive(Clone, Debug)]
pub struct Reader {
    offered: Version,
    /// What was heard and is not understood yet.
    buffer: Vec<u8>,
    heard: usize,
    began: bool,
    alert: Vec<u8>,
    message: Vec<u8>,
    flight: Flight,
}

impl Reader {
    /// A reader of the answer to a hello that offered this version at best.
    #[must_use]
    pub fn new(offered: Version) -> Self {
        Self {
            offered,
            buffer: Vec::new(),
            heard: 0,
            began: false,
            alert: Vec::new(),
            message: Vec::new(),
            flight: Flight::default(),
        }
    }

    /// Takes what came from the server; `None` until the answer is whole. The answer is the same
    /// however the bytes are cut.
    pub fn hear(&mut self, bytes: &[u8]) -> Option<Answer> {
        let room = MOST_BYTES - self.heard;
        let taken = &bytes[..bytes.len().min(room)];
        self.heard += taken.len();
        self.buffer.extend_from_slice(taken);
        let mut from = 0;
        let answer = loop {
            match self.next_record(from) {
                Ok(Some(end)) => from = end,
                Ok(None) => break None,
                Err(answer) => break Some(answer),
            }
        };
        self.buffer.drain(..from);
        let too_much = || Answer::Broken("more than 128 KiB without a whole answer");
        answer.or_else(|| (bytes.len() > room).then(too_much))
    }

    /// What can be told when nothing more comes; `None` if nothing came.
    pub fn end(&mut self) -> Option<Answer> {
        if let Some(chosen) = self.flight.chosen() {
            return Some(Answer::Chose(chosen));
        }
        match (self.began, self.buffer.as_slice()) {
            (_, []) if self.heard == 0 => None,
            (false, first) if !is_record(first) => Some(not_tls(first)),
            _ => Some(Answer::Broken("the connection ended in the middle of the answer")),
        }
    }

    /// Reads the record that begins at `from`, if it is whole, and says where it ends; the answer
    /// is what stops the reading.
    fn next_record(&mut self, from: usize) -> Result<Option<usize>, Answer> {
        let rest = &self.buffer[from..];
        if !self.began && !is_record(rest) {
            return if tells_enough(rest) { Err(not_tls(rest)) } else { Ok(None) };
        }
        let Some(&[kind, major, _, high, low]) = rest.first_chunk::<HEADER>() else {
            return Ok(None);
        };
        if major != 3 || !(20..=24).contains(&kind) {
            return Err(Answer::Broken("bytes that are no TLS record"));
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length > LONGEST_RECORD {
            return Err(Answer::Broken("a record of more than 18 KiB"));
        }
        self.began = true;
        if rest.len() < HEADER + length {
            return Ok(None);
        }
        let content = rest[HEADER..HEADER + length].to_vec();
        match kind {
            ALERT => self.alert(&content)?,
            HANDSHAKE => self.handshake(&content)?,
            _ => return Err(Answer::Broken("a record that has no place in a handshake")),
        }
        Ok(Some(from + HEADER + length))
    }

    /// Two bytes each: level and description (RFC 5246 section 7.2). A warning is no end, but
    /// for close_notify; servers of old warn that they do not know the name.
    fn alert(&mut self, content: &[u8]) -> Result<(), Answer> {
        self.alert.extend_from_slice(content);
        let alerts = std::mem::take(&mut self.alert);
        let (whole, rest) = alerts.as_chunks::<2>();
        self.alert = rest.to_vec();
        for [level, description] in whole {
            if *level != 1 || *description == 0 {
                return Err(Answer::Refused(AlertDescription::from(*description)));
            }
        }
        Ok(())
    }

    fn handshake(&mut self, content: &[u8]) -> Result<(), Answer> {
        self.message.extend_from_slice(content);
        let mut from = 0;
        while let Some((&[kind, a, b, c], rest)) = self.message[from..].split_first_chunk::<4>() {
            let length = length_of([a, b, c]);
            if length > MOST_BYTES {
                return Err(Answer::Broken("a handshake message of more than 128 KiB"));
            }
            let Some(body) = rest.get(..length) else { break };
            match self.flight.take(kind, body, self.offered) {
                Ok(None) => from += 4 + length,
                Ok(Some(chosen)) => return Err(Answer::Chose(chosen)),
                Err(how) => return Err(Answer::Broken(how)),
            }
        }
        self.message.drain(..from);
        Ok(())
    }
}

/// Whether bytes can begin a TLS record: a type from 20 to 24, then a version 3.x.
fn is_record(first: &[u8]) -> bool {
    matches!(first, [] | [20..=24] | [20..=24, 3, ..])
}

/// Whether these bytes, which are no TLS, are all that is wanted of them.
fn tells_enough(first: &[u8]) -> bool {
    // SSL 2 is known by its third byte.
    let can_be_ssl2 = matches!(first, [0x80..=0xff] | [0x80..=0xff, _]);
    !can_be_ssl2 && (first.len() >= KEPT || first.contains(&b'\n') || is_ssl2(first))
}

/// A header of two bytes with the highest bit set, then an error or a SERVER-HELLO.
fn is_ssl2(first: &[u8]) -> bool {
    matches!(first, [0x80..=0xff, _, 0 | 4, ..])
}

fn not_tls(first: &[u8]) -> Answer {
    if is_ssl2(first) {
        return Answer::Ssl2;
    }
    let line = first.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
    Answer::NotTls(line[..line.len().min(KEPT)].to_vec())
}
