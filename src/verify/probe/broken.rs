//! Tells apart how a connection breaks.

use std::io;

use rustls::{AlertDescription, Error, InvalidMessage, PeerIncompatible};

use super::capture::Capture;
use super::tap::{MOST, TooMuch, plain_text};
use crate::model::{Code, Stage};
use crate::verify::{Fault, visible};

/// Why there is no connection.
pub(super) fn no_connection(error: &io::Error, port: u16) -> Box<Fault> {
    let code = match error.kind() {
        io::ErrorKind::ConnectionRefused => Code::ConnectionRefused,
        io::ErrorKind::TimedOut => Code::Timeout,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Code::ConnectionClosed,
        _ => Code::Unreachable,
    };
    Box::new(Fault {
        expected: Some(format!("a server that listens on port {port}")),
        found: vec![visible(&error.to_string())],
        ..Fault::new(code, Stage::Connect)
    })
}

pub(super) fn timed_out(stage: Stage) -> Fault {
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

pub(super) fn closed(stage: Stage, capture: &Capture) -> Box<Fault> {
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

pub(super) fn tls_error(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref::<Error>()
}

/// Tells apart how a connection breaks; `first` is what came instead of TLS.
pub(super) fn broken(
    error: &io::Error,
    stage: Stage,
    capture: &Capture,
    first: &[u8],
) -> Box<Fault> {
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
    if error.get_ref().is_some_and(|inner| inner.is::<TooMuch>()) {
        return Box::new(Fault {
            expected: Some("a dialogue and a handshake of ordinary size".to_owned()),
            found: vec![format!("more than {} KiB on one connection", MOST / 1024)],
            ..Fault::new(Code::ProtocolViolation, stage)
        });
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
