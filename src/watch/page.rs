//! [`Page`]: `/metrics` for Prometheus, `/healthz` for who asks whether all is well, on a loopback
//! address. Nothing secret is on it, and nobody can change anything by it.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::model::Timestamp;
use crate::watch::Schedule;

/// What is told to who asks.
#[derive(Debug)]
pub struct Page {
    told: Mutex<Told>,
    now: fn() -> Timestamp,
}

#[derive(Debug)]
struct Told {
    metrics: Option<Bytes>,
    schedule: Schedule,
    trouble: Option<String>,
}

impl Page {
    /// Nothing has been measured yet. `now` reads the clock.
    #[must_use]
    pub fn new(schedule: Schedule, now: fn() -> Timestamp) -> Self {
        Self { told: Mutex::new(Told { metrics: None, schedule, trouble: None }), now }
    }

    /// What a round measured, as Prometheus reads it.
    pub fn measured(&self, text: Vec<u8>) {
        self.told().metrics = Some(text.into());
    }

    /// When the next round is due, and why the last one could not work, if so.
    pub fn due(&self, schedule: &Schedule, trouble: Option<&str>) {
        let mut told = self.told();
        told.schedule = schedule.clone();
        told.trouble = trouble.map(str::to_owned);
    }

    /// A panic elsewhere does not make it wrong.
    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers who connects, for ever.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) {
        let places = Arc::new(Semaphore::new(MOST));
        loop {
            let Ok(place) = places.clone().acquire_owned().await else { return };
            let Ok((stream, _)) = listener.accept().await else {
                // Too many files are open: by and by some are closed.
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            };
            let page = self.clone();
            tokio::spawn(async move {
                // Who takes longer is not answered.
                let _ = tokio::time::timeout(PATIENCE, page.answer_on(stream)).await;
                drop(place);
            });
        }
    }

    async fn answer_on(&self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let service = service_fn(|request: Request<hyper::body::Incoming>| {
            let answer = self.answer(request.method(), request.uri().path());
            async move { Ok::<_, Infallible>(answer) }
        });
        // What others send wrong is theirs; there is nobody to tell.
        let _ = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE)
            .max_buf_size(REQUEST_LIMIT)
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service)
            .await;
    }

    fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        if method != Method::GET && method != Method::HEAD {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD\n".into());
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match (path, &self.told().metrics) {
            ("/metrics", Some(text)) => {
                let mut response = plain(StatusCode::OK, text.clone());
                let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
                response.headers_mut().insert(CONTENT_TYPE, kind);
                return response;
            }
            ("/metrics", None) => {
                let text = "nothing is measured yet: the first look has not ended\n";
                return plain(StatusCode::SERVICE_UNAVAILABLE, text.into());
            }
            _ => {}
        }
        match path {
            "/healthz" => self.health(),
            _ => plain(StatusCode::NOT_FOUND, "/metrics or /healthz\n".into()),
        }
    }

    fn health(&self) -> Response<Full<Bytes>> {
        let told = self.told();
        let Some(since) = told.schedule.overdue((self.now)()) else {
            let text = format!("ok: the next look is due at {}\n", told.schedule.due());
            return plain(StatusCode::OK, text.into());
        };
        let why = told.trouble.as_deref().unwrap_or("it has not ended");
        let text = format!("overdue: no look since {since}: {why}\n");
        plain(StatusCode::SERVICE_UNAVAILABLE, text.into())
    }
}

fn plain(status: StatusCode, text: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// So many are answered at once; the others wait.
const MOST: usize = 16;
/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most bytes of a request's head.
const REQUEST_LIMIT: usize = 8192;

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::watch::Ended;

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

    async fn page(schedule: Schedule) -> (Arc<Page>, SocketAddr) {
        let page = Arc::new(Page::new(schedule, || NOW));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(page.clone().serve(listener));
        (page, address)
    }

    async fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        answer
    }

    async fn is(address: SocketAddr, request: &str, status: &str, body: &str) {
        let answer = ask(address, request).await;
        let head = answer.split(' ').skip(1).collect::<Vec<_>>().join(" ");
        assert!(head.starts_with(status), "{request}: {answer}");
        assert!(answer.ends_with(&format!("\r\n\r\n{body}")), "{request}: {answer}");
    }

    #[tokio::test]
    async fn what_was_measured_is_served_and_nothing_else() {
        let (page, address) = page(Schedule::new(NOW, Duration::ZERO)).await;
        let metrics = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
        let none = "nothing is measured yet: the first look has not ended\n";
        is(address, metrics, "503", none).await;
        page.measured(b"mailcert_run_ok 1\n".to_vec());
        is(address, metrics, "200", "mailcert_run_ok 1\n").await;
        let answer = ask(address, metrics).await;
        assert!(answer.contains("content-type: text/plain; version=0.0.4"), "{answer}");
        is(address, "HEAD /metrics HTTP/1.0\r\n\r\n", "200", "").await;
        is(address, "GET / HTTP/1.0\r\n\r\n", "404", "/metrics or /healthz\n").await;
        is(address, "POST /metrics HTTP/1.0\r\n\r\n", "405", "GET or HEAD\n").await;
        is(address, &format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(9000)), "4", "").await;
    }

    #[tokio::test]
    async fn health_says_what_is_overdue_and_why() {
        let mut schedule = Schedule::new(NOW.minus(Duration::from_secs(3601)), Duration::ZERO);
        let (page, address) = page(schedule.clone()).await;
        let health = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
        page.due(&schedule, Some("another mailcert is at work"));
        let text = "overdue: no look since 2027-01-15T06:59:59Z: another mailcert is at work\n";
        is(address, health, "503", text).await;
        schedule.ended(Ended::Whole { wake: None }, Duration::from_secs(60), NOW);
        page.due(&schedule, None);
        is(address, health, "200", "ok: the next look is due at 2027-01-15T08:01:00Z\n").await;
    }

    #[tokio::test]
    async fn who_says_nothing_keeps_nobody_else_waiting_for_long() {
        let (_page, address) = page(Schedule::new(NOW, Duration::ZERO)).await;
        let mut silent = Vec::new();
        for _ in 0..MOST - 1 {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let asked = is(address, "GET / HTTP/1.0\r\n\r\n", "404", "/metrics or /healthz\n");
        tokio::time::timeout(PATIENCE / 2, asked).await.unwrap();
    }
}
