//! What is said of a file (`verify --pem`) instead of a server.

use super::{problem, sender, word};
use crate::model::{Code, Inspection, Problem, Verdict};
use crate::report::{Detail, Verified, wrapped};

/// The file that was judged instead of a server, if one was.
pub(super) fn of(look: &Inspection) -> Option<&str> {
    look.details.as_ref()?.file.as_deref()
}

/// The whole report on a file; `None` where servers were asked.
pub(super) fn text(verified: &Verified, detail: Detail) -> Option<String> {
    let [look] = verified.endpoints.as_slice() else { return None };
    let file = of(look)?;
    let (sender, host) = (sender(verified.profile), &look.host);
    let line = match look.verdict {
        Verdict::Accepted => format!("ok    {file}: {sender} would accept it as {host}"),
        _ => format!("FAIL  {file}: {sender} would refuse it as {host}"),
    };
    let mut text = wrapped(&line, "");
    if detail == Detail::Quiet {
        return Some(text);
    }
    let stages = look.stages;
    let marks = [("chain", stages.chain), ("name", stages.name), ("dates", stages.dates)];
    let marks = marks.map(|(stage, mark)| format!("{stage} {}", word(mark))).join(", ");
    text.push_str(&wrapped(&format!("{marks}; judged for {}", look.proved_at), "      "));
    if let Some(seen) = &look.certificate {
        let names = problem::shortened(&seen.names);
        let names = if names.is_empty() { "no name" } else { &names };
        let (issuer, end) = (&seen.issuer, seen.not_after);
        let words = format!("for {names}; issued by {issuer}, ends {end}");
        text.push_str(&wrapped(&words, "      "));
    }
    text.push_str(&problem::all(verified, detail));
    Some(text)
}

/// Where a problem of a file is.
pub(super) fn place(look: &Inspection) -> Option<String> {
    of(look).map(|file| format!("{file} (for {})", look.host))
}

/// What to do about a file; `None` where servers were asked.
pub(super) fn fix(problem: &Problem, look: &Inspection) -> Option<String> {
    of(look)?;
    let host = &look.host;
    Some(match problem.code {
        Code::MissingIntermediate | Code::WrongIntermediate => {
            "use the CA's whole chain (fullchain.pem), which has each issuer but the root"
                .to_owned()
        }
        Code::LeafNotFirst
        | Code::ChainOrder
        | Code::ChainDuplicate
        | Code::ChainExtra
        | Code::RootSent
        | Code::ChainTooLong => {
            "keep the server's own certificate first, then each issuer once, without the root"
                .to_owned()
        }
        Code::KeyMismatch => "take key and certificate of one version".to_owned(),
        Code::NameMismatch | Code::NoSan => format!("order a certificate with the name {host}"),
        Code::NotYetValid => "wait for its time, or mend the clock".to_owned(),
        Code::SelfSigned => "order it from a public CA".to_owned(),
        Code::UntrustedRoot => "use the default chain of a public CA".to_owned(),
        Code::RevocationUnknown => "ask again later, or from another network".to_owned(),
        _ => "order a new certificate".to_owned(),
    })
}
