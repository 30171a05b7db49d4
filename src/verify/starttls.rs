//! The conversation around STARTTLS, without sockets: bytes in, a [`Move`] out.
//!
//! SMTP (RFC 3207), IMAP and POP3 (RFC 2595, 8314), ManageSieve (RFC 5804). It never sends
//! anything but a greeting, the question what is offered, the request for TLS and a goodbye, and
//! it never asks for TLS where TLS is not offered.

use crate::model::{Code, Service, Stage, TlsMode};
use crate::verify::{Fault, visible, visible_bytes};

/// The name announced in EHLO, so that admins know who asked; RFC 6761 keeps it unregistered.
pub const EHLO_NAME: &str = "mailcert.invalid";

/// The longest reply line, in bytes (RFC 5321 section 4.5.3.1.5 says 512; servers differ).
const LONGEST_LINE: usize = 4096;
/// The most lines in one reply.
const MOST_LINES: usize = 100;
/// The most bytes in all replies together.
const MOST_BYTES: usize = 64 * 1024;

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// Send these bytes, then hear on.
    Send(String),
    /// Read on.
    Wait,
    /// The server is ready: begin the TLS handshake.
    Handshake,
    /// All is said; close.
    Done,
    /// It ends here, and why.
    GiveUp(Box<Fault>),
}

/// One conversation with one server.
#[derive(Debug)]
pub struct Dialogue {
    service: Service,
    state: State,
    secured: bool,
    buffer: Vec<u8>,
    lines: Vec<String>,
    heard: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Greeting,
    Offers,
    Helo,
    Asked,
    /// TLS stands; the reply to the first words in it is awaited.
    Inside,
    Bye,
}

impl Dialogue {
    /// A conversation that has not begun. Where TLS comes first, call [`Dialogue::secured`] after
    /// the handshake, before anything is heard.
    #[must_use]
    pub fn new(service: Service) -> Self {
        Self {
            service,
            state: State::Greeting,
            secured: false,
            buffer: Vec::new(),
            lines: Vec::new(),
            heard: 0,
        }
    }

    /// Which stage of a look the conversation is at.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match self.state {
            State::Greeting => Stage::Greeting,
            State::Offers | State::Helo | State::Asked => Stage::Starttls,
            State::Inside | State::Bye => Stage::Handshake,
        }
    }

    /// Whether goodbye has been said, so that nothing that follows matters.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.state == State::Bye
    }

    /// How to leave politely at any time.
    #[must_use]
    pub fn goodbye(&self) -> &'static str {
        match self.service {
            Service::Imap | Service::Imaps => "z LOGOUT\r\n",
            Service::Sieve => "LOGOUT\r\n",
            _ => "QUIT\r\n",
        }
    }

    /// The handshake worked. What was heard before it is forgotten (RFC 3207 section 4.2).
    pub fn secured(&mut self) -> Move {
        self.secured = true;
        self.heard = 0;
        self.buffer.clear();
        self.lines.clear();
        if self.service.tls_mode() == TlsMode::Implicit {
            return Move::Wait;
        }
        self.state = State::Inside;
        match self.service {
            // ManageSieve lists its capabilities again by itself (RFC 5804 section 2.2).
            Service::Sieve => Move::Wait,
            Service::Imap | Service::Imaps => self.say(State::Bye, "c LOGOUT"),
            Service::Pop3 | Service::Pop3s => self.say(State::Bye, "QUIT"),
            _ => self.say(State::Inside, &format!("EHLO {EHLO_NAME}")),
        }
    }

    /// Takes what came from the server. Call it with nothing after each [`Move::Send`]: what came
    /// too early is still there.
    pub fn hear(&mut self, bytes: &[u8]) -> Move {
        self.heard += bytes.len();
        self.buffer.extend_from_slice(bytes);
        if self.heard > MOST_BYTES {
            return self.violation(format!("more than {MOST_BYTES} bytes before TLS"));
        }
        while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
            if end >= LONGEST_LINE {
                return self.violation(format!("a line of {} bytes", end + 1));
            }
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            let line = String::from_utf8_lossy(line.trim_ascii_end()).into_owned();
            if self.lines.len() >= MOST_LINES {
                return self.violation(format!("more than {MOST_LINES} lines in one reply"));
            }
            self.lines.push(line);
            match self.complete() {
                Complete::No => {}
                Complete::Never(what) => return self.violation(what),
                Complete::Yes(answer) => {
                    let next = self.answered(answer);
                    self.lines.clear();
                    return next;
                }
            }
        }
        if self.buffer.len() > LONGEST_LINE {
            return self.violation(format!("a line of more than {LONGEST_LINE} bytes"));
        }
        Move::Wait
    }

    /// Whether the lines so far are a whole reply.
    fn complete(&self) -> Complete {
        let Some(last) = self.lines.last() else { return Complete::No };
        match self.service {
            Service::Imap | Service::Imaps => self.imap(last),
            Service::Pop3 | Service::Pop3s => self.pop(last),
            Service::Sieve => sieve(last),
            _ => smtp(last),
        }
    }

    fn imap(&self, last: &str) -> Complete {
        let upper = last.to_ascii_uppercase();
        if self.state == State::Greeting {
            return match upper.split(' ').take(2).collect::<Vec<_>>()[..] {
                ["*", "OK" | "PREAUTH"] => Complete::Yes(Answer::Good),
                ["*", "BYE"] if is_temporary(&upper) => Complete::Yes(Answer::Later),
                ["*", "BYE"] => Complete::Yes(Answer::Bad),
                _ => Complete::Never(format!("no IMAP greeting: {last}")),
            };
        }
        let tag = match self.state {
            State::Offers => "A ",
            State::Asked => "B ",
            _ => "C ",
        };
        match upper.strip_prefix(tag) {
            Some(rest) if rest.starts_with("OK") => Complete::Yes(Answer::Good),
            Some(_) => Complete::Yes(Answer::Bad),
            None if upper.starts_with("* BYE") && self.state != State::Bye => {
                Complete::Yes(Answer::Later)
            }
            None if upper.starts_with('*') => Complete::No,
            None => Complete::Never(format!("no IMAP reply: {last}")),
        }
    }

    fn pop(&self, last: &str) -> Complete {
        let upper = last.to_ascii_uppercase();
        let first = self.lines.len() == 1;
        match self.state {
            State::Offers if !first && last == "." => Complete::Yes(Answer::Good),
            State::Offers if !first => Complete::No,
            State::Offers if upper.starts_with("+OK") => Complete::No,
            _ if upper.starts_with("+OK") => Complete::Yes(Answer::Good),
            _ if upper.starts_with("-ERR") && is_temporary(&upper) => Complete::Yes(Answer::Later),
            _ if upper.starts_with("-ERR") => Complete::Yes(Answer::Bad),
            _ => Complete::Never(format!("no POP3 reply: {last}")),
        }
    }

    /// A whole reply has come: what next.
    fn answered(&mut self, answer: Answer) -> Move {
        match (self.state, answer) {
            (State::Greeting, Answer::Good) => self.greeted(),
            (State::Greeting, Answer::Later) => self.refused(Code::TemporaryRefusal),
            (State::Greeting, Answer::Bad) => self.refused(Code::GreetingRefused),
            (State::Offers, Answer::Bad) if self.service.is_smtp() && !self.secured => {
                self.say(State::Helo, &format!("HELO {EHLO_NAME}"))
            }
            (State::Offers | State::Helo, Answer::Later) => self.refused(Code::TemporaryRefusal),
            (State::Offers, Answer::Good) if self.offers_tls() => self.ask_for_tls(),
            (State::Offers | State::Helo, _) => self.refused(Code::NoStarttls),
            (State::Asked, Answer::Good) => self.go_ahead(),
            (State::Asked, Answer::Later) if self.says_421() => {
                self.refused(Code::TemporaryRefusal)
            }
            (State::Asked, _) => self.refused(Code::StarttlsRefused),
            (State::Inside, _) => {
                let words = if self.service.is_smtp() { "QUIT" } else { "LOGOUT" };
                self.say(State::Bye, words)
            }
            (State::Bye, _) => Move::Done,
        }
    }

    fn greeted(&mut self) -> Move {
        if self.secured {
            // The greeting inside TLS is the one reply that was waited for.
            let words = match self.service {
                Service::Imap | Service::Imaps => "c LOGOUT",
                Service::Sieve => "LOGOUT",
                _ => "QUIT",
            };
            return self.say(State::Bye, words);
        }
        match self.service {
            Service::Imap | Service::Imaps => self.say(State::Offers, "a CAPABILITY"),
            Service::Pop3 | Service::Pop3s => self.say(State::Offers, "CAPA"),
            Service::Sieve if self.offers_tls() => self.ask_for_tls(),
            Service::Sieve => {
                self.state = State::Offers;
                self.refused(Code::NoStarttls)
            }
            _ => self.say(State::Offers, &format!("EHLO {EHLO_NAME}")),
        }
    }

    /// Whether the reply just heard offers STARTTLS (STLS in POP3), in any case.
    fn offers_tls(&self) -> bool {
        self.offers().iter().any(|offer| {
            let word = offer.split([' ', '=']).next().unwrap_or_default().trim_matches('"');
            word.eq_ignore_ascii_case(self.word())
        })
    }

    /// What the reply offers, one each.
    fn offers(&self) -> Vec<String> {
        let lines = self.lines.iter();
        match self.service {
            Service::Imap | Service::Imaps => lines
                .filter(|line| line.to_ascii_uppercase().starts_with("* CAPABILITY "))
                .flat_map(|line| line.split_ascii_whitespace().skip(2).map(str::to_owned))
                .collect(),
            Service::Pop3 | Service::Pop3s => {
                lines.skip(1).filter(|line| *line != ".").cloned().collect()
            }
            Service::Sieve => lines.filter(|line| line.starts_with('"')).cloned().collect(),
            // The first line of an EHLO reply is the server's name (RFC 5321 section 4.1.1.1).
            _ => lines.skip(1).filter_map(|line| line.get(4..)).map(str::to_owned).collect(),
        }
    }

    fn word(&self) -> &'static str {
        if self.service == Service::Pop3 { "STLS" } else { "STARTTLS" }
    }

    fn ask_for_tls(&mut self) -> Move {
        let tag = if self.service == Service::Imap { "b " } else { "" };
        self.say(State::Asked, &format!("{tag}{}", self.word()))
    }

    /// TLS may begin, unless the server has already said more: that would be read as TLS, and a
    /// careless client would take it for a reply inside TLS.
    fn go_ahead(&mut self) -> Move {
        if self.buffer.is_empty() {
            return Move::Handshake;
        }
        let found = visible_bytes(self.buffer.trim_ascii_end());
        Move::GiveUp(Box::new(Fault {
            expected: Some("a TLS handshake".to_owned()),
            found: vec![found],
            why: Some("the server goes on in plain text after it said that TLS may begin".into()),
            ..Fault::new(Code::NotTls, Stage::Handshake)
        }))
    }

    fn says_421(&self) -> bool {
        !self.service.is_smtp() || self.lines.last().is_some_and(|line| line.starts_with("421"))
    }

    fn say(&mut self, state: State, words: &str) -> Move {
        self.state = state;
        Move::Send(format!("{words}\r\n"))
    }

    fn refused(&self, code: Code) -> Move {
        let found = match code {
            Code::NoStarttls if self.state == State::Offers && !self.offers().is_empty() => {
                self.offers()
            }
            _ => self.lines.clone(),
        };
        let expected = match code {
            Code::NoStarttls => format!("{} among what the server offers", self.word()),
            Code::StarttlsRefused => format!("a go-ahead after {}", self.word()),
            _ if self.service.is_smtp() && self.state == State::Greeting => "220".to_owned(),
            _ => "a positive reply".to_owned(),
        };
        Move::GiveUp(Box::new(Fault {
            expected: Some(expected),
            found: found.iter().map(|line| visible(line)).collect(),
            ..Fault::new(code, self.stage())
        }))
    }

    fn violation(&self, found: String) -> Move {
        Move::GiveUp(Box::new(Fault {
            expected: Some(format!("replies as the {} protocol has them", self.service)),
            found: vec![visible(&found)],
            ..Fault::new(Code::ProtocolViolation, self.stage())
        }))
    }
}

enum Complete {
    No,
    Yes(Answer),
    Never(String),
}

#[derive(Clone, Copy)]
enum Answer {
    Good,
    Later,
    Bad,
}

/// A reply ends with the line that has a space (or nothing) behind its code (RFC 5321 section
/// 4.2.1).
fn smtp(last: &str) -> Complete {
    let bytes = last.as_bytes();
    let is_code = bytes.len() >= 3 && bytes[..3].iter().all(u8::is_ascii_digit);
    match (is_code, bytes.get(3), bytes.first()) {
        (true, Some(b'-'), _) => Complete::No,
        (true, None | Some(b' '), Some(b'2')) => Complete::Yes(Answer::Good),
        (true, None | Some(b' '), Some(b'4')) => Complete::Yes(Answer::Later),
        (true, None | Some(b' '), Some(b'5')) => Complete::Yes(Answer::Bad),
        _ => Complete::Never(format!("no SMTP reply: {last}")),
    }
}

/// Lines in quotes, then OK, NO or BYE (RFC 5804 section 1.2 and 1.3).
fn sieve(last: &str) -> Complete {
    let upper = last.to_ascii_uppercase();
    match upper.split([' ', '(']).next() {
        Some("OK") => Complete::Yes(Answer::Good),
        Some("NO") => Complete::Yes(Answer::Bad),
        Some("BYE") if upper.contains("TRYLATER") => Complete::Yes(Answer::Later),
        Some("BYE") => Complete::Yes(Answer::Bad),
        _ if last.starts_with('"') => Complete::No,
        _ => Complete::Never(format!("no ManageSieve reply: {last}")),
    }
}

/// Response codes that say: come back later (RFC 5530, RFC 3206).
fn is_temporary(upper: &str) -> bool {
    ["[UNAVAILABLE]", "[LIMIT]", "[INUSE]", "[IN-USE]", "[SYS/TEMP]", "[LOGIN-DELAY]"]
        .iter()
        .any(|code| upper.contains(code))
}

#[cfg(test)]
mod tests;
