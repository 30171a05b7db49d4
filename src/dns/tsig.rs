//! Signatures of messages by a shared secret (RFC 8945), on the bytes as they go over the wire.
//!
//! By hand over aws-lc-rs, which is there for TLS: the DNS library has it only together with all of
//! DNSSEC.

use aws_lc_rs::hmac;

use crate::dns::name;
use crate::model::{TsigAlgorithm, TsigKey};

/// What the server says of a signature that it does not take, or that it could not make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsigned {
    /// BADSIG: the secret is another one.
    BadSig,
    /// BADKEY: it knows no such key, or not with this algorithm.
    BadKey,
    /// BADTIME, and what its own clock says.
    BadTime(Option<u64>),
    /// BADTRUNC or an error nobody knows.
    Other(u16),
    /// There is no signature.
    Missing,
    /// There is one, and it is not by our key.
    Forged,
}

/// The message signed at `now` (seconds since 1970), and its MAC. `None` if the key's name is none.
pub(super) fn sign(message: &[u8], key: &TsigKey, now: u64) -> Option<(Vec<u8>, Vec<u8>)> {
    let owner = canonical(&key.name)?;
    let variables = variables(&owner, &canonical(key.algorithm.as_str())?, now, FUDGE, 0, &[]);
    let mac = hmac::sign(&secret(key), &[message, &variables].concat()).as_ref().to_vec();
    let mut rdata = canonical(key.algorithm.as_str())?;
    rdata.extend_from_slice(&now.to_be_bytes()[2..]);
    rdata.extend_from_slice(&FUDGE.to_be_bytes());
    rdata.extend_from_slice(&u16::try_from(mac.len()).ok()?.to_be_bytes());
    rdata.extend_from_slice(&mac);
    rdata.extend_from_slice(message.get(..2)?);
    rdata.extend_from_slice(&[0; 4]);
    let mut signed = message.to_vec();
    let count = u16::from_be_bytes([*message.get(10)?, *message.get(11)?]).checked_add(1)?;
    signed.get_mut(10..12)?.copy_from_slice(&count.to_be_bytes());
    signed.extend_from_slice(&owner);
    signed.extend_from_slice(&[0, 250, 0, 255, 0, 0, 0, 0]);
    signed.extend_from_slice(&u16::try_from(rdata.len()).ok()?.to_be_bytes());
    signed.extend_from_slice(&rdata);
    Some((signed, mac))
}

/// Whether the answer to a message with `mac` is signed by `key`, `now`.
pub(super) fn verify(answer: &[u8], key: &TsigKey, mac: &[u8], now: u64) -> Result<(), Unsigned> {
    let found = last(answer).ok_or(Unsigned::Missing)?;
    match found.error {
        0 => {}
        16 => return Err(Unsigned::BadSig),
        17 => return Err(Unsigned::BadKey),
        18 => {
            let clock = <[u8; 6]>::try_from(found.other.as_slice()).ok();
            let seconds =
                |b: [u8; 6]| u64::from_be_bytes([0, 0, b[0], b[1], b[2], b[3], b[4], b[5]]);
            return Err(Unsigned::BadTime(clock.map(seconds)));
        }
        other => return Err(Unsigned::Other(other)),
    }
    let ours = canonical(&key.name).zip(canonical(key.algorithm.as_str()));
    let (owner, algorithm) = ours.ok_or(Unsigned::Forged)?;
    if found.owner != owner || found.algorithm != algorithm {
        return Err(Unsigned::Forged);
    }
    let mut message = answer[..found.start].to_vec();
    message[..2].copy_from_slice(&found.id);
    let count = u16::from_be_bytes([answer[10], answer[11]]).saturating_sub(1);
    message[10..12].copy_from_slice(&count.to_be_bytes());
    let length = u16::try_from(mac.len()).unwrap_or(u16::MAX).to_be_bytes();
    let variables =
        variables(&owner, &algorithm, found.time, found.fudge, found.error, &found.other);
    let signed = [&length[..], mac, &message, &variables].concat();
    hmac::verify(&secret(key), &signed, &found.mac).map_err(|_| Unsigned::Forged)?;
    if now.abs_diff(found.time) > found.fudge.into() {
        return Err(Unsigned::BadTime(Some(found.time)));
    }
    Ok(())
}

/// RFC 8945 section 4.3.3.
fn variables(
    owner: &[u8],
    algorithm: &[u8],
    time: u64,
    fudge: u16,
    error: u16,
    other: &[u8],
) -> Vec<u8> {
    let mut bytes = owner.to_vec();
    bytes.extend_from_slice(&[0, 255, 0, 0, 0, 0]);
    bytes.extend_from_slice(algorithm);
    bytes.extend_from_slice(&time.to_be_bytes()[2..]);
    bytes.extend_from_slice(&fudge.to_be_bytes());
    bytes.extend_from_slice(&error.to_be_bytes());
    bytes.extend_from_slice(&u16::try_from(other.len()).unwrap_or(u16::MAX).to_be_bytes());
    bytes.extend_from_slice(other);
    bytes
}

/// The TSIG record at the end of a message.
struct Found {
    start: usize,
    owner: Vec<u8>,
    algorithm: Vec<u8>,
    time: u64,
    fudge: u16,
    mac: Vec<u8>,
    id: [u8; 2],
    error: u16,
    other: Vec<u8>,
}

fn last(message: &[u8]) -> Option<Found> {
    let mut at = Reader { bytes: message, at: 4 };
    let [questions, answers, authorities, additionals] =
        [at.number()?, at.number()?, at.number()?, at.number()?];
    for _ in 0..questions {
        at.name()?;
        at.take(4)?;
    }
    let records = u32::from(answers) + u32::from(authorities) + u32::from(additionals);
    for _ in 1..records {
        at.name()?;
        at.take(8)?;
        let length = at.number()?;
        at.take(length.into())?;
    }
    let start = at.at;
    let owner = at.name()?;
    if additionals == 0 || at.number()? != 250 {
        return None;
    }
    at.take(6)?;
    if usize::from(at.number()?) != message.len() - at.at {
        return None;
    }
    let algorithm = at.name()?;
    let time = at.take(6)?.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    let fudge = at.number()?;
    let length = at.number()?;
    let mac = at.take(length.into())?.to_vec();
    let id = at.number()?.to_be_bytes();
    let error = at.number()?;
    let length = at.number()?;
    let other = at.take(length.into())?.to_vec();
    (at.at == message.len()).then_some(Found {
        start,
        owner,
        algorithm,
        time,
        fudge,
        mac,
        id,
        error,
        other,
    })
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// A name in lower case; compression only leads backwards, so it ends.
    fn name(&mut self) -> Option<Vec<u8>> {
        let (mut name, mut at, mut behind) = (Vec::new(), self.at, None);
        loop {
            let length = *self.bytes.get(at)?;
            if length & 0xc0 == 0xc0 {
                let low = *self.bytes.get(at + 1)?;
                behind.get_or_insert(at + 2);
                let target = usize::from(length & 0x3f) << 8 | usize::from(low);
                at = (target < at).then_some(target)?;
                continue;
            }
            let label = self.bytes.get(at..=at + usize::from(length))?;
            name.extend(label.iter().map(u8::to_ascii_lowercase));
            at += label.len();
            if name.len() > 255 {
                return None;
            }
            if length == 0 {
                self.at = behind.unwrap_or(at);
                return Some(name);
            }
        }
    }
}

/// The name in lower case as it goes over the wire, without compression.
fn canonical(text: &str) -> Option<Vec<u8>> {
    let name = name::parse(text)?;
    let mut bytes = Vec::new();
    for label in name.iter() {
        bytes.push(u8::try_from(label.len()).ok()?);
        bytes.extend(label.iter().map(u8::to_ascii_lowercase));
    }
    bytes.push(0);
    Some(bytes)
}

fn secret(key: &TsigKey) -> hmac::Key {
    let algorithm = match key.algorithm {
        TsigAlgorithm::Sha256 => hmac::HMAC_SHA256,
        TsigAlgorithm::Sha384 => hmac::HMAC_SHA384,
        TsigAlgorithm::Sha512 => hmac::HMAC_SHA512,
    };
    hmac::Key::new(algorithm, &key.secret)
}

/// How far the clocks may be apart, in seconds (RFC 8945 section 10).
const FUDGE: u16 = 300;

#[cfg(test)]
mod tests {
    use super::{FUDGE, Unsigned, canonical, hmac, last, secret, sign, variables, verify};
    use crate::model::{TsigAlgorithm, TsigKey};

    fn key(secret: &[u8]) -> TsigKey {
        let algorithm = TsigAlgorithm::Sha256;
        TsigKey { name: "mailcert.example".to_owned(), algorithm, secret: secret.to_vec().into() }
    }

    /// The answer of a server to a request with this MAC: a header alone, signed.
    fn answer(key: &TsigKey, request: &[u8], now: u64) -> Vec<u8> {
        let header = [7, 7, 0xa8, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let (mut signed, mac) = sign(&header, key, now).unwrap();
        let owner = canonical(&key.name).unwrap();
        let fields = variables(&owner, &canonical("hmac-sha256").unwrap(), now, FUDGE, 0, &[]);
        let length = u16::try_from(request.len()).unwrap().to_be_bytes();
        let whole = [&length[..], request, &header, &fields].concat();
        let right = hmac::sign(&secret(key), &whole);
        let at = signed.windows(mac.len()).position(|window| window == mac).unwrap();
        signed[at..at + mac.len()].copy_from_slice(right.as_ref());
        signed
    }

    #[test]
    fn only_the_answer_to_our_request_by_our_key_is_believed() {
        let (ours, now) = (key(b"swordfish"), 1_790_000_000);
        let heard = answer(&ours, b"request", now);
        assert_eq!(verify(&heard, &ours, b"request", now), Ok(()));
        assert_eq!(verify(&heard, &ours, b"another", now), Err(Unsigned::Forged));
        assert_eq!(verify(&heard, &key(b"herring"), b"request", now), Err(Unsigned::Forged));
        let late = verify(&heard, &ours, b"request", now + 301);
        assert_eq!(late, Err(Unsigned::BadTime(Some(now))));
        assert_eq!(verify(&heard[..12], &ours, b"request", now), Err(Unsigned::Missing));
    }

    #[test]
    fn damaged_answers_are_not_believed_and_never_panic() {
        let (ours, now) = (key(b"swordfish"), 1_790_000_000);
        let heard = answer(&ours, b"request", now);
        for at in 0..heard.len() {
            assert!(verify(&heard[..at], &ours, b"request", now).is_err(), "cut at {at}");
            for bit in 0..8 {
                let mut damaged = heard.clone();
                damaged[at] ^= 1 << bit;
                let believed = verify(&damaged, &ours, b"request", now).is_ok();
                // The id is put back from the record; names do not mind their case; the TTL and
                // the class of the record are not signed.
                let start = last(&heard).unwrap().start;
                let free = at < 2 || damaged[at].eq_ignore_ascii_case(&heard[at]);
                assert!(!believed || free || (start + 20..start + 26).contains(&at), "{at} {bit}");
            }
        }
    }
}
