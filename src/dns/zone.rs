//! [`Zone`]: the literal fake of the DNS. A text like a master file answers questions, failures
//! included, so that a test shows its whole world.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;

use crate::dns::wire::MOST_ALIASES;
use crate::dns::{Absence, Answer, Dns, Failure, Kind, Record, Reply};

/// How long answers live where the text says nothing.
const TTL: Duration = Duration::from_secs(300);

/// A literal zone. Each line of its text is one of these, `;` or `#` begins a comment:
///
/// ```text
/// example.org MX 10 mx1.example.org     ; also A AAAA CNAME SRV CAA TLSA, data as in RFC 1035
/// mx1.example.org 60 A 192.0.2.7        ; with a TTL in seconds, else 300
/// *.wild.example A 192.0.2.8            ; a wildcard (RFC 4592)
/// signed.example secure                 ; answers at and below this name are authenticated
/// mx.signed.example secure A 192.0.2.9  ; answers at this name are authenticated
/// bad.example SERVFAIL                  ; also REFUSED TIMEOUT BOGUS: at and below this name
/// mx2.example.org TIMEOUT AAAA          ; only this kind at this name
/// odd.example OTHER the line is cut     ; any other failure
/// ```
///
/// A name that is not in the text does not exist (NXDOMAIN), a name between others has no records
/// (NODATA). Names are taken as they stand, without their trailing dot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zone {
    names: BTreeMap<String, Entry>,
    /// Every name that has names below it.
    above: BTreeSet<String>,
    secure_below: BTreeSet<String>,
}

/// What is known of one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Entry {
    records: Vec<(Kind, Record)>,
    alias: Option<String>,
    fails: Option<Failure>,
    fails_for: BTreeMap<Kind, Failure>,
    ttl: Option<Duration>,
    secure: bool,
}

/// A line of a zone text that says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the zone is no record: {text}")]
pub struct BadZone {
    /// Its number, from 1.
    pub line: usize,
    /// The line.
    pub text: String,
}

impl Zone {
    /// Reads a zone text.
    ///
    /// # Errors
    /// [`BadZone`] names the first line that is neither empty nor one of the forms above.
    pub fn parse(text: &str) -> Result<Self, BadZone> {
        let mut zone = Self::default();
        for (number, line) in text.lines().enumerate() {
            let words = words(line);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let taken = match words.as_slice() {
                [] => Some(()),
                [name, rest @ ..] => zone.take(&plain(name), rest),
            };
            taken.ok_or_else(|| BadZone { line: number + 1, text: line.trim().to_owned() })?;
        }
        Ok(zone)
    }

    /// Takes one line; `None` if it says nothing.
    fn take(&mut self, name: &str, words: &[&str]) -> Option<()> {
        let key = name.to_ascii_lowercase();
        match words {
            ["secure"] => {
                self.secure_below.insert(key);
                return Some(());
            }
            ["secure", rest @ ..] => {
                self.take(name, rest)?;
                self.names.get_mut(&key)?.secure = true;
                return Some(());
            }
            [ttl, rest @ ..] if !rest.is_empty() && ttl.bytes().all(|b| b.is_ascii_digit()) => {
                self.take(name, rest)?;
                self.names.get_mut(&key)?.ttl = Some(Duration::from_secs(ttl.parse().ok()?));
                return Some(());
            }
            _ => {}
        }
        let mut entry = self.names.get(&key).cloned().unwrap_or_default();
        match words {
            ["CNAME", target] => entry.alias = Some(plain(target)),
            ["OTHER", text @ ..] => entry.fails = Some(Failure::Other(text.join(" "))),
            [word] => entry.fails = Some(failure(word)?),
            [word, of] if failure(word).is_some() => {
                entry.fails_for.insert(kind(of)?, failure(word)?);
            }
            [word, data @ ..] => {
                let kind = kind(word)?;
                entry.records.push((kind, record(kind, data)?));
            }
            [] => return None,
        }
        self.above.extend(ancestors(&key).map(str::to_owned));
        self.names.insert(key, entry);
        Some(())
    }

    /// What answers for a name that is followed to: itself, or the wildcard below its closest
    /// ancestor that exists (RFC 4592 section 3.3.1).
    fn entry(&self, key: &str) -> Option<&Entry> {
        if let Some(entry) = self.names.get(key) {
            return Some(entry);
        }
        if self.is_between(key) {
            return None;
        }
        ancestors(key)
            .find(|name| self.names.contains_key(*name) || self.is_between(name))
            .and_then(|closest| self.names.get(&format!("*.{closest}")))
    }

    /// Whether there are names below this one.
    fn is_between(&self, key: &str) -> bool {
        self.above.contains(key)
    }

    /// The failure of the closest name above, if that name fails.
    fn fails_above(&self, key: &str) -> Option<&Failure> {
        ancestors(key).find_map(|name| self.names.get(name)).and_then(|entry| entry.fails.as_ref())
    }

    fn is_secure(&self, key: &str) -> bool {
        self.secure_below.contains(key)
            || ancestors(key).any(|name| self.secure_below.contains(name))
            || self.entry(key).is_some_and(|entry| entry.secure)
    }

    /// What the zone says at exactly this name.
    fn at(&self, key: &str, kind: Kind) -> Step<'_> {
        let Some(entry) = self.entry(key) else {
            return Step::Reply(match self.fails_above(key) {
                Some(failure) => Reply::Failed(failure.clone()),
                None if self.is_between(key) => Reply::Absent(Absence::NoData),
                None => Reply::Absent(Absence::NxDomain),
            });
        };
        if let Some(failure) = entry.fails_for.get(&kind).or(entry.fails.as_ref()) {
            return Step::Reply(Reply::Failed(failure.clone()));
        }
        if let Some(alias) = &entry.alias {
            return Step::Alias(alias);
        }
        let records: Vec<Record> = entry
            .records
            .iter()
            .filter(|(of, _)| *of == kind)
            .map(|(_, record)| record.clone())
            .collect();
        Step::Reply(if records.is_empty() {
            Reply::Absent(Absence::NoData)
        } else {
            Reply::Records(records)
        })
    }
}

/// One step from a name: an answer, or another name.
enum Step<'a> {
    Reply(Reply),
    Alias(&'a str),
}

#[async_trait]
impl Dns for Zone {
    async fn ask(&self, name: &str, kind: Kind) -> Answer {
        let mut key = plain(name).to_ascii_lowercase();
        let mut aliases: Vec<String> = Vec::new();
        let mut authenticated = true;
        let mut ttl = Duration::MAX;
        loop {
            authenticated &= self.is_secure(&key);
            ttl = ttl.min(self.entry(&key).and_then(|entry| entry.ttl).unwrap_or(TTL));
            match self.at(&key, kind) {
                Step::Alias(_) if aliases.len() >= MOST_ALIASES => {
                    return Answer { aliases, ..Answer::failed(Failure::AliasLoop) };
                }
                Step::Alias(alias) => {
                    key = alias.to_ascii_lowercase();
                    aliases.push(alias.to_owned());
                }
                Step::Reply(Reply::Failed(failure)) => {
                    return Answer { aliases, ..Answer::failed(failure) };
                }
                Step::Reply(reply) => return Answer { reply, aliases, authenticated, ttl },
            }
        }
    }
}

/// The names above a name, the closest first.
fn ancestors(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(name.split_once('.').map(|(_, rest)| rest), |name| {
        name.split_once('.').map(|(_, rest)| rest)
    })
}

/// The words of a line: between blanks, or between quotes. A backslash and what follows stay as
/// they are, for they belong to names.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let (mut quoted, mut begun) = (false, false);
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                word.push(c);
                word.extend(chars.next());
                begun = true;
            }
            '"' => {
                quoted = !quoted;
                begun = true;
            }
            ';' | '#' if !quoted => break,
            c if c.is_whitespace() && !quoted => {
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            c => {
                word.push(c);
                begun = true;
            }
        }
    }
    if begun {
        words.push(word);
    }
    words
}

fn plain(name: &str) -> String {
    match name.strip_suffix('.') {
        Some("") | None => name.to_owned(),
        Some(rest) => rest.to_owned(),
    }
}

fn kind(word: &str) -> Option<Kind> {
    [Kind::A, Kind::Aaaa, Kind::Mx, Kind::Srv, Kind::Caa, Kind::Tlsa]
        .into_iter()
        .find(|kind| kind.to_string() == word)
}

fn failure(word: &str) -> Option<Failure> {
    Some(match word {
        "SERVFAIL" => Failure::ServFail,
        "REFUSED" => Failure::Refused,
        "TIMEOUT" => Failure::Timeout,
        "BOGUS" => Failure::Bogus,
        _ => return None,
    })
}

fn record(kind: Kind, data: &[&str]) -> Option<Record> {
    Some(match (kind, data) {
        (Kind::A, [address]) => Record::A(address.parse().ok()?),
        (Kind::Aaaa, [address]) => Record::Aaaa(address.parse().ok()?),
        (Kind::Mx, [preference, exchange]) => {
            Record::Mx { preference: preference.parse().ok()?, exchange: plain(exchange) }
        }
        (Kind::Srv, [priority, weight, port, target]) => Record::Srv {
            priority: priority.parse().ok()?,
            weight: weight.parse().ok()?,
            port: port.parse().ok()?,
            target: plain(target),
        },
        (Kind::Caa, [flags, tag, value]) => Record::Caa {
            critical: flags.parse::<u8>().ok()? & 0x80 != 0,
            tag: (*tag).to_owned(),
            value: (*value).to_owned(),
        },
        (Kind::Tlsa, [usage, selector, matching, hex]) => Record::Tlsa {
            usage: usage.parse().ok()?,
            selector: selector.parse().ok()?,
            matching: matching.parse().ok()?,
            data: unhex(hex)?,
        },
        _ => return None,
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::{Zone, kind};
    use crate::dns::{Answer, Dns};

    fn show(answer: &Answer) -> String {
        let mut text = format!("{:?}", answer.reply);
        if !answer.aliases.is_empty() {
            text.push_str(&format!(" via {}", answer.aliases.join(" ")));
        }
        if answer.authenticated {
            text.push_str(" secure");
        }
        format!("{text} {}s", answer.ttl.as_secs())
    }

    #[tokio::test]
    async fn a_zone_answers_as_its_text_says() {
        let zone = Zone::parse(
            r#"
            Example.org.      MX 10 mx1.example.org.   ; a comment
            example.org       MX 20 a\032b.example.org # another
            mx1.example.org 60 A 192.0.2.7
            mx1.example.org   TIMEOUT AAAA
            www.example.org   CNAME mx1.example.org
            _imaps._tcp.example.org SRV 0 1 993 .
            example.org       CAA 128 issue "ca.example; policy=x"
            _25._tcp.mx1.example.org secure TLSA 3 1 1 00ff
            bad.example       SERVFAIL
            good.bad.example  A 192.0.2.1
            refused.example   REFUSED
            odd.example       OTHER the line is cut
            signed.example    secure
            mx.signed.example AAAA 2001:db8::1
            half.signed.example CNAME mx1.example.org
            *.wild.example    A 192.0.2.8
            there.wild.example MX 0 .
            loop.example      CNAME pool.example
            pool.example      CNAME loop.example
            "#,
        )
        .unwrap();
        let mut text = String::new();
        for question in [
            "EXAMPLE.org. MX",
            "example.org A",
            "mx1.example.org A",
            "mx1.example.org AAAA",
            "www.example.org A",
            "www.example.org MX",
            "_tcp.example.org SRV",
            "_imaps._tcp.example.org SRV",
            "example.org CAA",
            "_25._tcp.mx1.example.org TLSA",
            "bad.example MX",
            "deep.down.bad.example A",
            "good.bad.example A",
            "below.good.bad.example A",
            "refused.example A",
            "odd.example A",
            "mx.signed.example AAAA",
            "no.signed.example AAAA",
            "half.signed.example A",
            "any.wild.example A",
            "any.wild.example AAAA",
            "there.wild.example A",
            "below.there.wild.example A",
            "nowhere.example A",
            "loop.example A",
        ] {
            let (name, of) = question.split_once(' ').unwrap();
            let answer = zone.ask(name, kind(of).unwrap()).await;
            text.push_str(&format!("{question}: {}\n", show(&answer)));
        }
        expect![[r#""#]].assert_eq(&text);
    }

    #[test]
    fn a_line_that_says_nothing_is_named() {
        for (text, line) in [
            ("\n\nexample.org", 3),
            ("example.org A 192.0.2", 1),
            ("example.org A", 1),
            ("example.org MX mx1.example.org", 1),
            ("example.org TXT hello", 1),
            ("example.org SERVFAIL TXT", 1),
            ("example.org 60", 1),
            ("example.org secure A", 1),
            ("example.org TLSA 3 1 1 0g", 1),
        ] {
            assert_eq!(Zone::parse(text).unwrap_err().line, line, "{text:?}");
        }
    }
}
