//! What stands in the page as text: nothing of it is markup, whoever said it.

use std::fmt;

use crate::model::Timestamp;
use crate::report::json::is_plain;

/// A text that stands for itself between tags and in quoted attributes. What would move a cursor or
/// turn the text around is written as its number; what is longer than anybody reads is cut.
pub(super) struct Text<'a>(pub(super) &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, c) in self.0.chars().enumerate() {
            match c {
                _ if at == LONGEST => return out.write_str(" [...]"),
                '&' => out.write_str("&amp;")?,
                '<' => out.write_str("&lt;")?,
                '>' => out.write_str("&gt;")?,
                '"' => out.write_str("&quot;")?,
                '\'' => out.write_str("&#39;")?,
                c if is_plain(c) || c == '\n' => fmt::Write::write_char(out, c)?,
                c => write!(out, "\\u{{{:x}}}", u32::from(c))?,
            }
        }
        Ok(())
    }
}

const LONGEST: usize = 2_000;

/// A moment to the minute, without saying that it is UTC.
pub(super) struct Minute(pub(super) Timestamp);

impl fmt::Display for Minute {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let minute = text.get(..16).unwrap_or(&text);
        out.write_str(&minute.replace('T', " "))
    }
}

/// A day of UTC.
pub(super) struct Day(pub(super) Timestamp);

impl fmt::Display for Day {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        out.write_str(text.get(..10).unwrap_or(&text))
    }
}

/// A number with its thing.
pub(super) fn count(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_markup() {
        for (said, shown) in [
            ("<script>alert('1')</script>", "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;"),
            ("a\" onload=\"b & c", "a&quot; onload=&quot;b &amp; c"),
            ("\x1b[2J\u{202e}\u{2028}\u{0}\r", "\\u{1b}[2J\\u{202e}\\u{2028}\\u{0}\\u{d}"),
            ("müller\nzwei", "müller\nzwei"),
        ] {
            assert_eq!(Text(said).to_string(), shown);
        }
        let long = Text(&"x".repeat(1_000_000)).to_string();
        assert!(long.len() == LONGEST + 6 && long.ends_with("x [...]"), "{}", long.len());
    }

    #[test]
    fn a_moment_is_short() {
        let at = Timestamp::parse("2026-11-27T02:45:32Z").unwrap();
        assert_eq!(Minute(at).to_string(), "2026-11-27 02:45");
        assert_eq!(Day(at).to_string(), "2026-11-27");
    }
}
