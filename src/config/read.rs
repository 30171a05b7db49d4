//! From the text of a file to a [`Config`]: the small tables, the domains, and what only the whole
//! file can say.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::DeTable;

use super::fault::{Faults, Log, Note, Source, Trouble, shown};
use super::raw::{self, Table, Value};
use super::{
    Config, Discover, Domain, RootChoice, Verify, acme, builtin, challenge, dane, notify, servers,
    value, wildcard,
};
use crate::model::{DnsId, Hostname};

/// Reads a configuration. `path` is only named in messages. `file` reads a file the configuration
/// names (`ca-file`, `roots`) and returns its text, or why not as a short phrase.
///
/// # Errors
/// [`Faults`]: all problems of the file.
pub fn read(
    path: &Path,
    text: &str,
    file: &dyn Fn(&Path) -> Result<String, String>,
) -> Result<(Config, Vec<Note>), Faults> {
    let source = Source::new(path, text);
    let log = Log::new(source, file);
    let (document, errors) = DeTable::parse_recoverable(text);
    let broken_at = syntax(&log, &errors);
    let config = config(&Table::root(&log, &document));
    let (faults, notes) = log.into_problems(broken_at);
    if faults.is_empty() { Ok((config, notes)) } else { Err(Faults::new(faults)) }
}

/// The text of a configuration file.
///
/// # Errors
/// [`Faults`] with the place of the first byte that is not UTF-8 (TOML 1.0: files are UTF-8).
pub fn decode<'b>(path: &Path, bytes: &'b [u8]) -> Result<&'b str, Faults> {
    std::str::from_utf8(bytes).map_err(|error| {
        let line_start = bytes[..error.valid_up_to()].iter().rposition(|b| *b == b'\n');
        let lines = &bytes[..error.valid_up_to()];
        // The broken line is shown with a replacement character; the lines before it only count.
        let line =
            bytes[line_start.map_or(0, |newline| newline + 1)..].split(|b| *b == b'\n').next();
        let line = String::from_utf8_lossy(line.unwrap_or_default());
        let text = "\n".repeat(lines.iter().filter(|b| **b == b'\n').count()) + &line;
        let at = text.find('\u{fffd}').unwrap_or(text.len());
        let trouble = Trouble::new("the file is not UTF-8", "expected a character in UTF-8")
            .help("convert it: `iconv -f latin1 -t utf-8 OLD > NEW`");
        let span = at..(at + '\u{fffd}'.len_utf8()).min(text.len());
        Faults::new(vec![Source::new(path, &text).fault(Some(span), trouble)])
    })
}

/// Keeps the syntax errors, one a line, since the rest of such a line is guesswork. The answer is
/// where the syntax first broke, if it did; a key that stands twice breaks nothing.
fn syntax(log: &Log<'_>, errors: &[toml::de::Error]) -> Option<usize> {
    let mut places: Vec<_> = errors.iter().map(|error| (error.span(), error.message())).collect();
    places.sort_by_key(|(span, _)| span.as_ref().map_or(0, |span| span.start));
    let mut broken_at = None;
    let mut last = None;
    for (span, message) in places {
        let span = span.unwrap_or(0..0);
        let line = log.source.line(span.start);
        if last.replace(line) == Some(line) {
            continue;
        }
        if message == "duplicate key" {
            let name = log.source.text.get(span.clone()).unwrap_or_default();
            let message = format!("{} stands twice", shown(name));
            let help = match MANY.contains(&name) {
                true => format!("it may stand many times: write `[[{name}]]`"),
                false => "join the two, or remove one".to_owned(),
            };
            log.syntax(span, Trouble::new(message, "expected once in its table").help(help));
            continue;
        }
        broken_at.get_or_insert(span.start);
        let (found, expected) = said(message);
        let trouble = Trouble::new(found, expected);
        let before = &log.source.text[..span.start];
        let before = before.rsplit('\n').next().unwrap_or_default();
        let header = before.starts_with('[') && before.trim_matches(['[', ' ']).is_empty();
        if found.contains("array elements") || header && found == NO_QUOTES {
            // A list without an end swallows the rest of the file.
            log.syntax(span, trouble.help("or a list above lacks its closing `]`"));
            break;
        }
        log.syntax(span, trouble);
    }
    broken_at
}

const NO_QUOTES: &str = "a string without quotes";

/// The tables that stand in double brackets.
const MANY: [&str; 5] = ["domain", "postfix", "exim", "dovecot", "files"];

/// What the TOML parser says, found and expected, in words for admins where its own are too terse.
fn said(message: &str) -> (&str, &str) {
    match message.split_once(", ").unwrap_or((message, "cannot go on here")) {
        ("invalid basic string" | "invalid literal string", expected) => {
            match expected.contains("visible") {
                true => ("a control character in a string", "expected an escape such as \\u001B"),
                false => ("the string has no end", "expected a closing quote"),
            }
        }
        ("string values must be quoted", _) => (NO_QUOTES, "expected quotes"),
        other => other,
    }
}

fn config(root: &Table<'_>) -> Config {
    let default = builtin();
    let (domains, wildcards) = domains(root);
    if domains.is_empty() && root.value("domain").is_none() {
        root.log.note(
            None,
            Trouble::new("there is no `[[domain]]`: nothing is looked after", "")
                .help("add `[[domain]]` and below it `name = \"example.org\"`"),
        );
    }
    let sources = sources(root);
    let challenge = challenge::challenges(root, &wildcards);
    let (acme, fallbacks) = acme::acme(root, !domains.is_empty(), sources.is_some());
    Config {
        acme,
        fallbacks,
        http01: challenge.http01.unwrap_or(default.http01),
        tls_alpn01: challenge.tls_alpn01,
        dns01: challenge.dns01,
        ways: challenge.ways,
        dane: dane::dane(root),
        sources: sources.unwrap_or_default(),
        dns: dns(root).unwrap_or_default(),
        discover: discover(root, default.discover),
        machine: machine(root),
        state: root
            .table("state", raw::STATE)
            .and_then(|state| state.text("directory", value::directory))
            .unwrap_or(default.state),
        verify: verify(root, default.verify),
        notify: notify::notify(root),
        domains,
        servers: servers::servers(root),
    }
}

/// `[source.files]`: where others' certificates lie. `None` where the table is not there; what of it
/// is wrong is said, and counts as being there.
fn sources(root: &Table<'_>) -> Option<Vec<PathBuf>> {
    let source = root.table("source", raw::SOURCE)?;
    let Some(files) = source.table("source.files", raw::SOURCE_FILES) else {
        if source.value("files").is_none() && !source.misspelt("files", raw::SOURCE) {
            let trouble = Trouble::new("`[source]` names nothing", "expected `[source.files]`");
            root.log.missing(Some(source.span), trouble);
        }
        return Some(Vec::new());
    };
    if files.value("paths").is_none() && !files.misspelt("paths", raw::SOURCE_FILES) {
        let expected = "expected `paths = [\"/etc/letsencrypt/live\"]` below";
        root.log.missing(Some(files.span.clone()), Trouble::new("`paths` is missing", expected));
    }
    let mut paths: Vec<PathBuf> = Vec::new();
    for (path, value) in files.some_texts("paths", place).unwrap_or_default() {
        match paths.iter().find(|other| path.starts_with(other) || other.starts_with(&path)) {
            Some(other) => value.wrong(Trouble::new(
                format!("{} overlaps with {}", named(&path), named(other)),
                "expected each place once",
            )),
            None => paths.push(path),
        }
    }
    Some(paths)
}

/// A place that is searched for certificates: a walk of all that is mounted would find too much.
fn place(text: &str) -> Result<PathBuf, Trouble> {
    let path = value::path(text)?;
    match path.parent() {
        Some(_) => Ok(path),
        None => Err(Trouble::new("`/` is the whole machine", "expected a directory or a file")),
    }
}

fn named(path: &Path) -> String {
    shown(&path.to_string_lossy())
}

fn dns(root: &Table<'_>) -> Option<Vec<std::net::SocketAddr>> {
    let servers = root.table("dns", raw::DNS)?;
    let servers = servers.some_texts("servers", |text| value::socket(text, 53))?;
    Some(servers.into_iter().map(|(server, _)| server).collect())
}

fn machine(root: &Table<'_>) -> Option<Vec<std::net::IpAddr>> {
    let machine = root.table("machine", raw::MACHINE)?;
    let addresses = machine.some_texts("addresses", value::address)?;
    Some(addresses.into_iter().map(|(address, _)| address).collect())
}

fn discover(root: &Table<'_>, default: Discover) -> Discover {
    let Some(table) = root.table("discover", raw::DISCOVER) else { return default };
    Discover {
        every: every(&table).unwrap_or(default.every),
        guesses: table.truth("guesses").unwrap_or(default.guesses),
    }
}

fn every(table: &Table<'_>) -> Option<Duration> {
    table.text("every", value::duration)
}

fn verify(root: &Table<'_>, default: Verify) -> Verify {
    let Some(table) = root.table("verify", raw::VERIFY) else { return default };
    let roots = table.text("roots", |text| match text {
        "mozilla" => Ok(RootChoice::Mozilla),
        "system" => Ok(RootChoice::System),
        _ if !text.starts_with('/') => Err(Trouble::new(
            format!("{} is no set of roots", shown(text)),
            "expected mozilla, system or the absolute path of a PEM file",
        )
        .nearest(text, &["mozilla", "system"])),
        _ => {
            let path = value::path(text)?;
            let roots = acme::roots(&path, table.log.file)?;
            Ok(RootChoice::File(path, roots))
        }
    });
    Verify {
        roots: roots.unwrap_or(default.roots),
        profile: table.text("profile", value::profile).unwrap_or(default.profile),
        every: every(&table).unwrap_or(default.every),
    }
}

/// The domains, and where their wildcards stand.
fn domains<'a>(root: &Table<'a>) -> (Vec<Domain>, Vec<Value<'a>>) {
    let mut seen: HashMap<Hostname, usize> = HashMap::new();
    let (mut domains, mut wild) = (Vec::new(), Vec::new());
    for table in root.tables("domain", raw::DOMAIN) {
        let (hosts, exclude) = hosts(&table);
        let (wildcards, hosts): (Vec<_>, Vec<_>) =
            hosts.into_iter().partition(|(name, _)| name.is_wildcard());
        let names = |list: &[(DnsId, Value<'_>)]| {
            list.iter().map(|(name, _)| name.domain().clone()).collect()
        };
        let (hosts, exclude) = (names(&hosts), names(&exclude));
        let named = names(&wildcards);
        wild.extend(wildcards.into_iter().map(|(_, value)| value));
        let Some(value) = table.value("name") else {
            let trouble =
                Trouble::new("`name` is missing", "expected `name = \"example.org\"` below");
            if !table.misspelt("name", raw::DOMAIN) {
                root.log.missing(Some(table.span), trouble);
            }
            continue;
        };
        let Some(name) = value.text(value::host) else { continue };
        match seen.get(&name) {
            Some(first) => value.wrong(
                Trouble::new(format!("the domain `{name}` stands twice"), "expected each once")
                    .help(format!("it stands in line {first} as well")),
            ),
            None => {
                seen.insert(name.clone(), root.log.source.line(value.span.start));
                domains.push(Domain { name, hosts, wildcards: named, exclude });
            }
        }
    }
    (domains, wild)
}

/// Names with the places where they stand.
type Names<'a> = Vec<(DnsId, Value<'a>)>;

/// `hosts` and `exclude`, in which no host stands twice; of two that contradict each other the
/// later one is marked.
fn hosts<'a>(table: &Table<'a>) -> (Names<'a>, Names<'a>) {
    let hosts = table.texts("hosts", wildcard::host_or_wildcard).unwrap_or_default();
    let exclude = table.texts("exclude", value::host).unwrap_or_default();
    let exclude: Vec<_> =
        exclude.into_iter().map(|(host, value)| (DnsId::Host(host), value)).collect();
    let mut all: Vec<_> = hosts
        .iter()
        .map(|entry| ("hosts", entry))
        .chain(exclude.iter().map(|entry| ("exclude", entry)))
        .collect();
    all.sort_by_key(|(_, (_, value))| value.span.start);
    let mut seen: HashMap<&DnsId, &str> = HashMap::new();
    for (list, (host, value)) in all {
        match seen.insert(host, list) {
            Some(other) if other == list => value.wrong(Trouble::new(
                format!("`{host}` stands twice in `{list}`"),
                "expected each host once",
            )),
            Some(_) => value.wrong(Trouble::new(
                format!("`{host}` stands in both `hosts` and `exclude`"),
                "expected in one of them",
            )),
            None => {}
        }
    }
    (hosts, exclude)
}
