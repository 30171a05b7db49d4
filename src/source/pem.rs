//! PEM blocks (RFC 7468) out of a text.

/// The blocks whose label is wanted, as they stand. What the answer holds is not left elsewhere in
/// memory: its room is that of the whole text from the start.
pub(crate) fn blocks(text: &str, wanted: impl Fn(&str) -> bool) -> String {
    let mut found = String::with_capacity(text.len() + 1);
    let mut inside = false;
    for line in text.lines().map(str::trim_end) {
        let label =
            |mark: &str| line.strip_prefix(mark).and_then(|rest| rest.strip_suffix("-----"));
        inside = inside || label("-----BEGIN ").is_some_and(&wanted);
        if inside {
            found.push_str(line);
            found.push('\n');
        }
        inside = inside && label("-----END ").is_none();
    }
    found
}

/// The first private key; parameters before it (`EC PARAMETERS`) are left out.
pub(super) fn first_key(text: &str) -> Option<String> {
    let from = text.match_indices("-----BEGIN ").map(|(at, _)| &text[at..]);
    let is_key = |rest: &&str| {
        rest.lines().next().is_some_and(|line| line.trim_end().ends_with("PRIVATE KEY-----"))
    };
    let rest = from.into_iter().find(is_key)?;
    let end = rest.find("-----END ")?;
    let end = end + rest[end..].find('\n').unwrap_or(rest.len() - end);
    Some(blocks(&rest[..end], |label| label.ends_with("PRIVATE KEY")))
}

#[cfg(test)]
mod tests {
    use super::{blocks, first_key};

    #[test]
    fn only_the_wanted_blocks_are_taken() {
        let block = |label: &str, text: &str| {
            format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
        };
        let (one, two) = (block("EC PRIVATE KEY", "one"), block("PRIVATE KEY", "two"));
        let (a, b) = (block("CERTIFICATE", "a"), block("CERTIFICATE", "b"));
        let text = format!("words\n{}{one}{a}{two}{b}", block("EC PARAMETERS", "p"));
        assert_eq!(blocks(&text, |label| label == "CERTIFICATE"), format!("{a}{b}"));
        assert_eq!(first_key(&text), Some(one.clone()));
        assert_eq!(first_key(&one.replace('\n', "\r\n")), Some(one.clone()));
        assert_eq!(first_key(one.trim_end()), Some(one));
        assert_eq!((first_key(&a), first_key("-----BEGIN PRIVATE KEY-----")), (None, None));
    }
}
