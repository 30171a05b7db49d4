//! What each command takes.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, StringValueParser, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Args, Command, Error, ValueEnum};
use clap_complete::Shell;

use super::plan::Rsa;
use crate::model::{CertName, Code, Hostname, Timestamp, WebServer};

/// `verify`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
        mailcert verify                        all domains of the configuration\n  \
        mailcert verify example.org            no configuration needed\n  \
        mailcert verify mx1.example.org:25     one port (STARTTLS or TLS by port)\n  \
        mailcert verify imaps://imap.example.org\n  \
        mailcert verify --connect 192.0.2.9 mx1.example.org:25\n  \
        mailcert verify --targets domains.txt --format jsonl > answers.jsonl\n  \
        mailcert verify --format nagios example.org\n  \
        mailcert verify --pem fullchain.pem --host mx1.example.org\n\n\
        Exits 0 if every endpoint is accepted, 1 if one is refused, 4 if none is and one\n\
        could not be tested. Ctrl-C ends it with what is known, never with 0.")]
pub struct Verify {
    /// A mail domain or address, HOST:PORT, or smtp://, submission://, submissions://, smtps://,
    /// imap://, imaps://, pop3://, pop3s://, sieve:// with a host [default: all domains of the
    /// configuration]
    #[arg(value_name = "TARGET")]
    pub targets: Vec<String>,
    /// Read targets from a file, one `TARGET [ADDR]...` a line; - is stdin
    #[arg(long = "targets", value_name = "FILE", help_heading = WHAT)]
    pub targets_file: Option<PathBuf>,
    /// Connect to this address instead of those in the DNS
    #[arg(long, value_name = "ADDR", value_parser = address, help_heading = WHAT)]
    pub connect: Option<IpAddr>,
    /// Ask this resolver instead of those of the configuration or resolv.conf; may be repeated
    #[arg(long, value_name = "ADDR:PORT", value_parser = resolver, help_heading = WHAT)]
    pub dns: Vec<SocketAddr>,
    /// Whose rules decide [default: gmail]
    #[arg(long, value_enum, help_heading = DECIDES)]
    pub profile: Option<Profile>,
    /// Warnings refuse, too
    #[arg(long, help_heading = DECIDES)]
    pub strict: bool,
    /// The roots that decide: mozilla, system or a PEM file
    #[arg(long, value_name = "ROOTS", value_parser = Roots::parse, help_heading = DECIDES)]
    pub roots: Option<Roots>,
    /// Compare with what this machine's own programs trust and speak
    #[arg(long, help_heading = DECIDES)]
    pub local_trust: bool,
    /// Seconds for one endpoint with all its dialogues
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 30,
        value_parser = |text: &str| number(text, 1_u64..=3600),
        help_heading = HOW
    )]
    pub timeout: u64,
    /// Endpoints looked at side by side; at most 4 at one address
    #[arg(
        long,
        value_name = "N",
        default_value_t = 128,
        value_parser = |text: &str| number(text, 1_u16..=4096),
        help_heading = HOW
    )]
    pub concurrency: u16,
    /// Handshakes with the server's name; one more is made without
    #[arg(
        long,
        value_name = "N",
        default_value_t = 2,
        value_parser = |text: &str| number(text, 1_u8..=10),
        help_heading = HOW
    )]
    pub tries: u8,
    /// No looks that some servers count as an attack: for old versions and ciphers, and for
    /// commands obeyed across STARTTLS
    #[arg(long, help_heading = HOW)]
    pub quick: bool,
    /// Fetch the issuer's certificate from the URL in the certificate when it is not sent
    #[arg(long, help_heading = HOW)]
    pub aia: bool,
    /// Fetch the issuer's list of revoked certificates
    #[arg(long, help_heading = HOW)]
    pub crl: bool,
    /// Judge the certificates of a file instead of a server; needs --host
    #[arg(
        long,
        value_name = "FILE",
        requires = "host",
        conflicts_with_all = ["targets", "targets_file", "connect", "local_trust"],
        help_heading = FILES
    )]
    pub pem: Option<PathBuf>,
    /// The private key that belongs to --pem; in one file with it by default, if it is there
    #[arg(long, value_name = "FILE", requires = "pem", help_heading = FILES)]
    pub key: Option<PathBuf>,
    /// The host that clients of --pem connect to
    #[arg(
        long,
        value_name = "HOST",
        requires = "pem",
        value_parser = host,
        help_heading = FILES
    )]
    pub host: Option<Hostname>,
    /// Judge --pem at this time (RFC 3339, such as 2027-02-10T00:00:00Z) instead of now
    #[arg(long, value_name = "TIME", requires = "pem", value_parser = time, help_heading = FILES)]
    pub at: Option<Timestamp>,
}

// The headings of verify's help.
const WHAT: &str = "What is looked at";
const DECIDES: &str = "What decides";
const HOW: &str = "How it looks";
const FILES: &str = "Files instead of servers";

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
    pub(super) fn parse(text: &str) -> Result<Self, String> {
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
    #[arg(long, value_name = "ADDR:PORT", value_parser = resolver)]
    pub dns: Vec<SocketAddr>,
}

/// `run`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "A server whose hook-in line is missing is skipped, and run exits 1:\n  \
    mailcert setup     shows the line and, with consent, adds it\n\n\
    Ctrl-C and SIGTERM end it with 1, between two steps and never in the middle of a\n\
    file; while the CA is waited for, at once. The next run goes on, and takes up an\n\
    order that was about to be finalized: no certificate is ordered twice.\n\n\
    A new key that senders pin by TLSA is held and not shown until its record is\n\
    there: run exits 1 and says what to publish.\n\n\
    Exits 0 if all is as wanted, 1 if something is wrong or failed, 4 if something\n\
    could not be tested, 5 if another mailcert is at work.")]
pub struct Run {
    /// Do as `plan` does: show what is to be done, change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Have the CA's staging directory validate every name; nothing is issued or changed
    #[arg(long, conflicts_with_all = ["dry_run", "new_key", "drop_rsa", "metrics"])]
    pub staging: bool,
    /// Order a certificate with a new key for NAME now, and show it; may be repeated
    #[arg(long, value_name = "NAME", value_parser = CertName::parse)]
    pub new_key: Vec<CertName>,
    /// What becomes of RSA.
    #[command(flatten)]
    pub rsa: Rsa,
    /// Fail for what is wrong elsewhere, too: a broken domain, a backup MX
    #[arg(long)]
    pub strict: bool,
    /// Write what came of it to FILE as well, for Prometheus' textfile collector
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    pub metrics: Option<PathBuf>,
    /// How long another mailcert is waited for.
    #[command(flatten)]
    pub patience: Patience,
}

/// What a command that needs the lock does when another mailcert holds it.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct Patience {
    /// Wait until another mailcert has ended instead of exiting 5, at most this long if SECONDS
    /// are given
    #[arg(long, value_name = "SECONDS", value_parser = |text: &str| number(text, 1_u64..=86_400))]
    pub wait: Option<Option<u64>>,
}

/// `setup`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Without --yes the lines are shown as a diff, and asked for on a terminal.\n\
    Exits 0 if nothing is missing any more, 3 if lines were shown and not applied."
)]
pub struct Setup {
    /// Take back what setup has changed
    #[arg(long)]
    pub undo: bool,
    /// Apply without a question
    #[arg(long)]
    pub yes: bool,
    /// Print the lines by which a web server passes the CA's question on to us
    ///
    /// For `listen` at another port than 80 in [challenge.http-01]; `mailcert check` says whether
    /// they work.
    #[arg(long, value_name = "NAME", value_parser = web_server(), conflicts_with_all = ["undo", "yes"])]
    pub web_server: Option<WebServer>,
    /// How long another mailcert is waited for.
    #[command(flatten)]
    pub patience: Patience,
}

/// The word for a web server.
fn web_server() -> impl TypedValueParser<Value = WebServer> {
    PossibleValuesParser::new(WebServer::ALL.map(WebServer::as_str)).map(|word| {
        let known = WebServer::ALL.into_iter().find(|server| server.as_str() == word);
        known.expect("it is one of the possible values")
    })
}

/// `init`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    mailcert init example.org example.net\n  \
    mailcert init --print example.org     only show it\n  \
    mailcert -c ./try.toml init           into another file\n\n\
    The file says `agree-to-terms = true`: who runs mailcert with it agrees to the\n\
    terms of the CA, those of https://letsencrypt.org/repository/")]
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
    /// How long another mailcert is waited for.
    #[command(flatten)]
    pub patience: Patience,
}

/// `explain`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  mailcert explain name-mismatch\n  mailcert explain --list")]
pub struct Explain {
    /// A problem code, such as name-mismatch
    #[arg(
        value_name = "CODE",
        value_parser = CodeParser,
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

/// Every code is a known value, so that shells complete it; a slip is answered with the nearest
/// and with the way to the list, not with eighty words.
#[derive(Clone)]
struct CodeParser;

impl TypedValueParser for CodeParser {
    type Value = Code;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<Code, Error> {
        let word = StringValueParser::new().parse_ref(command, arg, value)?;
        if let Some(code) = Code::parse(&word) {
            return Ok(code);
        }
        let mut error = Error::new(ErrorKind::InvalidValue).with_cmd(command);
        error.insert(ContextKind::InvalidArg, ContextValue::String("<CODE>".to_owned()));
        error.insert(ContextKind::InvalidValue, ContextValue::String(word.clone()));
        let near = Code::ALL.iter().map(|code| (strsim::jaro(&word, code.as_str()), code));
        let near = near.max_by(|one, other| one.0.total_cmp(&other.0)).filter(|near| near.0 > 0.7);
        if let Some((_, code)) = near {
            error.insert(ContextKind::SuggestedValue, ContextValue::String(code.to_string()));
        }
        let list = "`mailcert explain --list` names every code";
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![list.into()]));
        Err(error)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(Code::ALL.iter().map(|code| PossibleValue::new(code.as_str()))))
    }
}

/// A whole number within bounds.
fn number<N>(text: &str, bounds: RangeInclusive<N>) -> Result<N, String>
where
    N: std::str::FromStr + PartialOrd + std::fmt::Display,
{
    let (least, most) = (bounds.start(), bounds.end());
    let expected = || format!("expected a whole number from {least} to {most}");
    text.parse().ok().filter(|number| bounds.contains(number)).ok_or_else(expected)
}

/// A resolver's address and port.
pub(super) fn resolver(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "expected ADDR:PORT, such as 127.0.0.1:53 or [::1]:53".to_owned())
}

/// An address to connect to, with brackets or without.
pub(super) fn address(text: &str) -> Result<IpAddr, String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().map_err(|_| {
        "expected an IPv4 or IPv6 address without a port, such as 192.0.2.7 or 2001:db8::7"
            .to_owned()
    })
}

/// A moment.
fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text)
        .ok_or_else(|| "expected a time of RFC 3339, such as 2027-02-10T00:00:00Z".to_owned())
}

/// A host name as it is typed: umlauts are taken.
pub(super) fn host(text: &str) -> Result<Hostname, String> {
    if address(text).is_ok() {
        return Err("an address; expected a name, such as mx1.example.org".to_owned());
    }
    Hostname::from_typed(text).map_err(|bad| bad.to_string())
}
