//! [`Listener`]: answers http-01 challenges on our own socket, bound only while one is presented.

mod taken;

pub use taken::holder as port_holder;

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::issue::Solver;
use crate::model::Hostname;

/// The http-01 listener. Many orders share it: the first challenge binds its sockets, the last
/// one to go closes them.
#[derive(Debug)]
pub struct Listener {
    addresses: Vec<SocketAddr>,
    /// Held while sockets are bound, so that two orders do not bind twice.
    door: tokio::sync::Mutex<()>,
    state: Arc<Mutex<State>>,
    /// A missing address family is worth one line, not one for each bind.
    noted: Once,
}

#[derive(Debug, Default)]
struct State {
    /// What is presented: how often, and the answer.
    tokens: HashMap<String, (usize, Bytes)>,
    /// The tasks that hold the sockets.
    running: Vec<JoinHandle<()>>,
    /// Tasks told to end, whose sockets may not be closed yet.
    ending: Vec<JoinHandle<()>>,
}

impl Listener {
    /// A listener on these addresses. A v6 socket takes v6 only; a family the machine does not
    /// have is left out as long as another remains.
    #[must_use]
    pub fn new(addresses: Vec<SocketAddr>) -> Self {
        let door = tokio::sync::Mutex::default();
        Self { addresses, door, state: Arc::default(), noted: Once::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Binds every address, or says what stands in the way.
    fn bind(&self) -> Result<Vec<TcpListener>, String> {
        let mut sockets = Vec::new();
        let mut missing = Vec::new();
        for address in &self.addresses {
            match bind(*address) {
                Ok(socket) => sockets.push(socket),
                Err(e) if lacks_family(*address, &e) => {
                    self.noted.call_once(|| {
                        tracing::info!(%address, "this machine has no addresses of this family");
                    });
                    missing.push(format!("cannot listen on {address}: {e}"));
                }
                Err(e) => return Err(obstacle(*address, &e)),
            }
        }
        if sockets.is_empty() {
            missing.push("the listener has no address to listen on".to_owned());
            return Err(missing.swap_remove(0));
        }
        Ok(sockets)
    }
}

#[async_trait]
impl Solver for Listener {
    async fn present(
        &self,
        _host: &Hostname,
        token: &str,
        key_authorization: &str,
    ) -> Result<(), String> {
        let _door = self.door.lock().await;
        let ending = std::mem::take(&mut self.lock().ending);
        for task in ending {
            // It was told to end; its socket is closed when it has.
            let _ = task.await;
        }
        if self.lock().running.is_empty() {
            let sockets = self.bind()?;
            let slots = Arc::new(Semaphore::new(CONNECTIONS));
            let serve = |socket| tokio::spawn(accept(socket, self.state.clone(), slots.clone()));
            self.lock().running = sockets.into_iter().map(serve).collect();
        }
        let mut state = self.lock();
        let answer = Bytes::copy_from_slice(key_authorization.as_bytes());
        let (count, shown) = state.tokens.entry(token.to_owned()).or_default();
        (*count, *shown) = (*count + 1, answer);
        Ok(())
    }

    async fn clear(&self, _host: &Hostname, token: &str) {
        let mut state = self.lock();
        let Some((count, _)) = state.tokens.get_mut(token) else { return };
        *count -= 1;
        if *count == 0 {
            state.tokens.remove(token);
        }
        if state.tokens.is_empty() {
            let tasks = std::mem::take(&mut state.running);
            tasks.iter().for_each(JoinHandle::abort);
            state.ending.extend(tasks);
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.lock().running.iter().for_each(JoinHandle::abort);
    }
}

/// A panic elsewhere does not make the map wrong.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One socket; a v6 one takes v6 only.
pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
    if address.is_ipv6() {
        // Otherwise `[::]:80` takes the v4 port too, and `0.0.0.0:80` finds it taken.
        rustix::net::sockopt::set_ipv6_v6only(&socket, true)?;
    }
    // Connections of the last round that linger in TIME_WAIT are no obstacle.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Whether the machine lacks the whole family, not only this address.
fn lacks_family(address: SocketAddr, error: &io::Error) -> bool {
    let code = rustix::io::Errno::from_io_error(error);
    code == Some(rustix::io::Errno::AFNOSUPPORT)
        || (error.kind() == io::ErrorKind::AddrNotAvailable && address.ip().is_unspecified())
}

/// What stands in the way and what to do about it.
fn obstacle(address: SocketAddr, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            let by =
                taken::holder(address).unwrap_or_else(|| "a process only root can see".to_owned());
            format!(
                "{address} is taken by {by}; let it serve the answers ([challenge.http-01] \
                 webroot = \"/var/www/html\"), or stop it"
            )
        }
        io::ErrorKind::AddrNotAvailable => format!(
            "{address} is no address of this machine; correct listen in [challenge.http-01]"
        ),
        io::ErrorKind::PermissionDenied => format!(
            "{address} may not be listened on by this user; run as root or with \
             CAP_NET_BIND_SERVICE, or use webroot = \"/var/www/html\" in [challenge.http-01]"
        ),
        _ => format!("cannot listen on {address}: {error}"),
    }
}

/// Takes connections until it is aborted; then the socket is closed.
async fn accept(socket: TcpListener, state: Arc<Mutex<State>>, slots: Arc<Semaphore>) {
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else { return };
        match socket.accept().await {
            Ok((stream, _)) => {
                let state = state.clone();
                tokio::spawn(async move {
                    // Who is slower than this is cut off.
                    let _ = tokio::time::timeout(PATIENCE, serve(stream, state)).await;
                    drop(slot);
                });
            }
            // Out of descriptors: the next try may find some.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn serve(stream: TcpStream, state: Arc<Mutex<State>>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request: Request<hyper::body::Incoming>| {
        let answer = answer(request.method(), request.uri().path(), &state);
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
fn answer(method: &Method, path: &str, state: &Mutex<State>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    if method != Method::GET && method != Method::HEAD {
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let token = path.strip_prefix(super::CHALLENGE_PATH);
    match token.and_then(|token| lock(state).tokens.get(token).map(|(_, shown)| shown.clone())) {
        Some(shown) => {
            *response.body_mut() = Full::new(shown);
            let kind = HeaderValue::from_static("application/octet-stream");
            response.headers_mut().insert(CONTENT_TYPE, kind);
        }
        None => *response.status_mut() = StatusCode::NOT_FOUND,
    }
    response
}

/// Connections served at once.
const CONNECTIONS: usize = 256;
/// Connections the kernel keeps waiting.
const BACKLOG: u32 = 256;
/// Most bytes of a request's head.
const REQUEST_LIMIT: usize = 8192;
/// Most a connection may take.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::Listener;
    use crate::issue::Solver;
    use crate::model::Hostname;

    fn host() -> Hostname {
        Hostname::parse("mx.example.org").unwrap()
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
