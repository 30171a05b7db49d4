//! What can be asked on the command line; it does nothing itself. Help texts, man pages and
//! completions come from these definitions.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::model::{CertName, Code, Hostname};

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
    disable_help_subcommand = true,
    infer_long_args = false,
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
        "  3  plan, status, check: there is work to do\n",
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
    /// Say more on stderr; twice for everything
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
    /// Show every certificate held, from memory
    #[command(after_help = STATUS_EXAMPLES)]
    Status,
    /// Say whether configuration, programs and servers are as they should be
    #[command(after_help = CHECK_EXAMPLES)]
    Check,
    /// Look at this machine and write a first configuration file
    Init(Init),
    /// Show the previous version of a certificate again
    Rollback(Rollback),
    /// Say what a problem code means and how to cure it
    Explain(Explain),
    /// Print shell completions
    Completions(Completions),
    /// Write the man pages
    Man(Man),
}

/// `verify`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
        mailcert verify                        all domains of the configuration\n  \
        mailcert verify example.org            no configuration needed\n  \
        mailcert verify mx1.example.org:25     one port (STARTTLS or TLS by port)\n  \
        mailcert verify imaps://imap.example.org\n  \
        mailcert verify --connect 192.0.2.9 mx1.example.org:25   before the DNS changes")]
pub struct Verify {
    /// A mail domain or address, HOST:PORT, or smtp://, submission://, submissions://, smtps://,
    /// imap://, imaps://, pop3://, pop3s://, sieve:// with a host [default: all domains of the
    /// configuration]
    #[arg(value_name = "TARGET")]
    pub targets: Vec<String>,
    /// Ask this resolver instead of those of the configuration or resolv.conf; may be repeated
    #[arg(long, value_name = "ADDR:PORT")]
    pub dns: Vec<SocketAddr>,
    /// The roots that decide: mozilla, system or a PEM file
    #[arg(long, value_name = "ROOTS", value_parser = Roots::parse)]
    pub roots: Option<Roots>,
    /// Whose rules decide [default: gmail]
    #[arg(long, value_enum)]
    pub profile: Option<Profile>,
    /// Connect to this address instead of those in the DNS
    #[arg(long, value_name = "ADDR")]
    pub connect: Option<IpAddr>,
    /// Read targets from a file, one `TARGET [ADDR]...` a line; - is stdin
    #[arg(long = "targets", value_name = "FILE")]
    pub targets_file: Option<PathBuf>,
    /// Seconds for one endpoint with all its dialogues
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 30,
        value_parser = clap::value_parser!(u64).range(1..=3600)
    )]
    pub timeout: u64,
    /// Endpoints looked at side by side
    #[arg(
        long,
        value_name = "N",
        default_value_t = 128,
        value_parser = clap::value_parser!(u16).range(1..=4096)
    )]
    pub concurrency: u16,
    /// Handshakes with the server's name; one more is made without
    #[arg(
        long,
        value_name = "N",
        default_value_t = 2,
        value_parser = clap::value_parser!(u8).range(1..=10)
    )]
    pub tries: u8,
    /// Warnings refuse, too
    #[arg(long)]
    pub strict: bool,
}

/// The roots of `--roots`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// Mozilla's, as compiled in.
    Mozilla,
    /// The system's trust store.
    System,
    /// Those of a PEM file.
    File(PathBuf),
}

impl Roots {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "" => Err("expected mozilla, system or the path of a PEM file".to_owned()),
            "mozilla" => Ok(Self::Mozilla),
            "system" => Ok(Self::System),
            path => Ok(Self::File(PathBuf::from(path))),
        }
    }
}

/// The rules of `--profile`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// Gmail's "Send mail as"
    Gmail,
    /// Google Workspace's secure transport compliance
    Workspace,
    /// Everything a strict sender could refuse
    Strict,
}

/// `discover`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    mailcert discover                 all domains of the configuration\n  \
    mailcert discover example.org     no configuration needed")]
pub struct Discover {
    /// Mail domains [default: all of the configuration]
    #[arg(value_name = "DOMAIN", value_parser = host)]
    pub domains: Vec<Hostname>,
    /// Ask this resolver instead of those of the configuration or resolv.conf; may be repeated
    #[arg(long, value_name = "ADDR:PORT")]
    pub dns: Vec<SocketAddr>,
}

/// `plan`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Exits 0 if there is nothing to do, 3 if there is.")]
pub struct Plan {
    /// Ask the DNS and the servers anew, however fresh their last answers are
    #[arg(long)]
    pub fresh: bool,
}

/// `run`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "A server whose hook-in line is missing is skipped, and run exits 1:\n  \
    mailcert setup     shows the line and, with consent, adds it")]
pub struct Run {
    /// Do as `plan` does: show what is to be done, change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Fail for what is wrong elsewhere, too: a broken domain, a backup MX
    #[arg(long)]
    pub strict: bool,
}

/// `fix`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    mailcert fix                    everything\n  \
    mailcert fix mx1.example.org    only this host\n  \
    mailcert fix --yes              without a question, hook-in lines included")]
pub struct Fix {
    /// Domains or hosts to repair [default: all]
    #[arg(value_name = "DOMAIN|HOST", value_parser = host)]
    pub names: Vec<Hostname>,
    /// Apply the hook-in lines of `setup` where they are missing, without a question
    #[arg(long)]
    pub yes: bool,
    /// Verify and show what would be done; change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Fail for what is wrong elsewhere, too: a broken domain, a backup MX
    #[arg(long)]
    pub strict: bool,
}

/// `setup`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Without --yes the lines are shown as a diff, and asked for on a terminal.")]
pub struct Setup {
    /// Take back what setup has changed
    #[arg(long)]
    pub undo: bool,
    /// Apply without a question
    #[arg(long)]
    pub yes: bool,
}

/// `init`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    mailcert init example.org example.net\n  \
    mailcert init --print example.org     only show it\n  \
    mailcert -c ./try.toml init           into another file")]
pub struct Init {
    /// Mail domains [default: those this machine's servers know]
    #[arg(value_name = "DOMAIN", value_parser = host)]
    pub domains: Vec<Hostname>,
    /// Replace a configuration file that is there already
    #[arg(long)]
    pub force: bool,
    /// Print the file to stdout, write nothing
    #[arg(long, conflicts_with = "force")]
    pub print: bool,
}

/// `rollback`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "`mailcert status` lists the names.")]
pub struct Rollback {
    /// The name of the certificate, such as example.org or example.org-2
    #[arg(value_name = "NAME", value_parser = CertName::parse)]
    pub name: CertName,
}

/// `explain`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  mailcert explain name-mismatch\n  mailcert explain --list")]
pub struct Explain {
    /// A problem code, such as name-mismatch
    #[arg(
        value_name = "CODE",
        value_parser = code(),
        hide_possible_values = true,
        required_unless_present = "list",
        conflicts_with = "list"
    )]
    pub code: Option<Code>,
    /// List all codes
    #[arg(long)]
    pub list: bool,
}

/// `completions`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  \
    mailcert completions bash > /usr/share/bash-completion/completions/mailcert")]
pub struct Completions {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: Shell,
}

/// `man`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  mailcert man /usr/local/share/man/man1")]
pub struct Man {
    /// The directory to write to
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
}

/// Every code as a known value, so that shells complete it and a slip is answered with the nearest.
fn code() -> impl TypedValueParser<Value = Code> {
    PossibleValuesParser::new(Code::ALL.iter().map(|code| code.as_str()))
        .try_map(|word| Code::parse(&word).ok_or("no such code"))
}

/// A host name as it is typed: umlauts are taken.
fn host(text: &str) -> Result<Hostname, String> {
    Hostname::from_typed(text).map_err(|bad| bad.to_string())
}

const MAIN_EXAMPLES: &str = "Examples:
  mailcert verify example.org   what does Gmail say to our servers?
  mailcert fix                  repair whatever is wrong, now

Exit codes: 0 all is well, 1 something is wrong, 2 usage or configuration error,
3 there is work to do, 4 something could not be tested, 5 another one is at work";

const STATUS_EXAMPLES: &str = "Asks nobody: what is shown was seen by the last run.
Exits 0 if all is well, 3 if there is work to do.";

const CHECK_EXAMPLES: &str = "Touches nothing and connects to nothing but the DNS.
Exits 0 if all is well, 3 if there is work to do, 2 if the configuration is wrong.";

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
            "mailcert fix example.org mx.example.org --yes",
            "mailcert setup --undo --yes",
            "mailcert status",
            "mailcert check --format human",
            "mailcert init example.org --force",
            "mailcert init --print",
            "mailcert rollback example.org-2",
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
            "mailcert explain",
            "mailcert explain name-mismatch --list",
            "mailcert init --force --print",
            "mailcert check --format nagios",
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
