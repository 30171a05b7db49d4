//! One short function per subcommand; the only reader of clock, environment and terminal, and the
//! only printer. Exit codes are decided here.

mod environment;
mod log;
mod look;
mod output;
mod progress;
mod session;
mod setup;
mod state;
mod targets;
mod texts;
mod work;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::flow::Fresh;
use crate::plan::Mode;
use crate::store::StoreError;
use output::{Output, say};
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
    log::begin(&cli.global);
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
        Command::Verify(typed) => look::verify(load_if_any(named, &output)?, typed, &output).await,
        Command::Discover(typed) => {
            look::discover(load_if_any(named, &output)?, typed, &output).await
        }
        Command::Explain(typed) => texts::explain(typed.code, &output),
        Command::Completions(typed) => texts::completions(typed.shell, &output),
        Command::Man(typed) => texts::man(&typed.directory, &output),
        Command::Init(typed) => texts::init(named, typed, &output).await,
        Command::Plan(typed) => {
            let loaded = load(named, &output)?;
            let fresh = if typed.fresh { Fresh::Anew } else { Fresh::Remembered };
            let session = Session::open(loaded.config)?;
            work::plan(&session, fresh, &Mode::Run, &output, loaded.findings).await
        }
        Command::Run(typed) => {
            let loaded = load(named, &output)?;
            let session = Session::open(loaded.config)?.strictly(typed.strict);
            if typed.dry_run {
                let fresh = Fresh::Remembered;
                return work::plan(&session, fresh, &Mode::Run, &output, loaded.findings).await;
            }
            work::run(&session, &output, loaded.findings).await
        }
        Command::Fix(typed) => {
            let loaded = load(named, &output)?;
            session::known(&loaded.config, &typed.names)?;
            let session = Session::open(loaded.config)?;
            let session = session.for_names(typed.names).strictly(typed.strict);
            if typed.dry_run {
                let mode = Mode::Fix { hook: typed.yes };
                return work::plan(&session, Fresh::Anew, &mode, &output, loaded.findings).await;
            }
            work::fix(&session, typed.yes, &output, loaded.findings).await
        }
        Command::Rollback(typed) => {
            let loaded = load(named, &output)?;
            let session = Session::open(loaded.config)?;
            work::rollback(&session, &typed.name, &output, loaded.findings).await
        }
        Command::Setup(typed) => {
            let loaded = load(named, &output)?;
            let session = Session::open(loaded.config)?;
            if typed.undo {
                return setup::undo(&session, typed.yes, &output, loaded.findings).await;
            }
            setup::setup(&session, typed.yes, &output, loaded.findings).await
        }
        Command::Status => {
            let loaded = load(named, &output)?;
            state::status(&Session::open(loaded.config)?, &output, loaded.findings)
        }
        Command::Check => {
            let loaded = load(named, &output)?;
            state::check(&Session::open(loaded.config)?, &output, loaded.findings).await
        }
    }
}
