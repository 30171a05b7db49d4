//! One plain GET to a given address: what a CA's http-01 validation does.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::USER_AGENT;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{AGENT, BODY_LIMIT, Http, HttpError, collect, error, host_header};

impl Http {
    /// Asks for `url` (http only) at `address`, whatever the DNS says of its host, without proxy,
    /// and follows nothing. Connection and answer together may take `deadline`.
    ///
    /// # Errors
    /// [`HttpError`]; `Connect` carries the kind of the failure, so that "refused" can be told
    /// from "no route".
    pub async fn get_at(
        &self,
        address: SocketAddr,
        url: &Uri,
        deadline: Duration,
    ) -> Result<Response<Bytes>, HttpError> {
        if url.scheme_str() != Some("http") {
            let why = "only http is asked at a given address".to_owned();
            return Err(HttpError::Url { url: url.to_string(), why });
        }
        let peer = || address.to_string();
        let until = Instant::now() + deadline;
        let stream = match tokio::time::timeout_at(until, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(e)) => {
                let (why, kind) = (e.to_string(), e.kind());
                return Err(HttpError::Connect { peer: peer(), why, kind });
            }
            Err(_) => {
                let why = format!("nobody answered within {} s", deadline.as_secs());
                let kind = ErrorKind::TimedOut;
                return Err(HttpError::Connect { peer: peer(), why, kind });
            }
        };
        let late = |_| HttpError::Timeout { peer: peer(), seconds: deadline.as_secs() };
        tokio::time::timeout_at(until, get(stream, &peer(), url)).await.map_err(late)?
    }
}

async fn get(stream: TcpStream, peer: &str, url: &Uri) -> Result<Response<Bytes>, HttpError> {
    let broken =
        |e: hyper::Error| HttpError::Broken { peer: peer.to_owned(), why: error::innermost(&e) };
    // A socket that cannot be told so is only slower.
    let _ = stream.set_nodelay(true);
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // Aborted when this future goes, so that nothing of it lives on.
    let mut tasks = JoinSet::new();
    tasks.spawn(connection);
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::get(path)
        .body(Empty::<Bytes>::new())
        .map_err(|e| HttpError::Url { url: url.to_string(), why: e.to_string() })?;
    let headers = request.headers_mut();
    headers.extend(host_header(url));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    let answer = sender.send_request(request).await.map_err(broken)?;
    collect(answer, peer, BODY_LIMIT).await
}
