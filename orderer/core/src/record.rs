//! What a channel's log holds: blocks with their place in Raft's log, and the little that Raft must not forget.
//!
//! Place in the flow: [`Effect::Persist`](crate::Effect::Persist) carries records to the shell's append-only log;
//! after a restart the shell feeds them, in order, to [`Replay`](crate::Replay). Nothing is ever overwritten.

use bytes::Bytes;

/// One record of the log, in the order of appending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// An entry of Raft's log. A conflict makes an entry follow a [`Record::Truncate`].
    Entry(LogEntry),
    /// Term, vote and commit index.
    HardState(HardState),
    /// The entries from this index on are void.
    Truncate {
        /// The first void index.
        from: u64,
    },
    /// A committed block fetched from another orderer. It is no Raft entry until a [`Record::Snapshot`] at or above
    /// its index follows.
    Fetched {
        /// The Raft index that the block itself names.
        index: u64,
        /// The block's bytes.
        block: Bytes,
    },
    /// Raft's log starts anew after this point; all blocks up to it are here.
    Snapshot(SnapshotPoint),
}

/// An entry of Raft's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Its place; not the number of the block in it.
    pub index: u64,
    /// The term of the leader that made it.
    pub term: u64,
    /// What it holds.
    pub body: EntryBody,
}

/// What an entry of Raft's log holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryBody {
    /// A finished `common.Block`.
    Block(Bytes),
    /// Nothing: a new leader's first entry.
    Empty,
    /// A change of the consenter set, in Raft's encoding.
    ConfChange(Bytes),
}

impl EntryBody {
    /// The bytes that it holds, for a size limit.
    pub fn len(&self) -> usize {
        match self {
            Self::Block(bytes) | Self::ConfChange(bytes) => bytes.len(),
            Self::Empty => 0,
        }
    }

    /// True if it holds no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a node must never forget about its part in elections, and how far it knew the log to be committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HardState {
    /// The highest term seen.
    pub term: u64,
    /// For whom it voted in that term; 0 for nobody.
    pub vote: u64,
    /// Up to here the log is committed.
    pub commit: u64,
}

/// A point of the log up to which a node got the blocks by fetching them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapshotPoint {
    /// Raft index of the point.
    pub index: u64,
    /// Term of the entry there.
    pub term: u64,
    /// Who votes as of that point.
    pub voters: Vec<u64>,
    /// Who only listens as of that point.
    pub learners: Vec<u64>,
    /// The last block at or below the point.
    pub block_number: u64,
    /// That block's header hash.
    pub block_hash: [u8; 32],
}
