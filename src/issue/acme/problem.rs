//! From the CA's problem documents (RFC 8555 section 6.7) to a [`Refusal`] that names the names.

use std::fmt;
use std::time::Duration;

use instant_acme::{Error, Identifier};
use serde::Deserialize;

use super::spy::CaFault;
use crate::issue::{Cause, Refusal};
use crate::model::{Code, DnsId, Finding, NotOurs};

/// What is shown of a CA's words: the link that ends a pause carries a token of many hundred bytes.
const LONGEST: usize = 2_000;

/// A problem document.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Problem {
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    detail: String,
    /// Where a person can do something about it (userActionRequired, paused names).
    instance: Option<String>,
    identifier: Option<Named>,
    #[serde(default)]
    subproblems: Vec<Self>,
}

#[derive(Clone, Debug, Deserialize)]
struct Named {
    value: String,
}

impl Problem {
    /// Whether it is of this type of RFC 8555 section 6.7.
    pub(super) fn is(&self, kind: &str) -> bool {
        self.kind() == Some(kind)
    }

    fn kind(&self) -> Option<&str> {
        self.r#type.strip_prefix("urn:ietf:params:acme:error:")
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let detail = printable(&self.detail, LONGEST);
        let detail = detail.trim_end_matches('.');
        f.write_str(if detail.is_empty() { "it gives no reason" } else { detail })?;
        if !self.r#type.is_empty() {
            write!(f, " ({})", printable(&self.r#type, 100))?;
        }
        if let Some(instance) = &self.instance {
            write!(f, "; see {}", printable(instance, LONGEST))?;
        }
        for part in self.subproblems.iter().take(20) {
            f.write_str("; ")?;
            if let Some(named) = &part.identifier {
                write!(f, "{}: ", printable(&named.value, 255))?;
            }
            part.fmt(f)?;
        }
        Ok(())
    }
}

impl From<&instant_acme::Problem> for Problem {
    fn from(theirs: &instant_acme::Problem) -> Self {
        let subproblems = theirs.subproblems.iter().map(|part| Self {
            r#type: part.r#type.clone().unwrap_or_default(),
            detail: part.detail.clone().unwrap_or_default(),
            identifier: part.identifier.as_ref().and_then(|id| match id {
                Identifier::Dns(name) => Some(Named { value: name.clone() }),
                _ => None,
            }),
            ..Self::default()
        });
        Self {
            r#type: theirs.r#type.clone().unwrap_or_default(),
            detail: theirs.detail.clone().unwrap_or_default(),
            subproblems: subproblems.collect(),
            ..Self::default()
        }
    }
}

/// The finding about one name the CA refused.
pub(super) fn about_name(name: &DnsId, problem: &Problem) -> Finding {
    let said = problem.to_string();
    if problem.is("connection") {
        let locked_out = NotOurs::CaLockedOut { host: name.domain(), said: &said };
        return Finding::new(locked_out.code(), name, locked_out.to_string());
    }
    let code = if problem.is("caa") { Code::CaaForbids } else { Code::NameRefused };
    Finding::new(code, name, format!("{name}: the CA refused it: {said}"))
}

/// What a failure during an order of `names` at `directory` means.
pub(super) fn refusal(directory: &str, names: &[DnsId], error: Error) -> Refusal {
    let whole = |message: String| {
        let findings = vec![Finding::new(Code::OrderFailed, directory, message)];
        Refusal { findings, names: Vec::new(), retry_after: None, cause: Cause::Down }
    };
    match error {
        Error::Api(problem) => of_problem(directory, names, &(&problem).into(), None),
        Error::Other(inner) => match inner.downcast::<CaFault>() {
            Ok(fault) => match *fault {
                CaFault::Problem { problem, status, retry_after } => {
                    let refusal = of_problem(directory, names, &problem, retry_after);
                    match status.is_client_error() {
                        true => refusal,
                        false => Refusal { cause: Cause::Down, ..refusal },
                    }
                }
                CaFault::Answer { status, retry_after, .. } if status.is_server_error() => {
                    Refusal { retry_after, ..down(directory, &fault.to_string(), true) }
                }
                CaFault::Answer { status, retry_after, .. } => {
                    let cause = if status.is_client_error() { Cause::Ca } else { Cause::Down };
                    Refusal { cause, retry_after, ..whole(fault.to_string()) }
                }
                CaFault::Unreachable(error) => down(directory, &error.to_string(), false),
            },
            Err(other) => {
                whole(format!("the order failed: {}", printable(&other.to_string(), 300)))
            }
        },
        other => whole(format!(
            "the CA's answer cannot be understood: {}",
            printable(&other.to_string(), 300)
        )),
    }
}

/// Nothing came of asking the CA.
fn down(directory: &str, why: &str, answered: bool) -> Refusal {
    let down = NotOurs::CaDown { directory, why, answered };
    let findings = vec![Finding::new(down.code(), directory, down.to_string())];
    Refusal { findings, names: Vec::new(), retry_after: None, cause: Cause::Down }
}

/// Whether the library gave up over nonces; asking again signs with a fresh one.
pub(super) fn is_bad_nonce(error: &Error) -> bool {
    matches!(error, Error::Api(problem) if Problem::from(problem).is("badNonce"))
}

/// Whether the CA does not know the account (RFC 8555 section 6.7); deactivated accounts and
/// refused keys are `unauthorized`, which is no reason to make another.
pub(super) fn is_unknown_account(error: &Error) -> bool {
    is(error, "accountDoesNotExist")
}

/// Whether it is a problem of this type.
pub(super) fn is(error: &Error, kind: &str) -> bool {
    match error {
        Error::Api(problem) => Problem::from(problem).is(kind),
        Error::Other(inner) => matches!(
            inner.downcast_ref::<CaFault>(),
            Some(CaFault::Problem { problem, .. }) if problem.is(kind)
        ),
        _ => false,
    }
}

fn of_problem(
    directory: &str,
    names: &[DnsId],
    problem: &Problem,
    retry_after: Option<Duration>,
) -> Refusal {
    let about = |name: &DnsId| Some((name.clone(), part_about(name, problem)?));
    let faults: Vec<_> = names.iter().filter_map(about).collect();
    let of_the_ca = |(_, part): &(DnsId, &Problem)| OF_THE_CA.iter().any(|kind| part.is(kind));
    let cause = if faults.iter().all(of_the_ca) { Cause::Ca } else { Cause::Names };
    let faults = faults.into_iter().map(|(name, part)| (name.clone(), about_name(&name, part)));
    let (names, mut findings): (Vec<_>, Vec<_>) = faults.unzip();
    if findings.is_empty() {
        let said = problem.to_string();
        findings.push(match problem.is("rateLimited") {
            true => {
                let limited = NotOurs::RateLimited { said: &said };
                Finding::new(limited.code(), directory, limited.to_string())
            }
            false => {
                let message = format!("the CA refused the order: {said}");
                Finding::new(Code::OrderFailed, directory, message)
            }
        });
    }
    Refusal { findings, names, retry_after, cause }
}

/// The part of a problem that is about `name`: its subproblem, or the whole where the type speaks
/// of identifiers and the detail mentions the name, as CAs without subproblems write it.
fn part_about<'a>(name: &DnsId, problem: &'a Problem) -> Option<&'a Problem> {
    let own = problem.subproblems.iter().find(|part| {
        part.identifier.as_ref().is_some_and(|id| id.value.eq_ignore_ascii_case(&name.to_string()))
    });
    let speaks_of_names = problem.kind().is_some_and(|kind| OF_IDENTIFIERS.contains(&kind));
    match own {
        Some(part) => Some(part),
        None if problem.subproblems.iter().any(|part| part.identifier.is_some()) => None,
        None => (speaks_of_names && mentions(&problem.detail, name)).then_some(problem),
    }
}

/// Whether `text` contains the name as a whole: not as the end of a longer name.
fn mentions(text: &str, name: &DnsId) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '*');
    let name = name.to_string();
    text.to_ascii_lowercase().split(|c| !is_part(c)).any(|word| word.trim_end_matches('.') == name)
}

/// Text of strangers, made fit for a terminal and not without end.
pub(super) fn printable(text: &str, limit: usize) -> String {
    text.chars().take(limit).map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// The problem types that are about one identifier (RFC 8555 section 6.7).
const OF_IDENTIFIERS: [&str; 7] = [
    "rejectedIdentifier",
    "unsupportedIdentifier",
    "caa",
    "dns",
    "connection",
    "incorrectResponse",
    "tls",
];

/// Those of them that are about the CA: its policy, or its name in the CAA records.
const OF_THE_CA: [&str; 3] = ["rejectedIdentifier", "unsupportedIdentifier", "caa"];

#[cfg(test)]
mod tests {
    use instant_acme::Error;

    use super::{Problem, is_unknown_account, refusal};
    use crate::issue::acme::spy::CaFault;
    use crate::model::DnsId;

    fn fault(status: u16, json: &str) -> Error {
        let problem: Box<Problem> = serde_json::from_str(json).unwrap();
        let status = http::StatusCode::from_u16(status).unwrap();
        Error::Other(Box::new(CaFault::Problem { problem, status, retry_after: None }))
    }

    fn said(status: u16, json: &str) -> (Vec<String>, Vec<String>, bool) {
        let names = ["mx.a.example", "a.example"].map(|name| DnsId::parse(name).unwrap());
        let refusal = refusal("https://ca/dir", &names, fault(status, json));
        let lines = refusal.findings.iter();
        (
            lines.map(|f| format!("{} {}: {}", f.code, f.subject, f.message)).collect(),
            refusal.names.iter().map(ToString::to_string).collect(),
            refusal.by_ca(),
        )
    }

    #[test]
    fn subproblems_name_the_names() {
        let (findings, names, by_ca) = said(
            403,
            r#"{"type":"urn:ietf:params:acme:error:rejectedIdentifier","detail":"some","subproblems":[
               {"type":"urn:ietf:params:acme:error:caa","detail":"CAA says no","identifier":{"type":"dns","value":"MX.a.example"}}]}"#,
        );
        assert_eq!(names, ["mx.a.example"]);
        assert_eq!(
            findings,
            [
                "caa-forbids mx.a.example: mx.a.example: the CA refused it: CAA says no (urn:ietf:params:acme:error:caa)"
            ]
        );
        assert!(by_ca);
    }

    #[test]
    fn a_detail_names_whole_names_only() {
        let (findings, names, _) = said(
            400,
            r#"{"type":"urn:ietf:params:acme:error:rejectedIdentifier","detail":"policy forbids: \"mx.a.example\""}"#,
        );
        assert_eq!(names, ["mx.a.example"]);
        assert_eq!(
            findings,
            [
                "name-refused mx.a.example: mx.a.example: the CA refused it: policy forbids: \"mx.a.example\" (urn:ietf:params:acme:error:rejectedIdentifier)"
            ]
        );
    }

    #[test]
    fn a_rate_limit_blames_no_name() {
        let (findings, names, by_ca) = said(
            429,
            r#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many certificates for a.example.","instance":"https://ca/unpause"}"#,
        );
        assert_eq!((names.len(), by_ca), (0, true));
        assert_eq!(
            findings,
            [
                "rate-limited https://ca/dir: the CA's limit is reached: too many certificates for a.example (urn:ietf:params:acme:error:rateLimited); see https://ca/unpause"
            ]
        );
    }

    #[test]
    fn a_failing_ca_is_no_refusing_one() {
        let (findings, _, by_ca) = said(
            500,
            r#"{"type":"urn:ietf:params:acme:error:serverInternal","detail":"oh\u001bno"}"#,
        );
        assert!(!by_ca);
        assert_eq!(
            findings,
            [
                "order-failed https://ca/dir: the CA refused the order: oh?no (urn:ietf:params:acme:error:serverInternal)"
            ]
        );
    }

    #[test]
    fn only_an_unknown_account_is_made_again() {
        for (kind, expected) in
            [("accountDoesNotExist", true), ("unauthorized", false), ("malformed", false)]
        {
            let json = format!(r#"{{"type":"urn:ietf:params:acme:error:{kind}"}}"#);
            assert_eq!(is_unknown_account(&fault(400, &json)), expected, "{kind}");
        }
    }
}
