//! The committed chain's tip, and whether a block may follow it.
//!
//! Place in the flow: leaders make the next block from the tip; every node checks each committed or fetched block
//! against it; replay moves it along after a restart.

use bytes::Bytes;
use carecord_proto::common::Block;
use carecord_proto::etcdraft::BlockMetadata;
use carecord_proto::{block, common};
use prost::Message;

/// Where a chain ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tip {
    /// The last block's number.
    pub number: u64,
    /// Its header hash, which the next block names.
    pub hash: [u8; 32],
    /// The Raft index that it names; 0 for the genesis block.
    pub raft_index: u64,
    /// The last configuration block at or before it.
    pub last_config: u64,
    /// The consenter ids as of it.
    pub consenters: BlockMetadata,
}

/// Why a block cannot follow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChainError {
    #[error("entry does not hold a block: {0}")]
    NoBlock(String),
    #[error("block has no {0}")]
    Missing(&'static str),
    #[error("block number {found} does not follow {tip}")]
    Number { tip: u64, found: u64 },
    #[error("block {0} does not name the hash of the block before it")]
    PreviousHash(u64),
    #[error("block {0} does not hash to the data hash in its header")]
    DataHash(u64),
    #[error("block {number} names raft index {found}, but its entry is at {expected}")]
    RaftIndex { number: u64, expected: u64, found: u64 },
    #[error("fetched block {0} is not the one that the leader named")]
    Target(u64),
    #[error("block {number}: {reason}")]
    Metadata { number: u64, reason: String },
}

impl Tip {
    /// True if the configuration once named this id and does not any more.
    pub(crate) fn evicts(&self, id: u64) -> bool {
        id < self.consenters.next_consenter_id && !self.consenters.consenter_ids.contains(&id)
    }

    /// The tip of a chain that has only its first block; consenters are numbered from 1 in the configuration's order.
    pub(crate) fn genesis(block: &Block, consenters: usize) -> Result<Self, ChainError> {
        let header = block.header.as_ref().ok_or(ChainError::Missing("header"))?;
        let ids: Vec<u64> = (1..=consenters as u64).collect();
        let next_consenter_id = consenters as u64 + 1;
        Ok(Self {
            number: header.number,
            hash: block::header_hash(header),
            raft_index: 0,
            last_config: header.number,
            consenters: BlockMetadata { consenter_ids: ids, next_consenter_id, raft_index: 0 },
        })
    }

    /// The tip after `block`, if it is a valid next block.
    pub(crate) fn follow(&self, block: &Block) -> Result<Self, ChainError> {
        let header = block.header.as_ref().ok_or(ChainError::Missing("header"))?;
        let data = block.data.as_ref().ok_or(ChainError::Missing("data"))?;
        let number = header.number;
        if Some(number) != self.number.checked_add(1) {
            return Err(ChainError::Number { tip: self.number, found: number });
        }
        if header.previous_hash != self.hash[..] {
            return Err(ChainError::PreviousHash(number));
        }
        if data.data.is_empty() {
            return Err(ChainError::Missing("envelopes"));
        }
        if header.data_hash != block::data_hash(data)[..] {
            return Err(ChainError::DataHash(number));
        }
        self.follow_made(block)
    }

    /// The tip after a block that this node made itself, so that hashing its data again would tell nothing new.
    pub(crate) fn follow_made(&self, block: &Block) -> Result<Self, ChainError> {
        let header = block.header.as_ref().ok_or(ChainError::Missing("header"))?;
        let number = header.number;
        let reason = |error: String| ChainError::Metadata { number, reason: error };
        let consenters =
            block::consenter_metadata(block).map_err(|error| reason(error.to_string()))?;
        let last_config = block::last_config(block).map_err(|error| reason(error.to_string()))?;
        if consenters.raft_index <= self.raft_index {
            let expected = self.raft_index + 1;
            return Err(ChainError::RaftIndex { number, expected, found: consenters.raft_index });
        }
        if last_config > number {
            return Err(reason(format!("last configuration block {last_config} is above it")));
        }
        check_consenters(&self.consenters, &consenters, block::is_config(block)).map_err(reason)?;
        let hash = block::header_hash(header);
        Ok(Self { number, hash, raft_index: consenters.raft_index, last_config, consenters })
    }

    /// The tip after the block at `index` of Raft's log, which the block itself must name.
    pub(crate) fn follow_at(&self, block: &Block, index: u64) -> Result<Self, ChainError> {
        let tip = self.follow(block)?;
        if tip.raft_index != index {
            let number = tip.number;
            return Err(ChainError::RaftIndex { number, expected: index, found: tip.raft_index });
        }
        Ok(tip)
    }
}

/// Only a configuration block changes who orders, one consenter at a time, and an id is never used twice.
fn check_consenters(
    before: &BlockMetadata,
    after: &BlockMetadata,
    is_config: bool,
) -> Result<(), String> {
    let new: Vec<u64> = missing(&after.consenter_ids, &before.consenter_ids);
    let gone = missing(&before.consenter_ids, &after.consenter_ids);
    let fresh = before.next_consenter_id;
    match (&new[..], &gone[..]) {
        ([], []) | ([], [_]) if after.next_consenter_id == fresh => {}
        ([id], []) if *id == fresh && after.next_consenter_id == fresh + 1 => {}
        ([], []) | ([], [_]) | ([_], []) => {
            return Err(format!("consenter ids do not go on from {fresh}"));
        }
        (new, gone) => {
            return Err(format!(
                "update of more than one consenter at a time is not supported, requested changes: add {} node(s), \
                 remove {} node(s)",
                new.len(),
                gone.len()
            ));
        }
    }
    if !is_config && before.consenter_ids != after.consenter_ids {
        return Err("consenters change without a configuration".to_owned());
    }
    Ok(())
}

fn missing(these: &[u64], among: &[u64]) -> Vec<u64> {
    these.iter().copied().filter(|id| !among.contains(id)).collect()
}

/// Reads a block's bytes without copying its envelopes.
pub(crate) fn decode(bytes: &Bytes) -> Result<Block, ChainError> {
    Block::decode(bytes.clone()).map_err(|error| ChainError::NoBlock(error.to_string()))
}

/// The number that a block's bytes claim, without reading the rest.
pub(crate) fn claimed_number(bytes: &Bytes) -> Option<u64> {
    #[derive(Clone, PartialEq, prost::Message)]
    struct HeaderOnly {
        #[prost(message, optional, tag = "1")]
        header: Option<common::BlockHeader>,
    }
    HeaderOnly::decode(bytes.clone()).ok()?.header.map(|header| header.number)
}
