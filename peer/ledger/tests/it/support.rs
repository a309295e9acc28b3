//! Ledgers of a real Fabric network, and a ledger in memory to replay them into.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use carecord_blocks::storage::Simulated;
use carecord_ledger::state::MemoryEngine;
use carecord_ledger::{Committed, Error, ForeignChannels, Ledger, Options};
use carecord_proto::common::Block;
use carecord_proto::{block, fabric_file, testdata};

/// One of the golden ledgers: what its orderer had, and what its peer made of it.
#[derive(Debug, Clone, Copy)]
pub struct Golden {
    pub name: &'static str,
    orderer: &'static str,
    peer: &'static str,
    /// Other channels that the peer had joined.
    pub known: &'static [&'static str],
}

pub const GOLDEN: [Golden; 3] = [
    Golden {
        name: "fabric-golden",
        orderer: "fabric-golden/orderer.blk",
        peer: "fabric-golden/peer.blk",
        known: &[],
    },
    Golden {
        name: "fabric-golden-2/golden",
        orderer: "fabric-golden-2/golden/orderer.blk",
        peer: "fabric-golden-2/golden/peer1.blk",
        known: &[],
    },
    Golden {
        name: "fabric-golden-2/raw",
        orderer: "fabric-golden-2/raw/orderer.blk",
        peer: "fabric-golden-2/raw/peer1.blk",
        known: &["golden"],
    },
];

impl Golden {
    pub fn orderer_file(self) -> Option<Bytes> {
        Some(std::fs::read(testdata::path(self.orderer)?).unwrap().into())
    }

    pub fn orderer_blocks(self) -> Option<Vec<Block>> {
        self.orderer_file().map(blocks)
    }

    pub fn peer_blocks(self) -> Option<Vec<Block>> {
        Some(blocks(std::fs::read(testdata::path(self.peer)?).unwrap().into()))
    }

    pub fn options(self) -> Options {
        let known: BTreeSet<_> = self.known.iter().map(ToString::to_string).collect();
        let foreign_channels = match known.is_empty() {
            true => ForeignChannels::Refuse,
            false => ForeignChannels::AsFabric(known),
        };
        Options { foreign_channels, threads: 1, ..Options::default() }
    }
}

pub fn blocks(file: Bytes) -> Vec<Block> {
    fabric_file::read(file).collect::<Result<_, _>>().unwrap()
}

/// A ledger in memory that has only its genesis block.
pub fn start(genesis: &Block, options: Options) -> Result<Ledger, Error> {
    Ledger::start(Simulated::new(), Box::new(MemoryEngine::default()), genesis, options)
}

/// Commits a block as it came from an orderer.
pub fn commit(ledger: &Ledger, block: &Block) -> Result<Committed, Error> {
    let prefetched = ledger.prefetch(block);
    ledger.commit(block.clone(), prefetched)
}

/// Replays an orderer's blocks from the first.
pub fn replay(blocks: &[Block], options: Options) -> Result<(Ledger, Vec<Committed>), Error> {
    let ledger = start(&blocks[0], options)?;
    let committed =
        blocks[1..].iter().map(|block| commit(&ledger, block)).collect::<Result<_, _>>()?;
    Ok((ledger, committed))
}

/// Flags and commit hash of a committed block.
pub fn outcome(committed: &Committed) -> (Vec<u8>, Option<Bytes>) {
    let block: &Arc<Block> = &committed.block;
    (block::flags(block).to_vec(), block::commit_hash(block))
}

/// A small generator with a full period: the same flips in every run.
pub fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) ^ *state >> 7
}
