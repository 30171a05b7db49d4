//! [`Route`]: how a connection is made, directly or through a proxy's CONNECT, and where to.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::ready;
use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use super::HttpError;
use crate::model::Hostname;

/// The proxy the environment names.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Proxy {
    /// `HTTPS_PROXY`: `http://[USER:PASSWORD@]HOST:PORT`.
    pub https: String,
    /// `NO_PROXY`: hosts, domains and networks that are asked directly, or nothing.
    pub no: String,
}

/// Makes connections: with nodelay (a POST is two small writes, and Nagle's wait for the other
/// side's delayed ACK costs 40 ms each), and not through the proxy to this machine itself.
#[derive(Clone, Debug)]
pub(super) struct Route {
    direct: HttpConnector<Names>,
    proxy: Option<Arc<Matcher>>,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Route {
    pub(super) fn new(proxy: Option<&Proxy>) -> Result<Self, HttpError> {
        let proxy = match proxy {
            Some(proxy) if !proxy.https.trim().is_empty() => Some(Arc::new(matcher(proxy)?)),
            _ => None,
        };
        Ok(Self { direct: connector(Names::default()), proxy })
    }

    /// The same, where `host` is at these addresses and the system is not asked for it. What goes
    /// through a proxy goes through it still.
    pub(super) fn at(&self, host: &Hostname, addresses: &[IpAddr]) -> Self {
        let given = Some((host.as_str().into(), addresses.into()));
        let direct = connector(Names { given, ..Names::default() });
        Self { direct, proxy: self.proxy.clone() }
    }

    /// The tunnel to `to`, where one is needed.
    fn tunnel(&self, to: &Uri) -> Option<Tunnel<HttpConnector<Names>>> {
        if to.scheme_str() != Some("https") || is_loopback(to.host()?) {
            return None;
        }
        let through = self.proxy.as_ref()?.intercept(to)?;
        let tunnel = Tunnel::new(through.uri().clone(), self.direct.clone());
        Some(match through.basic_auth() {
            Some(auth) => tunnel.with_auth(auth.clone()),
            None => tunnel,
        })
    }
}

fn connector(names: Names) -> HttpConnector<Names> {
    let mut direct = HttpConnector::new_with_resolver(names);
    direct.set_nodelay(true);
    direct.set_connect_timeout(Some(super::CONNECT));
    direct.enforce_http(false);
    direct
}

/// Where hosts are: one of them where it is said to be, all others where the system says.
#[derive(Clone, Debug)]
pub(super) struct Names {
    given: Option<(Arc<str>, Arc<[IpAddr]>)>,
    system: GaiResolver,
}

impl Default for Names {
    fn default() -> Self {
        Self { given: None, system: GaiResolver::new() }
    }
}

impl Service<Name> for Names {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.system.poll_ready(context)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        match &self.given {
            Some((host, addresses)) if name.as_str().eq_ignore_ascii_case(host) => {
                // The connector puts the URL's port in the place of 0.
                let all: Vec<_> = addresses.iter().map(|at| SocketAddr::new(*at, 0)).collect();
                Box::pin(ready(Ok(all.into_iter())))
            }
            _ => {
                let asking = self.system.call(name);
                Box::pin(async move { Ok(asking.await?.collect::<Vec<_>>().into_iter()) })
            }
        }
    }
}

fn matcher(proxy: &Proxy) -> Result<Matcher, HttpError> {
    let refused = |why: &str| HttpError::Proxy {
        // What stands before the @ is a password.
        proxy: proxy.https.rsplit('@').next().unwrap_or_default().to_owned(),
        why: why.to_owned(),
    };
    let matcher = Matcher::builder().https(proxy.https.trim()).no(proxy.no.trim()).build();
    let anywhere = Uri::from_static("https://proxy-check.invalid/");
    let everything = Matcher::builder().https(proxy.https.trim()).build();
    let found = everything.intercept(&anywhere).ok_or_else(|| refused("it is no URL"))?;
    match found.uri().scheme_str() {
        Some("http") => Ok(matcher),
        Some(other) => Err(refused(&format!("{other} proxies are not available yet"))),
        None => Err(refused("it is no URL")),
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl Service<Uri> for Route {
    type Response = TokioIo<TcpStream>;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Failure>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.direct.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        match self.tunnel(&to) {
            Some(mut tunnel) => {
                let connecting = tunnel.call(to);
                Box::pin(async move { connecting.await.map_err(Into::into) })
            }
            None => {
                let connecting = self.direct.call(to);
                Box::pin(async move { connecting.await.map_err(Into::into) })
            }
        }
    }
}
