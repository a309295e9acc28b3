//! Bundles of the configurations in the golden ledgers: each compiles, and each leads to the next.

use carecord_channel::{BLOCK_VALIDATION, Bundle, acl};
use carecord_proto::common::Block;
use carecord_proto::{block, fabric_file, testdata};
use prost::Message;

fn blocks(file: &str) -> Option<Vec<Block>> {
    let Some(path) = testdata::path(file) else {
        testdata::skipped(&format!("configurations of {file}"));
        return None;
    };
    let raw = bytes::Bytes::from(std::fs::read(path).expect("readable"));
    Some(fabric_file::read(raw).map(|block| block.expect("a block")).collect())
}

/// Follows all configurations of a ledger and says how many there are.
fn follow(file: &str) -> Option<usize> {
    let blocks = blocks(file)?;
    let mut bundle = Bundle::from_block(&blocks[0]).expect("the genesis block");
    let mut configs = 1;
    for block in &blocks[1..] {
        let Some(envelope) = block::config_envelope(block).expect("readable") else { continue };
        let number = block::number(block);
        bundle =
            bundle.next_bundle(&envelope).unwrap_or_else(|e| panic!("{file} block {number}: {e}"));
        configs += 1;
        assert!(!bundle.policy(BLOCK_VALIDATION).is_reject());
    }
    println!("{file}: {configs} configurations in {} blocks", blocks.len());
    Some(configs)
}

#[test]
fn every_configuration_of_the_golden_ledgers_leads_to_the_next() {
    let files = [
        ("fabric-golden/orderer.blk", 1),
        ("fabric-golden/peer.blk", 1),
        ("fabric-golden-2/golden/orderer.blk", 6),
        ("fabric-golden-2/golden/peer1.blk", 6),
        ("fabric-golden-2/raw/peer2.blk", 1),
    ];
    for (file, expected) in files {
        if let Some(configs) = follow(file) {
            assert_eq!(configs, expected, "{file}");
        }
    }
}

#[test]
fn a_golden_genesis_block_says_who_orders_and_who_transacts() {
    let Some(path) = testdata::path("fabric-golden-2/golden/genesis.block") else {
        testdata::skipped("golden genesis block");
        return;
    };
    let block = Block::decode(&std::fs::read(path).expect("readable")[..]).expect("a block");
    let bundle = Bundle::from_block(&block).expect("compiles");
    assert_eq!(bundle.sequence(), 0);
    let orderer = bundle.orderer().expect("an orderer section");
    assert_eq!(orderer.raft().expect("raft").consenters.len(), 3);
    assert!(orderer.endpoints().count() >= 1);
    let application = bundle.application().expect("an application section");
    assert_eq!(application.msp_ids().collect::<Vec<_>>(), ["Org1MSP", "Org2MSP"]);
    assert!(application.group_of("Org1MSP").is_some() && application.group_of("X").is_none());
    assert_eq!(bundle.acl(acl::PEER_PROPOSE), "/Channel/Application/Writers");
    assert_eq!(bundle.acl("no/such"), "");
    assert!(!bundle.lifecycle_endorsement().is_reject());
    assert!(bundle.implicit_collection_endorsement("Org2MSP").is_some());
    assert!(bundle.implicit_collection_endorsement("Org9MSP").is_none());
}
