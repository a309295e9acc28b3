//! A log in memory that forgets, at a crash, what was not made durable.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use carecord_consensus::{
    EntryBody, LogEntry, LogReadError, LogReader, Record, Replay, ReplayError, Restored,
};
use carecord_proto::common::Block;
use prost::Message;

/// The records of one node, shared with the reader that its core holds.
#[derive(Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<Log>>);

#[derive(Default)]
struct Log {
    records: Vec<Record>,
    durable: usize,
    /// The point at which Raft's log begins.
    base: u64,
    /// Where the entry of each Raft index lies.
    entries: BTreeMap<u64, usize>,
    /// Where the last record of each block number lies.
    blocks: BTreeMap<u64, usize>,
}

impl Disk {
    /// A backup of what is durable.
    pub(crate) fn copy(&self) -> Self {
        let backup = Self::default();
        let log = self.0.lock().unwrap();
        let count = backup.append(log.records[..log.durable].to_vec());
        backup.make_durable(count);
        backup
    }

    /// Appends, not yet durable; tells how much there is now.
    pub(crate) fn append(&self, records: Vec<Record>) -> usize {
        let mut log = self.0.lock().unwrap();
        for record in records {
            log.push(record);
        }
        log.records.len()
    }

    /// The first `count` records are durable.
    pub(crate) fn make_durable(&self, count: usize) {
        let mut log = self.0.lock().unwrap();
        log.durable = log.durable.max(count).min(log.records.len());
    }

    /// How many records are not durable.
    pub(crate) fn volatile(&self) -> usize {
        let log = self.0.lock().unwrap();
        log.records.len() - log.durable
    }

    /// A crash: of what is not durable, only the first `survivors` records are left.
    pub(crate) fn crash(&self, survivors: usize) {
        let mut log = self.0.lock().unwrap();
        let left = (log.durable + survivors).min(log.records.len());
        let records: Vec<Record> = log.records.drain(..left).collect();
        *log = Log { durable: left, ..Log::default() };
        for record in records {
            log.push(record);
        }
    }

    pub(crate) fn wipe(&self) {
        *self.0.lock().unwrap() = Log::default();
    }

    /// The index at which Raft's log ends.
    pub(crate) fn last_index(&self) -> u64 {
        let log = self.0.lock().unwrap();
        log.entries.last_key_value().map_or(log.base, |(index, _)| *index)
    }

    /// The last record of this block number.
    pub(crate) fn block(&self, number: u64) -> Option<Bytes> {
        let log = self.0.lock().unwrap();
        log.blocks.get(&number).map(|at| block_of(&log.records[*at]).unwrap().clone())
    }

    /// True if a crash now would leave this block; it may lie here twice, as an entry and as fetched.
    pub(crate) fn is_durable(&self, number: u64, block: &Bytes) -> bool {
        let log = self.0.lock().unwrap();
        let newest = log.blocks.get(&number).is_some_and(|at| *at < log.durable);
        newest || log.records[..log.durable].iter().rev().any(|r| block_of(r) == Some(block))
    }

    pub(crate) fn replay(
        &self,
        genesis: &Block,
        consenters: usize,
    ) -> Result<Restored, ReplayError> {
        let mut replay = Replay::new(genesis, consenters)?;
        for record in &self.0.lock().unwrap().records {
            replay.push(record.clone())?;
        }
        Ok(replay.finish())
    }
}

impl Log {
    fn push(&mut self, record: Record) {
        let at = self.records.len();
        match &record {
            Record::Entry(entry) => {
                self.entries.insert(entry.index, at);
            }
            Record::Truncate { from } => {
                self.entries.split_off(from);
            }
            Record::Snapshot(point) => {
                self.entries.clear();
                self.base = point.index;
            }
            Record::HardState(_) | Record::Fetched { .. } => {}
        }
        if let Some(number) = block_of(&record).and_then(number_of) {
            self.blocks.insert(number, at);
        }
        self.records.push(record);
    }
}

impl LogReader for Disk {
    fn entries(&self, low: u64, high: u64, max_bytes: u64) -> Result<Vec<LogEntry>, LogReadError> {
        let log = self.0.lock().unwrap();
        let mut bytes = 0;
        let mut found = Vec::new();
        for index in low..high {
            let at = log.entries.get(&index).ok_or_else(|| LogReadError(format!("{index}")))?;
            let Record::Entry(entry) = &log.records[*at] else { unreachable!() };
            bytes += entry.body.len() as u64;
            if bytes > max_bytes && !found.is_empty() {
                break;
            }
            found.push(entry.clone());
        }
        Ok(found)
    }
}

fn block_of(record: &Record) -> Option<&Bytes> {
    match record {
        Record::Entry(LogEntry { body: EntryBody::Block(bytes), .. })
        | Record::Fetched { block: bytes, .. } => Some(bytes),
        _ => None,
    }
}

/// The number in a block's header; a liar's entry may be no block.
fn number_of(bytes: &Bytes) -> Option<u64> {
    Some(Block::decode(bytes.clone()).ok()?.header?.number)
}
