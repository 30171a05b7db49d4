//! [`Service`]: what the service manager is told, by the protocol of sd_notify(3): lines in a
//! datagram to a local socket.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The service manager, where there is one that wants to be told.
#[derive(Debug)]
pub struct Service {
    manager: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Service {
    /// `at` is what `NOTIFY_SOCKET` says: a path, or a name behind `@`. Who cannot be told is not.
    /// `watchdog` is the time after which silence means that we hang.
    #[must_use]
    pub fn new(at: Option<&str>, watchdog: Option<Duration>) -> Self {
        let manager = at.and_then(|at| {
            let address = match at.strip_prefix('@') {
                Some(name) => SocketAddr::from_abstract_name(name),
                None => SocketAddr::from_pathname(at),
            };
            let socket = UnixDatagram::unbound().ok()?;
            // A manager that does not read must not hold us up.
            socket.set_nonblocking(true).ok()?;
            Some((socket, address.ok()?))
        });
        Self { watchdog: watchdog.filter(|_| manager.is_some()), manager }
    }

    /// How often [`Self::alive`] has to be said; nobody waits for it where there is none.
    #[must_use]
    pub fn beat(&self) -> Option<Duration> {
        self.watchdog.map(|span| span / 2)
    }

    /// What is waited for is heard from now on.
    pub fn ready(&self, status: &str) {
        self.say(&format!("READY=1\nSTATUS={status}"));
    }

    /// The configuration is read again; [`Self::ready`] ends that. `moment` is that of the
    /// monotonic clock, in microseconds.
    pub fn reloading(&self, moment: u64) {
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={moment}"));
    }

    /// The end has begun.
    pub fn stopping(&self) {
        self.say("STOPPING=1\nSTATUS=ends after what is under way");
    }

    /// What is being done, in one line.
    pub fn status(&self, text: &str) {
        self.say(&format!("STATUS={text}"));
    }

    /// We do not hang.
    pub fn alive(&self) {
        if self.watchdog.is_some() {
            self.say("WATCHDOG=1");
        }
    }

    fn say(&self, lines: &str) {
        if let Some((socket, address)) = &self.manager {
            // A manager that went away has nothing to be told.
            let _ = socket.send_to_addr(lines.as_bytes(), address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_socket_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let name = format!("mailcert-test-{}", std::process::id());
        let by_name = SocketAddr::from_abstract_name(&name).unwrap();
        for (at, socket) in [
            (path.to_str().unwrap().to_owned(), UnixDatagram::bind(&path).unwrap()),
            (format!("@{name}"), UnixDatagram::bind_addr(&by_name).unwrap()),
        ] {
            socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let service = Service::new(Some(&at), Some(Duration::from_secs(60)));
            assert_eq!(service.beat(), Some(Duration::from_secs(30)));
            service.ready("waits");
            service.alive();
            let mut heard = [0; 100];
            let mut next = || {
                let length = socket.recv(&mut heard).unwrap();
                String::from_utf8(heard[..length].to_vec()).unwrap()
            };
            assert_eq!(next(), "READY=1\nSTATUS=waits");
            assert_eq!(next(), "WATCHDOG=1");
        }
    }

    #[test]
    fn where_nobody_manages_nobody_is_told() {
        for at in [None, Some("/nowhere/at/all")] {
            let service = Service::new(at, Some(Duration::from_secs(60)));
            service.ready("waits");
            assert_eq!(service.beat().is_some(), at.is_some(), "{at:?}");
        }
    }
}
