//! Where blocks and entries lie in the log.

use carecord_blocks::Record as Stored;
use carecord_proto::common::Block;
use prost::Message;

use super::records::{BLOCK, CONF_CHANGE, EMPTY, FETCHED, GENESIS, SNAPSHOT, TRUNCATE};
use crate::Error;

/// Where blocks and entries lie; for every number and index the record appended last.
#[derive(Debug, Default)]
pub(super) struct Places {
    blocks: Vec<u64>,
    entries: Vec<u64>,
    /// The index before the first of `entries`.
    base: u64,
}

// === impl Places ===

impl Places {
    pub(super) fn block(&self, number: usize) -> Option<u64> {
        self.blocks.get(number).copied()
    }

    pub(super) fn entry(&self, index: u64) -> Option<u64> {
        let offset = index.checked_sub(self.base + 1)?;
        self.entries.get(usize::try_from(offset).ok()?).copied()
    }

    pub(super) fn note(&mut self, stored: &Stored) -> Result<(), Error> {
        match stored.kind {
            GENESIS | FETCHED => self.note_block(stored)?,
            BLOCK => {
                self.note_block(stored)?;
                self.note_entry(stored);
            }
            EMPTY | CONF_CHANGE => self.note_entry(stored),
            TRUNCATE => self.truncate(stored.index),
            SNAPSHOT => {
                self.entries.clear();
                self.base = stored.index;
            }
            _ => {}
        }
        Ok(())
    }

    fn note_entry(&mut self, stored: &Stored) {
        self.truncate(stored.index);
        self.entries.push(stored.position);
    }

    fn truncate(&mut self, from: u64) {
        let kept = from.saturating_sub(self.base + 1);
        self.entries.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
    }

    fn note_block(&mut self, stored: &Stored) -> Result<(), Error> {
        let block = Block::decode(stored.bytes.clone())?;
        let number = block.header.as_ref().ok_or(Error::NoHeader)?.number;
        let number = usize::try_from(number).map_err(|_| Error::NoBlock(number))?;
        if number > self.blocks.len() {
            return Err(Error::NoBlock(self.blocks.len() as u64));
        }
        // What lies above stays: a follower has fetched blocks that Raft brings again one by one. No more is delivered
        // than is known to be committed, and each committed block was appended last.
        match self.blocks.get_mut(number) {
            Some(position) => *position = stored.position,
            None => self.blocks.push(stored.position),
        }
        Ok(())
    }
}
