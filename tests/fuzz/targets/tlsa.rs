//! DANE: a TLSA record and the chain it is compared with, both as strangers send them.
//!
//! Input: how long the record is, the record, then certificates, each behind its length in two
//! bytes. Invariants: an unusable record matches nothing, a record made of a certificate matches
//! it, and complaints are short and visible.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mailcert::model::{Hostname, Timestamp};
use mailcert::verify::dane::{Outcome, Tlsa};

fuzz_target!(|input: &[u8]| {
    let [length, rest @ ..] = input else { return };
    let (record, rest) = rest.split_at(usize::from(*length).min(rest.len()));
    let Some(record) = Tlsa::parse(record) else { return };
    let chain = certificates(rest);
    let host = Hostname::parse("mx.example.org").expect("it is one");
    let now = Timestamp::from_unix(1_800_000_000);
    let outcome = record.compare(&chain, &[&host], now);
    if let Some(why) = record.unusable() {
        visible(&why.to_string());
        assert_eq!(outcome, Outcome::Differs, "{record:?}");
    }
    if let Outcome::Broken(why) = &outcome {
        visible(why);
    }
    for certificate in &chain {
        let Some(own) = record.of_certificate(certificate) else { continue };
        assert!(own.names(certificate), "{own:?}");
        assert_eq!(own.data == record.data, record.names(certificate));
    }
    let Some(leaf) = chain.first() else { return };
    let pinned = Tlsa { usage: 3, ..record }.of_certificate(leaf);
    if let Some(pinned) = pinned.filter(|pinned| pinned.unusable().is_none()) {
        assert_eq!(pinned.compare(&chain, &[&host], now), Outcome::Matches, "{pinned:?}");
    }
});

fn certificates(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut chain = Vec::new();
    while let [high, low, rest @ ..] = bytes {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (certificate, behind) = rest.split_at(length);
        chain.push(certificate.to_vec());
        bytes = behind;
    }
    chain
}

fn visible(text: &str) {
    assert!(text.chars().count() <= 400, "a long complaint: {text}");
    assert!(!text.chars().any(char::is_control), "not visible: {text:?}");
}
