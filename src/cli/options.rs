//! What each command takes.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use clap_complete::Shell;

use crate::model::{CertName, Code, Hostname};

/// `verify`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
        mailcert verify                        all domains of the configuration\n  \
        mailcert verify example.org            no configuration needed\n  \
        mailcert verify mx1.example.org:25     one port (STARTTLS or TLS by port)\n  \
        mailcert verify imaps://imap.example.org\n  \
        mailcert verify --connect 192.0.2.9 mx1.example.org:25")]
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
