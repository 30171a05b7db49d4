//! A clock that jumped.

use std::time::Duration;

use crate::model::{Clock, Timestamp};
use crate::store::Diary;

impl Diary {
    /// What is waited for moves with a clock that jumped; and a wait that no refusal can have
    /// asked for was written by a clock that was wrong.
    pub(super) fn on_clock(&mut self, clock: Clock) {
        let by = self.spent.on_clock(clock);
        let moved = |at: Timestamp| Timestamp::from_unix(at.unix().saturating_add(by));
        let latest = clock.at.plus(LONGEST_AFTER_JUMP);
        let holds = self.holds.values_mut().map(|hold| &mut hold.until);
        let waits = self.waits.values_mut().flat_map(|wait| {
            let declined = wait.declined.values_mut().map(|declined| &mut declined.until);
            declined.chain([&mut wait.until])
        });
        for until in holds.chain(waits) {
            *until = moved(*until).min(latest);
        }
        self.rollover.on_clock(by, clock.at);
        self.absent.values_mut().for_each(|absence| absence.on_clock(by, clock.at));
        for (at, _) in self.bad.values_mut() {
            *at = moved(*at).min(clock.at);
        }
    }
}

/// A clock that jumped, or may have across a boot, makes no wait longer than this: that of an order
/// that was refused often. A certificate that lives for six days would not see the end of a longer.
const LONGEST_AFTER_JUMP: Duration = Duration::from_secs(86_400);
