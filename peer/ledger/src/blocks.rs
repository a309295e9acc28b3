//! The block log as the ledger uses it: one writer, any number of readers.
//!
//! The log is the only truth; everything else is replayed from it.

use std::sync::Arc;

use carecord_blocks::record_log::Options;
use carecord_blocks::storage::Storage;
use carecord_blocks::{BlockLog, BlockReader, Error, block_log};
use carecord_proto::common::Block;
use parking_lot::Mutex;

/// A channel's blocks, with flags and commit hashes.
pub(crate) struct Blocks {
    log: Mutex<BlockLog>,
    reader: BlockReader,
}

impl Blocks {
    pub(crate) fn open(storage: Arc<dyn Storage>) -> Result<Self, Error> {
        let log = BlockLog::open(storage, Options::new(block_log::LABEL))?;
        let reader = log.reader();
        Ok(Blocks { log: Mutex::new(log), reader })
    }

    /// How many blocks are safely stored.
    pub(crate) fn height(&self) -> u64 {
        self.reader.height()
    }

    /// Stores the next block; it is on the disk when this returns.
    pub(crate) fn append(&self, block: &Block) -> Result<(), Error> {
        let mut log = self.log.lock();
        log.append_block(block)?;
        log.sync()
    }

    /// The block of this number.
    pub(crate) fn read(&self, number: u64) -> Result<Option<Block>, Error> {
        self.reader.block(number)
    }

    pub(crate) fn reader(&self) -> BlockReader {
        self.reader.clone()
    }
}
