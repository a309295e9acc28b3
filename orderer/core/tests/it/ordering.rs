//! How envelopes become blocks when nothing, or one thing, goes wrong.

use bytes::Bytes;
use carecord_consensus::{
    Admitted, ChannelCore, Class, Config, Effect, Event, Millis, RequestId, Submission,
};
use carecord_proto::block;
use carecord_proto::common::{Block, Status};
use prost::Message;

use crate::disk::Disk;
use crate::world::{Setting, World, envelope, params};

/// An envelope for a core on its own.
pub(crate) fn submission(id: RequestId) -> Event {
    let envelope = envelope(id.0);
    let size = envelope.len();
    let admitted = Admitted { envelope, size, config_seq: 0, class: Class::Normal };
    Event::Submit(Submission { id, admitted, forwarded: false, answered: false })
}

fn elected(setting: Setting) -> (World, u64) {
    let mut world = World::new(setting);
    assert!(world.run_until(10_000, |w| w.leader().is_some()), "no leader");
    world.run(500);
    let leader = world.leader().unwrap();
    (world, leader)
}

fn sizes(world: &World) -> Vec<usize> {
    let blocks = world.agreed.iter().skip(1);
    blocks.map(|b| Block::decode(b.clone()).unwrap().data.unwrap().data.len()).collect()
}

#[test]
fn light_load_does_not_wait_for_the_batch_timeout() {
    let (mut world, leader) = elected(Setting::calm(3, 1));
    let sent = world.now;
    let name = world.submit(leader);
    assert!(world.run_until(1_000, |w| w.answer(name).is_some()));
    assert_eq!(world.answer(name), Some(Status::Success));
    assert!(world.now - sent <= 40, "it took {} ms", world.now - sent);
    assert_eq!(sizes(&world), [1]);
}

#[test]
fn a_burst_shares_blocks_up_to_the_count_and_several_are_under_way_at_once() {
    let (mut world, leader) = elected(Setting { delay_ms: 50, ..Setting::calm(3, 2) });
    let names: Vec<u64> = (0..45).map(|_| world.submit(leader)).collect();
    let most = world.peers[&leader].core.as_ref().unwrap().pending();
    assert_eq!(most, 45);
    world.run(3_000);
    assert!(names.iter().all(|name| world.answer(*name) == Some(Status::Success)));
    assert_eq!(sizes(&world), [1, 10, 10, 10, 10, 4]);
    world.verify();
    assert_eq!(world.violations, Vec::<String>::new());
}

#[test]
fn under_load_an_idle_pipeline_waits_until_no_more_envelopes_come_but_not_long() {
    let (mut world, leader) = elected(Setting::calm(3, 9));
    (0..6).for_each(|_| {
        world.submit(leader);
    });
    world.run(500);
    assert_eq!(sizes(&world), [1, 5]);
    for _ in 0..8 {
        world.submit(leader);
        world.run(1);
    }
    world.run(500);
    assert_eq!(sizes(&world), [1, 5, 8]);
    world.submit(leader);
    let sent = world.now;
    assert!(world.run_until(1_000, |w| sizes(w).len() == 4));
    assert!(world.now - sent <= 40, "it took {} ms", world.now - sent);
}

#[test]
fn an_envelope_sent_to_a_follower_is_ordered_by_the_leader() {
    let (mut world, leader) = elected(Setting::calm(3, 3));
    let follower = (1..=3).find(|id| *id != leader).unwrap();
    let name = world.submit(follower);
    world.run(500);
    assert_eq!(world.answer(name), Some(Status::Success));
}

#[test]
fn without_a_leader_the_answer_is_service_unavailable() {
    let mut world = World::new(Setting::calm(3, 4));
    let name = world.submit(1);
    assert_eq!(world.answer(name), Some(Status::ServiceUnavailable));
}

#[test]
fn a_leader_cut_off_answers_service_unavailable_and_its_blocks_lose() {
    let (mut world, leader) = elected(Setting::calm(3, 5));
    world.isolate(leader);
    let lost: Vec<u64> = (0..3).map(|_| world.submit(leader)).collect();
    world.run(6_000);
    assert!(lost.iter().all(|name| world.answer(*name) == Some(Status::ServiceUnavailable)));
    let other = world.leader().unwrap();
    assert_ne!(other, leader);
    let name = world.submit(other);
    world.run(500);
    assert_eq!(world.answer(name), Some(Status::Success));
    world.recover();
    world.run(3_000);
    world.verify();
    assert_eq!(world.violations, Vec::<String>::new());
}

#[test]
fn a_lone_orderer_leads_again_after_a_restart() {
    let (mut world, leader) = elected(Setting::calm(1, 6));
    let before = world.submit(leader);
    world.run(200);
    world.crash(1);
    world.start(1);
    assert!(world.run_until(2 * 1_000 * 2, |w| w.leader().is_some()));
    world.run(200);
    let after = world.submit(1);
    world.run(200);
    let answers = [before, after].map(|name| world.answer(name));
    assert_eq!(answers, [Some(Status::Success), Some(Status::Success)]);
}

#[test]
fn a_configuration_is_alone_in_its_block_and_what_came_under_the_old_one_is_admitted_again() {
    let (mut world, leader) = elected(Setting { delay_ms: 30, ..Setting::calm(3, 7) });
    let before: Vec<u64> = (0..2).map(|_| world.submit(leader)).collect();
    world.submit_config(leader);
    let after: Vec<u64> = (0..3).map(|_| world.submit(leader)).collect();
    world.run(3_000);
    let sizes = sizes(&world);
    assert_eq!((&sizes[..3], sizes.iter().sum::<usize>()), (&[1, 1, 1][..], 6));
    for name in before.into_iter().chain(after) {
        assert_eq!(world.answer(name), Some(Status::Success));
    }
    assert!(world.peers.values().all(|peer| peer.config_seq == 1));
    let last = Block::decode(world.agreed[4].clone()).unwrap();
    assert_eq!(carecord_proto::block::last_config(&last).unwrap(), 3);
}

#[test]
fn a_node_that_stops_hands_leadership_over() {
    let (mut world, leader) = elected(Setting::calm(3, 8));
    world.transfer(leader, None);
    world.run(100);
    let next = world.leader().unwrap();
    assert_ne!(next, leader);
}

/// After how many ticks a lone node leads whose election timeout was changed to this before.
fn ticks_until_it_leads(election_tick: u32, seed: u64) -> u32 {
    let genesis = block::new(0, Bytes::new(), vec![Bytes::from_static(b"genesis")]);
    let disk = Disk::default();
    let restored = disk.replay(&genesis, 1).unwrap();
    let reader = Box::new(disk);
    let mut core = ChannelCore::new(Config::new(1, seed), params(1, 0), restored, reader).unwrap();
    let mut changed = params(1, 1);
    changed.raft.election_tick = election_tick;
    core.handle(Millis(0), Event::Configured { params: changed });
    for tick in 1..1_000 {
        let effects = core.handle(Millis(0), Event::Tick);
        let stands = effects.iter().any(|effect| matches!(effect, Effect::Persist { .. }));
        if stands || core.is_leader() {
            return tick;
        }
    }
    panic!("nobody leads");
}

#[test]
fn an_election_timeout_that_is_changed_holds_from_then_on() {
    for seed in 0..20 {
        for election_tick in [2, 5, 10, 13, 40, 100] {
            let ticks = ticks_until_it_leads(election_tick, seed);
            assert!(
                (election_tick..=2 * election_tick).contains(&ticks),
                "{election_tick}: {ticks}"
            );
        }
    }
}
