//! Loopback addresses of one's own, so that worlds side by side do not meet.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::ops::RangeInclusive;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Every port a world uses: the last number of its address, and the port.
const PORTS: &[(u8, u16)] = &[
    (10, 25),
    (10, 465),
    (10, 587),
    (10, 143),
    (10, 993),
    (10, 110),
    (10, 995),
    (10, 4190),
    (10, 80),
    (10, 443),
    (10, 8402),
    (20, 25),
    (20, 465),
    (20, 587),
    (20, 143),
    (20, 993),
    (20, 110),
    (20, 995),
    (20, 4190),
    (20, 80),
    (20, 443),
    (14, 14000),
    (14, 15000),
    (53, 53),
    (54, 53),
];

/// 127.0.N.0/24, ours until it goes.
pub(crate) struct Block {
    number: u8,
    /// Bound for as long as the block is ours: whoever binds it first has the block, and the
    /// kernel gives it back however the process ends.
    _claim: TcpListener,
}

impl Block {
    /// Takes a free block, waiting for one: other tests are at work too.
    pub(crate) fn take(numbers: RangeInclusive<u8>) -> Self {
        let deadline = Instant::now() + Duration::from_secs(600);
        loop {
            for number in numbers.clone() {
                if let Ok(claim) = TcpListener::bind((Ipv4Addr::new(127, 0, number, 1), 1)) {
                    let block = Self { number, _claim: claim };
                    if block.is_free() {
                        return block;
                    }
                }
            }
            assert!(Instant::now() < deadline, "no free block among 127.0.{numbers:?}.0/24");
            sleep(Duration::from_millis(200));
        }
    }

    /// An address of the block.
    pub(crate) fn address(&self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, 0, self.number, last)
    }

    /// A stray server on one of the ports would answer in place of ours.
    fn is_free(&self) -> bool {
        PORTS.iter().all(|&(last, port)| {
            let address = (self.address(last), port);
            TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok()
        })
    }
}
