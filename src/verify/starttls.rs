//! The conversation around STARTTLS, without sockets: bytes in, a [`Move`] out.
//!
//! SMTP (RFC 3207), IMAP and POP3 (RFC 2595, 8314), ManageSieve (RFC 5804). It never sends
//! anything but a greeting, the question what is offered, the request for TLS and a goodbye, and
//! it never asks for TLS where TLS is not offered. Inside TLS it asks once more what is offered.

mod heard;
mod injection;
mod offers;
pub mod proxy;
mod reply;

pub use heard::Heard;
pub use injection::injected;

use crate::model::{Code, Service, Stage, TlsMode};
use crate::verify::{Fault, visible, visible_bytes};
use offers::has;
use reply::{Answer, Complete};

/// The name announced in EHLO, so that admins know who asked; RFC 6761 keeps it unregistered.
pub const EHLO_NAME: &str = "mailcert.invalid";

/// The longest reply line, in bytes (RFC 5321 section 4.5.3.1.5 says 512; servers differ).
const LONGEST_LINE: usize = 4096;
/// The most lines in one reply.
const MOST_LINES: usize = 100;
/// The most bytes in all replies together, before TLS and inside it.
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
    mode: TlsMode,
    state: State,
    secured: bool,
    injecting: bool,
    brief: bool,
    buffer: Vec<u8>,
    lines: Vec<String>,
    bytes: usize,
    heard: Heard,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Greeting,
    Offers,
    Helo,
    Asked,
    /// TLS stands; what is offered in it is awaited.
    Inside,
    Bye,
}

impl Dialogue {
    /// A conversation that has not begun, in the mode of the service. Where TLS comes first, call
    /// [`Dialogue::secured`] after the handshake, before anything is heard.
    #[must_use]
    pub fn new(service: Service) -> Self {
        Self {
            service,
            mode: service.tls_mode(),
            state: State::Greeting,
            secured: false,
            injecting: false,
            brief: false,
            buffer: Vec::new(),
            lines: Vec::new(),
            bytes: 0,
            heard: Heard::default(),
        }
    }

    /// The same where TLS begins in another way than the service has it.
    #[must_use]
    pub fn in_mode(self, mode: TlsMode) -> Self {
        Self { mode, ..self }
    }

    /// The same, keeping its lines.
    #[must_use]
    pub fn kept(mut self) -> Self {
        self.heard.keep = true;
        self
    }

    /// The same with a harmless command in one piece with STARTTLS; see [`injected`].
    #[must_use]
    pub fn injecting(self) -> Self {
        Self { injecting: true, ..self }
    }

    /// The same without a question inside TLS but the goodbye, whose reply proves as much of the
    /// session: for looks that ask only whether the server shows the same again.
    #[must_use]
    pub fn brief(self) -> Self {
        Self { brief: true, ..self }
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

    /// Whether the server has not said anything yet, not even half a line.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.bytes == 0 && !self.secured
    }

    /// How to leave politely at any time.
    #[must_use]
    pub fn goodbye(&self) -> &'static str {
        match self.service {
            Service::Imap | Service::Imaps => "d LOGOUT\r\n",
            Service::Sieve => "LOGOUT\r\n",
            _ => "QUIT\r\n",
        }
    }

    /// What was learnt on the way, a line that did not end included.
    #[must_use]
    pub fn into_heard(mut self) -> Heard {
        self.heard.rest(&self.buffer);
        self.heard
    }

    /// The handshake worked. What was heard before it is forgotten (RFC 3207 section 4.2).
    pub fn secured(&mut self) -> Move {
        self.secured = true;
        self.bytes = 0;
        self.buffer.clear();
        self.lines.clear();
        if self.mode == TlsMode::Implicit {
            return Move::Wait;
        }
        self.ask_inside()
    }

    /// Takes what came from the server. Call it with nothing after each [`Move::Send`]: what came
    /// too early is still there.
    pub fn hear(&mut self, bytes: &[u8]) -> Move {
        self.bytes += bytes.len();
        self.buffer.extend_from_slice(bytes);
        if self.bytes > MOST_BYTES {
            return self.violation(format!("replies of more than {MOST_BYTES} bytes"));
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
            self.heard.line('S', &line);
            self.lines.push(line);
            match reply::complete(self.service, self.state, &self.lines) {
                Complete::No => {}
                Complete::Yes(_) if self.greets_again() => self.lines.clear(),
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

    /// Some SMTP servers greet again inside TLS, before they are asked anything.
    fn greets_again(&self) -> bool {
        let again = self.lines.last().is_some_and(|line| line.starts_with("220"));
        self.state == State::Inside && self.service.is_smtp() && again
    }

    /// A whole reply has come: what next.
    fn answered(&mut self, answer: Answer) -> Move {
        match (self.state, answer) {
            (State::Greeting, Answer::Good) => self.greeted(),
            (State::Greeting, Answer::Bad) => self.refused(Code::GreetingRefused),
            (State::Asked, Answer::Good) => self.go_ahead(),
            (State::Asked, Answer::Later) if !self.hangs_up() => {
                self.refused(Code::StarttlsRefused)
            }
            (State::Asked, Answer::Bad) => self.refused(Code::StarttlsRefused),
            (State::Bye, _) => Move::Done,
            (_, Answer::Later) => self.refused(Code::TemporaryRefusal),
            (State::Offers, Answer::Bad) if self.service.is_smtp() => {
                self.say(State::Helo, &format!("HELO {EHLO_NAME}"))
            }
            (State::Offers, Answer::Good) if has(&self.offers(), self.word()) => self.ask_for_tls(),
            (State::Offers | State::Helo, _) => self.refused(Code::NoStarttls),
            (State::Inside, _) => self.inside(),
        }
    }

    fn greeted(&mut self) -> Move {
        match self.service {
            // The greeting of ManageSieve is its list of capabilities.
            Service::Sieve if self.secured => self.inside(),
            _ if self.secured => self.ask_inside(),
            Service::Imap | Service::Imaps => self.say(State::Offers, "a CAPABILITY"),
            Service::Pop3 | Service::Pop3s => self.say(State::Offers, "CAPA"),
            Service::Sieve if has(&self.offers(), self.word()) => self.ask_for_tls(),
            Service::Sieve => {
                self.state = State::Offers;
                self.refused(Code::NoStarttls)
            }
            _ => self.say(State::Offers, &format!("EHLO {EHLO_NAME}")),
        }
    }

    /// Asks what is offered inside TLS. A server that wants a certificate of ours under TLS 1.3
    /// says so only now, instead of the reply.
    fn ask_inside(&mut self) -> Move {
        if self.brief {
            return self.leave();
        }
        match self.service {
            // ManageSieve lists its capabilities again by itself (RFC 5804 section 2.2).
            Service::Sieve => {
                self.state = State::Inside;
                Move::Wait
            }
            Service::Imap | Service::Imaps => self.say(State::Inside, "c CAPABILITY"),
            Service::Pop3 | Service::Pop3s => self.say(State::Inside, "CAPA"),
            _ => self.say(State::Inside, &format!("EHLO {EHLO_NAME}")),
        }
    }

    /// What is offered inside TLS was said, or refused: then nothing is.
    fn inside(&mut self) -> Move {
        let offers = self.offers();
        if matches!(self.service, Service::Submission | Service::Submissions) {
            self.heard.faults.extend(offers::no_auth(&offers, &self.lines));
        }
        self.heard.offers = offers.iter().map(|offer| visible(offer)).collect();
        self.leave()
    }

    fn leave(&mut self) -> Move {
        let words = self.goodbye().trim_end();
        self.say(State::Bye, words)
    }

    /// What the reply just heard offers.
    fn offers(&self) -> Vec<String> {
        offers::offers(self.service, &self.lines)
    }

    fn word(&self) -> &'static str {
        if matches!(self.service, Service::Pop3 | Service::Pop3s) { "STLS" } else { "STARTTLS" }
    }

    fn ask_for_tls(&mut self) -> Move {
        if self.service.is_smtp() {
            self.heard.faults.extend(offers::auth_before_tls(&self.offers()));
        }
        let tag = if matches!(self.service, Service::Imap | Service::Imaps) { "b " } else { "" };
        let next = self.say(State::Asked, &format!("{tag}{}", self.word()));
        match next {
            Move::Send(words) if self.injecting => {
                Move::Send(words + injection::command(self.service))
            }
            next => next,
        }
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

    /// Whether the refusal of TLS is one of everything. SMTP's 454 is not: a broken default
    /// certificate looks like that.
    fn hangs_up(&self) -> bool {
        let last = self.lines.last().map_or("", |line| line);
        last.starts_with(if self.service.is_smtp() { "421" } else { "* BYE" })
            || (self.service == Service::Sieve && last.to_ascii_uppercase().starts_with("BYE"))
    }

    fn say(&mut self, state: State, words: &str) -> Move {
        self.state = state;
        self.heard.line('C', words);
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

#[cfg(test)]
mod tests;
