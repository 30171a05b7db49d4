//! The file as it stands: the keys of every table, and readers of values with their places.
//!
//! Not serde, which stops at the first problem: the admin is to see all of them at once. What a value means is decided elsewhere.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{Log, Trouble, listed, nearest, shown};

pub(super) const ROOT: &[&str] = &[
    "acme",
    "challenge",
    "dane",
    "source",
    "dns",
    "discover",
    "machine",
    "state",
    "verify",
    "notify",
    "domain",
    "postfix",
    "exim",
    "dovecot",
    "files",
];
pub(super) const ACME: &[&str] = &[
    "directory",
    "ca-file",
    "contact",
    "agree-to-terms",
    "key-types",
    "reuse-key",
    "profile",
    "names-per-certificate",
    "eab",
    "preferred-chain",
    "staging",
    "fallback",
];
/// `[[acme.fallback]]`: the same keys, but no further CAs below it.
pub(super) const FALLBACK: &[&str] = &[
    "directory",
    "ca-file",
    "contact",
    "agree-to-terms",
    "key-types",
    "reuse-key",
    "profile",
    "names-per-certificate",
    "eab",
    "preferred-chain",
    "staging",
];
pub(super) const EAB: &[&str] = &["key-id", "hmac-key-file"];
pub(super) const CHALLENGE: &[&str] = &["http-01", "tls-alpn-01", "dns-01"];
pub(super) const HTTP_01: &[&str] = &["listen", "webroot", "webroots"];
pub(super) const TLS_ALPN_01: &[&str] = &["hosts", "listen"];
pub(super) const DNS_01: &[&str] = &["hosts", "rfc2136", "exec", "serve"];
pub(super) const RFC2136: &[&str] =
    &["server", "zone", "key-name", "key-algorithm", "key-file", "ttl", "propagation"];
pub(super) const EXEC: &[&str] = &["present", "remove", "timeout", "propagation"];
pub(super) const SERVE: &[&str] = &["name", "zone", "listen"];
pub(super) const SOURCE: &[&str] = &["files"];
pub(super) const SOURCE_FILES: &[&str] = &["paths"];
pub(super) const DNS: &[&str] = &["servers"];
pub(super) const DISCOVER: &[&str] = &["every", "guesses"];
pub(super) const MACHINE: &[&str] = &["addresses"];
pub(super) const STATE: &[&str] = &["directory"];
pub(super) const VERIFY: &[&str] = &["roots", "profile", "every"];
pub(super) const DOMAIN: &[&str] = &["name", "hosts", "exclude"];
pub(super) const POSTFIX: &[&str] = &[
    "config-directory",
    "directory",
    "map-type",
    "reload",
    "default",
    "owner",
    "group",
    "files-only",
    "listen",
];
pub(super) const EXIM: &[&str] = &[
    "binary",
    "config-file",
    "directory",
    "layout",
    "reload",
    "default",
    "owner",
    "group",
    "files-only",
    "listen",
];
pub(super) const DOVECOT: &[&str] =
    &["config-file", "directory", "reload", "default", "owner", "group", "files-only", "listen"];
pub(super) const FILES: &[&str] = &[
    "name",
    "key",
    "chain",
    "combined",
    "certificate",
    "default",
    "owner",
    "group",
    "mode",
    "check",
    "reload",
    "files-only",
    "listen",
];

/// Where a key that stands in the wrong table belongs.
const TABLES: &[(&str, &[&str])] = &[
    ("[acme]", ACME),
    ("[challenge]", CHALLENGE),
    ("[challenge.http-01]", HTTP_01),
    ("[source]", SOURCE),
    ("[source.files]", SOURCE_FILES),
    ("[dns]", DNS),
    ("[discover]", DISCOVER),
    ("[machine]", MACHINE),
    ("[verify]", VERIFY),
    ("[[domain]]", DOMAIN),
    ("[[exim]]", EXIM),
    ("[[postfix]]", POSTFIX),
    ("[[files]]", FILES),
    ("[challenge.tls-alpn-01]", TLS_ALPN_01),
    ("[challenge.dns-01]", DNS_01),
    ("[challenge.dns-01.rfc2136]", RFC2136),
    ("[challenge.dns-01.exec]", EXEC),
    ("[challenge.dns-01.serve]", SERVE),
    ("the top level", ROOT),
];

/// A value with the name it is called by in messages.
#[derive(Clone)]
pub(super) struct Value<'a> {
    log: &'a Log<'a>,
    name: String,
    pub(super) span: Range<usize>,
    value: &'a DeValue<'a>,
}

impl<'a> Value<'a> {
    pub(super) fn wrong(&self, trouble: Trouble) {
        self.log.wrong(self.span.clone(), trouble);
    }

    pub(super) fn is(&self, truth: bool) -> bool {
        self.value.as_bool() == Some(truth)
    }

    fn wrong_type(&self, expected: &str) -> Trouble {
        Trouble::new(
            format!("{} is {}", self.name, kind(self.value)),
            format!("expected {expected}"),
        )
    }

    /// The text and what `parse` makes of it; a problem is kept for the end.
    pub(super) fn is_table(&self) -> bool {
        self.value.is_table()
    }

    pub(super) fn text<T>(&self, parse: impl Fn(&str) -> Result<T, Trouble>) -> Option<T> {
        let Some(text) = self.value.as_str() else {
            self.wrong(self.wrong_type("a string"));
            return None;
        };
        parse(text).map_err(|trouble| self.wrong(trouble)).ok()
    }

    /// A whole number, or the text that stands in its place.
    pub(super) fn number_or_text<T>(
        &self,
        number: impl Fn(&str, u32) -> Result<T, Trouble>,
        text: impl Fn(&str) -> Result<T, Trouble>,
    ) -> Option<T> {
        let result = match self.value {
            DeValue::Integer(digits) => number(digits.as_str(), digits.radix()),
            DeValue::String(word) => text(word),
            _ => Err(self.wrong_type("a name or a number")),
        };
        result.map_err(|trouble| self.wrong(trouble)).ok()
    }

    fn entries(&self) -> Option<Vec<Self>> {
        let DeValue::Array(array) = self.value else {
            let trouble = self.wrong_type("a list in brackets");
            self.wrong(match self.value.as_str() {
                Some(text) => trouble.help(format!("write `[{}]`", as_list(text))),
                None => trouble,
            });
            return None;
        };
        let name = format!("an entry of {}", self.name);
        Some(array.iter().map(|entry| self.child(name.clone(), entry)).collect())
    }

    fn child(&self, name: String, value: &'a Spanned<DeValue<'a>>) -> Self {
        Self { log: self.log, name, span: value.span(), value: value.get_ref() }
    }
}

/// One table: its keys are checked when it is opened.
pub(super) struct Table<'a> {
    pub(super) log: &'a Log<'a>,
    /// The header in the file, or the value of an inline table.
    pub(super) span: Range<usize>,
    entries: &'a DeTable<'a>,
}

impl<'a> Table<'a> {
    /// The whole document.
    pub(super) fn root(log: &'a Log<'a>, document: &'a Spanned<DeTable<'a>>) -> Self {
        let root = Self { log, span: document.span(), entries: document.get_ref() };
        root.check(ROOT);
        root
    }

    fn check(&self, known: &[&str]) {
        for key in self.entries.keys().filter(|key| !known.contains(&key.get_ref().as_ref())) {
            self.log.wrong(key.span(), unknown_key(key.get_ref(), known));
        }
    }

    /// Whether a key that is not there was probably meant by an unknown one, which is said already.
    pub(super) fn misspelt(&self, key: &str, known: &[&str]) -> bool {
        let unknown =
            self.entries.keys().filter(|found| !known.contains(&found.get_ref().as_ref()));
        unknown.into_iter().any(|found| nearest(found.get_ref(), known) == Some(key))
    }

    /// All its keys, where nobody knows them before.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'a str> {
        self.entries.keys().map(|key| key.get_ref().as_ref())
    }

    /// The place of a key.
    pub(super) fn key(&self, key: &str) -> Option<Range<usize>> {
        self.entries.get_key_value(key).map(|(key, _)| key.span())
    }

    pub(super) fn value(&self, key: &str) -> Option<Value<'a>> {
        let value = self.entries.get(key)?;
        let name = format!("`{key}`");
        Some(Value { log: self.log, name, span: value.span(), value: value.get_ref() })
    }

    pub(super) fn text<T>(
        &self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, Trouble>,
    ) -> Option<T> {
        self.value(key)?.text(parse)
    }

    /// The list's entries that parse, each with its place. `None` if there is no such list.
    pub(super) fn texts<T>(
        &self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, Trouble>,
    ) -> Option<Vec<(T, Value<'a>)>> {
        let entries = self.value(key)?.entries()?;
        Some(entries.into_iter().filter_map(|entry| Some((entry.text(&parse)?, entry))).collect())
    }

    /// Like [`Table::texts`], for a list that must say something if it is there at all.
    pub(super) fn some_texts<T>(
        &self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, Trouble>,
    ) -> Option<Vec<(T, Value<'a>)>> {
        let list = self.value(key)?;
        if list.value.as_array().is_some_and(|array| array.is_empty()) {
            list.wrong(Trouble::new(format!("`{key}` is empty"), "expected at least one entry"));
            return None;
        }
        self.texts(key, parse)
    }

    pub(super) fn truth(&self, key: &str) -> Option<bool> {
        let value = self.value(key)?;
        let truth = value.value.as_bool();
        if truth.is_none() {
            value.wrong(value.wrong_type("`true` or `false`"));
        }
        truth
    }

    /// A whole number within the bounds, both included.
    pub(super) fn whole(&self, key: &str, least: usize, most: usize) -> Option<usize> {
        let value = self.value(key)?;
        let expected = format!("expected a whole number from {least} to {most}");
        let DeValue::Integer(digits) = value.value else {
            value.wrong(Trouble::new(format!("`{key}` is {}", kind(value.value)), expected));
            return None;
        };
        match usize::from_str_radix(digits.as_str(), digits.radix()) {
            Ok(number) if (least..=most).contains(&number) => Some(number),
            _ => {
                value.wrong(Trouble::new(format!("`{key}` is {digits}"), expected));
                None
            }
        }
    }

    /// `[header]`, which may stand once.
    pub(super) fn table(&self, header: &str, known: &[&str]) -> Option<Self> {
        let table = self.any_table(header)?;
        table.check(known);
        Some(table)
    }

    /// `[header]` whose keys nobody knows yet.
    pub(super) fn any_table(&self, header: &str) -> Option<Self> {
        let key = header.rsplit('.').next().unwrap_or(header);
        let value = self.value(key)?;
        let DeValue::Table(entries) = value.value else {
            let trouble = value.wrong_type(&format!("a table `[{header}]`"));
            value.wrong(match is_tables(value.value) {
                true => trouble.help(format!("it stands once: write `[{header}]`")),
                false => trouble,
            });
            return None;
        };
        Some(Self { log: self.log, span: value.span, entries })
    }

    /// `[[header]]`, which may stand many times.
    pub(super) fn tables(&self, header: &str, known: &[&str]) -> Vec<Self> {
        let key = header.rsplit('.').next().unwrap_or(header);
        let Some(value) = self.value(key) else { return Vec::new() };
        let DeValue::Array(array) = value.value else {
            let trouble = value.wrong_type(&format!("tables `[[{header}]]`"));
            value.wrong(match value.value {
                DeValue::Table(_) => {
                    trouble.help(format!("it may stand many times: write `[[{header}]]`"))
                }
                _ => trouble,
            });
            return Vec::new();
        };
        let mut tables = Vec::new();
        for entry in array {
            let entry = value.child(format!("an entry of `{header}`"), entry);
            let DeValue::Table(entries) = entry.value else {
                entry.wrong(entry.wrong_type(&format!("a table `[[{header}]]`")));
                continue;
            };
            let table = Self { log: self.log, span: entry.span, entries };
            table.check(known);
            tables.push(table);
        }
        tables
    }
}

fn unknown_key(key: &str, known: &[&str]) -> Trouble {
    let trouble = Trouble::new(
        format!("unknown key {}", shown(key)),
        format!("expected one of {}", listed(known)),
    );
    if let Some(word) = nearest(key, known) {
        return trouble.help(format!("did you mean `{word}`?"));
    }
    match TABLES.iter().find(|(_, keys)| keys.contains(&key)) {
        Some((table, _)) => trouble.help(format!("`{key}` belongs to {table}")),
        None => trouble,
    }
}

/// What a value is, with its article.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "a truth value",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) if is_tables(value) => "a list of tables",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn is_tables(value: &DeValue<'_>) -> bool {
    value.as_array().is_some_and(|array| {
        !array.is_empty() && array.iter().all(|entry| entry.get_ref().is_table())
    })
}

/// A text that should have been a list, word for word.
fn as_list(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().take(8).map(|word| format!("{word:?}")).collect();
    words.join(", ")
}
