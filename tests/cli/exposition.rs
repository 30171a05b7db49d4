//! A strict reader of the Prometheus text format, version 0.0.4, for the tests: it panics with the
//! line where something is not as the format says.

use std::collections::BTreeMap;

/// One metric: its type, and each sample by its labels.
#[derive(Debug, Default)]
pub(crate) struct Metric {
    pub(crate) samples: BTreeMap<BTreeMap<String, String>, f64>,
}

/// Every metric of a text.
pub(crate) fn read(text: &str) -> BTreeMap<String, Metric> {
    assert!(text.ends_with('\n'), "the last line has no end");
    let mut metrics: BTreeMap<String, Metric> = BTreeMap::new();
    let mut now: Option<(String, bool)> = None;
    for line in text.lines() {
        assert!(line.chars().all(|c| !c.is_control()), "{line:?}");
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect(line);
            assert!(is_name(name) && !help.is_empty(), "{line}");
            assert!(!help.replace("\\\\", "").replace("\\n", "").contains('\\'), "{line}");
            assert!(metrics.insert(name.to_owned(), Metric::default()).is_none(), "again: {line}");
            now = Some((name.to_owned(), false));
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect(line);
            assert_eq!(now, Some((name.to_owned(), false)), "TYPE follows its HELP: {line}");
            assert!(matches!(kind, "counter" | "gauge"), "{line}");
            now = Some((name.to_owned(), true));
        } else {
            let (name, labels, value) = sample(line);
            assert_eq!(now, Some((name.clone(), true)), "below another metric: {line}");
            let samples = &mut metrics.get_mut(&name).unwrap().samples;
            assert!(samples.insert(labels, value).is_none(), "twice: {line}");
        }
    }
    metrics
}

/// `NAME{LABEL="VALUE",...} NUMBER`.
fn sample(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let at = line.find(['{', ' ']).expect(line);
    let (name, mut rest) = line.split_at(at);
    assert!(is_name(name), "{line}");
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        let mut left = inside;
        loop {
            let (label, after) = left.split_once("=\"").expect(line);
            assert!(is_name(label) && !label.contains(':'), "{line}");
            let (value, after) = quoted(after);
            assert!(labels.insert(label.to_owned(), value).is_none(), "{line}");
            match after.split_at(1) {
                (",", more) => left = more,
                ("}", more) => {
                    rest = more;
                    break;
                }
                _ => panic!("{line}"),
            }
        }
    }
    let value = rest.strip_prefix(' ').expect(line);
    assert!(value.bytes().all(|byte| b"0123456789.-".contains(&byte)), "{line}");
    (name.to_owned(), labels, value.parse().expect(line))
}

/// What stands before the closing quote, without its escapes, and what follows it.
fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.push(match chars.next() {
                Some((_, 'n')) => '\n',
                Some((_, c @ ('\\' | '"'))) => c,
                other => panic!("{other:?} after a backslash: {text}"),
            }),
            c => value.push(c),
        }
    }
    panic!("no closing quote: {text}")
}

fn is_name(name: &str) -> bool {
    let first = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    first && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}
