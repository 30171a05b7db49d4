//! Each distinct problem once: where, what was expected and found, who refuses, why, the cure.

use std::collections::BTreeSet;

use super::{file, mode, place, sender};
use crate::model::{Code, Inspection, Level, Problem, Service, StageMark};
use crate::report::explain::headline;
use crate::report::{Detail, Verified};

/// One problem and everywhere it was met.
struct Met<'a> {
    problem: &'a Problem,
    at: Vec<&'a Inspection>,
    expected: BTreeSet<&'a str>,
}

/// The problems, worst first, the widest spread first among equals; the rest is counted, unless
/// more is asked for.
pub(super) fn all(verified: &Verified, detail: Detail) -> String {
    let mut met: Vec<Met<'_>> = Vec::new();
    let mut known = std::collections::HashMap::new();
    for look in &verified.endpoints {
        for problem in &look.problems {
            // What is expected is another name for each host that shows the same certificate.
            let key = (problem.code, problem.level, &problem.found, &problem.why, look.ours);
            let index = *known.entry(key).or_insert_with(|| {
                met.push(Met { problem, at: Vec::new(), expected: BTreeSet::new() });
                met.len() - 1
            });
            met[index].at.push(look);
            met[index].expected.extend(problem.expected.as_deref());
        }
    }
    met.sort_by_key(|met| (std::cmp::Reverse(met.problem.level), std::cmp::Reverse(met.at.len())));
    let most = if detail == Detail::Verbose { usize::MAX } else { BLOCKS };
    let shown = met.iter().take(most);
    let mut blocks: String = shown.map(|met| block(met, verified.profile)).collect();
    if let rest @ 1.. = met.len().saturating_sub(most) {
        blocks.push_str(&format!("\n{rest} more, none worse (-v shows them)\n"));
    }
    let delivery = |met: &Met<'_>| {
        let refused = refusal(met, verified.profile).is_some();
        refused && met.at.iter().any(|look| look.service == Service::Smtp)
    };
    // Where a policy is enforced, the delivery does verify.
    let enforced = |met: &Met<'_>| {
        met.problem.code == Code::MtaStsMismatch && met.problem.level == Level::Fail
    };
    let tolerated = verified.profile == "gmail" && !met.iter().any(enforced);
    let tolerated = tolerated && met.iter().any(delivery);
    blocks + if tolerated { DELIVERY } else { "" }
}

/// How many problems are shown, unless more is asked for.
const BLOCKS: usize = 10;

/// Who refuses at port 25: Gmail's delivery to an MX falls back silently.
const DELIVERY: &str = "
On port 25 these refuse: Gmail's \"Send mail as\", senders that obey an MTA-STS
policy, Google Workspace's TLS rules. Gmail's delivery to an MX does not verify.
";

fn block(met: &Met<'_>, profile: &str) -> String {
    let (problem, first) = (met.problem, met.at[0]);
    let code = problem.code;
    let mut text = format!("\n{} {code}: {}\n", problem.level.mark(), headline(code));
    let domain = match (&first.origin, &first.domain) {
        (Some(origin), _) => format!(" ({origin})"),
        (None, Some(domain)) if *domain != first.host => format!(" ({domain})"),
        _ => String::new(),
    };
    let place_of = file::place(first)
        .unwrap_or_else(|| format!("{} {} {}{domain}", first.host, place(first), mode(first)));
    field(&mut text, "where", &place_of);
    if met.at.len() > 1 {
        let also = met.at[1..].iter().map(|look| {
            let host =
                if look.host == first.host { String::new() } else { format!("{} ", look.host) };
            format!("{host}{}", place(look))
        });
        field(&mut text, "also", &shortened(&also.collect::<Vec<_>>()));
    }
    if let Some(expected) = expected(met) {
        field(&mut text, "expected", &expected);
    }
    if !problem.found.is_empty() {
        field(&mut text, "found", &folded(&format!("{}{}", shortened(&problem.found), by(met))));
    }
    if let Some(words) = refusal(met, profile) {
        field(&mut text, "sender", &folded(&words));
    }
    if let Some(why) = &problem.why {
        field(&mut text, "why", why);
    }
    field(&mut text, "fix", &fix(problem, first, &hosts(met)));
    field(&mut text, "more", &format!("mailcert explain {code}"));
    text
}

/// What would be right; where that is another thing at each place, the first and how many more.
fn expected(met: &Met<'_>) -> Option<String> {
    let first = met.problem.expected.as_ref()?;
    Some(match met.expected.len() {
        0 | 1 => first.clone(),
        all if first == met.at[0].host.as_str() => {
            format!("the name the sender uses: {first} and {} more", all - 1)
        }
        all => format!("{first} and {} more", all - 1),
    })
}

/// Whose certificate it is and until when, where the names are the matter: the way to the file.
fn by(met: &Met<'_>) -> String {
    let seen = met.at[0].certificate.as_ref().filter(|_| met.problem.code == Code::NameMismatch);
    seen.map(|seen| format!(" (issued by {}, ends {})", seen.issuer, seen.not_after))
        .unwrap_or_default()
}

/// What the sender shows, or that nobody knows it.
fn refusal(met: &Met<'_>, profile: &str) -> Option<String> {
    let (problem, first) = (met.problem, met.at[0]);
    if problem.level != Level::Fail || !first.service.is_smtp() || !is_of_tls(first, problem.code) {
        return None;
    }
    let who = if profile == "workspace" { sender(profile) } else { "Gmail" };
    Some(match &problem.sender_says {
        Some(_) if problem.code == Code::StarttlsRefused => {
            format!("the mail is not delivered; {who} quotes the server's words")
        }
        Some(sentence) => format!("{who} says: \"{sentence}\""),
        None => format!("{who} refuses it; its exact words are not known"),
    })
}

/// Whether a sender that got through to the server turns away at TLS or the certificate.
fn is_of_tls(look: &Inspection, code: Code) -> bool {
    // Where logins are what is wrong, the certificate was shown all the same.
    let greeted = !matches!(look.stages.greeting, Some(StageMark::Fail | StageMark::Unknown))
        || look.certificate.is_some();
    let other = [
        Code::ProtocolViolation,
        Code::ConnectionClosed,
        Code::Flapping,
        Code::GreetingRefused,
        Code::NoAuthOffered,
        Code::DaneMismatch,
        Code::DaneBroken,
    ];
    look.stages.connect == Some(StageMark::Ok) && greeted && !other.contains(&code)
}

/// Words of strangers that are longer than a line, broken: nobody pastes them.
fn folded(text: &str) -> String {
    let fold = |word: &str| {
        let letters: Vec<char> = word.chars().collect();
        letters.chunks(WIDTH).map(|piece| piece.iter().collect()).collect::<Vec<String>>().join(" ")
    };
    text.split(' ').map(fold).collect::<Vec<_>>().join(" ")
}

/// What is left of 80 columns beside the label.
const WIDTH: usize = 68;

/// At most three, and how many more.
pub(in crate::report) fn shortened(all: &[String]) -> String {
    let shown = all.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
    match all.len() {
        0..=3 => shown,
        more => format!("{shown} and {} more", more - 3),
    }
}

/// A line of a block; what does not fit in 80 columns goes on below itself.
fn field(text: &mut String, label: &str, value: &str) {
    let lines = crate::report::wrapped(value, "            ");
    let line = format!("  {label:10}{}", lines.trim_start());
    text.push_str(&line);
}

/// The hosts to be named to a command, each behind a space; none where they are too many for a
/// line, since then it takes all.
fn hosts(met: &Met<'_>) -> String {
    let hosts: BTreeSet<_> = met.at.iter().map(|look| &look.host).collect();
    if hosts.len() > 3 {
        return String::new();
    }
    hosts.iter().map(|host| format!(" {host}")).collect()
}

/// One command, or who must do what where it is not ours to mend.
fn fix(problem: &Problem, at: &Inspection, hosts: &str) -> String {
    if let Some(fix) = file::fix(problem, at) {
        return fix;
    }
    let (host, port) = (&at.host, at.port);
    match problem.code {
        Code::ConnectionRefused => {
            format!("start the mail server, or open port {port} in its firewall")
        }
        Code::Timeout if port == 25 && at.stages.connect == Some(StageMark::Unknown) => {
            "try from another network: port 25 is often blocked on the way out".to_owned()
        }
        Code::Timeout => format!("let senders reach port {port}: firewall, or a server that hangs"),
        Code::Unreachable => "check the route to the address, or its DNS record".to_owned(),
        Code::DnsFailure => format!("ask again; if it stays, mend the zone of {host}"),
        Code::NoSuchHost if at.domain.as_ref() == Some(host) => {
            format!("correct the name of the domain, or publish an MX record for {host}")
        }
        Code::NoSuchHost => {
            format!("publish an A or AAAA record for {host}, or drop its MX record")
        }
        Code::TemporaryRefusal => "ask again later: the server says it is busy".to_owned(),
        Code::GreetingRefused => "let the mail server accept connections from the Internet".into(),
        Code::ClientCertRequired => "ask clients for a certificate, but do not require it".into(),
        Code::ConnectionClosed | Code::ProtocolViolation | Code::Flapping => {
            "look into the mail server's log at this moment".to_owned()
        }
        Code::ProxyProtocolExpected => "let senders reach the proxy, not this listener".to_owned(),
        Code::NoAuthOffered => "offer AUTH PLAIN or LOGIN inside TLS".to_owned(),
        Code::AuthBeforeTls => "offer AUTH only inside TLS".to_owned(),
        Code::ProtocolTooOld | Code::OldProtocolOffered => {
            "let the mail server use TLS 1.2 and 1.3 only".to_owned()
        }
        Code::WeakCiphers | Code::NoForwardSecrecy => {
            "let the mail server offer ECDHE with AES-GCM or ChaCha20".to_owned()
        }
        Code::StarttlsInjection => "update the mail server".to_owned(),
        Code::MtaStsMismatch if problem.found == [host.as_str()] => {
            format!("add `mx: {host}` to the policy, and a new id to its TXT record")
        }
        Code::DaneMismatch => {
            format!("publish TLSA _25._tcp.{host} as found, beside the old records")
        }
        Code::DaneBroken => format!("mend the zone of _25._tcp.{host}"),
        Code::ImplicitTlsExpected => format!("use TLS at once on port {port}"),
        _ if at.ours == Some(false) => match at.address {
            Some(address) => format!("on the server at {address}: mailcert fix{hosts}"),
            None => format!("on that server: mailcert fix{hosts}"),
        },
        _ if at.ours.is_none() => format!("on that server: mailcert fix{hosts}"),
        _ => format!("mailcert fix{hosts}"),
    }
}
