//! An append-only log of checksummed records, in segment files: what the block log and the orderer's Raft log are made of.
//!
//! | at opening | what happens |
//! |---|---|
//! | the end is torn, after the last sync | cut, and [`RecordLog::cut_bytes`] says how much |
//! | synced bytes are missing or changed | [`Error::Corrupt`] with file and offset; nothing is repaired silently |
//! | a write or sync fails | [`Error::Stopped`] from then on; the process restarts and recovers |
//!
//! Nothing is ever overwritten. Readers on other threads ([`RecordReader`]) see what is synced, and nothing else.

mod copy;
mod format;
mod open;
mod read;

use std::sync::Arc;

use bytes::Bytes;

use crate::Error;
use crate::storage::{Storage, StoredFile};
use format::{HEAD, MARK_SLOT, RecordHead};
use read::{Segment, Shared};

pub use copy::{Copied, copy, is_log};
pub use read::{Head, RecordReader, Scan};

/// The largest body of a record: above any block that fits a message, with room for its metadata.
pub const MAX_RECORD_BYTES: usize = 256 << 20;
/// Memory that is kept from one record to the next.
const KEPT_BUFFER_BYTES: usize = 4 << 20;

/// How a log is laid out, and how much of it is read when it opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Four letters that keep one kind of log from being opened as another.
    pub label: [u8; 4],
    /// The size from which on a new segment file is begun.
    pub segment_bytes: u64,
    /// What of the closed segments is checked; the last one is always checked whole.
    pub check: Check,
}

/// How closed segments are checked at opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Every byte.
    Everything,
    /// Every record's head; a body is checked when it is read.
    Heads,
}

// === impl Options ===

impl Options {
    /// Segments of 512 MiB, heads checked.
    pub const fn new(label: [u8; 4]) -> Self {
        Self { label, segment_bytes: 512 << 20, check: Check::Heads }
    }
}

/// A record as it was appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it lies.
    pub position: u64,
    /// Where the next one lies, or will lie.
    pub next: u64,
    /// What it is, by the log's owner.
    pub kind: u8,
    /// A block number or a Raft index.
    pub index: u64,
    /// A Raft term.
    pub term: u64,
    /// Its content.
    pub bytes: Bytes,
}

/// The writer of a log; there is one.
#[derive(Debug)]
pub struct RecordLog {
    storage: Arc<dyn Storage>,
    options: Options,
    shared: Arc<Shared>,
    mark: Arc<dyn StoredFile>,
    mark_turn: u64,
    /// A record on its way to the file; kept, since fresh memory for each large record is dear.
    buffer: Vec<u8>,
    cut_bytes: u64,
    stopped: Option<String>,
}

// === impl RecordLog ===

impl RecordLog {
    /// Opens a log, or begins one where there is none.
    pub fn open(storage: Arc<dyn Storage>, options: Options) -> Result<Self, Error> {
        open::open(storage, options)
    }

    /// Appends a record, not durable before [`Self::sync`]; gives its position.
    pub fn append(&mut self, kind: u8, index: u64, term: u64, body: &[u8]) -> Result<u64, Error> {
        self.check_running()?;
        if body.len() > MAX_RECORD_BYTES {
            return Err(Error::TooLarge { len: body.len(), limit: MAX_RECORD_BYTES });
        }
        let mut segment = self.shared.last();
        if self.end() - segment.base >= self.options.segment_bytes.max(HEAD as u64 + 1) {
            segment = self.begin_segment()?;
        }
        let position = self.end();
        self.buffer.clear();
        self.buffer.extend_from_slice(&RecordHead::new(kind, index, term, body).encode());
        self.buffer.extend_from_slice(body);
        let len = self.buffer.len() as u64;
        let written = segment.file.write_at(&self.buffer, position - segment.base);
        self.buffer.clear();
        self.buffer.shrink_to(KEPT_BUFFER_BYTES);
        self.stop_on_error(&segment.name, written)?;
        self.shared.set_end(position + len);
        Ok(position)
    }

    /// Makes everything appended durable, and shows it to readers.
    pub fn sync(&mut self) -> Result<(), Error> {
        self.check_running()?;
        if self.shared.synced() == self.end() {
            return Ok(());
        }
        let segment = self.shared.last();
        let synced = segment.file.sync();
        self.stop_on_error(&segment.name, synced)?;
        self.write_mark()?;
        self.shared.set_synced(self.end());
        Ok(())
    }

    /// Takes everything from `position` on away for good: where a record starts, or the end.
    ///
    /// Only while nobody reads. The mark goes first and the newest segment next, so that whatever a crash leaves is a
    /// whole log: the old one, the new one, or one that ends with a segment in between.
    pub fn cut(&mut self, position: u64) -> Result<(), Error> {
        self.check_running()?;
        let position = position.max(HEAD as u64);
        if position != self.end() && self.shared.head(position, self.end())?.is_none() {
            return Err(Error::NoRecord(position));
        }
        self.sync()?;
        self.mark_until(position)?;
        let marked = self.mark.sync();
        self.stop_on_error(format::MARK_NAME, marked)?;
        while self.shared.last().base >= position {
            let segment = self.shared.pop();
            let removed = self.storage.remove(&segment.name);
            self.stop_on_error(&segment.name, removed)?;
        }
        let segment = self.shared.last();
        let cut = segment.file.truncate(position - segment.base).and_then(|()| segment.file.sync());
        self.stop_on_error(&segment.name, cut)?;
        self.shared.set_end(position);
        self.shared.set_synced(position);
        Ok(())
    }

    /// Reads a record of one's own, synced or not.
    pub fn read(&self, position: u64) -> Result<Record, Error> {
        self.shared.read(position, self.end())
    }

    /// All records from `position` on, synced or not; 0 is the start.
    pub fn scan(&self, position: u64) -> Scan {
        Scan::new(Arc::clone(&self.shared), position, self.end())
    }

    /// The position that the next record will have.
    pub fn end(&self) -> u64 {
        self.shared.end()
    }

    /// How many bytes of a torn tail were cut at opening.
    pub fn cut_bytes(&self) -> u64 {
        self.cut_bytes
    }

    /// A reader for other threads.
    pub fn reader(&self) -> RecordReader {
        RecordReader::new(Arc::clone(&self.shared))
    }

    /// Closes the current segment for good, so that only the last one can ever be torn.
    fn begin_segment(&mut self) -> Result<Arc<Segment>, Error> {
        self.sync()?;
        let base = self.end();
        let segment = open::create_segment(&*self.storage, self.options.label, base);
        let segment = segment.inspect_err(|error| self.stopped = Some(error.to_string()))?;
        self.shared.push(Arc::new(segment));
        self.shared.set_end(base + HEAD as u64);
        Ok(self.shared.last())
    }

    fn write_mark(&mut self) -> Result<(), Error> {
        self.mark_until(self.end())
    }

    fn mark_until(&mut self, position: u64) -> Result<(), Error> {
        self.mark_turn += 1;
        let offset = self.mark_turn % 2 * MARK_SLOT;
        let written = self.mark.write_at(&format::mark(position, self.mark_turn), offset);
        self.stop_on_error(format::MARK_NAME, written)
    }

    fn check_running(&self) -> Result<(), Error> {
        match &self.stopped {
            Some(reason) => Err(Error::Stopped(reason.clone())),
            None => Ok(()),
        }
    }

    fn stop_on_error(&mut self, name: &str, result: std::io::Result<()>) -> Result<(), Error> {
        result.map_err(|source| {
            let error = Error::Io { file: self.storage.describe(name), source };
            self.stopped = Some(error.to_string());
            error
        })
    }
}
