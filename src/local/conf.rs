//! Reads `openssl.cnf`, as far as what every program of the machine gets from it goes
//! (config(5), SSL_CONF_cmd(3)). Pure: files come through a closure.

use std::collections::VecDeque;

/// How deep includes may stand in each other, and how many files are read at most.
const DEPTH: usize = 8;
const FILES: usize = 64;

/// The settings of a configuration with everything it includes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Conf {
    settings: Vec<Setting>,
    /// The files, in the order they were read.
    pub(super) files: Vec<String>,
    /// What could not be followed.
    pub(super) faults: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Setting {
    section: String,
    key: String,
    value: Said,
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Said {
    /// What is written there.
    pub value: String,
    /// `FILE:LINE`.
    pub at: String,
}

/// What a path holds: the file itself, or the `.cnf` and `.conf` files of a directory in order,
/// each with its path.
pub(super) type Reader<'a> = &'a dyn Fn(&str) -> Result<Vec<(String, String)>, String>;

impl Conf {
    /// Reads a file and what it includes.
    pub(super) fn read(path: &str, reader: Reader<'_>) -> Self {
        let mut conf = Self::default();
        let mut section = DEFAULT.to_owned();
        conf.include(path, reader, &mut section, DEPTH);
        conf
    }

    fn include(&mut self, path: &str, reader: Reader<'_>, section: &mut String, depth: usize) {
        if depth == 0 || self.files.len() >= FILES {
            self.faults.push(format!("{path}: too many includes"));
            return;
        }
        let found = match reader(path) {
            Ok(found) => found,
            Err(why) => {
                self.faults.push(format!("{path}: {why}"));
                return;
            }
        };
        for (path, text) in found {
            self.files.push(path.clone());
            for (line, text) in lines(&text) {
                match parse(&text) {
                    Line::Section(name) => *section = name,
                    Line::Include(other) => {
                        let other = beside(&path, &other);
                        self.include(&other, reader, section, depth - 1);
                    }
                    Line::Setting(key, value) => {
                        let value = Said { value, at: format!("{path}:{line}") };
                        // `section::key` names a section of its own.
                        let (section, key) = match key.split_once("::") {
                            Some((section, key)) => (section.to_owned(), key.to_owned()),
                            None => (section.clone(), key),
                        };
                        self.settings.push(Setting { section, key, value });
                    }
                    Line::Other => {}
                }
            }
        }
    }

    /// The last value of a key in a section.
    fn value(&self, section: &str, key: &str) -> Option<&Said> {
        let mut all = self.settings.iter().rev();
        let found = all.find(|setting| setting.section == section && setting.key == key);
        found.map(|setting| &setting.value)
    }

    /// A command of SSL_CONF_cmd(3) in the section that holds for every program: `openssl_conf`
    /// names one whose `ssl_conf` names one whose `system_default` names it. What stands before a
    /// dot in a key only tells doubles apart.
    pub(super) fn for_everyone(&self, command: &str) -> Option<&Said> {
        let init = self.value(DEFAULT, "openssl_conf")?;
        let ssl = self.value(&init.value, "ssl_conf")?;
        let section = &self.value(&ssl.value, "system_default")?.value;
        let is = |key: &str| {
            let bare = key.rsplit_once('.').map_or(key, |(_, bare)| bare);
            bare.eq_ignore_ascii_case(command)
        };
        // The bounds of DTLS stand under the same key.
        let settings = self.settings.iter().rev().filter(|setting| setting.section == *section);
        let mut ours = settings.filter(|one| is(&one.key) && !one.value.value.starts_with("DTLS"));
        ours.next().map(|setting| &setting.value)
    }
}

/// The section that begins a file.
const DEFAULT: &str = "default";

enum Line {
    Section(String),
    Include(String),
    Setting(String, String),
    Other,
}

/// The lines with their numbers, those that end in a backslash joined with the next.
fn lines(text: &str) -> Vec<(usize, String)> {
    let mut left: VecDeque<&str> = text.lines().collect();
    let (mut lines, mut number) = (Vec::new(), 0);
    while let Some(first) = left.pop_front() {
        number += 1;
        let (at, mut line) = (number, first.to_owned());
        while line.ends_with('\\') {
            line.pop();
            let Some(next) = left.pop_front() else { break };
            number += 1;
            line.push_str(next);
        }
        lines.push((at, line));
    }
    lines
}

fn parse(line: &str) -> Line {
    let line = without_comment(line);
    let line = line.trim();
    if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return Line::Section(name.0.trim().to_owned());
    }
    let begins = |word: &str| {
        let rest = line.strip_prefix(word)?;
        rest.starts_with([' ', '\t', '=']).then(|| rest.trim_start().trim_start_matches('=').trim())
    };
    if let Some(path) = begins(".include") {
        return Line::Include(unquoted(path));
    }
    match line.split_once('=') {
        Some((key, value)) if !line.starts_with('.') => {
            Line::Setting(key.trim().to_owned(), unquoted(value.trim()))
        }
        _ => Line::Other,
    }
}

/// The line up to a `#` that is neither quoted nor behind a backslash.
fn without_comment(line: &str) -> &str {
    let (mut quote, mut escaped) = (None, false);
    for (at, c) in line.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (_, '\\') => escaped = true,
            (None, '#') => return &line[..at],
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            _ => {}
        }
    }
    line
}

fn unquoted(value: &str) -> String {
    value.chars().filter(|c| !matches!(c, '"' | '\'')).collect()
}

/// A path as it is meant in the file at `path`.
fn beside(path: &str, other: &str) -> String {
    match path.rsplit_once('/') {
        Some((directory, _)) if !other.starts_with('/') => format!("{directory}/{other}"),
        _ => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::Conf;

    /// Reads from literal files; a path ending in `/` is a directory.
    fn read(files: &[(&str, &str)]) -> Conf {
        let reader = |path: &str| {
            let inside =
                |name: &str| name == path || (path.ends_with('/') && name.starts_with(path));
            let found = files.iter().filter(|(name, _)| inside(name));
            let found: Vec<_> = found.map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect();
            if found.is_empty() { Err("No such file or directory".to_owned()) } else { Ok(found) }
        };
        Conf::read("/etc/ssl/openssl.cnf", &reader)
    }

    const CHAIN: &str = "openssl_conf = init # for every program\n[ init ]\nssl_conf = ssl\n\
                         [ssl]\nsystem_default = all\n[all]\n";

    fn said(conf: &Conf, command: &str) -> Option<(String, String)> {
        conf.for_everyone(command).map(|said| (said.value.clone(), said.at.clone()))
    }

    #[test]
    fn what_holds_for_every_program_is_found_through_three_sections() {
        for (rest, expected) in [
            ("MinProtocol = TLSv1.3\n", Some(("TLSv1.3", 7))),
            ("minprotocol=TLSv1.2 # old\n", Some(("TLSv1.2", 7))),
            ("MinProtocol = TLSv1.3\nMinProtocol = TLSv1.2\n", Some(("TLSv1.2", 8))),
            ("TLS.MinProtocol = TLSv1.2\nDTLS.MinProtocol = DTLSv1.2\n", Some(("TLSv1.2", 7))),
            ("MinProtocol = \"TLSv1.3\"\n", Some(("TLSv1.3", 7))),
            ("MinProtocol = \\\nTLSv1.3\n", Some(("TLSv1.3", 7))),
            ("# MinProtocol = TLSv1.3\n", None),
            ("[other]\nMinProtocol = TLSv1.3\n", None),
            ("[x]\nall::MinProtocol = TLSv1.1\n", Some(("TLSv1.1", 8))),
        ] {
            let conf = read(&[("/etc/ssl/openssl.cnf", &format!("{CHAIN}{rest}"))]);
            let expected = expected
                .map(|(value, line)| (value.to_owned(), format!("/etc/ssl/openssl.cnf:{line}")));
            assert_eq!(said(&conf, "MinProtocol"), expected, "{rest}");
        }
        let alone = read(&[("/etc/ssl/openssl.cnf", "[all]\nMinProtocol = TLSv1.3\n")]);
        assert_eq!(said(&alone, "MinProtocol"), None);
    }

    #[test]
    fn includes_go_on_in_the_section_where_they_stand() {
        let main =
            format!("{CHAIN}.include = /etc/crypto-policies/opensslcnf.config\n.include d/\n");
        let conf = read(&[
            ("/etc/ssl/openssl.cnf", &main),
            ("/etc/crypto-policies/opensslcnf.config", "CipherString = @SECLEVEL=3:kEECDH\n"),
            ("/etc/ssl/d/1.cnf", "MinProtocol = TLSv1.3\n"),
        ]);
        let (value, at) = said(&conf, "CipherString").unwrap();
        assert_eq!(value, "@SECLEVEL=3:kEECDH");
        assert_eq!(at, "/etc/crypto-policies/opensslcnf.config:1");
        assert_eq!(said(&conf, "MinProtocol").unwrap().1, "/etc/ssl/d/1.cnf:1");
        assert_eq!(conf.files.len(), 3);
    }

    #[test]
    fn a_file_that_includes_itself_or_nothing_ends() {
        let conf =
            read(&[("/etc/ssl/openssl.cnf", ".include openssl.cnf\n.include openssl.cnf\n")]);
        assert!(conf.files.len() <= super::FILES, "{}", conf.files.len());
        assert!(conf.faults[0].ends_with("too many includes"), "{:?}", conf.faults);
        let conf = read(&[("/etc/ssl/openssl.cnf", ".include /gone\n")]);
        assert_eq!(conf.faults, ["/gone: No such file or directory"]);
    }
}
