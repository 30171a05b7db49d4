//! [`Bar`]: how far `verify` is, as one moving line on a terminal, and the sum at its end.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior};

use crate::model::{Inspection, Verdict};
use crate::report::Counts;

/// How often the line is drawn anew.
const EVERY: Duration = Duration::from_millis(200);

/// Writes to stderr, where that is a terminal and talk is wanted.
pub(in crate::app) struct Bar {
    begun: Instant,
    seen: Mutex<Seen>,
    shown: bool,
}

/// When the line is due.
pub(in crate::app) struct Ticks(Option<Interval>);

impl Ticks {
    /// Waits for the next, for ever if there is no line.
    pub(in crate::app) async fn next(&mut self) {
        match &mut self.0 {
            Some(ticks) => drop(ticks.tick().await),
            None => std::future::pending().await,
        }
    }
}

/// What was seen so far.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    targets: usize,
    done: usize,
    asked: usize,
    looked: usize,
    refused: usize,
}

impl Bar {
    pub(in crate::app) fn new(quiet: bool, targets: usize) -> Self {
        let shown = !quiet && std::io::stderr().is_terminal();
        let seen = Mutex::new(Seen { targets, ..Seen::default() });
        Self { begun: Instant::now(), seen, shown }
    }

    /// When it is to be drawn.
    pub(in crate::app) fn ticks(&self) -> Ticks {
        Ticks(self.shown.then(|| {
            let mut ticks = tokio::time::interval(EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        }))
    }

    /// Draws the line anew.
    pub(in crate::app) fn draw(&self) {
        let line = line(self.state(|seen| *seen), self.begun.elapsed());
        self.write(&format!("\r\x1b[K{line}"));
    }

    /// So many more endpoints are known of.
    pub(in crate::app) fn asked(&self, endpoints: usize) {
        self.state(|seen| seen.asked += endpoints);
    }

    /// One was looked at; `None`: it is optional and not there.
    pub(in crate::app) fn looked(&self, found: Option<&Inspection>) {
        let refused = found.is_some_and(|look| look.verdict == Verdict::Refused);
        self.state(|seen| {
            seen.looked += 1;
            seen.refused += usize::from(refused);
        });
    }

    /// A target is done.
    pub(in crate::app) fn done(&self) {
        self.state(|seen| seen.done += 1);
    }

    /// Since it began.
    pub(in crate::app) fn millis(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Takes the line away; the answer follows. Of many targets the sum stays.
    pub(in crate::app) fn end(&self, counts: &Counts) {
        self.write("\r\x1b[K");
        if self.state(|seen| seen.targets) > 1 {
            self.write(&format!("{}\n", sum(counts, self.begun.elapsed())));
        }
    }

    fn state<T>(&self, with: impl FnOnce(&mut Seen) -> T) -> T {
        with(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, text: &str) {
        if self.shown {
            let mut stderr = std::io::stderr().lock();
            // Nobody is left to be told when stderr is gone.
            let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
        }
    }
}

/// The line: of one target its endpoints, of many how far they are, and when the end is near.
fn line(seen: Seen, since: Duration) -> String {
    let Seen { targets, done, asked, looked, refused } = seen;
    if targets == 1 {
        return match asked {
            0 => "asking the DNS".to_owned(),
            1 => "looking at 1 endpoint".to_owned(),
            all => format!("looked at {looked} of {all} endpoints, {refused} refused"),
        };
    }
    let full = WIDTH * done / targets.max(1);
    let bar = format!("[{}{}]", "#".repeat(full), ".".repeat(WIDTH - full));
    let mut line = format!("{bar} {done} of {targets} targets, {refused} refused");
    if done > 0 && !since.is_zero() {
        let rate = done as f64 / since.as_secs_f64();
        let left = Duration::from_secs_f64((targets - done) as f64 / rate);
        line.push_str(&format!(", {rate:.0}/s, {} left", spoken(left)));
    }
    line.chars().take(78).collect()
}

/// How wide the bar is between its ends.
const WIDTH: usize = 10;

/// All of it in a sentence.
fn sum(counts: &Counts, took: Duration) -> String {
    let Counts { endpoints, accepted, refused, unknown, .. } = counts;
    format!(
        "{endpoints} endpoints in {:.1} s: {accepted} accepted, {refused} refused, \
         {unknown} unknown",
        took.as_secs_f64()
    )
}

fn spoken(span: Duration) -> String {
    match span.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Seen, line, sum};
    use crate::report::Counts;

    #[test]
    fn the_line_says_how_far_it_is_how_fast_and_how_long_still_and_fits() {
        let seen = |targets, done, asked, looked, refused| {
            let seen = Seen { targets, done, asked, looked, refused };
            line(seen, Duration::from_secs(10))
        };
        let lines = [
            seen(1, 0, 0, 0, 0),
            seen(1, 0, 1, 0, 0),
            seen(1, 0, 9, 4, 1),
            seen(20_000, 0, 128, 12, 0),
            seen(20_000, 850, 1000, 990, 3),
            seen(3, 3, 9, 9, 0),
            seen(1_000_000, 1, 1000, 2, 0),
            seen(1_000_000_000, 999_999_999, 0, 0, 999_999_999),
        ];
        expect_test::expect![[r#"
            asking the DNS
            looking at 1 endpoint
            looked at 4 of 9 endpoints, 1 refused
            [..........] 0 of 20000 targets, 0 refused
            [..........] 850 of 20000 targets, 3 refused, 85/s, 3 min 45 s left
            [##########] 3 of 3 targets, 0 refused, 0/s, 0 s left
            [..........] 1 of 1000000 targets, 0 refused, 0/s, 2777 h 46 min left
            [#########.] 999999999 of 1000000000 targets, 999999999 refused, 100000000/s, 
        "#]]
        .assert_eq(&(lines.join("\n") + "\n"));
        assert!(lines.iter().all(|line| line.chars().count() <= 78));
    }

    #[test]
    fn the_sum_is_a_sentence() {
        let counts =
            Counts { endpoints: 9, accepted: 6, refused: 2, unknown: 1, ..Counts::default() };
        let expected = "9 endpoints in 1.3 s: 6 accepted, 2 refused, 1 unknown";
        assert_eq!(sum(&counts, Duration::from_millis(1_340)), expected);
    }
}
