//! One short function per subcommand; the only reader of clock, environment and terminal, and the
//! only printer. Exit codes are decided here.

mod account;
mod bare;
mod challenges;
mod environment;
mod forwarding;
mod history;
mod hold;
mod lock;
mod look;
mod new_key;
mod output;
mod rehearsal;
mod revoke;
mod session;
mod setup;
mod signals;
mod state;
mod tell;
mod texts;
mod watch;
mod work;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use crate::cli::{self, Cli, Command, Format};
use crate::flow::Fresh;
use crate::plan::Mode;
use crate::report;
use output::{Failure, Output, log, say};
use session::{Loaded, Session, load, load_if_any};

/// Runs the command line and returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(answer) => return typed_wrong(&answer),
    };
    log::begin(&cli.global);
    let format = cli.global.format();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = match runtime {
        _ if !cli.command.answers_in(format) => Err(no_such_format(&cli.command, format)),
        Ok(runtime) => runtime.block_on(command(cli)),
        Err(error) => Err(Failure::work(format_args!("no runtime: {error}"))),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(failure) if format == Format::Nagios => output::unknown_to_nagios(failure.text()),
        Err(failure) => {
            say(failure.text());
            ExitCode::from(failure.code())
        }
    }
}

fn no_such_format(command: &Command, format: Format) -> Failure {
    let (word, who) = match format {
        Format::Nagios => ("nagios", "`mailcert verify --format nagios` has it"),
        Format::Html => ("html", "`mailcert status --format html` has it: a page to look at"),
        _ => ("prometheus", "verify, run, fix, rollback and status have it; a dry run is a plan"),
    };
    let name = command.name();
    Failure::helped(
        format_args!("{name} has no --format {word} here; expected human, json or jsonl"),
        who,
    )
}

/// Help and version, which are answers, and what clap finds wrong, in lines that fit a terminal.
fn typed_wrong(answer: &clap::Error) -> ExitCode {
    let mut text = answer.render().to_string();
    if answer.use_stderr() && environment::nagios_is_asked_for() {
        return output::unknown_to_nagios(&text);
    }
    if let Some(hint) = cli::hint(answer) {
        let usage = text.find("\n\nUsage:").or_else(|| text.find("\n\nFor more information"));
        text.insert_str(
            usage.unwrap_or(text.len()),
            &format!("\n{}", Failure::hint(hint).trim_end()),
        );
    }
    let wide = |line: &&str| line.chars().count() > 80;
    if answer.use_stderr() && (cli::hint(answer).is_some() || text.lines().any(|line| wide(&line)))
    {
        let fits = |line: &str| match wide(&line) {
            true => report::wrapped(line, ""),
            false => format!("{line}\n"),
        };
        say(text.lines().map(fits).collect::<String>().trim_end());
    } else {
        // A reader that went away is no failure of ours.
        let _ = answer.print();
    }
    ExitCode::from(u8::try_from(answer.exit_code()).unwrap_or(2))
}

/// The configuration of `fix`, which can do without a file.
async fn to_fix(
    named: Option<&Path>,
    typed: &cli::Fix,
    output: &Output,
) -> Result<Loaded, Failure> {
    if bare::is_needed(named) {
        let config = bare::config(typed, output).await?;
        return Ok(Loaded { config, files: BTreeSet::new() });
    }
    if let Some((option, key)) = typed.bare.first() {
        return Err(Failure::helped(
            format_args!("{option} is for a machine without a configuration, and here is one"),
            format_args!("say it there: {key}"),
        ));
    }
    load(named, output)
}

/// What a command works with where a configuration is.
fn open(named: Option<&Path>, output: &Output) -> Result<Session, Failure> {
    Session::open(load(named, output)?.config)
}

/// `run`, in each of its ways.
async fn run(named: Option<&Path>, typed: cli::Run, output: Output) -> Result<u8, Failure> {
    let config = load(named, &output)?.config;
    if typed.staging {
        let session = Session::open(rehearsal::with_staging(config)?)?;
        return rehearsal::rehearse(&session.waiting(typed.patience), &output).await;
    }
    let session = Session::open(config)?.strictly(typed.strict).waiting(typed.patience);
    let session = new_key::without_rsa(session, typed.rsa)?;
    if typed.dry_run {
        let session = new_key::wanted(session, &typed.new_key).await?;
        return work::plan(&session, Fresh::Remembered, &Mode::Run, &output).await;
    }
    work::run(session, &typed.new_key, &output.measured_in(typed.metrics)).await
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
            let session = open(named, &output)?;
            let session = new_key::without_rsa(session, typed.rsa)?;
            let fresh = if typed.fresh { Fresh::Anew } else { Fresh::Remembered };
            work::plan(&session, fresh, &Mode::Run, &output).await
        }
        Command::Run(typed) => run(named, typed, output).await,
        Command::Fix(typed) => {
            let loaded = to_fix(named, &typed, &output).await?;
            session::known(&loaded.config, &typed.names)?;
            let how = work::How { yes: typed.yes, dry_run: typed.dry_run };
            let session = Session::open(loaded.config)?;
            let session = new_key::without_rsa(session, typed.rsa)?;
            let session = session.for_names(typed.names).strictly(typed.strict);
            work::fix(&session.waiting(typed.patience), how, &output).await
        }
        Command::Rollback(typed) => {
            let session = open(named, &output)?;
            work::rollback(&session.waiting(typed.patience), &typed.name, &output).await
        }
        Command::Hold(typed) => {
            let session = open(named, &output)?;
            hold::hold(&session.waiting(typed.patience), typed, &output).await
        }
        Command::Release(typed) => {
            let session = open(named, &output)?;
            hold::release(&session.waiting(typed.patience), &typed.name, &output).await
        }
        Command::Revoke(typed) => {
            let session = open(named, &output)?;
            revoke::revoke(&session.waiting(typed.patience), &typed, &output).await
        }
        Command::Account(typed) => {
            let session = open(named, &output)?;
            account::account(&session.waiting(typed.patience), &typed, &output).await
        }
        Command::Setup(cli::Setup { web_server: Some(server), .. }) => {
            texts::forwarding(load_if_any(named, &output)?, server, &output)
        }
        Command::Setup(typed) => {
            let session = open(named, &output)?;
            let session = session.waiting(typed.patience);
            match typed.undo {
                true => setup::undo(&session, typed.yes, &output).await,
                false => setup::setup(&session, typed.yes, &output).await,
            }
        }
        Command::Watch(typed) => watch::watch(cli.global.config, typed, output).await,
        Command::Status => {
            let session = open(named, &output)?;
            state::status(&session, &output)
        }
        Command::History(typed) => {
            let session = open(named, &output)?;
            history::history(&session, &typed, &output)
        }
        Command::Check => {
            let session = open(named, &output)?;
            state::check(&session, &output).await
        }
    }
}
