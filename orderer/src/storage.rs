//! A channel's log as this orderer keeps it: Raft's records and the blocks in them, found again by number and index.
//! How a record is written is told in [`records`], where it lies in [`places`].

mod folders;
mod incarnation;
mod places;
mod records;

use std::path::Path;

use bytes::Bytes;
use carecord_blocks::record_log::Options;
use carecord_blocks::storage::{Disk, Storage};
use carecord_blocks::{Record as Stored, RecordLog, RecordReader};
use carecord_consensus::{LogEntry, LogReadError, LogReader, Record, Replay, Restored};
use carecord_proto::block;
use carecord_proto::common::Block;
use parking_lot::RwLock;
use prost::Message;
use std::sync::Arc;

use crate::Error;

pub(crate) use folders::{Folder, Folders, delete};
pub(crate) use incarnation::Incarnation;
use places::Places;
use records::{GENESIS, entry, record, stored};

/// Keeps an orderer's log from being opened as a peer's.
pub(crate) const LABEL: [u8; 4] = *b"ORDR";

/// The readable side of a channel's log; shared by all who deliver.
#[derive(Debug)]
pub(crate) struct Log {
    reader: RecordReader,
    places: Arc<RwLock<Places>>,
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

#[cfg(test)]
mod tests {
    use carecord_blocks::storage::Simulated;
    use carecord_consensus::EntryBody;

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
}
