//! What Raft wants done: records for the disk, messages for others, entries that are agreed.

use carecord_proto::carecord::orderer::RaftMessage;
use raft::{RawNode, Ready};

use super::{Fault, Node};
use crate::raft::convert;
use crate::raft::view::View;
use crate::record::{HardState, LogEntry, Record, SnapshotPoint};

/// What Raft wants done next.
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// Names this work when it is reported durable.
    pub number: u64,
    /// To be persisted, in order.
    pub records: Vec<Record>,
    /// To be sent at once, while persisting.
    pub messages: Vec<RaftMessage>,
    /// To be sent when this and all earlier work is durable.
    pub persisted_messages: Vec<RaftMessage>,
    /// The log begins anew here.
    pub snapshot: Option<SnapshotPoint>,
    /// Committed and durable here, in order.
    pub committed: Vec<LogEntry>,
}

impl Node {
    /// The next work, if there is any.
    pub(crate) fn take_work(&mut self) -> Result<Option<Work>, Fault> {
        if !self.raw.has_ready() {
            return Ok(None);
        }
        let mut written = self.written;
        let mut work = Work::default();
        self.run(|raw| {
            let mut ready = raw.ready();
            work.number = ready.number();
            work.messages = ready.take_messages().into_iter().map(convert::message_out).collect();
            work.persisted_messages =
                ready.take_persisted_messages().into_iter().map(convert::message_out).collect();
            work.committed =
                ready.take_committed_entries().iter().map(convert::log_entry).collect();
            work.records = records(raw, &ready, &mut written, &mut work.snapshot);
            raw.advance_append_async(ready);
        })?;
        self.written = written;
        if let Some(point) = &work.snapshot {
            self.installing = Some((work.number, point.index));
        }
        Ok(Some(work))
    }

    /// The commit index, if it rose since it was last written and what it covers is durable.
    pub(crate) fn take_commit_record(&mut self) -> Option<Record> {
        let commit = self.committed().min(self.raw.raft.raft_log.persisted);
        if commit <= self.written.commit {
            return None;
        }
        self.written.commit = commit;
        Some(Record::HardState(self.written))
    }
}

/// What has to be persisted of a ready: votes first, so that a torn write never leaves entries of a term unheard of.
fn records(
    raw: &mut RawNode<View>,
    ready: &Ready,
    written: &mut HardState,
    snapshot: &mut Option<SnapshotPoint>,
) -> Vec<Record> {
    let mut records = Vec::new();
    let log = &raw.raft.raft_log;
    let commit = log.committed.min(log.persisted).max(written.commit);
    let (term, vote) = (raw.raft.term, raw.raft.vote);
    let voted = (term, vote) != (written.term, written.vote);
    let appends = !ready.entries().is_empty() || !ready.snapshot().is_empty();
    if voted || appends && commit > written.commit {
        *written = HardState { term, vote, commit };
        records.push(Record::HardState(*written));
    }
    if !ready.snapshot().is_empty() {
        let point = convert::point_of(ready.snapshot());
        written.commit = written.commit.max(point.index);
        raw.mut_store().install(point.clone());
        records.push(Record::Snapshot(point.clone()));
        *snapshot = Some(point);
    }
    if let Some(from) = raw.mut_store().append(ready.entries()) {
        records.push(Record::Truncate { from });
    }
    records.extend(ready.entries().iter().map(convert::log_entry).map(Record::Entry));
    records
}
