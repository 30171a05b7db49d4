//! Conversations as text: what each server says, what we say, how it ends.

use super::{Dialogue, Heard, Move};
use crate::model::{Code, Service, Stage, TlsMode};

mod inside;

/// Lets the server say its `lines`, one after each of our moves, `piece` bytes at a time; what
/// was said, how it ended and what was learnt.
fn converse(mut dialogue: Dialogue, lines: &[&str], piece: usize) -> (Vec<String>, Move, Heard) {
    let mut said = Vec::new();
    let mut next = Move::Wait;
    if dialogue.mode == TlsMode::Implicit {
        next = dialogue.secured();
    }
    for (index, line) in lines.iter().enumerate() {
        for bytes in line.as_bytes().chunks(piece) {
            assert_eq!(next, Move::Wait, "it should wait for {line:?}; said {said:?}");
            next = dialogue.hear(bytes);
        }
        while let Move::Send(words) = &next {
            said.push(words.clone());
            next = dialogue.hear(b"");
        }
        if next == Move::Handshake && index + 1 < lines.len() {
            next = dialogue.secured();
            if let Move::Send(words) = &next {
                said.push(words.clone());
                next = Move::Wait;
            }
        }
    }
    (said, next, dialogue.into_heard())
}

fn talk(service: Service, lines: &[&str], piece: usize) -> (Vec<String>, Move) {
    let (said, next, _) = converse(Dialogue::new(service), lines, piece);
    (said, next)
}

const EHLO: &str = "EHLO mailcert.invalid\r\n";
const GREETING: &str = "220 mx.example.org ESMTP\r\n";
const OFFERS: &str = "250-mx.example.org\r\n250-SIZE 1000\r\n250-StartTls\r\n250 HELP\r\n";

#[test]
fn a_good_conversation_reaches_tls_in_every_protocol_and_in_pieces() {
    let imap =
        ["* OK ready\r\n", "* CAPABILITY IMAP4rev1 STARTTLS\r\na OK done\r\n", "b OK go\r\n"];
    let pop = ["+OK ready\r\n", "+OK list\r\nTOP\r\nSTLS\r\n.\r\n", "+OK go\r\n"];
    let sieve = ["\"IMPLEMENTATION\" \"x\"\r\n\"STARTTLS\"\r\nOK \"ready\"\r\n", "OK \"go\"\r\n"];
    let smtp = ["220-mx\r\n220 hello\r\n", OFFERS, "220 2.0.0 go ahead\r\n"];
    for (service, lines, expected) in [
        (Service::Smtp, &smtp[..], &[EHLO, "STARTTLS\r\n"][..]),
        (Service::Submission, &smtp, &[EHLO, "STARTTLS\r\n"]),
        (Service::Imap, &imap, &["a CAPABILITY\r\n", "b STARTTLS\r\n"]),
        (Service::Pop3, &pop, &["CAPA\r\n", "STLS\r\n"]),
        (Service::Sieve, &sieve, &["STARTTLS\r\n"]),
    ] {
        for piece in [1, 2, 7, 1000] {
            let (said, end) = talk(service, lines, piece);
            assert_eq!((said.as_slice(), end), (&expected.map_owned()[..], Move::Handshake));
        }
    }
}

#[test]
fn inside_tls_it_is_asked_what_is_offered_and_goodbye_is_said() {
    let imap = ["* OK\r\n", "* CAPABILITY STARTTLS\r\na OK\r\n", "b OK\r\n"];
    let caps = "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nc OK\r\n";
    let sieve = ["\"STARTTLS\"\r\nOK\r\n", "OK\r\n", "\"SASL\" \"PLAIN\"\r\nOK\r\n", "OK\r\n"];
    let pop = "+OK\r\nTOP\r\nSASL PLAIN\r\n.\r\n";
    let inside = "250-mx\r\n250-SIZE 9\r\n250 8BITMIME\r\n";
    for (service, lines, expected, last) in [
        (
            Service::Smtp,
            &[GREETING, OFFERS, "220 go\r\n", inside, "221 bye\r\n"][..],
            "SIZE 9|8BITMIME",
            "QUIT",
        ),
        (
            Service::Imap,
            &[imap[0], imap[1], imap[2], caps, "* BYE\r\nd OK\r\n"],
            "IMAP4rev1|AUTH=PLAIN",
            "d LOGOUT",
        ),
        (
            Service::Pop3,
            &["+OK\r\n", "+OK\r\nSTLS\r\n.\r\n", "+OK\r\n", pop, "+OK\r\n"],
            "TOP|SASL PLAIN",
            "QUIT",
        ),
        (Service::Sieve, &sieve, "\"SASL\" \"PLAIN\"", "LOGOUT"),
        (Service::Submissions, &[GREETING, inside, "221 bye\r\n"], "SIZE 9|8BITMIME", "QUIT"),
        (Service::Imaps, &["* OK\r\n", caps, "d OK\r\n"], "IMAP4rev1|AUTH=PLAIN", "d LOGOUT"),
        (Service::Pop3s, &["+OK\r\n", pop, "+OK\r\n"], "TOP|SASL PLAIN", "QUIT"),
        // What the server does not know, it does not offer; that is no fault of its TLS.
        (Service::Pop3s, &["+OK\r\n", "-ERR what\r\n", "+OK\r\n"], "", "QUIT"),
        (Service::Smtp, &[GREETING, OFFERS, "220 go\r\n", "502 no\r\n", "221\r\n"], "", "QUIT"),
    ] {
        for piece in [1, 3, 1000] {
            let (said, end, heard) = converse(Dialogue::new(service), lines, piece);
            assert_eq!(end, Move::Done, "{service}");
            assert_eq!(heard.offers.join("|"), expected, "{service}");
            assert_eq!(said.last().map(String::as_str), Some(&*format!("{last}\r\n")));
        }
    }
}

#[test]
fn a_service_may_be_asked_in_the_other_mode() {
    let at_once = Dialogue::new(Service::Smtp).in_mode(TlsMode::Implicit);
    let (said, end, _) = converse(at_once, &[GREETING, OFFERS, "221 bye\r\n"], 1000);
    assert_eq!((said, end), (vec![EHLO.to_owned(), "QUIT\r\n".to_owned()], Move::Done));
    let starttls = Dialogue::new(Service::Imaps).in_mode(TlsMode::Starttls);
    let lines = ["* OK\r\n", "* CAPABILITY STARTTLS\r\na OK\r\n", "b OK\r\n"];
    let (said, end, _) = converse(starttls, &lines, 1000);
    assert_eq!((said[1].as_str(), end), ("b STARTTLS\r\n", Move::Handshake));
}

#[test]
fn a_refusal_is_told_for_what_it_is_and_quoted() {
    use Stage::{Greeting, Handshake, Starttls};
    let long = format!("220 {}\r\n", "x".repeat(5000));
    let endless = "x".repeat(5000);
    let many = "220-more\r\n".repeat(101);
    let cases: &[(Service, &[&str], Code, Stage, &str)] = &[
        (Service::Smtp, &["554 5.7.1 no\r\n"], Code::GreetingRefused, Greeting, "554 5.7.1 no"),
        (
            Service::Smtp,
            &["421 4.3.2 full\r\n"],
            Code::TemporaryRefusal,
            Greeting,
            "421 4.3.2 full",
        ),
        (
            Service::Smtp,
            &["* OK imap\r\n"],
            Code::ProtocolViolation,
            Greeting,
            "no SMTP reply: * OK imap",
        ),
        (Service::Smtp, &[&long], Code::ProtocolViolation, Greeting, "a line of 5006 bytes"),
        (
            Service::Smtp,
            &[&endless],
            Code::ProtocolViolation,
            Greeting,
            "a line of more than 4096 bytes",
        ),
        (
            Service::Smtp,
            &[&many],
            Code::ProtocolViolation,
            Greeting,
            "more than 100 lines in one reply",
        ),
        (Service::Smtp, &[GREETING, "421 bye\r\n"], Code::TemporaryRefusal, Starttls, "421 bye"),
        (Service::Smtp, &[GREETING, "250-mx\r\n250 SIZE\r\n"], Code::NoStarttls, Starttls, "SIZE"),
        (
            Service::Smtp,
            &[GREETING, "250 STARTTLS\r\n"],
            Code::NoStarttls,
            Starttls,
            "250 STARTTLS",
        ),
        (
            Service::Smtp,
            &[GREETING, "502 what\r\n", "250 mx\r\n"],
            Code::NoStarttls,
            Starttls,
            "250 mx",
        ),
        (
            Service::Smtp,
            &[GREETING, OFFERS, "454 4.7.0 not \x1b[2Jnow\r\n"],
            Code::StarttlsRefused,
            Starttls,
            "454 4.7.0 not \\u{1b}[2Jnow",
        ),
        (
            Service::Smtp,
            &[GREETING, OFFERS, "421 4.7.0 later\r\n"],
            Code::TemporaryRefusal,
            Starttls,
            "421 4.7.0 later",
        ),
        (
            Service::Smtp,
            &[GREETING, OFFERS, "502 no\r\n"],
            Code::StarttlsRefused,
            Starttls,
            "502 no",
        ),
        (
            Service::Smtp,
            &[GREETING, OFFERS, "220 go\r\n500 5.5.2 what\r\n"],
            Code::NotTls,
            Handshake,
            "500 5.5.2 what",
        ),
        (Service::Imap, &["* BYE no\r\n"], Code::GreetingRefused, Greeting, "* BYE no"),
        (
            Service::Imap,
            &["* BYE [UNAVAILABLE] later\r\n"],
            Code::TemporaryRefusal,
            Greeting,
            "* BYE [UNAVAILABLE] later",
        ),
        (
            Service::Imap,
            &["* OK\r\n", "* CAPABILITY IMAP4rev1\r\na OK\r\n"],
            Code::NoStarttls,
            Starttls,
            "IMAP4rev1",
        ),
        (
            Service::Imap,
            &["* OK\r\n", "* CAPABILITY STARTTLS\r\na OK\r\n", "b BAD no\r\n"],
            Code::StarttlsRefused,
            Starttls,
            "b BAD no",
        ),
        (Service::Pop3, &["-ERR no\r\n"], Code::GreetingRefused, Greeting, "-ERR no"),
        (Service::Pop3, &["+OK\r\n", "-ERR what\r\n"], Code::NoStarttls, Starttls, "-ERR what"),
        (Service::Pop3, &["+OK\r\n", "+OK\r\nTOP\r\n.\r\n"], Code::NoStarttls, Starttls, "TOP"),
        (
            Service::Sieve,
            &["\"SASL\" \"PLAIN\"\r\nOK\r\n"],
            Code::NoStarttls,
            Starttls,
            "\"SASL\" \"PLAIN\"",
        ),
        (Service::Sieve, &["BYE \"no\"\r\n"], Code::GreetingRefused, Greeting, "BYE \"no\""),
        (Service::Submissions, &["554 no\r\n"], Code::GreetingRefused, Greeting, "554 no"),
        (Service::Submissions, &["421 no\r\n"], Code::TemporaryRefusal, Greeting, "421 no"),
        (
            Service::Smtp,
            &[GREETING, "502 what\r\n", "451 later\r\n"],
            Code::TemporaryRefusal,
            Starttls,
            "451 later",
        ),
        (
            Service::Smtp,
            &[GREETING, OFFERS, "220 go\r\n", "421 4.3.2 shutting down\r\n"],
            Code::TemporaryRefusal,
            Handshake,
            "421 4.3.2 shutting down",
        ),
        (
            Service::Imap,
            &["* OK\r\n", "* CAPABILITY STARTTLS\r\na OK\r\n", "* BYE later\r\n"],
            Code::TemporaryRefusal,
            Starttls,
            "* BYE later",
        ),
        (
            Service::Imap,
            &["* OK\r\n", "* CAPABILITY STARTTLS\r\na OK\r\n", "b NO [UNAVAILABLE] x\r\n"],
            Code::StarttlsRefused,
            Starttls,
            "b NO [UNAVAILABLE] x",
        ),
        (
            Service::Pop3,
            &["+OK\r\n", "+OK\r\nSTLS\r\n.\r\n", "-ERR [SYS/TEMP] x\r\n"],
            Code::StarttlsRefused,
            Starttls,
            "-ERR [SYS/TEMP] x",
        ),
        (
            Service::Sieve,
            &["\"STARTTLS\"\r\nOK\r\n", "BYE (TRYLATER) \"x\"\r\n"],
            Code::TemporaryRefusal,
            Starttls,
            "BYE (TRYLATER) \"x\"",
        ),
    ];
    for (service, lines, code, stage, quoted) in cases {
        let (_, end) = talk(*service, lines, 10_000);
        let Move::GiveUp(fault) = end else { panic!("{service} {lines:?}: {end:?}") };
        assert_eq!((fault.code, fault.stage), (*code, *stage), "{service} {lines:?}");
        assert_eq!(fault.found[0], *quoted);
        assert!(fault.expected.is_some());
    }
}

#[test]
fn a_flood_of_short_lines_ends() {
    let mut dialogue = Dialogue::new(Service::Smtp);
    let mut end = Move::Wait;
    for _ in 0..100_000 {
        end = dialogue.hear(b"220-x\r\n");
        if end != Move::Wait {
            break;
        }
    }
    assert!(matches!(end, Move::GiveUp(fault) if fault.code == Code::ProtocolViolation));
}

trait Owned {
    fn map_owned(&self) -> Vec<String>;
}

impl Owned for &[&str] {
    fn map_owned(&self) -> Vec<String> {
        self.iter().map(|text| (*text).to_owned()).collect()
    }
}
