//! What a server says it can do, and what follows from it for logins.

use crate::model::{Code, Service, Stage};
use crate::verify::{Fault, visible};

/// What a reply offers, one each, as the server wrote it.
pub(super) fn offers(service: Service, lines: &[String]) -> Vec<String> {
    let lines = lines.iter();
    match service {
        Service::Imap | Service::Imaps => lines
            .filter(|line| line.to_ascii_uppercase().starts_with("* CAPABILITY "))
            .flat_map(|line| line.split_ascii_whitespace().skip(2).map(str::to_owned))
            .collect(),
        Service::Pop3 | Service::Pop3s => {
            lines.skip(1).filter(|line| *line != ".").cloned().collect()
        }
        Service::Sieve => lines.filter(|line| line.starts_with('"')).cloned().collect(),
        // The first line of an EHLO reply is the server's name (RFC 5321 section 4.1.1.1).
        _ => lines.skip(1).filter_map(|line| line.get(4..)).map(str::to_owned).collect(),
    }
}

/// Whether this keyword is offered, in any case.
pub(super) fn has(offers: &[String], word: &str) -> bool {
    offers.iter().any(|offer| keyword(offer).eq_ignore_ascii_case(word))
}

/// A login offered before TLS, where a careless client sends its password in the clear.
pub(super) fn auth_before_tls(offers: &[String]) -> Option<Fault> {
    let found: Vec<String> = auth_lines(offers).map(|line| visible(line)).collect();
    (!found.is_empty()).then(|| Fault {
        expected: Some("AUTH only inside TLS".to_owned()),
        found,
        ..Fault::new(Code::AuthBeforeTls, Stage::Starttls)
    })
}

/// No login that Gmail can use inside TLS: it knows PLAIN and LOGIN. `reply` is what the server
/// said, where it offers nothing at all.
pub(super) fn no_auth(offers: &[String], reply: &[String]) -> Option<Fault> {
    let usable = |line: &&String| {
        mechanisms(line)
            .any(|one| ["PLAIN", "LOGIN"].iter().any(|known| one.eq_ignore_ascii_case(known)))
    };
    let auth: Vec<&String> = auth_lines(offers).collect();
    if auth.iter().any(usable) {
        return None;
    }
    let found: Vec<&String> = match (auth.is_empty(), offers.is_empty()) {
        (false, _) => auth,
        (true, false) => offers.iter().collect(),
        (true, true) => reply.iter().collect(),
    };
    Some(Fault {
        expected: Some("AUTH PLAIN or AUTH LOGIN inside TLS".to_owned()),
        found: found.into_iter().map(|line| visible(line)).collect(),
        ..Fault::new(Code::NoAuthOffered, Stage::Greeting)
    })
}

fn auth_lines(offers: &[String]) -> impl Iterator<Item = &String> {
    offers.iter().filter(|offer| keyword(offer).eq_ignore_ascii_case("AUTH"))
}

/// What follows the keyword; `AUTH=PLAIN LOGIN` is an old way to write it.
fn mechanisms(line: &str) -> impl Iterator<Item = &str> {
    line.split([' ', '=']).skip(1).filter(|word| !word.is_empty())
}

fn keyword(offer: &str) -> &str {
    offer.split([' ', '=']).next().unwrap_or_default().trim_matches('"')
}
