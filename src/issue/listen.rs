//! [`Listener`]: answers http-01 challenges on our own socket, bound only while one is presented.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use crate::issue::Solver;
use crate::issue::door::{Door, PATIENCE};
use crate::model::{AnsweredFrom, DnsId};

/// The http-01 listener.
#[derive(Debug)]
pub struct Listener {
    door: Door,
    tokens: Arc<Mutex<Tokens>>,
    from: AnsweredFrom,
}

/// What is presented: how often, and the answer.
type Tokens = HashMap<String, (usize, Bytes)>;

impl Listener {
    /// A listener on these addresses. Where none of them is at port 80, a web server is to pass on
    /// what it is asked there.
    #[must_use]
    pub fn new(addresses: Vec<SocketAddr>) -> Self {
        let behind = addresses.first().filter(|_| addresses.iter().all(|at| at.port() != 80));
        let from = behind.map_or(AnsweredFrom::Port, |at| AnsweredFrom::Behind(*at));
        let door = Door::new(addresses, "[challenge.http-01]", YIELD);
        Self { door, tokens: Arc::default(), from }
    }
}

#[async_trait]
impl Solver for Listener {
    fn answered_from(&self, _host: &DnsId) -> AnsweredFrom {
        self.from.clone()
    }

    async fn present(
        &self,
        _host: &DnsId,
        token: &str,
        key_authorization: &str,
    ) -> Result<(), String> {
        let tokens = self.tokens.clone();
        self.door.open(move |stream| serve(stream, tokens.clone())).await?;
        let answer = Bytes::copy_from_slice(key_authorization.as_bytes());
        let mut tokens = lock(&self.tokens);
        let (count, shown) = tokens.entry(token.to_owned()).or_default();
        (*count, *shown) = (*count + 1, answer);
        Ok(())
    }

    async fn clear(&self, _host: &DnsId, token: &str) {
        let mut tokens = lock(&self.tokens);
        let Some((count, _)) = tokens.get_mut(token) else { return };
        *count -= 1;
        if *count == 0 {
            tokens.remove(token);
        }
        self.door.close();
    }
}

/// A panic elsewhere does not make the map wrong.
fn lock(tokens: &Mutex<Tokens>) -> MutexGuard<'_, Tokens> {
    tokens.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(stream: TcpStream, tokens: Arc<Mutex<Tokens>>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request: Request<hyper::body::Incoming>| {
        let answer = answer(request.method(), request.uri().path(), &tokens);
        async move { Ok::<_, Infallible>(answer) }
    });
    // What strangers send wrong is theirs; there is nobody to tell.
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(REQUEST_LIMIT)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// The answer to one request: a presented token, or nothing.
fn answer(method: &Method, path: &str, tokens: &Mutex<Tokens>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    if method != Method::GET && method != Method::HEAD {
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let token = path.strip_prefix(super::CHALLENGE_PATH);
    match token.and_then(|token| lock(tokens).get(token).map(|(_, shown)| shown.clone())) {
        Some(shown) => {
            *response.body_mut() = Full::new(shown);
            let kind = HeaderValue::from_static("application/octet-stream");
            response.headers_mut().insert(CONTENT_TYPE, kind);
        }
        None => *response.status_mut() = StatusCode::NOT_FOUND,
    }
    response
}

/// What else is to be done where another program has the port.
const YIELD: &str = "have the answers served by a web server ([challenge.http-01] webroot = \
                     \"/var/www/html\") or passed on by it (`mailcert setup --web-server nginx`)";
/// Most bytes of a request's head.
const REQUEST_LIMIT: usize = 8192;

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::Listener;
    use crate::issue::Solver;
    use crate::model::DnsId;

    fn host() -> DnsId {
        DnsId::parse("mx.example.org").unwrap()
    }

    /// A free port: bound once and given back.
    fn free(ip: &str) -> SocketAddr {
        std::net::TcpListener::bind((ip, 0)).unwrap().local_addr().unwrap()
    }

    async fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        answer
    }

    #[tokio::test]
    async fn only_presented_tokens_are_served() {
        let address = free("127.0.26.3");
        let listener = Listener::new(vec![address]);
        listener.present(&host(), "tok", "tok.key").await.unwrap();
        let path = "/.well-known/acme-challenge/";
        for (request, status, body) in [
            (format!("GET {path}tok HTTP/1.1\r\nHost: x\r\n\r\n"), "200 OK", "tok.key"),
            (format!("HEAD {path}tok HTTP/1.1\r\nHost: x\r\n\r\n"), "200 OK", ""),
            (format!("GET {path}other HTTP/1.1\r\nHost: x\r\n\r\n"), "404 Not Found", ""),
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "404 Not Found", ""),
            (format!("GET {path}../tok HTTP/1.0\r\n\r\n"), "404 Not Found", ""),
            (format!("POST {path}tok HTTP/1.1\r\nHost: x\r\n\r\n"), "405 Method Not Allowed", ""),
            (format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(9000)), "4", ""),
        ] {
            let answer = ask(address, &request).await;
            let head = answer.split(' ').skip(1).collect::<Vec<_>>().join(" ");
            assert!(head.starts_with(status), "{request}: {answer}");
            assert!(answer.ends_with(&format!("\r\n\r\n{body}")), "{request}: {answer}");
        }
        listener.clear(&host(), "tok").await;
    }

    #[tokio::test]
    async fn the_port_is_held_only_while_something_is_presented() {
        let address = free("127.0.26.3");
        let listener = Listener::new(vec![address]);
        for _ in 0..20 {
            assert!(TcpStream::connect(address).await.is_err());
            listener.present(&host(), "a", "a.k").await.unwrap();
            listener.present(&host(), "b", "b.k").await.unwrap();
            listener.present(&host(), "a", "a.k").await.unwrap();
            listener.clear(&host(), "a").await;
            listener.clear(&host(), "b").await;
            assert!(TcpStream::connect(address).await.is_ok());
            listener.clear(&host(), "a").await;
            listener.clear(&host(), "a").await;
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_taken_port_names_its_holder() {
        let socket = std::net::TcpListener::bind("127.0.26.3:0").unwrap();
        let address = socket.local_addr().unwrap();
        let refused = Listener::new(vec![address]).present(&host(), "t", "t.k").await.unwrap_err();
        let pid = format!("(pid {})", std::process::id());
        assert!(refused.starts_with(&format!("{address} is taken by ")), "{refused}");
        assert!(refused.contains(&pid) && refused.contains("webroot = "), "{refused}");
    }

    #[tokio::test]
    async fn both_families_share_a_port_and_a_foreign_address_is_said() {
        // As the default has it: the v6 socket must leave the v4 port alone.
        let port = free("0.0.0.0").port();
        let [v4, v6] = ["0.0.0.0", "::"].map(|ip| SocketAddr::new(ip.parse().unwrap(), port));
        let listener = Listener::new(vec![v6, v4]);
        listener.present(&host(), "t", "t.k").await.unwrap();
        listener.clear(&host(), "t").await;
        let foreign = Listener::new(vec!["192.0.2.1:80".parse().unwrap()]);
        assert_eq!(
            foreign.present(&host(), "t", "t.k").await.unwrap_err(),
            "192.0.2.1:80 is no address of this machine; correct listen in [challenge.http-01]"
        );
    }
}
