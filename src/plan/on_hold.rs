//! What is said of certificates that a person put on hold: nothing takes their place until they
//! are released, however much it is needed.

use std::collections::BTreeMap;

use crate::model::{CertName, Code, Finding, Level, OnHold};
use crate::plan::issue::Order;
use crate::plan::layout::Scene;
use crate::plan::{Draft, Reason};

/// The order for a wish, unless it is to stay as it is: then it is noted why one is wanted.
pub(super) fn unless(
    scene: &Scene<'_>,
    name: &CertName,
    order: Option<Order>,
    waiting: &mut BTreeMap<CertName, Reason>,
) -> Option<Order> {
    let order = order?;
    if !scene.observed.on_hold.contains_key(name) {
        return Some(order);
    }
    waiting.insert(name.clone(), order.because);
    None
}

/// Says of each one that it is on hold, and whether something waits for its release.
pub(super) fn told(scene: &Scene<'_>, due: &BTreeMap<CertName, Reason>, draft: &mut Draft) {
    let all = scene.observed.on_hold.iter();
    draft.findings.extend(all.map(|(name, hold)| finding(name, hold, due.get(name))));
}

fn finding(name: &CertName, hold: &OnHold, due: Option<&Reason>) -> Finding {
    let end = format!("`mailcert release {name}` ends that");
    let hold = hold.text();
    let quiet = Finding::new(Code::OnHold, name, format!("it is {hold}: it stays as it is; {end}"));
    let due_words = match due {
        None => return Finding { level: Level::Note, ..quiet },
        Some(Reason::Due(at) | Reason::Suggested(at, _)) => format!("it is due, and ends at {at}"),
        Some(Reason::Expired(at)) => format!("it has ended at {at}"),
        Some(Reason::Renewed(owner)) => format!("{owner} has renewed it"),
        Some(_) => "another one is wanted".to_owned(),
    };
    Finding { message: format!("{due_words}, and it is {hold}; {end}"), ..quiet }
}
