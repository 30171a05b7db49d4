//! The addresses of one host compared: pure, on finished inspections.

use std::collections::BTreeMap;

use crate::config::Profile;
use crate::model::{Code, Hostname, Inspection, Level, Stage, StageMark};
use crate::verify::{Fault, profiles};

/// Adds `addresses-differ` to the inspections of each host and port whose addresses show
/// different certificates, of which a sender refuses some and takes others.
pub fn compare_addresses(inspections: &mut [Inspection], profile: Profile) {
    let mut groups: BTreeMap<(Hostname, u16), Vec<usize>> = BTreeMap::new();
    for (index, look) in inspections.iter().enumerate() {
        if look.certificate.is_some() && look.sni.is_some() {
            groups.entry((look.host.clone(), look.port)).or_default().push(index);
        }
    }
    for group in groups.into_values() {
        let looks: Vec<&Inspection> = group.iter().map(|index| &inspections[*index]).collect();
        let Some(fault) = differing(&looks) else { continue };
        for index in group {
            add(&mut inspections[index], fault.clone(), profile);
        }
    }
}

/// The fault, if these addresses differ; the same for all of them, so that a report has it once.
fn differing(looks: &[&Inspection]) -> Option<Fault> {
    let taken = looks.iter().find(|look| !is_refused(look))?;
    let refused = looks.iter().find(|look| is_refused(look))?;
    let leaf = |look: &Inspection| look.certificate.as_ref().map(|seen| seen.sha256);
    if leaf(taken) == leaf(refused) {
        return None;
    }
    let found = looks.iter().filter_map(|look| {
        let address = look.address?;
        let codes = look.problems.iter().filter(|problem| problem.level == Level::Fail);
        let codes: Vec<&str> = codes.map(|problem| problem.code.as_str()).collect();
        let said = if is_refused(look) { codes.join(", ") } else { "accepted".to_owned() };
        Some(format!("{address}: {said}"))
    });
    Some(Fault {
        expected: Some("a good certificate at every address".to_owned()),
        found: found.collect(),
        ..Fault::new(Code::AddressesDiffer, Stage::Chain)
    })
}

/// Whether the certificate is refused, whatever else is.
fn is_refused(look: &Inspection) -> bool {
    let stages = &look.stages;
    [stages.chain, stages.name, stages.dates].contains(&Some(StageMark::Fail))
}

/// It marks no stage: the matrix shows what each address does by itself.
fn add(look: &mut Inspection, fault: Fault, profile: Profile) {
    look.problems.push(profiles::weigh(fault, look.service, profile));
    look.problems.sort_by_key(|problem| std::cmp::Reverse(problem.level));
    look.verdict = profiles::verdict(&look.problems);
}
