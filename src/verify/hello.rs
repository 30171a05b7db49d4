//! A ClientHello made by hand, and what a server answers to it before anything is encrypted.
//!
//! It is for servers that a TLS library of today does not speak with: TLS 1.0 to 1.2 (RFC 2246,
//! 4346, 5246) with every cipher suite that was in use. No session comes of it, only the server's
//! choice and its certificates, which are clear text up to TLS 1.2. Pure: bytes in, bytes out.

mod answer;
mod message;
mod suite;

use std::fmt;

use crate::model::Hostname;
pub use answer::{Answer, Reader};
pub use message::Chosen;
pub use suite::Suite;

/// A version that a hello can offer or a server of old can choose; TLS 1.3 is not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// SSL 3.0 (RFC 6101): never offered, but chosen by servers that know nothing newer.
    Ssl3,
    /// TLS 1.0 (RFC 2246).
    Tls10,
    /// TLS 1.1 (RFC 4346).
    Tls11,
    /// TLS 1.2 (RFC 5246).
    Tls12,
}

impl Version {
    /// The word for it, as in `Tls::version`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ssl3 => "SSLv3",
            Self::Tls10 => "TLSv1.0",
            Self::Tls11 => "TLSv1.1",
            Self::Tls12 => "TLSv1.2",
        }
    }

    /// The version with this number on the wire.
    fn of(number: [u8; 2]) -> Option<Self> {
        match number {
            [3, 0] => Some(Self::Ssl3),
            [3, 1] => Some(Self::Tls10),
            [3, 2] => Some(Self::Tls11),
            [3, 3] => Some(Self::Tls12),
            _ => None,
        }
    }

    fn number(self) -> [u8; 2] {
        match self {
            Self::Ssl3 => [3, 0],
            Self::Tls10 => [3, 1],
            Self::Tls11 => [3, 2],
            Self::Tls12 => [3, 3],
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The record with a ClientHello that offers `best` and everything older down to TLS 1.0, for
/// `host` where one is sent (RFC 6066 section 3). `random` is what the protocol wants fresh each
/// time.
#[must_use]
pub fn client_hello(best: Version, host: Option<&Hostname>, random: &[u8; 32]) -> Vec<u8> {
    let mut body = best.number().to_vec();
    body.extend(random);
    body.push(0); // no session to go on with
    let suites: Vec<u8> = Suite::offered(best).flat_map(|suite| suite.0.to_be_bytes()).collect();
    // Last the one that stands for renegotiation_info (RFC 5746 section 3.3). Never the one for
    // a fallback (RFC 7507): a server with newer versions would refuse.
    body.extend(sized(2, &[&suites[..], &[0x00, 0xff]].concat()));
    body.extend([1, 0]); // no compression
    body.extend(sized(2, &extensions(best, host)));
    let mut message = vec![message::CLIENT_HELLO];
    message.extend(sized(3, &body));
    record(answer::HANDSHAKE, Version::Tls10, &message)
}

/// How a client says that it leaves in the middle of a handshake: user_canceled, then
/// close_notify (RFC 5246 section 7.2.2), both as warnings.
#[must_use]
pub fn farewell(version: Version) -> Vec<u8> {
    let alert = |description| record(answer::ALERT, version, &[1, description]);
    [alert(90), alert(0)].concat()
}

fn extensions(best: Version, host: Option<&Hostname>) -> Vec<u8> {
    let mut all = Vec::new();
    if let Some(host) = host {
        // A list of one name of type host_name.
        let name = [&[0][..], &sized(2, host.as_str().as_bytes())].concat();
        all.extend(extension(0x0000, &sized(2, &name)));
    }
    all.extend(extension(0x000a, &sized(2, &numbers(GROUPS))));
    all.extend(extension(0x000b, &sized(1, &[0]))); // points are uncompressed
    if best == Version::Tls12 {
        all.extend(extension(0x000d, &sized(2, &numbers(SIGNATURES))));
    }
    all
}

fn extension(number: u16, content: &[u8]) -> Vec<u8> {
    [&number.to_be_bytes()[..], &sized(2, content)].concat()
}

fn record(kind: u8, version: Version, content: &[u8]) -> Vec<u8> {
    let [major, minor] = version.number();
    [&[kind, major, minor][..], &sized(2, content)].concat()
}

/// The bytes behind their length, which takes `width` bytes.
fn sized(width: usize, bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len().to_be_bytes();
    [&length[length.len() - width..], bytes].concat()
}

fn numbers(all: &[u16]) -> Vec<u8> {
    all.iter().flat_map(|number| number.to_be_bytes()).collect()
}

/// x25519, P-256, P-384, P-521 (RFC 8422 section 5.1.1).
const GROUPS: &[u16] = &[0x001d, 0x0017, 0x0018, 0x0019];

/// What a server may sign with (RFC 5246 section 7.4.1.4.1, RFC 8446 section 4.2.3), SHA-1 last:
/// some servers have nothing else.
const SIGNATURES: &[u16] = &[
    0x0403, 0x0503, 0x0603, 0x0807, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0303, 0x0301,
    0x0203, 0x0201,
];

#[cfg(test)]
mod tests;
