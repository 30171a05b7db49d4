//! A mail server: a good one unless told otherwise, in every protocol that `verify` speaks.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mailcert::model::{Service, TlsMode};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::tls::Tls;
use super::trap::{self, Trap};
use super::words::{self, Side};

/// The longest command that is heard.
const LONGEST_COMMAND: usize = 64 * 1024;
/// How long a listener behind a load balancer waits for the PROXY header.
const PROXY_WAIT: Duration = Duration::from_secs(5);

/// Where something else happens than what a client expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    /// In place of the greeting.
    Greeting,
    /// In place of what is offered (EHLO, CAPABILITY, CAPA).
    Offers,
    /// In place of the go-ahead.
    GoAhead,
    /// In place of the first words of TLS.
    Hello,
    /// In place of the first reply inside TLS.
    Inside,
}

/// How a server behaves.
#[derive(Clone)]
pub(crate) struct Mail {
    service: Service,
    mode: TlsMode,
    host: String,
    tls: Tls,
    trap: Option<(Point, Trap)>,
    replies: Vec<(Side, &'static str, String)>,
    offers: [Vec<String>; 2],
    greet_delay: Duration,
    delay: Duration,
    in_pieces: bool,
    keeps_plain: bool,
    proxy: bool,
}

impl Mail {
    /// A good server of this service.
    pub(crate) fn new(service: Service, host: &str, tls: Tls) -> Self {
        Self {
            service,
            mode: service.tls_mode(),
            host: host.to_owned(),
            tls,
            trap: None,
            replies: Vec::new(),
            offers: words::offers(service),
            greet_delay: Duration::ZERO,
            delay: Duration::ZERO,
            in_pieces: false,
            keeps_plain: false,
            proxy: false,
        }
    }

    /// Another thing happens at this point.
    pub(crate) fn at(mut self, point: Point, trap: Trap) -> Self {
        self.trap = Some((point, trap));
        self
    }

    /// The reply to a command (or `GREETING`) before TLS, with its line ends; `{host}` and `{tag}`
    /// are filled in. One to STARTTLS that is no go-ahead is a refusal.
    pub(crate) fn says(mut self, command: &'static str, reply: &str) -> Self {
        self.replies.push((Side::Plain, command, reply.to_owned()));
        self
    }

    /// The same inside TLS.
    pub(crate) fn says_inside(mut self, command: &'static str, reply: &str) -> Self {
        self.replies.push((Side::Inside, command, reply.to_owned()));
        self
    }

    /// What is offered before TLS.
    pub(crate) fn offers(mut self, offers: &[&str]) -> Self {
        self.offers[0] = offers.iter().map(|offer| (*offer).to_owned()).collect();
        self
    }

    /// What is offered inside TLS.
    pub(crate) fn offers_inside(mut self, offers: &[&str]) -> Self {
        self.offers[1] = offers.iter().map(|offer| (*offer).to_owned()).collect();
        self
    }

    /// TLS at once on a port of STARTTLS, or the other way round.
    pub(crate) fn in_mode(mut self, mode: TlsMode) -> Self {
        self.mode = mode;
        self
    }

    /// Waits before the greeting, as against robots.
    pub(crate) fn greets_after(mut self, delay: Duration) -> Self {
        self.greet_delay = delay;
        self
    }

    /// Waits before each reply, as if it were far away.
    pub(crate) fn delayed(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Sends each byte by itself.
    pub(crate) fn in_pieces(mut self) -> Self {
        self.in_pieces = true;
        self
    }

    /// Obeys inside TLS what came before it (CVE-2011-0411).
    pub(crate) fn keeps_plain(mut self) -> Self {
        self.keeps_plain = true;
        self
    }

    /// Wants a PROXY header first.
    pub(crate) fn behind_proxy(mut self) -> Self {
        self.proxy = true;
        self
    }

    /// Serves one client to its end.
    ///
    /// # Errors
    /// Whatever the client does: nobody minds.
    pub(crate) async fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut heard = Vec::new();
        if self.proxy && !proxied(&mut stream, &mut heard).await? {
            // Postfix's words.
            let words = format!("421 4.3.0 {} Server local error\r\n", self.host);
            stream.write_all(words.as_bytes()).await?;
            return trap::leave(&mut stream).await;
        }
        if self.mode == TlsMode::Implicit {
            return self.secure(stream, heard).await;
        }
        sleep(self.greet_delay).await;
        if self.springs(Point::Greeting, &mut stream).await? {
            return Ok(());
        }
        self.send(&mut stream, &self.reply(Side::Plain, "GREETING")).await?;
        match self.talk(&mut stream, Side::Plain, &mut heard).await? {
            Next::Tls => self.secure(stream, heard).await,
            Next::Over => Ok(()),
        }
    }

    async fn secure(&self, mut stream: TcpStream, heard: Vec<u8>) -> io::Result<()> {
        if matches!(self.trap, Some((Point::Hello, _))) {
            read_record(&mut stream).await?;
            self.springs(Point::Hello, &mut stream).await?;
            return Ok(());
        }
        let (config, done) = match &self.tls {
            Tls::Openssl(peer) => {
                return peer
                    .carry(stream, |mut inner| async move { self.inside(&mut inner, heard).await })
                    .await;
            }
            Tls::Ours(config) => (config, None),
            Tls::Turns(configs, count) => {
                (&configs[count.load(Ordering::SeqCst) % configs.len()], Some(count))
            }
        };
        let accepted = TlsAcceptor::from(config.clone()).accept(stream).into_fallible().await;
        let mut tls = match accepted {
            Ok(tls) => tls,
            Err((_, mut stream)) => return trap::leave(&mut stream).await,
        };
        if let Some(count) = done {
            count.fetch_add(1, Ordering::SeqCst);
        }
        let ended = self.inside(&mut tls, heard).await;
        let (mut stream, _) = tls.into_inner();
        // An alert is lost where the kernel resets a connection with unread bytes.
        let _ = trap::leave(&mut stream).await;
        ended
    }

    async fn inside<S>(&self, stream: &mut S, mut heard: Vec<u8>) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if self.springs(Point::Inside, stream).await? {
            return Ok(());
        }
        if self.mode == TlsMode::Implicit || self.service == Service::Sieve {
            sleep(self.greet_delay).await;
            self.send(stream, &self.reply(Side::Inside, "GREETING")).await?;
        }
        self.talk(stream, Side::Inside, &mut heard).await?;
        stream.shutdown().await
    }

    /// Answers commands until the client leaves or TLS is to begin.
    async fn talk<S>(&self, stream: &mut S, side: Side, heard: &mut Vec<u8>) -> io::Result<Next>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        while let Some(line) = read_line(stream, heard).await? {
            let (tag, command) = words::command(self.service, &line);
            let point = match command.as_str() {
                "EHLO" | "CAPABILITY" | "CAPA" => Some(Point::Offers),
                "STARTTLS" | "STLS" => Some(Point::GoAhead),
                _ => None,
            };
            let point = point.filter(|_| side == Side::Plain);
            if let Some(point) = point
                && self.springs(point, stream).await?
            {
                return Ok(Next::Over);
            }
            let reply = self.reply(side, &command).replace("{tag}", &tag);
            if !self.keeps_plain && point == Some(Point::GoAhead) {
                heard.clear();
            }
            self.send(stream, &reply).await?;
            if matches!(command.as_str(), "QUIT" | "LOGOUT") {
                return Ok(Next::Over);
            }
            if point == Some(Point::GoAhead) && words::is_go_ahead(&reply) {
                return Ok(Next::Tls);
            }
        }
        Ok(Next::Over)
    }

    fn reply(&self, side: Side, command: &str) -> String {
        let own = self.replies.iter().find(|(at, word, _)| *at == side && *word == command);
        let reply = own.map(|(_, _, reply)| reply.clone());
        let offers = &self.offers[side as usize];
        let usual = || words::reply(self.service, command, offers);
        reply.unwrap_or_else(usual).replace("{host}", &self.host)
    }

    async fn send<S: AsyncWrite + Unpin>(&self, stream: &mut S, text: &str) -> io::Result<()> {
        if !self.delay.is_zero() {
            sleep(self.delay).await;
        }
        let pieces = if self.in_pieces { 1 } else { text.len().max(1) };
        for piece in text.as_bytes().chunks(pieces) {
            stream.write_all(piece).await?;
            stream.flush().await?;
        }
        Ok(())
    }

    /// Whether a trap stood here; it has run to its end then.
    async fn springs<S>(&self, at: Point, stream: &mut S) -> io::Result<bool>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        match &self.trap {
            Some((point, trap)) if *point == at => trap.spring(stream).await.map(|()| true),
            _ => Ok(false),
        }
    }
}

/// What follows a dialogue.
#[derive(PartialEq, Eq)]
enum Next {
    Tls,
    Over,
}

/// The next line without its end; `None` when the client has left.
async fn read_line<S>(stream: &mut S, heard: &mut Vec<u8>) -> io::Result<Option<String>>
where
    S: AsyncRead + Unpin,
{
    loop {
        if let Some(end) = heard.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = heard.drain(..=end).collect();
            return Ok(Some(String::from_utf8_lossy(line.trim_ascii_end()).into_owned()));
        }
        if heard.len() > LONGEST_COMMAND || stream.read_buf(heard).await? == 0 {
            return Ok(None);
        }
    }
}

/// One TLS record of the client: its ClientHello.
async fn read_record(stream: &mut TcpStream) -> io::Result<()> {
    let mut head = [0; 5];
    stream.read_exact(&mut head).await?;
    let length = u16::from_be_bytes([head[3], head[4]]);
    stream.read_exact(&mut vec![0; length.into()]).await?;
    Ok(())
}

/// Whether a PROXY header came in time, version 1 or 2; what follows it stays in `heard`.
async fn proxied(stream: &mut TcpStream, heard: &mut Vec<u8>) -> io::Result<bool> {
    const SECOND: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
    let header = async {
        loop {
            let length = if heard.starts_with(SECOND) {
                heard
                    .get(14..16)
                    .map(|length| 16 + usize::from(u16::from_be_bytes([length[0], length[1]])))
            } else if heard.starts_with(b"PROXY ") {
                heard.iter().position(|byte| *byte == b'\n').map(|end| end + 1)
            } else if heard.len() >= SECOND.len() {
                return Ok(false);
            } else {
                None
            };
            if let Some(length) = length.filter(|length| heard.len() >= *length) {
                heard.drain(..length);
                return Ok(true);
            }
            if stream.read_buf(heard).await? == 0 {
                return Ok(false);
            }
        }
    };
    timeout(PROXY_WAIT, header).await.unwrap_or(Ok(false))
}
