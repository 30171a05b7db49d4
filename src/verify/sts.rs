//! MTA-STS (RFC 8461) as far as it is text: the record and the policy are read, hosts are matched.
//! Pure; `policy` asks for both.

use crate::model::{DnsId, Hostname, StsMode};
use crate::verify::visible;

/// The most a policy may weigh, in bytes (RFC 8461 section 3.3).
pub const LARGEST_POLICY: usize = 64 * 1024;
/// The longest life of a policy, in seconds: a year (RFC 8461 section 3.2).
const LONGEST_AGE: u64 = 31_557_600;

/// The record at `_mta-sts.DOMAIN`: there is a policy, and which one it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Changes with the policy: 1 to 32 letters and digits.
    pub id: String,
}

/// Why a record says nothing to a sender.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadRecord {
    /// It does not begin with the version.
    #[error("it does not begin with \"v={version};\", found \"{found}\"")]
    Version {
        /// The version it should name.
        version: &'static str,
        /// How it begins.
        found: String,
    },
    /// More than one record of this version.
    #[error("there are {0} such records, and of several none counts")]
    Several(usize),
    /// A field without a name or a value, or with signs that may not stand there.
    #[error("\"{0}\" is no NAME=VALUE")]
    Field(String),
    /// A field that must be there is not.
    #[error("it has no {0}=")]
    Missing(&'static str),
    /// The id is empty, too long, or not of letters and digits.
    #[error("its id is \"{0}\"; expected 1 to 32 letters and digits")]
    Id(String),
    /// Something in `rua` is no address for reports (RFC 8460 section 3).
    #[error("\"{0}\" is no address for reports; expected mailto:USER@DOMAIN or https://HOST/PATH")]
    Address(String),
}

impl Record {
    /// Reads one record (RFC 8461 section 3.1). Unknown fields are passed over, and of a field
    /// that stands twice the first counts.
    ///
    /// # Errors
    /// [`BadRecord`] names the first fault.
    pub fn parse(text: &str) -> Result<Self, BadRecord> {
        let fields = fields(text, "STSv1")?;
        let id = fields.iter().find(|(name, _)| *name == "id").ok_or(BadRecord::Missing("id"))?.1;
        let right = (1..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric());
        if right { Ok(Self { id: id.to_owned() }) } else { Err(BadRecord::Id(visible(id))) }
    }

    /// The record among all TXT records at the name; `None` if none of them is meant to be one.
    ///
    /// # Errors
    /// [`BadRecord`] when it cannot be read, or there are several.
    pub fn of<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Option<Self>, BadRecord> {
        the_one(texts, "STSv1")?.map(Self::parse).transpose()
    }
}

/// The one text of a version (`v=STSv1;`): others are not looked at, unless it is the only one
/// and was meant to be it.
pub(super) fn the_one<'a>(
    texts: impl Iterator<Item = &'a str>,
    version: &'static str,
) -> Result<Option<&'a str>, BadRecord> {
    let begin = format!("v={version};");
    let word = version.to_ascii_lowercase();
    let (mut right, mut meant) = (Vec::new(), None);
    for text in texts {
        if text.starts_with(&begin) {
            right.push(text);
        } else if meant.is_none() && text.to_ascii_lowercase().contains(&word) {
            meant = Some(text);
        }
    }
    match (right.as_slice(), meant) {
        ([one], _) => Ok(Some(one)),
        ([], Some(text)) => Err(BadRecord::Version { version, found: begins(text) }),
        ([], None) => Ok(None),
        (several, _) => Err(BadRecord::Several(several.len())),
    }
}

/// The fields behind the version: names and values between semicolons, with blanks around these.
pub(super) fn fields<'a>(
    text: &'a str,
    version: &'static str,
) -> Result<Vec<(&'a str, &'a str)>, BadRecord> {
    let behind = text.strip_prefix("v=").and_then(|text| text.strip_prefix(version));
    let behind = behind.and_then(|text| text.strip_prefix(';'));
    let behind = behind
        .ok_or_else(|| BadRecord::Version { version, found: begins(text) })?
        .trim_matches(WSP);
    // The last field may have a semicolon behind it.
    let behind = behind.strip_suffix(';').unwrap_or(behind).trim_end_matches(WSP);
    if behind.is_empty() {
        return Ok(Vec::new());
    }
    let field = |text: &'a str| {
        let text = text.trim_matches(WSP);
        let bad = || BadRecord::Field(visible(text));
        let (name, value) = text.split_once('=').ok_or_else(bad)?;
        let printed = value.bytes().all(|b| matches!(b, b'\t' | b' '..=b'~'));
        if is_name(name) && !value.is_empty() && printed { Ok((name, value)) } else { Err(bad()) }
    };
    behind.split(';').map(field).collect()
}

/// A letter or digit, then up to 31 of these and `_`, `-`, `.`.
fn is_name(text: &str) -> bool {
    let inside = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    text.len() <= 32
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
        && text.bytes().all(inside)
}

fn begins(text: &str) -> String {
    visible(&text.chars().take(40).collect::<String>())
}

const WSP: [char; 2] = [' ', '\t'];

/// What stands at `https://mta-sts.DOMAIN/.well-known/mta-sts.txt`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What becomes of other hosts.
    pub mode: StsMode,
    /// The hosts that take mail for the domain; empty only in mode none.
    pub mx: Vec<DnsId>,
    /// How long a sender keeps it, in seconds.
    pub max_age: u64,
}

/// Why a policy says nothing to a sender. Lines are counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadPolicy {
    /// More than 64 KiB.
    #[error("it has {0} bytes; expected at most 65536")]
    TooLong(usize),
    /// Not UTF-8.
    #[error("it is no UTF-8 text")]
    NoText,
    /// Nothing, or blanks.
    #[error("it is empty")]
    Empty,
    /// A line that is no field.
    #[error("line {line} is \"{found}\"; expected NAME: VALUE")]
    Line {
        /// Its number.
        line: usize,
        /// What it says.
        found: String,
    },
    /// A value that is none of this field.
    #[error("line {line}: {name} is \"{found}\"; expected {expected}")]
    Value {
        /// Its number.
        line: usize,
        /// The field.
        name: &'static str,
        /// What it says.
        found: String,
        /// What it might say.
        expected: &'static str,
    },
    /// A field that must be there is not.
    #[error("it has no {0}: line")]
    Missing(&'static str),
}

impl Policy {
    /// Reads a policy as strictly as RFC 8461 section 3.2 has it. Unknown fields are passed over,
    /// and of a field other than `mx` that stands twice the first counts.
    ///
    /// # Errors
    /// [`BadPolicy`] names the first fault.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadPolicy> {
        if bytes.len() > LARGEST_POLICY {
            return Err(BadPolicy::TooLong(bytes.len()));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| BadPolicy::NoText)?;
        // Empty lines at the end hurt nobody.
        let text = text.trim_end_matches(['\r', '\n', ' ', '\t']);
        if text.is_empty() {
            return Err(BadPolicy::Empty);
        }
        let (mut version, mut mode, mut max_age, mut mx) = (None, None, None, Vec::new());
        for (index, line) in text.split('\n').enumerate() {
            let line = line.strip_suffix('\r').unwrap_or(line).trim_end_matches(WSP);
            let (name, found) = field(line)
                .ok_or_else(|| BadPolicy::Line { line: index + 1, found: visible(line) })?;
            let bad = |name, expected| {
                let found = visible(found);
                BadPolicy::Value { line: index + 1, name, found, expected }
            };
            match name {
                "version" if version.is_none() => match found {
                    "STSv1" => version = Some(()),
                    _ => return Err(bad("version", "STSv1")),
                },
                "mode" if mode.is_none() => {
                    let wrong = || bad("mode", "enforce, testing or none");
                    mode = Some(mode_of(found).ok_or_else(wrong)?);
                }
                "max_age" if max_age.is_none() => {
                    let wrong = || bad("max_age", "seconds, at most 31557600 (a year)");
                    max_age = Some(age(found).ok_or_else(wrong)?);
                }
                "mx" => {
                    let wrong = || bad("mx", "a host, or *. and a domain");
                    mx.push(pattern(found).ok_or_else(wrong)?);
                }
                _ => {}
            }
        }
        version.ok_or(BadPolicy::Missing("version"))?;
        let mode = mode.ok_or(BadPolicy::Missing("mode"))?;
        let max_age = max_age.ok_or(BadPolicy::Missing("max_age"))?;
        if mx.is_empty() && mode != StsMode::None {
            return Err(BadPolicy::Missing("mx"));
        }
        Ok(Self { mode, mx, max_age })
    }

    /// Whether a host is one of the policy (RFC 8461 section 4.1): a wildcard stands for one
    /// whole label.
    #[must_use]
    pub fn lists(&self, host: &Hostname) -> bool {
        self.mx.iter().any(|pattern| pattern.matches(host))
    }
}

/// `NAME: VALUE`; what is no ASCII may stand in the values of unknown fields only.
fn field(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    let value = value.trim_start_matches(WSP);
    let printed = !value.is_empty() && value.chars().all(|c| !c.is_control());
    (is_name(name) && printed).then_some((name, value))
}

fn mode_of(word: &str) -> Option<StsMode> {
    [StsMode::None, StsMode::Testing, StsMode::Enforce]
        .into_iter()
        .find(|mode| mode.as_str() == word)
}

fn age(digits: &str) -> Option<u64> {
    let right = digits.len() <= 10 && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|age| right && *age <= LONGEST_AGE)
}

/// A host or a wildcard; a trailing dot belongs to zone files.
fn pattern(text: &str) -> Option<DnsId> {
    if text.ends_with('.') { None } else { DnsId::parse(text).ok() }
}

#[cfg(test)]
mod tests;
