//! Waiting after a refusal: what is written into the diary of it.

use std::time::Duration;

use crate::issue::Refusal;
use crate::model::{Code, DnsId, Finding, Timestamp, again_at};
use crate::plan::patience;
use crate::store::Wait;

/// The longest a Retry-After is believed.
const LONGEST_WAIT: Duration = Duration::from_secs(7 * 86_400);

/// The wait after an order for `asked`. Nothing refused ends it, but for names that were refused
/// before and not judged now: they were not asked for, or the order failed for another reason than
/// a name. What is held lives for `left`: a short life is not waited away. With it comes what was refused, in one line.
pub(super) fn after(
    before: Option<Wait>,
    asked: &[DnsId],
    refusal: Option<Refusal>,
    (now, left): (Timestamp, Duration),
) -> (Option<Wait>, String) {
    let refusals = before.as_ref().map_or(0, |wait| wait.refusals) + 1;
    let judges = refusal.as_ref().is_none_or(|refusal| !refusal.names.is_empty());
    let unjudged = before.map(|wait| only(wait, |name| !(judges && asked.contains(name))));
    let unjudged = unjudged.filter(|wait| !wait.refused.is_empty());
    let Some(mut refusal) = refusal else { return (unjudged, String::new()) };
    let pause = backoff(refusals).min(patience(left).unwrap_or(Duration::MAX));
    let pause = pause.max(refusal.retry_after.unwrap_or_default());
    let until = now.plus(pause.min(LONGEST_WAIT));
    let limited = refusal.findings.iter_mut().filter(|found| found.code == Code::RateLimited);
    limited.for_each(|finding| finding.message.push_str(&again_at(until)));
    let said = refusal.sentence();
    let (mut findings, mut refused) = (refusal.findings, refusal.names);
    if let Some(unjudged) = unjudged {
        let is_new = |found: &Finding| !findings.contains(found);
        let more: Vec<Finding> = unjudged.findings.into_iter().filter(is_new).collect();
        findings.extend(more);
        refused.extend(unjudged.refused);
    }
    (Some(Wait { until, refusals, findings, refused }), said)
}

/// What of a wait is about the refused names that are kept.
fn only(mut wait: Wait, keep: impl Fn(&DnsId) -> bool) -> Wait {
    wait.refused.retain(keep);
    let refused: Vec<String> = wait.refused.iter().map(ToString::to_string).collect();
    wait.findings.retain(|found| refused.contains(&found.subject));
    wait
}

/// How long to wait after this many refusals in a row (design rule 13).
fn backoff(refusals: u32) -> Duration {
    let minutes = match refusals {
        0 | 1 => 1,
        2 => 10,
        3 => 100,
        _ => 24 * 60,
    };
    Duration::from_secs(60 * minutes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_790_000_000);
    const LONG: Duration = Duration::from_secs(90 * 86_400);

    fn host(name: &str) -> DnsId {
        DnsId::parse(name).unwrap()
    }

    fn hosts(names: &[&str]) -> Vec<DnsId> {
        names.iter().map(|name| host(name)).collect()
    }

    fn refusal(names: &[&str]) -> Refusal {
        let mut findings: Vec<_> =
            names.iter().map(|name| Finding::new(Code::NameRefused, *name, "no")).collect();
        if names.is_empty() {
            findings.push(Finding::new(Code::RateLimited, "order", "slowly"));
        }
        Refusal { findings, names: hosts(names), retry_after: None, by_ca: true }
    }

    /// The names still refused, how many times, who is spoken of, and for how many minutes.
    fn text(wait: Option<Wait>) -> String {
        let Some(wait) = wait else { return "none".to_owned() };
        let refused: Vec<String> = wait.refused.iter().map(ToString::to_string).collect();
        let said: Vec<&str> = wait.findings.iter().map(|found| found.subject.as_str()).collect();
        let minutes = wait.until.since(NOW).as_secs() / 60;
        format!("{} x{} of {} for {minutes}", refused.join(","), wait.refusals, said.join(","))
    }

    #[test]
    fn a_refused_name_is_waited_for_until_it_is_judged_again() {
        let no_a = || {
            after(None, &hosts(&["a.test", "b.test"]), Some(refusal(&["a.test"])), (NOW, LONG)).0
        };
        let (a, b) = (hosts(&["a.test"]), hosts(&["b.test"]));
        let table = [
            ("asked again and refused", after(no_a(), &a, Some(refusal(&["a.test"])), (NOW, LONG))),
            ("asked again and issued", after(no_a(), &a, None, (NOW, LONG))),
            ("another was issued", after(no_a(), &b, None, (NOW, LONG))),
            ("another was refused", after(no_a(), &b, Some(refusal(&["b.test"])), (NOW, LONG))),
            ("the CA is busy", after(no_a(), &a, Some(refusal(&[])), (NOW, LONG))),
            ("never refused", after(None, &a, None, (NOW, LONG))),
        ];
        let text: Vec<_> =
            table.into_iter().map(|(what, (wait, _))| format!("{what}: {}", text(wait))).collect();
        assert_eq!(
            text,
            [
                "asked again and refused: a.test x2 of a.test for 10",
                "asked again and issued: none",
                "another was issued: a.test x1 of a.test for 1",
                "another was refused: b.test,a.test x2 of b.test,a.test for 10",
                "the CA is busy: a.test x2 of order,a.test for 10",
                "never refused: none",
            ]
        );
    }

    #[test]
    fn retry_after_is_obeyed_and_believed_for_a_week_at_most() {
        for (told, minutes) in [(30, 1), (3_600, 60), (u64::MAX, 7 * 24 * 60)] {
            let retry_after = Some(Duration::from_secs(told));
            let (wait, said) =
                after(None, &[], Some(Refusal { retry_after, ..refusal(&[]) }), (NOW, LONG));
            let wait = wait.unwrap();
            assert_eq!(said, wait.findings[0].message);
            assert_eq!(wait.until.since(NOW).as_secs() / 60, minutes, "{told}");
            assert!(wait.findings[0].message.contains(&wait.until.to_string()), "{wait:?}");
        }
    }

    #[test]
    fn a_short_life_is_not_waited_away() {
        for (hours, refusals, minutes) in [(0, 9, 1_440), (48, 9, 360), (48, 0, 1), (1, 9, 30)] {
            let before = Wait { until: NOW, refusals, findings: Vec::new(), refused: Vec::new() };
            let left = Duration::from_secs(hours * 3_600);
            let (wait, _) = after(Some(before), &[], Some(refusal(&[])), (NOW, left));
            assert_eq!(
                wait.unwrap().until.since(NOW).as_secs() / 60,
                minutes,
                "{hours} {refusals}"
            );
        }
    }
}
