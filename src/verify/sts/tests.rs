//! Records and policies, right ones and wrong ones.

use super::{BadPolicy, Policy, Record};
use crate::model::{Hostname, StsMode};

#[test]
fn a_record_is_read_as_the_rfc_has_it() {
    let wrong = |why: &str| Err(why.to_owned());
    for (text, expected) in [
        ("v=STSv1; id=20160831085700Z;", Ok("20160831085700Z")),
        ("v=STSv1;id=a", Ok("a")),
        ("v=STSv1; \t id=a \t; ", Ok("a")),
        ("v=STSv1; x=1; id=a; id=b", Ok("a")),
        ("v=STSv1; x.y-z_=~!; id=a", Ok("a")),
        ("", wrong("it does not begin with \"v=STSv1;\", found \"\"")),
        ("V=STSv1; id=a", wrong("it does not begin with \"v=STSv1;\", found \"V=STSv1; id=a\"")),
        ("id=a; v=STSv1;", wrong("it does not begin with \"v=STSv1;\", found \"id=a; v=STSv1;\"")),
        ("v=STSv1 id=a", wrong("it does not begin with \"v=STSv1;\", found \"v=STSv1 id=a\"")),
        ("v=STSv1;", wrong("it has no id=")),
        ("v=STSv1; id", wrong("\"id\" is no NAME=VALUE")),
        ("v=STSv1; id=", wrong("\"id=\" is no NAME=VALUE")),
        ("v=STSv1;; id=a", wrong("\"\" is no NAME=VALUE")),
        ("v=STSv1; _x=1; id=a", wrong("\"_x=1\" is no NAME=VALUE")),
        ("v=STSv1; x=\u{7}; id=a", wrong("\"x=\\u{7}\" is no NAME=VALUE")),
        (
            "v=STSv1; id=2016-08-31",
            wrong("its id is \"2016-08-31\"; expected 1 to 32 letters and digits"),
        ),
        (
            "v=STSv1; id=123456789012345678901234567890123",
            wrong(
                "its id is \"123456789012345678901234567890123\"; expected 1 to 32 letters and digits",
            ),
        ),
    ] {
        let found = Record::parse(text).map(|record| record.id).map_err(|bad| bad.to_string());
        assert_eq!(found, expected.map(str::to_owned), "{text:?}");
    }
}

#[test]
fn of_several_texts_the_one_of_the_version_counts() {
    let of = |texts: &[&str]| {
        let found = Record::of(texts.iter().copied());
        found.map(|found| found.map(|record| record.id)).map_err(|bad| bad.to_string())
    };
    assert_eq!(of(&[]), Ok(None));
    assert_eq!(of(&["v=spf1 -all", "any text"]), Ok(None));
    assert_eq!(of(&["v=spf1 -all", "v=STSv1; id=a", "v=stsv1; id=b"]), Ok(Some("a".to_owned())));
    let several = "there are 2 such records, and of several none counts";
    assert_eq!(of(&["v=STSv1; id=a", "v=STSv1; id=a"]), Err(several.to_owned()));
    let order = "it does not begin with \"v=STSv1;\", found \"id=a; v=STSv1\"";
    assert_eq!(of(&["any text", "id=a; v=STSv1"]), Err(order.to_owned()));
}

const GOOD: &str = "version: STSv1\nmode: enforce\nmx: mx1.example.org\nmx: *.example.net\n\
                    max_age: 604800\n";

#[test]
fn a_policy_is_read_whatever_its_line_ends() {
    for text in [
        GOOD.to_owned(),
        GOOD.replace('\n', "\r\n"),
        GOOD.trim_end().to_owned(),
        format!("{GOOD}\r\n\n"),
        GOOD.replace(": ", ":"),
        GOOD.replace(": ", ":\t ").replace('\n', " \t\n"),
        format!("{GOOD}future: s\u{f6} be it\nmode: none\nmax_age: 1\nversion: 9\n"),
        "max_age:604800\nmx:MX1.example.org\nmx:*.example.net\nmode:enforce\nversion:STSv1".into(),
    ] {
        let policy = Policy::parse(text.as_bytes()).unwrap();
        let mx: Vec<String> = policy.mx.iter().map(ToString::to_string).collect();
        assert_eq!(mx, ["mx1.example.org", "*.example.net"], "{text:?}");
        assert_eq!((policy.mode, policy.max_age), (StsMode::Enforce, 604_800), "{text:?}");
    }
}

#[test]
fn a_policy_that_is_wrong_says_where() {
    let without = |line: &str| GOOD.replace(line, "");
    for (text, expected) in [
        (String::new(), "it is empty"),
        ("\r\n \n".to_owned(), "it is empty"),
        (without("version: STSv1\n"), "it has no version: line"),
        (without("mode: enforce\n"), "it has no mode: line"),
        (without("max_age: 604800\n"), "it has no max_age: line"),
        ("version: STSv1\nmode: testing\nmax_age: 1\n".into(), "it has no mx: line"),
        (GOOD.replace("STSv1", "STSv2"), "line 1: version is \"STSv2\"; expected STSv1"),
        (
            GOOD.replace("enforce", "Enforce"),
            "line 2: mode is \"Enforce\"; expected enforce, testing or none",
        ),
        (
            GOOD.replace("604800", "31557601"),
            "line 5: max_age is \"31557601\"; expected seconds, at most 31557600 (a year)",
        ),
        (
            GOOD.replace("604800", "1 week"),
            "line 5: max_age is \"1 week\"; expected seconds, at most 31557600 (a year)",
        ),
        (
            GOOD.replace("604800", "+1"),
            "line 5: max_age is \"+1\"; expected seconds, at most 31557600 (a year)",
        ),
        (
            GOOD.replace("mx1.example.org", "mx1.example.org."),
            "line 3: mx is \"mx1.example.org.\"; expected a host, or *. and a domain",
        ),
        (
            GOOD.replace("mx1.", "mx*."),
            "line 3: mx is \"mx*.example.org\"; expected a host, or *. and a domain",
        ),
        (GOOD.replace("\nmode", "\n\nmode"), "line 2 is \"\"; expected NAME: VALUE"),
        (GOOD.replace("mode:", "mode :"), "line 2 is \"mode : enforce\"; expected NAME: VALUE"),
        (
            GOOD.replace("version", "\u{feff}version"),
            "line 1 is \"\\u{feff}version: STSv1\"; expected NAME: VALUE",
        ),
        (
            GOOD.replace("enforce\n", "enforce\r"),
            "line 2 is \"mode: enforce\\rmx: mx1.example.org\"; expected NAME: VALUE",
        ),
        ("<html>\n".into(), "line 1 is \"<html>\"; expected NAME: VALUE"),
        ("x".repeat(65_537), "it has 65537 bytes; expected at most 65536"),
    ] {
        let bad = Policy::parse(text.as_bytes()).unwrap_err();
        assert_eq!(bad.to_string(), expected, "{text:?}");
    }
    assert_eq!(Policy::parse(b"version: \xff"), Err(BadPolicy::NoText));
    let none = Policy::parse(b"version: STSv1\nmode: none\nmax_age: 86400").unwrap();
    assert_eq!((none.mode, none.mx.len()), (StsMode::None, 0));
}

#[test]
fn a_wildcard_lists_hosts_one_label_below() {
    let policy = Policy::parse(GOOD.as_bytes()).unwrap();
    for (host, listed) in [
        ("mx1.example.org", true),
        ("mx2.example.org", false),
        ("mx.example.net", true),
        ("example.net", false),
        ("a.mx.example.net", false),
    ] {
        assert_eq!(policy.lists(&Hostname::parse(host).unwrap()), listed, "{host}");
    }
}

#[test]
fn damaged_texts_never_panic() {
    let record = "v=STSv1; id=20160831085700Z; x=1;";
    for (text, read) in [
        (GOOD, (|bytes: &[u8]| drop(Policy::parse(bytes))) as fn(&[u8])),
        (record, |bytes| drop(Record::parse(&String::from_utf8_lossy(bytes)))),
        ("v=TLSRPTv1; rua=mailto:a@b,https://c/", |bytes| {
            drop(crate::verify::tlsrpt::Record::parse(&String::from_utf8_lossy(bytes)));
        }),
    ] {
        for at in 0..text.len() {
            read(&text.as_bytes()[..at]);
            for byte in 0..=255 {
                let mut damaged = text.as_bytes().to_vec();
                damaged[at] = byte;
                read(&damaged);
            }
        }
    }
}
