//! The chain that a follower takes: where it ends, and what was verified of it and is not written yet.

use std::sync::Arc;

use bytes::Bytes;
use carecord_channel::Bundle;
use carecord_consensus::Record;
use carecord_proto::block;
use carecord_proto::common::Block;
use prost::Message;

use super::Left;
use crate::Error;

/// What the next block must follow.
#[derive(Clone)]
pub(super) struct ChainEnd {
    pub(super) next: u64,
    pub(super) hash: Bytes,
    pub(super) bundle: Arc<Bundle>,
}

/// Blocks that are verified and not yet written.
#[derive(Default)]
pub(super) struct Portion {
    pub(super) records: Vec<Record>,
    pub(super) first: Option<Block>,
    pub(super) bytes: usize,
    /// The last configuration among them.
    pub(super) config: Option<Block>,
}

// === impl ChainEnd ===

impl ChainEnd {
    /// After a verified block, whose configuration is decided again if it is one.
    pub(super) fn after(&self, block: &Block) -> Result<Self, Left> {
        let mut end = self.clone();
        if let Some(config) = block::config_envelope(block)? {
            end.bundle = Arc::new(self.bundle.next_bundle(&config)?);
        }
        end.moved(block)
    }

    pub(super) fn moved(self, block: &Block) -> Result<Self, Left> {
        let header = block.header.as_ref().ok_or(Error::NoHeader)?;
        let hash = Bytes::copy_from_slice(&block::header_hash(header));
        Ok(Self { next: header.number + 1, hash, ..self })
    }
}

// === impl Portion ===

impl Portion {
    pub(super) fn push(&mut self, block: Block) -> Result<(), Error> {
        if block::number(&block) == 0 {
            self.first = Some(block);
            return Ok(());
        }
        let index = block::consenter_metadata(&block)?.raft_index;
        let encoded = Bytes::from(block.encode_to_vec());
        self.bytes += encoded.len();
        if block::is_config(&block) {
            self.config = Some(block);
        }
        self.records.push(Record::Fetched { index, block: encoded });
        Ok(())
    }
}
