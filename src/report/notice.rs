//! What a person is told of between two runs: new problems and those that are cured, each once.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Detail, Verified, diagnosis, explain, step_text, wrapped};
use crate::model::{Code, Finding, Level, Timestamp, Verdict};
use crate::plan::{Action, Fate, Outcome};

/// What needs a person after a run, and what the run could not find out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The problems, in order.
    pub problems: Vec<Finding>,
    /// What could not be tested: a problem of it is neither there nor cured.
    unsure: BTreeSet<String>,
}

impl State {
    /// Everything that lets a run fail: names served here that are refused, findings of the level
    /// fail, and steps that did not work.
    #[must_use]
    pub fn after(findings: &[Finding], outcomes: &[Outcome], verified: &Verified) -> Self {
        let mut state = Self::default();
        for finding in findings {
            match finding.level {
                Level::Fail => state.problems.push(finding.clone()),
                Level::Unknown => _ = state.unsure.insert(finding.subject.clone()),
                Level::Warn | Level::Note => {}
            }
        }
        // Of an order that was refused the findings speak, for as long as it is held back.
        let failed = outcomes.iter().filter(|outcome| outcome.fate == Fate::Failed);
        for outcome in failed.filter(|one| !matches!(one.step.action, Action::Issue { .. })) {
            let why = outcome.error.clone().unwrap_or_default();
            state.problems.push(Finding::new(Code::StepFailed, step_text(&outcome.step), why));
        }
        for look in verified.endpoints.iter().filter(|look| look.ours == Some(true)) {
            let address = look.address.map(|address| format!(" ({address})")).unwrap_or_default();
            let subject = format!("{} port {}{address}", look.host, look.port);
            match look.verdict {
                Verdict::Accepted => {}
                Verdict::Unknown => _ = state.unsure.insert(subject),
                Verdict::Refused => {
                    let fatal = look.problems.iter().filter(|one| one.level == Level::Fail);
                    state.problems.extend(fatal.map(|problem| {
                        let said = problem.sender_says.clone();
                        let message =
                            said.unwrap_or_else(|| explain::headline(problem.code).into());
                        Finding::new(problem.code, &subject, message)
                    }));
                }
            }
        }
        state.problems.sort();
        state.problems.dedup_by(|one, other| key(one) == key(other));
        state
    }

    /// What is to be told to who knows of these problems.
    #[must_use]
    pub fn news(&self, known: &[Finding]) -> News {
        let there: BTreeSet<_> = self.problems.iter().map(key).collect();
        let told: BTreeSet<_> = known.iter().map(key).collect();
        let gone = known.iter().filter(|one| !there.contains(&key(one))).cloned();
        let (unsure, cured): (Vec<_>, Vec<_>) =
            gone.partition(|one| self.unsure.contains(&one.subject));
        let (old, new): (Vec<_>, Vec<_>) =
            self.problems.iter().cloned().partition(|one| told.contains(&key(one)));
        News { new, cured, open: [old, unsure].concat() }
    }
}

/// A problem stays the same where only its sentence changes: it may name a date.
fn key(one: &Finding) -> (Code, &str) {
    (one.code, &one.subject)
}

/// What is to be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Problems that nobody was told of.
    pub new: Vec<Finding>,
    /// Problems that are gone.
    pub cured: Vec<Finding>,
    /// Problems that were told before and are there still.
    pub open: Vec<Finding>,
}

impl News {
    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.new.is_empty() && self.cured.is_empty()
    }

    /// What is known to whom this was told.
    #[must_use]
    pub fn known(self) -> Vec<Finding> {
        [self.new, self.open].concat()
    }

    /// In one line, in ASCII.
    #[must_use]
    pub fn headline(&self, machine: &str) -> String {
        let new = match self.new.as_slice() {
            [] => None,
            [one] => Some(format!("{} needs a person", one.code)),
            some => Some(format!("{} problems need a person", some.len())),
        };
        let cured = match (self.cured.as_slice(), self.open.len() + self.new.len()) {
            ([], _) => None,
            ([one], 0) => Some(format!("{} is cured, all is well", one.code)),
            (some, 0) => Some(format!("{} problems are cured, all is well", some.len())),
            (some, _) => Some(format!("{} cured", some.len())),
        };
        let said: Vec<String> = new.into_iter().chain(cured).collect();
        format!("mailcert on {machine}: {}", said.join(", "))
    }

    /// For a mail.
    #[must_use]
    pub fn text(&self, machine: &str, at: Timestamp) -> String {
        let mut text = format!("{}\n", self.headline(machine));
        if !self.new.is_empty() {
            let new: Vec<&Finding> = self.new.iter().collect();
            let list = diagnosis::list(&new, Detail::Usual);
            text += &format!("\nFound by the run of {at}:\n{}", list);
        }
        if !self.cured.is_empty() {
            text += "\nCured since it was told:\n";
            for one in self.cured.iter().take(MOST) {
                text += &wrapped(&format!("ok {}: {}", one.code, one.subject), "  ");
            }
            if let Some(more) = self.cured.len().checked_sub(MOST).filter(|more| *more > 0) {
                text += &format!("  and {more} more\n");
            }
        }
        match self.open.len() {
            0 => {}
            1 => text += "\nOne problem that was told before is there still.\n",
            many => text += &format!("\n{many} problems that were told before are there still.\n"),
        }
        if !self.new.is_empty() {
            text += "\n`mailcert explain CODE` says what each means and how it is cured,\n\
                     `mailcert fix` repairs what can be repaired from here.\n";
        }
        text
    }

    /// For a program; `text` is what chat servers show. At most a hundred of each kind are named.
    #[must_use]
    pub fn json(&self, machine: &str, at: Timestamp) -> Value {
        let some = |all: &[Finding]| json!(all.iter().take(MOST).collect::<Vec<_>>());
        json!({
            "schema": 1,
            "machine": machine,
            "at": at,
            "text": self.headline(machine),
            "counts": {"new": self.new.len(), "cured": self.cured.len(), "open": self.open.len()},
            "new": some(&self.new),
            "cured": some(&self.cured),
            "open": some(&self.open),
        })
    }
}

/// So many of a kind are named.
const MOST: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Inspection;

    fn found(code: Code, subject: &str) -> Finding {
        Finding::new(code, subject, "it is so")
    }

    fn state(findings: &[Finding]) -> State {
        State::after(findings, &[], &Verified::of("gmail", Vec::<Inspection>::new()))
    }

    #[test]
    fn a_problem_is_told_once_and_once_when_it_is_cured() {
        let problem = found(Code::OrderFailed, "example.org");
        let news = state(&[problem.clone(), found(Code::NoServer, "a warning")]).news(&[]);
        assert_eq!((&news.new, news.cured.len()), (&vec![problem.clone()], 0));
        let known = news.known();
        let later = Finding { message: "it is so for two days".to_owned(), ..problem.clone() };
        let news = state(&[later]).news(&known);
        assert!(news.is_none() && news.open.len() == 1, "{news:?}");
        let other = found(Code::KeyExposed, "/etc/key.pem");
        let news = state(&[other.clone(), problem.clone()]).news(&known);
        assert_eq!((&news.new, news.open.len()), (&vec![other], 1));
        let news = state(&[]).news(&known);
        assert_eq!((news.new.len(), &news.cured), (0, &vec![problem]));
        assert!(state(&[]).news(&news.known()).is_none());
    }

    #[test]
    fn what_could_not_be_tested_is_neither_new_nor_cured() {
        let known =
            [found(Code::PointsElsewhere, "a.test"), found(Code::PointsElsewhere, "b.test")];
        let news = state(&[found(Code::DnsFailure, "a.test")]).news(&known);
        assert_eq!((&news.cured[..], &news.open[..]), (&known[1..], &known[..1]));
        assert_eq!(news.new, []);
    }

    #[test]
    fn a_mail_stays_short_however_much_is_wrong() {
        let many: Vec<Finding> =
            (0..10_000).map(|n| found(Code::OrderFailed, &format!("d{n}.test"))).collect();
        let news = state(&many).news(&[]);
        let at = Timestamp::from_unix(1_800_000_000);
        let text = news.text("mail.test", at);
        assert!(text.len() < 1_000, "{text}");
        assert!(
            text.starts_with("mailcert on mail.test: 10000 problems need a person\n"),
            "{text}"
        );
        assert!(text.contains("9997 more order-failed"), "{text}");
        let news = state(&[]).news(&many);
        assert!(news.text("mail.test", at).contains("  and 9900 more\n"));
        assert_eq!(news.json("mail.test", at)["cured"].as_array().unwrap().len(), MOST);
    }
}
