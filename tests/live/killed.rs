//! `kill -9` at any moment: what worked goes on working, and the next run finishes.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::clients::{for_each_name, openssl};
use crate::crash::{finalized, kill};
use crate::fix::fix;
use crate::tree::{keys_are_private, nothing_is_half_done};
use crate::world::daemons::run;
use crate::world::{Exim, Wish, World, text};

/// The ports looked at after each kill: one of each server is enough.
const PORTS: &[(u16, Option<&str>)] = &[(465, None), (993, None)];

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn a_run_killed_while_it_changes_every_key_costs_nothing() {
    let world = World::start(Wish { exim: Exim::Combined, ..Wish::default() });
    fix(&world);
    let mut types = ["ecdsa-p256", "ecdsa-p384"];
    kill_and_finish(&world, 13, 0x5EED, 4, |world, _| {
        world.reconfigure(types[0], types[1]);
        types.reverse();
    });
}

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn a_run_killed_while_it_adds_names_costs_nothing() {
    let zone = (0..12).map(|n| format!("more{n}.gamma A MACHINE")).collect();
    let world = World::start(Wish { zone, map_type: "hash", ..Wish::default() });
    fix(&world);
    // The split layout renews with the key it has: only the chain changes.
    world.reconfigure("name = \"gamma.test\"\n", "name = \"gamma.test\"\nhosts = [\n]\n");
    kill_and_finish(&world, 12, 0xC0FFEE, 1, |world, round| {
        let line = format!("\"more{round}.gamma.test\",\n]\n");
        world.reconfigure("\n]\n", &format!("\n{line}"));
    });
}

/// What every name shows is self-signed at first, so what worked is what verified before the kill.
#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn a_first_fix_killed_again_and_again_loses_no_name_and_finishes() {
    let world = World::start(Wish { exim: Exim::Combined, ..Wish::default() });
    let mut worked = works(&world);
    assert_eq!(worked, [false; NAMES], "nothing works at first");
    for round in 0..11_u32 {
        let victim = world.spawn(&["fix", "--yes"]);
        sleep(Duration::from_millis(150 + u64::from(round * 7919 % 2300)));
        kill(victim);
        let now = works(&world);
        for (index, (before, now)) in worked.iter().zip(&now).enumerate() {
            // Before the reload that is owed, an smtpd of before and one that started since answer
            // by turns: what either of them shows is not lost.
            let by_turns = || (0..5).any(|_| works(&world)[index]);
            assert!(
                now >= before || by_turns(),
                "round {round}: {:?} is lost",
                crate::clients::names(&world)[index]
            );
        }
        worked = now;
        if round == 5 {
            world.mailcert(&["fix", "--yes"]).exits(0);
            worked = works(&world);
            world.reconfigure("ecdsa-p256", "ecdsa-p384");
        }
    }
    fix(&world);
    world.mailcert(&["run"]).exits(0);
    nothing_is_half_done(&world);
}

/// Names of the world.
const NAMES: usize = 6;

/// Whether each name verifies on one port of each server.
fn works(world: &World) -> Vec<bool> {
    for_each_name(world, |name, address| {
        PORTS.iter().all(|&port| openssl(world, address, port, Some(name), name).is_ok())
    })
}

/// `change` gives a run something to do, for which it takes so many certificates; the first one,
/// unharmed, says how long it takes.
fn kill_and_finish(
    world: &World,
    rounds: u64,
    seed: u64,
    certificates: usize,
    mut change: impl FnMut(&World, u64),
) {
    change(world, 0);
    let begun = Instant::now();
    world.mailcert(&["run"]).exits(0);
    let whole = begun.elapsed();
    let mut random = seed;
    for round in 1..rounds {
        change(world, round);
        let before = finalized(world);
        let victim = world.spawn(&["run"]);
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let moment = whole.mul_f64((random >> 33) as f64 / f64::from(1_u32 << 31));
        sleep(moment);
        kill(victim);
        let when = format!("round {round}, killed after {moment:?} of {whole:?}");
        all_verify(world, &when);
        let said = world.mailcert(&["run"]);
        assert_eq!(said.code, 0, "{when}: {said}");
        all_verify(world, &format!("{when}, and run again"));
        nothing_is_half_done(world);
        assert_eq!(finalized(world) - before, certificates, "{when}: certificates issued");
    }
    keys_are_private(world);
}

fn all_verify(world: &World, when: &str) {
    let wrong = for_each_name(world, |name, address| {
        let wrong = |&port: &(u16, Option<&str>)| {
            let said = openssl(world, address, port, Some(name), name).err()?;
            Some(format!("{when}: {name} on {port:?}: {said}\n"))
        };
        PORTS.iter().filter_map(wrong).collect::<String>()
    })
    .concat();
    assert!(wrong.is_empty(), "{wrong}{}", run("ls", &["-laR", text(&world.path("exim/tls"))]));
}
