//! Laws of the planner, on literal and on seeded random worlds.
//!
//! A world is what the planner is told, with a CA that refuses some names. Steps are carried out
//! on it as pure functions, so that a whole life of renewals and crashes takes microseconds.

mod laws {
    pub(crate) mod chance;
    pub(crate) mod literal;
    pub(crate) mod sheet;
    pub(crate) mod world;
}

use std::collections::BTreeSet;
use std::time::Duration;

use laws::chance::Chance;
use laws::world::{World, random};
use mailcert::model::{CertName, Hostname};
use mailcert::plan::{Action, Fate, Mode, Plan, Step, group};
use mailcert::servers::{Part, ServerId};

/// Worlds tried for each of the six laws on random worlds.
const WORLDS: u64 = 3_500;
/// Rounds after which a run must have come to rest.
const ROUNDS: usize = 8;

/// Tries a law on many worlds; names the seed of the first that breaks it.
fn for_many_worlds(first: u64, law: impl Fn(&mut Chance) -> Result<(), String>) {
    for seed in first..first + WORLDS {
        if let Err(broken) = law(&mut Chance::of(seed)) {
            panic!("seed {seed}: {broken}");
        }
    }
}

fn some_mode(chance: &mut Chance, world: &World) -> Mode {
    match chance.below(8) {
        0 | 1 => Mode::Fix { hook: true },
        2 => Mode::Fix { hook: false },
        3 => match world.observed.held.first() {
            Some(held) => Mode::Rollback(held.name.clone()),
            None => Mode::Run,
        },
        _ => Mode::Run,
    }
}

/// The steps, one a line.
fn lines(steps: &[Step]) -> String {
    let line = |(at, step): (usize, &Step)| format!("\n  {at}: {step:?}");
    steps.iter().enumerate().map(line).collect()
}

fn only_prunes(plan: &Plan) -> bool {
    plan.steps.iter().all(|step| matches!(step.action, Action::Prune { .. }))
}

#[test]
fn carried_out_it_leaves_nothing_to_plan() {
    for_many_worlds(1, |chance| {
        let mut world = random(chance);
        world.dead.clear();
        let mode = some_mode(chance, &world);
        if matches!(mode, Mode::Fix { .. }) || world.has_wildcard() {
            // Names that were refused are tried again apart from the others, in another round; one
            // that only an old wildcard covered finds another home in the next.
            world.observed.refused.clear();
        }
        let mut homes = world.desired().certificates;
        let plan = world.plan(&mode);
        let fates = world.carry_out(&plan, &mode, usize::MAX);
        if let Some(at) = fates.iter().position(|fate| *fate != Fate::Done) {
            return Err(format!("step {at} was not done: {:?}", plan.steps[at]));
        }
        // Old versions are forgotten when nothing else is to do: that takes one more round.
        let mut rest = world.plan(&mode);
        while world.desired().certificates != homes {
            // A host found another home; an old one that nobody wishes any more is not shown.
            if rest.steps.iter().any(|step| matches!(step.action, Action::Issue { .. })) {
                return Err(format!("moved for an order: {}", lines(&rest.steps)));
            }
            homes = world.desired().certificates;
            world.carry_out(&rest, &mode, usize::MAX);
            rest = world.plan(&mode);
        }
        if !only_prunes(&rest) {
            return Err(format!(
                "left in {mode:?}: {}\nafter {}",
                lines(&rest.steps),
                lines(&plan.steps)
            ));
        }
        world.carry_out(&rest, &mode, usize::MAX);
        match world.plan(&mode).steps.as_slice() {
            [] => Ok(()),
            left => Err(format!("left after pruning: {}", lines(left))),
        }
    });
}

#[test]
fn killed_after_any_step_the_next_run_finishes() {
    for_many_worlds(100_000, |chance| {
        let mut world = random(chance);
        let mode = some_mode(chance, &world);
        let plan = world.plan(&mode);
        world.carry_out(&plan, &mode, chance.below(plan.steps.len() + 1));
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let next = world.plan(&Mode::Run);
            if next.steps.is_empty() {
                return Ok(());
            }
            world.carry_out(&next, &Mode::Run, usize::MAX);
            rounds.push(next.steps);
        }
        let last = rounds.last().map(|steps| lines(steps));
        Err(format!("no rest after {ROUNDS} rounds: {}", last.unwrap_or_default()))
    });
}

#[test]
fn every_plan_is_well_formed() {
    for_many_worlds(200_000, |chance| {
        let world = random(chance);
        let mode = some_mode(chance, &world);
        let plan = world.plan(&mode);
        well_formed(&world, &mode, &plan)
    });
}

/// The laws that hold of a plan by itself.
fn well_formed(world: &World, mode: &Mode, plan: &Plan) -> Result<(), String> {
    let mut ordered = BTreeSet::new();
    for (at, step) in plan.steps.iter().enumerate() {
        let fault =
            |law: &str| Err(format!("{law}: step {at} in {mode:?} of {}", lines(&plan.steps)));
        let stands_on = |wanted: &dyn Fn(&Action) -> bool| {
            step.needs.iter().any(|needed| wanted(&plan.steps[*needed].action))
        };
        if step.needs.iter().any(|needed| *needed >= at) {
            return fault("needs point backwards");
        }
        match &step.action {
            Action::Issue { certificate, names, .. } => {
                let own: BTreeSet<String> = names.iter().map(ToString::to_string).collect();
                let is_new = ordered.insert(own.clone())
                    && ordered.insert([format!("certificate {certificate}")].into());
                if names.is_empty() || own.len() < names.len() || !is_new {
                    return fault("nothing is ordered twice");
                }
            }
            Action::Reload { server } if !world.is_files_only(server) => {
                let check = Action::Check { server: server.clone() };
                if !stands_on(&|action| *action == check) {
                    return fault("no reload without a check");
                }
            }
            Action::Install { part: Part::Certificate(name), version, .. } => {
                let comes = |action: &Action| match action {
                    Action::Issue { certificate, .. } | Action::Adopt { certificate, .. } => {
                        certificate == name
                    }
                    _ => false,
                };
                let there = version.is_some_and(|version| world.holds(name, version));
                if !there && !(version.is_none() && stands_on(&comes)) {
                    return fault("no install of a certificate nobody has");
                }
            }
            Action::Hook { .. } if *mode != (Mode::Fix { hook: true }) => {
                return fault("hook-in lines only on consent");
            }
            _ => {}
        }
    }
    installs_precede_checks(plan)
}

/// A check says something about the files only when they are there.
fn installs_precede_checks(plan: &Plan) -> Result<(), String> {
    let mut checked: BTreeSet<&ServerId> = BTreeSet::new();
    for step in &plan.steps {
        match &step.action {
            Action::Check { server } => {
                checked.insert(server);
            }
            Action::Install { server, .. } if checked.contains(server) => {
                return Err(format!("{step:?} comes after the check of its server"));
            }
            _ => {}
        }
    }
    Ok(())
}

#[test]
fn a_name_that_works_is_never_dropped() {
    for_many_worlds(300_000, |chance| {
        let mut world = random(chance);
        let mode = if chance.once_in(3) { Mode::Fix { hook: true } } else { Mode::Run };
        let works = world.works_by_its_own();
        for _ in 0..3 {
            let plan = world.plan(&mode);
            let at = chance.below(plan.steps.len() + 1);
            for steps in [at, plan.steps.len()] {
                let mut killed = world.clone();
                killed.carry_out(&plan, &mode, steps);
                if let Some(lost) = works.difference(&killed.works()).next() {
                    return Err(format!(
                        "{lost:?} is lost at step {steps} of {}",
                        lines(&plan.steps)
                    ));
                }
                if steps == plan.steps.len() {
                    world = killed;
                    break;
                }
            }
        }
        Ok(())
    });
}

#[test]
fn a_dead_name_never_expires_its_neighbours() {
    for seed in 0..100 {
        let chance = &mut Chance::of(seed);
        let (mut world, dead) = laws::literal::one_domain(2 + chance.below(5));
        world.come_to_rest();
        world.dead.insert(dead.clone());
        let neighbours: Vec<Hostname> =
            world.works().into_iter().map(|(_, host)| host).filter(|host| *host != dead).collect();
        let alive = world.now.plus(Duration::from_secs(89 * 86_400));
        for _ in 0..200 {
            world.now =
                world.now.plus(Duration::from_secs(86_400 / 2 + chance.below(86_400) as u64));
            world.come_to_rest();
            let works: BTreeSet<Hostname> =
                world.works().into_iter().map(|(_, host)| host).collect();
            if let Some(lost) = neighbours.iter().find(|host| !works.contains(*host)) {
                panic!("seed {seed}: {lost} is lost at {}: {:#?}", world.now, world.observed.held);
            }
            assert!(works.contains(&dead) || world.now > alive, "seed {seed}: given up too early");
        }
    }
}

#[test]
fn the_same_input_gives_the_same_plan() {
    for_many_worlds(400_000, |chance| {
        let world = random(chance);
        let mode = some_mode(chance, &world);
        if world.plan(&mode) != world.plan(&mode) {
            return Err("two plans of one world differ".to_owned());
        }
        let held = &world.observed.held;
        let wishes = group(&world.hosts, &world.domains, held, world.limit);
        let mut turned = world.hosts.clone();
        turned.reverse();
        if wishes != group(&turned, &world.domains, held, world.limit) {
            return Err("the order of the hosts reshuffles the certificates".to_owned());
        }
        Ok(())
    });
}

#[test]
fn a_new_host_reshuffles_no_certificate() {
    for_many_worlds(500_000, |chance| {
        let mut world = random(chance);
        world.dead.clear();
        world.observed.waits.clear();
        world.come_to_rest();
        let before = group(&world.hosts, &world.domains, &world.observed.held, world.limit);
        let new = laws::world::host(chance, "brandnew", "example.org");
        world.hosts.push(new);
        let after = group(&world.hosts, &world.domains, &world.observed.held, world.limit);
        let home = |wishes: &[mailcert::plan::Wish], host: &Hostname| -> Option<CertName> {
            wishes.iter().find(|wish| wish.names.contains(host)).map(|wish| wish.name.clone())
        };
        // A host that only a wildcard covers has a place only while there is room.
        let named: BTreeSet<_> = world.named().into_iter().collect();
        for host in before.iter().flat_map(|wish| &wish.names).filter(|host| named.contains(*host))
        {
            if home(&before, host) != home(&after, host) {
                return Err(format!("{host} moved: {before:#?} became {after:#?}"));
            }
        }
        Ok(())
    });
}
