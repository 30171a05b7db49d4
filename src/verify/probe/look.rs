//! One connection: TCP, the plain conversation, the handshake, one reply inside TLS, goodbye.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::{AlertDescription, Error, InvalidMessage, PeerIncompatible};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::capture::{Capture, config};
use super::tap::{Tap, plain_text};
use crate::model::{Code, Hostname, Service, Stage, Tls, TlsMode};
use crate::verify::starttls::{Dialogue, Move};
use crate::verify::{Fault, visible};

/// Connecting takes at most this long.
const CONNECT: Duration = Duration::from_secs(10);
/// How long the reply to a goodbye is waited for.
const GOODBYE: Duration = Duration::from_secs(2);

/// What one connection showed.
#[derive(Debug)]
pub(super) struct Look {
    /// Where it was when it ended.
    pub(super) stage: Stage,
    /// What ended it, unless it went through.
    pub(super) fault: Option<Fault>,
    /// The chain as sent, in DER; empty if it came to no handshake.
    pub(super) chain: Vec<Vec<u8>>,
    /// The session, if there was one.
    pub(super) tls: Option<Tls>,
}

/// Where to connect and what to say there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Aim<'a> {
    pub(super) to: SocketAddr,
    pub(super) service: Service,
    pub(super) host: &'a Hostname,
    pub(super) sni: bool,
}

/// Looks once; it ends at the deadline wherever it is then.
pub(super) async fn look(aim: Aim<'_>, deadline: Instant) -> Look {
    let mut look = Look { stage: Stage::Connect, fault: None, chain: Vec::new(), tls: None };
    let capture = Arc::new(Capture::default());
    let ended = timeout_at(deadline, converse(aim, &capture, &mut look)).await;
    look.chain = capture.chain();
    look.fault = match ended {
        Ok(Ok(())) => None,
        Ok(Err(fault)) => Some(*fault),
        Err(_) => Some(timed_out(look.stage)),
    };
    look
}

async fn converse(aim: Aim<'_>, capture: &Arc<Capture>, look: &mut Look) -> Result<(), Box<Fault>> {
    let mut tap = connect(aim.to).await?;
    let mut dialogue = Dialogue::new(aim.service);
    if aim.service.tls_mode() == TlsMode::Starttls {
        look.stage = Stage::Greeting;
        let ready = talk(&mut tap, &mut dialogue, Move::Wait, capture, &mut look.stage).await;
        if let Err(fault) = ready {
            // The server may be gone already: this is only politeness.
            let _ = timeout(GOODBYE, tap.write_all(dialogue.goodbye().as_bytes())).await;
            return Err(fault);
        }
    }
    look.stage = Stage::Handshake;
    tap.reset();
    let name = ServerName::try_from(aim.host.to_string())
        .map_err(|_| Box::new(Fault::new(Code::HandshakeFailed, Stage::Handshake)))?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config(capture, aim.sni)?));
    let mut stream = match connector.connect(name, tap).into_fallible().await {
        Ok(stream) => stream,
        Err((error, tap)) => return Err(broken(&error, Stage::Handshake, capture, tap.as_ref())),
    };
    if let Some(why) = capture.unproven() {
        return Err(Box::new(Fault {
            expected: Some("a handshake signed with the certificate's key".to_owned()),
            found: vec![visible(&why)],
            ..Fault::new(Code::HandshakeFailed, Stage::Handshake)
        }));
    }
    look.tls = Some(session(stream.get_ref().1));
    let next = dialogue.secured();
    look.stage = dialogue.stage();
    talk(&mut stream, &mut dialogue, next, capture, &mut look.stage).await?;
    // The rest is closed by dropping it; close_notify is politeness.
    let _ = timeout(GOODBYE, stream.shutdown()).await;
    Ok(())
}

/// Connects, within ten seconds.
pub(super) async fn connect(to: SocketAddr) -> Result<Tap, Box<Fault>> {
    let found = match timeout(CONNECT, TcpStream::connect(to)).await {
        Ok(Ok(stream)) => {
            // Without it a delayed acknowledgement costs 40 ms a reply; not having it is no fault.
            let _ = stream.set_nodelay(true);
            return Ok(Tap::new(stream));
        }
        Ok(Err(error)) => error,
        Err(_) => return Err(Box::new(timed_out(Stage::Connect))),
    };
    let code = match found.kind() {
        io::ErrorKind::ConnectionRefused => Code::ConnectionRefused,
        io::ErrorKind::TimedOut => Code::Timeout,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Code::ConnectionClosed,
        _ => Code::Unreachable,
    };
    Err(Box::new(Fault {
        expected: Some(format!("a server that listens on port {}", to.port())),
        found: vec![visible(&found.to_string())],
        ..Fault::new(code, Stage::Connect)
    }))
}

/// Carries the conversation until TLS may begin or all is said.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    dialogue: &mut Dialogue,
    mut next: Move,
    capture: &Capture,
    stage: &mut Stage,
) -> Result<(), Box<Fault>> {
    let mut buffer = [0; 2048];
    loop {
        next = match next {
            Move::Handshake | Move::Done => return Ok(()),
            Move::GiveUp(fault) => return Err(fault),
            Move::Send(words) => {
                *stage = dialogue.stage();
                let sent = stream.write_all(words.as_bytes()).await;
                let sent = match sent {
                    Ok(()) => stream.flush().await,
                    failed => failed,
                };
                sent.map_err(|error| broken(&error, dialogue.stage(), capture, &[]))?;
                dialogue.hear(&[])
            }
            Move::Wait => {
                let read = if dialogue.is_leaving() {
                    match timeout(GOODBYE, stream.read(&mut buffer)).await {
                        Ok(read) => read,
                        Err(_) => return Ok(()),
                    }
                } else {
                    stream.read(&mut buffer).await
                };
                match read {
                    Ok(0) if dialogue.is_leaving() => return Ok(()),
                    Ok(0) => return Err(closed(dialogue.stage(), capture)),
                    Ok(count) => dialogue.hear(&buffer[..count]),
                    Err(error) if dialogue.is_leaving() && tls_error(&error).is_none() => {
                        return Ok(());
                    }
                    Err(error) => return Err(broken(&error, dialogue.stage(), capture, &[])),
                }
            }
        };
        if !matches!(next, Move::Done | Move::Handshake) {
            *stage = dialogue.stage();
        }
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

fn timed_out(stage: Stage) -> Fault {
    let expected = match stage {
        Stage::Connect => "a connection within 10 seconds",
        Stage::Greeting => "the server's greeting in time",
        Stage::Starttls => "a reply in time",
        _ => "a handshake in time",
    };
    Fault {
        expected: Some(expected.to_owned()),
        found: vec!["no answer, or one that did not end".to_owned()],
        ..Fault::new(Code::Timeout, stage)
    }
}

fn closed(stage: Stage, capture: &Capture) -> Box<Fault> {
    if stage == Stage::Handshake && capture.asked_for_ours() {
        return wants_ours("it closed the connection");
    }
    let when = match stage {
        Stage::Connect | Stage::Greeting => "before its greeting",
        Stage::Starttls => "in the middle of the conversation",
        _ => "during the TLS handshake or right after it",
    };
    Box::new(Fault {
        expected: Some("a server that stays".to_owned()),
        found: vec![format!("it closed the connection {when}")],
        ..Fault::new(Code::ConnectionClosed, stage)
    })
}

fn wants_ours(found: &str) -> Box<Fault> {
    Box::new(Fault {
        expected: Some("a server that asks for no certificate of the client".to_owned()),
        found: vec![format!("it asked for one, got none, and {found}")],
        ..Fault::new(Code::ClientCertRequired, Stage::Handshake)
    })
}

fn tls_error(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref::<Error>()
}

/// Tells apart how a connection breaks; `first` is what came instead of TLS.
fn broken(error: &io::Error, stage: Stage, capture: &Capture, first: &[u8]) -> Box<Fault> {
    let fault = |code, expected: &str, found: String, why: Option<&str>| {
        Box::new(Fault {
            expected: Some(expected.to_owned()),
            found: vec![found],
            why: why.map(str::to_owned),
            ..Fault::new(code, Stage::Handshake)
        })
    };
    if let Some(text) = plain_text(first) {
        let why = "the server answers in plain text where TLS begins";
        return fault(Code::NotTls, "a TLS handshake", text, Some(why));
    }
    match tls_error(error) {
        None => closed(stage, capture),
        Some(Error::AlertReceived(alert)) => alerted(*alert, capture),
        Some(Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13)) => {
            fault(Code::ProtocolTooOld, "TLS 1.2 or 1.3", "an older version".to_owned(), None)
        }
        Some(Error::InvalidMessage(InvalidMessage::HandshakePayloadTooLarge)) => {
            let found = "certificates of more than 64 KiB in one message".to_owned();
            let why = "most TLS libraries stop reading there, and so does ours";
            fault(Code::HandshakeFailed, "certificates of at most 16 KiB", found, Some(why))
        }
        Some(Error::InvalidMessage(_)) => {
            fault(Code::NotTls, "a TLS handshake", "bytes that are no TLS".to_owned(), None)
        }
        Some(other) => {
            let found = visible(&other.to_string());
            fault(Code::HandshakeFailed, "a TLS handshake", found, None)
        }
    }
}

fn alerted(alert: AlertDescription, capture: &Capture) -> Box<Fault> {
    let found = format!("the alert {alert:?}");
    if alert == AlertDescription::CertificateRequired
        || (capture.asked_for_ours() && alert != AlertDescription::ProtocolVersion)
    {
        return wants_ours(&format!("sent {found}"));
    }
    let (code, expected, why) = match alert {
        AlertDescription::ProtocolVersion => (Code::ProtocolTooOld, "TLS 1.2 or 1.3", None),
        AlertDescription::UnrecognisedName | AlertDescription::AccessDenied => {
            (Code::TlsAlert, "a TLS handshake", Some("the server does not want this name"))
        }
        AlertDescription::HandshakeFailure => (
            Code::TlsAlert,
            "a TLS handshake",
            Some("no cipher in common, or the server has no usable certificate for this name"),
        ),
        AlertDescription::InternalError => (
            Code::TlsAlert,
            "a TLS handshake",
            Some("the server failed: mostly its key cannot be read or is not its certificate's"),
        ),
        _ => (Code::TlsAlert, "a TLS handshake", None),
    };
    Box::new(Fault {
        expected: Some(expected.to_owned()),
        found: vec![found],
        why: why.map(str::to_owned),
        ..Fault::new(code, Stage::Handshake)
    })
}
