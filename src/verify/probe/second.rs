//! The second look, by a hello made by hand: what a server is that our library cannot speak with,
//! and whether a good one still offers old versions. One connection, no session.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout, timeout_at};

use super::lanes::Lanes;
use super::look::{Aim, GOODBYE, Look, Talk};
use super::tap::{Tap, plain_text};
use crate::model::{Code, Level, Stage, Tls};
use crate::verify::hello::{Answer, Chosen, Reader, Version, client_hello, farewell};
use crate::verify::judge::{Judgement, judge};
use crate::verify::{Ask, Fault, How};

/// How long the answer to a hello is waited for: some servers fall silent at an old one.
const ANSWER: Duration = Duration::from_secs(5);

/// What both looks together say.
#[derive(Debug)]
pub(super) struct Second {
    /// What is wrong before the certificate is judged: the first look's fault or the better name
    /// for it, and what the second look found besides.
    pub(super) faults: Vec<Fault>,
    /// What the server chose in the second look.
    pub(super) session: Option<Tls>,
    /// The chain in DER that only the second look saw; empty where the first look did.
    pub(super) chain: Vec<Vec<u8>>,
    /// How many certificates that chain has.
    sent: usize,
}

impl Second {
    /// Judges the chain that only the second look saw.
    pub(super) fn judged(&self, ask: &Ask, how: &How) -> Option<Judgement> {
        if self.chain.is_empty() {
            return None;
        }
        let mut judged = judge(&self.chain, &ask.endpoint.host, how.known(), how.moment());
        if let Some(certificate) = &mut judged.certificate {
            certificate.chain_length = self.sent;
        }
        Some(judged)
    }
}

/// Looks again where that is wanted and can tell something; nobody is asked a second time after a
/// time-out or where it came to no handshake.
pub(super) async fn second(
    (aim, deadline): (Aim<'_>, Instant),
    first: &Look,
    how: &How,
    lanes: &Lanes<'_>,
) -> Second {
    let faults = first.fault.iter().cloned().collect();
    let mut second = Second { faults, session: None, chain: Vec::new(), sent: 0 };
    if !how.extras.second_look {
        return second;
    }
    let Some(_lane) = lanes.take().await else { return second };
    match &first.fault {
        Some(fault) if is_refusal(fault, first) => {
            let answer = Box::pin(hear(aim, Version::Tls12, deadline)).await;
            second.faults = vec![explained(fault.clone(), answer.as_ref())];
            if let Some(Answer::Chose(chosen)) = answer {
                second.session = Some(session(&chosen));
                (second.chain, second.sent) = (chosen.chain, chosen.sent);
            }
        }
        fault if first.tls.is_some() && fault.as_ref().is_none_or(is_settled) => {
            let answer = Box::pin(hear(aim, Version::Tls11, deadline)).await;
            if let Some(Answer::Chose(chosen)) = answer {
                second.faults.push(old_protocol(&chosen));
                second.session = Some(session(&chosen));
            }
        }
        _ => {}
    }
    second
}

/// Whether the server ended the handshake with our library, or our library did.
fn is_refusal(fault: &Fault, first: &Look) -> bool {
    let ended = matches!(
        fault.code,
        Code::TlsAlert | Code::ProtocolTooOld | Code::HandshakeFailed | Code::ConnectionClosed
    );
    ended && fault.stage == Stage::Handshake && first.chain.is_empty()
}

/// Whether a fault says that the server answers, however badly.
fn is_settled(fault: &Fault) -> bool {
    fault.code.level() != Level::Unknown && fault.code != Code::ConnectionClosed
}

/// What the server answers to a hello that offers `best` and older.
async fn hear(aim: Aim<'_>, best: Version, deadline: Instant) -> Option<Answer> {
    let mut random = [0; 32];
    aws_lc_rs::rand::fill(&mut random).ok()?;
    let hello = client_hello(best, aim.sni.then_some(aim.host), &random);
    let mut tap = timeout_at(deadline, ready(aim, &hello)).await.ok()??;
    let mut reader = Reader::new(best);
    let until = deadline.min(Instant::now() + ANSWER);
    let answer = timeout_at(until, listen(&mut tap, &mut reader)).await;
    let answer = answer.unwrap_or_default().or_else(|| reader.end());
    if !matches!(answer, Some(Answer::Refused(_))) {
        // Only politeness: the server may be gone already.
        let _ = timeout(GOODBYE, tap.write_all(&farewell(best))).await;
    }
    let _ = timeout(GOODBYE, tap.shutdown()).await;
    answer
}

/// A connection on which the server is ready for TLS, with the hello sent. The first look told how
/// it can fail.
async fn ready(aim: Aim<'_>, hello: &[u8]) -> Option<Tap> {
    let mut tap = Talk::new(aim, aim.dialogue()).ready().await.ok()?;
    tap.write_all(hello).await.ok()?;
    Some(tap)
}

/// Reads until the answer is whole or the server stops.
async fn listen(tap: &mut Tap, reader: &mut Reader) -> Option<Answer> {
    let mut buffer = vec![0; 4096];
    loop {
        match tap.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => {
                if let Some(answer) = reader.hear(&buffer[..count]) {
                    return Some(answer);
                }
            }
        }
    }
}

fn session(chosen: &Chosen) -> Tls {
    Tls { version: chosen.version.to_string(), cipher: chosen.suite.to_string() }
}

fn agreed(chosen: &Chosen) -> String {
    format!("{}, {}", chosen.version, chosen.suite)
}

fn old_protocol(chosen: &Chosen) -> Fault {
    Fault {
        expected: Some("TLS 1.2 and 1.3, and nothing older".to_owned()),
        found: vec![agreed(chosen)],
        why: Some("a second look that offered TLS 1.1 at best was accepted".to_owned()),
        ..Fault::new(Code::OldProtocolOffered, Stage::Handshake)
    }
}

/// The refusal by its right name, as far as the second look can tell it.
fn explained(refusal: Fault, answer: Option<&Answer>) -> Fault {
    match answer {
        None => refusal,
        Some(Answer::Chose(chosen)) if chosen.version < Version::Tls12 => too_old(agreed(chosen)),
        Some(Answer::Chose(chosen)) => weakness(refusal, chosen),
        Some(Answer::Ssl2) => too_old("SSLv2".to_owned()),
        Some(Answer::Refused(alert)) => {
            besides(refusal, &format!("was refused, too: the alert {alert:?}"))
        }
        Some(Answer::NotTls(first)) => {
            let text = plain_text(first).unwrap_or_else(|| "bytes that are no TLS".to_owned());
            besides(refusal, &format!("was answered with {text}"))
        }
        Some(Answer::Broken(how)) => besides(refusal, &format!("was answered with {how}")),
    }
}

/// What TLS 1.2 lacks there, by what the server chose.
fn weakness(refusal: Fault, chosen: &Chosen) -> Fault {
    let suite = chosen.suite;
    let weaker = |code, found: String, why: &str| Fault {
        expected: Some("ECDHE with AES-GCM or ChaCha20".to_owned()),
        found: vec![found],
        why: Some(format!("{why}; {OFFERED} was given no better")),
        ..Fault::new(code, Stage::Handshake)
    };
    if suite.is_static_rsa() {
        let why = "the certificate's key encrypts the session's";
        return weaker(Code::NoForwardSecrecy, agreed(chosen), why);
    }
    if !suite.is_ecdhe() {
        let why = "Diffie-Hellman over integers (DHE), which many libraries have dropped";
        return weaker(Code::WeakCiphers, agreed(chosen), why);
    }
    if !suite.is_aead() {
        let why = "CBC or RC4, which strict libraries have dropped";
        return weaker(Code::WeakCiphers, agreed(chosen), why);
    }
    let ours = format!("was accepted with {}", agreed(chosen));
    match (chosen.signature, chosen.curve) {
        (Some(RSA_SHA1 | ECDSA_SHA1), _) => {
            let found = format!("{}, signed with SHA-1", agreed(chosen));
            let expected = Some("a handshake signed with SHA-256 or better".to_owned());
            Fault { expected, ..weaker(Code::WeakCiphers, found, "libraries have dropped SHA-1") }
        }
        (_, Some(SECP521R1)) => besides(refusal, &format!("{ours} on P-521, a curve few offer")),
        _ => besides(refusal, &format!("{ours}: something that only new hellos have is refused")),
    }
}

fn too_old(found: String) -> Fault {
    Fault {
        expected: Some("TLS 1.2 or 1.3".to_owned()),
        found: vec![found],
        why: Some(format!("it is the best answer to {OFFERED}")),
        ..Fault::new(Code::ProtocolTooOld, Stage::Handshake)
    }
}

/// The same refusal with what the second look adds.
fn besides(refusal: Fault, what: &str) -> Fault {
    let before = refusal.why.map(|why| format!("{why}; ")).unwrap_or_default();
    Fault { why: Some(format!("{before}{OFFERED} {what}")), ..refusal }
}

/// What the second look offered.
const OFFERED: &str = "a second look that offered TLS 1.0 to 1.2 with old cipher suites";

const RSA_SHA1: u16 = 0x0201;
const ECDSA_SHA1: u16 = 0x0203;
const SECP521R1: u16 = 0x0019;

#[cfg(test)]
mod tests;
