//! What `fix` says before it does anything: what is wrong, short, and what it will do about it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::explain::headline;
use super::{Detail, Verified, plan, wrapped};
use crate::model::{Code, Finding, Inspection, Level, NotOurs};
use crate::plan::Plan;

/// The whole of it.
pub(super) fn text(
    verified: &Verified,
    steps: &Plan,
    findings: &[Finding],
    detail: Detail,
) -> String {
    let told: Vec<&Finding> = findings.iter().filter(|found| is_told(found, detail)).collect();
    let (others, own): (Vec<&Finding>, Vec<&Finding>) =
        told.into_iter().partition(|found| NotOurs::holds(found.code));
    let wrong = problems(verified, detail) + &list(&own, detail);
    let mut text = match wrong.as_str() {
        "" if others.is_empty() => "Nothing is wrong with what is served here.\n".to_owned(),
        "" => String::new(),
        wrong => format!("What is wrong:\n{wrong}"),
    };
    if !others.is_empty() {
        text += &format!("{OTHERS}{}", list(&others, detail));
    }
    text + "\n" + &plan::plan_text(steps, findings)
}

/// Above what mailcert sees and cannot cure.
pub(super) const OTHERS: &str = "For somebody else to cure:\n";

/// Notes are for those who ask for more, but for what a person who repairs something has to know:
/// what is published beside, and which hosts are elsewhere.
fn is_told(found: &Finding, detail: Detail) -> bool {
    detail == Detail::Verbose
        || found.level > Level::Note
        || matches!(found.code, Code::UnpublishedEdit | Code::PointsElsewhere)
}

/// The problems of the endpoints that a sender minds, each once with the places it was met at.
fn problems(verified: &Verified, detail: Detail) -> String {
    let mut met: BTreeMap<(Reverse<Level>, Code), Vec<&Inspection>> = BTreeMap::new();
    for look in &verified.endpoints {
        for problem in look.problems.iter().filter(|problem| problem.level > Level::Warn) {
            let places = met.entry((Reverse(problem.level), problem.code)).or_default();
            if !places.last().is_some_and(|last| std::ptr::eq(*last, &raw const **look)) {
                places.push(look);
            }
        }
    }
    let most = if detail == Detail::Verbose { usize::MAX } else { PLACES };
    let line = |((Reverse(level), code), looks): (&(Reverse<Level>, Code), &Vec<&Inspection>)| {
        let place = |look: &&Inspection| format!("{}:{}", look.host, look.port);
        let mut places: Vec<String> = looks.iter().map(place).collect();
        places.dedup();
        let more = places.len().saturating_sub(most);
        places.truncate(most);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let heading = format!("{} {code}: {}", level.mark(), headline(*code));
        wrapped(&heading, "  ") + &wrapped(&format!("at {}{more}", places.join(", ")), "      ")
    };
    met.iter().map(line).collect()
}

/// The findings, worst first; of one code only some, since a machine of many domains has many.
pub(super) fn list(findings: &[&Finding], detail: Detail) -> String {
    let mut sorted = findings.to_vec();
    sorted.sort_by(|a, b| b.level.cmp(&a.level).then_with(|| a.cmp(b)));
    sorted.dedup();
    let most = if detail == Detail::Verbose { usize::MAX } else { OF_A_CODE };
    let mut counts: BTreeMap<Code, usize> = BTreeMap::new();
    let mut text = String::new();
    for found in sorted {
        let count = counts.entry(found.code).or_default();
        *count += 1;
        if *count <= most {
            let heading = format!("{} {}: {}", found.level.mark(), found.code, found.subject);
            text += &wrapped(&heading, "  ");
            text += &wrapped(&found.message, "      ");
        }
    }
    for (code, count) in counts.into_iter().filter(|(_, count)| *count > most) {
        text += &format!("  {} more {code} (-v shows them)\n", count - most);
    }
    text
}

/// So many places of a problem are named.
const PLACES: usize = 3;
/// So many findings of one code are told.
const OF_A_CODE: usize = 3;
