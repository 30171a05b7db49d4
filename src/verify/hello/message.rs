//! The handshake messages of a server up to its ServerHelloDone (RFC 5246 section 7.4), one whole
//! message at a time.

use super::{Suite, Version};

pub(super) const CLIENT_HELLO: u8 = 1;
const HELLO_REQUEST: u8 = 0;
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;
const SERVER_KEY_EXCHANGE: u8 = 12;
const CERTIFICATE_REQUEST: u8 = 13;
const SERVER_HELLO_DONE: u8 = 14;
const CERTIFICATE_STATUS: u8 = 22;

/// The most certificates that are kept; the rest are only counted.
const MOST_CERTIFICATES: usize = 64;

/// What a server chose of what it was offered, and what it showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The version.
    pub version: Version,
    /// The cipher suite.
    pub suite: Suite,
    /// The certificates in DER as sent, at most 64; empty if the server stopped before them.
    pub chain: Vec<Vec<u8>>,
    /// How many certificates it sent.
    pub sent: usize,
    /// The curve of an ECDHE exchange (RFC 8422 section 5.1.1).
    pub curve: Option<u16>,
    /// What it signs an ECDHE exchange with, where the version tells: TLS 1.2 (RFC 5246 section
    /// 7.4.1.4.1).
    pub signature: Option<u16>,
}

/// How far the server's side of the handshake is.
#[derive(Clone, Debug, Default)]
pub(super) struct Flight {
    chosen: Option<Chosen>,
    has_certificate: bool,
}

impl Flight {
    /// What was chosen so far.
    pub(super) fn chosen(&mut self) -> Option<Chosen> {
        self.chosen.take()
    }

    /// Takes one message; what was chosen, after the last.
    ///
    /// # Errors
    /// How it breaks the protocol.
    pub(super) fn take(
        &mut self,
        kind: u8,
        body: &[u8],
        offered: Version,
    ) -> Result<Option<Chosen>, &'static str> {
        match (kind, &mut self.chosen) {
            (HELLO_REQUEST, _) => {}
            (SERVER_HELLO, None) => self.chosen = Some(server_hello(body, offered)?),
            (SERVER_HELLO, Some(_)) => return Err("two ServerHellos"),
            (_, None) => return Err("a handshake message before the ServerHello"),
            (CERTIFICATE, Some(chosen)) => {
                if std::mem::replace(&mut self.has_certificate, true) {
                    return Err("two Certificate messages");
                }
                (chosen.chain, chosen.sent) =
                    certificates(body).ok_or("a Certificate message whose lengths are wrong")?;
            }
            (SERVER_KEY_EXCHANGE, Some(chosen)) if chosen.suite.is_ecdhe() => {
                (chosen.curve, chosen.signature) = exchange(body, chosen.version);
            }
            (SERVER_KEY_EXCHANGE | CERTIFICATE_REQUEST | CERTIFICATE_STATUS, Some(_)) => {}
            (SERVER_HELLO_DONE, chosen @ Some(_)) => return Ok(chosen.take()),
            (_, Some(_)) => return Err("a handshake message that has no place there"),
        }
        Ok(None)
    }
}

/// RFC 5246 section 7.4.1.3; what it says of extensions does not matter here.
fn server_hello(body: &[u8], offered: Version) -> Result<Chosen, &'static str> {
    const SHORT: &str = "a ServerHello that is cut short";
    let (version, rest) = body.split_first_chunk::<2>().ok_or(SHORT)?;
    let (_random, rest) = rest.split_at_checked(32).ok_or(SHORT)?;
    let (session, rest) = rest.split_first().ok_or(SHORT)?;
    let (_session, rest) = rest.split_at_checked(usize::from(*session)).ok_or(SHORT)?;
    let (suite, rest) = rest.split_first_chunk::<2>().ok_or(SHORT)?;
    rest.first().ok_or(SHORT)?; // the compression
    let version = Version::of(*version).ok_or("a ServerHello of a version nobody offered")?;
    if version > offered {
        return Err("a ServerHello of a newer version than was offered");
    }
    Ok(Chosen {
        version,
        suite: Suite(u16::from_be_bytes(*suite)),
        chain: Vec::new(),
        sent: 0,
        curve: None,
        signature: None,
    })
}

/// RFC 5246 section 7.4.2: the first certificates of the list, and how many it has.
fn certificates(body: &[u8]) -> Option<(Vec<Vec<u8>>, usize)> {
    let (mut list, behind) = prefixed(body)?;
    if !behind.is_empty() {
        return None;
    }
    let (mut chain, mut sent) = (Vec::new(), 0);
    while !list.is_empty() {
        let (certificate, rest) = prefixed(list)?;
        if chain.len() < MOST_CERTIFICATES {
            chain.push(certificate.to_vec());
        }
        sent += 1;
        list = rest;
    }
    Some((chain, sent))
}

/// What stands behind a length of three bytes, and what follows it.
fn prefixed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<3>()?;
    rest.split_at_checked(length_of(*length))
}

pub(super) fn length_of([a, b, c]: [u8; 3]) -> usize {
    usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)
}

/// The named curve and the signature scheme of an ECDHE exchange (RFC 8422 section 5.4). Neither
/// is needed: where it is written differently, nothing is said.
fn exchange(body: &[u8], version: Version) -> (Option<u16>, Option<u16>) {
    const NAMED_CURVE: u8 = 3;
    let [NAMED_CURVE, high, low, length, rest @ ..] = body else { return (None, None) };
    let behind = rest.get(usize::from(*length)..).and_then(<[u8]>::first_chunk::<2>);
    let signature = behind.filter(|_| version == Version::Tls12);
    (Some(u16::from_be_bytes([*high, *low])), signature.map(|number| u16::from_be_bytes(*number)))
}
