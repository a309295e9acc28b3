//! The block log: a record log in which record n is block n, with its final bytes.
//!
//! Place in the flow: a peer appends a block with the validation flags and commit hash it has computed, syncs, and only
//! then changes its state. In memory stays one position for every sixteenth block; the others are found by stepping
//! over record heads.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use carecord_proto::common::Block;
use carecord_proto::{block, decode};
use parking_lot::RwLock;
use prost::Message;

use crate::Error;
use crate::record_log::{Head, Options, RecordLog, RecordReader};
use crate::storage::{Disk, Storage};

/// The record kind of a block in a block log.
pub const KIND_BLOCK: u8 = 1;
/// How many blocks share one position in memory.
const STRIDE: u64 = 16;
/// What keeps a block log from being opened as another log.
pub const LABEL: [u8; 4] = *b"BLKS";

/// The writer of a channel's blocks; there is one.
#[derive(Debug)]
pub struct BlockLog {
    log: RecordLog,
    index: Arc<RwLock<Index>>,
    next: Option<u64>,
    pending: Vec<u64>,
}

/// Which blocks are durable, and where every sixteenth of them lies.
#[derive(Debug, Default)]
struct Index {
    first: u64,
    count: u64,
    positions: Vec<u64>,
}

// === impl BlockLog ===

impl BlockLog {
    /// Opens the blocks in a storage, or begins with none.
    pub fn open(storage: Arc<dyn Storage>, options: Options) -> Result<Self, Error> {
        let log = RecordLog::open(storage, options)?;
        let mut index = Index::default();
        for head in log.scan(0) {
            index.add(&head?)?;
        }
        let next = (index.count > 0).then(|| index.first + index.count);
        Ok(Self { log, index: Arc::new(RwLock::new(index)), next, pending: Vec::new() })
    }

    /// Opens the blocks in a directory.
    pub fn open_dir(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        let file = path.display().to_string();
        let disk = Disk::open(path).map_err(|source| Error::Io { file, source })?;
        Self::open(disk, Options::new(LABEL))
    }

    /// Appends a block in its final bytes, not durable before [`Self::sync`]. The first block of an empty log may have
    /// any number.
    pub fn append(&mut self, number: u64, bytes: &[u8]) -> Result<(), Error> {
        let expected = self.next.unwrap_or(number);
        if number != expected {
            return Err(Error::OutOfOrder { expected, found: number });
        }
        let position = self.log.append(KIND_BLOCK, number, 0, bytes)?;
        self.pending.push(position);
        self.next = Some(number + 1);
        Ok(())
    }

    /// Encodes a block and appends it.
    pub fn append_block(&mut self, block: &Block) -> Result<(), Error> {
        self.append(block::number(block), &block.encode_to_vec())
    }

    /// Makes everything appended durable, and shows it to readers.
    pub fn sync(&mut self) -> Result<(), Error> {
        self.log.sync()?;
        let mut index = self.index.write();
        if index.count == 0 {
            index.first = self.height() - self.pending.len() as u64;
        }
        for position in self.pending.drain(..) {
            index.push(position);
        }
        Ok(())
    }

    /// Takes the blocks from `number` on away for good; see [`RecordLog::cut`].
    pub fn cut(&mut self, number: u64) -> Result<(), Error> {
        self.sync()?;
        let reader = self.reader();
        let Some(position) = reader.position(number)? else { return Ok(()) };
        self.log.cut(position)?;
        let mut index = self.index.write();
        index.count = number - index.first;
        let kept = usize::try_from(index.count.div_ceil(STRIDE)).unwrap_or(usize::MAX);
        index.positions.truncate(kept);
        self.next = (index.count > 0).then_some(number);
        Ok(())
    }

    /// The number that the next block must have.
    pub fn height(&self) -> u64 {
        self.next.unwrap_or(0)
    }

    /// How many bytes of a torn tail were cut at opening.
    pub fn cut_bytes(&self) -> u64 {
        self.log.cut_bytes()
    }

    /// A reader for other threads.
    pub fn reader(&self) -> BlockReader {
        BlockReader { records: self.log.reader(), index: Arc::clone(&self.index) }
    }

    /// The bytes of a durable block; `None` if there is none of that number.
    pub fn read(&self, number: u64) -> Result<Option<Bytes>, Error> {
        self.reader().read(number)
    }
}

// === impl Index ===

impl Index {
    fn add(&mut self, head: &Head) -> Result<(), Error> {
        if self.count == 0 {
            self.first = head.index;
        }
        let expected = self.first + self.count;
        if head.index != expected {
            return Err(Error::OutOfOrder { expected, found: head.index });
        }
        self.push(head.position);
        Ok(())
    }

    fn push(&mut self, position: u64) {
        if self.count.is_multiple_of(STRIDE) {
            self.positions.push(position);
        }
        self.count += 1;
    }

    /// The nearest known position at or before a block, and how many records to step over.
    fn locate(&self, number: u64) -> Option<(u64, u64)> {
        let place = number.checked_sub(self.first).filter(|place| *place < self.count)?;
        let position = self.positions.get(usize::try_from(place / STRIDE).ok()?)?;
        Some((*position, place % STRIDE))
    }
}

/// Reads durable blocks from any thread; cheap to clone.
#[derive(Debug, Clone)]
pub struct BlockReader {
    records: RecordReader,
    index: Arc<RwLock<Index>>,
}

// === impl BlockReader ===

impl BlockReader {
    /// One more than the number of the last durable block.
    pub fn height(&self) -> u64 {
        let index = self.index.read();
        if index.count == 0 { 0 } else { index.first + index.count }
    }

    /// The number of the first block in the log: 0 unless it was begun from a snapshot.
    pub fn first(&self) -> u64 {
        self.index.read().first
    }

    /// A block's bytes; `None` if there is none of that number.
    pub fn read(&self, number: u64) -> Result<Option<Bytes>, Error> {
        let Some(position) = self.position(number)? else { return Ok(None) };
        Ok(Some(self.records.read(position)?.bytes))
    }

    /// A block; `None` if there is none of that number.
    pub fn block(&self, number: u64) -> Result<Option<Block>, Error> {
        let Some(bytes) = self.read(number)? else { return Ok(None) };
        decode_block(number, &bytes).map(Some)
    }

    /// The durable blocks from `number` on, without looking each one up; ends at the height it meets.
    pub fn blocks_from(&self, number: u64) -> BlockIter {
        BlockIter { reader: self.clone(), number, position: None }
    }

    fn position(&self, number: u64) -> Result<Option<u64>, Error> {
        let Some((mut position, steps)) = self.index.read().locate(number) else { return Ok(None) };
        for _ in 0..steps {
            let head = self.records.head(position)?.ok_or(Error::NoRecord(position))?;
            position = head.next;
        }
        Ok(Some(position))
    }
}

/// Steps through durable blocks; after `None` it goes on once more blocks are durable.
#[derive(Debug)]
pub struct BlockIter {
    reader: BlockReader,
    number: u64,
    position: Option<u64>,
}

impl Iterator for BlockIter {
    type Item = Result<Block, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.number >= self.reader.height() {
            return None;
        }
        Some(self.read())
    }
}

// === impl BlockIter ===

impl BlockIter {
    fn read(&mut self) -> Result<Block, Error> {
        let position = match self.position {
            Some(position) => position,
            None => self.reader.position(self.number)?.ok_or(Error::NoRecord(self.number))?,
        };
        let record = self.reader.records.read(position)?;
        let block = decode_block(self.number, &record.bytes)?;
        self.position = Some(record.next);
        self.number += 1;
        Ok(block)
    }
}

fn decode_block(number: u64, bytes: &Bytes) -> Result<Block, Error> {
    decode("Block", bytes).map_err(|source| Error::Block { number, source })
}
