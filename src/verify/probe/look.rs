//! One connection: TCP, the plain conversation, the handshake, what is offered inside TLS, goodbye.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::client::TlsStream;

use super::broken::{broken, closed, no_connection, timed_out, tls_error};
use super::capture::{Capture, config};
use super::tap::Tap;
use crate::model::{Code, Hostname, Service, Stage, Tls, TlsMode};
use crate::verify::starttls::{Dialogue, Heard, Move, proxy};
use crate::verify::{Ask, Fault, Side, Sni, visible};

/// Connecting takes at most this long.
const CONNECT: Duration = Duration::from_secs(10);
/// How long the reply to a goodbye is waited for.
pub(super) const GOODBYE: Duration = Duration::from_secs(2);

/// What one connection showed.
#[derive(Debug)]
pub(super) struct Look {
    /// What ended it, unless it went through.
    pub(super) fault: Option<Fault>,
    /// The chain as sent, in DER; empty if it came to no handshake.
    pub(super) chain: Vec<Vec<u8>>,
    /// The session, if there was one.
    pub(super) tls: Option<Tls>,
    /// What the conversation left behind.
    pub(super) heard: Heard,
    /// How long the server said nothing after the connection stood; `None` if it never spoke
    /// before TLS.
    pub(super) silence: Option<Duration>,
}

impl Look {
    /// One that came to nothing.
    pub(super) fn ended_by(fault: Fault) -> Self {
        let heard = Heard::default();
        Self { fault: Some(fault), chain: Vec::new(), tls: None, heard, silence: None }
    }
}

/// Where to connect and what to say there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Aim<'a> {
    pub(super) to: SocketAddr,
    pub(super) service: Service,
    /// How TLS begins, which may be another way than the service has it.
    pub(super) mode: TlsMode,
    /// The name that is sent, if one is.
    pub(super) host: &'a Hostname,
    pub(super) sni: bool,
    /// The only algorithm to offer.
    pub(super) side: Option<Side>,
    /// Whether a PROXY header goes first.
    pub(super) proxy: bool,
    /// How long the server may say nothing before its greeting; `None`: until the deadline.
    pub(super) patience: Option<Duration>,
}

impl<'a> Aim<'a> {
    /// Where an endpoint is looked at; `None` if it has no address.
    pub(super) fn of(ask: &'a Ask) -> Option<Self> {
        let Ask { endpoint, connect, sni, side, proxy_header, .. } = ask;
        let address = endpoint.address.map(|address| SocketAddr::new(address, endpoint.port));
        Some(Self {
            to: connect.or(address)?,
            service: endpoint.service,
            mode: endpoint.service.tls_mode(),
            host: &endpoint.host,
            sni: *sni == Sni::Host,
            side: *side,
            proxy: *proxy_header,
            patience: None,
        })
    }

    /// The conversation to have there.
    pub(super) fn dialogue(&self) -> Dialogue {
        Dialogue::new(self.service).in_mode(self.mode)
    }
}

/// Looks once; it ends at the deadline wherever it is then.
pub(super) async fn look(aim: Aim<'_>, deadline: Instant) -> Look {
    look_with(aim, aim.dialogue(), deadline).await
}

/// The same with another conversation.
pub(super) async fn look_with(aim: Aim<'_>, dialogue: Dialogue, deadline: Instant) -> Look {
    let mut talk = Talk::new(aim, dialogue);
    let mut tls = None;
    let fault = match timeout_at(deadline, converse(&mut talk, &mut tls)).await {
        Ok(Ok(())) => None,
        Ok(Err(fault)) => Some(*fault),
        Err(_) => Some(timed_out(talk.stage)),
    };
    Look {
        fault,
        chain: talk.capture.chain(),
        tls,
        heard: talk.dialogue.into_heard(),
        silence: talk.silence,
    }
}

/// One connection while it lasts.
pub(super) struct Talk<'a> {
    pub(super) aim: Aim<'a>,
    pub(super) dialogue: Dialogue,
    capture: Arc<Capture>,
    stage: Stage,
    silence: Option<Duration>,
}

async fn converse(talk: &mut Talk<'_>, tls: &mut Option<Tls>) -> Result<(), Box<Fault>> {
    let mut stream = talk.secure().await?;
    if let Some(why) = talk.capture.unproven() {
        return Err(Box::new(Fault {
            expected: Some("a handshake signed with the certificate's key".to_owned()),
            found: vec![visible(&why)],
            ..Fault::new(Code::HandshakeFailed, Stage::Handshake)
        }));
    }
    *tls = Some(session(stream.get_ref().1));
    let next = talk.dialogue.secured();
    talk.stage = talk.dialogue.stage();
    let ended = talk.carry(&mut stream, next).await;
    if ended.is_err() {
        talk.leave(&mut stream).await;
    }
    // The rest is closed by dropping it; close_notify is politeness.
    let _ = timeout(GOODBYE, stream.shutdown()).await;
    ended
}

impl<'a> Talk<'a> {
    pub(super) fn new(aim: Aim<'a>, dialogue: Dialogue) -> Self {
        let capture = Arc::new(Capture::default());
        Self { aim, dialogue, capture, stage: Stage::Connect, silence: None }
    }

    /// Connects and talks until TLS may begin.
    pub(super) async fn ready(&mut self) -> Result<Tap, Box<Fault>> {
        let mut tap = open(self.aim).await?;
        if self.aim.mode == TlsMode::Starttls {
            self.stage = Stage::Greeting;
            if let Err(fault) = self.carry(&mut tap, Move::Wait).await {
                self.leave(&mut tap).await;
                return Err(fault);
            }
        }
        self.stage = Stage::Handshake;
        tap.reset();
        Ok(tap)
    }

    /// Connects and talks until TLS stands.
    pub(super) async fn secure(&mut self) -> Result<TlsStream<Tap>, Box<Fault>> {
        let tap = self.ready().await?;
        let aim = self.aim;
        let name = ServerName::try_from(aim.host.to_string())
            .map_err(|_| Box::new(Fault::new(Code::HandshakeFailed, Stage::Handshake)))?;
        let config = Arc::new(config(&self.capture, aim.sni, aim.side)?);
        let connecting = tokio_rustls::TlsConnector::from(config).connect(name, tap);
        connecting
            .into_fallible()
            .await
            .map_err(|(error, tap)| broken(&error, Stage::Handshake, &self.capture, tap.as_ref()))
    }

    /// Carries the conversation until TLS may begin or all is said.
    async fn carry<S>(&mut self, stream: &mut S, mut next: Move) -> Result<(), Box<Fault>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let begun = Instant::now();
        let mut buffer = [0; 2048];
        loop {
            next = match next {
                Move::Handshake | Move::Done => return Ok(()),
                Move::GiveUp(fault) => return Err(fault),
                Move::Send(words) => {
                    self.stage = self.dialogue.stage();
                    let sent = write(stream, words.as_bytes()).await;
                    sent.map_err(|error| self.broken(&error))?;
                    self.dialogue.hear(&[])
                }
                Move::Wait => {
                    let silent = self.dialogue.is_silent();
                    let leaving = self.dialogue.is_leaving();
                    let limit = if leaving { Some(GOODBYE) } else { self.aim.patience };
                    let limit = limit.filter(|_| leaving || silent);
                    match read(stream, &mut buffer, limit).await {
                        None if leaving => return Ok(()),
                        None => return Err(Box::new(timed_out(self.stage))),
                        Some(Ok(0)) if leaving => return Ok(()),
                        Some(Err(error)) if leaving && tls_error(&error).is_none() => {
                            return Ok(());
                        }
                        Some(Ok(0)) => return Err(self.closed(begun.elapsed())),
                        Some(Err(error)) => return Err(self.broken(&error)),
                        Some(Ok(count)) => {
                            if silent {
                                self.silence = Some(begun.elapsed());
                            }
                            self.dialogue.hear(&buffer[..count])
                        }
                    }
                }
            };
            if !matches!(next, Move::Done | Move::Handshake) {
                self.stage = self.dialogue.stage();
            }
        }
    }

    /// Says goodbye, which is only politeness: the server may be gone already. Nothing is said
    /// before the server has said something.
    async fn leave<S: AsyncWrite + Unpin>(&self, stream: &mut S) {
        if !self.dialogue.is_silent() {
            let _ = timeout(GOODBYE, write(stream, self.dialogue.goodbye().as_bytes())).await;
        }
    }

    fn closed(&mut self, after: Duration) -> Box<Fault> {
        if self.dialogue.is_silent() {
            self.silence = Some(after);
        }
        closed(self.dialogue.stage(), &self.capture)
    }

    fn broken(&self, error: &io::Error) -> Box<Fault> {
        broken(error, self.dialogue.stage(), &self.capture, &[])
    }
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

/// Reads; `None` if nothing came within the limit.
async fn read<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut [u8],
    limit: Option<Duration>,
) -> Option<io::Result<usize>> {
    match limit {
        Some(limit) => timeout(limit, stream.read(buffer)).await.ok(),
        None => Some(stream.read(buffer).await),
    }
}

/// Connects, and says who connects where the listener wants to know.
async fn open(aim: Aim<'_>) -> Result<Tap, Box<Fault>> {
    let mut tap = connect(aim.to).await?;
    if let (true, Ok((from, to))) = (aim.proxy, tap.ends()) {
        let header = proxy::header(from, to);
        let sent = tap.write_all(header.as_bytes()).await;
        sent.map_err(|_| closed(Stage::Connect, &Capture::default()))?;
    }
    Ok(tap)
}

async fn connect(to: SocketAddr) -> Result<Tap, Box<Fault>> {
    match timeout(CONNECT, TcpStream::connect(to)).await {
        Ok(Ok(stream)) => {
            // Without it a delayed acknowledgement costs 40 ms a reply; not having it is no fault.
            let _ = stream.set_nodelay(true);
            Ok(Tap::new(stream))
        }
        Ok(Err(error)) => Err(no_connection(&error, to.port())),
        Err(_) => Err(Box::new(timed_out(Stage::Connect))),
    }
}

fn session(connection: &rustls::ClientConnection) -> Tls {
    let version = match connection.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
        _ => "TLSv1.2",
    };
    let suite = connection.negotiated_cipher_suite();
    let suite = suite.and_then(|suite| suite.suite().as_str()).unwrap_or("unknown");
    // rustls writes TLS13_AES_..; the registry of IANA has TLS_AES_...
    let cipher = suite.replacen("TLS13_", "TLS_", 1);
    Tls { version: version.to_owned(), cipher }
}
