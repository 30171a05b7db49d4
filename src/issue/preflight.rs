//! The preflight: would the CA find our answer? Three answers: yes, no, and "cannot be seen from
//! here", which must not stop an order (NAT without hairpin, split DNS, a blocked path).

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use http::header::{LOCATION, SERVER};
use http::{StatusCode, Uri};

use crate::dns::{Dns, Kind, Record, Reply};
use crate::http::{Http, HttpError};
use crate::issue::presented::Presented;
use crate::issue::{CHALLENGE_PATH, Solver};
use crate::model::{Code, Finding, Hostname, NotOurs};

/// What the preflight saw of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Our answer came back; what else was noticed.
    Right(Vec<Finding>),
    /// Something else came back: the CA would be told the same.
    Wrong(Finding),
    /// Nothing can be said from here.
    Unseen(Finding),
}

/// How one address answered.
enum Look {
    Right,
    Wrong(String),
    Unseen(String),
}

/// Presents a random token and asks every address of `host` for it on `port`, as a CA does: v6
/// first, v4 only where v6 gives no answer.
///
/// # Errors
/// The solver's sentence when nothing can be presented at all.
pub async fn preflight(
    host: &Hostname,
    port: u16,
    dns: &dyn Dns,
    http: &Http,
    solver: &dyn Solver,
) -> Result<Seen, String> {
    let token = format!("{OWN}{}", random_token());
    let answer = format!("{token}.{}", random_token());
    let mut shown = Presented::by(solver);
    shown.add(host, &token, &answer).await?;
    let seen = look(host, port, dns, http, &token, &answer).await;
    shown.clear().await;
    Ok(seen)
}

async fn look(
    host: &Hostname,
    port: u16,
    dns: &dyn Dns,
    http: &Http,
    token: &str,
    answer: &str,
) -> Seen {
    let mut unseen = Vec::new();
    for kind in [Kind::Aaaa, Kind::A] {
        let addresses = match addresses(dns, host, kind).await {
            Ok(addresses) => addresses,
            Err(why) => {
                unseen.push(why);
                continue;
            }
        };
        let looks = addresses.iter().take(MOST_ADDRESSES).map(|ip| async move {
            ask(&Asked { host, ip: *ip, port, token, answer }, dns, http).await
        });
        let mut wrong = Vec::new();
        let mut right = false;
        for look in join_all(looks).await {
            match look {
                Look::Right => right = true,
                Look::Wrong(why) => wrong.push(why),
                Look::Unseen(why) => unseen.push(why),
            }
        }
        if right {
            let warn = |why| found(Code::PreflightWrong, host, why).at(crate::model::Level::Warn);
            let note = |why| found(Code::PreflightUnseen, host, why);
            let wrong = wrong.into_iter().map(warn);
            return Seen::Right(wrong.chain(unseen.into_iter().map(note)).collect());
        }
        if let Some(why) = wrong.into_iter().next() {
            return Seen::Wrong(found(Code::PreflightWrong, host, why));
        }
    }
    if unseen.is_empty() {
        unseen.push("it has no address in the DNS we ask".to_owned());
    }
    Seen::Unseen(found(Code::PreflightUnseen, host, unseen.join("; ")))
}

fn found(code: Code, host: &Hostname, why: String) -> Finding {
    Finding::new(code, host, format!("{host}: {why}"))
}

/// The addresses of one family; none is no error.
async fn addresses(dns: &dyn Dns, host: &Hostname, kind: Kind) -> Result<Vec<IpAddr>, String> {
    match dns.ask(host.as_str(), kind).await.reply {
        Reply::Records(records) => Ok(records
            .iter()
            .filter_map(|record| match record {
                Record::A(ip) => Some(IpAddr::V4(*ip)),
                Record::Aaaa(ip) => Some(IpAddr::V6(*ip)),
                _ => None,
            })
            .collect()),
        Reply::Absent(_) => Ok(Vec::new()),
        Reply::Failed(failure) => {
            Err(format!("its {kind:?} records could not be read ({failure:?})"))
        }
    }
}

/// One look at one address.
struct Asked<'a> {
    host: &'a Hostname,
    ip: IpAddr,
    port: u16,
    token: &'a str,
    answer: &'a str,
}

async fn ask(asked: &Asked<'_>, dns: &dyn Dns, http: &Http) -> Look {
    let authority = match asked.port {
        80 => asked.host.to_string(),
        port => format!("{}:{port}", asked.host),
    };
    let first = format!("http://{authority}{CHALLENGE_PATH}{}", asked.token);
    let Ok(mut url) = first.parse::<Uri>() else {
        return Look::Unseen(format!("{first:?} is no URL"));
    };
    let mut address = SocketAddr::new(asked.ip, asked.port);
    for _ in 0..=MOST_REDIRECTS {
        let answer = match http.get_at(address, &url, PATIENCE).await {
            Ok(answer) => answer,
            Err(e) => return of_error(address, &e),
        };
        if answer.status().is_redirection() {
            let location = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            match follow(&url, location, address, asked.port, dns).await {
                Ok(next) => (url, address) = next,
                Err(look) => return look,
            }
            continue;
        }
        let body = answer.body().trim_ascii_end();
        if answer.status() == StatusCode::OK && body == asked.answer.as_bytes() {
            return Look::Right;
        }
        let status = answer.status().to_string();
        let server = answer.headers().get(SERVER).map(|value| value.as_bytes());
        let server = server.map(String::from_utf8_lossy);
        let other = NotOurs::OtherServer {
            at: address,
            here: is_ours(address.ip()),
            status: &status,
            server: server.as_deref(),
        };
        return Look::Wrong(other.to_string());
    }
    Look::Wrong(format!("{address} redirects more than {MOST_REDIRECTS} times"))
}

/// Where a redirect leads. CAs follow to ports 80 and 443 of names, and do not look at the
/// certificate of an https target; we would, so https cannot be seen from here.
async fn follow(
    from: &Uri,
    location: Option<&str>,
    address: SocketAddr,
    port: u16,
    dns: &dyn Dns,
) -> Result<(Uri, SocketAddr), Look> {
    let Some(to) = location.and_then(|location| target(from, location)) else {
        return Err(Look::Wrong(format!("{address} redirects to no URL that a CA follows")));
    };
    let shown: String = to.to_string().chars().take(120).collect();
    if to.scheme_str() != Some("http") {
        let why = format!("{address} redirects to {shown}, which is not looked at from here");
        return Err(Look::Unseen(why));
    }
    let next_port = to.port_u16().unwrap_or(80);
    let Some(host) = to.host().and_then(|host| Hostname::parse(host).ok()) else {
        return Err(Look::Wrong(format!("{address} redirects to {shown}, no CA follows that")));
    };
    if ![80, 443, port].contains(&next_port) {
        return Err(Look::Wrong(format!(
            "{address} redirects to {shown}; CAs follow to ports 80 and 443 only"
        )));
    }
    for kind in [Kind::Aaaa, Kind::A] {
        if let Ok(found) = addresses(dns, &host, kind).await
            && let Some(ip) = found.first()
        {
            return Ok((to, SocketAddr::new(*ip, next_port)));
        }
    }
    Err(Look::Unseen(format!("{address} redirects to {shown}, whose address is not known here")))
}

/// A Location against the URL it came from (RFC 9110 section 10.2.2).
fn target(from: &Uri, location: &str) -> Option<Uri> {
    let location = location.split('#').next()?;
    let scheme = from.scheme_str()?;
    let authority = from.authority()?;
    let whole = if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else if location.contains("://") {
        location.to_owned()
    } else {
        let directory = from.path().rsplit_once('/').map_or("", |(front, _)| front);
        format!("{scheme}://{authority}{directory}/{location}")
    };
    whole.parse().ok().filter(|uri: &Uri| uri.host().is_some())
}

/// A closed port is a wrong answer only where the address is ours: a router without hairpin
/// refuses from inside what it forwards from outside.
fn of_error(address: SocketAddr, error: &HttpError) -> Look {
    match error {
        HttpError::Connect { kind: ErrorKind::ConnectionRefused, .. } if is_ours(address.ip()) => {
            Look::Wrong(format!(
                "nothing listens on {address}, an address of this machine; add it to listen in \
                 [challenge.http-01]"
            ))
        }
        HttpError::TooLong { .. } => Look::Wrong(error.to_string()),
        _ => Look::Unseen(error.to_string()),
    }
}

/// Only addresses of this machine can be bound.
fn is_ours(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).is_ok()
}

/// A token like the CA's (RFC 8555 section 8.3 asks for 128 bits).
pub(super) fn random_token() -> String {
    let mut bytes = [0; 24];
    aws_lc_rs::rand::fill(&mut bytes).expect("aws-lc-rs aborts rather than run out of randomness");
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// What our own tokens begin with: one that a killed run left is known by it.
pub(super) const OWN: &str = "mailcert-";
/// A name with more addresses is looked at in part.
const MOST_ADDRESSES: usize = 4;
/// What CAs follow.
const MOST_REDIRECTS: usize = 10;
/// How long one address may take. CAs wait 10 s; who is slower than this is "unseen", no harm.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
