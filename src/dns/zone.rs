//! [`Zone`]: the literal fake of the DNS. A text like a master file answers questions, failures
//! included, so that a test shows its whole world.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;

use crate::dns::wire::MOST_ALIASES;
use crate::dns::zone_text::{failure, kind, plain, record, words};
use crate::dns::{Absence, Answer, Dns, Failure, Kind, Record, Reply};

/// How long answers live where the text says nothing.
const TTL: Duration = Duration::from_secs(300);

/// A literal zone. Each line of its text is one of these, `;` or `#` begins a comment:
///
/// ```text
/// example.org MX 10 mx1.example.org     ; also A AAAA CNAME SRV CAA TLSA TXT, data as in RFC 1035
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
            return match kind {
                Kind::Cname => Step::Reply(Reply::Records(vec![Record::Cname(alias.clone())])),
                _ => Step::Alias(alias),
            };
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

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::Zone;
    use crate::dns::zone_text::kind;
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
            _mta-sts.example.org TXT "v=STSv1; " "id=1;"
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
            "_mta-sts.example.org TXT",
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
        expect![[r#"
            EXAMPLE.org. MX: Records([Mx { preference: 10, exchange: "mx1.example.org" }, Mx { preference: 20, exchange: "a\\032b.example.org" }]) 300s
            example.org A: Absent(NoData) 300s
            mx1.example.org A: Records([A(192.0.2.7)]) 60s
            mx1.example.org AAAA: Failed(Timeout) 0s
            www.example.org A: Records([A(192.0.2.7)]) via mx1.example.org 60s
            www.example.org MX: Absent(NoData) via mx1.example.org 60s
            _tcp.example.org SRV: Absent(NoData) 300s
            _imaps._tcp.example.org SRV: Records([Srv { priority: 0, weight: 1, port: 993, target: "." }]) 300s
            example.org CAA: Records([Caa { critical: true, tag: "issue", value: "ca.example; policy=x" }]) 300s
            _25._tcp.mx1.example.org TLSA: Records([Tlsa { usage: 3, selector: 1, matching: 1, data: [0, 255] }]) secure 300s
            _mta-sts.example.org TXT: Records([Txt("v=STSv1; id=1;")]) 300s
            bad.example MX: Failed(ServFail) 0s
            deep.down.bad.example A: Failed(ServFail) 0s
            good.bad.example A: Records([A(192.0.2.1)]) 300s
            below.good.bad.example A: Absent(NxDomain) 300s
            refused.example A: Failed(Refused) 0s
            odd.example A: Failed(Other("the line is cut")) 0s
            mx.signed.example AAAA: Records([Aaaa(2001:db8::1)]) secure 300s
            no.signed.example AAAA: Absent(NxDomain) secure 300s
            half.signed.example A: Records([A(192.0.2.7)]) via mx1.example.org 60s
            any.wild.example A: Records([A(192.0.2.8)]) 300s
            any.wild.example AAAA: Absent(NoData) 300s
            there.wild.example A: Absent(NoData) 300s
            below.there.wild.example A: Absent(NxDomain) 300s
            nowhere.example A: Absent(NxDomain) 300s
            loop.example A: Failed(AliasLoop) via pool.example loop.example pool.example loop.example pool.example loop.example pool.example loop.example pool.example loop.example pool.example loop.example pool.example loop.example pool.example loop.example 0s
        "#]].assert_eq(&text);
    }

    #[test]
    fn a_line_that_says_nothing_is_named() {
        for (text, line) in [
            ("\n\nexample.org", 3),
            ("example.org A 192.0.2", 1),
            ("example.org A", 1),
            ("example.org MX mx1.example.org", 1),
            ("example.org HINFO hello", 1),
            ("example.org SERVFAIL HINFO", 1),
            ("example.org 60", 1),
            ("example.org secure A", 1),
            ("example.org TLSA 3 1 1 0g", 1),
        ] {
            assert_eq!(Zone::parse(text).unwrap_err().line, line, "{text:?}");
        }
    }
}
