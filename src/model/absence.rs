//! [`Absence`]: since how many days the DNS leaves a name of a certificate out.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{Hostname, Timestamp};

/// Looks that are nearer than this to the one before are of the same day: a timer's spread, and a
/// `fix` between two of its runs, make no day of their own.
const APART: Duration = Duration::from_secs(20 * 3_600);
/// An answer that nobody vouches for has to be given on so many days before it is believed.
const DAYS: u32 = 3;

/// A name that is on a certificate and that its domain does not want any more, as the DNS says.
///
/// Only answers count. A day without one (SERVFAIL, a time-out, no run) neither counts nor begins
/// anew; an answer that wants the name again ends the absence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absence {
    /// The domain of the configuration whose answers are counted.
    pub domain: Hostname,
    /// The days on which it was absent.
    pub days: u32,
    /// The last look that was counted.
    pub last: Timestamp,
    /// DNSSEC vouched for it, or the configuration alone had wanted it.
    pub sure: bool,
}

impl Absence {
    /// The first look that does not find it.
    #[must_use]
    pub fn begin(domain: Hostname, at: Timestamp, sure: bool) -> Self {
        Self { domain, days: 1, last: at, sure }
    }

    /// Another one.
    #[must_use]
    pub fn again(mut self, at: Timestamp, sure: bool) -> Self {
        self.sure |= sure;
        if at.since(self.last) >= APART {
            (self.days, self.last) = (self.days.saturating_add(1), at);
        }
        // A clock that was ahead when it was last looked at.
        self.last = self.last.min(at);
        self
    }

    /// Whether the name may be let go.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        self.sure || self.days >= DAYS
    }

    /// The clock jumped by so many seconds: the last look was a moment ago by the new one as well.
    pub(crate) fn on_clock(&mut self, by: i64, now: Timestamp) {
        self.last = Timestamp::from_unix(self.last.unix().saturating_add(by)).min(now);
    }
}

#[cfg(test)]
mod tests {
    use super::Absence;
    use crate::model::{Hostname, Timestamp};

    /// Hours of looks; `+h` is a jump of the clock that is known, `!` an authenticated answer.
    fn count(looks: &str) -> (u32, bool) {
        let mut absence: Option<Absence> = None;
        for look in looks.split_whitespace() {
            let hours = |text: &str| text.trim_matches(['!', '+']).parse::<i64>().unwrap();
            let at = Timestamp::from_unix(2_000_000_000 + 3_600 * hours(look));
            if look.starts_with('+') {
                let by = 3_600 * hours(look);
                // A moment after the last look, by the new clock.
                let known = absence.as_mut().unwrap();
                let now = Timestamp::from_unix(known.last.unix() + by);
                known.on_clock(by, now);
                continue;
            }
            let sure = look.ends_with('!');
            absence = Some(match absence {
                None => Absence::begin(Hostname::parse("a.test").unwrap(), at, sure),
                Some(known) => known.again(at, sure),
            });
        }
        let absence = absence.unwrap();
        (absence.days, absence.is_certain())
    }

    #[test]
    fn looks_of_three_days_or_one_that_is_vouched_for_let_a_name_go() {
        for (looks, days, certain) in [
            ("0", 1, false),
            ("0!", 1, true),
            ("0 1!", 1, true),
            ("0! 1", 1, true),
            ("0 24", 2, false),
            ("0 24 48", 3, true),
            // A timer with a spread.
            ("0 21 44", 3, true),
            // Many looks of one day are one.
            ("0 1 2 3 4 5 6 7 8", 1, false),
            ("0 6 12 18 24 30 36", 2, false),
            // Days without a look, or without an answer, neither count nor begin anew.
            ("0 72", 2, false),
            ("0 72 200", 3, true),
            // A jump of a month is one look, and none where it is known to be a jump.
            ("0 720", 2, false),
            ("0 +720 720", 1, false),
            ("0 +720 721 744", 2, false),
            // A clock that went back: the next look counts a day after that.
            ("720 0", 1, false),
            ("720 0 1", 1, false),
            ("720 0 24 48", 3, true),
            ("0 720 1 2 3", 2, false),
        ] {
            assert_eq!(count(looks), (days, certain), "{looks}");
        }
    }
}
