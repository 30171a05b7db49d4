//! What can be asked on the command line; it does nothing itself. Help texts, man pages and
//! completions come from these definitions.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

mod account;
mod fix;
mod hint;
mod history;
mod hold;
pub mod man;
mod options;
mod plan;
mod revoke;
mod watch;

pub use account::{Account, AccountAction};
pub use fix::{Bare, Fix};
pub use hint::hint;
pub use history::History;
pub use hold::{Hold, Release};
pub use options::{
    Completions, Discover, Explain, Init, Man, Patience, Profile, Rollback, Roots, Run, Setup,
    Verify,
};
pub use plan::{Plan, Rsa};
pub use revoke::{Revoke, What, With};
pub use watch::Watch;

/// Right certificates for every mail host name, and the proof that Gmail accepts them.
///
/// mailcert finds the host names of your mail domains, orders their certificates, installs them in
/// Postfix, Exim and Dovecot, and then asks every server the question that Gmail asks.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "mailcert",
    version,
    max_term_width = 80,
    arg_required_else_help = true,
    after_help = MAIN_EXAMPLES,
    after_long_help = concat!(
        "Examples:\n",
        "  mailcert verify example.org   what does Gmail say to our servers?\n",
        "  mailcert init example.org     write a first configuration\n",
        "  mailcert plan                 what would be done, and why?\n",
        "  mailcert fix                  do it, now\n",
        "\n",
        "Exit codes:\n",
        "  0  all is as wanted; verify: every endpoint accepted\n",
        "  1  something is wrong or failed; verify: at least one endpoint refused\n",
        "  2  usage or configuration error\n",
        "  3  plan, status, check, setup: there is work to do\n",
        "  4  verify: nothing refused, but something could not be tested\n",
        "  5  another mailcert is at work",
    ),
)]
pub struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command; they may stand before or after it.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// The configuration file [default: /etc/mailcert/mailcert.toml]
    #[arg(
        short,
        long,
        global = true,
        value_name = "FILE",
        env = "MAILCERT_CONFIG",
        hide_env_values = true
    )]
    pub config: Option<PathBuf>,
    /// How the answer is written
    #[arg(long, global = true, value_enum, default_value = "human")]
    pub format: Format,
    /// Short for --format json
    #[arg(long, global = true, conflicts_with = "format")]
    pub json: bool,
    /// Say more, in the answer and on stderr; twice for everything
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
    /// Say nothing on stderr but errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Whether the answer is coloured
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
}

impl Global {
    /// How the answer is written, `--json` included.
    #[must_use]
    pub fn format(&self) -> Format {
        if self.json { Format::Json } else { self.format }
    }
}

/// How the answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Human,
    /// One JSON object
    Json,
    /// JSON lines: verify writes one for each endpoint as it is done, and a last one that sums up
    Jsonl,
    /// verify, run, fix, rollback, status: text for the Prometheus textfile collector
    Prometheus,
    /// verify: one line and the exit codes of Nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN
    Nagios,
    /// status: a page to look at, in one file
    Html,
}

/// Whether the answer is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal that can, unless NO_COLOR is set
    Auto,
    /// Even into a file or pipe
    Always,
    /// Not at all
    Never,
}

/// What mailcert is asked to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Ask each mail server what Gmail would ask: accepted, refused or unknown
    Verify(Verify),
    /// Show the mail host names of the domains and why each is one
    Discover(Discover),
    /// Show what is to be done and why; change nothing
    Plan(Plan),
    /// Do what is to be done: the timer's job
    Run(Run),
    /// Repair whatever is wrong, now: verify, run, verify again
    Fix(Fix),
    /// Show, and with consent apply, the lines that make the servers use our files
    Setup(Setup),
    /// Stay resident: do what `run` does whenever there is a reason to look
    Watch(Watch),
    /// Show every certificate held, from memory
    #[command(after_help = STATUS_EXAMPLES)]
    Status,
    /// Say what was done, when and why
    History(History),
    /// Say whether configuration, programs and servers are as they should be
    #[command(after_help = CHECK_EXAMPLES)]
    Check,
    /// Look at this machine and write a first configuration file
    Init(Init),
    /// Show the previous version of a certificate again
    Rollback(Rollback),
    /// Leave a certificate as it is until it is released
    Hold(Hold),
    /// End what `hold` began
    Release(Release),
    /// Revoke a certificate at the CA, once another one is shown in its place
    Revoke(Revoke),
    /// Look at the account at the CA, change its key or contacts, give it up
    Account(Account),
    /// Say what a problem code means and how to cure it
    Explain(Explain),
    /// Print shell completions
    Completions(Completions),
    /// Write the man pages
    Man(Man),
}

impl Command {
    /// The word for it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Verify(_) => "verify",
            Self::Discover(_) => "discover",
            Self::Plan(_) => "plan",
            Self::Run(_) => "run",
            Self::Fix(_) => "fix",
            Self::Setup(_) => "setup",
            Self::Watch(_) => "watch",
            Self::Status => "status",
            Self::History(_) => "history",
            Self::Check => "check",
            Self::Init(_) => "init",
            Self::Rollback(_) => "rollback",
            Self::Hold(_) => "hold",
            Self::Release(_) => "release",
            Self::Revoke(_) => "revoke",
            Self::Account(_) => "account",
            Self::Explain(_) => "explain",
            Self::Completions(_) => "completions",
            Self::Man(_) => "man",
        }
    }

    /// Whether its answer can be written so: a monitoring system reads of endpoints and
    /// certificates, not of plans.
    #[must_use]
    pub fn answers_in(&self, format: Format) -> bool {
        match (format, self) {
            (Format::Human | Format::Json | Format::Jsonl, _) => true,
            (Format::Nagios, command) => matches!(command, Self::Verify(_)),
            (Format::Html, command) => matches!(command, Self::Status),
            (Format::Prometheus, Self::Run(run)) => !run.dry_run,
            (Format::Prometheus, Self::Fix(fix)) => !fix.dry_run,
            (Format::Prometheus, command) => {
                matches!(command, Self::Verify(_) | Self::Rollback(_) | Self::Status)
            }
        }
    }
}

const MAIN_EXAMPLES: &str = "Examples:
  mailcert verify example.org   what does Gmail say to our servers?
  mailcert fix                  repair whatever is wrong, now

Exit codes: 0 all is well, 1 something is wrong, 2 usage or configuration error,
3 there is work to do, 4 something could not be tested, 5 another one is at work";

const STATUS_EXAMPLES: &str = "Examples:
  mailcert status --format html > status.html   a page to look at, in one file

Asks nobody: what is shown was seen by the last run.
Exits 0 if all is well, 3 if there is work to do.";

const CHECK_EXAMPLES: &str =
    "Touches nothing and connects to nothing but the DNS; behind a web server
(`listen` at another port than 80) to port 80 of the mail hosts, as the CA does.
Exits 0 if all is well, 3 if there is work to do, 1 if something is broken or
missing, 2 if the configuration is wrong. Notes (-v) are no work.";

#[cfg(test)]
mod tests {
    use super::{Cli, Command, Format, Roots};
    use clap::{CommandFactory, Parser};

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_definitions_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_stands_below_the_options_fits_a_terminal() {
        for command in Cli::command().get_subcommands() {
            let notes = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let wide: Vec<_> = notes.lines().filter(|line| line.chars().count() > 80).collect();
            assert!(wide.is_empty(), "{}: {wide:?}", command.get_name());
        }
    }

    #[test]
    fn global_options_stand_before_or_after_the_command() {
        for line in [
            "mailcert -c /x.toml --json -v --color never plan",
            "mailcert plan -c /x.toml --json -v --color never",
            "mailcert -c /x.toml plan --format json -v --color never",
        ] {
            let global = parse(line).unwrap().global;
            assert_eq!(global.config.as_deref().unwrap().to_str(), Some("/x.toml"), "{line}");
            assert_eq!(global.format(), Format::Json, "{line}");
            assert_eq!(global.verbose, 1, "{line}");
        }
    }

    #[test]
    fn what_the_contract_says_is_taken() {
        for line in [
            "mailcert verify",
            "mailcert verify example.org me@example.org mx.example.org:25 imaps://imap.example.org",
            "mailcert verify --dns 127.0.0.1:53 --dns [::1]:53 --roots system --profile workspace",
            "mailcert verify --connect ::1 --targets - --timeout 5 --concurrency 9 --tries 1 --strict",
            "mailcert discover",
            "mailcert discover müller.example --dns 127.0.0.1:53",
            "mailcert plan --fresh",
            "mailcert run --dry-run --strict",
            "mailcert run --new-key example.org --new-key example.org-2",
            "mailcert fix example.org mx.example.org --yes",
            "mailcert setup --undo --yes",
            "mailcert status",
            "mailcert status --format html",
            "mailcert history",
            "mailcert history mx.example.org -n 5",
            "mailcert check --format human",
            "mailcert verify --format jsonl example.org",
            "mailcert verify --format prometheus example.org",
            "mailcert verify --format nagios example.org",
            "mailcert init example.org --force",
            "mailcert init --print",
            "mailcert rollback example.org-2",
            "mailcert revoke example.org --version 3 --reason superseded --with account --yes",
            "mailcert revoke cert.pem --key key.pem --ca letsencrypt --yes",
            "mailcert account show",
            "mailcert account deactivate --yes --wait 5",
            "mailcert hold example.org --why audit --wait",
            "mailcert release example.org",
            "mailcert watch --listen [::1]:9115 --strict",
            "mailcert explain name-mismatch",
            "mailcert explain --list",
            "mailcert completions zsh",
            "mailcert man /tmp/man",
        ] {
            parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "mailcert",
            "mailcert frobnicate",
            "mailcert plan --json --format human",
            "mailcert plan -v -q",
            "mailcert verify --dns 127.0.0.1",
            "mailcert verify --timeout 0",
            "mailcert verify --tries 0",
            "mailcert verify --connect mx.example.org",
            "mailcert discover localhost",
            "mailcert fix ../etc",
            "mailcert rollback ../../etc",
            "mailcert hold",
            "mailcert watch --listen 192.0.2.1:80",
            "mailcert revoke",
            "mailcert revoke example.org --reason boredom",
            "mailcert account",
            "mailcert account delete",
            "mailcert explain",
            "mailcert history -n many",
            "mailcert explain name-mismatch --list",
            "mailcert init --force --print",
            "mailcert check --format xml",
            "mailcert man",
        ] {
            let code = parse(line).map(|_| ()).unwrap_err().exit_code();
            assert_eq!(code, 2, "{line}");
        }
    }

    #[test]
    fn a_misspelt_code_is_answered_with_the_nearest() {
        let error = parse("mailcert explain name-mismach").unwrap_err().to_string();
        assert!(error.contains("'name-mismatch'"), "{error}");
    }

    #[test]
    fn roots_are_two_words_or_a_file() {
        for (word, expected) in [
            ("mozilla", Roots::Mozilla),
            ("system", Roots::System),
            ("ca.pem", Roots::File("ca.pem".into())),
        ] {
            let Command::Verify(verify) =
                parse(&format!("mailcert verify --roots {word}")).unwrap().command
            else {
                panic!("another command");
            };
            assert_eq!(verify.roots, Some(expected));
        }
    }

    #[test]
    fn help_fits_a_terminal_and_hides_nothing() {
        let mut command = Cli::command();
        command.build();
        for sub in std::iter::once(&mut command.clone()).chain(command.get_subcommands_mut()) {
            assert!(!sub.is_hide_set(), "{}", sub.get_name());
            assert!(sub.get_arguments().all(|arg| !arg.is_hide_set()), "{}", sub.get_name());
            for line in sub.render_long_help().to_string().lines() {
                assert!(line.chars().count() <= 80, "{}: {line}", sub.get_name());
            }
        }
    }
}
