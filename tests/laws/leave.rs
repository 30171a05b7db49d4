//! Certificates that nobody wants any more: kept until they end and the names are let go, then
//! pruned with their files; and never a name in use.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mailcert::model::{DnsId, Hostname, Why};
use mailcert::plan::{Action, FileSeen, Mode, Plan, layout, version_to_show};
use mailcert::servers::wants;

use super::chance::Chance;
use super::literal;
use super::random::{leave_out, random};
use super::sheet;
use super::world::{DAY, World, host, name};

const DAYS: Duration = Duration::from_secs(DAY);

/// Two domains on three servers, both with certificates; the second has one host.
fn two_domains() -> (World, Hostname) {
    let (mut world, _) = literal::one_domain(2);
    world.observed.servers.push(sheet::dovecot());
    let mut leaving = host(&mut Chance::of(3), "mx", "example.net");
    leaving.reasons = vec![Why::Config];
    let leaves = leaving.host.clone();
    world.hosts.iter_mut().for_each(|host| host.reasons = leaving.reasons.clone());
    world.hosts.push(leaving);
    world.domains.push(name("example.net"));
    world.come_to_rest();
    (world, leaves)
}

fn removes(plan: &Plan) -> bool {
    plan.steps.iter().any(|step| matches!(step.action, Action::Remove { .. }))
}

/// The files with a certificate in them, but for those of the default.
fn files_with(world: &World, certificate: &str) -> Vec<PathBuf> {
    let held = world.observed.held.iter().filter(|held| held.name.as_str() == certificate);
    let digests: BTreeSet<_> = held
        .flat_map(|held| &held.versions)
        .flat_map(|own| [own.facts.combined, own.facts.key_file, own.facts.chain_file])
        .collect();
    let files = world.observed.servers.iter().flat_map(|seen| &seen.files);
    let holds = |file: &FileSeen| {
        matches!(file, FileSeen::Regular { identity: Some(identity), .. }
            if digests.contains(identity))
    };
    let is_default = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| ["default.pem", "exim.crt", "exim.key"].contains(&name))
    };
    let files = files.filter(|(path, file)| !is_default(path) && holds(file));
    files.map(|(path, _)| path.clone()).collect()
}

fn versions(world: &World, certificate: &str) -> usize {
    let held = world.observed.held.iter().filter(|held| held.name.as_str() == certificate);
    held.map(|held| held.versions.len()).sum()
}

#[test]
fn a_certificate_that_nobody_wants_goes_with_its_files_when_it_has_ended() {
    let (mut world, leaves) = two_domains();
    let before = files_with(&world, "example.net");
    assert!(before.len() >= 4, "on three servers: {before:?}");
    // The host is out, and it is certain.
    world.hosts.retain(|host| host.host != leaves);
    world.let_go.insert(DnsId::Host(leaves.clone()));
    for _ in 0..8 {
        world.now = world.now.plus(10 * DAYS);
        world.come_to_rest();
        assert_eq!(
            (files_with(&world, "example.net"), versions(&world, "example.net")),
            (before.clone(), 1),
            "kept until it ends"
        );
    }
    world.now = world.now.plus(12 * DAYS);
    // First nothing mentions it any more, then the files go.
    let plan = world.plan(&Mode::Run);
    assert!(!removes(&plan), "{}", crate::lines(&plan.steps));
    world.come_to_rest();
    assert_eq!(versions(&world, "example.net"), 0);
    let desired = world.desired();
    for seen in &world.observed.servers {
        let own = layout(&desired, &world.observed, seen, world.now);
        let files = wants(&seen.server, &own.shown, own.default.as_ref());
        let wanted: BTreeSet<_> = files.into_iter().map(|want| want.path).collect();
        let there: BTreeSet<_> = seen.files.keys().cloned().collect();
        assert_eq!(there, wanted, "on {}", seen.id());
    }
}

#[test]
fn a_name_that_is_absent_and_comes_back_has_everything_as_it_was() {
    let (mut world, leaves) = two_domains();
    let before = files_with(&world, "example.net");
    let hosts = world.hosts.clone();
    // Long enough for it to end; the DNS says so for the first and the second day only.
    world.hosts.retain(|host| host.host != leaves);
    world.now = world.now.plus(89 * DAYS);
    for _ in 0..2 {
        world.now = world.now.plus(1 * DAYS);
        world.come_to_rest();
        assert_eq!(files_with(&world, "example.net"), before);
    }
    world.hosts = hosts;
    let plan = world.plan(&Mode::Run);
    assert!(!removes(&plan), "{}", crate::lines(&plan.steps));
    world.come_to_rest();
    assert_eq!(versions(&world, "example.net"), 2, "renewed: {:?}", world.observed.held);
    assert_eq!(files_with(&world, "example.net"), before);
}

#[test]
fn what_somebody_else_put_there_stays() {
    let (mut world, leaves) = two_domains();
    let copy = PathBuf::from("/etc/exim/mailcert/copy.pem");
    let exim = &mut world.observed.servers[1];
    let own = files_of_exim(&exim.files, "mx.example.net");
    exim.files.insert(copy.clone(), own);
    world.hosts.retain(|host| host.host != leaves);
    world.let_go.insert(DnsId::Host(leaves));
    world.now = world.now.plus(91 * DAYS);
    world.come_to_rest();
    assert_eq!(versions(&world, "example.net"), 0);
    assert!(world.observed.servers[1].files.contains_key(&copy));
}

fn files_of_exim(files: &std::collections::BTreeMap<PathBuf, FileSeen>, host: &str) -> FileSeen {
    let own = files.iter().find(|(path, _)| path.to_string_lossy().contains(host));
    own.expect("a file of the host").1.clone()
}

#[test]
fn killed_at_any_step_the_files_go_all_the_same_and_one_that_stays_keeps_the_certificate() {
    for kill in 0..12 {
        let (mut world, leaves) = two_domains();
        world.hosts.retain(|host| host.host != leaves);
        world.let_go.insert(DnsId::Host(leaves));
        world.now = world.now.plus(91 * DAYS);
        while !removes(&world.plan(&Mode::Run)) {
            let plan = world.plan(&Mode::Run);
            assert!(!plan.steps.is_empty(), "it never comes to that");
            world.carry_out(&plan, &Mode::Run, usize::MAX);
        }
        let plan = world.plan(&Mode::Run);
        world.carry_out(&plan, &Mode::Run, kill.min(plan.steps.len()));
        let left = files_with(&world, "example.net");
        assert!(left.is_empty() || versions(&world, "example.net") == 1, "{left:?}");
        world.come_to_rest();
        assert_eq!(versions(&world, "example.net"), 0);
    }
}

#[test]
fn a_name_in_use_never_loses_its_files() {
    crate::for_many_worlds(950_000, |chance| {
        let mut world = random(chance);
        for _ in 0..6 {
            let plan = world.plan(&Mode::Run);
            harmless(&world, &plan)?;
            world.carry_out(&plan, &Mode::Run, usize::MAX);
            match chance.below(3) {
                0 => world.now = world.now.plus(Duration::from_secs(DAY * 40)),
                1 => {
                    let at = chance.below(world.hosts.len());
                    leave_out(&mut world.hosts[at]);
                    world.hosts[at].undecided = chance.once_in(3);
                    let host = DnsId::Host(world.hosts[at].host.clone());
                    world.let_go.remove(&host);
                }
                _ => {
                    let gone = world.hosts.iter().filter(|own| !own.included && !own.undecided);
                    world.let_go = gone.map(|own| DnsId::Host(own.host.clone())).collect();
                }
            }
        }
        Ok(())
    });
}

/// No file that is taken away has to be there for a name that is wanted, and no certificate is
/// forgotten that is the only one for such a name.
fn harmless(world: &World, plan: &Plan) -> Result<(), String> {
    let desired = world.desired();
    let fault = |law: &str| Err(format!("{law}: {}", crate::lines(&plan.steps)));
    for step in &plan.steps {
        match &step.action {
            Action::Remove { server, path, .. } => {
                let mut servers = world.observed.servers.iter();
                let seen = servers.find(|seen| seen.id() == server).expect("it is there");
                let own = layout(&desired, &world.observed, seen, world.now);
                let files = wants(&seen.server, &own.shown, own.default.as_ref());
                if files.is_empty() || files.iter().any(|want| want.path == *path) {
                    return fault("a file that is needed is taken away");
                }
            }
            Action::Prune { certificate, version } => {
                let held = world.observed.held.iter().find(|held| held.name == *certificate);
                let held = held.expect("it is held");
                if held.versions.last().map(|own| own.version) != Some(*version) {
                    continue;
                }
                if held.versions.iter().any(|own| own.facts.valid_at(world.now)) {
                    return fault("a certificate that works is forgotten");
                }
                if !world.observed.pins.is_empty() {
                    // Which of its versions was shown was for the records to say.
                    continue;
                }
                let wanted = world.hosts.iter().filter(|host| host.included || host.undecided);
                let shown = version_to_show(held, world.now).or_else(|| held.versions.last());
                let covers = |host: &Hostname| shown.is_some_and(|own| own.facts.covers(host));
                let wanted = wanted.filter(|host| covers(&host.host));
                let others = world.observed.held.iter().filter(|held| held.name != *certificate);
                let others: Vec<_> = others.flat_map(|held| &held.versions).collect();
                let works = |host: &Hostname| {
                    others.iter().any(|own| own.facts.valid_at(world.now) && own.facts.covers(host))
                };
                if let Some(lost) = wanted.map(|host| &host.host).find(|host| !works(host)) {
                    return fault(&format!("nothing is left for {lost}"));
                }
            }
            _ => {}
        }
    }
    Ok(())
}
