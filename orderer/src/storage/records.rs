//! How the core's records are written into the log, and read back.
//!
//! | kind | index | term | body |
//! |---|---|---|---|
//! | genesis | 0 | 0 | the block |
//! | block, empty, conf change | Raft index | Raft term | the entry's data |
//! | hard state | commit index | term | vote, 8 bytes big-endian |
//! | truncate | first void index | 0 | nothing |
//! | fetched | Raft index the block names | 0 | the block |
//! | snapshot | Raft index | Raft term | `carecord.orderer.RaftSnapshot` |

use bytes::Bytes;
use carecord_blocks::Record as Stored;
use carecord_consensus::{EntryBody, HardState, LogEntry, Record, SnapshotPoint};
use carecord_proto::carecord::orderer::RaftSnapshot;
use prost::Message;

use crate::Error;

pub(super) const GENESIS: u8 = 0;
pub(super) const BLOCK: u8 = 1;
pub(super) const EMPTY: u8 = 2;
pub(super) const CONF_CHANGE: u8 = 3;
pub(super) const HARD_STATE: u8 = 4;
pub(super) const TRUNCATE: u8 = 5;
pub(super) const FETCHED: u8 = 6;
pub(super) const SNAPSHOT: u8 = 7;

pub(super) fn stored(record: &Record) -> (u8, u64, u64, Bytes) {
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

pub(super) fn record(stored: &Stored) -> Result<Record, Error> {
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

pub(super) fn entry(stored: &Stored) -> Option<LogEntry> {
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
    use super::*;

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
            Record::Entry(LogEntry { index: 4, term: 2, body: EntryBody::Block(block(3)) }),
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

    fn block(number: u8) -> Bytes {
        vec![number; 10].into()
    }
}
