//! [`Hostname`]: a DNS host name that is safe to compare, to send and to use as a file name, and
//! [`DnsId`], one dNSName of a certificate.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest host name mailcert takes, in bytes: `exim.crt.` before it and a temporary suffix
/// after it must still fit the 255 bytes of a file name.
const LONGEST: usize = 240;

/// A host name: lower case, A-labels, at least two labels, no trailing dot, LDH only (RFC 1123
/// section 2.1), at most 240 bytes.
///
/// It contains no slash, quote, space or control character, so it is safe in a path, in a map
/// and on a terminal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hostname(String);

/// Why a text is no [`Hostname`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadHostname {
    /// Nothing at all, or only a dot.
    #[error("a host name is expected, found nothing")]
    Empty,
    /// One label, such as `localhost`.
    #[error("a host name needs at least two labels, found {}", quoted(.0))]
    SingleLabel(String),
    /// Longer than 240 bytes.
    #[error("a host name has at most 240 bytes, found {0}")]
    TooLong(usize),
    /// A label that is empty, longer than 63 bytes, begins or ends with `-`, or has a character
    /// other than letters, digits and `-`.
    #[error("{} is no label of a host name (letters, digits and - only)", quoted(.0))]
    BadLabel(String),
    /// The last label is a number: an address literal, not a name.
    #[error("{} is an address, not a host name", quoted(.0))]
    Address(String),
    /// The text is no valid internationalised name (IDNA 2008, UTS 46).
    #[error("{} is no valid internationalised host name", quoted(.0))]
    BadIdn(String),
}

/// The text in quotes with control characters and quotes made visible, cut at 80 characters.
fn quoted(text: &str) -> String {
    let cut: String = text.chars().take(80).collect();
    format!("\"{}\"", cut.escape_debug())
}

impl Hostname {
    /// Parses an ASCII host name; one trailing dot is taken off and letters become lower case.
    ///
    /// # Errors
    /// [`BadHostname`] names the first fault.
    pub fn parse(text: &str) -> Result<Self, BadHostname> {
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.is_empty() {
            return Err(BadHostname::Empty);
        }
        if text.len() > LONGEST {
            return Err(BadHostname::TooLong(text.len()));
        }
        if let Some(bad) = text.split('.').find(|label| !is_label(label)) {
            return Err(BadHostname::BadLabel(bad.to_owned()));
        }
        let Some((_, last)) = text.rsplit_once('.') else {
            return Err(BadHostname::SingleLabel(text.to_owned()));
        };
        if last.bytes().all(|b| b.is_ascii_digit()) {
            return Err(BadHostname::Address(text.to_owned()));
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// Parses what a person typed: internationalised names become A-labels (UTS 46) first.
    ///
    /// # Errors
    /// [`BadHostname`] names the first fault.
    pub fn from_typed(text: &str) -> Result<Self, BadHostname> {
        if text.is_ascii() {
            return Self::parse(text);
        }
        let ascii =
            idna::domain_to_ascii(text).map_err(|_| BadHostname::BadIdn(text.to_owned()))?;
        Self::parse(&ascii)
    }

    /// The name as text, without a trailing dot.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name without its first label, if two labels remain.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let (_, rest) = self.0.split_once('.')?;
        rest.contains('.').then(|| Self(rest.to_owned()))
    }

    /// Whether this name is `other` or stands below it.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.0
            .strip_suffix(other.as_str())
            .is_some_and(|front| front.is_empty() || front.ends_with('.'))
    }

    /// The name with `label` in front of it.
    ///
    /// # Errors
    /// [`BadHostname`] when the label is none or the result is too long.
    pub fn under(&self, label: &str) -> Result<Self, BadHostname> {
        Self::parse(&format!("{label}.{}", self.0))
    }
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Hostname {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Hostname {
    type Error = BadHostname;

    fn try_from(text: String) -> Result<Self, BadHostname> {
        Self::parse(&text)
    }
}

impl From<Hostname> for String {
    fn from(name: Hostname) -> Self {
        name.0
    }
}

/// A name a certificate speaks for: a host, or every host one label below a domain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DnsId {
    /// Exactly this host.
    Host(Hostname),
    /// `*.` and this domain: exactly one whole label in front of it (RFC 9525 section 6.3).
    Wildcard(Hostname),
}

impl DnsId {
    /// Parses the text of a dNSName.
    ///
    /// # Errors
    /// [`BadHostname`] when it is neither a host name nor `*.` before one.
    pub fn parse(text: &str) -> Result<Self, BadHostname> {
        match text.strip_prefix("*.") {
            Some(domain) => Hostname::parse(domain).map(Self::Wildcard),
            None => Hostname::parse(text).map(Self::Host),
        }
    }

    /// The host itself, or the domain below which a wildcard stands: what the DNS is asked about,
    /// and how a CA's authorization calls both (RFC 8555 section 7.1.4).
    #[must_use]
    pub fn domain(&self) -> &Hostname {
        let (Self::Host(name) | Self::Wildcard(name)) = self;
        name
    }

    /// The host, where it is one.
    #[must_use]
    pub fn host(&self) -> Option<&Hostname> {
        match self {
            Self::Host(host) => Some(host),
            Self::Wildcard(_) => None,
        }
    }

    /// Whether it is a wildcard.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        matches!(self, Self::Wildcard(_))
    }

    /// Whether a certificate with this name is one for `host` (RFC 9525 section 6.3).
    #[must_use]
    pub fn matches(&self, host: &Hostname) -> bool {
        match self {
            Self::Host(name) => name == host,
            Self::Wildcard(domain) => {
                host.as_str().split_once('.').is_some_and(|(_, rest)| rest == domain.as_str())
            }
        }
    }
}

impl From<Hostname> for DnsId {
    fn from(host: Hostname) -> Self {
        Self::Host(host)
    }
}

impl fmt::Display for DnsId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(name) => name.fmt(f),
            Self::Wildcard(domain) => write!(f, "*.{domain}"),
        }
    }
}

impl TryFrom<String> for DnsId {
    type Error = BadHostname;

    fn try_from(text: String) -> Result<Self, BadHostname> {
        Self::parse(&text)
    }
}

impl From<DnsId> for String {
    fn from(id: DnsId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::{BadHostname, DnsId, Hostname};

    #[test]
    fn a_name_is_lower_case_and_has_no_trailing_dot() {
        assert_eq!(Hostname::parse("MX1.Example.ORG.").unwrap().as_str(), "mx1.example.org");
    }

    #[test]
    fn hostile_names_do_not_exist() {
        for text in [
            "",
            ".",
            "localhost",
            "default",
            "a..b",
            "../etc/passwd",
            "a/b.example",
            "a b.example",
            "a\".example",
            "a\n.example",
            "-a.example",
            "a-.example",
            "192.0.2.7",
            "mx.example.1",
            "_dmarc.example.org",
            "müller.example",
            "*.example.org",
            "[192.0.2.7]",
        ] {
            assert!(Hostname::parse(text).is_err(), "{text:?} was taken");
        }
        let long = format!("{}.example.org", "a.".repeat(120));
        assert!(matches!(Hostname::parse(&long), Err(BadHostname::TooLong(_))));
    }

    #[test]
    fn a_typed_umlaut_becomes_an_a_label() {
        assert_eq!(
            Hostname::from_typed("Mail.Müller.example").unwrap().as_str(),
            "mail.xn--mller-kva.example"
        );
        assert!(Hostname::from_typed("ex ample.ü.org").is_err());
    }

    #[test]
    fn within_counts_whole_labels() {
        let domain = Hostname::parse("example.org").unwrap();
        for (name, within) in [
            ("example.org", true),
            ("mx.example.org", true),
            ("badexample.org", false),
            ("example.com", false),
        ] {
            assert_eq!(Hostname::parse(name).unwrap().is_within(&domain), within, "{name}");
        }
    }

    #[test]
    fn a_wildcard_stands_for_one_whole_label() {
        for (id, host, expected) in [
            ("mx.example.org", "mx.example.org", true),
            ("*.example.org", "mx.example.org", true),
            ("*.example.org", "example.org", false),
            ("*.example.org", "a.mx.example.org", false),
            ("mx.example.org", "mx2.example.org", false),
        ] {
            let host = Hostname::parse(host).unwrap();
            assert_eq!(DnsId::parse(id).unwrap().matches(&host), expected, "{id} {host}");
        }
        assert!(DnsId::parse("mx*.example.org").is_err());
        assert!(DnsId::parse("*.org").is_err());
    }
}
