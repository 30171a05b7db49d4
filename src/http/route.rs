//! [`Route`]: how a connection is made, directly or through a proxy's CONNECT.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use super::HttpError;

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
    direct: HttpConnector,
    proxy: Option<Arc<Matcher>>,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Route {
    pub(super) fn new(proxy: Option<&Proxy>) -> Result<Self, HttpError> {
        let mut direct = HttpConnector::new();
        direct.set_nodelay(true);
        direct.set_connect_timeout(Some(super::CONNECT));
        direct.enforce_http(false);
        let proxy = match proxy {
            Some(proxy) if !proxy.https.trim().is_empty() => Some(Arc::new(matcher(proxy)?)),
            _ => None,
        };
        Ok(Self { direct, proxy })
    }

    /// The tunnel to `to`, where one is needed.
    fn tunnel(&self, to: &Uri) -> Option<Tunnel<HttpConnector>> {
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
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
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
