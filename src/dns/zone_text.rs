//! The words of a zone text and what they stand for.

use crate::dns::{Failure, Kind, Record};

/// The words of a line: between blanks, or between quotes. A backslash and what follows stay as
/// they are, for they belong to names.
pub(super) fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let (mut quoted, mut begun) = (false, false);
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                word.push(c);
                word.extend(chars.next());
                begun = true;
            }
            '"' => {
                quoted = !quoted;
                begun = true;
            }
            ';' | '#' if !quoted => break,
            c if c.is_whitespace() && !quoted => {
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            c => {
                word.push(c);
                begun = true;
            }
        }
    }
    if begun {
        words.push(word);
    }
    words
}

/// A name without its trailing dot; the root stays a dot.
pub(super) fn plain(name: &str) -> String {
    match name.strip_suffix('.') {
        Some("") | None => name.to_owned(),
        Some(rest) => rest.to_owned(),
    }
}

/// The kind of a word.
pub(super) fn kind(word: &str) -> Option<Kind> {
    [
        Kind::A,
        Kind::Aaaa,
        Kind::Mx,
        Kind::Srv,
        Kind::Caa,
        Kind::Tlsa,
        Kind::Txt,
        Kind::Soa,
        Kind::Ns,
        Kind::Cname,
    ]
    .into_iter()
    .find(|kind| kind.to_string() == word)
}

/// The failure of a word.
pub(super) fn failure(word: &str) -> Option<Failure> {
    Some(match word {
        "SERVFAIL" => Failure::ServFail,
        "REFUSED" => Failure::Refused,
        "TIMEOUT" => Failure::Timeout,
        "BOGUS" => Failure::Bogus,
        _ => return None,
    })
}

/// The record that words stand for, as in RFC 1035 section 5.1.
pub(super) fn record(kind: Kind, data: &[&str]) -> Option<Record> {
    Some(match (kind, data) {
        (Kind::A, [address]) => Record::A(address.parse().ok()?),
        (Kind::Aaaa, [address]) => Record::Aaaa(address.parse().ok()?),
        (Kind::Mx, [preference, exchange]) => {
            Record::Mx { preference: preference.parse().ok()?, exchange: plain(exchange) }
        }
        (Kind::Srv, [priority, weight, port, target]) => Record::Srv {
            priority: priority.parse().ok()?,
            weight: weight.parse().ok()?,
            port: port.parse().ok()?,
            target: plain(target),
        },
        (Kind::Caa, [flags, tag, value]) => Record::Caa {
            critical: flags.parse::<u8>().ok()? & 0x80 != 0,
            tag: (*tag).to_owned(),
            value: (*value).to_owned(),
        },
        (Kind::Tlsa, [usage, selector, matching, hex]) => Record::Tlsa {
            usage: usage.parse().ok()?,
            selector: selector.parse().ok()?,
            matching: matching.parse().ok()?,
            data: unhex(hex)?,
        },
        (Kind::Soa, [mname, ..]) => Record::Soa(plain(mname)),
        (Kind::Ns, [server]) => Record::Ns(plain(server)),
        (Kind::Txt, [_, ..]) => Record::Txt(data.concat()),
        _ => return None,
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}
