//! A channel's log as this orderer keeps it: Raft's records and the blocks in them, found again by number and index.
//!
//! | kind | index | term | body |
//! |---|---|---|---|
//! | genesis | 0 | 0 | the block |
//! | block, empty, conf change | Raft index | Raft term | the entry's data |
//! | hard state | commit index | term | vote, 8 bytes big-endian |
//! | truncate | first void index | 0 | nothing |
//! | fetched | Raft index the block names | 0 | the block |
//! | snapshot | Raft index | Raft term | `carecord.orderer.RaftSnapshot` |

mod folders;
mod incarnation;

use std::path::Path;

use bytes::Bytes;
use carecord_blocks::record_log::Options;
use carecord_blocks::storage::{Disk, Storage};
use carecord_blocks::{Record as Stored, RecordLog, RecordReader};
use carecord_consensus::{
    EntryBody, HardState, LogEntry, LogReadError, LogReader, Record, Replay, Restored,
    SnapshotPoint,
};
use carecord_proto::block;
use carecord_proto::carecord::orderer::RaftSnapshot;
use carecord_proto::common::Block;
use parking_lot::RwLock;
use prost::Message;
use std::sync::Arc;

use crate::Error;

pub(crate) use folders::{Folder, Folders, delete};
pub(crate) use incarnation::Incarnation;

/// Keeps an orderer's log from being opened as a peer's.
pub(crate) const LABEL: [u8; 4] = *b"ORDR";

const GENESIS: u8 = 0;
const BLOCK: u8 = 1;
const EMPTY: u8 = 2;
const CONF_CHANGE: u8 = 3;
const HARD_STATE: u8 = 4;
const TRUNCATE: u8 = 5;
const FETCHED: u8 = 6;
const SNAPSHOT: u8 = 7;

/// The readable side of a channel's log; shared by all who deliver.
#[derive(Debug)]
pub(crate) struct Log {
    reader: RecordReader,
    places: Arc<RwLock<Places>>,
}

/// Where blocks and entries lie; for every number and index the record appended last.
#[derive(Debug, Default)]
struct Places {
    blocks: Vec<u64>,
    entries: Vec<u64>,
    /// The index before the first of `entries`.
    base: u64,
}

/// The writable side; belongs to the writer's thread.
pub(crate) struct Appender {
    log: RecordLog,
    places: Arc<RwLock<Places>>,
}

/// Raft's own way into the log.
pub(crate) struct Entries(pub(crate) Arc<Log>);

/// A channel's log, opened and read through once.
pub(crate) struct Opened {
    pub(crate) log: Arc<Log>,
    pub(crate) appender: Appender,
    /// Nothing while the channel's first block is missing.
    pub(crate) restored: Option<Restored>,
}

/// Begins a channel's log with its genesis block.
fn begin(path: &Path, genesis: &Block) -> Result<(), Error> {
    let mut log = open_log(path)?;
    log.append(GENESIS, 0, 0, &genesis.encode_to_vec())?;
    Ok(log.sync()?)
}

/// Opens a channel's log and restores from it.
pub(crate) fn open(path: &Path) -> Result<Opened, Error> {
    open_on(open_log(path)?)
}

fn open_log(path: &Path) -> Result<RecordLog, Error> {
    let disk: Arc<dyn Storage> = Disk::open(path)
        .map_err(|source| Error::Disk { what: path.display().to_string(), source })?;
    Ok(RecordLog::open(disk, Options::new(LABEL))?)
}

/// Reads a log again whose writable end comes back from a role that ended.
pub(crate) async fn reread(appender: Appender) -> Result<(Appender, Option<Restored>), Error> {
    let read = move || {
        // Where things lie is known already, and readers rely on it.
        let restored = restore(&appender.log, |_| Ok(()))?;
        Ok((appender, restored))
    };
    let failed =
        |error| Error::Disk { what: "log".to_owned(), source: std::io::Error::other(error) };
    tokio::task::spawn_blocking(read).await.map_err(failed)?
}

pub(crate) fn open_on(log: RecordLog) -> Result<Opened, Error> {
    let places = Arc::new(RwLock::new(Places::default()));
    let restored = restore(&log, |stored| places.write().note(stored))?;
    let log_reader = Log { reader: log.reader(), places: Arc::clone(&places) };
    Ok(Opened { log: Arc::new(log_reader), appender: Appender { log, places }, restored })
}

fn restore(
    log: &RecordLog,
    mut note: impl FnMut(&Stored) -> Result<(), Error>,
) -> Result<Option<Restored>, Error> {
    let mut replay = None;
    for stored in log.scan(0).records() {
        let stored = stored?;
        if stored.kind == GENESIS {
            let genesis = Block::decode(stored.bytes.clone())?;
            let consenters = crate::consenters(&carecord_channel::Bundle::from_block(&genesis)?)?;
            replay = Some(Replay::new(&genesis, consenters.len())?);
        } else {
            let replay = replay.as_mut().ok_or(Error::NoGenesis)?;
            replay.push(record(&stored)?)?;
        }
        note(&stored)?;
    }
    Ok(replay.map(Replay::finish))
}

// === impl Appender ===

impl Appender {
    /// Appends the channel's first block.
    pub(crate) fn begin(&mut self, first: &Block) -> Result<(), Error> {
        let bytes = Bytes::from(first.encode_to_vec());
        let position = self.log.append(GENESIS, 0, 0, &bytes)?;
        let next = self.log.end();
        let stored = Stored { position, next, kind: GENESIS, index: 0, term: 0, bytes };
        self.places.write().note(&stored)
    }

    /// Appends records; they are durable after [`Appender::sync`].
    pub(crate) fn append(&mut self, records: &[Record]) -> Result<(), Error> {
        for record in records {
            let (kind, index, term, body) = stored(record);
            let position = self.log.append(kind, index, term, &body)?;
            let next = self.log.end();
            self.places.write().note(&Stored { position, next, kind, index, term, bytes: body })?;
        }
        Ok(())
    }

    pub(crate) fn sync(&mut self) -> Result<(), Error> {
        Ok(self.log.sync()?)
    }
}

// === impl Log ===

impl Log {
    /// A block's bytes; `None` above what is known. Whether it may be delivered is the height's question.
    pub(crate) fn block(&self, number: u64) -> Result<Option<Bytes>, Error> {
        let place = usize::try_from(number).ok().and_then(|n| self.places.read().block(n));
        place.map(|position| Ok(self.reader.read(position)?.bytes)).transpose()
    }

    /// The header hash of a block.
    pub(crate) fn header_hash(&self, number: u64) -> Result<Option<Bytes>, Error> {
        let Some(bytes) = self.block(number)? else { return Ok(None) };
        let block = Block::decode(bytes)?;
        let header = block.header.as_ref().ok_or(Error::NoHeader)?;
        Ok(Some(Bytes::copy_from_slice(&block::header_hash(header))))
    }

    /// The configuration block in force at `number`.
    pub(crate) fn last_config_block(&self, number: u64) -> Result<Block, Error> {
        let newest = self.block(number)?.ok_or(Error::NoBlock(number))?;
        let config = block::last_config(&Block::decode(newest)?)?;
        let bytes = self.block(config)?.ok_or(Error::NoBlock(config))?;
        Ok(Block::decode(bytes)?)
    }
}

impl LogReader for Entries {
    fn entries(&self, low: u64, high: u64, bytes: u64) -> Result<Vec<LogEntry>, LogReadError> {
        let mut entries = Vec::new();
        let mut left = bytes;
        for index in low..high {
            let Some(position) = self.0.places.read().entry(index) else {
                return Err(LogReadError(format!("entry {index} is not in the log")));
            };
            let stored = self.0.reader.read(position).map_err(|e| LogReadError(e.to_string()))?;
            let Some(entry) = entry(&stored) else {
                return Err(LogReadError(format!("record {position} is not an entry")));
            };
            let size = entry.body.len() as u64;
            if size > left && !entries.is_empty() {
                break;
            }
            left = left.saturating_sub(size);
            entries.push(entry);
        }
        Ok(entries)
    }
}

// === impl Places ===

impl Places {
    fn block(&self, number: usize) -> Option<u64> {
        self.blocks.get(number).copied()
    }

    fn entry(&self, index: u64) -> Option<u64> {
        let offset = index.checked_sub(self.base + 1)?;
        self.entries.get(usize::try_from(offset).ok()?).copied()
    }

    fn note(&mut self, stored: &Stored) -> Result<(), Error> {
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

// === records ===

fn stored(record: &Record) -> (u8, u64, u64, Bytes) {
    match record {
        Record::Entry(LogEntry { index, term, body }) => match body {
            EntryBody::Block(bytes) => (BLOCK, *index, *term, bytes.clone()),
            EntryBody::Empty => (EMPTY, *index, *term, Bytes::new()),
            EntryBody::ConfChange(bytes) => (CONF_CHANGE, *index, *term, bytes.clone()),
        },
        Record::HardState(state) => {
            let vote = Bytes::copy_from_slice(&state.vote.to_be_bytes());
            (HARD_STATE, state.commit, state.term, vote)
        }
        Record::Truncate { from } => (TRUNCATE, *from, 0, Bytes::new()),
        Record::Fetched { index, block } => (FETCHED, *index, 0, block.clone()),
        Record::Snapshot(point) => {
            let body = RaftSnapshot {
                index: point.index,
                term: point.term,
                voters: point.voters.clone(),
                learners: point.learners.clone(),
                block_number: point.block_number,
                block_hash: Bytes::copy_from_slice(&point.block_hash),
            };
            (SNAPSHOT, point.index, point.term, body.encode_to_vec().into())
        }
    }
}

fn record(stored: &Stored) -> Result<Record, Error> {
    if let Some(entry) = entry(stored) {
        return Ok(Record::Entry(entry));
    }
    let unreadable = || Error::Record { kind: stored.kind, position: stored.position };
    match stored.kind {
        HARD_STATE => {
            let vote = stored.bytes.as_ref().try_into().map_err(|_| unreadable())?;
            let vote = u64::from_be_bytes(vote);
            Ok(Record::HardState(HardState { term: stored.term, vote, commit: stored.index }))
        }
        TRUNCATE => Ok(Record::Truncate { from: stored.index }),
        FETCHED => Ok(Record::Fetched { index: stored.index, block: stored.bytes.clone() }),
        SNAPSHOT => {
            let body = RaftSnapshot::decode(stored.bytes.clone())?;
            let block_hash = body.block_hash.as_ref().try_into().map_err(|_| unreadable())?;
            Ok(Record::Snapshot(SnapshotPoint {
                index: body.index,
                term: body.term,
                voters: body.voters,
                learners: body.learners,
                block_number: body.block_number,
                block_hash,
            }))
        }
        _ => Err(unreadable()),
    }
}

fn entry(stored: &Stored) -> Option<LogEntry> {
    let body = match stored.kind {
        BLOCK => EntryBody::Block(stored.bytes.clone()),
        EMPTY => EntryBody::Empty,
        CONF_CHANGE => EntryBody::ConfChange(stored.bytes.clone()),
        _ => return None,
    };
    Some(LogEntry { index: stored.index, term: stored.term, body })
}

#[cfg(test)]
mod tests {
    use carecord_blocks::storage::Simulated;

    use super::*;

    fn block(number: u64) -> Bytes {
        let previous = Bytes::copy_from_slice(&[number as u8; 32]);
        block::new(number, previous, vec![Bytes::from(vec![number as u8; 10])])
            .encode_to_vec()
            .into()
    }

    fn appender() -> (Appender, Arc<Log>) {
        let storage: Arc<dyn Storage> = Arc::new(Simulated::default());
        let log = RecordLog::open(storage, Options::new(LABEL)).unwrap();
        let places = Arc::new(RwLock::new(Places::default()));
        let reader = Log { reader: log.reader(), places: Arc::clone(&places) };
        (Appender { log, places }, Arc::new(reader))
    }

    fn entry_of(index: u64, term: u64, bytes: Bytes) -> Record {
        Record::Entry(LogEntry { index, term, body: EntryBody::Block(bytes) })
    }

    #[test]
    fn what_was_appended_last_stands_for_a_number_and_an_index() {
        let (mut appender, log) = appender();
        let genesis = Record::Fetched { index: 0, block: block(0) };
        appender.append(&[genesis, entry_of(1, 1, block(1)), entry_of(2, 1, block(2))]).unwrap();
        let again = block::new(2, Bytes::new(), vec![]).encode_to_vec();
        let replaced = [Record::Truncate { from: 2 }, entry_of(2, 2, again.clone().into())];
        appender.append(&replaced).unwrap();
        appender.sync().unwrap();

        assert_eq!(log.block(1).unwrap(), Some(block(1)));
        assert_eq!(log.block(2).unwrap().unwrap(), again);
        assert_eq!(log.block(3).unwrap(), None);
        let entries = Entries(log).entries(1, 3, u64::MAX).unwrap();
        assert_eq!(entries.iter().map(|entry| entry.term).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn every_record_reads_back_as_it_was_written() {
        let point = SnapshotPoint {
            index: 9,
            term: 3,
            voters: vec![1, 2, 3],
            learners: vec![4],
            block_number: 7,
            block_hash: [5; 32],
        };
        let records = [
            entry_of(4, 2, block(3)),
            Record::Entry(LogEntry { index: 5, term: 2, body: EntryBody::Empty }),
            Record::HardState(HardState { term: 3, vote: 2, commit: 4 }),
            Record::Truncate { from: 5 },
            Record::Fetched { index: 6, block: block(4) },
            Record::Snapshot(point),
        ];
        for before in records {
            let (kind, index, term, bytes) = stored(&before);
            let after = record(&Stored { position: 0, next: 0, kind, index, term, bytes });
            assert_eq!(after.unwrap(), before);
        }
    }
}
