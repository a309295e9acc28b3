//! A node that is far behind fetches blocks, in whatever state it comes back.

use crate::world::{Setting, World};

fn with_blocks(setting: Setting, away: u64, blocks: usize) -> World {
    let mut world = World::new(setting);
    world.run(4_000);
    world.crash(away);
    assert!(world.run_until(10_000, |w| w.leader().is_some_and(|id| id != away)));
    world.run(500);
    for _ in 0..blocks {
        let leader = world.leader().unwrap();
        world.submit(leader);
        world.run(20);
    }
    world
}

fn setting(seed: u64) -> Setting {
    Setting { max_append_lag: 20, window_bytes: 400, ..Setting::calm(3, seed) }
}

#[test]
fn a_node_that_was_away_fetches_what_raft_does_not_send() {
    let mut world = with_blocks(setting(21), 2, 100);
    world.start(2);
    world.run(3_000);
    assert_eq!(world.stats.caught_up, 1);
    world.verify();
    assert_eq!(world.violations, Vec::<String>::new());
}

#[test]
fn a_node_a_little_behind_is_served_from_the_log_even_when_that_left_memory() {
    let mut world = with_blocks(Setting { window_bytes: 0, ..setting(22) }, 3, 15);
    world.start(3);
    world.run(3_000);
    assert_eq!(world.stats.caught_up, 0);
    world.verify();
    assert_eq!(world.violations, Vec::<String>::new());
}

#[test]
fn a_wiped_node_comes_back_without_a_vote_and_without_a_restart_of_the_leader() {
    let mut world = with_blocks(setting(23), 1, 60);
    world.wipe(1);
    world.start(1);
    world.run(5_000);
    world.verify();
    assert_eq!(world.violations, Vec::<String>::new());
    // It replicates, so one of the others may now be missing; but it never leads.
    let leader = world.leader().unwrap();
    assert_ne!(leader, 1);
    world.isolate(leader);
    world.run(10_000);
    let rival = world.leader().filter(|id| *id != leader);
    assert_eq!(rival, None, "a leader was elected with the vote of a node that lost its data");
}

#[test]
fn a_node_wiped_while_the_leader_thinks_it_is_up_to_date_is_noticed() {
    let mut world = World::new(setting(24));
    world.run(4_000);
    let leader = world.leader().unwrap();
    for _ in 0..40 {
        world.submit(leader);
        world.run(20);
    }
    let follower = (1..=3).find(|id| *id != leader).unwrap();
    world.crash(follower);
    world.wipe(follower);
    world.start(follower);
    world.run(5_000);
    assert_eq!(world.leader(), Some(leader));
    world.verify();
    assert_eq!(world.violations, Vec::<String>::new());
}

#[test]
fn a_catch_up_goes_on_after_crashes_in_the_middle() {
    let mut world = with_blocks(setting(25), 2, 150);
    for _ in 0..12 {
        world.start(2);
        world.run(60);
        world.crash(2);
    }
    world.start(2);
    world.run(4_000);
    assert!(world.stats.caught_up >= 1);
    world.verify();
    assert_eq!(world.violations, Vec::<String>::new());
}
