//! One look at an address as a CA takes it for http-01 (RFC 8555 section 8.3).

use std::net::SocketAddr;

use http::header::{LOCATION, SERVER};
use http::{StatusCode, Uri};

use super::{Asked, Look, PATIENCE, addresses, is_ours};
use crate::dns::{Dns, Kind};
use crate::http::{Http, HttpError};
use crate::issue::CHALLENGE_PATH;
use crate::model::{AnsweredFrom, Hostname, NotOurs};

/// Asks one address for the token, and follows where it sends us.
pub(super) async fn look(
    mut address: SocketAddr,
    asked: &Asked<'_>,
    dns: &dyn Dns,
    http: &Http,
) -> Look {
    let authority = match asked.port {
        80 => asked.host.to_string(),
        port => format!("{}:{port}", asked.host),
    };
    let first = format!("http://{authority}{CHALLENGE_PATH}{}", asked.token);
    let Ok(mut url) = first.parse::<Uri>() else {
        return Look::Unseen(format!("{first:?} is no URL"));
    };
    for _ in 0..=MOST_REDIRECTS {
        let answer = match http.get_at(address, &url, PATIENCE).await {
            Ok(answer) => answer,
            Err(e) => return of_error(address, &asked.from, e),
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
            from: &asked.from,
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
pub(super) fn target(from: &Uri, location: &str) -> Option<Uri> {
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

fn of_error(address: SocketAddr, from: &AnsweredFrom, error: HttpError) -> Look {
    let why = error.to_string();
    match error {
        HttpError::Connect { kind, .. } => {
            let cure = match from {
                AnsweredFrom::Port => "add it to listen in [challenge.http-01]".to_owned(),
                AnsweredFrom::Behind(at) => {
                    format!("start the web server that is to pass the question on to {at}")
                }
                AnsweredFrom::Directory(directory) => {
                    format!("start the web server that is to serve {}", directory.display())
                }
            };
            Look::of_connecting(address, kind, why, &cure)
        }
        HttpError::TooLong { .. } => Look::Wrong(why),
        _ => Look::Unseen(why),
    }
}

/// What CAs follow.
const MOST_REDIRECTS: usize = 10;
