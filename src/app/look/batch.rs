//! Any number of targets, side by side within the bounds: what they share, and where what was found
//! goes as each is done. Memory holds those under way, and what the report will tell of.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::{Mutex, OnceLock, PoisonError};

use futures_util::{Stream, StreamExt as _};
use tokio::sync::Semaphore;

use crate::app::look::World;
use crate::app::look::listening::Listening;
use crate::app::look::machine::Machine;
use crate::app::look::targets::Targets;
use crate::app::look::unit::{Looked, Turn};
use crate::app::output::{Bar, Output, Reader, Stream as Answer};
use crate::app::signals::Stop;
use crate::app::{Failure, environment};

use crate::cli;
use crate::config::Config;
use crate::flow;
use crate::http::Http;
use crate::local::{self, Local};
use crate::model::{Endpoint, Level, Policies};
use crate::report::{Body, Counts, Kept, Noted, Report, Stopped, Verified};
use crate::verify::{How, Walk};

/// Targets under way at least: those whose answers wait for a slow one before them, where the
/// order matters, must not keep the others from their work.
const WINDOW: usize = 1024;

/// Endpoints that are remembered, so that each is looked at once whoever names it: some 4 MB.
const REMEMBERED: usize = 200_000;

/// Findings, policies of domains and the like, that are held until the end.
const FINDINGS: usize = 10_000;

/// What all targets share.
pub(super) struct Batch<'a> {
    pub(super) world: &'a World<'a>,
    pub(super) how: &'a How,
    pub(super) walk: Walk<'a>,
    pub(super) strict: bool,
    pub(super) stop: Stop,
    pub(super) bar: &'a Bar,
    /// This machine's own servers.
    pub(super) listening: Listening<'a>,
    /// What this machine's own programs make of it.
    pub(super) machine: Machine,
    http: OnceLock<Option<Http>>,
    /// Domains that are asked for at once.
    pub(super) discovering: Semaphore,
    known: Mutex<HashSet<u64>>,
    hasher: RandomState,
}

impl<'a> Batch<'a> {
    pub(super) fn new(
        world: &'a World<'a>,
        stated: Option<&'a Config>,
        how: &'a How,
        typed: &cli::Verify,
        stop: Stop,
        bar: &'a Bar,
    ) -> Self {
        Self {
            world,
            how,
            walk: Walk::new(how),
            strict: typed.strict,
            stop,
            bar,
            listening: Listening::new(stated, world.machine),
            machine: Machine::new(typed.local_trust),
            http: OnceLock::new(),
            discovering: Semaphore::new(flow::QUESTIONS.0),
            known: Mutex::default(),
            hasher: RandomState::new(),
        }
    }

    /// Every target as it is done; in their order where `in_order` says so. A signal ends it: those
    /// under way come with what is known, and no other begins.
    pub(super) fn looks(&self, targets: &Targets, in_order: bool) -> impl Stream<Item = Looked> {
        let mut last = None;
        let units = futures_util::stream::iter(targets.iter().enumerate())
            .take_until(Box::pin(self.stop.came()))
            .map(move |(at, wanted)| self.look_at(at, wanted, Turn::after(&mut last)));
        let window = self.walk.width().max(WINDOW);
        if in_order {
            units.buffered(window).left_stream()
        } else {
            units.buffer_unordered(window).right_stream()
        }
    }

    /// Who asks for the policies of domains; a proxy that cannot be used is gone round.
    pub(super) fn http(&self) -> Option<&Http> {
        let new = || {
            let (roots, proxy) = (&self.how.roots, environment::proxy());
            Http::new(roots, proxy.as_ref()).or_else(|_| Http::new(roots, None)).ok()
        };
        self.http.get_or_init(new).as_ref()
    }

    /// Whether no target named this endpoint before, as far as memory goes. That two of 200,000
    /// have the same 64 bits happens once in a thousand million runs.
    pub(super) fn is_new(&self, endpoint: &Endpoint) -> bool {
        let mark = self.hasher.hash_one(endpoint);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            return !known.contains(&mark);
        }
        known.insert(mark)
    }
}

/// Where what was found goes.
pub(super) struct Sink<'a> {
    output: &'a Output,
    answer: Answer<'a>,
    counts: Counts,
    kept: Kept,
    noted: Noted,
    policies: Vec<Policies>,
    local: Vec<Local>,
    strict: bool,
    targets: usize,
    /// Targets looked at to the end.
    whole: usize,
    /// Endpoints of the only target: looked at, and all.
    endpoints: (usize, usize),
}

impl<'a> Sink<'a> {
    pub(super) fn new(output: &'a Output, strict: bool, targets: usize) -> Self {
        Self {
            output,
            answer: Answer::new(output),
            counts: Counts::default(),
            kept: Kept::new(output.holds()),
            noted: Noted::new(FINDINGS),
            policies: Vec::new(),
            local: Vec::new(),
            strict,
            targets,
            whole: 0,
            endpoints: (0, 0),
        }
    }

    /// One target.
    ///
    /// # Errors
    /// [`Failure::Work`] when the answer cannot be written.
    pub(super) fn take(&mut self, looked: Looked) -> Result<Reader, Failure> {
        self.whole += usize::from(looked.whole);
        self.endpoints = (looked.inspections.len(), looked.asked);
        self.noted.extend(looked.findings);
        if self.policies.len() < FINDINGS {
            self.policies.extend(looked.policies);
        }
        if self.local.len() < FINDINGS {
            self.local.extend(looked.local);
        }
        let mut reader = Reader::There;
        for (index, look) in looked.inspections.into_iter().enumerate() {
            self.counts.add(&look);
            if reader == Reader::There {
                reader = self.answer.put(&look)?;
            }
            self.kept.add((looked.at, index), look);
        }
        Ok(reader)
    }

    /// The rest of the answer; the exit code.
    ///
    /// # Errors
    /// [`Failure::Work`] when it cannot be written.
    pub(super) fn end(self, profile: &'static str, bar: &Bar) -> Result<u8, Failure> {
        bar.end(&self.counts);
        let stopped = self.stopped();
        let (findings, left_out) = self.noted.into_findings();
        let verified = Verified::of_many(profile, self.counts, self.kept.into_endpoints(), stopped);
        let verified = Verified {
            millis: Some(bar.millis()),
            findings_left_out: left_out,
            policies: self.policies,
            local: self.local,
            ..verified
        };
        let of_machine =
            findings.iter().any(|one| one.level == Level::Warn && local::is_of_machine(one.code));
        let code = self.output.code(&verified);
        // Trouble of this machine is no verdict on a server; with --strict it counts all the same.
        let code = if code == 0 && self.strict && of_machine { 1 } else { code };
        self.answer.end(&Report::new("verify", Body::Verify(verified), findings))?;
        Ok(code)
    }

    /// How far it came, if not to the end.
    fn stopped(&self) -> Option<Stopped> {
        let (done, all) = self.endpoints;
        match (self.targets, self.whole) {
            (targets, whole) if targets == whole => None,
            (1, _) if all > 0 => Some(Stopped { done, all, what: "endpoint" }),
            (targets, whole) => Some(Stopped { done: whole, all: targets, what: "target" }),
        }
    }
}
