//! What a person put on hold: nothing takes its place, and it is said of each.

use mailcert::model::{CertName, Code, OnHold};
use mailcert::plan::{Action, Mode, Plan};

use super::chance::Chance;
use super::random::random;
use crate::{for_many_worlds, lines, some_mode};

/// The held certificates for which a plan would take something else.
fn replaced<'a>(plan: &'a Plan, held: &'a [CertName]) -> Vec<&'a CertName> {
    let named = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Issue { certificate, .. } | Action::Adopt { certificate, .. } => Some(certificate),
        _ => None,
    });
    named.filter(|name| held.contains(name)).collect()
}

fn holds(chance: &mut Chance) -> Result<bool, String> {
    let (mut world, mode): (_, Mode) = (random(chance), some_mode(chance));
    let has_versions = world.observed.held.iter().filter(|held| !held.versions.is_empty());
    let held: Vec<CertName> = has_versions.map(|held| held.name.clone()).collect();
    let before = world.plan(&mode);
    let would = replaced(&before, &held).len();
    let hold = OnHold { since: world.now, why: None };
    world.observed.on_hold = held.iter().map(|name| (name.clone(), hold.clone())).collect();
    let plan = world.plan(&mode);
    if !replaced(&plan, &held).is_empty() {
        return Err(format!("one takes the place of what is on hold:{}", lines(&plan.steps)));
    }
    let said = plan.findings.iter().filter(|found| found.code == Code::OnHold).count();
    if said != held.len() {
        return Err(format!("{said} of {} are told: {:?}", held.len(), plan.findings));
    }
    Ok(would > 0)
}

#[test]
fn nothing_takes_the_place_of_what_is_on_hold() {
    let would = std::cell::Cell::new(0);
    for_many_worlds(1_500_000, |chance| {
        would.set(would.get() + u32::from(holds(chance)?));
        Ok(())
    });
    assert!(would.get() > 100, "only {} worlds would have replaced anything", would.get());
}
