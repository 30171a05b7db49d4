//! The world of the tests that end mailcert: one domain that all three servers show, and a change
//! that makes a run order, install and reload everything.

use std::net::Ipv4Addr;
use std::process::{Child, Command};

use crate::clients::openssl;
use crate::tree::nothing_is_half_done;
use crate::world::{Exim, Wish, World};

/// The ports looked at: one of each server's.
const PORTS: [(u16, Option<&str>); 2] = [(465, None), (993, None)];

/// A world with one certificate, shown by Postfix, Exim and Dovecot.
pub(crate) struct Small {
    pub(crate) world: World,
    key_types: [&'static str; 2],
    issued: usize,
}

impl Small {
    /// Starts it; everything is right in it.
    pub(crate) fn start() -> Self {
        let mut world = World::start(Wish { exim: Exim::Combined, ..Wish::default() });
        for domain in ["beta", "gamma", "delta"] {
            world.reconfigure(&format!("[[domain]]\nname = \"{domain}.test\"\n"), "");
        }
        let relay = format!("relay.alpha A {}", world.exim());
        world.add_to_zone(&[relay, "alpha MX 20 relay.alpha".to_owned()]);
        world.mailcert(&["fix", "--yes"]).exits(0);
        let key_types = ["ecdsa-p256", "ecdsa-p384"];
        let small = Self { issued: finalized(&world), world, key_types };
        small.works("at the outset");
        small
    }

    /// Has the next run order another certificate and show it everywhere.
    pub(crate) fn change(&mut self) {
        self.world.reconfigure(self.key_types[0], self.key_types[1]);
        self.key_types.reverse();
        self.issued = finalized(&self.world);
    }

    /// Insists that every name verifies.
    pub(crate) fn works(&self, when: &str) {
        let wrong: String = self.shown().into_iter().filter_map(Result::err).collect();
        assert!(wrong.is_empty(), "{when}: {wrong}");
    }

    /// Insists that the next run finishes what the last one did not, that nothing is left of that
    /// one, and that the CA was not made to issue twice since the change.
    pub(crate) fn finishes(&self, when: &str) {
        let said = self.world.mailcert(&["run"]);
        assert_eq!(said.code, 0, "{when}: {said}");
        let shown: Result<Vec<String>, String> = self.shown().into_iter().collect();
        let mut shown = shown.unwrap_or_else(|wrong| panic!("{when}, and run again: {wrong}"));
        shown.dedup();
        assert_eq!(shown.len(), 1, "{when}: not all show the same: {said}");
        self.nothing_is_left(when);
        let issued = self.issued_since_the_change();
        assert_eq!(issued, 1, "{when}: certificates for one change: {said}");
    }

    /// How many certificates the CA was asked to make since the change.
    pub(crate) fn issued_since_the_change(&self) -> usize {
        finalized(&self.world) - self.issued
    }

    /// Insists that no temporary file and no key of an order is left.
    pub(crate) fn nothing_is_left(&self, when: &str) {
        nothing_is_half_done(&self.world);
        let orders = std::fs::read_dir(self.world.path("state/orders"));
        assert_eq!(orders.map_or(0, Iterator::count), 0, "{when}: keys of orders");
    }

    /// The names, each at the server that shows it.
    fn names(&self) -> [(&'static str, Ipv4Addr); 3] {
        let (one, two) = (self.world.postfix(), self.world.exim());
        [("mx.alpha.test", one), ("mail.alpha.test", one), ("relay.alpha.test", two)]
    }

    /// What each name shows on each port, or what is wrong with it.
    fn shown(&self) -> Vec<Result<String, String>> {
        let look = |name, address| {
            PORTS.map(|port| {
                let seen = openssl(&self.world, address, port, Some(name), name);
                seen.map_err(|said| format!("=== {name} on {address}:{}\n{said}\n", port.0))
            })
        };
        std::thread::scope(|scope| {
            let threads = self.names().map(|(name, at)| scope.spawn(move || look(name, at)));
            threads.into_iter().flat_map(|thread| thread.join().expect("it looked")).collect()
        })
    }
}

/// How often the CA was asked to make a certificate.
pub(crate) fn finalized(world: &World) -> usize {
    world.ca_log().lines().filter(|line| line.contains("POST /finalize-order/")).count()
}

/// Kills mailcert below `timeout`, which then ends by itself.
pub(crate) fn kill(mut victim: Child) {
    let parent = victim.id().to_string();
    // It may have ended by itself already, or not begun.
    let _ = Command::new("pkill").args(["-KILL", "-P", &parent]).status();
    victim.wait().expect("it is our child");
}
