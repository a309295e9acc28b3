//! Raft's messages and entries in our own, and back, field by field.

use bytes::{BufMut, Bytes, BytesMut};
use carecord_proto::carecord::orderer::{RaftEntry, RaftMessage, RaftSnapshot};
use protobuf::ProtobufEnum;
use raft::eraftpb::{Entry, EntryType, Message, MessageType, Snapshot};

use super::members::Members;
use crate::record::{EntryBody, LogEntry, SnapshotPoint};

/// Block number and header hash, which Raft carries along as the snapshot's data.
const SNAPSHOT_DATA_BYTES: usize = 8 + 32;

/// The message type by its number, if there is such a one.
pub(super) fn message_type(number: i32) -> Option<MessageType> {
    MessageType::from_i32(number)
}

pub(super) fn message_in(message: RaftMessage) -> Option<Message> {
    let mut out = Message::default();
    out.set_msg_type(message_type(message.r#type)?);
    out.to = message.to;
    out.from = message.from;
    out.term = message.term;
    out.log_term = message.log_term;
    out.index = message.index;
    let entries: Option<Vec<Entry>> = message.entries.into_iter().map(entry_in).collect();
    out.set_entries(entries?.into());
    out.commit = message.commit;
    out.commit_term = message.commit_term;
    if let Some(snapshot) = message.snapshot {
        out.set_snapshot(snapshot_in(&point_in(snapshot)?));
    }
    out.request_snapshot = message.request_snapshot;
    out.reject = message.reject;
    out.reject_hint = message.reject_hint;
    out.context = message.context;
    out.priority = message.priority;
    Some(out)
}

pub(super) fn message_out(mut message: Message) -> RaftMessage {
    RaftMessage {
        r#type: message.get_msg_type() as i32,
        to: message.to,
        from: message.from,
        term: message.term,
        log_term: message.log_term,
        index: message.index,
        entries: message.take_entries().into_vec().into_iter().map(entry_out).collect(),
        commit: message.commit,
        commit_term: message.commit_term,
        snapshot: message.has_snapshot().then(|| point_out(&point_of(message.get_snapshot()))),
        request_snapshot: message.request_snapshot,
        reject: message.reject,
        reject_hint: message.reject_hint,
        context: message.take_context(),
        priority: message.priority,
    }
}

/// True for the entry types that this protocol uses.
pub(super) fn entry_type_known(number: i32) -> bool {
    number == EntryType::EntryNormal as i32 || number == EntryType::EntryConfChangeV2 as i32
}

/// An entry of the wire as the log keeps it.
pub(crate) fn body_in(entry: &RaftEntry) -> EntryBody {
    if entry.r#type == EntryType::EntryConfChangeV2 as i32 {
        EntryBody::ConfChange(entry.data.clone())
    } else if entry.data.is_empty() {
        EntryBody::Empty
    } else {
        EntryBody::Block(entry.data.clone())
    }
}

/// True for a message that appends entries.
pub(crate) fn is_append(message: &RaftMessage) -> bool {
    message.r#type == MessageType::MsgAppend as i32
}

pub(super) fn entry_in(entry: RaftEntry) -> Option<Entry> {
    let mut out = Entry::default();
    out.entry_type = match entry.r#type {
        0 => EntryType::EntryNormal,
        2 => EntryType::EntryConfChangeV2,
        _ => return None,
    };
    out.term = entry.term;
    out.index = entry.index;
    out.data = entry.data;
    out.context = entry.context;
    Some(out)
}

fn entry_out(mut entry: Entry) -> RaftEntry {
    RaftEntry {
        r#type: entry.get_entry_type() as i32,
        term: entry.term,
        index: entry.index,
        data: entry.take_data(),
        context: entry.take_context(),
    }
}

/// An entry as the log keeps it.
pub(super) fn log_entry(entry: &Entry) -> LogEntry {
    let body = match entry.get_entry_type() {
        EntryType::EntryNormal if entry.data.is_empty() => EntryBody::Empty,
        EntryType::EntryNormal => EntryBody::Block(entry.data.clone()),
        _ => EntryBody::ConfChange(entry.data.clone()),
    };
    LogEntry { index: entry.index, term: entry.term, body }
}

/// An entry as Raft keeps it.
pub(super) fn raft_entry(entry: &LogEntry) -> Entry {
    let mut out = Entry::default();
    out.index = entry.index;
    out.term = entry.term;
    match &entry.body {
        EntryBody::Block(bytes) => out.data = bytes.clone(),
        EntryBody::Empty => {}
        EntryBody::ConfChange(bytes) => {
            out.entry_type = EntryType::EntryConfChangeV2;
            out.data = bytes.clone();
        }
    }
    out
}

/// The snapshot point of a message, if it is whole.
pub(crate) fn point_in(snapshot: RaftSnapshot) -> Option<SnapshotPoint> {
    Some(SnapshotPoint {
        index: snapshot.index,
        term: snapshot.term,
        voters: snapshot.voters,
        learners: snapshot.learners,
        block_number: snapshot.block_number,
        block_hash: snapshot.block_hash.as_ref().try_into().ok()?,
    })
}

fn point_out(point: &SnapshotPoint) -> RaftSnapshot {
    RaftSnapshot {
        index: point.index,
        term: point.term,
        voters: point.voters.clone(),
        learners: point.learners.clone(),
        block_number: point.block_number,
        block_hash: Bytes::copy_from_slice(&point.block_hash),
    }
}

/// A snapshot as Raft carries it.
pub(super) fn snapshot_in(point: &SnapshotPoint) -> Snapshot {
    let mut data = BytesMut::with_capacity(SNAPSHOT_DATA_BYTES);
    data.put_u64(point.block_number);
    data.put_slice(&point.block_hash);
    let mut out = Snapshot::default();
    out.set_data(data.freeze());
    let members = Members { voters: point.voters.clone(), learners: point.learners.clone() };
    let metadata = out.mut_metadata();
    metadata.index = point.index;
    metadata.term = point.term;
    metadata.set_conf_state(members.to_raft());
    out
}

/// The point that a snapshot made by [`snapshot_in`] names.
pub(super) fn point_of(snapshot: &Snapshot) -> SnapshotPoint {
    let metadata = snapshot.get_metadata();
    let members = Members::from_raft(metadata.get_conf_state());
    let (number, hash) = snapshot.data.split_at_checked(8).unwrap_or_default();
    SnapshotPoint {
        index: metadata.index,
        term: metadata.term,
        voters: members.voters,
        learners: members.learners,
        block_number: number.try_into().map(u64::from_be_bytes).unwrap_or_default(),
        block_hash: hash.try_into().unwrap_or_default(),
    }
}
