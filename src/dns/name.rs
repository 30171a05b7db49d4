//! Names between their two forms: the labels on the wire, which may hold any byte, and the
//! presentation format of RFC 1035 section 5.1, without the trailing dot.

use hickory_proto::rr::Name;

/// The presentation format. Dots and backslashes within a label, quotes and other signs of the
/// master file format get a backslash, bytes that do not print are written `\DDD`; the root is `.`.
pub(super) fn present(name: &Name) -> String {
    if name.is_root() {
        return ".".to_owned();
    }
    let mut text = String::new();
    for label in name.iter() {
        if !text.is_empty() {
            text.push('.');
        }
        for &byte in label {
            match byte {
                b'.' | b'\\' | b'"' | b'(' | b')' | b';' | b'@' | b'$' => {
                    text.push('\\');
                    text.push(char::from(byte));
                }
                0x21..=0x7e => text.push(char::from(byte)),
                _ => text.push_str(&format!("\\{byte:03}")),
            }
        }
    }
    text
}

/// The name of a text in presentation format, taken as fully qualified: no search list is ever
/// applied. `None` if it is no name (RFC 1035 section 2.3.4: labels of 1 to 63 bytes, 255 in all).
pub(super) fn parse(text: &str) -> Option<Name> {
    if text == "." {
        return Some(Name::root());
    }
    let mut labels: Vec<Vec<u8>> = vec![Vec::new()];
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'.' => labels.push(Vec::new()),
            b'\\' => labels.last_mut()?.push(escaped(&mut bytes)?),
            _ => labels.last_mut()?.push(byte),
        }
    }
    if labels.len() > 1 && labels.last().is_some_and(Vec::is_empty) {
        labels.pop();
    }
    if labels.iter().any(|label| !(1..=63).contains(&label.len())) {
        return None;
    }
    // One length byte before each label and one zero at the end.
    if labels.iter().map(|label| label.len() + 1).sum::<usize>() + 1 > 255 {
        return None;
    }
    let mut name = Name::from_labels(labels.iter().map(Vec::as_slice)).ok()?;
    name.set_fqdn(true);
    Some(name)
}

/// What follows a backslash: three decimal digits, or one byte that stands for itself.
fn escaped(bytes: &mut std::str::Bytes<'_>) -> Option<u8> {
    let first = bytes.next()?;
    if !first.is_ascii_digit() {
        return Some(first);
    }
    [first, bytes.next()?, bytes.next()?]
        .into_iter()
        .try_fold(0u16, |sum, digit| {
            digit.is_ascii_digit().then(|| sum * 10 + u16::from(digit - b'0'))
        })
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::{parse, present};
    use hickory_proto::rr::Name;

    #[test]
    fn every_byte_survives_the_way_there_and_back() {
        for byte in 0..=255u8 {
            let name = Name::from_labels([&[b'a', byte][..], &b"example"[..]]).unwrap();
            let text = present(&name);
            assert!(text.bytes().all(|b| (0x21..=0x7e).contains(&b)), "{text:?}");
            assert_eq!(parse(&text).unwrap(), name, "{text}");
        }
    }

    #[test]
    fn names_are_told_from_what_is_none() {
        let long_label = format!("{}.example", "a".repeat(64));
        let long_name = format!("{}example", "a.".repeat(125));
        for (text, shown) in [
            ("example.org", Some("example.org")),
            ("example.org.", Some("example.org")),
            ("_25._tcp.mx1.Example.org", Some("_25._tcp.mx1.Example.org")),
            ("*.example.org", Some("*.example.org")),
            (".", Some(".")),
            ("a\\.b.example", Some("a\\.b.example")),
            ("a\\032b.example", Some("a\\032b.example")),
            ("a b.example", Some("a\\032b.example")),
            ("b\u{fc}cher.example", Some("b\\195\\188cher.example")),
            ("", None),
            ("a..b", None),
            (".a", None),
            ("a\\", None),
            ("a\\25", None),
            ("a\\256b", None),
            ("a\\2x5", None),
            (&long_label, None),
            (&long_name, None),
        ] {
            assert_eq!(parse(text).map(|name| present(&name)).as_deref(), shown, "{text:?}");
        }
    }
}
