//! Reading a log: any number of threads, each through `pread`, beside the one that writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::RwLock;

use super::Record;
use super::format::{HEAD, RecordHead};
use crate::Error;
use crate::storage::StoredFile;

/// One open segment file.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) base: u64,
    pub(super) name: String,
    /// The file's full name, for messages.
    pub(super) described: String,
    pub(super) file: Arc<dyn StoredFile>,
}

/// What writer and readers share.
#[derive(Debug)]
pub(super) struct Shared {
    segments: RwLock<Vec<Arc<Segment>>>,
    end: AtomicU64,
    synced: AtomicU64,
}

// === impl Shared ===

impl Shared {
    /// `segments` is not empty.
    pub(super) fn new(segments: Vec<Arc<Segment>>, end: u64) -> Self {
        let (end, synced) = (AtomicU64::new(end), AtomicU64::new(end));
        Self { segments: RwLock::new(segments), end, synced }
    }

    pub(super) fn last(&self) -> Arc<Segment> {
        Arc::clone(self.segments.read().last().expect("a log has at least one segment"))
    }

    pub(super) fn push(&self, segment: Arc<Segment>) {
        self.segments.write().push(segment);
    }

    /// Forgets the last segment; the first one stays.
    pub(super) fn pop(&self) -> Arc<Segment> {
        let mut segments = self.segments.write();
        let last = segments.pop().expect("a log has at least one segment");
        if segments.is_empty() {
            segments.push(Arc::clone(&last));
        }
        last
    }

    pub(super) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    pub(super) fn set_end(&self, end: u64) {
        self.end.store(end, Ordering::Release);
    }

    pub(super) fn synced(&self) -> u64 {
        self.synced.load(Ordering::Acquire)
    }

    pub(super) fn set_synced(&self, end: u64) {
        self.synced.store(end, Ordering::Release);
    }

    /// The segment that `position` lies in, and where: a segment's own head is skipped.
    fn locate(&self, position: u64) -> Option<(Arc<Segment>, u64)> {
        let segments = self.segments.read();
        let after = segments.partition_point(|segment| segment.base <= position);
        let segment = Arc::clone(segments.get(after.checked_sub(1)?)?);
        let offset = (position - segment.base).max(HEAD as u64);
        Some((segment, offset))
    }

    /// The head of the record at `position`; `None` at the end.
    pub(super) fn head(&self, position: u64, end: u64) -> Result<Option<Head>, Error> {
        let (segment, offset) = self.locate(position).ok_or(Error::NoRecord(position))?;
        let position = segment.base + offset;
        if position >= end {
            return Ok(None);
        }
        if end - position < HEAD as u64 {
            return Err(Error::NoRecord(position));
        }
        let mut bytes = [0; HEAD];
        segment.read(&mut bytes, offset)?;
        let head = RecordHead::decode(&bytes)
            .ok_or_else(|| segment.corrupt(offset, "checksum of a record's head does not match"))?;
        let next = position + (HEAD as u64) + u64::from(head.len);
        if next > end {
            return Err(segment.corrupt(offset, "record is longer than the log"));
        }
        Ok(Some(Head { position, next, kind: head.kind, index: head.index, term: head.term, head }))
    }

    pub(super) fn read(&self, position: u64, end: u64) -> Result<Record, Error> {
        let head = self.head(position, end)?.ok_or(Error::NoRecord(position))?;
        self.body(&head)
    }

    fn body(&self, head: &Head) -> Result<Record, Error> {
        let (segment, offset) = self.locate(head.position).ok_or(Error::NoRecord(head.position))?;
        let mut body = vec![0; head.head.len as usize];
        segment.read(&mut body, offset + HEAD as u64)?;
        if crc32fast::hash(&body) != head.head.body_crc {
            return Err(segment.corrupt(offset, "checksum of a record's body does not match"));
        }
        let Head { position, next, kind, index, term, .. } = *head;
        Ok(Record { position, next, kind, index, term, bytes: Bytes::from(body) })
    }
}

// === impl Segment ===

impl Segment {
    pub(super) fn read(&self, buf: &mut [u8], offset: u64) -> Result<(), Error> {
        let read = self.file.read_at(buf, offset);
        read.map_err(|source| Error::Io { file: self.described.clone(), source })
    }

    pub(super) fn corrupt(&self, offset: u64, reason: &'static str) -> Error {
        Error::Corrupt { file: self.described.clone(), offset, reason }
    }
}

/// What a record says about itself without its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
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
    head: RecordHead,
}

// === impl Head ===

impl Head {
    /// The length of the body.
    pub fn len(&self) -> u32 {
        self.head.len
    }

    /// Whether there is no body.
    pub fn is_empty(&self) -> bool {
        self.head.len == 0
    }
}

/// Reads synced records from any thread.
#[derive(Debug, Clone)]
pub struct RecordReader {
    shared: Arc<Shared>,
}

// === impl RecordReader ===

impl RecordReader {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The record at `position`.
    pub fn read(&self, position: u64) -> Result<Record, Error> {
        self.shared.read(position, self.end())
    }

    /// The head of the record at `position`; `None` at the synced end.
    pub fn head(&self, position: u64) -> Result<Option<Head>, Error> {
        self.shared.head(position, self.end())
    }

    /// The heads of all synced records from `position` on; 0 is the start.
    pub fn scan(&self, position: u64) -> Scan {
        Scan::new(Arc::clone(&self.shared), position, self.end())
    }

    /// How far the log is durable.
    pub fn end(&self) -> u64 {
        self.shared.synced()
    }
}

/// Steps through the heads of a log's records, up to the end at its making; stops after an error.
#[derive(Debug)]
pub struct Scan {
    shared: Arc<Shared>,
    position: u64,
    end: u64,
}

// === impl Scan ===

impl Scan {
    pub(super) fn new(shared: Arc<Shared>, position: u64, end: u64) -> Self {
        Self { shared, position, end }
    }

    /// Reads the body that belongs to a head of this scan.
    pub fn read(&self, head: &Head) -> Result<Record, Error> {
        self.shared.body(head)
    }

    /// The same steps, each with its body.
    pub fn records(self) -> impl Iterator<Item = Result<Record, Error>> {
        let shared = Arc::clone(&self.shared);
        self.map(move |head| shared.body(&head?))
    }
}

impl Iterator for Scan {
    type Item = Result<Head, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let head = self.shared.head(self.position, self.end).transpose()?;
        self.position = head.as_ref().map_or(self.end, |head| head.next);
        Some(head)
    }
}
