//! [`Limit`]: how often one source may ask over UDP, where a source can be forged.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use tokio::time::Instant;

/// What is left to each network of sources, as a bucket that fills by itself.
#[derive(Debug, Default)]
pub(super) struct Limit(HashMap<IpAddr, Bucket>);

#[derive(Debug)]
struct Bucket {
    left: f64,
    at: Instant,
    /// Questions beyond it.
    beyond: u64,
}

/// What becomes of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Answer,
    /// "Ask over TCP": whoever really asks can.
    PutOff,
    Drop,
}

impl Limit {
    /// Decides on one question of `source`.
    pub(super) fn ask(&mut self, source: IpAddr, now: Instant) -> Turn {
        let source = network(source);
        if !self.0.contains_key(&source) && self.0.len() >= SOURCES {
            self.0.retain(|_, bucket| now.duration_since(bucket.at) < FORGOTTEN);
            if self.0.len() >= SOURCES {
                return Turn::PutOff;
            }
        }
        let full = || Bucket { left: BURST, at: now, beyond: 0 };
        let bucket = self.0.entry(source).or_insert_with(full);
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        (bucket.left, bucket.at) = (BURST.min(passed.mul_add(PER_SECOND, bucket.left)), now);
        if bucket.left >= 1.0 {
            bucket.left -= 1.0;
            return Turn::Answer;
        }
        bucket.beyond += 1;
        if bucket.beyond.is_multiple_of(2) { Turn::PutOff } else { Turn::Drop }
    }
}

/// Who can send from one address can send from its neighbours.
fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            IpAddr::from([a, b, c, 0])
        }
        IpAddr::V6(v6) => {
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << (128 - V6_NETWORK))))
        }
    }
}

/// Bits of an IPv6 network.
const V6_NETWORK: u32 = 56;
/// Questions at once: a CA asks a few times for each name of an order, from a few places.
const BURST: f64 = 200.0;
/// Questions a second after that.
const PER_SECOND: f64 = 20.0;
/// Networks remembered.
const SOURCES: usize = 4096;
/// A bucket is full again after this.
const FORGOTTEN: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Limit, Turn};

    #[test]
    fn one_network_cannot_ask_for_ever_and_costs_no_other() {
        let (mut limit, now) = (Limit::default(), Instant::now());
        let [one, neighbour, other, six] =
            ["192.0.2.1", "192.0.2.9", "198.51.100.1", "2001:db8::1"].map(ip);
        for asked in 0..200 {
            let source = if asked % 2 == 0 { one } else { neighbour };
            assert_eq!(limit.ask(source, now), Turn::Answer, "{asked}");
        }
        let beyond: Vec<_> = (0..4).map(|_| limit.ask(one, now)).collect();
        assert_eq!(beyond, [Turn::Drop, Turn::PutOff, Turn::Drop, Turn::PutOff]);
        assert_eq!(limit.ask(other, now), Turn::Answer);
        assert_eq!(limit.ask(six, now), Turn::Answer);
        let later = now + Duration::from_millis(100);
        let after: Vec<_> = (0..3).map(|_| limit.ask(one, later)).collect();
        assert_eq!(after, [Turn::Answer, Turn::Answer, Turn::Drop]);
    }

    #[test]
    fn forged_sources_take_no_memory() {
        let (mut limit, now) = (Limit::default(), Instant::now());
        for number in 0..100_000_u32 {
            limit.ask(IpAddr::from((0x0a00_0000 + (number << 8)).to_be_bytes()), now);
        }
        assert!(limit.0.len() <= super::SOURCES);
        assert_eq!(limit.ask(ip("192.0.2.1"), now), Turn::PutOff, "over TCP it goes on");
        assert_eq!(limit.ask(ip("192.0.2.1"), now + Duration::from_secs(11)), Turn::Answer);
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }
}
