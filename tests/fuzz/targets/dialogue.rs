//! The conversation around STARTTLS with any server, in any pieces.
//!
//! Input: which service, how long the pieces are, then all that the server says. Invariants: it
//! ends, says only what is in its vocabulary, asks for TLS only where TLS was offered, and what it
//! quotes is short and visible.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mailcert::model::{Service, TlsMode};
use mailcert::verify::starttls::{Dialogue, Move};

/// The words that may be sent, without the tag of IMAP.
const VERBS: &[&str] =
    &["EHLO", "HELO", "STARTTLS", "STLS", "CAPABILITY", "CAPA", "QUIT", "LOGOUT"];
/// More lines than this are no conversation that ends.
const MOST_SENT: usize = 10;

fuzz_target!(|input: &[u8]| {
    let [service, piece, heard @ ..] = input else { return };
    let service = Service::ALL[usize::from(*service) % Service::ALL.len()];
    let mut pieces = heard.chunks(1 + usize::from(*piece));
    let mut dialogue = Dialogue::new(service);
    let mut next = Move::Wait;
    let mut secured = service.tls_mode() == TlsMode::Implicit;
    if secured {
        next = dialogue.secured();
    }
    let mut sent = 0;
    loop {
        next = match next {
            Move::Send(words) => {
                sent += 1;
                assert!(sent <= MOST_SENT, "it never ends: {words:?}");
                check_words(&words, heard);
                dialogue.hear(&[])
            }
            Move::Wait => match pieces.next() {
                Some(piece) => dialogue.hear(piece),
                None => break,
            },
            Move::Handshake => {
                assert!(!secured, "TLS within TLS");
                secured = true;
                dialogue.secured()
            }
            Move::Done => break,
            Move::GiveUp(fault) => {
                assert!(fault.found.len() <= 1000, "{} lines quoted", fault.found.len());
                let texts = fault.found.iter().chain(&fault.expected).chain(&fault.why);
                for text in texts {
                    assert!(text.chars().count() <= 210, "a long quotation: {text}");
                    assert!(!text.chars().any(char::is_control), "not visible: {text:?}");
                }
                break;
            }
        };
    }
    check_words(dialogue.goodbye(), b"");
    let _ = (dialogue.stage(), dialogue.is_leaving());
});

/// One line of the vocabulary; TLS is asked for only if the server has spoken of it.
fn check_words(words: &str, heard: &[u8]) {
    let line = words.strip_suffix("\r\n").expect("a line ends");
    assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line:?}");
    let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
    let verb = if first.len() == 1 { rest } else { first };
    assert!(VERBS.contains(&verb), "{line:?}");
    if matches!(verb, "STARTTLS" | "STLS") {
        let heard = heard.to_ascii_uppercase();
        assert!(heard.windows(verb.len()).any(|word| word == verb.as_bytes()), "not offered");
    }
}
