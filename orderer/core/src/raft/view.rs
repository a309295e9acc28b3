//! Raft's log as the `raft` crate reads it: the newest entries in memory, the terms of all, the rest through the
//! shell's reader.
//!
//! Everything after the applied index stays in memory, so only a leader that serves a lagging follower ever reads
//! back; and a follower further behind than the limit is told "compacted" and gets a snapshot point instead.

use std::collections::VecDeque;

use raft::eraftpb::{Entry, HardState, Snapshot};
use raft::{Error, GetEntriesContext, RaftState, Storage, StorageError};

use super::convert;
use super::members::Members;
use super::spans::TermSpans;
use crate::reader::LogReader;
use crate::record::{LogEntry, SnapshotPoint};

pub(super) struct View {
    hard_state: HardState,
    members: Members,
    spans: TermSpans,
    window: VecDeque<Entry>,
    window_bytes: usize,
    max_window_bytes: usize,
    max_append_lag: u64,
    applied: SnapshotPoint,
    reader: Box<dyn LogReader>,
}

impl View {
    pub(super) fn new(
        hard_state: HardState,
        members: Members,
        spans: TermSpans,
        tail: &VecDeque<LogEntry>,
        reader: Box<dyn LogReader>,
    ) -> Self {
        let window: VecDeque<Entry> = tail.iter().map(convert::raft_entry).collect();
        let window_bytes = window.iter().map(size).sum();
        Self {
            hard_state,
            members,
            spans,
            window,
            window_bytes,
            max_window_bytes: 0,
            max_append_lag: 0,
            applied: SnapshotPoint::default(),
            reader,
        }
    }

    pub(super) fn limit(&mut self, max_window_bytes: usize, max_append_lag: u64) {
        self.max_window_bytes = max_window_bytes;
        self.max_append_lag = max_append_lag;
    }

    pub(super) fn members(&self) -> &Members {
        &self.members
    }

    /// Takes entries that Raft wants persisted; a conflict drops what they replace. Tells the first void index then.
    pub(super) fn append(&mut self, entries: &[Entry]) -> Option<u64> {
        let first = entries.first()?.index;
        let conflict = (first <= self.spans.last_index()).then_some(first);
        if conflict.is_some() {
            self.spans.truncate(first);
            while self.window.back().is_some_and(|entry| entry.index >= first) {
                let dropped = self.window.pop_back();
                self.window_bytes -= dropped.as_ref().map_or(0, size);
            }
        }
        for entry in entries {
            self.spans.push(entry.index, entry.term);
            self.window_bytes += size(entry);
            self.window.push_back(entry.clone());
        }
        conflict
    }

    /// Begins anew after a snapshot point.
    pub(super) fn install(&mut self, point: SnapshotPoint) {
        self.spans = TermSpans::after(point.index, point.term);
        self.window.clear();
        self.window_bytes = 0;
        self.members = Members { voters: point.voters.clone(), learners: point.learners.clone() };
        self.applied = point;
    }

    pub(super) fn set_members(&mut self, members: Members) {
        self.members = members;
    }

    /// Notes how far the log is applied; older entries may leave memory.
    pub(super) fn applied(&mut self, index: u64, block_number: u64, block_hash: [u8; 32]) {
        self.applied.index = index;
        self.applied.block_number = block_number;
        self.applied.block_hash = block_hash;
        while self.window_bytes > self.max_window_bytes
            && self.window.front().is_some_and(|entry| entry.index <= index)
        {
            let dropped = self.window.pop_front();
            self.window_bytes -= dropped.as_ref().map_or(0, size);
        }
    }

    pub(super) fn first_index(&self) -> u64 {
        self.spans.first_index()
    }

    pub(super) fn last_index(&self) -> u64 {
        self.spans.last_index()
    }

    fn window_first(&self) -> u64 {
        let after_all = self.spans.last_index() + 1;
        self.window.front().map_or(after_all, |entry| entry.index)
    }

    fn in_memory(&self, low: u64, high: u64, max_bytes: u64) -> Vec<Entry> {
        let from = usize::try_from(low - self.window_first()).unwrap_or(usize::MAX);
        let count = usize::try_from(high - low).unwrap_or(usize::MAX);
        let mut bytes = 0;
        let mut entries = Vec::new();
        for entry in self.window.iter().skip(from).take(count) {
            bytes += size(entry) as u64;
            if bytes > max_bytes && !entries.is_empty() {
                break;
            }
            entries.push(entry.clone());
        }
        entries
    }

    fn read_back(&self, low: u64, high: u64, max_bytes: u64) -> raft::Result<Vec<Entry>> {
        let high = high.min(self.window_first());
        let entries = self.reader.entries(low, high, max_bytes).unwrap_or_default();
        let whole = !entries.is_empty()
            && entries.len() as u64 <= high - low
            && entries.iter().zip(low..).all(|(entry, index)| {
                entry.index == index && self.spans.term(index) == Some(entry.term)
            });
        if !whole {
            return Err(Error::Store(StorageError::Compacted));
        }
        Ok(entries.iter().map(convert::raft_entry).collect())
    }
}

impl Storage for View {
    fn initial_state(&self) -> raft::Result<RaftState> {
        Ok(RaftState::new(self.hard_state.clone(), self.members.to_raft()))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        context: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        let max_bytes = max_size.into().unwrap_or(u64::MAX);
        if low < self.first_index() {
            return Err(Error::Store(StorageError::Compacted));
        }
        // Only replication to a follower may be asynchronous, so this asks for whom the entries are.
        let for_follower = context.can_async();
        let lags = low <= self.applied.index && low + self.max_append_lag <= self.last_index();
        if for_follower && lags {
            return Err(Error::Store(StorageError::Compacted));
        }
        if low < self.window_first() {
            return self.read_back(low, high, max_bytes);
        }
        Ok(self.in_memory(low, high, max_bytes))
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        match self.spans.term(index) {
            Some(term) => Ok(term),
            None if index < self.first_index() => Err(Error::Store(StorageError::Compacted)),
            None => Err(Error::Store(StorageError::Unavailable)),
        }
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.spans.first_index())
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.spans.last_index())
    }

    fn snapshot(&self, request_index: u64, _to: u64) -> raft::Result<Snapshot> {
        let index = self.applied.index;
        let Some(term) = self.spans.term(index).filter(|_| index > 0 && index >= request_index)
        else {
            return Err(Error::Store(StorageError::SnapshotTemporarilyUnavailable));
        };
        let members = self.members.clone();
        Ok(convert::snapshot_in(&SnapshotPoint {
            index,
            term,
            voters: members.voters,
            learners: members.learners,
            block_number: self.applied.block_number,
            block_hash: self.applied.block_hash,
        }))
    }
}

fn size(entry: &Entry) -> usize {
    entry.data.len() + entry.context.len()
}
