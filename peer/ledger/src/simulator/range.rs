//! Range queries of a simulation, and what of them is recorded.
//!
//! What is recorded is what the iterator has been asked for, not what the chaincode has looked at: [`Simulator::next_batch`]
//! runs ahead until 100 results are queued and the 101st arrives, so a range of up to 100 results is always recorded
//! whole (interface A.0.8).

use std::collections::VecDeque;

use bytes::Bytes;
use carecord_proto::kvrwset::range_query_info::ReadsInfo;
use carecord_proto::kvrwset::{QueryReads, RangeQueryInfo};
use carecord_proto::rwset::{MAX_DEGREE, RangeQueryResults, RwSetBuilder, kv_read};

use super::{SimulationError, Simulator};
use crate::state::{EngineError, StateView, Version};

/// Results a batch holds at most; the one after it must have arrived before a batch leaves.
const BATCH: usize = 100;

/// Rows read from the state at a time, at most.
const CHUNK: usize = 128;

/// Bytes after which no further row is read at that time.
const CHUNK_BYTES: usize = 1 << 20;

/// Iterators a simulation may have opened.
const MAX_RANGES: usize = 10_000;

/// An open range query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RangeId(u64);

/// Some results of a range query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Keys and values in key order.
    pub rows: Vec<(String, Bytes)>,
    /// Whether there is at least one more.
    pub has_more: bool,
}

/// One page of a paginated range query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Keys and values in key order.
    pub rows: Vec<(String, Bytes)>,
    /// The key at which the next page starts; empty after the last.
    pub bookmark: String,
}

type Row = (String, Bytes, Version);

/// A range query and what it has given so far.
pub(super) struct OpenRange {
    namespace: String,
    end: String,
    info: RangeQueryInfo,
    results: RangeQueryResults,
    fetched: VecDeque<Row>,
    /// Where to read on; none after the last row.
    resume: Option<Vec<u8>>,
    /// Rows that may still be given; none without a limit.
    left: Option<usize>,
    /// The result that arrived behind the last batch.
    ahead: Option<(String, Bytes)>,
    /// Whether everything was given.
    exhausted: bool,
    /// Whether the chaincode closed it; what it had asked for is recorded all the same.
    closed: bool,
}

impl OpenRange {
    fn new(namespace: &str, start: &str, end: &str, limit: Option<usize>) -> Self {
        let info = RangeQueryInfo { start_key: start.to_owned(), ..RangeQueryInfo::default() };
        OpenRange {
            namespace: namespace.to_owned(),
            end: end.to_owned(),
            info,
            results: RangeQueryResults::new(MAX_DEGREE),
            fetched: VecDeque::new(),
            resume: Some(start.as_bytes().to_vec()),
            left: limit,
            ahead: None,
            exhausted: false,
            closed: false,
        }
    }

    /// The next result; asking for it is what gets recorded.
    fn next(&mut self, state: StateView<'_>) -> Result<Option<(String, Bytes)>, EngineError> {
        match self.fetch(state)? {
            Some((key, value, version)) if self.left != Some(0) => {
                self.left = self.left.map(|left| left - 1);
                self.results.add(kv_read(&key, Some((version.block, version.tx))));
                self.info.end_key.clone_from(&key);
                self.info.itr_exhausted = false;
                Ok(Some((key, value)))
            }
            found => {
                if let Some(row) = found {
                    self.fetched.push_front(row);
                }
                self.info.end_key.clone_from(&self.end);
                self.info.itr_exhausted = true;
                self.exhausted = true;
                Ok(None)
            }
        }
    }

    fn fetch(&mut self, state: StateView<'_>) -> Result<Option<Row>, EngineError> {
        if self.fetched.is_empty()
            && let Some(from) = self.resume.take()
        {
            let (namespace, end) = (&self.namespace, self.end.as_bytes());
            let (rows, more) = state.range_within(namespace, &from, end, CHUNK, CHUNK_BYTES)?;
            if more {
                self.resume = rows.last().map(|(key, _)| [&key[..], &[0]].concat());
            }
            self.fetched.extend(rows.into_iter().map(|(key, stored)| {
                let key = String::from_utf8_lossy(&key).into_owned();
                (key, stored.value, stored.version)
            }));
        }
        Ok(self.fetched.pop_front())
    }

    /// The key after the last one given, for the next page.
    fn bookmark(&mut self, state: StateView<'_>) -> Result<String, EngineError> {
        let next = self.fetch(state)?;
        let key = next.as_ref().map(|(key, ..)| key.clone()).unwrap_or_default();
        self.fetched.extend(next);
        Ok(key)
    }

    pub(super) fn record(self, rwset: &mut RwSetBuilder) {
        let mut info = self.info;
        info.reads_info = match self.results.done() {
            (_, Some(summary)) => Some(ReadsInfo::ReadsMerkleHashes(summary)),
            (reads, None) if reads.is_empty() => None,
            (kv_reads, None) => Some(ReadsInfo::RawReads(QueryReads { kv_reads })),
        };
        rwset.add_range_query(&self.namespace, info);
    }
}

impl Simulator<'_> {
    /// Opens a query over `start <= key < end`; an empty `end` means to the last key.
    pub fn range(
        &mut self,
        namespace: &str,
        start: &str,
        end: &str,
    ) -> Result<RangeId, SimulationError> {
        self.open(OpenRange::new(namespace, start, end, None))
    }

    fn open(&mut self, range: OpenRange) -> Result<RangeId, SimulationError> {
        if self.ranges.len() >= MAX_RANGES {
            return Err(SimulationError::TooManyRanges(MAX_RANGES));
        }
        self.touch(&range.namespace);
        let id = self.next_range;
        self.next_range += 1;
        self.ranges.insert(id, range);
        Ok(RangeId(id))
    }

    /// The next single result, without running ahead.
    pub fn next(&mut self, id: RangeId) -> Result<Option<(String, Bytes)>, SimulationError> {
        let state = StateView::new(&*self.snapshot);
        let range = self.ranges.get_mut(&id.0).filter(|range| !range.closed);
        let range = range.ok_or(SimulationError::NoSuchRange)?;
        if let Some(row) = range.ahead.take() {
            return Ok(Some(row));
        }
        if range.exhausted {
            return Ok(None);
        }
        Ok(range.next(state)?)
    }

    /// The next results, as a peer sends them to a chaincode.
    pub fn next_batch(&mut self, id: RangeId) -> Result<Batch, SimulationError> {
        let mut rows = Vec::new();
        loop {
            let Some(row) = self.next(id)? else { return Ok(Batch { rows, has_more: false }) };
            if rows.len() == BATCH {
                let range = self.ranges.get_mut(&id.0).ok_or(SimulationError::NoSuchRange)?;
                range.ahead = Some(row);
                return Ok(Batch { rows, has_more: true });
            }
            rows.push(row);
        }
    }

    /// Ends a query early; nothing more can be asked of it.
    pub fn close(&mut self, id: RangeId) {
        if let Some(range) = self.ranges.get_mut(&id.0) {
            range.closed = true;
            range.fetched = VecDeque::new();
        }
    }

    /// One page of a query; only in a transaction that writes nothing.
    pub fn range_page(
        &mut self,
        namespace: &str,
        start: &str,
        end: &str,
        page_size: i32,
    ) -> Result<Page, SimulationError> {
        let id = self.open_page(namespace, start, end, page_size)?;
        let mut rows = Vec::new();
        while let Some(row) = self.next(id)? {
            rows.push(row);
        }
        let bookmark = self.bookmark(id)?;
        Ok(Page { rows, bookmark })
    }

    /// Opens a query that ends after `page_size` results; only in a transaction that writes nothing.
    pub fn open_page(
        &mut self,
        namespace: &str,
        start: &str,
        end: &str,
        page_size: i32,
    ) -> Result<RangeId, SimulationError> {
        let limit = usize::try_from(page_size).ok().filter(|size| *size > 0);
        let limit = limit.ok_or(SimulationError::PageSize(page_size))?;
        self.about_to_page()?;
        self.open(OpenRange::new(namespace, start, end, Some(limit)))
    }

    /// The key at which the page after this one starts; empty if there is none.
    pub fn bookmark(&mut self, id: RangeId) -> Result<String, SimulationError> {
        let state = StateView::new(&*self.snapshot);
        let range = self.ranges.get_mut(&id.0).ok_or(SimulationError::NoSuchRange)?;
        Ok(range.bookmark(state)?)
    }
}
