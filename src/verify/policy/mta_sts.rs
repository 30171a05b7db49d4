//! MTA-STS of one domain: record and policy are asked for, and every MX host is held against them
//! (RFC 8461 sections 3 to 5).

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, Response, StatusCode};

use super::{Addresses, Found, MxHost, few, texts};
use crate::config::Profile;
use crate::dns::Dns;
use crate::http::{Http, HttpError};
use crate::model::{
    Code, Finding, Hostname, Inspection, Level, MtaSts, Stage, StageMark, StsHost, StsMode, Verdict,
};
use crate::verify::sts::{LARGEST_POLICY, Policy, Record};
use crate::verify::{Fault, How, profiles, visible, visible_bytes};

/// How long the policy is waited for; senders wait a minute (RFC 8461 section 3.3).
const DEADLINE: Duration = Duration::from_secs(10);
/// A policy that senders forget within a day protects the next message hardly ever.
const SHORT_AGE: u64 = 24 * 60 * 60;

/// What was read, before the hosts are held against it.
pub(super) struct Asked {
    id: Option<String>,
    policy: Option<Policy>,
    problem: Option<String>,
    profile: Profile,
}

/// `None` if there is no record.
pub(super) async fn ask(domain: &Hostname, dns: &dyn Dns, http: &Http, how: &How) -> Option<Asked> {
    let name = format!("_mta-sts.{domain}");
    let mut asked = Asked { id: None, policy: None, problem: None, profile: how.profile };
    let record = match texts(&name, dns).await {
        Ok(texts) => Record::of(texts.iter().map(String::as_str))
            .map_err(|bad| format!("the record {name}: {bad}")),
        Err(why) => Err(why),
    };
    match record {
        Ok(record) => asked.id = Some(record?.id),
        Err(problem) => {
            asked.problem = Some(problem);
            return Some(asked);
        }
    }
    match fetch(domain, dns, http, how).await {
        Ok(answer) => {
            asked.problem = media_type(domain, &answer);
            match Policy::parse(answer.body()) {
                Ok(policy) => asked.policy = Some(policy),
                Err(bad) => asked.problem = Some(format!("the policy: {bad}")),
            }
        }
        Err(problem) => asked.problem = Some(problem),
    }
    Some(asked)
}

/// The answer with status 200 at the policy's place, or why there is none for a sender. No
/// redirect is followed (RFC 8461 section 3.3).
async fn fetch(
    domain: &Hostname,
    dns: &dyn Dns,
    http: &Http,
    how: &How,
) -> Result<Response<Bytes>, String> {
    let host = domain.under("mta-sts").map_err(|bad| format!("the policy host: {bad}"))?;
    let addresses = Addresses::ask(&host, dns).await.found;
    if addresses.is_empty() {
        return Err(format!("{host}, where the policy should be, has no address"));
    }
    let url = format!("https://{host}/.well-known/mta-sts.txt");
    let request = Request::get(&url).body(Bytes::new()).map_err(|error| error.to_string())?;
    let http = http.at(&how.roots, &host, &addresses);
    let answer = tokio::time::timeout(DEADLINE, http.send(request)).await;
    let answer = answer.map_err(|_| format!("{host} gave no answer within 10 s"))?;
    let answer = answer.map_err(|error| match error {
        HttpError::Untrusted { roots, .. } => {
            format!("the certificate of {host} has no issuer among {roots}")
        }
        HttpError::Tls { why, .. } => format!("TLS with {host}: {}", visible(&why)),
        other => visible(&other.to_string()),
    })?;
    match answer.status() {
        StatusCode::OK if answer.body().len() <= LARGEST_POLICY => Ok(answer),
        StatusCode::OK => Err(format!("the policy at {url} has more than 65536 bytes")),
        redirect if redirect.is_redirection() => {
            Err(format!("{url} answered {redirect}, and senders follow no redirect"))
        }
        other => Err(format!("{url} answered {other}; expected 200 OK")),
    }
}

/// What is wrong with the kind of the answer: it is `text/plain`, with parameters or without.
fn media_type(domain: &Hostname, answer: &Response<Bytes>) -> Option<String> {
    let found = answer.headers().get(CONTENT_TYPE).map(|value| value.as_bytes());
    let kind = found.unwrap_or_default().split(|b| *b == b';').next().unwrap_or_default();
    if kind.trim_ascii().eq_ignore_ascii_case(b"text/plain") {
        return None;
    }
    let found = found.map_or_else(|| "no type".to_owned(), visible_bytes);
    Some(format!("the policy of {domain} is sent as {found}; expected text/plain"))
}

impl Asked {
    /// Says what was read, and holds the hosts against it.
    pub(super) fn tell(self, domain: &Hostname, mx: &[MxHost<'_>], found: &mut Found) -> MtaSts {
        if let Some(problem) = &self.problem {
            let then = match &self.policy {
                Some(_) => "some senders do not take it",
                None => {
                    "senders go without a policy, or keep the last one until its max_age is over"
                }
            };
            let message = format!("{problem}: {then}");
            found.findings.push(Finding::new(Code::MtaStsBroken, domain, message));
        }
        let mut shown = MtaSts { id: self.id, problem: self.problem, ..MtaSts::default() };
        if let Some(policy) = &self.policy {
            shown.mode = Some(policy.mode);
            shown.mx = policy.mx.iter().map(ToString::to_string).collect();
            shown.max_age = Some(policy.max_age);
            found.findings.extend(weak(domain, policy));
            if policy.mode != StsMode::None {
                for host in mx {
                    shown.hosts.push(held_against(policy, host));
                    mismatches(domain, policy, host, self.profile, found);
                }
            }
        }
        shown
    }
}

fn weak(domain: &Hostname, policy: &Policy) -> Option<Finding> {
    let message = match policy {
        Policy { mode: StsMode::None, .. } => {
            "mode none: senders treat the domain as one that has no policy".to_owned()
        }
        Policy { max_age, .. } if *max_age < SHORT_AGE => format!(
            "max_age {max_age}: senders forget the policy within a day; RFC 8461 section 3.2 \
             recommends weeks, such as 1209600"
        ),
        _ => return None,
    };
    Some(Finding::new(Code::MtaStsWeak, domain, message))
}

fn held_against(policy: &Policy, host: &MxHost<'_>) -> StsHost {
    let verdicts = host.looks.iter().map(|(_, look)| by_policy(look));
    let accepted = match Verdict::of(verdicts) {
        Verdict::Accepted => Some(true),
        Verdict::Unknown => None,
        Verdict::Refused => Some(false),
    };
    StsHost { host: host.host.clone(), listed: policy.lists(host.host), accepted }
}

/// What a sender that obeys a policy makes of an endpoint, whatever the profile: STARTTLS, TLS
/// 1.2 and a certificate that is valid for the host (RFC 8461 section 4.2).
fn by_policy(look: &Inspection) -> Verdict {
    let unknown = look.tls.is_none() && look.verdict != Verdict::Accepted;
    match refusals(look).as_slice() {
        [] if unknown => Verdict::Unknown,
        [] => Verdict::Accepted,
        _ => Verdict::Refused,
    }
}

/// What is refused of STARTTLS, session and certificate. That nobody listens, or turns everybody
/// away, is no matter of the policy.
fn refusals(look: &Inspection) -> Vec<Code> {
    let tls = [look.stages.starttls, look.stages.handshake].contains(&Some(StageMark::Fail));
    let counts = |code: Code| match code {
        Code::ConnectionRefused | Code::GreetingRefused | Code::MtaStsMismatch => false,
        Code::ConnectionClosed | Code::ProtocolViolation => tls,
        code => profiles::level(code, Profile::Gmail) == Level::Fail,
    };
    look.problems.iter().map(|problem| problem.code).filter(|code| counts(*code)).collect()
}

fn mismatches(
    domain: &Hostname,
    policy: &Policy,
    host: &MxHost<'_>,
    profile: Profile,
    found: &mut Found,
) {
    let why = match policy.mode {
        StsMode::Enforce => "mode enforce: Gmail and others do not deliver to this host",
        _ => "mode testing: under enforce Gmail and others would not deliver to this host",
    };
    for (at, look) in &host.looks {
        let (stage, expected, wrong) = if policy.lists(host.host) {
            // What is refused has marked its own stage.
            let wrong = refusals(look).iter().map(ToString::to_string).collect();
            (None, format!("TLS as the MTA-STS policy of {domain} asks for it"), wrong)
        } else {
            let listed = few(&policy.mx);
            let expected = format!("a host of the MTA-STS policy of {domain}: {listed}");
            (Some(Stage::Name), expected, vec![host.host.to_string()])
        };
        if wrong.is_empty() {
            continue;
        }
        let fault = Fault {
            expected: Some(expected),
            found: wrong,
            why: Some(why.to_owned()),
            ..Fault::new(Code::MtaStsMismatch, Stage::Name)
        };
        let mut problem = profiles::weigh(fault, look.service, profile);
        if policy.mode == StsMode::Testing {
            problem.level = Level::Warn;
        }
        found.problems.push((*at, stage, problem));
    }
}
