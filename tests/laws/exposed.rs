//! What becomes of keys that others could read, and of a directory that its server cannot list.

use std::time::Duration;

use mailcert::model::Code;
use mailcert::plan::{Action, FileSeen, Mode, Plan, Reason};
use mailcert::servers::Kind;

use super::literal;
use super::world::{DAY, World};

/// Lets others read every file of the split Exim, whose renewals use their key again.
fn open_files(world: &mut World) {
    let exim =
        world.observed.servers.iter_mut().find(|seen| matches!(seen.server.kind, Kind::Exim(_)));
    for file in exim.expect("there is one").files.values_mut() {
        if let FileSeen::Regular { mode, .. } = file {
            *mode = 0o644;
        }
    }
}

fn new_keys(plan: &Plan) -> usize {
    let is_new = |action: &Action| matches!(action, Action::Issue { reuse_key: None, .. });
    plan.steps.iter().filter(|step| step.because == Reason::Exposed && is_new(&step.action)).count()
}

#[test]
fn a_key_that_others_could_read_is_replaced_and_once_a_week_at_most() {
    let (mut world, _) = literal::one_domain(2);
    world.come_to_rest();
    open_files(&mut world);
    let plan = world.plan(&Mode::Run);
    assert_eq!((new_keys(&plan), plan.exposed.len()), (1, 1), "{plan:?}");
    assert!(matches!(plan.steps[0].action, Action::Tighten { .. }), "first of all: {plan:?}");
    assert!(plan.findings.iter().any(|found| found.code == Code::KeyExposed), "{plan:?}");

    // Killed after the rights were taken away: the files tell nothing any more, the diary does.
    let mut killed = world.clone();
    let tightened = plan.steps.iter().take_while(|step| step.because == Reason::Access).count();
    killed.carry_out(&plan, &Mode::Run, tightened);
    assert_eq!(new_keys(&killed.plan(&Mode::Run)), 1);

    world.come_to_rest();
    let spki = |world: &World| -> Vec<_> {
        world.observed.held[0].versions.iter().map(|own| own.facts.spki).collect()
    };
    assert_ne!(spki(&world)[0], spki(&world)[1], "the key was used again");

    for (days, expected) in [(1, 0), (5, 0), (2, 1)] {
        world.now = world.now.plus(Duration::from_secs(days * DAY));
        open_files(&mut world);
        let plan = world.plan(&Mode::Run);
        assert_eq!(new_keys(&plan), expected, "{days} days later: {plan:?}");
        let told = plan.findings.iter().any(|found| found.code == Code::KeyExposed);
        assert!(told || expected == 1, "{plan:?}");
        world.carry_out(&plan, &Mode::Run, usize::MAX);
    }
}

#[test]
fn a_directory_that_its_server_cannot_list_is_opened_and_everything_proved() {
    let (mut world, _) = literal::one_domain(2);
    world.come_to_rest();
    world.observed.servers[1].shut = true;
    let plan = world.plan(&Mode::Run);
    assert_eq!(plan.steps[0].because, Reason::Unlistable, "{plan:?}");
    let proves = |action: &Action| matches!(action, Action::Prove { .. });
    assert_eq!(plan.steps.iter().filter(|step| proves(&step.action)).count(), 2, "{plan:?}");
    world.carry_out(&plan, &Mode::Run, usize::MAX);
    assert_eq!(world.plan(&Mode::Run).steps, []);
}

#[test]
fn a_map_that_was_gone_is_opened_only_after_a_reload() {
    let (mut world, _) = literal::one_domain(2);
    world.come_to_rest();
    let map = "/etc/postfix/mailcert/sni.lmdb";
    assert!(world.observed.servers[0].files.remove(std::path::Path::new(map)).is_some());
    let plan = world.plan(&Mode::Run);
    let reloads = |action: &Action| matches!(action, Action::Reload { .. });
    assert!(plan.steps.iter().any(|step| reloads(&step.action)), "{plan:?}");
}
