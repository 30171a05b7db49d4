//! MTA-STS: a policy as any web server may send it, and the record that announces it.
//!
//! Input: which of the two, then its bytes. Invariants: what is read is within the bounds of RFC
//! 8461, means the same when it is written down and read again, and errors are short and visible.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mailcert::model::{Hostname, StsMode};
use mailcert::verify::sts::{Policy, Record};

fuzz_target!(|input: &[u8]| {
    let [which, bytes @ ..] = input else { return };
    let error = if which % 2 == 0 { policy(bytes) } else { record(bytes) };
    if let Some(error) = error {
        assert!(error.chars().count() <= 400, "a long complaint: {error}");
        assert!(!error.chars().any(char::is_control), "not visible: {error:?}");
    }
});

fn policy(bytes: &[u8]) -> Option<String> {
    let policy = match Policy::parse(bytes) {
        Ok(policy) => policy,
        Err(error) => return Some(error.to_string()),
    };
    assert!(bytes.len() <= 64 * 1024, "{} bytes were read", bytes.len());
    assert!(policy.max_age <= 31_557_600, "{} seconds", policy.max_age);
    assert!(policy.mode == StsMode::None || !policy.mx.is_empty(), "it lists nobody");
    let host = Hostname::parse("mx.example.org").expect("it is one");
    let listed = policy.mx.iter().any(|pattern| pattern.matches(&host));
    assert_eq!(policy.lists(&host), listed);
    let mut written = format!("version: STSv1\r\nmode: {}\r\n", policy.mode.as_str());
    for pattern in &policy.mx {
        written += &format!("mx: {pattern}\r\n");
    }
    written += &format!("max_age: {}\r\n", policy.max_age);
    // Signs for line ends and the like may make it longer than the limit.
    if written.len() <= 64 * 1024 {
        assert_eq!(Policy::parse(written.as_bytes()).as_ref(), Ok(&policy), "{written}");
    }
    None
}

fn record(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    match Record::of(text.split('\n')) {
        Ok(Some(record)) => {
            assert!((1..=32).contains(&record.id.len()), "{:?}", record.id);
            let written = format!("v=STSv1; id={};", record.id);
            assert_eq!(Record::parse(&written).as_ref(), Ok(&record));
            None
        }
        Ok(None) => None,
        Err(error) => Some(error.to_string()),
    }
}
