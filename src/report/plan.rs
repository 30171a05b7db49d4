//! A plan and what became of it, as JSON and as text.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::model::{Because, Challenge, DnsId, Finding, KeyHash, Level, Timestamp, Way, tlsa_line};
use crate::plan::{Action, Fate, Outcome, Passed, Plan, Reason, Schedule, Step};

/// Names listed before the rest is only counted.
const NAMED: usize = 3;
/// Everything fits a terminal of this width, except what cannot be broken.
const WIDTH: usize = 80;

/// The fields of `plan --json` that stand beside those every answer has: `steps` and `wake`
/// (contract.md), and `schedule` where orders wait for the CA's limits.
pub(super) fn plan_json(plan: &Plan) -> Value {
    let steps: Vec<Value> = plan.steps.iter().map(step_json).collect();
    let mut value = json!({ "steps": steps, "wake": plan.wake });
    if let Some(schedule) = plan.schedule {
        value["schedule"] = schedule_json(schedule);
    }
    value
}

/// The orders that wait for the CA's limits.
fn schedule_json(schedule: Schedule) -> Value {
    let Schedule { placed, waiting, next, last, late, .. } = schedule;
    json!({ "placed": placed, "waiting": waiting, "next": next, "last": last, "late": late })
}

/// The `steps` of `run --json` and `fix --json`: as in a plan, with `fate` and `error`.
pub(super) fn outcomes_json(outcomes: &[Outcome]) -> Value {
    let outcome = |outcome: &Outcome| {
        let mut value = step_json(&outcome.step);
        value["fate"] = json!(outcome.fate);
        value["error"] = json!(outcome.error);
        value
    };
    Value::Array(outcomes.iter().map(outcome).collect())
}

/// The plan for a person: numbered steps with their reasons, then what cannot be mended here.
/// `findings` are those that follow: "nothing to do" is no answer above a failure.
#[must_use]
pub(super) fn plan_text(plan: &Plan, findings: &[Finding]) -> String {
    let well = findings.iter().all(|finding| finding.level <= Level::Warn);
    let mut text = match (plan.steps.len(), plan.wake) {
        (0, _) if !well => "There is no step to take, but not all is well:\n".to_owned(),
        (0, Some(wake)) => format!("Nothing to do until {wake}.\n"),
        (0, None) => "Nothing to do.\n".to_owned(),
        (1, _) => "1 step:\n".to_owned(),
        (many, _) => format!("{many} steps:\n"),
    };
    let margin = plan.steps.len().to_string().len() + 2;
    for (at, step) in plan.steps.iter().enumerate() {
        let number = format!("{:>width$}. ", at + 1, width = margin - 1);
        text += &wrapped(&number, &sentence(&step.action));
        let indent = " ".repeat(margin + 1);
        text += &wrapped(&indent, &format!("because {}", because(step)));
        text += &by_ways(&indent, &step.action);
        text += &records(&step.action);
    }
    if let (false, Some(wake)) = (plan.steps.is_empty(), plan.wake) {
        text += &format!("The next look is due at {wake}.\n");
    }
    text + &findings_text(&plan.findings)
}

/// How the CA is to be shown the names of an order, each way with its reason.
fn by_ways(indent: &str, action: &Action) -> String {
    let Action::Issue { ways, .. } = action else { return String::new() };
    let mut kinds: BTreeMap<_, (String, Vec<DnsId>)> = BTreeMap::new();
    for way in ways {
        let kind = kinds.entry((way.challenge, way.because));
        kind.or_insert_with(|| (way.why(), Vec::new())).1.push(way.name.clone());
    }
    let several = kinds.len() > 1;
    let line = |((challenge, _), (why, names)): (&(Challenge, Because), &(String, Vec<_>))| {
        let of = if several { format!(" for {}", listed(names)) } else { String::new() };
        wrapped(indent, &format!("by {challenge}{of}, since {why}"))
    };
    kinds.iter().map(line).collect()
}

/// One step in a line.
#[must_use]
pub fn step_text(step: &Step) -> String {
    sentence(&step.action)
}

/// Why a step is there, in words that stand by themselves; `None` where only its plan says it.
#[must_use]
pub fn reason_text(step: &Step) -> Option<String> {
    (step.because != Reason::Follows).then(|| because(step))
}

/// What a run did, for a person: what did not work, in full, and the rest as a number, since
/// progress has told it.
pub(super) fn run_text(
    outcomes: &[Outcome],
    wake: Option<Timestamp>,
    ok: bool,
    all: bool,
) -> String {
    let done = outcomes.iter().filter(|outcome| outcome.fate == Fate::Done).count();
    let told = |outcome: &&Outcome| all || outcome.fate != Fate::Done;
    let told: Vec<Outcome> = outcomes.iter().filter(told).cloned().collect();
    let mut text = match (outcomes.len(), done) {
        (0, _) => "Nothing was to be done.\n".to_owned(),
        (1, 1) => "The one step worked.\n".to_owned(),
        (all, done) if all == done => format!("All {all} steps worked.\n"),
        (all, done) => format!("{done} of {all} steps worked.\n"),
    };
    text += &outcomes_text(&told);
    if !ok {
        text += "Not everything is as it should be.\n";
    }
    if let Some(wake) = wake {
        text += &format!("The next look is due at {wake}.\n");
    }
    text
}

/// What became of the steps, for a person: one line each, and why where one did not work.
pub(super) fn outcomes_text(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for outcome in outcomes {
        let front = format!("{:<8}", outcome.fate.as_str());
        text += &wrapped(&front, &sentence(&outcome.step.action));
        if let Some(error) = &outcome.error {
            text += &wrapped("        ", error);
            text += &records(&outcome.step.action);
        }
    }
    text
}

fn findings_text(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        let front = format!("{:<8}", finding.level.mark());
        wrapped(&front, &format!("{} ({})", finding.message, finding.code))
    };
    findings.iter().map(line).collect()
}

fn step_json(step: &Step) -> Value {
    let mut value = json!({
        "action": word(&step.action),
        "subject": subject(&step.action),
        "because": because(step),
        "needs": step.needs,
    });
    if let Action::Publish { owner, ttl, add, remove, by_hand, .. } = &step.action {
        value["records"] = lines(owner, *ttl, add).into();
        value["remove"] = lines(owner, *ttl, remove).into();
        value["by"] = json!(if *by_hand { "hand" } else { "mailcert" });
    }
    if let Action::Issue { ways, ca, .. } = &step.action {
        value["challenges"] = ways.iter().map(way_json).collect();
        if let Some(instead) = ca {
            value["ca"] = json!(instead.directory);
        }
    }
    value
}

/// Records as they stand in a zone file.
fn lines(owner: &str, ttl: u32, keys: &[KeyHash]) -> Vec<String> {
    keys.iter().map(|key| tlsa_line(owner, ttl, key)).collect()
}

/// The records of a step, each in a line that can be pasted: in a zone file a blank in front means
/// something.
fn records(action: &Action) -> String {
    let Action::Publish { owner, ttl, add, remove, .. } = action else { return String::new() };
    let line = |mark: &str, line: String| format!("{mark}{line}\n");
    let add = lines(owner, *ttl, add).into_iter().map(|text| line("", text));
    let remove = lines(owner, *ttl, remove).into_iter().map(|text| line("; away: ", text));
    add.chain(remove).collect()
}

fn way_json(way: &Way) -> Value {
    json!({ "name": way.name, "challenge": way.challenge.to_string(), "because": way.why() })
}

/// The word of the JSON interface.
fn word(action: &Action) -> &'static str {
    match action {
        Action::Issue { .. } => "issue",
        Action::MakeKey { .. } => "make-key",
        Action::Beside { .. } => "keep",
        Action::Publish { .. } => "publish",
        Action::Adopt { .. } => "adopt",
        Action::Install { .. } => "install",
        Action::Tighten { .. } => "tighten",
        Action::Open { .. } => "open",
        Action::Check { .. } => "check",
        Action::Reload { .. } => "reload",
        Action::Prove { .. } => "prove",
        Action::Hook { .. } => "hook",
        Action::Remove { .. } => "remove",
        Action::Prune { .. } => "prune",
    }
}

/// What a step is about, in as few words as tell it from others of its kind.
fn subject(action: &Action) -> String {
    match action {
        Action::Issue { certificate, .. }
        | Action::Adopt { certificate, .. }
        | Action::Beside { certificate, .. }
        | Action::MakeKey { certificate, .. } => certificate.to_string(),
        Action::Publish { owner, .. } => owner.clone(),
        Action::Install { server, part, .. } => format!("{server} {part}"),
        Action::Tighten { path, .. } | Action::Remove { path, .. } => path.display().to_string(),
        Action::Open { server }
        | Action::Check { server }
        | Action::Reload { server }
        | Action::Hook { server } => server.to_string(),
        Action::Prove { server, certificate: Some(name) } => format!("{server} {name}"),
        Action::Prove { server, certificate: None } => format!("{server} without SNI"),
        Action::Prune { certificate, version } => format!("{certificate} version {version}"),
    }
}

/// What a step does, in plain words.
fn sentence(action: &Action) -> String {
    match action {
        Action::Issue { certificate, names, reuse_key, next_key, ca, .. } => {
            let key = match (reuse_key, next_key) {
                (_, Some(_)) => " with the key made ahead".to_owned(),
                (Some(old), None) => format!(" with the key of version {old}"),
                (None, None) => String::new(),
            };
            let at = ca.as_ref().map_or(String::new(), |ca| format!(" at {}", ca.directory));
            format!("issue {certificate}{key} for {}{at}", listed(names))
        }
        Action::MakeKey { certificate, .. } => format!("make the next key of {certificate}"),
        Action::Beside { certificate, version } => {
            format!("keep version {version} as {certificate}, beside the new one")
        }
        Action::Publish { owner, add, remove, by_hand, .. } => {
            let by_hand = if *by_hand { " by hand" } else { "" };
            match (add.is_empty(), remove.is_empty()) {
                (true, _) => format!("take TLSA records of old keys away at {owner}{by_hand}"),
                (_, true) => format!("publish TLSA records at {owner}{by_hand}"),
                _ => format!("publish TLSA records at {owner}{by_hand} and take old ones away"),
            }
        }
        Action::Adopt { certificate, chain, .. } => {
            format!("adopt {} as {certificate}", chain.display())
        }
        Action::Install { server, part, version: Some(version) } => {
            format!("install {part} version {version} on {server}")
        }
        Action::Install { server, part, version: None } => format!("install {part} on {server}"),
        Action::Tighten { path, server } => {
            format!("take rights to {} of {server} away from others", path.display())
        }
        Action::Open { server } => format!("let {server} list the directory of its certificates"),
        Action::Check { server } => format!("check the configuration of {server}"),
        Action::Reload { server } => format!("reload {server}"),
        Action::Prove { server, certificate: Some(name) } => format!("prove {name} on {server}"),
        Action::Prove { server, certificate: None } => {
            format!("prove what {server} shows without SNI")
        }
        Action::Hook { server } => format!("hook our files into the configuration of {server}"),
        Action::Remove { server, path, .. } => {
            format!("take {} of {server} away", path.display())
        }
        Action::Prune { certificate, version } => format!("forget {certificate} version {version}"),
    }
}

/// Why a step is there, in plain words; it goes on after "because".
fn because(step: &Step) -> String {
    let why = reason(step);
    match &step.action {
        Action::Issue { ca: Some(instead), .. } => format!("{why}; {}", passed(instead.because)),
        _ => why,
    }
}

/// Why another CA than the first is asked.
fn passed(because: Passed) -> String {
    match because {
        Passed::Down(until) => {
            format!("the first CA gave no answer and is left alone until {until}")
        }
        Passed::Declined(until) => {
            format!("the first CA refused it and is not asked for it until {until}")
        }
        Passed::UnderWay => "the order is under way there".to_owned(),
    }
}

fn reason(step: &Step) -> String {
    match &step.because {
        Reason::Missing(hosts) => format!("no certificate covers {}", listed(hosts)),
        Reason::Due(end) => format!("it ends at {end} and little of its life is left"),
        Reason::Suggested(end, None) => format!("its CA asks for it, although it ends at {end}"),
        Reason::Suggested(end, Some(url)) => {
            format!("its CA asks for it, although it ends at {end} (see {url})")
        }
        Reason::Expired(end) => format!("it has ended at {end}"),
        Reason::Refused(hosts) => format!("the last order failed for {}", listed(hosts)),
        Reason::Exposed => "its key could be read by others".to_owned(),
        Reason::NewKey => "a new key was asked for".to_owned(),
        Reason::Kept => "some clients know RSA alone, until --drop-rsa is said".to_owned(),
        Reason::Dropped => "nobody asks for it any more".to_owned(),
        Reason::KeyType => "the configuration asks for another kind of key".to_owned(),
        Reason::StoreLost => "the store does not hold it and the server does".to_owned(),
        Reason::Sourced(owner) => format!("{owner} made it and the configuration says to use it"),
        Reason::Renewed(owner) => format!("{owner} has renewed it"),
        Reason::NotInstalled => "it is not there".to_owned(),
        Reason::Differs => "what is there is something else".to_owned(),
        Reason::Damaged(damage) => damage.to_string(),
        Reason::Access => "its owner, group or mode is not as it should be".to_owned(),
        Reason::Unlistable => "it cannot list it, and finds no certificate there".to_owned(),
        Reason::Follows => match steps_named(&step.needs) {
            Some(steps) => format!("it follows from {steps}"),
            None => "it follows from what else is done".to_owned(),
        },
        Reason::ReloadOwed => "files changed since the server last read them".to_owned(),
        Reason::Stale => "the server still shows another certificate".to_owned(),
        Reason::Unproved => "nobody has looked since it changed".to_owned(),
        Reason::ProofAged => "the last look is too long ago".to_owned(),
        Reason::NotHooked => "the server does not use our files yet".to_owned(),
        Reason::RolledBack => "a newer version is not to be shown".to_owned(),
        Reason::NotPinned(key) => format!("none of its TLSA records names the key {key}"),
        Reason::Pinned(key) => format!("TLSA records name its key {key}"),
        Reason::NextKey => {
            "senders that look at TLSA must know the next key before it is shown".to_owned()
        }
        Reason::KeyOver => "every server shows another key, for two TTLs".to_owned(),
        Reason::Unwanted(end) => {
            format!("it has ended at {end} and nobody wants the names on it")
        }
        Reason::Superseded => "more old versions are held than are kept".to_owned(),
    }
}

fn steps_named(needs: &[usize]) -> Option<String> {
    match needs {
        [] => None,
        [one] => Some(format!("step {}", one + 1)),
        many => {
            let named: Vec<_> = many.iter().take(NAMED).map(|at| (at + 1).to_string()).collect();
            Some(format!("steps {}", joined(&named, many.len())))
        }
    }
}

fn listed(hosts: &[DnsId]) -> String {
    let named: Vec<String> = hosts.iter().take(NAMED).map(ToString::to_string).collect();
    joined(&named, hosts.len())
}

/// `a`, `a and b`, `a, b and c`, `a, b, c and 7 more`.
fn joined(named: &[String], all: usize) -> String {
    match named {
        _ if all > named.len() => format!("{} and {} more", named.join(", "), all - named.len()),
        [front @ .., last] if !front.is_empty() => format!("{} and {last}", front.join(", ")),
        _ => named.join(", "),
    }
}

/// Text behind a front, broken at spaces; the further lines are indented as far as the front.
fn wrapped(front: &str, text: &str) -> String {
    let mut lines = String::new();
    let mut line = front.to_owned();
    let indent = " ".repeat(front.chars().count());
    let mut is_fresh = true;
    for word in text.split_whitespace() {
        if !is_fresh && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines += line.trim_end();
            lines.push('\n');
            line.clone_from(&indent);
            is_fresh = true;
        }
        if !is_fresh {
            line.push(' ');
        }
        line += word;
        is_fresh = false;
    }
    lines += line.trim_end();
    lines.push('\n');
    lines
}

#[cfg(test)]
mod tests;
