//! [`Schedule`]: when the next round is due. It reads no clock: what it says is nobody's secret,
//! and a week of it takes a test no time.

use std::time::Duration;

use crate::model::Timestamp;

/// When the next round is due, and since when one is owed.
#[derive(Clone, Debug)]
pub struct Schedule {
    due: Timestamp,
    /// What was due first and has not been done.
    owed: Timestamp,
    /// When the round under way began.
    begun: Option<Timestamp>,
    /// Rounds in a row that could not work, or not wholly.
    failed: u32,
    /// Rounds in a row whose plan wanted the next one at once.
    hasty: u32,
    /// Rounds in a row that were begun for a file, and when the last one was asked for.
    stirred: (u32, Timestamp),
    /// The wall clock beside one that never jumps.
    clock: (Timestamp, Duration),
}

/// How a round ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It did what could be done; its plan says when to look again.
    Whole {
        /// When, if at all.
        wake: Option<Timestamp>,
    },
    /// It was made, and a step that nobody has to wait for did not work: a reload, say.
    Partly {
        /// When its plan says to look again, if at all.
        wake: Option<Timestamp>,
    },
    /// Another mailcert is at work.
    Locked,
    /// Nothing could be done: the state cannot be read, a disk is full.
    Failed,
}

impl Schedule {
    /// A round is due at once. `up` is a clock that never jumps.
    #[must_use]
    pub fn new(now: Timestamp, up: Duration) -> Self {
        Self {
            due: now,
            owed: now,
            begun: None,
            failed: 0,
            hasty: 0,
            stirred: (0, now),
            clock: (now, up),
        }
    }

    /// When the next round is due.
    #[must_use]
    pub fn due(&self) -> Timestamp {
        self.due
    }

    /// Whether it is due now.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.due <= now
    }

    /// How long to sleep before the clocks are looked at again: a clock that is set, or a machine
    /// that slept, is noticed then.
    #[must_use]
    pub fn pause(&self, now: Timestamp) -> Duration {
        self.due.since(now).min(LONGEST_SLEEP)
    }

    /// Somebody asks for a round.
    pub fn at_once(&mut self, now: Timestamp) {
        self.due = self.due.min(now);
    }

    /// A file changed. Where that happens again and again, somebody undoes what a round does: each
    /// time it waits longer.
    pub fn stirred(&mut self, now: Timestamp) {
        let (count, last) = self.stirred;
        let count = if now.since(last) > CALM { 0 } else { count };
        let at = if count == 0 { now } else { last.plus(doubled(STIR, count)).max(now) };
        self.due = self.due.min(at);
        self.stirred = (count + 1, at);
    }

    /// A round begins.
    pub fn begins(&mut self, now: Timestamp) {
        self.begun = Some(now);
    }

    /// A round ended. The next one begins when the plan says so, and after `rest` at the latest; a
    /// plan that wants one at once again and again waits longer each time.
    pub fn ended(&mut self, how: Ended, rest: Duration, now: Timestamp) {
        self.begun = None;
        match how {
            Ended::Whole { wake } => {
                self.failed = 0;
                self.due = self.planned(wake, rest, now);
                self.owed = self.due;
            }
            Ended::Partly { wake } => {
                let again = now.plus(doubled(LEAST, self.failed));
                self.failed += 1;
                self.due = self.planned(wake, rest, now).min(again);
                self.owed = self.due;
            }
            Ended::Locked => self.due = now.plus(SHORTLY),
            Ended::Failed => {
                self.due = now.plus(doubled(LEAST, self.failed));
                self.failed += 1;
            }
        }
    }

    fn planned(&mut self, wake: Option<Timestamp>, rest: Duration, now: Timestamp) -> Timestamp {
        let latest = now.plus(rest.max(LEAST));
        let wanted = wake.map_or(latest, |wake| wake.min(latest));
        let earliest = now.plus(doubled(LEAST, self.hasty));
        self.hasty = if wanted < earliest { self.hasty + 1 } else { 0 };
        wanted.max(earliest)
    }

    /// Compares the wall clock with one that never jumps, and says by how many seconds it did since
    /// the last time. What is due waits no longer for it than until a clock is usually right
    /// again: a wrong one makes everything look as if it had ended.
    pub fn jumped(&mut self, now: Timestamp, up: Duration) -> Option<i64> {
        let (then, then_up) = std::mem::replace(&mut self.clock, (now, up));
        let really = i64::try_from(up.saturating_sub(then_up).as_secs()).unwrap_or(i64::MAX);
        let by = now.unix().saturating_sub(then.unix()).saturating_sub(really);
        if by.abs() <= ADJUSTED {
            return None;
        }
        let moved = |at: Timestamp| Timestamp::from_unix(at.unix().saturating_add(by));
        self.due = moved(self.due).min(now.plus(SETTLES));
        self.owed = moved(self.owed).min(now.plus(SETTLES));
        self.begun = self.begun.map(moved);
        self.stirred.1 = moved(self.stirred.1);
        Some(by)
    }

    /// Since when a round is missing, where that is too long: it should have ended by now.
    #[must_use]
    pub fn overdue(&self, now: Timestamp) -> Option<Timestamp> {
        match self.begun {
            Some(begun) => (now.since(begun) > LONGEST_ROUND).then_some(begun),
            None => (now.since(self.owed) > GRACE).then_some(self.owed),
        }
    }
}

fn doubled(span: Duration, times: u32) -> Duration {
    span * (1 << times.min(6))
}

/// A round that takes longer hangs: a first one with thousands of names takes hours, none takes
/// longer than this.
const LONGEST_ROUND: Duration = Duration::from_secs(6 * 3600);
/// A round that is due and cannot be made is a matter for a person after this time.
const GRACE: Duration = Duration::from_secs(3600);
/// The longest sleep without a look at the clocks.
const LONGEST_SLEEP: Duration = Duration::from_secs(15 * 60);
/// The least time between two rounds that nobody asked for.
const LEAST: Duration = Duration::from_secs(60);
/// Another mailcert is done in a moment, or in minutes.
const SHORTLY: Duration = Duration::from_secs(10);
/// Half of the first pause between two rounds for files.
const STIR: Duration = Duration::from_secs(5);
/// After this time without a change nobody undoes what we do.
const CALM: Duration = Duration::from_secs(15 * 60);
/// A clock that is set wrong at a start is set right by NTP within this time.
const SETTLES: Duration = Duration::from_secs(600);
/// A clock that is adjusted by less than this, in seconds, has not jumped.
const ADJUSTED: i64 = 300;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(1_800_000_000 + seconds)
    }

    fn up(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    const DAY: Duration = Duration::from_secs(86_400);

    /// Sleeps as the loop does; the clocks go on by what was slept.
    fn sleep(schedule: &mut Schedule, clock: &mut i64, slept: &mut usize) {
        while !schedule.is_due(at(*clock)) {
            let pause = schedule.pause(at(*clock));
            assert!(pause <= LONGEST_SLEEP && !pause.is_zero(), "{pause:?}");
            *clock += i64::try_from(pause.as_secs()).unwrap();
            *slept += 1;
            assert_eq!(schedule.jumped(at(*clock), up(clock.unsigned_abs())), None);
        }
    }

    #[test]
    fn in_a_week_it_wakes_when_the_plan_says_so_and_never_else() {
        let (mut clock, mut slept) = (0, 0);
        let mut schedule = Schedule::new(at(0), up(0));
        let mut rounds = Vec::new();
        // Waits after a refusal (1, 10, 100 minutes, then daily), each round taking 7 s.
        let mut waits = [60, 600, 6000].into_iter().chain(std::iter::repeat(80_000));
        let mut wanted = vec![at(0)];
        while clock < 7 * 86_400 {
            sleep(&mut schedule, &mut clock, &mut slept);
            rounds.push(at(clock));
            schedule.begins(at(clock));
            clock += 7;
            let wake = at(clock + waits.next().unwrap());
            wanted.push(wake);
            schedule.ended(Ended::Whole { wake: Some(wake) }, DAY, at(clock));
            assert_eq!(schedule.overdue(at(clock)), None);
        }
        assert_eq!(rounds, wanted[..rounds.len()]);
        assert_eq!(rounds.len(), 12);
        assert!(slept < 8 * 24 * 4, "{slept} times awake");
    }

    #[test]
    fn what_fails_or_wants_to_go_on_at_once_waits_longer_each_time() {
        let mut schedule = Schedule::new(at(0), up(0));
        let mut pauses = |how: &dyn Fn(i64) -> Ended| {
            let mut now = 0;
            let round = |_| {
                schedule.ended(how(now), DAY, at(now));
                let pause = schedule.due().since(at(now)).as_secs();
                now += i64::try_from(pause).unwrap();
                pause
            };
            (0..8).map(round).collect::<Vec<_>>()
        };
        let longer = [60, 120, 240, 480, 960, 1920, 3840, 3840];
        assert_eq!(pauses(&|_| Ended::Failed), longer);
        assert_eq!(pauses(&|now| Ended::Whole { wake: Some(at(now)) }), longer);
        assert_eq!(pauses(&|_| Ended::Locked), [10; 8]);
        assert_eq!(pauses(&|_| Ended::Whole { wake: None }), [86_400; 8]);
        assert_eq!(pauses(&|_| Ended::Partly { wake: None }), longer);
        assert_eq!(pauses(&|now| Ended::Partly { wake: Some(at(now + 90)) })[0..2], [90, 90]);
        assert_eq!(pauses(&|_| Ended::Whole { wake: None }), [86_400; 8]);
        assert_eq!(pauses(&|now| Ended::Whole { wake: Some(at(now + 61)) }), [61; 8]);
    }

    #[test]
    fn two_who_fight_over_a_file_do_not_fight_all_day() {
        let mut schedule = Schedule::new(at(0), up(0));
        let (mut now, mut rounds) = (0, 0);
        while now < 86_400 {
            schedule.stirred(at(now));
            now = schedule.due().unix() - at(0).unix();
            rounds += 1;
            schedule.ended(Ended::Whole { wake: None }, DAY, at(now));
            now += 1;
        }
        assert!((200..300).contains(&rounds), "{rounds}");
        // A quarter of an hour later a change is answered at once.
        let later = at(now + 1000);
        schedule.stirred(later);
        assert!(schedule.is_due(later));
    }

    #[test]
    fn a_clock_that_jumps_is_noticed_and_given_time_to_be_set_right() {
        let year = 365 * 86_400;
        for by in [year, -year, 301, -301] {
            let mut schedule = Schedule::new(at(0), up(0));
            schedule.ended(Ended::Whole { wake: Some(at(80_000)) }, DAY, at(0));
            // A minute later.
            assert_eq!(schedule.jumped(at(60 + by), up(60)), Some(by));
            assert_eq!(schedule.due(), at(60 + by + 600), "{by}");
            assert_eq!(schedule.overdue(at(60 + by)), None, "{by}");
            // It is set right: nothing was done by the wrong one.
            assert_eq!(schedule.jumped(at(120), up(120)), Some(-by));
            assert_eq!(schedule.due(), at(660), "{by}");
        }
        let mut schedule = Schedule::new(at(0), up(0));
        schedule.ended(Ended::Whole { wake: Some(at(80_000)) }, DAY, at(0));
        assert_eq!(schedule.jumped(at(300), up(60)), None);
        assert_eq!(schedule.due(), at(80_000));
    }

    #[test]
    fn a_round_that_is_missing_for_an_hour_is_overdue_and_one_that_works_is_not() {
        let mut schedule = Schedule::new(at(0), up(0));
        schedule.ended(Ended::Locked, DAY, at(0));
        assert_eq!(schedule.overdue(at(3600)), None);
        schedule.ended(Ended::Locked, DAY, at(3601));
        assert_eq!(schedule.overdue(at(3601)), Some(at(0)));
        schedule.begins(at(3601));
        assert_eq!(schedule.overdue(at(3601 + 6 * 3600)), None);
        assert_eq!(schedule.overdue(at(3602 + 6 * 3600)), Some(at(3601)));
        schedule.ended(Ended::Whole { wake: None }, DAY, at(30_000));
        assert_eq!(schedule.overdue(at(30_000)), None);
    }
}
