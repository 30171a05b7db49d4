//! The preflight: would the CA find our answer? Three answers: yes, no, and "cannot be seen from
//! here", which must not stop an order (NAT without hairpin, split DNS, a blocked path).
//!
//! It goes as a CA does: by IPv6 where the name has such addresses, and on to IPv4 only after
//! nothing at all came of connecting. A refusal or a wrong answer by IPv6 is final for the CA
//! (letsencrypt.org/docs/ipv6-support), whatever IPv4 would say.

mod http01;
mod tls_alpn01;

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures_util::future::join_all;

use crate::dns::{Dns, Failure, Kind, Record, Reply};
use crate::http::Http;
use crate::issue::Solver;
use crate::issue::presented::Presented;
use crate::model::{AnsweredFrom, Challenge, Code, DnsId, Finding, Hostname, Level};

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
    /// Nothing can be said from here.
    Unseen(String),
    /// Nobody answered at all: a CA goes on to IPv4.
    NoAnswer(String),
}

/// What is asked for.
struct Asked<'a> {
    host: &'a Hostname,
    port: u16,
    token: &'a str,
    answer: &'a str,
    /// From where http-01 is answered here.
    from: AnsweredFrom,
}

/// Presents a random token and asks the addresses of `host` for it as a CA does, for http-01 on
/// `port`, for tls-alpn-01 on 443.
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
    let name = DnsId::Host(host.clone());
    shown.add(&name, &token, &answer).await?;
    let kind = shown.kind(&name);
    let port = if kind == Challenge::TlsAlpn01 { TLS_PORT } else { port };
    let from = solver.answered_from(&name);
    let asked = Asked { host, port, token: &token, answer: &answer, from };
    let seen = look(&asked, kind, dns, http).await;
    shown.clear().await;
    Ok(seen)
}

async fn look(asked: &Asked<'_>, kind: Challenge, dns: &dyn Dns, http: &Http) -> Seen {
    let host = asked.host;
    let mut silent = Vec::new();
    for family in [Kind::Aaaa, Kind::A] {
        let addresses = match addresses(dns, host, family).await {
            Ok(addresses) => addresses,
            Err(Failure::Bogus) => return Seen::Wrong(bogus(host, family)),
            Err(failure) => {
                silent.push(format!("its {family} records could not be read ({failure})"));
                continue;
            }
        };
        let looks = addresses.iter().take(MOST_ADDRESSES).map(|ip| async move {
            let at = SocketAddr::new(*ip, asked.port);
            match kind {
                Challenge::TlsAlpn01 => tls_alpn01::look(at, asked).await,
                Challenge::Http01 | Challenge::Dns01 => http01::look(at, asked, dns, http).await,
            }
        });
        let (mut right, mut wrong, mut unseen) = (false, Vec::new(), Vec::new());
        for look in join_all(looks).await {
            match look {
                Look::Right => right = true,
                Look::Wrong(why) => wrong.push(why),
                Look::Unseen(why) => unseen.push(why),
                Look::NoAnswer(why) => silent.push(why),
            }
        }
        if right {
            let warn = |why| found(Code::PreflightWrong, host, why).at(Level::Warn);
            let note = |why| found(Code::PreflightUnseen, host, why);
            let wrong = wrong.into_iter().map(warn);
            return Seen::Right(wrong.chain(silent.into_iter().chain(unseen).map(note)).collect());
        }
        let first = if family == Kind::Aaaa { FIRST } else { "" };
        if let Some(why) = wrong.into_iter().next() {
            return Seen::Wrong(found(Code::PreflightWrong, host, why + first));
        }
        if !unseen.is_empty() {
            silent.extend(unseen);
            return Seen::Unseen(found(Code::PreflightUnseen, host, silent.join("; ") + first));
        }
    }
    if silent.is_empty() {
        silent.push("it has no address in the DNS we ask".to_owned());
    }
    Seen::Unseen(found(Code::PreflightUnseen, host, silent.join("; ")))
}

/// Since 2026-03-15 no CA may pass over it (CA/Browser Forum).
fn bogus(host: &Hostname, family: Kind) -> Finding {
    let message = format!(
        "{host}: its {family} records fail the validation of DNSSEC, and so does every order for \
         it (dig +cd {family} {host} shows the records, delv {family} {host} the fault)"
    );
    Finding::new(Code::DnsBogus, host, message)
}

fn found(code: Code, host: &Hostname, why: String) -> Finding {
    Finding::new(code, host, format!("{host}: {why}"))
}

/// The addresses of one family; none is no error.
async fn addresses(dns: &dyn Dns, host: &Hostname, kind: Kind) -> Result<Vec<IpAddr>, Failure> {
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
        Reply::Failed(failure) => Err(failure),
    }
}

/// Only addresses of this machine can be bound.
fn is_ours(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).is_ok()
}

impl Look {
    /// Of an error while connecting. A closed port is a wrong answer only where the address is
    /// ours: a router without hairpin refuses from inside what it forwards from outside.
    fn of_connecting(at: SocketAddr, kind: ErrorKind, why: String, cure: &str) -> Self {
        match kind {
            ErrorKind::ConnectionRefused if is_ours(at.ip()) => {
                Self::Wrong(format!("nothing listens on {at}, an address of this machine; {cure}"))
            }
            ErrorKind::TimedOut => Self::NoAnswer(why),
            _ => Self::Unseen(why),
        }
    }
}

/// A token like the CA's (RFC 8555 section 8.3 asks for 128 bits).
pub(super) fn random_token() -> String {
    let mut bytes = [0; 24];
    aws_lc_rs::rand::fill(&mut bytes).expect("aws-lc-rs aborts rather than run out of randomness");
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// What our own tokens begin with: one that a killed run left is known by it.
pub(super) const OWN: &str = "mailcert-";
/// What is said of an IPv6 address that does not answer rightly.
const FIRST: &str = " (CAs ask IPv6 first, and IPv4 only where nobody answers)";
/// Where CAs ask for tls-alpn-01 (RFC 8737 section 3).
const TLS_PORT: u16 = 443;
/// A name with more addresses is looked at in part.
const MOST_ADDRESSES: usize = 4;
/// How long one address may take. CAs wait 10 s; who is slower than this is "unseen", no harm.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
