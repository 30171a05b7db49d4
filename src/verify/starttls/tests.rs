//! Conversations as text: what each server says, what we say, how it ends.

use super::{Dialogue, Move};
use crate::model::{Code, Service, Stage, TlsMode};

/// Lets the server say its `lines`, one after each of our moves, `piece` bytes at a time; what
/// was said and how it ended.
fn talk(service: Service, lines: &[&str], piece: usize) -> (Vec<String>, Move) {
    let mut dialogue = Dialogue::new(service);
    let mut said = Vec::new();
    let mut next = Move::Wait;
    if service.tls_mode() == TlsMode::Implicit {
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
fn after_tls_one_reply_is_read_and_goodbye_is_said() {
    let imap = ["* OK\r\n", "* CAPABILITY STARTTLS\r\na OK\r\n", "b OK\r\n", "* BYE\r\nc OK\r\n"];
    let sieve = ["\"STARTTLS\"\r\nOK\r\n", "OK\r\n", "\"SASL\" \"\"\r\nOK\r\n", "OK\r\n"];
    for (service, lines, last) in [
        (Service::Smtp, &[GREETING, OFFERS, "220 go\r\n", "250 mx\r\n", "221 bye\r\n"][..], "QUIT"),
        (Service::Imap, &imap, "c LOGOUT"),
        (Service::Pop3, &["+OK\r\n", "+OK\r\nSTLS\r\n.\r\n", "+OK\r\n", "+OK\r\n"], "QUIT"),
        (Service::Sieve, &sieve, "LOGOUT"),
        (Service::Submissions, &[GREETING, "221 bye\r\n"], "QUIT"),
        (Service::Imaps, &["* OK\r\n", "* BYE\r\nc OK\r\n"], "c LOGOUT"),
        (Service::Pop3s, &["+OK\r\n", "+OK\r\n"], "QUIT"),
    ] {
        let (said, end) = talk(service, lines, 1000);
        assert_eq!(end, Move::Done, "{service}");
        assert_eq!(said.last().map(String::as_str), Some(&*format!("{last}\r\n")), "{service}");
    }
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
