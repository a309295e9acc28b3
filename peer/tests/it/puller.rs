//! Blocks on their way in: bad ones, lost orderers, and a peer that was away.

use std::time::Duration;

use carecord_proto::block;
use carecord_proto::common::{BlockMetadataIndex, Envelope};

use crate::world::{CHANNEL, World};

fn odd(text: &'static str) -> Envelope {
    Envelope { payload: text.into(), signature: "s".into() }
}

#[tokio::test]
async fn a_bad_block_changes_nothing_and_the_next_good_one_is_taken() {
    let spoilers: [fn(&mut carecord_proto::common::Block); 5] = [
        |bad| bad.header.as_mut().expect("there").number += 1,
        |bad| bad.header.as_mut().expect("there").previous_hash = vec![7; 32].into(),
        |bad| bad.data.as_mut().expect("there").data.push("more".into()),
        |bad| block::set_slot(bad, BlockMetadataIndex::Signatures, bytes::Bytes::new()),
        |bad| bad.metadata = None,
    ];
    let world = World::new(&["AMSP"]).await;
    let channel = world.peer(0).channel(CHANNEL).expect("joined");
    for spoil in spoilers {
        let height = channel.ledger().height();
        world.solo.spoil(Some(spoil));
        world.solo.order(vec![odd("x")]);
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(channel.ledger().height(), height);
        assert_eq!(channel.halted(), None, "a bad source is no reason to halt");
        world.solo.spoil(None);
        world.caught_up(0).await;
    }
}

#[tokio::test]
async fn a_second_orderer_is_followed_when_the_first_goes_away() {
    let mut world = World::without_peers(&["AMSP"]).await;
    let second = world.solo.twin();
    let second_handle = second.serve("127.0.0.1:0").await;
    let node = carecord_peer::RemoteNode {
        msp_id: "OrdererMSP".to_owned(),
        address: second_handle.address().to_string(),
        tls_roots: Vec::new(),
        server_name: None,
    };
    world.add_peer(0, |config| config.orderers = vec![node]).await;
    world.solo.order(vec![odd("one")]);
    world.caught_up(0).await;
    let first = world.orderer.take().expect("it runs");
    first.stop(Duration::from_millis(10)).await;
    world.solo.order(vec![odd("two")]);
    world.caught_up(0).await;
}

/// The connection stands and is answered, so nothing but its silence tells.
#[tokio::test]
async fn an_orderer_that_has_no_more_blocks_than_it_had_is_left_for_one_that_has() {
    let mut world = World::without_peers(&["AMSP"]).await;
    let address = world.orderer.as_ref().expect("it runs").address().to_string();
    world.orderer.take().expect("it runs").stop(Duration::from_millis(10)).await;
    let stuck = world.solo.stuck();
    let stuck_handle = stuck.serve("127.0.0.1:0").await;
    let node = carecord_peer::RemoteNode {
        msp_id: "OrdererMSP".to_owned(),
        address: stuck_handle.address().to_string(),
        tls_roots: Vec::new(),
        server_name: None,
    };
    world.add_peer(0, |config| config.orderers = vec![node]).await;
    // By now it follows the stuck one, the only one there is.
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.orderer = Some(world.solo.serve(&address).await);
    world.solo.order(vec![odd("one")]);
    let channel = world.peer(0).channel(CHANNEL).expect("joined");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(channel.ledger().height(), 1, "the stuck one is followed");
    for _ in 0..40 {
        if channel.ledger().height() == 2 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("the peer stays with an orderer that has nothing");
}

#[tokio::test]
async fn a_peer_that_was_away_catches_up_and_keeps_what_it_had() {
    let mut world = World::new(&["AMSP"]).await;
    world.deploy("mischief", "OR('AMSP.peer')").await;
    let client = world.client(0, 0);
    client.transact("mischief", &[b"put", b"k", b"v"], &[]).await.expect("committed");
    let before = world.peer(0).channel(CHANNEL).expect("joined").ledger().commit_hash();
    let height = world.solo.height();
    drop(client);
    world.peers[0].stop().await;
    for _ in 0..20 {
        world.solo.order(vec![odd("x"), odd("y")]);
    }
    world.peers[0].start().await;
    let channel = world.peer(0).channel(CHANNEL).expect("still joined");
    assert!(channel.ledger().height() >= height, "nothing was lost");
    let stored = channel.ledger().block(height - 1).expect("readable").expect("there");
    assert_eq!(block::commit_hash(&stored).as_deref(), before.as_ref().map(|hash| &hash[..]));
    world.caught_up(0).await;
    let client = world.client(0, 0);
    assert_eq!(client.evaluate("mischief", &[b"get", b"k"]).await.expect("answered"), "v");
}

/// A removed organisation never gets the block that removes it, so its peer's own configuration says that all is well.
#[tokio::test]
async fn a_peer_that_every_orderer_refuses_answers_nobody_until_one_serves_it_again() {
    let world = World::new(&["AMSP"]).await;
    world.deploy("mischief", "OR('AMSP.peer')").await;
    let client = world.client(0, 0);
    client.transact("mischief", &[b"put", b"k", b"v"], &[]).await.expect("committed");
    assert_eq!(client.evaluate("mischief", &[b"get", b"k"]).await.expect("answered"), "v");
    let channel = world.peer(0).channel(CHANNEL).expect("joined");

    world.solo.forbid(true);
    world.solo.order(vec![odd("x")]);
    wait_until(|| channel.is_shut_out()).await;
    let refused = client.evaluate("mischief", &[b"get", b"k"]).await.expect_err("refused");
    let said = format!("{refused:?}");
    assert!(said.contains("is no member of the channel any more"), "{said}");

    world.solo.forbid(false);
    wait_until(|| !channel.is_shut_out()).await;
    world.caught_up(0).await;
    assert_eq!(client.evaluate("mischief", &[b"get", b"k"]).await.expect("answered"), "v");
}

async fn wait_until(holds: impl Fn() -> bool) {
    for _ in 0..400 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it did not come to that in 20 s");
}

#[tokio::test]
async fn a_join_that_was_cut_short_is_finished_at_the_next_start() {
    let mut world = World::without_peers(&["AMSP"]).await;
    let config = world.peer_config(0);
    let joining = config.data_dir.join("joining");
    std::fs::create_dir_all(&joining).expect("a folder");
    let genesis = prost::Message::encode_to_vec(&world.genesis);
    std::fs::write(joining.join(CHANNEL), &genesis).expect("written");
    std::fs::write(joining.join("half"), &genesis[..genesis.len() / 2]).expect("written");
    std::fs::create_dir_all(config.data_dir.join("ledgers").join(CHANNEL)).expect("a folder");
    let handle = carecord_peer::Peer::start(config.clone()).await.expect("it starts");
    world.peers.push(crate::world::Node::of(handle, config));
    world.solo.order(vec![odd("x")]);
    world.caught_up(0).await;
    assert_eq!(world.peer(0).channels().len(), 1);
    assert_eq!(std::fs::read_dir(joining).expect("readable").count(), 0);
}
