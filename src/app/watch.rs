//! `watch`: stays resident and does what `run` does whenever there is a reason to look.
//!
//! One thread, one loop: it waits for the plan's moment, for SIGHUP, for files and for an end, and
//! everything else (what a round is, what it says) is `work`. The lock is held during a round only.

mod files;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep, timeout};

use crate::app::output::{Output, lay, say, why};
use crate::app::session::{self, Session};
use crate::app::signals::Stop;
use crate::app::{Failure, environment, state, work};
use crate::cli;
use crate::config::Config;
use crate::model::Timestamp;
use crate::store::FilePrint;
use crate::watch::{Ended, Eyes, Page, Schedule, Service};

/// `watch`.
pub(super) async fn watch(
    named: Option<PathBuf>,
    typed: cli::Watch,
    output: Output,
) -> Result<u8, Failure> {
    let named = named.unwrap_or_else(|| session::CONFIG.into());
    let named = std::path::absolute(&named).map_err(|error| Failure::usage(why(&error)))?;
    let mut hangup = signal(SignalKind::hangup()).map_err(Failure::work)?;
    let mut watch = Watch::begin(named, typed, output).await?;
    watch.service.ready("looks for the first time");
    while !watch.stop.has_come() {
        watch.alive();
        let now = watch.clock();
        if watch.schedule.is_due(now) {
            watch.round(now).await;
        } else {
            watch.wait(&mut hangup).await;
        }
    }
    watch.service.stopping();
    Ok(0)
}

/// What is kept between two rounds.
struct Watch {
    named: PathBuf,
    typed: cli::Watch,
    output: Output,
    /// The last one that could be read.
    config: Config,
    /// The files it was read from.
    read: BTreeSet<PathBuf>,
    schedule: Schedule,
    eyes: Eyes,
    /// What mailcert installed, as it left it.
    left: BTreeMap<PathBuf, FilePrint>,
    service: Service,
    page: Option<Arc<Page>>,
    stop: Stop,
    /// Why the last round could not work, if it could not.
    trouble: Option<String>,
    /// Why the next round is begun.
    because: &'static str,
    started: Instant,
}

impl Watch {
    async fn begin(named: PathBuf, typed: cli::Watch, output: Output) -> Result<Self, Failure> {
        let loaded = session::load(Some(&named), &output)?;
        // What cannot be opened now is told now, and not in the middle of a night.
        Session::open(loaded.config.clone())?;
        let stop = Stop::default();
        stop.heed()?;
        let (now, started) = environment::now();
        let schedule = Schedule::new(now, Duration::ZERO);
        let page = match typed.listen {
            None => None,
            Some(at) => Some(open(at, &schedule, &output).await?),
        };
        let output = output.measured_in(typed.metrics.clone()).shown_on(page.clone());
        let (socket, watchdog) = environment::service_manager();
        let mut watch = Self {
            read: loaded.files,
            config: loaded.config,
            service: Service::new(socket.as_deref(), watchdog),
            eyes: Eyes::default(),
            left: BTreeMap::new(),
            trouble: None,
            because: "watch begins",
            named,
            typed,
            output,
            schedule,
            page,
            stop,
            started,
        };
        watch.left = files::installed(&watch.config);
        watch.look_at_files();
        Ok(watch)
    }

    /// Says that the loop goes round.
    fn alive(&self) {
        self.service.alive();
    }

    /// The moment it is; a clock that jumped is said.
    fn clock(&mut self) -> Timestamp {
        let (now, then) = environment::now();
        let up = then.saturating_duration_since(self.started);
        if let Some(by) = self.schedule.jumped(now, up) {
            let (due, hint) = (self.schedule.due(), "where it is wrong, set it right until then");
            self.output.warn(&format!(
                "the clock jumped by {by} s, or the machine slept: the next look is at {due}; {hint}"
            ));
            self.because = "the clock jumped";
            self.tell_page();
        }
        now
    }

    /// One round: what `run` does.
    async fn round(&mut self, now: Timestamp) {
        // Another mailcert that is at work is said once.
        let again = self.trouble.is_some();
        if !again {
            self.output.warn(&format!("looking, since {}", self.because));
        }
        self.service.status("at work");
        self.eyes.changed();
        self.schedule.begins(now);
        self.tell_page();
        let done = self.beating(self.work()).await;
        let now = self.clock();
        let (ended, trouble) = match &done {
            Ok(done) if done.failed => (Ended::Partly { wake: done.wake }, None),
            Ok(done) => (Ended::Whole { wake: done.wake }, None),
            Err(failure @ Failure::Locked(_)) => (Ended::Locked, Some(failure)),
            Err(failure) => (Ended::Failed, Some(failure)),
        };
        self.schedule.ended(ended, self.config.discover.every, now);
        self.because = "its time has come";
        let due = self.schedule.due();
        let trouble = trouble.map(|failure| failure.text().to_owned());
        if let Some(text) = trouble.as_ref().filter(|text| self.trouble.as_ref() != Some(text)) {
            say(&format!("{text}\nwatch goes on: it tries again from {due} on"));
        }
        let how = match &done {
            Ok(done) if done.code == 0 => "all is as wanted",
            Ok(_) => "something needs a person: `mailcert status`, and the log",
            Err(Failure::Locked(_)) => "another mailcert is at work",
            Err(_) => "the last look failed: see the log",
        };
        self.service.status(&format!("{how}; next look at {due}"));
        self.trouble = trouble;
        self.lay_page();
        self.look_at_files();
        self.tell_page();
        let changed = self.eyes.changed();
        self.notice(&changed, now);
    }

    /// Writes the page that is looked at, where one is wanted.
    fn lay_page(&self) {
        let Some(file) = &self.typed.page else { return };
        let session = Session::open(self.config.clone());
        let page = session.and_then(|session| state::page(&session));
        if let Err(failure) = page.and_then(|page| lay("--page", file, &page)) {
            say(failure.text());
        }
    }

    async fn work(&self) -> Result<work::Worked, Failure> {
        let session = Session::open(self.config.clone())?.ended_by(self.stop.clone());
        let session = session.strictly(self.typed.strict);
        work::round(&session, "watch", &self.output).await
    }

    /// Waits for it, saying meanwhile that we are alive: the round runs in the task that says so.
    /// What hangs for longer than any round is not called alive.
    async fn beating<T>(&self, round: impl Future<Output = T>) -> T {
        let mut round = pin!(round);
        let (begun, mut stopping) = (Instant::now(), false);
        loop {
            let beat = sleep(self.service.beat().unwrap_or(LONGEST_BEAT));
            tokio::select! {
                done = &mut round => return done,
                () = beat => if begun.elapsed() < HANGS { self.alive() },
                () = self.stop.came(), if !stopping => {
                    stopping = true;
                    self.service.stopping();
                    say("interrupted: what is under way is finished or taken back");
                }
            }
        }
    }

    /// Waits for a reason to look, or until the clock is to be read again.
    async fn wait(&mut self, hangup: &mut Signal) {
        let pause = self.schedule.pause(environment::now().0);
        let pause = self.service.beat().map_or(pause, |beat| beat.min(pause));
        tokio::select! {
            () = self.stop.came() => {}
            _ = hangup.recv() => self.hang_up(),
            () = self.eyes.stirred() => self.settle().await,
            // The seconds of the clock are whole.
            () = sleep(pause + Duration::from_millis(20)) => {}
        }
    }

    /// SIGHUP: the configuration is read again, and everything is looked at.
    fn hang_up(&mut self) {
        self.service.reloading(environment::monotonic());
        self.reload();
        self.schedule.at_once(environment::now().0);
        self.because = "SIGHUP asks for it";
        self.service.ready("looks, since SIGHUP asks for it");
    }

    /// Something happened to a file: when nothing more happens to any, it is seen what.
    async fn settle(&mut self) {
        let quiet = async { while timeout(QUIET, self.eyes.stirred()).await.is_ok() {} };
        // Somebody who writes all the time does not keep us from looking.
        let _ = timeout(LONGEST_UNREST, quiet).await;
        let changed = self.eyes.changed();
        // Directories may have come or gone.
        self.look_at_files();
        self.notice(&changed, environment::now().0);
    }

    fn notice(&mut self, changed: &[PathBuf], now: Timestamp) {
        let Some(first) = changed.first() else { return };
        let more = match changed.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        self.output.warn(&format!("changed: {}{more}", first.display()));
        let (configured, others): (Vec<&PathBuf>, Vec<&PathBuf>) =
            changed.iter().partition(|path| self.read.contains(*path));
        self.because = "a file changed";
        if !configured.is_empty() {
            let known = self.config.clone();
            if self.reload() && self.config != known {
                self.because = "the configuration changed";
            } else if others.is_empty() {
                // It is wrong, or wants what it wanted before.
                return;
            }
        }
        self.schedule.stirred(now);
    }

    /// Reads the configuration again; a bad one is said, and the old one is kept.
    fn reload(&mut self) -> bool {
        let loaded = session::load(Some(&self.named), &self.output);
        let loaded = loaded.and_then(|loaded| Session::open(loaded.config.clone()).map(|_| loaded));
        let is_good = match loaded {
            Ok(loaded) => {
                self.config = loaded.config;
                self.read = loaded.files;
                true
            }
            Err(failure) => {
                say(&format!("{}\nthe configuration from before is kept", failure.text()));
                self.service.status("the configuration is wrong: the one from before is kept");
                false
            }
        };
        self.look_at_files();
        is_good
    }

    /// From now on the files are looked at that matter now. What we wrote ourselves is none of the
    /// changes.
    fn look_at_files(&mut self) {
        let was_blind = self.eyes.blind().is_some();
        let left = files::installed(&self.config);
        let paths = left.keys().cloned().chain(files::of_others(&self.config));
        let paths = paths.chain(self.read.iter().cloned()).collect();
        let new = |(path, print): &(&PathBuf, &FilePrint)| self.left.get(*path) != Some(*print);
        let written = left.iter().filter(new).map(|(path, print)| (path.clone(), print.clone()));
        self.eyes.turn_to(paths, &written.collect());
        self.left = left;
        if let Some(why) = self.eyes.blind().filter(|_| !was_blind) {
            self.output.warn(&format!(
                "the kernel does not tell of changed files ({why}): they are seen every 15 minutes"
            ));
        }
    }

    fn tell_page(&self) {
        if let Some(page) = &self.page {
            page.due(&self.schedule, self.trouble.as_deref());
        }
    }
}

/// Opens the page on a loopback address.
async fn open(at: SocketAddr, schedule: &Schedule, output: &Output) -> Result<Arc<Page>, Failure> {
    let failed = |error| Failure::work(format_args!("--listen {at}: {}", why(&error)));
    let listener = TcpListener::bind(at).await.map_err(failed)?;
    let at = listener.local_addr().map_err(failed)?;
    output.warn(&format!("http://{at}/metrics and http://{at}/healthz are served"));
    let page = Arc::new(Page::new(schedule.clone(), || environment::now().0));
    tokio::spawn(page.clone().serve(listener));
    Ok(page)
}

/// Files are left alone for so long before it is seen what happened to them.
const QUIET: Duration = Duration::from_millis(500);
/// And for so long at most.
const LONGEST_UNREST: Duration = Duration::from_secs(5);
/// Where nobody waits to hear that we are alive.
const LONGEST_BEAT: Duration = Duration::from_secs(3600);
/// No round takes longer than this.
const HANGS: Duration = Duration::from_secs(6 * 3600);
