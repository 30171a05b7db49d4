//! The page: worst first, nothing of a stranger is markup, and it can be read.

use std::sync::Arc;

use super::Page;
use crate::model::{CertName, Code, Finding, Inspection, KeyType, Timestamp, Verdict, Version};
use crate::report::tests::{NOW, look};
use crate::report::{CertificateRow, RenewBecause};

const DAY: i64 = 86_400;

fn row(name: &str, (renewed, ends): (i64, i64)) -> CertificateRow {
    CertificateRow {
        name: CertName::parse(name).unwrap(),
        names: Vec::new(),
        key_type: KeyType::EcdsaP256,
        not_after: Timestamp::from_unix(NOW + ends * DAY),
        renew_at: Timestamp::from_unix(NOW + renewed * DAY),
        renew_because: RenewBecause::Lifetime,
        explanation: None,
        version: Version(1),
        on_hold: None,
        ca: None,
        shown_by: vec!["postfix".to_owned()],
        verdict: Some(Verdict::Accepted),
    }
}

fn page(rows: &[CertificateRow], looks: Vec<Inspection>, findings: &[Finding]) -> String {
    let endpoints: Vec<Arc<Inspection>> = looks.into_iter().map(Arc::new).collect();
    let page = Page {
        machine: "mail.example.org",
        at: Timestamp::from_unix(NOW),
        certificates: rows,
        endpoints: &endpoints,
        owed: Vec::new(),
        findings,
    };
    let mut text = Vec::new();
    page.write(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

/// What a person reads: no tags, style or script.
fn read(page: &str) -> String {
    let body = &page[page.find("<body>").unwrap()..page.rfind("<script>").unwrap()];
    let mut text = String::new();
    for piece in body.split('<') {
        text += piece.split_once('>').map_or(piece, |(_, text)| text);
        text.push(' ');
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_is_broken_stands_on_top_with_what_was_found() {
    let looks = vec![
        look("mx.example.org", None),
        look("zz.example.org", Some(Code::NameMismatch)),
        look("mx3.example.org", Some(Code::Timeout)),
    ];
    let failed = Finding::new(Code::OrderFailed, "example.net", "the CA says no");
    let text = read(&page(&[row("example.org", (60, 90))], looks, &[failed]));
    let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what}: {text}"));
    assert!(text.starts_with("mailcert on mail.example.org 2 things need a person"), "{text}");
    let order = [
        at("refused zz.example.org"),
        at("found a&quot;b"),
        at("order-failed: example.net"),
        at("the CA says no"),
        at("timeout at 1 endpoint"),
        at("From (UTC)"),
    ];
    assert!(order.is_sorted(), "{order:?}: {text}");
    let rows = &text[at("Each stage")..];
    let rows = ["zz.example.org", "mx3.example.org", "mx.example.org"].map(|host| rows.find(host));
    assert!(rows.is_sorted() && rows[0].is_some(), "{rows:?}: {text}");
}

#[test]
fn an_empty_store_is_said_to_be_empty() {
    let text = read(&page(&[], Vec::new(), &[]));
    for said in [
        "Nothing needs a person; 1 thing to do",
        "no certificate is held yet: `mailcert plan` shows what would be done",
        "No certificate is held yet.",
        "No server was looked at yet.",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
}

#[test]
fn a_certificate_that_ended_or_is_late_needs_a_person_and_one_that_is_due_does_not() {
    let rows =
        [row("ended.test", (-31, -1)), row("late.test", (-3, 20)), row("due.test", (-1, 20))];
    let text = read(&page(&rows, Vec::new(), &[]));
    assert!(text.starts_with("mailcert on mail.example.org 2 things need a person"), "{text}");
    assert!(text.contains("FAIL ended.test It ended at"), "{text}");
    assert!(text.contains("FAIL late.test It should have been renewed from"), "{text}");
    assert!(text.contains("due.test is to be renewed since"), "{text}");
}

#[test]
fn nothing_that_a_stranger_says_is_markup() {
    let evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'";
    let mut seen = look("mx.example.org", Some(Code::NameMismatch));
    let problem = &mut seen.problems[0];
    problem.found = vec![evil.to_owned()];
    problem.expected = Some(evil.to_owned());
    problem.sender_says = Some(evil.to_owned());
    problem.why = Some(evil.to_owned());
    let mut held = row("example.org", (60, 90));
    held.shown_by = vec![evil.to_owned()];
    let found = Finding::new(Code::OrderFailed, evil, evil);
    let page = page(&[held], vec![seen], &[found]);
    assert_eq!(page.matches("<script>").count(), 1, "{page}");
    assert_eq!(page.matches("<img").count(), 0, "{page}");
    assert_eq!(page.matches("onerror=alert(1)&gt;").count(), page.matches("onerror").count());
    assert!(page.matches("&lt;img src=x").count() >= 8, "{page}");
}

#[test]
fn the_page_needs_nothing_else_and_its_policy_allows_nothing_else() {
    let page = page(&[row("example.org", (60, 90))], vec![look("mx.example.org", None)], &[]);
    for elsewhere in [" src=", "url(", "@import", "http:", "https:", "href=\"/"] {
        assert!(!page.contains(elsewhere), "{elsewhere}");
    }
    assert!(!page.contains(" style=") && !page.contains(" onclick"), "{page}");
    let between = |open: &str, close: &str| {
        let from = page.find(open).unwrap() + open.len();
        &page[from..from + page[from..].find(close).unwrap()]
    };
    let policy = between("http-equiv=\"Content-Security-Policy\" content=\"", "\"");
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    for (open, close) in [("<style>", "</style>"), ("<script>", "</script>")] {
        assert!(policy.contains(&super::allowed(between(open, close))), "{policy}");
    }
}

#[test]
fn ten_thousand_refusals_are_named_in_part_and_counted() {
    let looks = (0..10_000).map(|at| look(&format!("mx{at}.example.org"), Some(Code::Expired)));
    let text = read(&page(&[], looks.collect(), &[]));
    assert!(text.contains("10000 things need a person"));
    assert!(text.contains("and 9900 refused endpoints more"), "{}", &text[..20_000]);
    assert!(text.contains("mx9999.example.org"));
}

#[test]
fn renewals_and_ends_stand_in_their_week() {
    let rows = [row("a.test", (3, 33)), row("b.test", (3, 33)), row("c.test", (40, 90))];
    let text = read(&page(&rows, Vec::new(), &[]));
    let weeks = &text[text.find("Renewals Ends").unwrap()..text.find("Moments are UTC").unwrap()];
    // NOW is 2027-01-15T08:00:00Z; what is empty until 12 February is one.
    for week in [
        "now 2 a.test, b.test 0",
        "2027-01-22 0 0 2027-02-12 0 2 a.test, b.test",
        "2027-02-19 1 c.test 0",
        "2027-04-09 0 1 c.test",
    ] {
        assert!(weeks.contains(week), "{week}: {weeks}");
    }
}

/// WCAG 2.2, 1.4.3 (AA): 4.5 to 1 for every colour that text has, on both grounds, light and dark.
#[test]
fn every_colour_can_be_read_on_every_ground() {
    let mut themes = 0;
    for theme in super::STYLE.split(":root").skip(1) {
        let theme = &theme[..theme.find('}').unwrap()];
        let colour = |name: &str| {
            let at = theme.find(&format!("--{name}: #")).unwrap() + name.len() + 5;
            let channel = |nth: usize| {
                let byte = u8::from_str_radix(&theme[at + nth * 2..at + nth * 2 + 2], 16).unwrap();
                let part = f64::from(byte) / 255.0;
                if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * channel(0) + 0.7152 * channel(1) + 0.0722 * channel(2)
        };
        for text in ["text", "soft", "good", "bad", "odd", "link"] {
            for ground in ["bg", "panel"] {
                let (a, b) = (colour(text), colour(ground));
                let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
                assert!(contrast >= 4.5, "{text} on {ground}: {contrast:.2} in {theme}");
            }
        }
        themes += 1;
    }
    assert_eq!(themes, 3, "light, dark, print");
}
