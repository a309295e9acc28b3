//! Consenters come, go and change while the channel runs: rows F23 to F28 of the faults.

use carecord_proto::common::Status;
use rand::Rng;

use crate::world::{Setting, World};

pub(crate) fn elected(setting: Setting) -> World {
    let mut world = World::new(setting);
    assert!(world.run_until(10_000, |w| w.leader().is_some()), "no leader");
    world.run(500);
    world
}

/// Envelopes to random consenters for a while.
pub(crate) fn load(world: &mut World, ms: u64) {
    let end = world.now + ms;
    while world.now < end {
        let part = world.taking_part();
        if !part.is_empty() {
            let to = part[world.rng.random_range(0..part.len())];
            for _ in 0..world.rng.random_range(1..4) {
                world.submit(to);
            }
        }
        let pause = world.rng.random_range(1..60);
        world.run(pause);
    }
}

pub(crate) fn in_line(world: &mut World, what: &str) {
    assert!(world.run_until(60_000, World::is_in_line), "{what}: {:?}", world.consenters());
}

/// All is healed: everything goes on and nothing was lost.
pub(crate) fn verify(mut world: World, what: &str) -> World {
    world.heal();
    world.run(15_000);
    let last = world.leader().map(|leader| world.submit(leader));
    world.run(5_000);
    let answer = last.and_then(|last| world.answer(last));
    if answer != Some(Status::Success) {
        let leader = world.leader();
        world.violation(format!("after healing {leader:?} answered {answer:?}"));
    }
    world.verify();
    assert_eq!(world.violations, Vec::<String>::new(), "{what}");
    world
}

pub(crate) fn a_follower(world: &World) -> u64 {
    let leader = world.leader().unwrap();
    world.consenters().into_iter().find(|id| *id != leader).unwrap()
}

#[test]
fn a_new_consenter_listens_until_it_has_caught_up_and_the_channel_goes_on_meanwhile() {
    for lag in [5, 1_000] {
        let mut world = elected(Setting { max_append_lag: lag, ..Setting::calm(3, 31) });
        load(&mut world, 3_000);
        assert!(world.insist(10_000, World::submit_addition));
        assert_eq!(world.consenters(), [1, 2, 3, 4]);
        world.run(1_000);
        let members = |w: &World| {
            let core = w.peers[&w.leader().unwrap()].core.as_ref().unwrap();
            (core.members().0.to_vec(), core.members().1.to_vec())
        };
        assert_eq!(members(&world), (vec![1, 2, 3], vec![4]), "nobody votes who is not there");
        let leader = world.leader().unwrap();
        let name = world.submit(leader);
        world.run(500);
        assert_eq!(world.answer(name), Some(Status::Success), "the channel goes on");
        world.join(4, None);
        in_line(&mut world, "the new one votes");
        assert_eq!(members(&world), (vec![1, 2, 3, 4], vec![]));
        load(&mut world, 1_000);
        verify(world, "one more");
    }
}

#[test]
fn of_two_consenters_one_can_go_and_the_other_goes_on_alone() {
    for seed in 0..10 {
        let mut world = elected(Setting::calm(2, 40 + seed));
        load(&mut world, 500);
        let gone = a_follower(&world);
        assert!(world.insist(10_000, |w, to| w.submit_removal(to, gone)));
        in_line(&mut world, "one left");
        world.run(20_000);
        assert!(world.peers[&gone].retired, "it learned that it is out");
        verify(world, "alone");
    }
}

#[test]
fn a_leader_that_is_removed_hands_over_first() {
    for seed in 0..10 {
        let mut world = elected(Setting::calm(3, 60 + seed));
        load(&mut world, 500);
        let gone = world.leader().unwrap();
        assert!(world.insist(10_000, |w, to| w.submit_removal(to, gone)));
        in_line(&mut world, "two left");
        assert_ne!(world.leader(), Some(gone));
        // It goes on confirming until it learns that nobody needs that any more: by its removal, or by a later block.
        load(&mut world, 500);
        world.run(20_000);
        assert!(world.peers[&gone].retired);
        verify(world, "the leader left");
    }
}

/// The leader orders it, answers and hands over at once; the follower once gave the envelope up before the answer came.
#[test]
fn an_update_by_way_of_a_follower_that_removes_the_leader_is_answered_success() {
    for seed in 0..50 {
        let mut world = elected(Setting { delay_ms: 40, ..Setting::calm(3, 1_200 + seed) });
        load(&mut world, 500);
        let gone = world.leader().unwrap();
        let via = a_follower(&world);
        let name = world.submit_removal(via, gone);
        in_line(&mut world, "two left");
        world.run(3_000);
        assert_eq!(world.answer(name), Some(Status::Success), "seed {seed}");
        verify(world, &format!("seed {seed}"));
    }
}

#[test]
fn changes_survive_the_restart_of_everybody() {
    for seed in 0..10 {
        let mut world =
            elected(Setting { max_append_lag: 5 + seed * 20, ..Setting::calm(3, 90 + seed) });
        assert!(world.insist(10_000, World::submit_addition));
        world.join(4, None);
        in_line(&mut world, "four");
        let gone = a_follower(&world);
        assert!(world.insist(10_000, |w, to| w.submit_removal(to, gone)));
        in_line(&mut world, "three");
        for id in world.consenters() {
            world.crash(id);
        }
        for id in world.consenters() {
            world.start(id);
        }
        in_line(&mut world, "three again");
        assert!(world.run_until(10_000, |w| w.leader().is_some()));
        verify(world, "after restarts");
    }
}

#[test]
fn f23_a_wiped_node_never_votes_and_comes_back_under_a_new_id_without_a_restart_of_others() {
    for seed in 0..20 {
        let setting = Setting { max_append_lag: 5 + seed * 10, ..Setting::calm(3, 200 + seed) };
        let mut world = elected(setting);
        load(&mut world, 2_000);
        let victim = a_follower(&world);
        world.crash(victim);
        world.wipe(victim);
        world.start(victim);
        let lives: Vec<u64> = world.peers.values().map(|peer| peer.life).collect();
        // Nobody leads by its vote: with another one down there is no leader.
        let leader = world.leader().unwrap();
        world.crash(leader);
        world.run(10_000);
        assert_eq!(world.leader(), None, "seed {seed}: a wiped node voted");
        world.start(leader);
        assert!(world.run_until(20_000, |w| w.leader().is_some()));
        assert_ne!(world.leader(), Some(victim));
        load(&mut world, 1_000);
        assert!(world.insist(20_000, |w, to| w.submit_removal(to, victim)));
        in_line(&mut world, "without it");
        let id = world.next_id();
        assert!(world.insist(20_000, World::submit_addition));
        world.join(id, Some(victim));
        in_line(&mut world, "with it again");
        assert!(!world.consenters().contains(&victim) && world.consenters().contains(&id));
        for (before, peer) in lives.iter().zip(world.peers.iter()) {
            let restarted = *peer.0 == leader || *peer.0 == victim;
            assert!(restarted || peer.1.life == *before, "others were restarted");
        }
        load(&mut world, 1_000);
        verify(world, &format!("seed {seed}"));
    }
}

#[test]
fn f24_a_node_restored_from_an_old_backup_is_found_out_and_does_not_vote_any_more() {
    for seed in 0..20 {
        let mut world = elected(Setting::calm(3, 300 + seed));
        load(&mut world, 1_000);
        let victim = a_follower(&world);
        let backup = world.peers[&victim].disk.copy();
        load(&mut world, 2_000);
        world.crash(victim);
        world.restore(victim, backup);
        world.start(victim);
        assert!(world.run_until(5_000, |w| !w.peers[&victim].votes), "seed {seed}: not noticed");
        // From here on it is as with a wiped node.
        let leader = world.leader().unwrap();
        world.run(1_000);
        world.crash(leader);
        world.run(10_000);
        assert_eq!(world.leader(), None, "seed {seed}: it voted");
        world.start(leader);
        assert!(world.run_until(20_000, |w| w.leader().is_some()));
        let gone = victim;
        assert!(world.insist(20_000, |w, to| w.submit_removal(to, gone)));
        let id = world.next_id();
        assert!(world.insist(20_000, World::submit_addition));
        world.join(id, Some(victim));
        in_line(&mut world, "with it again");
        verify(world, &format!("seed {seed}"));
    }
}

/// One random change of who takes part, and what a machine's operator does about it.
fn change(world: &mut World) {
    let consenters = world.consenters();
    let id = consenters[world.rng.random_range(0..consenters.len())];
    match world.rng.random_range(0..4) {
        0 if consenters.len() < 6 => {
            let next = world.next_id();
            if world.insist(20_000, World::submit_addition) && world.consenters().contains(&next) {
                world.join(next, None);
            }
        }
        1 if consenters.len() > 3 => {
            world.insist(20_000, |w, to| w.submit_removal(to, id));
        }
        2 if consenters.len() > 3 => {
            if let Some(leader) = world.leader() {
                world.insist(20_000, |w, to| w.submit_removal(to, leader));
            }
        }
        _ => {
            world.insist(20_000, |w, to| w.submit_rotation(to, id));
        }
    }
}

fn f25(seed: u64) -> World {
    let nodes = 3 + seed % 3;
    let loss = if seed.is_multiple_of(2) { 20 } else { 0 };
    let mut world = elected(Setting {
        loss,
        delay_ms: 1 + seed % 20,
        write_ms: seed % 15,
        max_append_lag: 5 + seed % 60,
        window_bytes: 500 * (seed as usize % 5),
        ..Setting::calm(nodes, 400 + seed)
    });
    for _ in 0..8 {
        load(&mut world, 1_500);
        match world.rng.random_range(0..4) {
            0 => {
                if let Some(leader) = world.leader() {
                    world.crash(leader);
                    world.restart_after(leader, 3_000);
                }
            }
            1 => {
                let victim = world.consenters()[0];
                world.isolate(victim);
            }
            2 => {
                if let Some(leader) = world.leader() {
                    world.isolate(leader);
                }
            }
            _ => {}
        }
        change(&mut world);
        // Now and then the leader dies in the middle of it.
        if world.rng.random_bool(0.5)
            && let Some(leader) = world.leader()
        {
            world.crash(leader);
            world.restart_after(leader, 500);
        }
        load(&mut world, 500);
        world.recover();
    }
    verify(world, &format!("seed {seed}"))
}

#[test]
fn f25_consenters_change_under_load_cuts_and_crashes_and_nothing_is_lost() {
    let mut changes = 0;
    let mut acknowledged = 0;
    for seed in 0..50 {
        let world = f25(seed);
        changes += world.peers.len() as u64
            + world.peers.values().filter(|p| p.retired).count() as u64
            - world.setting.nodes;
        acknowledged += world.stats.acknowledged;
    }
    println!("50 seeds: {changes} consenters came or went, {acknowledged} envelopes acknowledged");
}

#[test]
fn f26_a_node_evicted_while_it_was_down_and_added_twice_comes_back_once() {
    for seed in 0..20 {
        let mut world =
            elected(Setting { max_append_lag: 5 + seed * 10, ..Setting::calm(4, 500 + seed) });
        load(&mut world, 1_000);
        let victim = a_follower(&world);
        world.crash(victim);
        let mut id = victim;
        for _ in 0..2 {
            assert!(world.insist(20_000, |w, to| w.submit_removal(to, id)));
            load(&mut world, 500);
            id = world.next_id();
            assert!(world.insist(20_000, World::submit_addition), "seed {seed}");
            load(&mut world, 500);
        }
        assert_eq!(id, 6, "ids are never used twice");
        world.start(victim);
        assert!(
            world.run_until(30_000, |w| w.peers[&victim].retired),
            "seed {seed}: it does not notice"
        );
        world.join(id, Some(victim));
        in_line(&mut world, "back");
        load(&mut world, 500);
        world.crash(id);
        world.start(id);
        in_line(&mut world, "after a restart");
        verify(world, &format!("seed {seed}"));
    }
}

#[test]
fn f27_with_one_node_down_only_its_own_certificate_may_be_changed() {
    for seed in 0..20 {
        let mut world = elected(Setting::calm(3, 600 + seed));
        let dead = a_follower(&world);
        world.crash(dead);
        world.run(3_000);
        for id in world.consenters() {
            let leader = world.leader().unwrap();
            let name = world.submit_rotation(leader, id);
            world.run(1_000);
            let expected = if id == dead { Status::Success } else { Status::BadRequest };
            assert_eq!(world.answer(name), Some(expected), "seed {seed}: {id}");
        }
        let leader = world.leader().unwrap();
        let name = world.submit_addition(leader);
        world.run(1_000);
        assert_eq!(world.answer(name), Some(Status::BadRequest), "nobody may come");
        assert!(world.insist(5_000, |w, to| w.submit_removal(to, dead)), "the dead one may go");
        verify(world, &format!("seed {seed}"));
    }
}

#[test]
fn f28_a_lone_orderer_leads_again_within_two_election_timeouts() {
    for seed in 0..50 {
        let mut world = elected(Setting::calm(1, 700 + seed));
        let before = world.submit(1);
        world.run(200);
        world.crash(1);
        world.start(1);
        assert!(world.run_until(2 * 10 * 100, |w| w.leader().is_some()), "seed {seed}");
        assert_eq!(world.answer(before), Some(Status::Success));
        verify(world, &format!("seed {seed}"));
    }
}
