//! `verify --format nagios`: one line as the monitoring plugins' guidelines want it, and its own
//! exit codes. Nothing a server says gets into it: only names, addresses, codes and numbers.

use std::sync::Arc;

use super::{Verified, subject};
use crate::model::{Code, Inspection, Level, Verdict};

/// What the exit code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// All is accepted.
    Ok,
    /// Accepted, with a warning.
    Warning,
    /// Something is refused.
    Critical,
    /// Something could not be tested, and nothing is refused.
    Unknown,
}

impl State {
    /// The state of an answer.
    #[must_use]
    pub fn of(verified: &Verified) -> Self {
        match verified.verdict {
            Verdict::Refused => Self::Critical,
            Verdict::Unknown => Self::Unknown,
            Verdict::Accepted if verified.counts.warned > 0 => Self::Warning,
            Verdict::Accepted => Self::Ok,
        }
    }

    /// The exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// The line, with its end.
#[must_use]
pub fn line(verified: &Verified) -> String {
    let (state, counts) = (State::of(verified), &verified.counts);
    let of_all = |some: usize| match (some, counts.endpoints) {
        (1, 1) => "its endpoint".to_owned(),
        (some, all) => format!("{some} of {all} endpoints"),
    };
    let said = match state {
        State::Ok => format!("{} accepted", of_all(counts.endpoints)),
        State::Warning => format!("{} accepted with a warning", of_all(counts.warned)),
        State::Critical => format!("{} refused", of_all(counts.refused)),
        State::Unknown if counts.endpoints == 0 => {
            return format!(
                "UNKNOWN - no endpoint was tested{}|{}\n",
                stopped(verified),
                perfdata(verified)
            );
        }
        State::Unknown if counts.unknown == 0 => format!("{} accepted", of_all(counts.accepted)),
        State::Unknown => format!("{} could not be tested", of_all(counts.unknown)),
    };
    let (word, subject) = (state.word(), subject(verified));
    let mut line = format!("{word} - {subject}{said}");
    if let Some(why) = why(&verified.endpoints, state) {
        line.push_str(&format!(" ({why})"));
    }
    format!("{line}{}|{}\n", stopped(verified), perfdata(verified))
}

fn stopped(verified: &Verified) -> String {
    verified.stopped.map(|stopped| format!(", {}", stopped.words())).unwrap_or_default()
}

/// The line of a command that ended without an answer.
#[must_use]
pub fn failure(text: &str) -> String {
    // What follows an empty line is how to get help.
    let first = text.split("\n\n").next().unwrap_or_default().replace("\n  = help: ", "; ");
    let words: Vec<&str> = first.trim_start_matches("error: ").split_whitespace().collect();
    // A bar would begin the performance data.
    format!("{} - {}\n", State::Unknown.word(), words.join(" ").replace('|', "/"))
}

/// The codes that decide, each with the first place where it was met.
fn why(endpoints: &[Arc<Inspection>], state: State) -> Option<String> {
    let level = match state {
        State::Ok => return None,
        State::Warning => Level::Warn,
        State::Critical => Level::Fail,
        State::Unknown => Level::Unknown,
    };
    let mut met: Vec<(Code, String)> = Vec::new();
    for look in endpoints {
        for problem in look.problems.iter().filter(|problem| problem.level == level) {
            if met.iter().all(|(code, _)| *code != problem.code) {
                met.push((problem.code, place(look)));
            }
        }
    }
    let more = met.len().saturating_sub(SHOWN);
    let shown: Vec<String> =
        met.iter().take(SHOWN).map(|(code, place)| format!("{code} at {place}")).collect();
    let more = if more > 0 { format!(", {more} more") } else { String::new() };
    (!shown.is_empty()).then(|| shown.join(", ") + &more)
}

/// How many codes fit a line.
const SHOWN: usize = 3;

fn place(look: &Inspection) -> String {
    match look.address {
        Some(address) => format!("{} [{address}]:{}", look.host, look.port),
        None => format!("{}:{}", look.host, look.port),
    }
}

/// Days until the first certificate ends (`U`: none was seen), counts, and the time it took.
fn perfdata(verified: &Verified) -> String {
    let counts = &verified.counts;
    let days = counts.first_end.zip(counts.proved_at);
    let days = days.map(|(end, now)| (end.unix() - now.unix()).div_euclid(86_400).to_string());
    let mut data = format!(
        "days={} endpoints={};;;0 accepted={};;;0 warned={};;;0 refused={};;;0 unknown={};;;0",
        days.as_deref().unwrap_or("U"),
        counts.endpoints,
        counts.accepted,
        counts.warned,
        counts.refused,
        counts.unknown,
    );
    if let Some(millis) = verified.millis {
        data.push_str(&format!(" time={}.{:03}s;;;0", millis / 1000, millis % 1000));
    }
    data
}

#[cfg(test)]
mod tests {
    use super::{State, failure, line};
    use crate::model::Code;
    use crate::report::Verified;
    use crate::report::tests::look;

    #[test]
    fn the_line_names_the_state_and_what_decides_and_nothing_a_server_said() {
        let mut all = String::new();
        for codes in [
            &[] as &[Option<Code>],
            &[None],
            &[None, Some(Code::ExpiresSoon)],
            &[Some(Code::Expired), Some(Code::Timeout), None, Some(Code::ExpiresSoon)],
            &[Some(Code::Timeout), Some(Code::ExpiresSoon)],
            &[
                Some(Code::Expired),
                Some(Code::Expired),
                Some(Code::NameMismatch),
                Some(Code::NoSan),
                Some(Code::WeakKey),
            ],
        ] {
            let looks = codes.iter().map(|code| look("mx.example.org", *code)).collect();
            let verified = Verified { millis: Some(1_041), ..Verified::of("gmail", looks) };
            all += &format!("{} {}", State::of(&verified).code(), line(&verified));
        }
        expect_test::expect![[r#"
            3 UNKNOWN - no endpoint was tested|days=U endpoints=0;;;0 accepted=0;;;0 warned=0;;;0 refused=0;;;0 unknown=0;;;0 time=1.041s;;;0
            0 OK - example.org: its endpoint accepted|days=41 endpoints=1;;;0 accepted=1;;;0 warned=0;;;0 refused=0;;;0 unknown=0;;;0 time=1.041s;;;0
            1 WARNING - example.org: 1 of 2 endpoints accepted with a warning (expires-soon at mx.example.org [192.0.2.7]:25)|days=41 endpoints=2;;;0 accepted=2;;;0 warned=1;;;0 refused=0;;;0 unknown=0;;;0 time=1.041s;;;0
            2 CRITICAL - example.org: 1 of 4 endpoints refused (expired at mx.example.org [192.0.2.7]:25)|days=41 endpoints=4;;;0 accepted=2;;;0 warned=1;;;0 refused=1;;;0 unknown=1;;;0 time=1.041s;;;0
            3 UNKNOWN - example.org: 1 of 2 endpoints could not be tested (timeout at mx.example.org [192.0.2.7]:25)|days=41 endpoints=2;;;0 accepted=1;;;0 warned=1;;;0 refused=0;;;0 unknown=1;;;0 time=1.041s;;;0
            2 CRITICAL - example.org: 5 of 5 endpoints refused (expired at mx.example.org [192.0.2.7]:25, name-mismatch at mx.example.org [192.0.2.7]:25, no-san at mx.example.org [192.0.2.7]:25, 1 more)|days=41 endpoints=5;;;0 accepted=0;;;0 warned=0;;;0 refused=5;;;0 unknown=0;;;0 time=1.041s;;;0
        "#]]
        .assert_eq(&all);
        for line in all.lines() {
            assert_eq!(line.matches('|').count(), 1, "{line}");
        }
    }

    #[test]
    fn a_failure_is_one_line_too() {
        let text = "error: /a|b: no such file,\nexpected one\n  = help: `this`\n\nUsage: no";
        let expected = "UNKNOWN - /a/b: no such file, expected one; `this`\n";
        assert_eq!(failure(text), expected);
    }
}
