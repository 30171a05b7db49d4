//! Progress on stderr: plain lines, and on a terminal one moving line for long counts.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::flow::Event;
use crate::plan::{Action, Fate, Step};
use crate::report;

/// Writes what happens to stderr.
pub(in crate::app) struct Progress {
    quiet: bool,
    terminal: bool,
    total: AtomicUsize,
    seen: AtomicUsize,
    orders: Mutex<Orders>,
}

/// How far the orders of a round are.
#[derive(Clone, Copy, Debug, Default)]
struct Orders {
    begun: usize,
    answered: usize,
    /// Hosts whose validation is waited for.
    waiting: usize,
}

impl Orders {
    fn line(self) -> String {
        let Self { begun, answered, waiting } = self;
        let waits = match waiting {
            0 => String::new(),
            some => format!(", waiting for the validation of {}", count(some, "host")),
        };
        format!("{answered} of {} answered{waits}", count(begun, "order"))
    }
}

impl Progress {
    pub(in crate::app) fn new(quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let (total, seen) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { quiet, terminal, total, seen, orders: Mutex::default() }
    }

    pub(in crate::app) fn tell(&self, event: &Event) {
        if self.quiet {
            return;
        }
        match event {
            Event::Discovering(domains) => {
                self.moving(&format!("asking the DNS for {}", count(*domains, "domain")));
            }
            Event::Surveying => self.moving("looking at the servers"),
            Event::Planned(steps) => {
                self.orders(|orders| *orders = Orders::default());
                match steps {
                    0 => self.clear(),
                    steps => self.line(&count(*steps, "step")),
                }
            }
            Event::Begins(Step { action: Action::Issue { .. }, .. }) => {
                let orders = self.orders(|orders| orders.begun += 1);
                self.moving(&orders.line());
            }
            Event::Begins(step) => self.moving(&report::step_text(step)),
            Event::Presented(_) => {
                let orders = self.orders(|orders| orders.waiting += 1);
                self.moving(&orders.line());
            }
            Event::Cleared(_) => {
                let orders =
                    self.orders(|orders| orders.waiting = orders.waiting.saturating_sub(1));
                self.moving(&orders.line());
            }
            Event::Answered(certificate) => {
                let orders = self.orders(|orders| orders.answered += 1);
                // One order alone is told of by its end.
                if orders.begun > 1 && !self.terminal {
                    let Orders { begun, answered, .. } = orders;
                    self.line(&format!("order {answered} of {begun} answered: {certificate}"));
                }
                self.moving(&orders.line());
            }
            Event::Ended(outcome) => {
                let line = report::step_text(&outcome.step);
                match (outcome.fate, &outcome.error) {
                    (Fate::Done, _) => self.line(&format!("done     {line}")),
                    (Fate::Failed, why) => {
                        self.line(&format!("FAILED   {line}: {}", why.as_deref().unwrap_or("")));
                    }
                    (Fate::Skipped, why) => {
                        self.line(&format!("skipped  {line}: {}", why.as_deref().unwrap_or("")));
                    }
                }
            }
            Event::Verifying(endpoints) => {
                self.total.store(*endpoints, Ordering::Relaxed);
                self.seen.store(0, Ordering::Relaxed);
                self.moving(&format!("looking at {}", count(*endpoints, "endpoint")));
            }
            Event::Verified => {
                let seen = self.seen.fetch_add(1, Ordering::Relaxed) + 1;
                let total = self.total.load(Ordering::Relaxed);
                if seen < total {
                    self.moving(&format!("looked at {seen} of {}", count(total, "endpoint")));
                } else {
                    self.clear();
                }
            }
        }
    }

    /// Nothing more comes: the answer follows.
    pub(in crate::app) fn end(&self) {
        if !self.quiet {
            self.clear();
        }
    }

    /// Counts, and says how far that is.
    fn orders(&self, change: impl FnOnce(&mut Orders)) -> Orders {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut orders);
        *orders
    }

    /// A line that the next one overwrites on a terminal, and that a log does not get.
    fn moving(&self, text: &str) {
        if self.terminal {
            let cut: String = text.chars().take(78).collect();
            self.write(&format!("\r\x1b[K{cut}"));
        }
    }

    fn line(&self, text: &str) {
        self.clear();
        self.write(&format!("{text}\n"));
    }

    fn clear(&self) {
        if self.terminal {
            self.write("\r\x1b[K");
        }
    }

    fn write(&self, text: &str) {
        let mut stderr = std::io::stderr().lock();
        // Nobody is left to be told when stderr is gone.
        let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
    }
}

fn count(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

#[cfg(test)]
mod tests {
    use super::Orders;

    #[test]
    fn the_line_says_how_many_orders_are_answered_and_what_is_waited_for() {
        let line = |begun, answered, waiting| Orders { begun, answered, waiting }.line();
        assert_eq!(line(1, 0, 0), "0 of 1 order answered");
        assert_eq!(line(1, 0, 1), "0 of 1 order answered, waiting for the validation of 1 host");
        let most = line(10_000, 9_999, 8_000);
        assert_eq!(most, "9999 of 10000 orders answered, waiting for the validation of 8000 hosts");
        assert!(most.len() < 79);
    }
}
