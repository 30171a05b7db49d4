//! A block of loopback addresses.

use std::net::{Ipv4Addr, TcpListener};
use std::str::FromStr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Addresses as in `127.0.64.0/20`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    first: u32,
    bits: u8,
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("{text:?} is no block of loopback addresses like 127.0.64.0/20");
        let (first, bits) = text.split_once('/').ok_or_else(bad)?;
        let first: Ipv4Addr = first.parse().map_err(|_| bad())?;
        let bits: u8 = bits.parse().map_err(|_| bad())?;
        if !first.is_loopback() || !(8..=30).contains(&bits) {
            return Err(bad());
        }
        Ok(Self { first: u32::from(first) & (u32::MAX << (32 - bits)), bits })
    }
}

impl Range {
    /// Every address but the first, the last and those that end in 0 or 255.
    pub(crate) fn addresses(self) -> impl Iterator<Item = Ipv4Addr> {
        let size = 1_u32 << (32 - self.bits);
        let all = (1..size - 1).map(move |number| Ipv4Addr::from(self.first + number));
        all.filter(|address| !matches!(address.octets()[3], 0 | 255))
    }

    /// Waits until nobody else has it; it is ours for as long as the listener lives.
    pub(crate) fn claim(self) -> TcpListener {
        let deadline = Instant::now() + Duration::from_secs(600);
        let place = (Ipv4Addr::from(self.first + 1), 1);
        loop {
            match TcpListener::bind(place) {
                Ok(claim) => return claim,
                Err(error) if Instant::now() > deadline => panic!("{place:?}: {error}"),
                Err(_) => sleep(Duration::from_millis(200)),
            }
        }
    }
}

/// A thousand listeners and their clients are more files than a shell allows.
pub(crate) fn open_more_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let most = maximum.unwrap_or(1 << 20).min(1 << 20);
    // Where it is refused, a bind fails later and says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum });
}
