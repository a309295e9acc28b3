//! Leadership that is handed over: it goes to whom it is given, or whoever asked is told why not.

use carecord_consensus::{NodeId, TransferError, TransferToken};

use crate::membership::{a_follower, elected, load, verify};
use crate::world::{Setting, TICK_MS, World};

/// An election timeout, as the worlds have it.
const ELECTION_MS: u64 = 10 * TICK_MS;

/// By then it is told what became of a transfer: three election timeouts and a tick.
const TOLD_MS: u64 = 3 * ELECTION_MS + TICK_MS;

fn outcome(world: &mut World, token: TransferToken) -> Result<(), TransferError> {
    assert!(world.run_until(TOLD_MS, |w| w.transferred(token).is_some()), "nothing is told");
    world.transferred(token).unwrap()
}

/// Asks whoever leads, again as a shell does while that can help.
fn insist(world: &mut World, to: NodeId, tries: usize) -> Result<(), TransferError> {
    let mut last = Err(TransferError::NotLeader);
    for _ in 0..tries {
        if !world.run_until(10 * ELECTION_MS, |w| w.leader().is_some()) {
            continue;
        }
        let token = world.transfer(world.leader().unwrap(), Some(to));
        last = outcome(world, token);
        if last.is_ok() {
            break;
        }
        world.run(TICK_MS);
    }
    last
}

#[test]
fn leadership_goes_to_whom_it_is_given() {
    let mut world = elected(Setting::calm(3, 80));
    for to in [3, 1, 2, 2, 3, 1] {
        load(&mut world, 300);
        let token = world.transfer(world.leader().unwrap(), Some(to));
        assert_eq!(outcome(&mut world, token), Ok(()));
        assert_eq!(world.leader(), Some(to));
    }
    verify(world, "transfers");
}

#[test]
fn who_cannot_lead_is_named_with_the_cause_and_the_leader_goes_on() {
    let mut world = elected(Setting::calm(3, 81));
    let leader = world.leader().unwrap();
    let (follower, dead) = match leader {
        1 => (2, 3),
        2 => (1, 3),
        _ => (1, 2),
    };
    let mut ask = |of: NodeId, to: Option<NodeId>| {
        let token = world.transfer(of, to);
        world.transferred(token).unwrap_or(Ok(()))
    };
    assert_eq!(ask(follower, Some(leader)), Err(TransferError::NotLeader));
    assert_eq!(ask(leader, Some(9)), Err(TransferError::NotVoter(9)));
    assert_eq!(ask(leader, Some(leader)), Ok(()));
    world.crash(dead);
    world.run(2 * ELECTION_MS);
    let token = world.transfer(leader, Some(dead));
    assert_eq!(world.transferred(token), Some(Err(TransferError::Silent(dead))));
    assert_eq!(world.leader(), Some(leader));
    verify(world, "refusals");
}

#[test]
fn a_second_transfer_waits_for_the_first() {
    let mut world = elected(Setting { delay_ms: 50, ..Setting::calm(3, 82) });
    let leader = world.leader().unwrap();
    let to = a_follower(&world);
    let first = world.transfer(leader, Some(to));
    let second = world.transfer(leader, Some(to));
    assert_eq!(world.transferred(second), Some(Err(TransferError::UnderWay(to))));
    assert_eq!(outcome(&mut world, first), Ok(()));
    verify(world, "one at a time");
}

#[test]
fn a_follower_that_lags_is_not_waited_for() {
    let mut world = elected(Setting::calm(3, 83));
    let leader = world.leader().unwrap();
    let behind = a_follower(&world);
    world.cut.insert((leader, behind));
    load(&mut world, 5_000);
    // It still speaks: what it says arrives, what it is told does not.
    let token = world.transfer(leader, Some(behind));
    let told = world.transferred(token);
    let named = matches!(told, Some(Err(TransferError::Behind { .. } | TransferError::Silent(_))));
    assert!(named, "{told:?}");
    world.recover();
    assert_eq!(insist(&mut world, behind, 20), Ok(()));
    verify(world, "caught up");
}

#[test]
fn a_transfer_that_nobody_follows_ends_in_time_and_the_leader_orders_again() {
    let mut world = elected(Setting::calm(3, 84));
    let leader = world.leader().unwrap();
    let to = a_follower(&world);
    world.cut.insert((leader, to));
    let token = world.transfer(leader, Some(to));
    assert_eq!(outcome(&mut world, token), Err(TransferError::TimedOut(to)));
    let name = world.submit(leader);
    world.run(500);
    assert_eq!(world.answer(name), Some(carecord_proto::common::Status::Success));
    verify(world, "given up");
}

/// A commit index on its way to disk once made a follower drop the message that tells it to stand for election: one
/// write in each tick under load, and long ones on a busy machine.
#[test]
fn a_follower_that_writes_its_commit_index_still_stands_for_election() {
    for seed in 0..50 {
        let slow = TICK_MS - 10;
        let mut world = elected(Setting { write_ms: slow, ..Setting::calm(3, 900 + seed) });
        for _ in 0..4 {
            load(&mut world, 1_000);
            // Everything is durable but the commit index of the last block.
            world.run(150);
            let to = a_follower(&world);
            let token = world.transfer(world.leader().unwrap(), Some(to));
            let begun = world.now;
            assert_eq!(outcome(&mut world, token), Ok(()), "seed {seed}");
            let took = world.now - begun;
            assert!(took < 2 * TICK_MS, "seed {seed}: {took} ms, it had to be told twice");
        }
        verify(world, &format!("seed {seed}"));
    }
}

/// Under load, with messages lost, late and doubled: each wish is answered in time, the answer is true, and three wishes
/// suffice.
#[test]
fn a_transfer_under_load_and_loss_succeeds_or_tells_why() {
    let (mut wishes, mut granted, mut worst) = (0, 0, 0);
    for seed in 0..100 {
        let mut world = elected(Setting {
            loss: [0, 10, 50][seed as usize % 3],
            delay_ms: 1 + seed % 20,
            write_ms: seed % 15,
            ..Setting::calm(3 + seed % 3, 1_000 + seed)
        });
        for _ in 0..5 {
            load(&mut world, 500);
            let Some(leader) = world.leader() else { continue };
            let to = a_follower(&world);
            let (token, begun) = (world.transfer(leader, Some(to)), world.now);
            let told = outcome(&mut world, token);
            wishes += 1;
            granted += u64::from(told.is_ok());
            worst = worst.max(world.now - begun);
            match told {
                Ok(()) => assert_eq!(world.leader(), Some(to), "seed {seed}"),
                Err(why) => {
                    assert!(world.setting.loss > 0, "seed {seed}: without loss: {why}");
                    assert_eq!(insist(&mut world, to, 3), Ok(()), "seed {seed}: after {why}");
                }
            }
        }
        verify(world, &format!("seed {seed}"));
    }
    println!("{granted} of {wishes} transfers at the first wish, each told within {worst} ms");
}
