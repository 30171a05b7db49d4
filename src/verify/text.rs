//! Texts from strangers, made safe to print: pure.

use std::fmt::Write as _;

/// The longest text that is quoted, in characters.
const LONGEST: usize = 200;

/// The text with control characters and invisible direction marks written as escapes, cut after
/// 200 characters of what is written: what a server says never moves the cursor of a terminal or
/// breaks a line of a log.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut seen = String::with_capacity(text.len().min(LONGEST));
    let mut written = 0;
    for c in text.chars() {
        if written >= LONGEST {
            seen.push_str("...");
            break;
        }
        if c.is_control() || misleads(c) {
            let escape = c.escape_default();
            written += escape.len();
            // Writing to a String cannot fail.
            let _ = write!(seen, "{escape}");
        } else {
            written += 1;
            seen.push(c);
        }
    }
    seen
}

/// The same for bytes of unknown encoding.
#[must_use]
pub fn visible_bytes(bytes: &[u8]) -> String {
    visible(&String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST * 4)]))
}

fn misleads(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::{visible, visible_bytes};

    #[test]
    fn what_moves_a_cursor_is_written_out() {
        for (text, expected) in [
            ("554 no", "554 no"),
            ("a\x1b[2Jb", "a\\u{1b}[2Jb"),
            ("a\r\nb\tc", "a\\r\\nb\\tc"),
            ("x\u{202e}y", "x\\u{202e}y"),
            ("müller", "müller"),
        ] {
            assert_eq!(visible(text), expected);
        }
        assert_eq!(visible_bytes(b"\xff\x00a"), "\u{fffd}\\u{0}a");
        assert_eq!(visible(&"x".repeat(500)).len(), 203);
        assert_eq!(visible(&"\0".repeat(500)), format!("{}...", "\\u{0}".repeat(40)));
    }
}
