//! How many connections of one endpoint are open at a time: one by its own turn, and as many more
//! as its address has free.

use tokio::sync::{Semaphore, SemaphorePermit};

/// Connections beside the one that the endpoint's turn is for: the further looks are four.
const MORE: u32 = 3;

/// The connections that the further looks at an endpoint share.
#[derive(Debug)]
pub(super) struct Lanes<'a> {
    lanes: Semaphore,
    /// Given back to the address with the lanes.
    _more: Option<SemaphorePermit<'a>>,
}

impl<'a> Lanes<'a> {
    /// The endpoint's own, and what nobody waits for at the gate of its address.
    pub(super) fn at(gate: Option<&'a Semaphore>) -> Self {
        let free = |gate: &'a Semaphore| {
            (1..=MORE).rev().find_map(|count| gate.try_acquire_many(count).ok())
        };
        let more = gate.and_then(free);
        let count = more.as_ref().map_or(0, SemaphorePermit::num_permits);
        Self { lanes: Semaphore::new(1 + count), _more: more }
    }

    /// A lane, when one is free; `None` once they are closed.
    pub(super) async fn take(&self) -> Option<SemaphorePermit<'_>> {
        self.lanes.acquire().await.ok()
    }

    /// After a time-out nobody is asked any further.
    pub(super) fn close(&self) {
        self.lanes.close();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::sync::Semaphore;

    use super::Lanes;

    #[test]
    fn there_are_as_many_lanes_as_the_address_has_free_and_none_after_a_time_out() {
        for (free, expected) in [(0, 1), (1, 2), (3, 4), (9, 4)] {
            let gate = Semaphore::new(free);
            let lanes = Lanes::at(Some(&gate));
            let taken: Vec<_> = (0..expected)
                .map(|_| lanes.take().now_or_never().expect("one is free").expect("it is open"))
                .collect();
            assert!(lanes.take().now_or_never().is_none(), "{free}");
            drop(taken);
            lanes.close();
            assert!(lanes.take().now_or_never().expect("no waiting").is_none(), "{free}");
            drop(lanes);
            assert_eq!(gate.available_permits(), free);
        }
        let lanes = Lanes::at(None);
        let own = lanes.take().now_or_never();
        assert!(own.is_some() && lanes.take().now_or_never().is_none());
    }
}
