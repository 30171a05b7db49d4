//! What a server answers to a hello made by hand, in any pieces.
//!
//! Input: which version was offered, where the bytes are cut, then all that the server says.
//! Invariants: the answer is the same however the bytes are cut, and it is bounded.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mailcert::verify::hello::{Answer, Reader, Version};

const OFFERED: [Version; 3] = [Version::Tls10, Version::Tls11, Version::Tls12];

fuzz_target!(|input: &[u8]| {
    let [offered, cut, said @ ..] = input else { return };
    let offered = OFFERED[usize::from(*offered) % OFFERED.len()];
    let mut reader = Reader::new(offered);
    let whole = reader.hear(said).or_else(|| reader.end());
    assert_eq!(in_pieces(offered, *cut, said), whole, "cut by {cut}");
    match whole {
        None => assert!(said.is_empty(), "nothing is told of {} bytes", said.len()),
        Some(Answer::Chose(chosen)) => {
            assert!(chosen.version <= offered, "newer than was offered");
            assert_eq!(chosen.chain.len(), chosen.sent.min(64));
            let kept: usize = chosen.chain.iter().map(Vec::len).sum();
            assert!(kept <= said.len(), "{kept} bytes of certificates");
            let _ = (chosen.suite.to_string(), chosen.version.to_string());
        }
        Some(Answer::NotTls(first)) => {
            assert!(!first.is_empty() && first.len() <= 256 && said.starts_with(&first));
        }
        Some(Answer::Refused(_) | Answer::Ssl2 | Answer::Broken(_)) => {}
    }
});

/// The answer when the bytes come in pieces of changing length.
fn in_pieces(offered: Version, cut: u8, said: &[u8]) -> Option<Answer> {
    let mut reader = Reader::new(offered);
    let (mut rest, mut length) = (said, usize::from(cut));
    while !rest.is_empty() {
        // Nothing comes now and then, too: a reader is not to take that for the end.
        length = (length * 7 + 3) % 257;
        let (piece, behind) = rest.split_at(length.min(rest.len()));
        if let Some(answer) = reader.hear(piece) {
            return Some(answer);
        }
        rest = behind;
    }
    reader.end()
}
