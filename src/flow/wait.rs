//! Waiting after a refusal: what is written into the diary of it.

use std::time::Duration;

use crate::issue::{Cause, Refusal};
use crate::model::{Code, DnsId, Finding, Mark, Timestamp, again_at};
use crate::plan::patience;
use crate::store::{Declined, Hold, Wait};

/// The longest a Retry-After is believed.
const LONGEST_WAIT: Duration = Duration::from_secs(7 * 86_400);

/// The wait after an order for `asked` at a CA. Nothing refused ends it, but for names that were
/// refused before and not judged now: they were not asked for, or the order failed for another
/// reason than a name. What is held lives for `left`: a short life is not waited away. What is the
/// CA's own reason holds back what goes to that CA alone. With it comes what was refused, in one line.
pub(super) fn after(
    before: Option<Wait>,
    asked: &[DnsId],
    (ca, refusal): (Mark, Option<Refusal>),
    (now, left): (Timestamp, Duration),
) -> (Option<Wait>, String) {
    let earlier = before.as_ref();
    let of_the_ca = |one: &Refusal| matches!(one.cause, Cause::Ca | Cause::Down);
    let of_the_ca = refusal.as_ref().is_some_and(of_the_ca);
    let (refusals, was_until) = earlier.map_or((0, now), |wait| (wait.refusals, wait.until));
    let mut declined = earlier.map(|wait| wait.declined.clone()).unwrap_or_default();
    let tries = match of_the_ca {
        true => declined.get(&ca).map_or(0, |one| one.refusals),
        false => refusals,
    } + 1;
    let judges = refusal.as_ref().is_none_or(|refusal| !refusal.names.is_empty());
    let unjudged = before.map(|wait| only(wait, |name| !(judges && asked.contains(name))));
    let unjudged = unjudged.filter(|wait| !wait.refused.is_empty());
    let Some(mut refusal) = refusal else { return (unjudged, String::new()) };
    let until = until(tries, patience(left), refusal.retry_after, now);
    tell_until(&mut refusal.findings, until);
    let said = refusal.sentence();
    declined.retain(|other, one| *other != ca && one.until > now);
    if of_the_ca {
        let names = refusal.names.clone();
        declined.insert(ca, Declined { until, refusals: tries, names });
    }
    let (mut findings, mut refused) = (refusal.findings, refusal.names);
    if let Some(unjudged) = unjudged {
        let is_new = |found: &Finding| !findings.contains(found);
        let more: Vec<Finding> = unjudged.findings.into_iter().filter(is_new).collect();
        findings.extend(more);
        refused.extend(unjudged.refused);
    }
    let (until, refusals) = if of_the_ca { (was_until, refusals) } else { (until, tries) };
    (Some(Wait { until, refusals, findings, refused, declined }), said)
}

/// Leaves a CA alone after this many tries in a row, of which the last one was refused.
pub(super) fn hold(
    tries: u32,
    mut refusal: Refusal,
    (now, most): (Timestamp, Option<Duration>),
) -> Hold {
    let until = until(tries, most, refusal.retry_after, now);
    tell_until(&mut refusal.findings, until);
    Hold { at: now, until, tries, findings: refusal.findings }
}

fn until(
    tries: u32,
    most: Option<Duration>,
    retry_after: Option<Duration>,
    now: Timestamp,
) -> Timestamp {
    let pause = backoff(tries).min(most.unwrap_or(Duration::MAX));
    now.plus(pause.max(retry_after.unwrap_or_default()).min(LONGEST_WAIT))
}

fn tell_until(findings: &mut [Finding], until: Timestamp) {
    let limited = findings.iter_mut().filter(|found| found.code == Code::RateLimited);
    limited.for_each(|finding| finding.message.push_str(&again_at(until)));
}

/// What of a wait is about the refused names that are kept.
fn only(mut wait: Wait, keep: impl Fn(&DnsId) -> bool) -> Wait {
    wait.refused.retain(keep);
    let refused = &wait.refused;
    wait.declined.retain(|_, one| one.names.iter().any(|name| refused.contains(name)));
    let refused: Vec<String> = refused.iter().map(ToString::to_string).collect();
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
    use std::collections::BTreeMap;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_790_000_000);
    const LONG: Duration = Duration::from_secs(90 * 86_400);

    fn ca() -> Mark {
        Mark::of("ca")
    }

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
        Refusal { findings, names: hosts(names), retry_after: None, cause: Cause::Names }
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
            after(
                None,
                &hosts(&["a.test", "b.test"]),
                (ca(), Some(refusal(&["a.test"]))),
                (NOW, LONG),
            )
            .0
        };
        let (a, b) = (hosts(&["a.test"]), hosts(&["b.test"]));
        let table = [
            (
                "asked again and refused",
                after(no_a(), &a, (ca(), Some(refusal(&["a.test"]))), (NOW, LONG)),
            ),
            ("asked again and issued", after(no_a(), &a, (ca(), None), (NOW, LONG))),
            ("another was issued", after(no_a(), &b, (ca(), None), (NOW, LONG))),
            (
                "another was refused",
                after(no_a(), &b, (ca(), Some(refusal(&["b.test"]))), (NOW, LONG)),
            ),
            ("the CA is busy", after(no_a(), &a, (ca(), Some(refusal(&[]))), (NOW, LONG))),
            ("never refused", after(None, &a, (ca(), None), (NOW, LONG))),
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
            let (wait, said) = after(
                None,
                &[],
                (ca(), Some(Refusal { retry_after, ..refusal(&[]) })),
                (NOW, LONG),
            );
            let wait = wait.unwrap();
            assert_eq!(said, wait.findings[0].message);
            assert_eq!(wait.until.since(NOW).as_secs() / 60, minutes, "{told}");
            assert!(wait.findings[0].message.contains(&wait.until.to_string()), "{wait:?}");
        }
    }

    #[test]
    fn a_short_life_is_not_waited_away() {
        for (hours, refusals, minutes) in [(0, 9, 1_440), (48, 9, 360), (48, 0, 1), (1, 9, 30)] {
            let before = Wait {
                until: NOW,
                refusals,
                findings: Vec::new(),
                refused: Vec::new(),
                declined: BTreeMap::new(),
            };
            let left = Duration::from_secs(hours * 3_600);
            let (wait, _) = after(Some(before), &[], (ca(), Some(refusal(&[]))), (NOW, left));
            assert_eq!(
                wait.unwrap().until.since(NOW).as_secs() / 60,
                minutes,
                "{hours} {refusals}"
            );
        }
    }

    #[test]
    fn what_is_the_cas_own_reason_holds_back_what_goes_to_that_ca() {
        let (first, other) = (Mark::of("first"), Mark::of("other"));
        let of = |cause, names: &[&str]| Some(Refusal { cause, ..refusal(names) });
        let a = hosts(&["a.test"]);
        let declined = |wait: &Wait| -> Vec<(bool, u32, u64, usize)> {
            let one = wait.declined.iter();
            one.map(|(ca, one)| {
                let minutes = one.until.since(NOW).as_secs() / 60;
                (*ca == first, one.refusals, minutes, one.names.len())
            })
            .collect()
        };
        // Twice at the first: by its policy, then it is busy.
        let wait = after(None, &a, (first, of(Cause::Ca, &["a.test"])), (NOW, LONG)).0.unwrap();
        assert_eq!((wait.until, wait.refusals), (NOW, 0), "any other CA may be asked");
        assert_eq!(declined(&wait), [(true, 1, 1, 1)]);
        let wait = after(Some(wait), &a, (first, of(Cause::Down, &[])), (NOW, LONG)).0.unwrap();
        assert_eq!(declined(&wait), [(true, 2, 10, 0)], "its own ladder");
        // Another CA cannot validate it: no other could, and the first is waited for as before.
        let other_says = (other, of(Cause::Names, &["a.test"]));
        let wait = after(Some(wait), &a, other_says, (NOW, LONG)).0.unwrap();
        assert_eq!((wait.until, wait.refusals), (NOW.plus(Duration::from_secs(60)), 1));
        assert_eq!(declined(&wait), [(true, 2, 10, 0)]);
        // It issues.
        assert_eq!(after(Some(wait), &a, (other, None), (NOW, LONG)).0, None);
    }

    #[test]
    fn a_ca_is_left_alone_for_longer_and_longer_but_not_beyond_a_short_life() {
        let day = Some(Duration::from_secs(6 * 3_600));
        for (tries, most, minutes) in [(1, None, 1), (2, None, 10), (4, None, 1_440), (4, day, 360)]
        {
            let hold = hold(tries, refusal(&[]), (NOW, most));
            assert_eq!(hold.until.since(NOW).as_secs() / 60, minutes, "{tries}");
            assert!(hold.findings[0].message.contains(&hold.until.to_string()));
        }
        let retry_after = Some(Duration::from_secs(7_200));
        let told = hold(1, Refusal { retry_after, ..refusal(&[]) }, (NOW, None));
        assert_eq!(told.until.since(NOW).as_secs(), 7_200);
    }
}
