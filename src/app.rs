//! One short function per subcommand; the only reader of clock, environment and terminal, and the
//! only printer. Exit codes are decided here.

mod asked;
mod environment;
mod look;
mod progress;
mod session;
mod setup;
mod state;
mod texts;
mod work;

use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command, Format, Global};
use crate::flow::Fresh;
use crate::plan::Mode;
use crate::report::{self, Detail, Report};
use crate::store::StoreError;
use session::{Session, load, load_if_any};

/// Why a command ended without an answer; each kind has its exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What was typed or configured cannot be used: 2.
    Usage(String),
    /// Our work failed: 1.
    Work(String),
    /// Another mailcert is at work: 5.
    Locked(String),
}

impl Failure {
    fn usage(error: impl std::fmt::Display) -> Self {
        Self::Usage(format!("error: {error}"))
    }

    fn work(error: impl std::fmt::Display) -> Self {
        Self::Work(error.to_string())
    }

    fn store(error: StoreError) -> Self {
        match error {
            StoreError::Locked { .. } => Self::Locked(error.to_string()),
            StoreError::Unsafe { .. } | StoreError::Schema { .. } => Self::usage(error),
            _ => Self::work(error),
        }
    }
}

/// Runs the command line and returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            say(&format!("error: no runtime: {error}"));
            return ExitCode::from(1);
        }
    };
    match runtime.block_on(command(cli)) {
        Ok(code) => ExitCode::from(code),
        Err(Failure::Usage(text)) => {
            say(&text);
            ExitCode::from(2)
        }
        Err(Failure::Work(text)) => {
            say(&format!("error: {text}"));
            ExitCode::from(1)
        }
        Err(Failure::Locked(text)) => {
            say(&format!("error: {text}"));
            ExitCode::from(5)
        }
    }
}

async fn command(cli: Cli) -> Result<u8, Failure> {
    let output = Output::new(&cli.global);
    let named = cli.global.config.as_deref();
    match cli.command {
        Command::Verify(typed) => look::verify(load_if_any(named)?, typed, &output).await,
        Command::Discover(typed) => look::discover(load_if_any(named)?, typed, &output).await,
        Command::Explain(typed) => Ok(texts::explain(typed.code, &output)),
        Command::Completions(typed) => Ok(texts::completions(typed.shell, &output)),
        Command::Man(typed) => texts::man(&typed.directory, &output),
        Command::Init(typed) => texts::init(named, typed, &output).await,
        Command::Plan(typed) => {
            let loaded = load(named)?;
            let fresh = if typed.fresh { Fresh::Anew } else { Fresh::Remembered };
            let session = Session::open(loaded.config)?;
            work::plan(&session, fresh, &Mode::Run, &output, loaded.findings).await
        }
        Command::Run(typed) => {
            let loaded = load(named)?;
            let output = output.strictly(typed.strict);
            let session = Session::open(loaded.config)?;
            if typed.dry_run {
                let fresh = Fresh::Remembered;
                return work::plan(&session, fresh, &Mode::Run, &output, loaded.findings).await;
            }
            work::run(&session, &output, loaded.findings).await
        }
        Command::Fix(typed) => {
            let loaded = load(named)?;
            let output = output.strictly(typed.strict);
            session::known(&loaded.config, &typed.names)?;
            let session = Session::open(loaded.config)?.for_names(typed.names);
            if typed.dry_run {
                let mode = Mode::Fix { hook: typed.yes };
                return work::plan(&session, Fresh::Anew, &mode, &output, loaded.findings).await;
            }
            work::fix(&session, typed.yes, &output, loaded.findings).await
        }
        Command::Rollback(typed) => {
            let loaded = load(named)?;
            let session = Session::open(loaded.config)?;
            work::rollback(&session, &typed.name, &output, loaded.findings).await
        }
        Command::Setup(typed) => {
            let loaded = load(named)?;
            let session = Session::open(loaded.config)?;
            if typed.undo {
                return setup::undo(&session, typed.yes, &output, loaded.findings).await;
            }
            setup::setup(&session, typed.yes, &output, loaded.findings).await
        }
        Command::Status => {
            let loaded = load(named)?;
            state::status(&Session::open(loaded.config)?, &output, loaded.findings)
        }
        Command::Check => {
            let loaded = load(named)?;
            state::check(&Session::open(loaded.config)?, &output, loaded.findings).await
        }
    }
}

/// Where answers go and how much they say.
pub(crate) struct Output {
    format: Format,
    detail: Detail,
    strict: bool,
}

impl Output {
    fn new(global: &Global) -> Self {
        let detail = match (global.quiet, global.verbose) {
            (true, _) => Detail::Quiet,
            (false, 0) => Detail::Usual,
            (false, _) => Detail::Verbose,
        };
        Self { format: global.format(), detail, strict: false }
    }

    fn strictly(self, strict: bool) -> Self {
        Self { strict, ..self }
    }

    /// Whether warnings count as failures.
    fn strict(&self) -> bool {
        self.strict
    }

    fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    fn detail(&self) -> Detail {
        self.detail
    }

    /// Whether progress is unwanted.
    fn quiet(&self) -> bool {
        self.detail == Detail::Quiet
    }

    /// The answer of a command, on stdout.
    fn answer(&self, report: &Report) {
        match self.format {
            Format::Json => print(&report::json(report)),
            Format::Human => print(&report::human(report, self.detail)),
        }
    }

    /// A text that is an answer of its own; where JSON is asked for it goes to stderr.
    fn text(&self, text: &str) {
        if self.is_json() {
            say(text.trim_end());
        } else {
            print(text);
        }
    }
}

/// Writes to stdout. A reader that went away (`| head`) is no failure of ours.
fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Writes a line to stderr.
pub(crate) fn say(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = writeln!(stderr, "{text}");
}

/// Asks a person; without a terminal the answer is no.
fn ask_consent(question: &str) -> bool {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return false;
    }
    let mut stderr = std::io::stderr().lock();
    let _ = write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush());
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    read.is_ok() && matches!(line.trim(), "y" | "Y" | "yes" | "Yes")
}
