//! Whether the lines heard so far are a whole reply, and what it says.

use super::State;
use crate::model::Service;

/// Whether a reply is complete.
pub(super) enum Complete {
    /// More lines follow.
    No,
    /// It is, and says this.
    Yes(Answer),
    /// It is none of the protocol's, and why.
    Never(String),
}

/// What a reply says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Good,
    Later,
    Bad,
}

/// Whether these lines are a whole reply in this state of a conversation.
pub(super) fn complete(service: Service, state: State, lines: &[String]) -> Complete {
    let Some(last) = lines.last() else { return Complete::No };
    match service {
        Service::Imap | Service::Imaps => imap(state, last),
        Service::Pop3 | Service::Pop3s => pop(state, lines.len() == 1, last),
        Service::Sieve => sieve(last),
        _ => smtp(last),
    }
}

/// A reply ends with the line that has a space (or nothing) behind its code (RFC 5321 section
/// 4.2.1).
fn smtp(last: &str) -> Complete {
    let bytes = last.as_bytes();
    let is_code = bytes.len() >= 3 && bytes[..3].iter().all(u8::is_ascii_digit);
    match (is_code, bytes.get(3), bytes.first()) {
        (true, Some(b'-'), _) => Complete::No,
        (true, None | Some(b' '), Some(b'2')) => Complete::Yes(Answer::Good),
        (true, None | Some(b' '), Some(b'4')) => Complete::Yes(Answer::Later),
        (true, None | Some(b' '), Some(b'5')) => Complete::Yes(Answer::Bad),
        _ => Complete::Never(format!("no SMTP reply: {last}")),
    }
}

fn imap(state: State, last: &str) -> Complete {
    let upper = last.to_ascii_uppercase();
    if state == State::Greeting {
        return match upper.split(' ').take(2).collect::<Vec<_>>()[..] {
            ["*", "OK" | "PREAUTH"] => Complete::Yes(Answer::Good),
            ["*", "BYE"] if is_temporary(&upper) => Complete::Yes(Answer::Later),
            ["*", "BYE"] => Complete::Yes(Answer::Bad),
            _ => Complete::Never(format!("no IMAP greeting: {last}")),
        };
    }
    let tag = match state {
        State::Offers => "A ",
        State::Asked => "B ",
        State::Inside => "C ",
        _ => "D ",
    };
    match upper.strip_prefix(tag) {
        Some(rest) if rest.starts_with("OK") => Complete::Yes(Answer::Good),
        Some(_) if is_temporary(&upper) => Complete::Yes(Answer::Later),
        Some(_) => Complete::Yes(Answer::Bad),
        None if upper.starts_with("* BYE") && state != State::Bye => Complete::Yes(Answer::Later),
        None if upper.starts_with('*') => Complete::No,
        None => Complete::Never(format!("no IMAP reply: {last}")),
    }
}

fn pop(state: State, first: bool, last: &str) -> Complete {
    let upper = last.to_ascii_uppercase();
    let listing = matches!(state, State::Offers | State::Inside);
    match state {
        _ if listing && !first && last == "." => Complete::Yes(Answer::Good),
        _ if listing && !first => Complete::No,
        _ if listing && upper.starts_with("+OK") => Complete::No,
        _ if upper.starts_with("+OK") => Complete::Yes(Answer::Good),
        _ if upper.starts_with("-ERR") && is_temporary(&upper) => Complete::Yes(Answer::Later),
        _ if upper.starts_with("-ERR") => Complete::Yes(Answer::Bad),
        _ => Complete::Never(format!("no POP3 reply: {last}")),
    }
}

/// Lines in quotes, then OK, NO or BYE (RFC 5804 section 1.2 and 1.3).
fn sieve(last: &str) -> Complete {
    let upper = last.to_ascii_uppercase();
    match upper.split([' ', '(']).next() {
        Some("OK") => Complete::Yes(Answer::Good),
        Some("NO" | "BYE") if upper.contains("TRYLATER") => Complete::Yes(Answer::Later),
        Some("NO" | "BYE") => Complete::Yes(Answer::Bad),
        _ if last.starts_with('"') => Complete::No,
        _ => Complete::Never(format!("no ManageSieve reply: {last}")),
    }
}

/// Response codes that say: come back later (RFC 5530, RFC 3206).
fn is_temporary(upper: &str) -> bool {
    ["[UNAVAILABLE]", "[LIMIT]", "[INUSE]", "[IN-USE]", "[SYS/TEMP]", "[LOGIN-DELAY]"]
        .iter()
        .any(|code| upper.contains(code))
}
