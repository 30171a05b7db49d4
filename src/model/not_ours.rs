//! [`NotOurs`]: what mailcert sees and cannot cure, as one sentence that says who must do what.
//!
//! All these sentences stand here, whoever finds the thing; what a stranger said in them is made
//! visible and cut.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::model::{AnsweredFrom, Code, Hostname, Timestamp, WebServer};

/// One thing that somebody else has to cure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotOurs<'a> {
    /// The DNS sends the host to other machines.
    PointsElsewhere {
        /// The host.
        host: &'a Hostname,
        /// Its addresses.
        found: &'a [IpAddr],
        /// This machine's.
        machine: &'a [IpAddr],
    },
    /// Something else than mailcert answers the CA's question on port 80. The host is told before
    /// this sentence.
    OtherServer {
        /// Where it answers.
        at: SocketAddr,
        /// Whether that is an address of this machine.
        here: bool,
        /// From where mailcert answers.
        from: &'a AnsweredFrom,
        /// What it answered, such as `404 Not Found`.
        status: &'a str,
        /// Its `Server` header.
        server: Option<&'a str>,
    },
    /// A port of this machine gives no answer though a server listens on it.
    PortSilent {
        /// The host it is published for.
        host: &'a Hostname,
        /// Where nobody answers.
        at: SocketAddr,
        /// Which server listens there.
        server: &'a str,
    },
    /// The CA came to a closed port 80.
    CaLockedOut {
        /// The host.
        host: &'a Hostname,
        /// What the CA says.
        said: &'a str,
    },
    /// CAA records forbid the CA to issue (RFC 8659).
    CaaForbids {
        /// The name to be certified.
        name: &'a str,
        /// Where the records stand.
        at: &'a str,
        /// What is wrong with them.
        why: &'a str,
        /// The record that would permit it, as a line of the zone.
        record: &'a str,
    },
    /// A critical CAA record that no CA understands (RFC 8659 section 4.5).
    CaaUnknown {
        /// The name to be certified.
        name: &'a str,
        /// Where it stands.
        at: &'a str,
        /// The record.
        record: &'a str,
    },
    /// The CA gives no answer, or none that is one.
    CaDown {
        /// Its directory.
        directory: &'a str,
        /// What came of asking it.
        why: &'a str,
        /// Whether it answered at all.
        answered: bool,
    },
    /// The CA has had enough for now.
    RateLimited {
        /// What it says.
        said: &'a str,
    },
}

impl NotOurs<'_> {
    /// Whether findings with this code are for somebody else to cure.
    #[must_use]
    pub fn holds(code: Code) -> bool {
        OF_OTHERS.contains(&code)
    }

    /// The code of such a finding.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::PointsElsewhere { .. } => Code::PointsElsewhere,
            Self::OtherServer { .. } => Code::PreflightWrong,
            Self::PortSilent { .. } => Code::PortSilent,
            Self::CaLockedOut { .. } => Code::NameRefused,
            Self::CaaForbids { .. } | Self::CaaUnknown { .. } => Code::CaaForbids,
            Self::CaDown { .. } => Code::CaUnreachable,
            Self::RateLimited { .. } => Code::RateLimited,
        }
    }
}

/// What is said behind a rate limit once it is known how long it is waited for.
#[must_use]
pub fn again_at(until: Timestamp) -> String {
    format!("; it is for nobody to do anything but wait: `mailcert run` tries again at {until}")
}

impl fmt::Display for NotOurs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PointsElsewhere { host, found, machine } => elsewhere(f, host, found, machine),
            Self::OtherServer { at, here, from, status, server } => {
                other_server(f, (*at, *here), from, status, *server)
            }
            Self::PortSilent { host, at, server } => write!(
                f,
                "{host}: {server} listens and nobody gets an answer at {at}: whoever keeps the \
                 firewall on or before this machine has to let TCP port {} in",
                at.port()
            ),
            Self::CaLockedOut { host, said } => write!(
                f,
                "{host}: the CA refused it: {said}: whoever keeps the firewall or router before \
                 this machine has to let TCP port 80 in from everywhere, since the CA asks from \
                 several places"
            ),
            Self::CaaForbids { name, at, why, record } => write!(
                f,
                "{name}: the CAA set at {at} {why}: whoever keeps that zone has to publish \
                 `{record}`"
            ),
            Self::CaaUnknown { name, at, record } => write!(
                f,
                "{name}: the CAA record `{}` at {at} is critical and no CA knows its tag (RFC \
                 8659 section 4.5): whoever keeps that zone has to remove it",
                plain(record)
            ),
            Self::CaDown { directory, why, answered } => {
                let who = match answered {
                    true => "its operator has to bring it back",
                    false => {
                        "either its operator has to bring it back, or whoever keeps the firewall \
                         has to let this machine reach it"
                    }
                };
                write!(
                    f,
                    "the CA at {directory} cannot be asked: {why}: {who}; `mailcert run` tries \
                     again by itself"
                )
            }
            Self::RateLimited { said } => write!(f, "the CA's limit is reached: {said}"),
        }
    }
}

fn elsewhere(
    f: &mut fmt::Formatter<'_>,
    host: &Hostname,
    found: &[IpAddr],
    machine: &[IpAddr],
) -> fmt::Result {
    let there: Vec<String> = found.iter().map(ToString::to_string).collect();
    write!(f, "{host} points to {}, and none of these is this machine's: ", there.join(", "))?;
    let kinds = |v6: bool| found.iter().any(|address| address.is_ipv6() == v6);
    // Of a kind that the host has: a record in the place of the wrong one.
    let own = machine.iter().find(|own| kinds(own.is_ipv6())).or_else(|| machine.first());
    if let Some(own) = own {
        write!(
            f,
            "if its mail is to come here, whoever keeps its zone has to publish `{host}. {} \
             {own}`, else ",
            record(*own)
        )?;
    }
    f.write_str(
        "the certificate is that machine's affair; if it is this one behind NAT, state it in \
         [machine] addresses",
    )
}

fn record(address: IpAddr) -> &'static str {
    if address.is_ipv6() { "AAAA" } else { "A" }
}

fn other_server(
    f: &mut fmt::Formatter<'_>,
    (at, here): (SocketAddr, bool),
    from: &AnsweredFrom,
    status: &str,
    server: Option<&str>,
) -> fmt::Result {
    let header = server.map(plain);
    let proxy = header.as_deref().and_then(proxy);
    let known = header.as_deref().and_then(WebServer::of);
    let shown = header.as_ref().map_or_else(String::new, |it| format!(" (Server: {it})"));
    let found = format!(
        "answers at {at} with {status} instead of the token, and the CA would get the same"
    );
    match (proxy, here) {
        (Some(proxy), false) => write!(
            f,
            "a proxy of {proxy}{shown} {found}: whoever keeps the zone has to take the \
             proxy away from this name (\"DNS only\"), which its mail needs as well, since no \
             such proxy passes SMTP on"
        ),
        (_, false) => write!(
            f,
            "another server{shown} {found}: whoever keeps that server has to pass \
             {CHALLENGE} on to this machine, or whoever keeps the zone has to point the name here"
        ),
        (_, true) => {
            let cure = match from {
                AnsweredFrom::Port => format!(
                    "serve {CHALLENGE} from a directory, which becomes webroot in \
                     [challenge.http-01]{}",
                    known.map_or_else(String::new, |name| format!(
                        ", or to pass it on to us (`mailcert setup --web-server {name}`)"
                    ))
                ),
                AnsweredFrom::Directory(directory) => {
                    format!("serve {CHALLENGE} from {}", directory.display())
                }
                AnsweredFrom::Behind(to) => format!(
                    "pass {CHALLENGE} on to {to} (`mailcert setup --web-server {}` prints the lines)",
                    known.map_or("NAME", WebServer::as_str)
                ),
            };
            write!(
                f,
                "another server{shown} {found}: whoever keeps that server, on this machine, has \
                 to {cure}"
            )
        }
    }
}

/// Whose proxy it is, by its `Server` header.
fn proxy(header: &str) -> Option<&'static str> {
    let header = header.to_ascii_lowercase();
    PROXIES.iter().find(|(mark, _)| header.starts_with(mark)).map(|(_, name)| *name)
}

/// Text of strangers: printable, and not without end.
fn plain(text: &str) -> String {
    let seen = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    text.chars().take(120).map(seen).collect()
}

const CHALLENGE: &str = "/.well-known/acme-challenge/";

/// Beginnings of `Server` headers of those who stand before other people's web servers.
const PROXIES: [(&str, &str); 9] = [
    ("cloudflare", "Cloudflare"),
    ("akamai", "Akamai"),
    ("cloudfront", "Amazon CloudFront"),
    ("varnish", "Varnish"),
    ("bunnycdn", "bunny.net"),
    ("ddos-guard", "DDoS-Guard"),
    ("imperva", "Imperva"),
    ("sucuri", "Sucuri"),
    ("keycdn", "KeyCDN"),
];

const OF_OTHERS: [Code; 8] = [
    Code::PointsElsewhere,
    Code::MxElsewhere,
    Code::PortSilent,
    Code::CaaForbids,
    Code::PreflightWrong,
    Code::NameRefused,
    Code::CaUnreachable,
    Code::RateLimited,
];

#[cfg(test)]
mod tests;
