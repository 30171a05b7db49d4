//! Progress on stderr: plain lines, and on a terminal one moving line for long counts.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::flow::Event;
use crate::plan::Fate;
use crate::report;

/// Writes what happens to stderr.
pub(in crate::app) struct Progress {
    quiet: bool,
    terminal: bool,
    total: AtomicUsize,
    seen: AtomicUsize,
}

impl Progress {
    pub(in crate::app) fn new(quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self { quiet, terminal, total: AtomicUsize::new(0), seen: AtomicUsize::new(0) }
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
            Event::Planned(steps) if *steps > 0 => self.line(&count(*steps, "step")),
            Event::Planned(_) => self.clear(),
            Event::Begins(step) => self.moving(&report::step_text(step)),
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
