//! Laws of the planner, on literal and on seeded random worlds.
//!
//! A world is what the planner is told, with a CA that refuses some names. Steps are carried out
//! on it as pure functions, so that a whole life of renewals and crashes takes microseconds.

mod laws {
    mod beside;
    pub(crate) mod chance;
    mod exposed;
    mod further;
    mod hold;
    mod keys;
    mod leave;
    pub(crate) mod literal;
    mod lost;
    pub(crate) mod random;
    mod refused;
    mod renewal;
    mod rollover;
    pub(crate) mod sheet;
    mod sourced;
    pub(crate) mod world;
}

use std::collections::BTreeSet;
use std::time::Duration;

use laws::chance::Chance;
use laws::random::{leave_out, random};
use laws::world::{World, rests};
use mailcert::model::{CertName, Code, DnsId, Hostname};
use mailcert::plan::{Action, Fate, Hook, Mode, Plan, Reason, Step, Wish};
use mailcert::servers::{Part, ServerId};

/// Worlds tried for each of the seven laws on random worlds.
const WORLDS: u64 = 3_000;
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

fn some_mode(chance: &mut Chance) -> Mode {
    match chance.below(8) {
        0 | 1 => Mode::Fix { hook: true, publish: true },
        2 => Mode::Fix { hook: false, publish: false },
        _ => Mode::Run,
    }
}

/// The steps, one a line.
fn lines(steps: &[Step]) -> String {
    let line = |(at, step): (usize, &Step)| format!("\n  {at}: {step:?}");
    steps.iter().enumerate().map(line).collect()
}

/// Whether nothing is left but to forget old versions, to make a key ahead for what somebody has to
/// publish, and what nobody consented to.
fn only_prunes(plan: &Plan, mode: &Mode) -> bool {
    let prunes = |action: &Action| {
        matches!(action, Action::Prune { .. } | Action::Remove { .. } | Action::MakeKey { .. })
    };
    plan.steps.iter().all(|step| prunes(&step.action) || !mode.consents_to(&step.action))
}

/// A key that others could read is replaced in the very round in which a lost store is filled
/// again: which host belongs where is only known after it.
fn renews_beside_an_adoption(plan: &Plan) -> bool {
    plan.steps.iter().any(|step| step.because == Reason::Exposed)
        && plan.steps.iter().any(|step| matches!(step.action, Action::Adopt { .. }))
}

#[test]
fn carried_out_it_leaves_nothing_to_plan() {
    for_many_worlds(1, |chance| {
        let mut world = random(chance);
        world.dead.clear();
        // A version that a person asks for is one that hosts are grouped by anew: another round.
        world.new_keys.clear();
        let mode = some_mode(chance);
        if matches!(mode, Mode::Fix { .. }) || world.has_wildcard() {
            // Names that were refused are tried again apart from the others, in another round; one
            // that only an old wildcard covered finds another home in the next.
            world.observed.refused.clear();
        }
        let waited_for: BTreeSet<DnsId> =
            world.observed.refused.values().flatten().cloned().collect();
        let homes_of = |world: &World| {
            let desired = world.desired();
            (desired.certificates, desired.let_go)
        };
        let mut homes = homes_of(&world);
        let plan = world.plan(&mode);
        let fates = world.carry_out(&plan, &mode, usize::MAX);
        for (step, fate) in plan.steps.iter().zip(fates) {
            let expected = if mode.consents_to(&step.action) { Fate::Done } else { Fate::Skipped };
            if fate != expected {
                return Err(format!("in {mode:?} {fate:?} instead of {expected:?}: {step:?}"));
            }
        }
        // Old versions are forgotten when nothing else is to do: that takes one more round.
        let mut rest = world.plan(&mode);
        // What was kept beside another may be due itself.
        let follows = |plan: &Plan| {
            let action = |step: &Step| step.action.certificate().is_some_and(CertName::is_beside);
            plan.steps.iter().any(action)
        };
        while homes_of(&world) != homes || follows(&rest) && !only_prunes(&rest, &mode) {
            // A host found another home, or works there now; an old one that nobody wishes any more is not shown.
            // (Nor does it wait any more: what was refused of a certificate says nothing of another.)
            let moves = |step: &Step| match &step.action {
                Action::Issue { certificate, names, .. } => {
                    step.because != Reason::Exposed
                        && !certificate.is_beside()
                        && !names.iter().all(|name| waited_for.contains(name))
                }
                _ => false,
            };
            if rest.steps.iter().any(moves) && !renews_beside_an_adoption(&plan) {
                return Err(format!("moved for an order: {}", lines(&rest.steps)));
            }
            homes = homes_of(&world);
            world.carry_out(&rest, &mode, usize::MAX);
            rest = world.plan(&mode);
        }
        if !only_prunes(&rest, &mode) {
            return Err(format!(
                "left in {mode:?}: {}\nafter {}",
                lines(&rest.steps),
                lines(&plan.steps)
            ));
        }
        world.carry_out(&rest, &mode, usize::MAX);
        let left = world.plan(&mode);
        if !rests(&left, &mode) {
            return Err(format!("left after pruning: {}", lines(&left.steps)));
        }
        Ok(())
    });
}

#[test]
fn killed_after_any_step_the_next_run_finishes() {
    for_many_worlds(100_000, |chance| {
        let mut world = random(chance);
        let mode = some_mode(chance);
        let plan = world.plan(&mode);
        world.carry_out(&plan, &mode, chance.below(plan.steps.len() + 1));
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let next = world.plan(&Mode::Run);
            if rests(&next, &Mode::Run) {
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
        let mode = some_mode(chance);
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
        if stands_on(&|action| !mode.consents_to(action)) {
            return fault("nothing stands on what nobody consented to");
        }
        match &step.action {
            Action::Issue { .. } if !world.orders => return fault("no order that is not allowed"),
            Action::Issue { names, ways, .. }
                if !names
                    .iter()
                    .map(|name| world.desired().ways.of(name))
                    .eq(ways.iter().cloned()) =>
            {
                return fault("every name of an order has its challenge");
            }
            Action::Issue { certificate, names, .. } => {
                let mut own: BTreeSet<String> = names.iter().map(ToString::to_string).collect();
                // An RSA one beside another has the names of that.
                own.extend(certificate.is_beside().then(|| "beside".to_owned()));
                let is_new = ordered.insert(own.clone())
                    && ordered.insert([format!("certificate {certificate}")].into());
                if names.is_empty()
                    || own.len() < names.len() + usize::from(certificate.is_beside())
                    || !is_new
                {
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
                    Action::Issue { certificate, .. }
                    | Action::Beside { certificate, .. }
                    | Action::Adopt { certificate, .. } => certificate == name,
                    _ => false,
                };
                let there = version.is_some_and(|version| world.holds(name, version));
                if !(there || version.is_none() && stands_on(&comes)) {
                    return fault("no install of a certificate nobody has");
                }
                let is_unfit = version.is_some_and(|version| world.is_unfit(name, version));
                if is_unfit && step.because != Reason::Access {
                    return fault("nothing that senders refuse is installed");
                }
            }
            Action::Prune { certificate, version } => {
                let mut servers = world.observed.servers.iter();
                if servers.any(|seen| seen.doubted.contains(certificate)) {
                    return fault("nothing is forgotten before the one shown is accepted");
                }
                let kept = world.previous(certificate);
                if kept == Some(*version) {
                    return fault("the version to go back to stays");
                }
            }
            Action::Hook { server } => {
                let unready = plan.steps.iter().enumerate().any(|(other, install)| {
                    let action = &install.action;
                    let is_default = matches!(action, Action::Install { server: own, part, .. }
                        if own == server && *part == Part::Default);
                    is_default && !step.needs.contains(&other)
                });
                if unready {
                    return fault("hook-in lines come after the default certificate");
                }
            }
            _ => {}
        }
    }
    a_missing_hook_is_said_once(world, plan)?;
    installs_precede_checks(plan)
}

/// Either as a step or as a finding, and only of servers that miss it.
fn a_missing_hook_is_said_once(world: &World, plan: &Plan) -> Result<(), String> {
    for seen in &world.observed.servers {
        let step = Action::Hook { server: seen.id().clone() };
        let steps = plan.steps.iter().filter(|own| own.action == step).count();
        let subject = seen.id().to_string();
        let found = plan.findings.iter();
        let found = found.filter(|own| own.code == Code::HookMissing && own.subject == subject);
        let said = (steps, found.count());
        let is_right = match seen.hook {
            Hook::Missing => said == (1, 0) || said == (0, 1),
            Hook::ByHand(_) => said == (0, 1),
            Hook::There | Hook::Unknown => said == (0, 0),
        };
        if !is_right {
            return Err(format!("{subject} is {:?}; steps and findings: {said:?}", seen.hook));
        }
    }
    Ok(())
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
        let mode =
            if chance.once_in(3) { Mode::Fix { hook: true, publish: true } } else { Mode::Run };
        let works = world.works_by_its_own();
        // What lies where its second file belongs keeps a name from it.
        let mut rsa = if world.is_blocked() { BTreeSet::new() } else { world.shows_rsa() };
        // A dead name leaves the one beside after the last call: there is no third to move to.
        let refused: BTreeSet<&DnsId> = world.observed.refused.values().flatten().collect();
        let is_dead = |host: &Hostname| {
            world.dead.contains(host) || refused.contains(&DnsId::Host(host.clone()))
        };
        rsa.retain(|(_, host)| !is_dead(host));
        for _ in 0..3 {
            let plan = world.plan(&mode);
            let at = chance.below(plan.steps.len() + 1);
            for steps in [at, plan.steps.len()] {
                let mut killed = world.clone();
                killed.carry_out(&plan, &mode, steps);
                let lost = works.difference(&killed.works()).next().cloned();
                let mut rsa = rsa.iter().filter(|(id, host)| !killed.still_shows_rsa(id, host));
                let lost = lost.or_else(|| rsa.next().cloned());
                if let Some(lost) = lost {
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
    for seed in 0..30 {
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
            // Nothing may have ended since the last run, either.
            let mut works = world.works();
            world.come_to_rest();
            let after = world.works();
            works.retain(|one| after.contains(one));
            let works: BTreeSet<Hostname> = works.into_iter().map(|(_, host)| host).collect();
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
        let mode = some_mode(chance);
        if world.plan(&mode) != world.plan(&mode) {
            return Err("two plans of one world differ".to_owned());
        }
        let wishes = world.wishes(&world.hosts);
        let mut turned = world.hosts.clone();
        turned.reverse();
        if wishes != world.wishes(&turned) {
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
        let before = world.wishes(&world.hosts);
        let new = laws::world::host(chance, "brandnew", "example.org");
        world.hosts.push(new);
        let after = world.wishes(&world.hosts);
        let home = |wishes: &[Wish], host: &Hostname| -> Option<CertName> {
            let wish = wishes.iter().find(|wish| wish.names.iter().any(|id| id.matches(host)))?;
            // Whether what others renewed replaces the one before it or lies beside it depends on
            // which names are wanted; no order comes of it.
            let lineage = wish.name.to_string();
            CertName::parse(lineage.strip_prefix("2.").unwrap_or(&lineage)).ok()
        };
        // A host that only a wildcard covers has a place only while there is room.
        let named: BTreeSet<_> = world.named().into_iter().collect();
        let hosts = before.iter().flat_map(|wish| &wish.names).filter_map(DnsId::host);
        for host in hosts.filter(|host| named.contains(*host)) {
            if home(&before, host) != home(&after, host) {
                return Err(format!("{host} moved: {before:#?} became {after:#?}"));
            }
        }
        Ok(())
    });
}

#[test]
fn a_host_that_is_gone_orders_nothing_and_leaves_with_the_next_order() {
    for_many_worlds(600_000, |chance| {
        let mut world = random(chance);
        world.dead.clear();
        world.observed.waits.clear();
        world.observed.refused.clear();
        // What a bad version holds back is ordered where another host leaves it a place.
        world
            .observed
            .held
            .iter_mut()
            .flat_map(|held| &mut held.versions)
            .for_each(|own| own.bad = None);
        world.come_to_rest();
        // Where only a wildcard covers a host, its place depends on who else is there.
        let named: BTreeSet<Hostname> = world.named().into_iter().collect();
        let pinned = |host: &Hostname| world.observed.pins.iter().any(|pins| pins.host == *host);

        let mut hosts =
            world.hosts.iter_mut().filter(|host| named.contains(&host.host) && !pinned(&host.host));
        let Some(gone) = hosts.nth(chance.below(3)) else { return Ok(()) };
        leave_out(gone);
        gone.undecided = false;
        let gone = gone.host.clone();
        let orders = |plan: &Plan| -> Vec<Step> {
            let is_order = |step: &&Step| matches!(step.action, Action::Issue { .. });
            plan.steps.iter().filter(is_order).cloned().collect()
        };
        let ordered = orders(&world.plan(&Mode::Run));
        if !ordered.is_empty() {
            return Err(format!("{gone} orders by going: {}", lines(&ordered)));
        }
        world.now = world.now.plus(Duration::from_secs(91 * 86_400));
        world.come_to_rest();
        let newest = world.observed.held.iter().filter_map(|held| held.versions.last());
        let mut alive = newest.filter(|newest| newest.facts.valid_at(world.now));
        match alive.find(|newest| newest.facts.names.contains(&DnsId::Host(gone.clone()))) {
            Some(newest) => Err(format!("{gone} is still on {:?}", newest.facts.names)),
            None => Ok(()),
        }
    });
}
