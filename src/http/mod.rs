//! The one HTTP client: timeouts, nodelay, roots, proxy, limits.
//!
//! Everything that asks a web server asks here: the CA, the preflight, later MTA-STS and
//! webhooks. There is no way to turn the check of certificates off. No redirect is followed; who
//! wants one follows it and knows why.

mod error;
mod plain;
mod route;

pub use error::HttpError;
pub use route::Proxy;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, USER_AGENT};
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::model::Hostname;
use crate::trust::Roots;
use route::Route;

/// The client. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Http {
    client: Client<HttpsConnector<Route>, Full<Bytes>>,
    route: Route,
    roots: Arc<str>,
}

impl Http {
    /// A client that trusts `roots` and, where `proxy` says so, goes through a proxy (the values
    /// of `HTTPS_PROXY` and `NO_PROXY`, handed in by whoever reads the environment).
    ///
    /// # Errors
    /// [`HttpError::Proxy`] when the proxy is not one that can be used.
    pub fn new(roots: &Roots, proxy: Option<&Proxy>) -> Result<Self, HttpError> {
        Ok(Self::by(Route::new(proxy)?, roots))
    }

    /// A client that trusts `roots`, and for which `host` is at these addresses, whatever the
    /// system's resolver says; where this one goes through a proxy, that one does, too.
    #[must_use]
    pub fn at(&self, roots: &Roots, host: &Hostname, addresses: &[IpAddr]) -> Self {
        Self::by(self.route.at(host, addresses), roots)
    }

    fn by(route: Route, roots: &Roots) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("aws-lc-rs has suites for TLS 1.2 and 1.3")
            .with_root_certificates(roots.anchors.clone())
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(route.clone());
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Self { client, route, roots: roots.name.as_str().into() }
    }

    /// A client for tests that only speak http: it trusts nobody.
    #[cfg(test)]
    pub(crate) fn trusting_nobody() -> Self {
        let anchors = rustls::RootCertStore::empty();
        Self::new(&Roots { name: "no roots".to_owned(), anchors }, None).expect("there is no proxy")
    }

    /// Sends one request and returns the answer with its whole body, whatever its status. At
    /// most 10 s for the connection, [`DEADLINE`] for all of it, [`BODY_LIMIT`] for the body.
    ///
    /// # Errors
    /// [`HttpError`] when there is no answer.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        self.send_within(request, BODY_LIMIT).await
    }

    /// The same with at most `limit` bytes of the body.
    async fn send_within(
        &self,
        request: Request<Bytes>,
        limit: usize,
    ) -> Result<Response<Bytes>, HttpError> {
        let peer = peer_of(request.uri());
        let mut request = request.map(Full::new);
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(AGENT));
        let whole = async {
            let answer = self
                .client
                .request(request)
                .await
                .map_err(|e| error::of_request(&peer, &self.roots, &e))?;
            collect(answer, &peer, limit).await
        };
        match tokio::time::timeout(DEADLINE, whole).await {
            Ok(result) => result,
            Err(_) => Err(HttpError::Timeout { peer, seconds: DEADLINE.as_secs() }),
        }
    }

    /// The body behind `url`, if the answer is 200.
    ///
    /// # Errors
    /// [`HttpError::Status`] when it is not, and all others.
    pub async fn fetch(&self, url: &str) -> Result<Bytes, HttpError> {
        self.fetch_at_most(url, BODY_LIMIT).await
    }

    /// The same with at most `limit` bytes of the body, for what is larger by its nature: lists
    /// of revoked certificates.
    ///
    /// # Errors
    /// [`HttpError::Status`] when it is not 200, and all others.
    pub async fn fetch_at_most(&self, url: &str, limit: usize) -> Result<Bytes, HttpError> {
        let request = Request::get(url)
            .body(Bytes::new())
            .map_err(|e| HttpError::Url { url: url.to_owned(), why: e.to_string() })?;
        let answer = self.send_within(request, limit).await?;
        if answer.status() == http::StatusCode::OK {
            return Ok(answer.into_body());
        }
        Err(HttpError::Status { url: url.to_owned(), status: answer.status() })
    }
}

/// Reads a body to its end or to the limit.
async fn collect(
    answer: Response<hyper::body::Incoming>,
    peer: &str,
    limit: usize,
) -> Result<Response<Bytes>, HttpError> {
    let (parts, body) = answer.into_parts();
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(Response::from_parts(parts, body.to_bytes())),
        Err(e) if e.is::<http_body_util::LengthLimitError>() => {
            Err(HttpError::TooLong { peer: peer.to_owned(), limit })
        }
        Err(e) => Err(HttpError::Broken { peer: peer.to_owned(), why: error::innermost(&*e) }),
    }
}

/// `host` or `host:port`, as a person would say it.
fn peer_of(url: &Uri) -> String {
    url.authority().map_or_else(|| url.to_string(), ToString::to_string)
}

/// The `Host` header for a URL.
fn host_header(url: &Uri) -> Option<(http::HeaderName, HeaderValue)> {
    Some((HOST, HeaderValue::from_str(url.authority()?.as_str()).ok()?))
}

/// Most a whole exchange may take.
pub const DEADLINE: Duration = Duration::from_secs(30);
/// Most a connection may take.
pub const CONNECT: Duration = Duration::from_secs(10);
/// Most bytes of a body.
pub const BODY_LIMIT: usize = 1 << 20;
/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_secs(30);
/// Who we say we are (RFC 8555 section 6.1 demands a User-Agent).
const AGENT: &str =
    concat!("mailcert/", env!("CARGO_PKG_VERSION"), " (+https://github.com/mailcert/mailcert)");

#[cfg(test)]
mod tests;
