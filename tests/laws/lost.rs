//! Stores that were lost, versions that were rolled back, reloads that are deferred.

use std::time::Duration;

use mailcert::model::{Code, Level};
use mailcert::plan::{Action, Mode, Plan, Reason, Step, layout};
use mailcert::servers::Part;

use super::literal;
use super::sheet::edits;
use super::world::name;

/// Rounds of a run, and some more.
const ROUNDS: usize = 6;

#[test]
fn what_a_lost_store_showed_is_taken_back_though_its_domain_is_silent() {
    for dead in [&[][..], &["dead.example.net"], &["dead.example.net", "mx.example.net"]] {
        let (mut world, silent) = literal::lost_and_silent(3);
        world.dead = dead.iter().map(|dead| name(dead)).collect();
        for round in 0..ROUNDS {
            let plan = world.plan(&Mode::Run);
            let adopts = |step: &usize| matches!(plan.steps[*step].action, Action::Adopt { .. });
            let shared = plan.steps.iter().filter(|step| {
                matches!(&step.action, Action::Install { part: Part::Index | Part::Default, .. })
            });
            for step in shared.filter(|_| round == 0) {
                assert!(step.needs.iter().any(adopts), "{step:?} in {}", crate::lines(&plan.steps));
            }
            let index =
                |step: &Step| matches!(&step.action, Action::Install { part: Part::Index, .. });
            let written = plan.steps.iter().position(index).unwrap_or(plan.steps.len());
            world.carry_out(&plan, &Mode::Run, written + 1);
            let desired = world.desired();
            for seen in &world.observed.servers {
                let shown = layout(&desired, &world.observed, seen, world.now).shown;
                for host in &silent {
                    let is_there = shown.iter().any(|shown| shown.facts.covers(host));
                    assert!(
                        is_there,
                        "{host} is lost on {} in {}",
                        seen.id(),
                        crate::lines(&plan.steps)
                    );
                }
            }
        }
    }
}

#[test]
fn a_rollback_to_a_version_that_is_due_is_not_undone_at_once() {
    let (mut world, _) = literal::one_domain(2);
    world.come_to_rest();
    world.now = world.now.plus(Duration::from_secs(61 * 86_400));
    world.come_to_rest();
    // The newer version has been there for days.
    world.now = world.now.plus(Duration::from_secs(3 * 86_400));
    let held = &mut world.observed.held[0];
    assert_eq!(held.versions.len(), 2);
    held.versions[1].bad = Some(world.now);
    let issues = |plan: &Plan| {
        plan.steps.iter().filter(|step| matches!(step.action, Action::Issue { .. })).count()
    };
    let plan = world.plan(&Mode::Run);
    assert!(plan.steps.iter().any(|step| step.because == Reason::RolledBack), "{plan:?}");
    assert_eq!(issues(&plan), 0, "{plan:?}");
    assert_eq!(issues(&world.plan(&Mode::Fix { hook: true, publish: true })), 0);
    world.now = world.now.plus(Duration::from_secs(86_400));
    assert_eq!(issues(&world.plan(&Mode::Run)), 1);
}

#[test]
fn what_shows_only_after_a_deferred_reload_is_proved_after_it() {
    let (mut world, _) = literal::one_domain(2);
    world.come_to_rest();
    let proves =
        |plan: &Plan| plan.steps.iter().any(|step| matches!(step.action, Action::Prove { .. }));
    for seen in &mut world.observed.servers {
        // Hook-in lines were applied; then the admin began an edit.
        (seen.owed, seen.edited) = (true, edits());
        seen.proofs.clear();
    }
    assert!(!proves(&world.plan(&Mode::Run)), "{:?}", world.plan(&Mode::Run));
    let fix = world.plan(&Mode::Fix { hook: true, publish: true });
    assert!(proves(&fix), "{fix:?}");
}

#[test]
fn an_edit_is_named_and_a_reload_publishes_it_with_consent_only() {
    let (mut world, _) = literal::one_domain(2);
    world.come_to_rest();
    for seen in &mut world.observed.servers {
        (seen.owed, seen.edited) = (true, edits());
    }
    for (mode, reloads, level) in [
        (Mode::Run, false, Level::Warn),
        (Mode::Fix { hook: true, publish: false }, false, Level::Warn),
        (Mode::Fix { hook: false, publish: true }, true, Level::Note),
    ] {
        let plan = world.plan(&mode);
        let reload = |step: &Step| matches!(step.action, Action::Reload { .. });
        assert_eq!(plan.steps.iter().any(reload), reloads, "{mode:?}: {plan:?}");
        let found = plan.findings.iter().find(|found| found.code == Code::UnpublishedEdit).unwrap();
        assert_eq!(found.level, level, "{mode:?}");
        let named = "/etc/some.cf (edited 1970-01-01T00:00:01Z): newer than the last reload of ";
        assert!(found.message.starts_with(named), "{}", found.message);
    }
}
